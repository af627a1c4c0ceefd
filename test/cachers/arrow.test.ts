import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as zlib from 'node:zlib'
import * as arrow from 'apache-arrow'
import { decompressZstd } from 'hyparquet-compressors'
import { afterEach, describe, expect, it } from 'vitest'
import { ArrowCacher } from '../../cachers/arrow.js'
import { type FlatFields, flatbuffer } from '../../cachers/frame/flat-write.js'
import type { ByteSource } from '../../src/artifact/cacheable.js'
import { CurioError } from '../../src/errors.js'
import { Random } from '../helpers/random.js'
import { tempDir } from '../helpers/temp.js'
import { describeSchema, everyType, ofEachType, rows, sameTable, tableOf } from './arrow-types.js'

const fixtures = fileURLToPath(new URL('../fixtures/arrow', import.meta.url))
const fixture = (name: string): Uint8Array => fs.readFileSync(path.join(fixtures, name))
const decode = (bytes: Uint8Array): Promise<arrow.Table> => Promise.resolve(ArrowCacher().decode(bytes))

async function encode(value: unknown): Promise<Buffer> {
  const result = await ArrowCacher().encode(value as never)
  if (typeof result === 'string') throw new Error('an Arrow file is no text')
  if (result instanceof Uint8Array) return Buffer.from(result)
  const parts: Uint8Array[] = []
  for await (const part of result) parts.push(part)
  return Buffer.concat(parts)
}

/** Bytes that count what is read of them. */
function counted(bytes: Uint8Array): ByteSource & { read: ByteSource['read']; total(): number; reads: number } {
  let total = 0
  const source = {
    bytes: bytes.byteLength,
    reads: 0,
    total: () => total,
    async read(start: number, end: number) {
      source.reads += 1
      total += end - start
      return bytes.slice(start, end)
    },
  }
  return source
}

const slice = (bytes: Uint8Array | ByteSource, start: number, end: number, columns?: string[]): Promise<arrow.Table> =>
  ArrowCacher().slice!(bytes instanceof Uint8Array ? counted(bytes) : bytes, start, end, columns)
const names = Object.keys(ofEachType())

describe('every type', () => {
  const times = 9
  const columns = ofEachType(times)

  it.each(names)('%s comes back, whole and cut anywhere, written or read in part', async (name) => {
    const table = tableOf({ [name]: columns[name]! })
    const whole = rows(table)
    const file = await encode(table)
    sameTable(await decode(file), table)
    for (const [start, end] of [
      [0, 45],
      [0, 8],
      [3, 4],
      [7, 29],
      [16, 45],
      [44, 45],
      [20, 20],
    ] as const) {
      const cut = table.slice(start, end)
      expect(rows(await decode(await encode(cut)))).toStrictEqual(whole.slice(start, end))
      expect(rows(await slice(file, start, end))).toStrictEqual(whole.slice(start, end))
    }
    // A part of a part: what lies before the first row must not come along.
    const part = await slice(file, 5, 30)
    expect(rows(await decode(await encode(part.slice(3, 20))))).toStrictEqual(whole.slice(8, 25))
    expect(describeSchema(part.schema)).toEqual(describeSchema(table.schema))
  })

  it('is read by apache-arrow as it is here, as a file and as the stream that is in one', async () => {
    const table = everyType(2, 3)
    const file = await encode(table)
    sameTable(arrow.tableFromIPC(file), table)
    sameTable(arrow.tableFromIPC(file.subarray(8)), table)
  })

  it('what apache-arrow writes is read, file and stream', async () => {
    // apache-arrow 21.2 writes views that are cut, and numbers of nulls of null columns, wrong; whole ones are right.
    const { utf8_view, binary_view, null: _, ...rest } = ofEachType(3)
    const table = tableOf(rest)
    sameTable(await decode(arrow.tableToIPC(table, 'file')), table)
    sameTable(await decode(arrow.tableToIPC(table, 'stream')), table)
  })
})

describe('bytes', () => {
  it('are the same whatever dictionaries were made before', async () => {
    const make = (): arrow.Table => tableOf({ a: ofEachType().dictionary!, b: ofEachType().list_of_dictionary! })
    const first = await encode(make())
    for (let i = 0; i < 5; i++) ofEachType()
    expect((await encode(make())).equals(first)).toBe(true)
    const ids = (await decode(first)).schema.fields.flatMap(({ type }: arrow.Field) => [
      type.id ?? type.children[0].type.id,
    ])
    expect(ids).toEqual([0, 1])
  })

  it('are the same for a table that was loaded', async () => {
    const file = await encode(everyType(2, 0, 3))
    expect((await encode(await decode(file))).equals(file)).toBe(true)
  })

  it('lie at multiples of 8, uncompressed', async () => {
    const file = await encode({ x: Float64Array.of(1, 2, 3) })
    expect(file.byteLength % 2).toBe(0)
    expect(file.indexOf(Buffer.from(Float64Array.of(1, 2, 3).buffer)) % 8).toBe(0)
  })

  it('of a large table are handed on in pieces, and not copied', async () => {
    const x = Float64Array.from({ length: 300_000 }, (_, i) => Math.sqrt(i))
    const result = await ArrowCacher().encode({ x })
    const pieces: Uint8Array[] = []
    for await (const piece of result as AsyncIterable<Uint8Array>) pieces.push(piece)
    expect(pieces.some(({ buffer }) => buffer === x.buffer)).toBe(true)
    const { values } = (await decode(Buffer.concat(pieces))).batches[0]!.data.children[0]!
    const loaded = values as unknown as Float64Array
    expect(Buffer.from(x.buffer).equals(new Uint8Array(loaded.buffer, loaded.byteOffset, loaded.byteLength))).toBe(true)
  })
})

