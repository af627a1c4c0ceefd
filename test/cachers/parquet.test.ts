import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import type { Worker } from 'node:worker_threads'
import * as arrow from 'apache-arrow'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { checkSize } from '../../cachers/parquet/limits.js'
import { rowsAtEnd } from '../../cachers/parquet/thrift.js'
import { rowsPerGroup } from '../../cachers/parquet/write.js'
import { ParquetCacher, type ParquetOptions } from '../../cachers/parquet.js'
import { Store } from '../../src/artifact/store.js'
import { CurioError, NotFoundError } from '../../src/errors.js'
import { Random } from '../helpers/random.js'
import { tempDir } from '../helpers/temp.js'
import { rows } from './arrow-types.js'
import { large, ofParquetTypes, sameContent } from './specs/parquet.js'

const started: Worker[] = []
const note = (worker: Worker): void => {
  started.push(worker)
}
afterEach(() => {
  process.off('worker', note)
})

/** The bytes of a file in memory. */
async function bytesOf(table: arrow.Table, writeOptions: ParquetOptions['writeOptions'] = {}): Promise<Uint8Array> {
  const encoded = await ParquetCacher({ writeOptions }).encode(table)
  // A copy with memory of its own: hyparquet takes all of it.
  if (encoded instanceof Uint8Array) return new Uint8Array(encoded)
  const pieces: Uint8Array[] = []
  for await (const piece of encoded as AsyncIterable<Uint8Array>) pieces.push(piece)
  return new Uint8Array(Buffer.concat(pieces))
}

/** A source that counts what is read from it. */
function counted(bytes: Uint8Array) {
  const source = {
    bytes: bytes.byteLength,
    read: async (from: number, to: number) => {
      source.seen += to - from
      return bytes.subarray(from, to)
    },
    seen: 0,
  }
  return source
}

/** Sensors of `count` rows: two columns of numbers that do not compress, and one of texts. */
function sensors(count: number): arrow.Table {
  const random = new Random(1)
  const next = (): Float64Array => Float64Array.from({ length: count }, () => random.next())
  return new arrow.Table({
    a: arrow.makeVector(next()),
    b: arrow.makeVector(next()),
    id: arrow.vectorFromArray(
      Array.from({ length: count }, (_, i) => `sensor ${i}`),
      new arrow.Utf8(),
    ),
  })
}

async function failure(action: () => unknown): Promise<CurioError> {
  try {
    await action()
  } catch (error) {
    if (CurioError.is(error)) return error
    throw error
  }
  throw new Error('nothing was wrong')
}

const notNull = new arrow.Field('q', new arrow.Int32())

/** A table of one column, whatever its field says about nulls. */
function ofField(field: arrow.Field, values: readonly unknown[]): arrow.Table {
  const schema = new arrow.Schema([field])
  const child = arrow.vectorFromArray(values, field.type).data[0]!
  const struct = new arrow.Struct([field])
  const data = arrow.makeData({ type: struct, length: values.length, nullCount: 0, children: [child] })
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, data)])
}

describe('nulls where the schema of a table rules them out', () => {
  const of = (type: arrow.DataType, values: readonly unknown[]) => ofField(new arrow.Field('a', type, true), values)
  const tables: readonly [string, arrow.Table, RegExp][] = [
    ['a column', ofField(notNull, [1, 2, null, 3]), /'q' is declared as non-nullable but contains null values/],
    ['members of lists', of(new arrow.List(notNull), [[1], [2], [null]]), /non-nullable child .*'q'/],
    [
      'fields of structs',
      of(new arrow.Struct([notNull]), [{ q: 1 }, { q: null }]),
      /non-nullable StructArray field "q"/,
    ],
  ]

  it.each(tables)(
    'are an error that names %s, in the first row group and in a later one',
    async (_what, table, named) => {
      await expect(bytesOf(table)).rejects.toThrow(named)
      await expect(bytesOf(table, { rowGroupSize: 1 })).rejects.toThrow(named)
    },
  )

  it('and that lie under a null of their parent are none', async () => {
    expect(await bytesOf(of(new arrow.Struct([notNull]), [{ q: 1 }, null]))).toBeInstanceOf(Uint8Array)
  })
})

