/** Arrow columns of every type, and tables as values that tests can compare. */
import assert from 'node:assert/strict'
import * as arrow from 'apache-arrow'
import { batchRows } from '../../cachers/frame/rows.js'

const { vectorFromArray } = arrow
const field = (name: string, type: arrow.DataType, nullable = true): arrow.Field =>
  new arrow.Field(name, type, nullable)
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const words = (...values: number[]): Uint32Array => Uint32Array.from(values)
const pairs = (values: readonly (readonly number[] | null)[]) => values.map((value) => value && Int32Array.from(value))
const item = (type: arrow.DataType): arrow.Field => field('item', type)

const int64 = [-(2n ** 63n), 2n ** 63n - 1n, null, 0n, -1n]
const texts = ['', 'Zürich 漢 \u{1f600}', null, 'a longer text of more than twelve bytes', 'x']
const blobs = [bytes(), bytes(0, 255, 1), null, bytes(...Array.from({ length: 40 }, (_, i) => i)), bytes(7)]
const days = [0, 86_400_000, null, -86_400_000, 86_400_000 * 20_000]
const times = [0, 1e12, null, -1000, 1_700_000_000_000]
const structType = new arrow.Struct([field('x', new arrow.Int32()), field('y', new arrow.Utf8())])
const entries = new arrow.Struct([field('key', new arrow.Utf8(), false), field('value', new arrow.Int64())])
const deepType = new arrow.Struct([
  field('deep', new arrow.List(item(new arrow.Int64()))),
  field('ok', new arrow.Bool()),
])

/** Five values of each type, the third of them null. */
const given: Readonly<Record<string, readonly [type: arrow.DataType, values: readonly unknown[]]>> = {
  null: [new arrow.Null(), [null, null, null, null, null]],
  bool: [new arrow.Bool(), [true, false, null, true, true]],
  int8: [new arrow.Int8(), [-128, 127, null, 0, -1]],
  int16: [new arrow.Int16(), [-32768, 32767, null, 0, -1]],
  int32: [new arrow.Int32(), [-(2 ** 31), 2 ** 31 - 1, null, 0, -1]],
  int64: [new arrow.Int64(), int64],
  uint8: [new arrow.Uint8(), [0, 255, null, 1, 2]],
  uint16: [new arrow.Uint16(), [0, 65535, null, 1, 2]],
  uint32: [new arrow.Uint32(), [0, 2 ** 32 - 1, null, 1, 2]],
  uint64: [new arrow.Uint64(), [0n, 2n ** 64n - 1n, null, 1n, 2n]],
  float16: [new arrow.Float16(), [1.5, -65504, null, 0, 2 ** -24]],
  float32: [new arrow.Float32(), [Math.fround(0.1), 3.4028234663852886e38, null, -0, Number.NaN]],
  float64: [new arrow.Float64(), [0.1, Number.MAX_VALUE, null, -0, Number.NaN]],
  utf8: [new arrow.Utf8(), texts],
  large_utf8: [new arrow.LargeUtf8(), texts],
  utf8_view: [new arrow.Utf8View(), texts],
  binary: [new arrow.Binary(), blobs],
  large_binary: [new arrow.LargeBinary(), blobs],
  binary_view: [new arrow.BinaryView(), blobs],
  fixed_binary: [
    new arrow.FixedSizeBinary(3),
    [bytes(1, 2, 3), bytes(0, 0, 0), null, bytes(255, 255, 255), bytes(9, 8, 7)],
  ],
  decimal: [
    new arrow.Decimal(2, 20, 128),
    [words(12345, 0, 0, 0), words(-5, -1, -1, -1), null, words(0, 0, 0, 0), words(1, 2, 0, 0)],
  ],
  date32: [new arrow.DateDay(), days],
  date64: [new arrow.DateMillisecond(), days],
  time32_s: [new arrow.TimeSecond(), [0, 86_399, null, 1, 2]],
  time32_ms: [new arrow.TimeMillisecond(), [0, 86_399_999, null, 1, 2]],
  time64_us: [new arrow.TimeMicrosecond(), [0n, 86_399_999_999n, null, 1n, 2n]],
  time64_ns: [new arrow.TimeNanosecond(), [0n, 86_399_999_999_999n, null, 1n, 2n]],
  timestamp_s: [new arrow.TimestampSecond(), times],
  timestamp_ms: [new arrow.TimestampMillisecond(), times],
  timestamp_us: [new arrow.TimestampMicrosecond('UTC'), times],
  timestamp_ns: [new arrow.TimestampNanosecond('Europe/Zurich'), times],
  duration_s: [new arrow.DurationSecond(), int64],
  duration_ms: [new arrow.DurationMillisecond(), int64],
  duration_us: [new arrow.DurationMicrosecond(), int64],
  duration_ns: [new arrow.DurationNanosecond(), int64],
  interval_days: [new arrow.IntervalDayTime(), pairs([[1, 2], [0, 0], null, [-1, 5], [3, 4]])],
  interval_nanos: [
    new arrow.IntervalMonthDayNano(),
    pairs([[1, 2, 3, 4], [0, 0, 0, 0], null, [-1, -1, 5, 0], [3, 4, 0, 0]]),
  ],
  list: [new arrow.List(item(new arrow.Float64())), [[1, 2], [], null, [null, 3], [4]]],
  large_list: [new arrow.LargeList(item(new arrow.Utf8())), [['a', 'b'], [], null, [null, ''], ['c']]],
  fixed_list: [new arrow.FixedSizeList(2, item(new arrow.Int16())), [[1, 2], [3, 4], null, [null, 5], [6, 7]]],
  struct: [structType, [{ x: 1, y: 'a' }, { x: null, y: 'b' }, null, { x: 2, y: null }, { x: 3, y: '' }]],
  nested: [
    new arrow.List(item(deepType)),
    [
      [{ deep: [1n, 2n], ok: true }],
      [],
      null,
      [null, { deep: null, ok: null }, { deep: [], ok: false }],
      [{ deep: [3n], ok: true }],
    ],
  ],
  map: [
    new arrow.Map_(field('entries', entries, false)),
    [
      new Map([['a', 1n]]),
      new Map(),
      null,
      new Map<string, bigint | null>([
        ['b', null],
        ['c', 3n],
      ]),
      new Map([['d', -1n]]),
    ],
  ],
  dictionary: [new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8()), ['red', 'green', null, 'red', 'blue']],
  dictionary_int: [new arrow.Dictionary(new arrow.Int64(), new arrow.Uint16()), [5n, 6n, null, 5n, 5n]],
  list_of_dictionary: [
    new arrow.List(item(new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32()))),
    [['u', 'v'], [], null, ['u', null], ['w']],
  ],
}