describe('loading', () => {
  it('copies nothing: columns lie over the bytes that were read', async () => {
    const file = Uint8Array.from(await encode({ x: Float64Array.of(1, 2), s: ['a', 'b'], n: [1n, 2n] }))
    const { children } = (await decode(file)).batches[0]!.data
    for (const { values, valueOffsets } of children) {
      expect((values as unknown as Uint8Array).buffer).toBe(file.buffer)
      if (valueOffsets !== undefined) expect(valueOffsets.buffer).toBe(file.buffer)
    }
  })

  it('from a path does not copy either, and gives plain bytes for binary columns', async () => {
    await using dir = tempDir()
    const cacher = ArrowCacher(dir.join('x.arrow'))
    await cacher.save([{ b: Uint8Array.of(1), n: 1 }] as never)
    const table = await cacher.load()
    const [b, n] = table.batches[0]!.data.children
    expect((b!.values as unknown as Uint8Array).buffer).toBe((n!.values as unknown as Uint8Array).buffer)
    expect(Object.getPrototypeOf(table.getChild('b')!.get(0))).toBe(Uint8Array.prototype)
  })

  it('copies once where the bytes do not lie at a multiple of 8', async () => {
    const file = await encode(everyType(2, 3))
    for (const shift of [1, 4, 6]) {
      const moved = new Uint8Array(file.byteLength + shift).subarray(shift)
      moved.set(file)
      sameTable(await decode(moved), everyType(2, 3))
    }
  })

  it('batches stay as they are', async () => {
    const table = everyType(1, 0, 3, 1)
    expect((await decode(await encode(table))).batches.map(({ numRows }) => numRows)).toEqual([1, 0, 3, 1])
  })

  it('metadata of the schema, its fields and batches comes back', async () => {
    const field = new arrow.Field('x', new arrow.Int32(), false, new Map([['unit', 'm']]))
    const schema = new arrow.Schema([field], new Map([['made', 'by hand']]))
    const data = arrow.makeData({ type: new arrow.Struct([field]), length: 1, children: [numbers(1)] } as never)
    const batch = new arrow.RecordBatch(schema, data as unknown as arrow.Data<arrow.Struct>, new Map([['part', '1 ☃']]))
    const table = await decode(await encode(new arrow.Table(schema, [batch])))
    expect(describeSchema(table.schema)).toEqual(describeSchema(schema))
    expect([...table.batches[0]!.metadata]).toEqual([['part', '1 ☃']])
  })
})

function numbers(...values: number[]): arrow.Data {
  return arrow.makeData({ type: new arrow.Int32(), data: Int32Array.from(values) })
}

describe('tables that are not as they come', () => {
  it('columns that end before the others are null from there on', async () => {
    const all = ofEachType(2)
    const { sparse_union, dense_union, ...rest } = Object.fromEntries(
      names.map((name) => [name, new arrow.Vector([all[name]!.data[0]!.slice(0, 3)])]),
    )
    const whole = ofEachType(2)
    const table = new arrow.Table({ longest: whole.int8!, ...rest } as never)
    expect(rows(await decode(await encode(table)))).toStrictEqual(rows(table))
  })

  it('no rows and no columns, in batches or none', async () => {
    for (const table of [new arrow.Table(), new arrow.Table(everyType().schema), everyType(0), everyType(0, 0)]) {
      const file = await encode(table)
      sameTable(await decode(file), table)
      sameTable(arrow.tableFromIPC(file), arrow.tableFromIPC(arrow.tableToIPC(table, 'file')))
      expect((await slice(file, 0, 10)).numRows).toBe(0)
    }
    const placeholder = arrow.tableFromIPC(arrow.tableToIPC(new arrow.Table(everyType().schema)))
    expect((await decode(await encode(placeholder))).numRows).toBe(0)
    const rowsOnly = await decode(await encode([{}, {}]))
    expect([rowsOnly.numRows, rowsOnly.numCols]).toEqual([2, 0])
  })

  it('two columns of one name are refused, and so are buffers that do not hold together', async () => {
    const field = new arrow.Field('x', new arrow.Int32(), true)
    const data = arrow.makeData({ type: new arrow.Struct([field, field]), children: [numbers(1), numbers(2)] } as never)
    const batch = new arrow.RecordBatch(new arrow.Schema([field, field]), data as unknown as arrow.Data<arrow.Struct>)
    await expect(encode(new arrow.Table([batch]))).rejects.toThrow(/two columns named "x"[\s\S]*rename one/)
    const broken = (props: object): arrow.Table => new arrow.Table({ odd: arrow.makeVector(props as never) })
    const bytes = Uint8Array.of(0xff, 65)
    const texts = { type: new arrow.Utf8(), data: bytes }
    await expect(encode(broken({ ...texts, valueOffsets: Int32Array.of(0, 3) }))).rejects.toThrow(/its column odd/)
    await expect(encode(broken({ ...texts, valueOffsets: Int32Array.of(2, 1, 2) }))).rejects.toThrow(/run backwards/)
    await expect(encode(broken({ ...texts, valueOffsets: Int32Array.of(0, 1) }))).rejects.toThrow(/not UTF-8 text at 0/)
    const indices = { type: new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8()), data: Int8Array.of(0, 7) }
    const dictionary = arrow.vectorFromArray(['a'], new arrow.Utf8())
    await expect(encode(broken({ ...indices, dictionary }))).rejects.toThrow(/names value 7 of a dictionary of 1/)
  })
})