describe('the rows that a footer tells of', () => {
  it('are those of the file, and none where the footer is not whole', async () => {
    const bytes = await bytesOf(arrow.tableFromArrays({ a: Float64Array.from({ length: 5000 }) }), {
      rowGroupSize: 1024,
    })
    expect(rowsAtEnd(bytes)).toBe(5000)
    expect(rowsAtEnd(bytes.subarray(-50))).toBeUndefined()
    expect(rowsAtEnd(bytes.subarray(0, -1))).toBeUndefined()
    expect(rowsAtEnd(new Uint8Array())).toBeUndefined()
  })
})

describe('parts of a Parquet file', () => {
  const table = sensors(40_000)
  const file = bytesOf(table, { rowGroupSize: 5000 })

  it('one column is read without the others', async () => {
    const source = counted(await file)
    const part = await ParquetCacher().columns!(source, ['b'])
    expect(part.schema.names).toEqual(['b'])
    expect(part.getChild('b')!.toArray()).toEqual(table.getChild('b')!.toArray())
    // Eight bytes a row, the footer, and the first look at the end.
    expect(source.seen).toBeLessThan(40_000 * 8 * 1.1 + (80 << 10))
    expect(source.seen).toBeLessThan(source.bytes / 2)
  })

  it('columns come in the order named', async () => {
    const part = await ParquetCacher().columns!(counted(await file), ['id', 'a'])
    expect(part.schema.names).toEqual(['id', 'a'])
    expect(part.numRows).toBe(40_000)
    expect(String(part.get(39_999))).toBe(String(table.select(['id', 'a']).get(39_999)))
  })

  it('a column that is not there is an error that names the nearest', async () => {
    const error = await failure(async () => ParquetCacher().columns!(counted(await file), ['idd']))
    expect(error.code).toBe('ERR_CACHER_LOAD')
    expect(error.message).toMatch(/it has no column "idd"[\s\S]*did you mean id\?/)
    const twice = await failure(async () => ParquetCacher().columns!(counted(await file), ['a', 'a']))
    expect(twice.message).toMatch(/column a is asked for twice/)
  })

  it('rows are those that Array.prototype.slice gives, wherever row groups begin', async () => {
    const all = Array.from({ length: 40_000 }, (_, i) => i)
    const cacher = ParquetCacher()
    const random = new Random(2)
    const ranges = [
      [0, 0],
      [0, 1],
      [4999, 5001],
      [5000, 10_000],
      [-3, 40_000],
      [-10, -4],
      [39_999, 50_000],
      [50_000, 60_000],
      [10, 5],
      [0, Number.POSITIVE_INFINITY],
      ...Array.from({ length: 12 }, () => [random.int(90_000) - 45_000, random.int(90_000) - 45_000]),
    ] as [number, number][]
    for (const [start, end] of ranges) {
      const part = await cacher.slice!(counted(await file), start, end, ['id'])
      const ids = [...part.getChild('id')!]
      expect([start, end, ids.length, ids[0], ids.at(-1)]).toEqual(
        ((wanted) => [start, end, wanted.length, wanted[0], wanted.at(-1)])(
          all.slice(start, end).map((i) => `sensor ${i}`),
        ),
      )
    }
    expect((await failure(async () => cacher.slice!(counted(await file), 0.5, 3))).message).toMatch(/whole numbers/)
  })

  it('some rows are read without the rest, of large row groups, too', async () => {
    const source = counted(await file)
    const part = await ParquetCacher().slice!(source, 20_100, 20_200)
    sameContent(part, table.slice(20_100, 20_200))
    expect(source.seen).toBeLessThan(source.bytes / 4)
    const whole = counted(await bytesOf(table, { rowGroupSize: 100_000, dictionary: false }))
    const few = await ParquetCacher().slice!(whole, 20_100, 20_200, ['a'])
    expect(few.getChild('a')!.toArray()).toEqual(table.getChild('a')!.toArray().slice(20_100, 20_200))
    expect(whole.seen).toBeLessThan(40_000 * 8 * 0.7)
  })

  it('of a Lazy they are read the same, from a store', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    await store.save('sensors', ParquetCacher({ writeOptions: { rowGroupSize: 5000 } }), table)
    const lazy = store.lazy<arrow.Table>('sensors')
    sameContent(await lazy.rows(-5, -1, ['b', 'a']), table.select(['b', 'a']).slice(39_995, 39_999))
    sameContent(await lazy.slice(7, 9), table.slice(7, 9))
    expect((await lazy.columns(['a'])).getChild('a')!.toArray()).toEqual(table.getChild('a')!.toArray())
  })

  it('names with dots are columns, not fields within', async () => {
    const x = arrow.vectorFromArray([1, 2], new arrow.Int32())
    const struct = arrow.vectorFromArray(
      [
        { b: 1, c: 2 },
        { b: 3, c: 4 },
      ],
      new arrow.Struct([new arrow.Field('b', x.type, true), new arrow.Field('c', x.type, true)]),
    )
    const dotted = new arrow.Table({ 'a.b': x, a: struct, '': x })
    const bytes = await bytesOf(dotted)
    for (const names of [['a'], ['a.b'], ['', 'a'], ['a.b', 'a', '']]) {
      const part = await ParquetCacher().columns!(counted(bytes), names)
      sameContent(part, dotted.select(names as never))
    }
    await expect(async () => ParquetCacher().columns!(counted(bytes), ['a.c'])).rejects.toThrow(/no column "a.c"/)
  })

  it('random parts of every type are those parts', async () => {
    const every = ofParquetTypes(64)
    const random = new Random(3)
    const names = every.schema.names as string[]
    for (let i = 0; i < 8; i++) {
      const bytes = await bytesOf(every, { rowGroupSize: 1 + random.int(30) })
      const [start, end] = [random.int(64), random.int(65)].sort((a, b) => a - b) as [number, number]
      const chosen = random.shuffle(names).slice(0, 1 + random.int(8))
      const part = await ParquetCacher().slice!(counted(bytes), start, end, chosen)
      sameContent(part, every.select(chosen as never).slice(start, end))
    }
  })

  it('an error of the source is the error', async () => {
    const gone = new NotFoundError('the bytes', 'the store')
    const bytes = await file
    for (const failing of [1, 2, 4]) {
      let reads = 0
      const read = async (from: number, to: number): Promise<Uint8Array> => {
        reads += 1
        if (reads === failing) throw gone
        return bytes.subarray(from, to)
      }
      expect(await failure(() => ParquetCacher().columns!({ bytes: bytes.byteLength, read }, ['a', 'b']))).toBe(gone)
    }
  })
})

