import assert from 'node:assert/strict'
import * as arrow from 'apache-arrow'
import { ArrowCacher } from '../../../cachers/arrow.js'
import type { FrameLike } from '../../../cachers/frame/table.js'
import type { CacherCase, Sample } from '../../suites/cacher.js'
import { everyType, ofEachType, sameTable, tableOf } from '../arrow-types.js'

type FrameSample = Sample<arrow.Table, FrameLike>

const table = (label: string, make: () => arrow.Table): FrameSample => ({ label, make, same: sameTable })
/** So many bytes that the file is handed on in pieces. */
const large = (): arrow.Table =>
  arrow.tableFromArrays({ x: Float64Array.from({ length: 200_000 }, (_, i) => Math.sqrt(i)) })
const names = Object.keys(ofEachType())
/** A few types each, so that what is refused or damaged shows where. */
const families = Array.from({ length: Math.ceil(names.length / 8) }, (_, i) => names.slice(8 * i, 8 * i + 8))

const samples: FrameSample[] = [
  ...families.map((family) =>
    table(`columns of ${family.join(', ')}`, () => {
      const all = ofEachType()
      return tableOf(Object.fromEntries(family.map((name) => [name, all[name]!])))
    }),
  ),
  table('every type in batches', () => everyType(2, 0, 3)),
  table('rows cut out of every type', () => everyType().slice(1, 4)),
  {
    label: 'more than a block',
    make: large,
    same: (actual, expected) =>
      assert.deepStrictEqual(actual.getChild('x')!.toArray(), expected.getChild('x')!.toArray()),
  },
  table('no rows', () => everyType(0)),
  table('no columns and no rows', () => new arrow.Table()),
  {
    label: 'rows',
    make: () => [
      { a: 1, b: 'x' },
      { b: null, c: [new Date(5)] },
    ],
    loaded: () =>
      new arrow.Table({
        a: arrow.vectorFromArray([1, null], new arrow.Float64()),
        b: arrow.vectorFromArray(['x', null], new arrow.Utf8()),
        c: arrow.vectorFromArray(
          [null, [5]],
          new arrow.List(new arrow.Field('item', new arrow.TimestampMillisecond(), true)),
        ),
      }),
    same: sameTable,
  },
]

export default {
  name: 'ArrowCacher',
  cacher: ArrowCacher,
  module: import.meta.url,
  samples,
  refused: [
    { label: 'undefined', value: undefined, message: /it is undefined, not a frame/ },
    { label: 'a number', value: 3, message: /it is a number, not a frame/ },
    { label: 'a Map', value: new Map(), message: /it is a Map, not a frame/ },
    { label: 'a row that is none', value: [{ a: 1 }, 2], message: /rows\[1\] is a number, not an object/ },
    {
      label: 'types that are mixed',
      value: [{ price: 1 }, {}, { price: null }, { price: '2' }],
      message: /rows\[3\]\.price is a string, but the column holds numbers/,
    },
    {
      label: 'columns of different lengths',
      value: { a: [1, 2], b: [1] },
      message: /its column b has 1 rows, but a has 2/,
    },
    {
      label: 'an integer past int64',
      value: [{ a: [{ b: 2n ** 63n }] }],
      message: /rows\[0\]\.a\[0\]\.b is 9223372036854775808n, which int64 cannot hold/,
    },
    { label: 'an invalid date', value: [{ at: new Date(Number.NaN) }], message: /rows\[0\]\.at is an invalid date/ },
    { label: 'a function', value: [{ f: () => 1 }], message: /rows\[0\]\.f is a function, which no column can hold/ },
    { label: 'half a surrogate pair', value: { s: ['\ud800'] }, message: /s\[0\] has half of a surrogate pair/ },
  ],
} satisfies CacherCase<arrow.Table, FrameLike>