describe('dictionaries', () => {
  const batches = (type: arrow.DataType, ...lists: unknown[][]): arrow.Table => {
    const made = lists.map((values) => {
      const vector = arrow.vectorFromArray(values as never, type)
      return new arrow.RecordBatch({ colour: vector.data[0]! })
    })
    return new arrow.Table(
      made[0]!.schema,
      made.map(({ data }) => new arrow.RecordBatch(made[0]!.schema, data)),
    )
  }
  const lists = [['red', 'green'], ['blue', null, 'red'], [], ['green']]

  it('that differ from batch to batch become one, in the order of first appearance', async () => {
    const type = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8())
    const table = await decode(await encode(batches(type, ...lists)))
    expect([...table.getChild('colour')!]).toEqual(lists.flat())
    expect([...table.batches[1]!.data.children[0]!.dictionary!]).toEqual(['red', 'green', 'blue'])
    expect(String(table.schema.fields[0]!.type)).toBe('Dictionary<Int8, Utf8>')
  })

  it('of numbers, booleans, bytes and dates become one as well', async () => {
    const cases: [arrow.DataType, unknown[][]][] = [
      [new arrow.Int64(), [[1n, 2n], [3n, null, 1n], [2n]]],
      [new arrow.Bool(), [[true], [false, null], [true]]],
      [new arrow.LargeBinary(), [[Uint8Array.of(1)], [Uint8Array.of(), null], [Uint8Array.of(1, 2)]]],
      [new arrow.TimestampMicrosecond(), [[1000], [2000, null], [1000]]],
    ]
    for (const [values, lists] of cases) {
      const table = batches(new arrow.Dictionary(values, new arrow.Int32()), ...lists)
      expect(rows(await decode(await encode(table)))).toStrictEqual(rows(table))
    }
  })

  it('that outgrow their indices get wider ones', async () => {
    const lists = [0, 1].map((half) => Array.from({ length: 100 }, (_, i) => `${half}-${i}`))
    const table = batches(new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8()), ...lists)
    const loaded = await decode(await encode(table))
    expect([...loaded.getChild('colour')!]).toEqual(lists.flat())
    expect(String(loaded.schema.fields[0]!.type)).toBe('Dictionary<Int32, Utf8>')
  })

  it('of nested values in several parts are refused by name', async () => {
    const type = new arrow.Dictionary(
      new arrow.List(new arrow.Field('item', new arrow.Int8(), true)),
      new arrow.Int32(),
    )
    await expect(encode(batches(type, [[1]], [[2]]))).rejects.toThrow(
      /its column colour has a dictionary of List<Int8>/,
    )
  })

  it.each(['deltas.arrow', 'deltas.arrows', 'replaced.arrows'])(
    '%s: what pyarrow did to them is read',
    async (name) => {
      const expected = name.startsWith('deltas')
        ? ['red', 'red', 'green', 'blue', 'red']
        : ['red', 'green', 'blue', 'red']
      const table = await decode(fixture(name))
      expect([...table.getChild('colour')!]).toEqual(expected)
      expect([...(await decode(await encode(table))).getChild('colour')!]).toEqual(expected)
      expect([...(await slice(fixture(name), 1, 3)).getChild('colour')!]).toEqual(expected.slice(1, 3))
    },
  )

  it('within a dictionary are read and written', async () => {
    const table = await decode(fixture('dictionary-in-dictionary.arrow'))
    const expected = [{ kind: 'p', n: 3n }, { kind: 'p', n: 1n }, null, { kind: 'q', n: 2n }]
    expect(rows(table)).toEqual(expected.map((d) => ({ d })))
    const file = await encode(table)
    expect(rows(await decode(file))).toEqual(rows(table))
    expect(rows(await slice(file, 1, 3))).toEqual(rows(table).slice(1, 3))
  })
})

