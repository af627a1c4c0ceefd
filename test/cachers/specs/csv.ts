/** Tables of every type that has a text, and how two of them are compared. */
import assert from 'node:assert/strict'
import * as arrow from 'apache-arrow'
import { CsvCacher } from '../../../cachers/csv.js'
import type { FrameConstructor } from '../../../cachers/frame/base.js'
import { type FieldJson, fieldsOf } from '../../../cachers/frame/fields.js'
import type { FrameLike } from '../../../cachers/frame/table.js'
import type { CacherOptions, Codec, Encoded } from '../../../src/artifact/cacheable.js'
import type { CacherCase, Sample } from '../../suites/cacher.js'

export type TableSample = Sample<arrow.Table, FrameLike>

type Raw = number | bigint | boolean | string | null

/** A column of values as they lie in memory. */
export function column(type: arrow.DataType, values: readonly Raw[]): arrow.Data {
  const { length } = values
  if (arrow.DataType.isNull(type)) return arrow.makeData({ type, length })
  const nullBitmap = bits(values.map((value) => value !== null))
  const props = { type, length, nullCount: values.filter((value) => value === null).length, nullBitmap }
  if (arrow.DataType.isBool(type)) return arrow.makeData({ ...props, data: bits(values.map(Boolean)) } as never)
  if (typeof (values.find((value) => value !== null) ?? '') === 'string' && !arrow.DataType.isDecimal(type)) {
    const texts = values.map((value) => Buffer.from(String(value ?? '')))
    const ends: number[] = []
    for (const text of texts) ends.push((ends.at(-1) ?? 0) + text.length)
    if (arrow.DataType.isUtf8View(type)) return views(type, texts, props)
    const offsets = arrow.DataType.isLargeUtf8(type)
      ? BigInt64Array.from([0, ...ends], BigInt)
      : Int32Array.from([0, ...ends])
    return arrow.makeData({ ...props, data: Buffer.concat(texts), valueOffsets: offsets } as never)
  }
  if (arrow.DataType.isDecimal(type)) {
    const words = type.bitWidth / 32
    const data = Uint32Array.from(
      values.flatMap((value) =>
        Array.from({ length: words }, (_, i) => Number((BigInt(value ?? 0) >> BigInt(i * 32)) & 0xffffffffn)),
      ),
    )
    return arrow.makeData({ ...props, data } as never)
  }
  const zero = type.ArrayType === BigInt64Array || type.ArrayType === BigUint64Array ? 0n : 0
  return arrow.makeData({ ...props, data: type.ArrayType.from(values.map((value) => value ?? zero)) } as never)
}

function views(type: arrow.DataType, texts: readonly Buffer[], props: object): arrow.Data {
  const long = Buffer.concat(texts.filter((text) => text.length > 12))
  let end = 0
  const made = texts.map((text) => {
    const view = Buffer.alloc(16)
    view.writeInt32LE(text.length)
    text.copy(view, 4, 0, text.length <= 12 ? text.length : 4)
    if (text.length > 12) view.writeInt32LE(end, 12)
    if (text.length > 12) end += text.length
    return view
  })
  return arrow.makeData({
    ...props,
    type,
    views: Buffer.concat(made),
    variadicBuffers: [Uint8Array.from(long)],
  } as never)
}

export function dictionary(
  value: arrow.DataType,
  index: arrow.DataType,
  values: readonly Raw[],
  indices: readonly Raw[],
): arrow.Data {
  const type = new arrow.Dictionary(value, index as never)
  const data = column(index, indices)
  return arrow.makeData({
    type,
    length: data.length,
    nullCount: data.nullCount,
    nullBitmap: data.nullBitmap,
    data: data.values,
    dictionary: new arrow.Vector([column(value, values)]),
  } as never)
}

function bits(flags: readonly boolean[]): Uint8Array {
  const made = new Uint8Array((flags.length + 7) >> 3)
  flags.forEach((flag, i) => {
    if (flag) made[i >> 3]! |= 1 << (i & 7)
  })
  return made
}

/** A table of one batch. */
export function tableOf(columns: Readonly<Record<string, arrow.Data>>): arrow.Table {
  return tableOfPairs(Object.entries(columns))
}

export function tableOfPairs(columns: readonly (readonly [name: string, data: arrow.Data])[]): arrow.Table {
  const schema = new arrow.Schema(columns.map(([name, { type }]) => new arrow.Field(name, type, true)))
  const children = columns.map(([, data]) => data)
  const length = children[0]?.length ?? 0
  const data = arrow.makeData({ type: new arrow.Struct(schema.fields), length, nullCount: 0, children })
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, data)])
}