const numbers = vectorFromArray([1, 2, 3, 4, 5], new arrow.Int32()).data[0]!
const letters = vectorFromArray(['a', 'b', null, 'd', 'e'], new arrow.Utf8()).data[0]!
const members = [field('n', new arrow.Int32()), field('s', new arrow.Utf8())]

/** A column of each type, by a name for it: its five values as often as asked for. New ones with every call. */
export function ofEachType(times = 1): Record<string, arrow.Vector> {
  const repeated = <T>(values: readonly T[]): T[] => Array.from({ length: times }, () => values).flat()
  const columns = Object.entries(given).map(([name, [type, values]]) => {
    return [name, vectorFromArray(repeated(values) as never, type)]
  })
  const valid = vectorFromArray(repeated([true, true, false, true, true]), new arrow.Bool()).data[0]!.values
  return {
    ...Object.fromEntries(columns),
    interval_months: arrow.makeVector({
      type: new arrow.IntervalYearMonth(),
      data: Int32Array.from(repeated([0, 13, 0, -1, 5])),
      nullBitmap: valid,
    } as never),
    sparse_union: arrow.makeVector({
      type: new arrow.SparseUnion([0, 5], members),
      typeIds: Int8Array.from(repeated([0, 5, 5, 0, 5])),
      children: [
        vectorFromArray(repeated([1, 2, 3, 4, 5]), new arrow.Int32()).data[0]!,
        vectorFromArray(repeated(['a', 'b', null, 'd', 'e']), new arrow.Utf8()).data[0]!,
      ],
    } as never),
    dense_union: arrow.makeVector({
      type: new arrow.DenseUnion([3, 1], members),
      typeIds: Int8Array.from(repeated([3, 1, 1, 3, 1])),
      valueOffsets: Int32Array.from(repeated([1, 0, 2, 4, 4])),
      children: [numbers, letters],
    } as never),
  }
}

/** Columns as a table whose fields may all be null. */
export function tableOf(columns: Record<string, arrow.Vector>): arrow.Table {
  const fields = Object.keys(columns).map((name) => field(name, columns[name]!.type))
  return new arrow.Table(new arrow.Schema(fields), columns)
}

/** All of them as one table, in as many batches as lengths are given, which must come to 5. */
export function everyType(...lengths: number[]): arrow.Table {
  const table = tableOf(ofEachType())
  if (lengths.length === 0) return table
  let start = 0
  const batches = lengths.map((length) => {
    start += length
    return table.slice(start - length, start).batches[0] ?? new arrow.RecordBatch(table.schema)
  })
  return new arrow.Table(table.schema, batches)
}

export function rows(table: arrow.Table): object[] {
  return table.batches.flatMap((batch) => [...batchRows(arrow, batch)])
}

export function describeSchema({ fields, metadata }: arrow.Schema): unknown {
  const one = ({ name, type, nullable, metadata }: arrow.Field): unknown => {
    const children = ((type.children ?? []) as arrow.Field[]).map(one)
    return { name, type: String(type), nullable, metadata: [...metadata], children }
  }
  return { fields: fields.map(one), metadata: [...metadata] }
}

/** The same columns, types, batches and rows. */
export function sameTable(actual: arrow.Table, expected: arrow.Table): void {
  assert.deepStrictEqual(describeSchema(actual.schema), describeSchema(expected.schema))
  const lengths = (table: arrow.Table): number[] => table.batches.map(({ numRows }) => numRows)
  assert.deepStrictEqual(lengths(actual), lengths(expected))
  assert.deepStrictEqual(rows(actual), rows(expected))
  // As apache-arrow itself sees them.
  assert.deepStrictEqual(actual.toArray().map(String), expected.toArray().map(String))
}