describe('loading a part', () => {
  const table = tableOf(ofEachType(40))
  const whole = rows(table)
  const inBatches = (lengths: readonly number[]): arrow.Table => {
    let end = 0
    const parts = lengths.map((length) => {
      end += length
      return table.slice(end - length, end).batches[0] ?? new arrow.RecordBatch(table.schema)
    })
    return new arrow.Table(table.schema, parts)
  }

  it('rows count as in Array.prototype.slice, across batches, from files of others too', async () => {
    const batches = inBatches([50, 0, 1, 99, 50])
    // What apache-arrow itself writes of cut views, unions and null columns is wrong.
    const { utf8_view: _v, binary_view: _b, null: _n, dense_union: _d, ...rest } = ofEachType(40)
    const others = [rest].map((columns) => {
      const { batches } = tableOf(columns).slice(0, 70).concat(tableOf(columns).slice(70, 200))
      return arrow.tableToIPC(new arrow.Table(batches), 'file')
    })
    const own = await encode(batches)
    for (const [start, end] of [
      [0, 200],
      [0, 0],
      [49, 52],
      [-5, 200],
      [-160, -40],
      [150, 1000],
      [60, 50],
      [199, 200],
      [0, Infinity],
    ] as const) {
      expect(rows(await slice(own, start, end))).toStrictEqual(whole.slice(start, end))
      const kept = whole.slice(start, end).map((row) => {
        const { utf8_view: _1, binary_view: _2, null: _3, dense_union: _4, ...others } = row as Record<string, unknown>
        return others
      })
      for (const file of others) expect(rows(await slice(file, start, end))).toStrictEqual(kept)
    }
  })

  it('columns come in the order they are named, alone or of some rows', async () => {
    const file = await encode(inBatches([120, 80]))
    const table = await ArrowCacher().columns!(counted(file), ['utf8', 'dense_union', 'int8'])
    expect(table.schema.names).toEqual(['utf8', 'dense_union', 'int8'])
    const picked = whole.map((row) => {
      const { utf8, dense_union, int8 } = row as Record<string, unknown>
      return { utf8, dense_union, int8 }
    })
    expect(rows(table)).toStrictEqual(picked)
    expect(rows(await slice(file, 100, 140, ['utf8', 'dense_union', 'int8']))).toStrictEqual(picked.slice(100, 140))
    const none = await ArrowCacher().columns!(counted(file), [])
    expect([none.numCols, none.numRows]).toEqual([0, 200])
  })

  it('a column that is not there is named with the nearest one that is', async () => {
    const file = await encode([{ delay: 1, distance: 2 }])
    const columns = (...names: string[]) => ArrowCacher('flights.arrow').columns!(counted(file), names)
    await expect(columns('dealy')).rejects.toThrow(/flights: it has no column "dealy"[\s\S]*did you mean delay\?/)
    await expect(columns('carrier')).rejects.toThrow(/its columns are delay, distance/)
    await expect(columns('delay', 'delay')).rejects.toThrow(/column delay is asked for twice/)
    await expect(slice(file, 0.5, 1)).rejects.toThrow(/rows 0\.5 to 1 are not a range/)
  })

  it('of a single large batch reads only the bytes it touches', async () => {
    const rows = 100_000
    const large = new arrow.Table({
      x: arrow.makeVector(Float64Array.from({ length: rows }, (_, i) => Math.sqrt(i))),
      s: arrow.vectorFromArray(
        Array.from({ length: rows }, (_, i) => `row ${i}`),
        new arrow.Utf8(),
      ),
      n: arrow.makeVector(Int32Array.from({ length: rows }, (_, i) => i)),
    })
    const file = await encode(large)
    const footer = 64 * 1024

    const few = counted(file)
    const part = await slice(few, 70_000, 70_010)
    expect([...part.getChild('s')!]).toEqual(Array.from({ length: 10 }, (_, i) => `row ${70_000 + i}`))
    expect(part.getChild('x')!.get(9)).toBe(Math.sqrt(70_009))
    expect(few.total()).toBeLessThan(footer + 2000)
    expect(few.reads).toBeLessThan(12)

    const one = counted(file)
    expect((await ArrowCacher().columns!(one, ['n'])).getChild('n')!.toArray()).toEqual(large.getChild('n')!.toArray())
    expect(one.total()).toBeLessThan(rows * 4 + footer + 2000)

    const last = counted(file)
    expect([...(await slice(last, -1, rows, ['n'])).getChild('n')!]).toEqual([rows - 1])
    expect(last.total()).toBeLessThan(footer + 2000)
  })

  it('of many batches reads no other batch, and a footer of any length', async () => {
    const one = new arrow.RecordBatch({ n: numbers(7) })
    const file = await encode(
      new arrow.Table(
        one.schema,
        Array.from({ length: 5000 }, () => one),
      ),
    )
    const source = counted(file)
    const part = await slice(source, 3000, 3003)
    expect(part.batches).toHaveLength(3)
    expect([...part.getChild('n')!]).toEqual([7, 7, 7])
    const footer = file.readInt32LE(file.byteLength - 10)
    expect(footer).toBeGreaterThan(1 << 16)
    expect(source.total()).toBeLessThan(footer + (1 << 16) + 3 * 1000)
  })

  it('dictionaries of columns that are not asked for stay where they are', async () => {
    const words = Array.from({ length: 20_000 }, (_, i) => `word ${i}`)
    const type = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32())
    const file = await encode(
      new arrow.Table({ w: arrow.vectorFromArray(words, type), n: arrow.makeVector(new Int32Array(20_000)) }),
    )
    const source = counted(file)
    await slice(source, 0, 10, ['n'])
    expect(source.total()).toBeLessThan(70_000)
    expect([...(await slice(file, 5, 7, ['w'])).getChild('w')!]).toEqual(['word 5', 'word 6'])
  })

  it('a stream is read whole, and gives the same', async () => {
    const { utf8_view: _v, binary_view: _b, null: _n, ...rest } = ofEachType(4)
    const table = tableOf(rest)
    const stream = arrow.tableToIPC(table, 'stream')
    expect(rows(await slice(stream, 3, 12))).toStrictEqual(rows(table).slice(3, 12))
    expect((await slice(arrow.tableToIPC(new arrow.Table(table.schema), 'stream'), 0, 5)).numRows).toBe(0)
    const two = await slice(stream, 3, 12, ['utf8', 'int8'])
    expect(two.schema.names).toEqual(['utf8', 'int8'])
    expect([...two.getChild('int8')!]).toEqual([...table.getChild('int8')!].slice(3, 12))
  })
})