describe('a table that was loaded', () => {
  it('has one batch for each row group, or as many as asked for', async () => {
    const bytes = await bytesOf(sensors(3000), { rowGroupSize: 1000 })
    const sizes = async (options: ParquetOptions): Promise<number[]> =>
      (await ParquetCacher(options).decode(bytes)).batches.map(({ numRows }) => numRows)
    expect(await sizes({})).toEqual([1000, 1000, 1000])
    expect(await sizes({ readOptions: { batchSize: 600 } })).toEqual([600, 400, 600, 400, 600, 400])
  })

  it('has one dictionary for all batches, though row groups each have their own', async () => {
    const bytes = await bytesOf(large(), { rowGroupSize: 180_000 })
    const table = await ParquetCacher().decode(bytes)
    expect(table.batches).toHaveLength(3)
    expect(new Set(table.getChild('word')!.data.map(({ dictionary }) => dictionary)).size).toBe(1)
    // A file of Arrow has no place for more than one.
    const again = arrow.tableFromIPC(arrow.tableToIPC(table, 'file'))
    for (const row of [0, 179_999, 180_000, 539_999]) {
      expect(again.getChild('word')!.get(row)).toBe(large().getChild('word')!.get(row))
    }
  })

  it('has only the columns of readOptions, which count in keys', async () => {
    const bytes = await bytesOf(sensors(100))
    const cacher = ParquetCacher({ readOptions: { columns: ['id', 'b'] } })
    expect((await cacher.decode(bytes)).schema.names).toEqual(['id', 'b'])
    expect((await cacher.slice!(counted(bytes), 1, 3)).schema.names).toEqual(['id', 'b'])
    expect((await cacher.columns!(counted(bytes), ['a'])).schema.names).toEqual(['a'])
    expect(cacher.decodingOptions()).toEqual({ readOptions: { columns: ['id', 'b'] } })
  })

  it('fits its schema, where it has one, by columns and rows as well', async () => {
    const schema = z.strictObject({ a: z.number().max(0.5), b: z.number(), id: z.string() })
    const bytes = await bytesOf(sensors(10))
    const cacher = ParquetCacher({ schema })
    await expect(Promise.resolve(cacher.decode(bytes))).rejects.toThrow(/rows\[\d\]\.a/)
    await expect(cacher.columns!(counted(bytes), ['a'])).rejects.toThrow(/rows\[\d\]\.a/)
    expect((await cacher.columns!(counted(bytes), ['b'])).numRows).toBe(10)
  })
})

