/** CSV files of which nothing is known: only that comes back which looks like what it is. */
import * as arrow from 'apache-arrow'
import { CsvCacher } from '../../../cachers/csv.js'
import type { FrameLike } from '../../../cachers/frame/table.js'
import type { CacherCase } from '../../suites/cacher.js'
import { column, flatSamples, sameTable, tableOf } from './csv.js'

export default {
  name: 'CsvCacher, of files that nothing is known of',
  cacher: CsvCacher,
  module: import.meta.url,
  damage: 'unnoticed',
  samples: [
    {
      label: 'numbers, texts, true and false',
      make: () =>
        tableOf({
          x: column(new arrow.Float64(), [0.1, null, -0, Number.NaN, 2 ** 60]),
          text: column(new arrow.Utf8(), ['', null, 'a,b', '007', '"']),
          ok: column(new arrow.Bool(), [true, false, null, true, true]),
        }),
      same: sameTable,
    },
    ...flatSamples.filter(({ label }) =>
      [
        'no columns',
        'one column of texts',
        'one column of an empty name',
        'difficult names',
        'more than a piece',
      ].includes(label),
    ),
  ],
  refused: [],
} satisfies CacherCase<arrow.Table, FrameLike>