describe('files that others wrote', () => {
  const expected = (names: readonly string[]): object[] =>
    rows(everyType()).map((row) =>
      Object.fromEntries(names.map((name) => [name, (row as Record<string, unknown>)[name]])),
    )

  it.each(['every-type.arrow', 'every-type.arrows', 'legacy.arrows', 'no-rows.arrow'])(
    '%s of pyarrow: every type is the one it was',
    async (name) => {
      const table = await decode(fixture(name))
      const names = table.schema.names as string[]
      expect(names).toHaveLength(47)
      const own = everyType().select(names)
      expect(describeSchema(table.schema)).toEqual(describeSchema(own.schema))
      expect(rows(table)).toStrictEqual(name.startsWith('no-rows') ? [] : expected(names))
      expect(rows(await decode(await encode(table)))).toStrictEqual(rows(table))
      if (!name.startsWith('no-rows'))
        expect(rows(await slice(fixture(name), 1, 4))).toStrictEqual(expected(names).slice(1, 4))
    },
  )

  it.each([
    ['run-end.arrow', /its column odd is run-end encoded/],
    ['list-view.arrow', /its column odd is a list view/],
    ['int64-indices.arrow', /its column odd is a dictionary with Int64 indices[\s\S]*cast them to int32/],
    ['twice.arrow', /two columns named "twice"/],
  ])('%s: what cannot be read is refused by its column', async (name, message) => {
    await expect(decode(fixture(name))).rejects.toThrow(message)
    await expect(slice(fixture(name), 0, 1)).rejects.toThrow(message)
  })

  it('pandas: an index, nullable integers, time zones, categories', async () => {
    const table = await decode(fixture('pandas.feather'))
    expect(rows(table)).toEqual([
      { row: 'r', n: 1n, x: 0.5, when: new Date('2020-01-02T03:04:05.678Z'), kind: 'a', text: 'one' },
      { row: 's', n: null, x: null, when: new Date('1969-12-31'), kind: 'b', text: null },
      { row: 't', n: 3n, x: -1, when: null, kind: 'a', text: 'three' },
    ])
    expect(table.schema.metadata.get('pandas')).toContain('index_columns')
  })

  it.each(['polars.arrow', 'polars-old.arrow'])('%s: views or none, categories, lists', async (name) => {
    expect(rows(await decode(fixture(name)))).toEqual([
      { n: 1n, x: 0.5, when: new Date('2020-01-02T03:04:05.678Z'), kind: 'a', text: 'one', list: [1n, 2n] },
      { n: null, x: null, when: new Date('1969-12-31'), kind: 'b', text: null, list: [] },
      { n: 3n, x: -1, when: null, kind: 'a', text: 'three, which is longer than twelve', list: null },
    ])
  })

  it('rows without columns', async () => {
    const table = await decode(fixture('no-columns.arrow'))
    expect([table.numCols, table.numRows]).toEqual([0, 2])
  })

  it('a big-endian file is refused', async () => {
    const { message } = streamOf([{ i16: 1 }, { tables: [] }])
    await expect(decode(message)).rejects.toThrow(/it is big-endian/)
  })
})

/** A stream of nothing but a schema. */
function streamOf(schema: FlatFields): { message: Buffer } {
  const flat = flatbuffer([{ i16: 4 }, { i8: 1 }, { table: schema }, { i64: 0 }])
  return { message: Buffer.concat([int32s(-1, flat.byteLength), flat, int32s(-1, 0)]) }
}

function int32s(...values: number[]): Buffer {
  return Buffer.from(Int32Array.from(values).buffer)
}