describe('the options of a ParquetCacher', () => {
  it('choose how it is written, and what is loaded is the same', async () => {
    const table = ofParquetTypes(30)
    const codecs = {
      zstd: 'ZSTD',
      snappy: 'SNAPPY',
      gzip: 'GZIP',
      brotli: 'BROTLI',
      lz4: 'LZ4_RAW',
      none: 'UNCOMPRESSED',
    }
    for (const [compression, codec] of Object.entries(codecs)) {
      const bytes = await bytesOf(table, { compression: compression as 'zstd', dictionary: false, statistics: 'page' })
      sameContent(await ParquetCacher().decode(bytes), table)
      const { row_groups: groups } = parquetMetadata(bytes.slice().buffer)
      expect(groups.map(({ columns }) => columns[1]!.meta_data!.codec)).toEqual([codec])
    }
    const many = parquetMetadata((await bytesOf(table, { rowGroupSize: 7 })).slice().buffer)
    expect(many.row_groups.map(({ num_rows: count }) => Number(count))).toEqual([7, 7, 7, 7, 2])
  })

  it('that it does not have are errors that name the nearest', () => {
    const make = (options: object): unknown => ParquetCacher(options as ParquetOptions)
    expect(() => make({ writeOption: {} })).toThrow(/did you mean writeOptions\?/)
    expect(() => make({ writeOptions: { rowgroupsize: 3 } })).toThrow(/did you mean rowGroupSize\?/)
    expect(() => make({ writeOptions: { compression: 'zst' } })).toThrow(/did you mean zstd\?/)
    expect(() => make({ writeOptions: { rowGroupSize: 0 } })).toThrow(/rowGroupSize must be a whole number from 1/)
    expect(() => make({ writeOptions: { dictionary: 'yes' } })).toThrow(/dictionary must be true or false/)
    expect(() => make({ readOptions: { column: ['a'] } })).toThrow(/did you mean columns\?/)
    expect(() => make({ readOptions: { columns: 'a' } })).toThrow(/must be a list of names/)
    expect(() => make({ readOptions: null })).toThrow(/readOptions .* must be an object/)
  })

  it('count in keys where they are not the default', () => {
    expect(ParquetCacher().decodingOptions()).toEqual({})
    expect(ParquetCacher({ writeOptions: { compression: 'zstd' } }).decodingOptions()).toEqual({})
    expect(ParquetCacher({ writeOptions: { compression: 'gzip', rowGroupSize: 5 } }).decodingOptions()).toEqual({
      writeOptions: { compression: 'gzip', rowGroupSize: 5 },
    })
  })

  it('that say nothing of row groups make them smaller where rows are wide', async () => {
    const type = new arrow.FixedSizeList(2000, new arrow.Field('item', new arrow.Float32(), true))
    const items = arrow.makeData({ type: new arrow.Float32(), data: new Float32Array(2000 * 4096) })
    const column = arrow.makeData({ type, length: 4096, nullCount: 0, child: items })
    expect(await rowsPerGroup(new arrow.Table({ v: new arrow.Vector([column]) }))).toBe(16_384)
    expect(await rowsPerGroup(sensors(5000))).toBe(2 ** 19)
  })
})