/** The types of a table, children and nullability included; dictionaries without their ids. */
export function typesOf(table: arrow.Table): string[] {
  const typeText = ({ name, type, nullable }: arrow.Field): string => {
    const children = arrow.DataType.isDictionary(type) ? [] : (type.children ?? [])
    return `${name}: ${type}${nullable ? '' : ' not null'}(${children.map(typeText).join(', ')})`
  }
  return table.schema.fields.map(typeText)
}

/** Every cell as it lies in memory, by column: read here, by another way than the cachers have. */
export function cellsOf(table: arrow.Table): Record<string, unknown>[] {
  return table.schema.fields.map((field, i) => ({
    [field.name]: table.batches.flatMap(({ data }) => rawCells(data.children[i]!)),
  }))
}

function rawCells(data: arrow.Data): unknown[] {
  const { type, length } = data
  const all = Array.from({ length }, (_, i) => i)
  if (arrow.DataType.isNull(type)) return all.map(() => null)
  return all.map((i) => (data.getValid(i) ? rawCell(data, i) : null))
}

function rawCell(data: arrow.Data, i: number): unknown {
  const { type, values, valueOffsets, children, stride } = data
  if (arrow.DataType.isBool(type)) return new arrow.Vector([data]).get(i)
  if (arrow.DataType.isUtf8View(type)) return new arrow.Vector([data]).get(i)
  if (arrow.DataType.isUtf8(type) || arrow.DataType.isLargeUtf8(type)) {
    return Buffer.from(values.subarray(Number(valueOffsets[i]), Number(valueOffsets[i + 1]))).toString('utf8')
  }
  if (arrow.DataType.isDictionary(type)) return data.dictionary!.data.flatMap(rawCells)[Number(values[i])]
  if (arrow.DataType.isList(type) || arrow.DataType.isLargeList(type)) {
    return rawCells(children[0]!.slice(Number(valueOffsets[i]), Number(valueOffsets[i + 1]) - Number(valueOffsets[i])))
  }
  if (arrow.DataType.isFixedSizeList(type)) return rawCells(children[0]!.slice(i * stride, stride))
  if (arrow.DataType.isStruct(type))
    return Object.fromEntries(type.children.map(({ name }, j) => [name, rawCells(children[j]!)[i]]))
  return stride > 1 ? [...values.subarray(i * stride, (i + 1) * stride)] : values[i]
}

/** The message of what goes wrong. */
export const failure = (made: Promise<unknown>): Promise<string> =>
  made.then(
    () => 'nothing went wrong',
    (error: Error) => error.message,
  )

/** Types and rows, for comparisons that people read. */
export function seen(table: arrow.Table): { types: Record<string, unknown>; rows: unknown[][] } {
  const typeOf = ({ type, children }: FieldJson): unknown =>
    children === undefined ? type : { [type]: Object.fromEntries(children.map((child) => [child.name, typeOf(child)])) }
  const types = Object.fromEntries(fieldsOf(table.schema).map((field) => [field.name, typeOf(field)]))
  const columns = cellsOf(table).flatMap((cells) => Object.values(cells)) as unknown[][]
  return { types, rows: Array.from({ length: table.numRows }, (_, i) => columns.map((cells) => cells[i])) }
}

/** The same types and cells, whatever the batches. */
export function sameTable(loaded: arrow.Table, expected: arrow.Table): void {
  assert.deepStrictEqual(typesOf(loaded), typesOf(expected))
  assert.deepStrictEqual(cellsOf(loaded), cellsOf(expected))
  assert.equal(loaded.numRows, expected.numRows)
}

const int64s = [-(2n ** 63n), 2n ** 63n - 1n, null, 0n, 9007199254740993n]
const moments = [0n, -1n, null, 1577836800123456789n, -62135596800000000n]