describe('compressed files', () => {
  const { LZ4_FRAME, ZSTD } = arrow.CompressionType
  afterEach(() => {
    for (const type of [LZ4_FRAME, ZSTD]) arrow.compressionRegistry.set(type, {})
  })
  const hasZstd = 'zstdDecompressSync' in zlib

  it('are read with the codec that was registered, whole and in part', async () => {
    arrow.compressionRegistry.set(LZ4_FRAME, { decode: unpackLz4 })
    arrow.compressionRegistry.set(ZSTD, { decode: (bytes) => decompressZstd(bytes) })
    for (const name of ['lz4.arrow', 'zstd.arrow']) {
      const plain = await decode(fixture('every-type.arrow'))
      const table = await decode(fixture(name))
      expect(rows(table)).toStrictEqual(rows(plain))
      expect(rows(await slice(fixture(name), 2, 5, ['utf8', 'nested', 'bool']))).toStrictEqual(
        rows(plain.select(['bool', 'utf8', 'nested'])).slice(2, 5),
      )
    }
  })

  it('without a codec are refused by its name, with the way out; Node 22.15 and later has one for zstd', async () => {
    await expect(decode(fixture('lz4.arrow'))).rejects.toThrow(
      /compressed with lz4, for which there is no codec[\s\S]*compressionRegistry or write it uncompressed/,
    )
    if (hasZstd) expect(rows(await decode(fixture('zstd.arrow')))).toHaveLength(5)
    else
      await expect(decode(fixture('zstd.arrow'))).rejects.toThrow(/compressed with zstd[\s\S]*use Node 22\.15 or later/)
  })

  it('whose codec gives something else are damaged', async () => {
    arrow.compressionRegistry.set(LZ4_FRAME, { decode: () => new Uint8Array(3) })
    await expect(decode(fixture('lz4.arrow'))).rejects.toThrow(/unpacks to 3 bytes, not/)
    arrow.compressionRegistry.set(LZ4_FRAME, {
      decode: () => {
        throw new Error('bad frame')
      },
    })
    await expect(decode(fixture('lz4.arrow'))).rejects.toThrow(/is not lz4: bad frame/)
  })
})

/** The blocks of an lz4 frame as Arrow has them: no dictionary, no checksums of blocks. */
function unpackLz4(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const out: number[] = []
  for (let at = (frame[4]! & 8) !== 0 ? 15 : 7; view.getUint32(at, true) !== 0; ) {
    const size = view.getUint32(at, true)
    const end = at + 4 + (size & 0x7fffffff)
    if (size >= 2 ** 31) out.push(...frame.subarray(at + 4, end))
    else unpackBlock(frame.subarray(at + 4, end), out)
    at = end
  }
  return Uint8Array.from(out)
}

function unpackBlock(block: Uint8Array, out: number[]): void {
  const length = (first: number): number => {
    let total = first
    for (let byte = 255; first === 15 && byte === 255; total += byte) byte = block[at++]!
    return total
  }
  let at = 0
  while (at < block.length) {
    const token = block[at++]!
    for (let n = length(token >> 4); n > 0; n--) out.push(block[at++]!)
    if (at >= block.length) return
    const back = block[at]! | (block[at + 1]! << 8)
    at += 2
    for (let n = length(token & 15) + 4; n > 0; n--) out.push(out[out.length - back]!)
  }
}

