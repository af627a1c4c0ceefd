import * as arrow from 'apache-arrow'
import type { FrameLike } from '../../../cachers/frame/table.js'
import { JsonFrameCacher } from '../../../cachers/json-frame.js'
import type { CacherCase } from '../../suites/cacher.js'
import {
  column,
  dictionary,
  flatSamples,
  refusedByAll,
  sameTable,
  type TableSample,
  tableOf,
  withTypes,
} from './csv.js'

const int = (...values: (number | null)[]): arrow.Data => column(new arrow.Int32(), values)
const text = (...values: (string | null)[]): arrow.Data => column(new arrow.Utf8(), values)
const field = (name: string, { type }: arrow.Data): arrow.Field => new arrow.Field(name, type, true)

/** Lists of some length each; null for none. */
function lists(child: arrow.Data, lengths: readonly (number | null)[], isLarge = false): arrow.Data {
  const ends: number[] = [0]
  for (const length of lengths) ends.push(ends.at(-1)! + (length ?? 0))
  const type = isLarge ? new arrow.LargeList(field('item', child)) : new arrow.List(field('item', child))
  const valueOffsets = isLarge ? BigInt64Array.from(ends, BigInt) : Int32Array.from(ends)
  return arrow.makeData({ type, ...nulls(lengths), valueOffsets, child } as never)
}

function fixedLists(child: arrow.Data, size: number, isThere: readonly (1 | null)[]): arrow.Data {
  return arrow.makeData({
    type: new arrow.FixedSizeList(size, field('item', child)),
    ...nulls(isThere),
    child,
  } as never)
}

function structs(children: Readonly<Record<string, arrow.Data>>, isThere: readonly (1 | null)[]): arrow.Data {
  const fields = Object.entries(children).map(([name, data]) => field(name, data))
  return arrow.makeData({
    type: new arrow.Struct(fields),
    ...nulls(isThere),
    children: Object.values(children),
  } as never)
}

function nulls(values: readonly (number | null)[]): object {
  const bits = new Uint8Array(8)
  values.forEach((value, i) => {
    if (value !== null) bits[i >> 3]! |= 1 << (i & 7)
  })
  return { length: values.length, nullCount: values.filter((value) => value === null).length, nullBitmap: bits }
}

/** Lists and objects, in each other, with nulls on every level. */
const nested = (): arrow.Table =>
  tableOf({
    list: lists(int(1, null, 2, 3), [2, 0, null, 2]),
    texts: lists(text('', 'a"b', null), [0, 3, null, 0]),
    large: lists(column(new arrow.Int64(), [2n ** 62n, -1n]), [1, null, 0, 1], true),
    pairs: fixedLists(column(new arrow.Float32(), [0.5, Number.NaN, -0, null, 0, 0, 1, 2]), 2, [1, 1, null, 1]),
    struct: structs({ x: int(1, null, 0, 3), 'a b': text('x', 'y', null, null) }, [1, 1, null, 1]),
    deep: lists(
      structs(
        {
          tags: lists(dictionary(new arrow.Utf8(), new arrow.Int8(), ['p', 'q'], [0, 1, 0]), [2, null, 1]),
          when: column(new arrow.TimestampNanosecond('UTC'), [1n, null, -1n]),
        },
        [1, 1, 1],
      ),
      [1, null, 0, 2],
    ),
    matrix: lists(lists(int(1, 2, 3), [2, 0, 1]), [3, 0, null, 0]),
    empty: structs({}, [1, null, 1, 1]),
    nothing: lists(column(new arrow.Null(), [null, null]), [0, 2, 0, null]),
  })

const nestedSamples: TableSample[] = [
  { label: 'lists and objects', make: nested },
  { label: 'a part of lists and objects', make: () => nested().slice(1, 3).concat(nested().slice(3)) },
  { label: 'no rows of lists and objects', make: () => nested().slice(0, 0) },
  {
    label: 'rows without a column',
    make: () => {
      const data = arrow.makeData({ type: new arrow.Struct([]), length: 3, nullCount: 0, children: [] })
      return new arrow.Table(new arrow.Schema([]), [new arrow.RecordBatch(new arrow.Schema([]), data)])
    },
  },
].map((sample) => ({ ...sample, same: sameTable }))

const map = new arrow.Map_(
  new arrow.Field(
    'entries',
    new arrow.Struct([
      new arrow.Field('key', new arrow.Utf8(), false) as never,
      new arrow.Field('value', new arrow.Int32(), true) as never,
    ]),
    false,
  ),
)

export default {
  name: 'JsonFrameCacher, with the types it noted',
  cacher: withTypes(JsonFrameCacher),
  module: import.meta.url,
  samples: [...flatSamples, ...nestedSamples],
  refused: [
    ...refusedByAll,
    {
      label: 'bytes in a list',
      value: [{ blobs: [Uint8Array.of(1)] }],
      message: /its column blobs holds Binary, which text cannot hold/,
    },
    {
      label: 'a map',
      value: new arrow.Table({ map: arrow.vectorFromArray([null, { a: 1 }], map) }),
      message: /its column map holds Map<.*which text cannot hold/,
    },
    {
      label: 'a null where a list may have none',
      value: (() => {
        const child = int(1, null)
        const type = new arrow.List(new arrow.Field('item', new arrow.Int32(), false))
        return tableOf({
          list: arrow.makeData({ type, length: 1, nullCount: 0, valueOffsets: Int32Array.of(0, 2), child } as never),
        })
      })(),
      message: /rows\[0\]\.list\[1\] is null, which its schema rules out/,
    },
  ],
} satisfies CacherCase<arrow.Table, FrameLike>