/** One column for each type that a cell of CSV can hold, with the extremes and a null. */
export function everyType(): arrow.Table {
  const floats = [0.1, -0, Number.NaN, Infinity, null]
  return tableOf({
    bool: column(new arrow.Bool(), [true, false, null, true, false]),
    int8: column(new arrow.Int8(), [-128, 127, null, 0, 1]),
    uint8: column(new arrow.Uint8(), [0, 255, null, 1, 2]),
    int16: column(new arrow.Int16(), [-32768, 32767, null, 0, 1]),
    uint16: column(new arrow.Uint16(), [0, 65535, null, 1, 2]),
    int32: column(new arrow.Int32(), [-(2 ** 31), 2 ** 31 - 1, null, 0, 1]),
    uint32: column(new arrow.Uint32(), [0, 2 ** 32 - 1, null, 1, 2]),
    int64: column(new arrow.Int64(), int64s),
    uint64: column(new arrow.Uint64(), [0n, 2n ** 64n - 1n, null, 1n, 9007199254740993n]),
    // 65504, the least half, NaN, -0, nothing
    float16: column(new arrow.Float16(), [0x7bff, 1, 0x7e00, 0x8000, null]),
    float32: column(new arrow.Float32(), [Math.fround(0.1), 2 ** -149, 3.4028234663852886e38, -Infinity, null]),
    float64: column(new arrow.Float64(), floats),
    wide: column(new arrow.Float64(), [2 ** 60, 5e-324, Number.MAX_VALUE, 1e21, null]),
    utf8: column(new arrow.Utf8(), ['', 'a', null, ' ä"\r\n,', '\uFEFF\u0000漢\u{1f600}']),
    large: column(new arrow.LargeUtf8(), ['null', 'NaN', null, '', '007']),
    view: column(new arrow.Utf8View(), [
      'short',
      'longer than twelve bytes',
      null,
      '',
      'another one, also longer than that',
    ]),
    category: dictionary(new arrow.Utf8(), new arrow.Int8(), ['red', '', 'blue'], [0, 1, null, 2, 0]),
    coded: dictionary(new arrow.Int64(), new arrow.Uint32(), [7n, -5n], [0, 1, null, 1, 0]),
    date32: column(new arrow.DateDay(), [0, -719528, null, 2932896, -(2 ** 31)]),
    date64: column(new arrow.DateMillisecond(), [0n, 86400000n, null, -1n, 8640000000000000n]),
    times: column(new arrow.TimeSecond(), [0, 86399, null, 1, 3661]),
    timems: column(new arrow.TimeMillisecond(), [0, 86399999, null, 1, 3661001]),
    timeus: column(new arrow.TimeMicrosecond(), [0n, 86399999999n, null, 1n, 3661000001n]),
    timens: column(new arrow.TimeNanosecond(), [0n, 86399999999999n, null, 1n, 3661000000001n]),
    ts: column(new arrow.TimestampSecond(), moments),
    tms: column(new arrow.TimestampMillisecond(), moments),
    tus: column(new arrow.TimestampMicrosecond(), moments),
    tns: column(new arrow.TimestampNanosecond(), int64s),
    utc: column(new arrow.TimestampMicrosecond('UTC'), moments),
    berlin: column(new arrow.TimestampNanosecond('Europe/Berlin'), moments),
    ds: column(new arrow.DurationSecond(), int64s),
    dms: column(new arrow.DurationMillisecond(), int64s),
    dus: column(new arrow.DurationMicrosecond(), moments),
    dns: column(new arrow.DurationNanosecond(), moments),
    decimal: column(new arrow.Decimal(2, 10), [110n, -205n, null, 0n, -1n]),
    decimal38: column(new arrow.Decimal(38, 38), [10n ** 38n - 1n, -(10n ** 38n - 1n), null, 1n, 0n]),
    decimal256: column(new arrow.Decimal(-2, 76, 256), [10n ** 76n - 1n, -1n, null, 1n, 0n]),
    nothing: column(new arrow.Null(), [null, null, null, null, null]),
  })
}

const strings = (...values: (string | null)[]): arrow.Data => column(new arrow.Utf8(), values)

/** For formats of one value a cell. */
export const flatSamples: TableSample[] = [
  { label: 'every type', make: everyType },
  { label: 'no rows', make: () => everyType().slice(0, 0) },
  { label: 'no columns', make: () => new arrow.Table(new arrow.Schema([])) },
  { label: 'one row', make: () => everyType().slice(3, 4) },
  {
    label: 'a part of a table, of several batches',
    make: () => everyType().slice(1, 3).concat(everyType().slice(0, 2), everyType().slice(4)),
  },
  {
    label: 'texts like those of other types',
    make: () =>
      tableOf({
        a: strings('1', '007', 'true', 'null', 'NaN', '', null, '2020-01-01'),
        b: strings('""', '"', ',', ';', '\t', '|', '\n', '\r'),
      }),
  },
  { label: 'one column of texts', make: () => tableOf({ text: strings(null, '', 'a', null, '', null) }) },
  { label: 'one column of numbers', make: () => tableOf({ x: column(new arrow.Int32(), [null, 1, null]) }) },
  { label: 'one column of nulls', make: () => tableOf({ x: column(new arrow.Null(), [null, null]) }) },
  { label: 'one column of an empty name', make: () => tableOf({ '': strings('a', null) }) },
  {
    label: 'difficult names',
    make: () =>
      tableOfPairs(
        ['', 'a,b', ' x ', '"', 'line\nbreak', '__proto__', '1', 'ä漢', '\uFEFFmark', 'constructor'].map((name) => [
          name,
          strings('v'),
        ]),
      ),
  },
  {
    label: 'columns that rule nulls out',
    make: () => {
      const table = tableOf({ a: column(new arrow.Int32(), [1, 2]), b: strings('', 'x') })
      const schema = new arrow.Schema(table.schema.fields.map(({ name, type }) => new arrow.Field(name, type, false)))
      return new arrow.Table(schema, [new arrow.RecordBatch(schema, table.batches[0]!.data)])
    },
  },
  {
    label: 'more than a piece',
    make: () => {
      const rows = Array.from({ length: 30_000 }, (_, i) => i)
      return tableOf({
        i: column(new arrow.Float64(), rows),
        text: strings(...rows.map((i) => (i % 7 === 0 ? null : `row ${i}, "of" many ${'x'.repeat(i % 40)}`))),
      })
    },
  },
].map((sample) => ({ ...sample, same: sameTable }))