describe('damaged files', () => {
  /** A value, read in full, or an error of curio's; nothing else, soon, and without a memory of its own. */
  async function outcome(bytes: Uint8Array): Promise<arrow.Table | undefined> {
    const before = process.memoryUsage().arrayBuffers
    const started = performance.now()
    try {
      const table = await decode(bytes)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * bytes.byteLength + 100_000)
      if (table.numRows < 1000) rows(table)
      return table
    } catch (error) {
      if (!CurioError.is(error, 'ERR_CACHER_LOAD')) throw error
      return undefined
    } finally {
      expect(performance.now() - started).toBeLessThan(2000)
    }
  }

  it('cut off anywhere are an error, as a file and as a stream, and read in part', async () => {
    const file = await encode(everyType(2, 3))
    for (let length = 0; length < file.byteLength; length += 97) {
      expect(await outcome(file.subarray(0, length))).toBeUndefined()
      await expect(slice(file.subarray(0, length), 0, 2)).rejects.toMatchObject({ code: 'ERR_CACHER_LOAD' })
    }
    const stream = arrow.tableToIPC(tableOf({ a: ofEachType().utf8! }), 'stream')
    for (let length = 0; length < stream.byteLength; length++) {
      expect(await outcome(stream.subarray(0, length))).toBeUndefined()
    }
  })

  it('with flipped bits are a table whose every value can be read, or an error', async () => {
    const random = new Random(3)
    const files = [await encode(everyType(2, 3)), fixture('every-type.arrows'), fixture('legacy.arrows')]
    const dictionaries = [fixture('dictionary-in-dictionary.arrow'), fixture('deltas.arrow'), fixture('polars.arrow')]
    const tables: boolean[] = []
    for (const file of [...files, ...dictionaries]) {
      for (let i = 0; i < 150; i++) {
        const broken = Uint8Array.from(file)
        for (let n = 1 + random.int(4); n > 0; n--) broken[random.int(broken.length)]! ^= 1 << random.int(8)
        tables.push((await outcome(broken)) !== undefined)
      }
    }
    // Most flips hit padding or values, which nothing but a checksum notices; some hit what is checked.
    expect(new Set(tables).size).toBe(2)
  })

  it('with lengths and offsets of any size are an error, and soon', async () => {
    const random = new Random(5)
    const file = await encode(everyType(2, 3))
    const extremes = [0xffffffff, 0x7fffffff, 0x80000000, 0x10000, 1, 0]
    for (let i = 0; i < 250; i++) {
      const broken = Buffer.from(file)
      // The heads of the batches and the footer, where the lengths are, lie around the bodies.
      const at = 4 * random.int(broken.length >> 2)
      broken.writeUInt32LE(random.pick(extremes), at)
      await outcome(broken)
      await slice(broken, 1, 4).then(rows, (error: unknown) => {
        if (!CurioError.is(error, 'ERR_CACHER_LOAD')) throw error
      })
    }
  })

  it('full of garbage, or of another kind, are no Arrow file', async () => {
    const random = new Random(7)
    for (let i = 0; i < 200; i++) expect(await outcome(random.bytes(random.int(300)))).toBeUndefined()
    await expect(decode(Buffer.from('{"a":1}'))).rejects.toThrow(/arrow cannot load: value: it is not Arrow IPC/)
    await expect(decode(new Uint8Array(0))).rejects.toThrow(/it is not Arrow IPC, or it is cut off/)
    await expect(slice(Buffer.from('PAR1....PAR1'), 0, 1)).rejects.toThrow(/it is not Arrow IPC/)
  })

  it.each([
    [
      'offsets that run backwards',
      'utf8',
      (d: Int32Array) => d.set([0, 9, 3], 0),
      /utf8 has offsets that run backwards/,
    ],
    [
      'indices past the dictionary',
      'dictionary',
      (d: Int32Array) => new Int8Array(d.buffer, d.byteOffset).fill(9, 0, 2),
      /dictionary names value 9 of a dictionary of 3/,
    ],
    [
      'type ids of no member',
      'sparse_union',
      (d: Int32Array) => new Int8Array(d.buffer, d.byteOffset).fill(7, 0, 2),
      /sparse_union has a value of type 7/,
    ],
  ])('%s are found', async (_what, name, spoil, message) => {
    const file = Uint8Array.from(await encode(tableOf({ [name]: ofEachType()[name]! })))
    const [column] = (await decode(file)).batches[0]!.data.children
    spoil((column!.valueOffsets ?? column!.typeIds ?? column!.values) as never)
    await expect(decode(file)).rejects.toThrow(message)
  })

  it('a flatbuffer that refers to itself, or to one table again and again, ends', async () => {
    const field = (children: FlatFields[]): FlatFields => [
      { text: 'x' },
      { i8: 1 },
      { i8: 13 },
      { table: [] },
      undefined,
      { tables: children },
    ]
    let nested = field([])
    for (let i = 0; i < 200; i++) nested = field([nested])
    await expect(decode(streamOf([undefined, { tables: [nested] }]).message)).rejects.toThrow(/nested too deeply/)
    const stream = streamOf([undefined, { tables: [field([field([field([])])])] }]).message
    for (let at = 8; at < stream.byteLength - 12; at += 4) {
      // Each offset in turn leads to every place behind it.
      for (let target = 4; target < 160; target += 12) {
        const looped = Buffer.from(stream)
        looped.writeUInt32LE(target, at)
        await outcome(looped)
      }
    }
  })
})

const pythonCommand = process.env.CURIO_PYTHON ?? 'python3'
const required = process.env.CURIO_REQUIRE_SERVICES === '1'

/** Runs a program in Python, where the fixtures' own module is; what it prints. */
function python(program: string, ...args: string[]): string {
  const env = { ...process.env, PYTHONPATH: fixtures, PYTHONDONTWRITEBYTECODE: '1' }
  const done = spawnSync(pythonCommand, ['-W', 'ignore', '-c', program, ...args], { encoding: 'utf8', env })
  if (done.status !== 0) throw new Error(done.stderr || String(done.error))
  return done.stdout.trim()
}

const has = (module: string): boolean => spawnSync(pythonCommand, ['-c', `import ${module}`]).status === 0
const pyarrow = required || has('pyarrow')
const [pandas, polars] = [required || (pyarrow && has('pandas')), required || has('polars')]
const title = (text: string, module: string, there: boolean): string =>
  there ? text : `${text} (skipped: needs Python with ${module})`