describe('hyparquet', () => {
  it('reads what we write', async () => {
    const names =
      'bool int8 int16 int32 int64 uint8 uint64 float32 float64 utf8 timestamp_ms date32 list struct dictionary'
    const table = ofParquetTypes(10).select(names.split(' ') as never)
    const buffer = (await bytesOf(table)).slice().buffer
    const seen = await parquetReadObjects({ file: buffer, compressors })
    const text = (row: object): string => JSON.stringify(row, plain)
    expect(seen.map(text)).toEqual(rows(table).map(text))
  })

  function plain(_key: string, value: unknown): unknown {
    // It gives undefined for some nulls.
    if (value === null) return undefined
    if (typeof value === 'bigint') return `${value}n`
    return typeof value === 'number' && Number.isNaN(value) ? 'NaN' : value
  }
})

describe('files that others wrote', () => {
  const fixture = (name: string): string => new URL(`../fixtures/parquet/${name}`, import.meta.url).pathname
  const load = (name: string): Promise<arrow.Table> => Promise.resolve(ParquetCacher(fixture(name)).load())

  it.each(['snappy', 'gzip', 'zstd', 'brotli', 'lz4'])('pyarrow, with %s, every type', async (codec) => {
    const table = await load(`${codec}.parquet`)
    expect(table.numRows).toBe(5)
    const expected = ofParquetTypes(5)
    const names = (expected.schema.names as string[]).filter((name) => !/^(interval_|time32_s|timestamp_s)/.test(name))
    assert.deepStrictEqual(rows(table.select(names as never)), rows(expected.select(names as never)))
    const types = ({ schema }: arrow.Table): string[] => schema.fields.map(({ type }) => String(type))
    expect(types(table.select(names as never))).toEqual(types(expected.select(names as never)))
    // There are no seconds in Parquet: pyarrow makes them milliseconds.
    expect(rows(table.select(['timestamp_s'] as never))).toEqual(rows(expected.select(['timestamp_s'] as never)))
    const part = await ParquetCacher().slice!(counted(fs.readFileSync(fixture(`${codec}.parquet`))), 1, 4, [
      'list',
      'utf8',
    ])
    assert.deepStrictEqual(rows(part), rows(expected.select(['list', 'utf8'] as never).slice(1, 4)))
  })

  it('pandas', async () => {
    const table = await load('pandas.parquet')
    expect(rows(table)).toEqual([
      row(1n, 'x', 'u', new Date('2020-01-01'), 1_000_000n, 1, 10n),
      row(2n, null, 'v', new Date('2021-06-01T12:00Z'), 2_000_000n, null, 20n),
      row(3n, 'z', 'u', null, null, 3, 30n),
    ])
    function row(...values: unknown[]): object {
      const [n, text, kind, when, took, missing, id] = values
      return { n, text, kind, when, zoned: when, took, missing, id }
    }
  })

  it('polars and DuckDB', async () => {
    expect(rows(await load('polars.parquet'))[0]).toEqual({
      n: 1n,
      text: 'x',
      list: [1n, 2n],
      kind: 'u',
      choice: 'u',
      struct: { x: 1n },
      when: new Date('2020-01-01'),
      day: new Date('2020-01-01'),
      bytes: Uint8Array.of(49),
      array: [1, 2],
      nothing: null,
    })
    expect(rows(await load('duckdb.parquet'))).toEqual([
      {
        n: 1n,
        text: 'x',
        list: [1, 2],
        struct: { x: 1 },
        map: new Map([['k', 1]]),
        money: '1.25',
        at: new Date('2020-01-01'),
        zoned: new Date('2020-01-01'),
        day: new Date('2020-01-01'),
        choice: 'x',
        bytes: Uint8Array.of(97),
        small: 255,
      },
    ])
  })

  it('intervals of months and days are refused, for they would lose the months', async () => {
    await expect(load('duckdb-interval.parquet')).rejects.toThrow(/column "lasts" holds intervals of months and days/)
    const bytes = fs.readFileSync(fixture('duckdb-interval.parquet'))
    expect(rows(await ParquetCacher().columns!(counted(bytes), ['n']))).toEqual([{ n: 1 }])
  })

  it('timestamps of 96 bits are right in every year', async () => {
    const table = await load('int96.parquet')
    expect(String(table.schema.fields[2]!.type)).toBe('Timestamp<MICROSECOND>')
    const far = ['2020-01-02T03:04:05.678Z', '9999-12-31T23:59:59.999Z', '0001-01-01T00:00:00.000Z']
    const near = ['2020-01-02T03:04:05.678Z', '1700-01-01T00:00:00.000Z', '2262-01-01T00:00:00.000Z']
    expect(rows(table)).toEqual(
      [1n, 2n, 3n].map((n, i) => ({
        n,
        near: new Date(near[i]!),
        far: new Date(far[i]!),
        nested: { at: new Date(far[i]!), n },
      })),
    )
    const part = await ParquetCacher().slice!(counted(fs.readFileSync(fixture('int96.parquet'))), 1, 2, ['nested'])
    expect(rows(part)).toEqual([{ nested: { at: new Date(far[1]!), n: 2n } }])
    const fine = (await load('int96-fine.parquet')).getChild('fine')!
    expect(String(fine.type)).toBe('Timestamp<NANOSECOND>')
    expect([...fine.data[0]!.values]).toEqual([1_577_934_245_678_901_234n, -1n, 0n])
  })
})