export const refusedByAll: CacherCase['refused'] = [
  { label: 'a number', value: 3, message: /is a number, not a frame/ },
  { label: 'undefined', value: undefined, message: /undefined, not a frame/ },
  {
    label: 'half a surrogate pair',
    value: [{ name: 'a\ud800' }],
    message: /rows\[0\]\.name has half of a surrogate pair/,
  },
  {
    label: 'half a surrogate pair in a name',
    value: tableOf({ 'a\ud800': strings('x') }),
    message: /has half of a surrogate pair/,
  },
  {
    label: 'two columns of one name',
    value: tableOfPairs([
      ['x', strings('a')],
      ['x', strings('b')],
    ]),
    message: /two columns "x"/,
  },
  {
    label: 'bytes',
    value: [{ blob: Uint8Array.of(1) }],
    message: /its column blob holds Binary, which text cannot hold[\s\S]*ArrowCacher/,
  },
  {
    label: 'a text that is not UTF-8',
    value: tableOf({ t: notUtf8() }),
    message: /rows\[1\]\.t is a text that is not UTF-8/,
  },
  {
    label: 'a null of a dictionary where there may be none',
    value: nullRuledOut(dictionary(new arrow.Utf8(), new arrow.Int8(), ['a', null], [0, 1])),
    message: /rows\[1\]\.x is null, which its schema rules out/,
  },
  {
    label: 'a null where there may be none',
    value: nullRuledOut(column(new arrow.Int32(), [1, null])),
    message: /rows\[1\]\.x is null, which its schema rules out/,
  },
]

function notUtf8(): arrow.Data {
  // The second character is cut in two: together, the cells are UTF-8.
  return arrow.makeData({
    type: new arrow.Utf8(),
    length: 3,
    nullCount: 0,
    data: Buffer.from('aéb'),
    valueOffsets: Int32Array.of(0, 1, 2, 4),
  })
}

function nullRuledOut(data: arrow.Data): arrow.Table {
  const schema = new arrow.Schema([new arrow.Field('x', data.type, false)])
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, tableOf({ x: data }).batches[0]!.data)])
}

export interface FrameCodec extends Codec<arrow.Table, FrameLike> {
  encode(frame: FrameLike): Promise<Encoded>
  decode(bytes: Uint8Array): Promise<arrow.Table>
}

/** A cacher for which inline files have their types beside them too, as they have in a store. */
export function withTypes(Class: FrameConstructor<never>): (options?: string | CacherOptions) => FrameCodec {
  const Base = Class as unknown as new (options?: string | CacherOptions) => FrameCodec
  const notes = new Map<string, FrameCodec['extraMetadata']>()
  class WithTypes extends Base {
    static readonly cacherName = Class.cacherName!
    override async save(frame: FrameLike): Promise<void> {
      await super.save(frame)
      notes.set(this.getPath(), this.extraMetadata)
    }
    override async load(): Promise<arrow.Table> {
      this.extraMetadata = structuredClone(notes.get(this.getPath())) ?? {}
      return super.load()
    }
  }
  return (options) => new WithTypes(options)
}

export default {
  name: 'CsvCacher, with the types it noted',
  cacher: withTypes(CsvCacher),
  module: import.meta.url,
  damage: 'unnoticed',
  samples: flatSamples,
  refused: [
    ...refusedByAll,
    {
      label: 'lists',
      value: [{ tags: ['a'] }],
      message: /its column tags is a list, which no cell of CSV can hold[\s\S]*JsonFrameCacher/,
    },
    { label: 'objects', value: [{ at: { x: 1 } }], message: /its column at is a struct/ },
  ],
} satisfies CacherCase<arrow.Table, FrameLike>