describe('Python', () => {
  /** Python has no intervals of months or days. */
  const known = names.filter((name) => !['interval_months', 'interval_days'].includes(name))
  const save = async (file: string, value: unknown): Promise<void> => ArrowCacher(file).save(value as never)

  it.skipIf(!pyarrow)(
    title('pyarrow reads every type, in batches, cut, and as a stream', 'pyarrow', pyarrow),
    async () => {
      await using dir = tempDir()
      const table = everyType(2, 0, 3).select(known)
      await save(dir.join('every.arrow'), table)
      await save(dir.join('cut.arrow'), everyType().select(known).slice(1, 4))
      await save(dir.join('no-rows.arrow'), everyType(0).select(known))
      const program = `
import sys, make, pyarrow as pa, pyarrow.ipc as ipc
expected = make.every_type()
for name, rows in [('every', expected), ('cut', expected.slice(1, 3)), ('no-rows', expected.slice(0, 0))]:
    path = f'{sys.argv[1]}/{name}.arrow'
    file = ipc.open_file(path).read_all()
    stream = ipc.open_stream(open(path, 'rb').read()[8:]).read_all()
    for table in [file, stream]:
        table.validate(full=True)
        for field in expected.schema:
            assert table.schema.field(field.name).equals(field), (name, field, table.schema.field(field.name))
            got, want = table[field.name].combine_chunks(), rows[field.name].combine_chunks()
            # NaN is not equal to itself.
            assert got.equals(want) or repr(got.to_pylist()) == repr(want.to_pylist()), (name, field.name, got, want)
print(file.num_columns, [batch.num_rows for batch in ipc.open_file(sys.argv[1] + '/every.arrow').read_all().to_batches()])`
      expect(python(program, dir.path)).toBe('47 [2, 0, 3]')
    },
  )

  it.skipIf(!pyarrow)(
    title('pyarrow reads dictionaries that were made one, and maps the file', 'pyarrow', pyarrow),
    async () => {
      await using dir = tempDir()
      const type = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8())
      const parts = [
        ['red', 'green'],
        ['blue', null, 'red'],
      ].map((values) => {
        return new arrow.RecordBatch({ colour: arrow.vectorFromArray(values, type).data[0]! })
      })
      const { schema } = parts[0]!
      await save(
        dir.join('x.arrow'),
        new arrow.Table(
          schema,
          parts.map(({ data }) => new arrow.RecordBatch(schema, data)),
        ),
      )
      await save(dir.join('nested.arrow'), await decode(fixture('dictionary-in-dictionary.arrow')))
      const program = `
import sys, pyarrow as pa, pyarrow.ipc as ipc
with pa.memory_map(sys.argv[1] + '/x.arrow') as mapped:
    table = ipc.open_file(mapped).read_all()
    table.validate(full=True)
    assert pa.total_allocated_bytes() < 4096, pa.total_allocated_bytes()
    print(table['colour'].to_pylist(), table['colour'].chunk(0).dictionary.to_pylist())
nested = ipc.open_file(sys.argv[1] + '/nested.arrow').read_all()
nested.validate(full=True)
print(nested['d'].to_pylist())`
      expect(python(program, dir.path)).toBe(
        "['red', 'green', 'blue', None, 'red'] ['red', 'green', 'blue']\n" +
          "[{'kind': 'p', 'n': 3}, {'kind': 'p', 'n': 1}, None, {'kind': 'q', 'n': 2}]",
      )
    },
  )

  it.skipIf(!pandas)(title('pandas reads rows as they were saved', 'pandas and pyarrow', pandas), async () => {
    await using dir = tempDir()
    await save(dir.join('x.arrow'), [
      { n: 0.5, text: 'a', when: new Date('2020-01-02T03:04:05.678Z'), ok: true, id: 2n ** 60n, tags: ['x'] },
      { n: null, text: null, when: null, ok: false, id: -1n, tags: [] },
    ])
    const program = `
import sys, pandas as pd
frame = pd.read_feather(sys.argv[1] + '/x.arrow')
print(frame.dtypes.astype(str).to_dict()['when'], frame['n'].sum(), frame['id'].tolist(), frame['when'][0].isoformat(), [list(x) for x in frame['tags']], frame['text'].isna().tolist())`
    expect(python(program, dir.path)).toBe(
      "datetime64[ms] 0.5 [1152921504606846976, -1] 2020-01-02T03:04:05.678000 [['x'], []] [False, True]",
    )
  })

  it.skipIf(!polars)(title('polars reads what is saved, and we what polars writes', 'polars', polars), async () => {
    await using dir = tempDir()
    const types = [
      'int8',
      'uint64',
      'float32',
      'utf8',
      'utf8_view',
      'large_binary',
      'timestamp_us',
      'list',
      'struct',
      'dictionary',
    ]
    await save(dir.join('x.arrow'), everyType(2, 3).select(types))
    const program = `
import sys, polars as pl
frame = pl.read_ipc(sys.argv[1] + '/x.arrow')
print(frame.shape, frame['uint64'].to_list(), frame['list'].to_list(), frame['struct'].to_list()[0], frame['dictionary'].to_list())
big = pl.DataFrame({'i': range(50_000), 's': [f'text number {i}' for i in range(50_000)]})
big.write_ipc(sys.argv[1] + '/y.arrow', compression='uncompressed', record_batch_size=7000)`
    expect(python(program, dir.path)).toBe(
      "(5, 10) [0, 18446744073709551615, None, 1, 2] [[1.0, 2.0], [], None, [None, 3.0], [4.0]] {'x': 1, 'y': 'a'} " +
        "['red', 'green', None, 'red', 'blue']",
    )
    const table = await ArrowCacher(dir.join('y.arrow')).load()
    expect([table.numRows, table.get(49_999)!.s, table.get(6999)!.i]).toEqual([50_000, 'text number 49999', 6999n])
    const part = await slice(fs.readFileSync(dir.join('y.arrow')), 6998, 7002, ['s'])
    expect([...part.getChild('s')!]).toEqual([6998, 6999, 7000, 7001].map((i) => `text number ${i}`))
  })
})
