/** JSON frames of which nothing is known: only that comes back which looks like what it is. */
import assert from 'node:assert/strict'
import * as arrow from 'apache-arrow'
import type { FrameLike } from '../../../cachers/frame/table.js'
import { JsonFrameCacher } from '../../../cachers/json-frame.js'
import type { CacherCase } from '../../suites/cacher.js'
import { flatSamples, seen } from './csv.js'

const lookLikeThemselves = [
  'no columns',
  'texts like those of other types',
  'one column of texts',
  'one column of nulls',
  'difficult names',
  'more than a piece',
]
export default {
  name: 'JsonFrameCacher, of files that nothing is known of',
  cacher: JsonFrameCacher,
  module: import.meta.url,
  samples: [
    {
      label: 'rows',
      make: () => [
        { x: 0.1, text: '', ok: true, id: 2n ** 60n, tags: ['a', null], at: { x: Number.NaN } },
        { x: -0, text: null, ok: null, id: -1n, tags: [], at: { x: 1 } },
      ],
      loaded: () => new arrow.Table(),
      same: (loaded) =>
        assert.deepStrictEqual(seen(loaded), {
          types: {
            x: 'float64',
            text: 'utf8',
            ok: 'bool',
            id: 'int64',
            tags: { list: { item: 'utf8' } },
            at: { struct: { x: 'float64' } },
          },
          rows: [
            [0.1, '', true, 2n ** 60n, ['a', null], { x: Number.NaN }],
            [-0, null, null, -1n, [], { x: 1 }],
          ],
        }),
    },
    ...flatSamples.filter(({ label }) => lookLikeThemselves.includes(label)),
  ],
  refused: [],
} satisfies CacherCase<arrow.Table, FrameLike>