describe('damaged Parquet files', () => {
  it('are errors or values, and soon, whichever bits are wrong', async () => {
    const bytes = await bytesOf(ofParquetTypes(40), { rowGroupSize: 16 })
    const random = new Random(4)
    const cacher = ParquetCacher()
    for (let i = 0; i < 120; i++) {
      const broken = Uint8Array.from(bytes)
      const within = i % 2 === 0 ? broken.length : Math.min(broken.length, 6000)
      for (let n = random.int(3); n >= 0; n--) broken[broken.length - 1 - random.int(within)]! ^= 1 << random.int(8)
      const at = performance.now()
      try {
        await cacher.decode(broken)
      } catch (error) {
        expect(CurioError.is(error, 'ERR_CACHER_LOAD'), String(error)).toBe(true)
      }
      expect(performance.now() - at).toBeLessThan(5000)
    }
    expect((await cacher.decode(bytes)).numRows).toBe(40)
  })

  it('cut off anywhere are errors that say so', async () => {
    const bytes = await bytesOf(sensors(50))
    for (let length = 0; length < bytes.byteLength; length += 7) {
      const error = await failure(() => ParquetCacher().decode(bytes.subarray(0, length)))
      expect(error.message).toMatch(/is no Parquet file/)
    }
    const encrypted = Uint8Array.from(bytes)
    encrypted.set(Buffer.from('PARE'), bytes.byteLength - 4)
    await expect(Promise.resolve(ParquetCacher().decode(encrypted))).rejects.toThrow(/it is encrypted/)
    const footer = Buffer.from(bytes)
    footer.writeUInt32LE(2 ** 31, bytes.byteLength - 8)
    await expect(Promise.resolve(ParquetCacher().decode(footer))).rejects.toThrow(/its footer would have 2147483648/)
  })

  it('that claim more rows than there is memory for are refused before any is read', () => {
    const schema = new arrow.Schema([
      new arrow.Field('x', new arrow.Int64(), true),
      new arrow.Field('y', new arrow.FixedSizeList(100, new arrow.Field('item', new arrow.Bool())), true),
    ])
    const about = { schema: new Uint8Array(), rows: 1e12, groups: [], isArrow: true }
    expect(() => checkSize(arrow, about, schema.fields, 1e12)).toThrow(
      /1,000,000,000,000 of its 1,000,000,000,000 rows would take at least 19092\.1 GiB/,
    )
    expect(() => checkSize(arrow, about, schema.fields, 1e6)).not.toThrow()
  })
})

describe('the thread of parquet-wasm', () => {
  const ended = (worker: Worker): Promise<unknown> => new Promise((resolve) => worker.once('exit', resolve))

  it('does many jobs, several at once, and is gone when nothing came for a while', async () => {
    process.on('worker', note)
    const table = sensors(2000)
    const bytes = await bytesOf(table)
    await new Promise((resolve) => setTimeout(resolve, 1300))
    const before = started.length
    for (let i = 0; i < 5; i++) await ParquetCacher().decode(bytes)
    expect(started.length).toBe(before + 1)
    const gone = ended(started.at(-1)!)
    const many = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        if (i % 3 === 0) return (await bytesOf(table)).byteLength
        const part = await ParquetCacher().slice!(counted(bytes), i, i + 10)
        return String(part.get(0)) === String(table.get(i))
      }),
    )
    expect(new Set(many)).toEqual(new Set([true, bytes.byteLength]))
    expect(started.length).toBeLessThanOrEqual(before + 4)
    await gone
  })

  it('that dies in the middle of a job is an error that says so, and the next job gets another', async () => {
    process.on('worker', note)
    const bytes = await bytesOf(sensors(2000), { rowGroupSize: 100 })
    const read = async (from: number, to: number): Promise<Uint8Array> => {
      void started.at(-1)?.terminate()
      return bytes.subarray(from, to)
    }
    await new Promise((resolve) => setTimeout(resolve, 1300))
    const wide = { bytes: bytes.byteLength, read }
    const error = await failure(async () => {
      for (let i = 0; i < 3; i++) await ParquetCacher().slice!(wide, 0, 100)
    })
    expect(error.message).toMatch(/the thread that runs parquet-wasm is gone/)
    expect((await ParquetCacher().decode(bytes)).numRows).toBe(2000)
  })

  it('is ended when nobody wants the rest of a file', async () => {
    process.on('worker', note)
    const encoded = (await ParquetCacher({ writeOptions: { rowGroupSize: 500 } }).encode(
      sensors(5000),
    )) as AsyncIterable<Uint8Array>
    const before = started.length
    for await (const piece of encoded) {
      expect(piece.byteLength).toBeGreaterThan(0)
      break
    }
    expect(started.length).toBeLessThanOrEqual(before + 1)
    expect((await ParquetCacher().decode(await bytesOf(sensors(10)))).numRows).toBe(10)
  })

  it('keeps no process alive, and is found by the package as it is published', async () => {
    await using dir = tempDir()
    const built = new URL('../../dist/cachers/index.js', import.meta.url).href
    const program = `
      import { ParquetCacher } from ${JSON.stringify(built)}
      const file = ${JSON.stringify(dir.join('x.parquet'))}
      await ParquetCacher(file).save([{ a: 1 }, { a: 2 }])
      const { numRows } = await ParquetCacher(file).load()
      // Pieces of a file that nobody takes do not keep it alive either.
      const many = await ParquetCacher({ writeOptions: { rowGroupSize: 1 } }).encode([{ a: 1 }, { a: 2 }, { a: 3 }])
      await many[Symbol.asyncIterator]().next()
      const done = performance.now()
      process.on('exit', () => console.log(numRows, performance.now() - done < 600))`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
    expect([child.stdout, child.stderr, child.status]).toEqual(['2 true\n', '', 0])
  })
})
