import { createRequire } from 'node:module'
import * as arrow from 'apache-arrow'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ArrowCacher } from '../../cachers/arrow.js'
import { checkRows, rowsOf } from '../../cachers/frame/rows.js'
import { toTable } from '../../cachers/frame/table.js'
import { CurioError, DeclarationError } from '../../src/errors.js'
import { describeSchema, everyType, ofEachType, rows, sameTable, tableOf } from './arrow-types.js'

const table = (value: unknown, schema?: z.ZodType): Promise<arrow.Table> => toTable(value as never, schema)
const typesOf = ({ schema }: arrow.Table): Record<string, string> =>
  Object.fromEntries(schema.fields.map(({ name, type }) => [name, String(type)]))

describe('a schema of a row', () => {
  it('types a column of nothing but nulls, whichever way it says that there may be nulls', async () => {
    const text = z.string()
    const shape = {
      nullable: text.nullable(),
      union: z.union([text, z.null()]),
      or: z.null().or(text),
      literals: z.union([z.literal(1), z.literal(2)]).nullable(),
      texts: z.union([z.array(text), z.null()]),
      mixed: z.union([text, z.number(), z.null()]),
    }
    const row = Object.fromEntries(Object.keys(shape).map((name) => [name, null]))
    expect(typesOf(await table([row], z.object(shape)))).toEqual({
      nullable: 'Utf8',
      union: 'Utf8',
      or: 'Utf8',
      literals: 'Float64',
      texts: 'List<Utf8>',
      mixed: 'Null',
    })
  })
})

describe('rows and columns', () => {
  const row = {
    n: 1,
    i: 2n,
    s: 'x',
    b: true,
    d: new Date(5),
    bytes: Uint8Array.of(1),
    list: [1, 2],
    texts: ['a'],
    floats: Float32Array.of(1, 2),
    nested: { a: 1, deep: [{ b: 'x' }] },
    none: null,
  }
  const types = {
    n: 'Float64',
    i: 'Int64',
    s: 'Utf8',
    b: 'Bool',
    d: 'Timestamp<MILLISECOND>',
    bytes: 'Binary',
    list: 'List<Float64>',
    texts: 'List<Utf8>',
    floats: 'List<Float32>',
    nested: 'Struct<{a:Float64, deep:List<Struct<{b:Utf8}>>}>',
    none: 'Null',
  }

  it('have the types of their values, whatever these are', async () => {
    expect(typesOf(await table([row]))).toEqual(types)
    expect(typesOf(await table([{ n: 1 }]))).toEqual(typesOf(await table([{ n: 0.5 }])))
    const columns = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, [value, null]]))
    expect(typesOf(await table(columns))).toEqual(types)
  })

  it('come back as they were', async () => {
    const given = [
      row,
      {},
      { ...row, n: Number.NaN, s: '', list: [], bytes: Buffer.from([255]) },
      { n: null, extra: 1 },
    ]
    expect(rows(await table(given))).toEqual(
      given.map((one) => {
        const full = Object.fromEntries([...Object.keys(row), 'extra'].map((name) => [name, null]))
        const { floats, bytes, ...rest } = one as typeof row
        return {
          ...full,
          ...rest,
          ...(floats && { floats: [...floats] }),
          ...(bytes && { bytes: Uint8Array.from(bytes) }),
        }
      }),
    )
  })

  it('keep the order in which columns first appear', async () => {
    const names = (await table([{ b: 1 }, { a: 1, b: 2 }, { c: 1 }])).schema.names
    expect(names).toEqual(['b', 'a', 'c'])
  })

  it('typed arrays keep their types, as columns and without a copy', async () => {
    const x = Float32Array.of(1, 2)
    const clamped = new Uint8ClampedArray([1, 300])
    const made = await table({
      x,
      i: Int16Array.of(-1, 1),
      u: BigUint64Array.of(1n, 2n),
      c: clamped,
      b: Uint8Array.of(3, 4),
    })
    expect(typesOf(made)).toEqual({ x: 'Float32', i: 'Int16', u: 'Uint64', c: 'Uint8', b: 'Uint8' })
    expect(made.batches[0]!.data.children[0]!.values.buffer).toBe(x.buffer)
    expect(rows(made)[1]).toEqual({ x: 2, i: 1, u: 2n, c: 255, b: 4 })
    const Half = (globalThis as { Float16Array?: new (values: number[]) => ArrayLike<number> }).Float16Array
    if (Half === undefined) return
    const halves = await table({ h: new Half([1.5, -2]), l: [new Half([0.5]), null] })
    expect(typesOf(halves)).toEqual({ h: 'Float16', l: 'List<Float16>' })
    expect(rows(halves)).toEqual([
      { h: 1.5, l: [0.5] },
      { h: -2, l: null },
    ])
  })

  it.each([
    [[{ a: 1 }, { a: 'x' }], /rows\[1\]\.a is a string, but the column holds numbers/],
    [[{ a: 1 }, { a: 1n }], /rows\[1\]\.a is a bigint, but the column holds numbers/],
    [[{ a: [1] }, { a: Float32Array.of(1) }], /rows\[1\]\.a is a Float32Array, but the column holds arrays/],
    [
      [{ a: Float32Array.of(1) }, { a: Float64Array.of(1) }],
      /rows\[1\]\.a is a Float64Array, but the column holds Float32Arrays/,
    ],
    [
      [{ a: [{ b: 1 }] }, { a: [{}, null, { b: true }] }],
      /rows\[1\]\.a\[2\]\.b is a boolean, but the column holds numbers/,
    ],
    [{ a: [[1], [2, '3']] }, /a\[1\]\[1\] is a string, but the column holds numbers/],
    [[{ 'unit price': 1 }, { 'unit price': '1' }], /rows\[1\]\["unit price"\] is a string/],
    [[{ a: new Map() }], /rows\[0\]\.a is a Map, which no column can hold/],
    [[{ a: Symbol('x') }], /rows\[0\]\.a is a symbol, which no column can hold/],
    [{ a: 'text' }, /its column a is a string, not an array/],
    [new Date(), /it is a Date, not a frame/],
  ])('%# of values that no column holds is refused by row and column', async (value, message) => {
    await expect(table(value)).rejects.toThrow(message)
  })

  it('a key named __proto__ is a column like any other', async () => {
    const row = JSON.parse('{"__proto__": 1, "a": 2}') as object
    const [loaded] = rows(await table([row]))
    expect(Object.keys(loaded!)).toEqual(['__proto__', 'a'])
    expect(Object.getPrototypeOf(loaded)).toBe(Object.prototype)
  })
})

describe('frames of other libraries', () => {
  it('arquero and its like: toArrowIPC or toArrowBuffer give bytes', async () => {
    const own = tableOf({ a: ofEachType().utf8!, n: ofEachType().int32! })
    for (const bytes of [arrow.tableToIPC(own, 'stream'), arrow.tableToIPC(own, 'file')]) {
      expect(rows(await table({ toArrowIPC: () => bytes }))).toEqual(rows(own))
      expect(rows(await table({ toArrowBuffer: () => bytes, columnNames: () => ['a'] }))).toEqual(rows(own))
    }
    await expect(table({ toArrowIPC: () => 'x' })).rejects.toThrow(/its toArrowIPC\(\) gave a string, not bytes/)
  })

  it('nodejs-polars: writeIPC gives a Buffer', async () => {
    class DataFrame {
      writeIPC = (): Buffer => Buffer.from(arrow.tableToIPC(tableOf({ n: ofEachType().int64! }), 'file'))
    }
    expect(rows(await table(new DataFrame()))).toHaveLength(5)
  })

  it('a table of this apache-arrow is taken as it is', async () => {
    const own = everyType()
    expect(await table(own)).toBe(own)
  })

  it('a table of another copy of apache-arrow becomes one of this, over the same memory', async () => {
    const other = createRequire(import.meta.url)('apache-arrow') as typeof arrow
    expect(other.Table).not.toBe(arrow.Table)
    const bytes = arrow.tableToIPC(everyType(), 'file')
    const foreign = other.tableFromIPC(bytes)
    const made = await table(foreign)
    expect(Object.getPrototypeOf(made)).toBe(arrow.Table.prototype)
    expect(Object.getPrototypeOf(made.schema.fields[2]!.type)).toBe(arrow.Int.prototype)
    sameTable(made, arrow.tableFromIPC(bytes))
    const first = (one: arrow.Table): ArrayBufferLike => one.batches[0]!.data.children[2]!.values.buffer
    expect(first(made)).toBe(first(foreign))
    expect(rows(await ArrowCacher().decode((await ArrowCacher().encode(foreign)) as Uint8Array))).toEqual(rows(made))
  })

  it('one of an older version, which knew no brands and kept 64 bits in pairs, too', async () => {
    const strip = (value: unknown): unknown => {
      if (value instanceof Map || ArrayBuffer.isView(value) || value === null || typeof value !== 'object') return value
      if (Array.isArray(value)) return value.map(strip)
      const data = value as arrow.Data & { metadata: unknown }
      const plain = Object.fromEntries(Object.entries(value).map(([key, own]) => [key, strip(own)]))
      if (data instanceof arrow.Data) {
        const { values } = data as unknown as { values?: BigInt64Array }
        plain.nullCount = data.nullCount
        if (values instanceof BigInt64Array)
          plain.values = new Int32Array(values.buffer, values.byteOffset, 2 * values.length)
      }
      if (data.metadata !== undefined) plain.metadata = data.metadata
      return plain
    }
    const own = tableOf({ when: ofEachType().timestamp_ms!, s: ofEachType().utf8! })
    const { schema, batches } = own
    const old = { schema: { fields: strip(schema.fields), metadata: schema.metadata }, batches: strip(batches) }
    expect(old).not.toBeInstanceOf(arrow.Table)
    sameTable(await table(old), own)
  })
})

describe('schemas', () => {
  const schema = z.object({
    a: z.number(),
    note: z.string().optional(),
    at: z.date().nullable(),
    tags: z.array(z.object({ id: z.bigint().optional(), kind: z.enum(['x', 'y']) })),
  })

  it('name and type what the values do not: no rows, and columns of nulls', async () => {
    const types = {
      a: 'Float64',
      note: 'Utf8',
      at: 'Timestamp<MILLISECOND>',
      tags: 'List<Struct<{id:Int64, kind:Utf8}>>',
    }
    expect(typesOf(await table([], schema))).toEqual(types)
    expect(typesOf(await table([{ a: 1, note: null, at: null, tags: [] }], schema))).toEqual(types)
    expect(typesOf(await table([{ tags: [{ kind: 'x' }] }], schema))).toEqual({
      tags: 'List<Struct<{kind:Utf8, id:Int64}>>',
      a: 'Float64',
      note: 'Utf8',
      at: 'Timestamp<MILLISECOND>',
    })
    expect((await table([])).numCols).toBe(0)
    expect(typesOf(await table([], z.looseObject({ n: z.int().default(1), l: z.literal('x') })))).toEqual({
      n: 'Float64',
      l: 'Utf8',
    })
  })

  it('see rows as plain values, and nulls of optional fields not at all', async () => {
    const good = [
      { a: 1, note: 'x', at: new Date(5), tags: [{ id: 1n, kind: 'x' }, { kind: 'y' }] },
      { a: 2, note: null, at: null, tags: [] },
    ]
    await checkRows(await table(good, schema), schema, 'value')
  })

  it('refuse by row and column, at most three at once', async () => {
    const bad = await table([
      { a: 1, at: null, tags: [{ kind: 'z' }] },
      { a: null, at: null, tags: [] },
    ])
    await expect(checkRows(bad, schema, 'flights')).rejects.toThrow(
      /^flights\.rows\[0\]\.tags\[0\]\.kind: Invalid.*; flights\.rows\[1\]\.a: Invalid input: expected number/,
    )
    const many = await table(Array.from({ length: 50 }, () => ({ a: 'x' })))
    const error = await checkRows(many, z.object({ a: z.number() }), 'v').catch((error: Error) => error)
    expect((error as Error).message.match(/rows\[/g)).toHaveLength(3)
    await expect(checkRows(await table([{}]), z.object({ a: z.number() }), 'v')).rejects.toThrow(/v\.rows\[0\]\.a/)
  })

  it.each([
    [z.object({ a: z.number() }), { a: 1, b: 2 }, /the schema changes v\.rows\[0\]\.b/],
    [z.object({ a: z.number(), c: z.number().default(3) }), { a: 1, b: 2, c: null }, /v\.rows\[0\]/],
    [z.looseObject({ a: z.number().transform((n) => n + 1) }), { a: 1 }, /the schema changes v\.rows\[0\]\.a/],
    [z.looseObject({ a: z.coerce.string() }), { a: 1 }, /the schema changes v\.rows\[0\]\.a/],
  ])('%# that would change a row are refused, for no key would see it', async (schema, row, message) => {
    await expect(checkRows(await table([row]), schema, 'v')).rejects.toThrow(message)
    await expect(checkRows(await table([row]), z.looseObject({ a: z.number() }), 'v')).resolves.toBeUndefined()
  })

  it('may look things up', async () => {
    const known = z.object({ a: z.string().refine(async (name) => name === 'x', { message: 'unknown' }) })
    await checkRows(await table([{ a: 'x' }, { a: 'x' }]), known, 'v')
    await expect(checkRows(await table([{ a: 'x' }, { a: 'y' }]), known, 'v')).rejects.toThrow('v.rows[1].a: unknown')
  })

  it('are checked on saving and on loading, and those of some columns on reading these', async () => {
    const cacher = ArrowCacher({ schema: z.object({ a: z.number().positive(), b: z.string() }) })
    const bytes = (await cacher.encode([{ a: 1, b: 'x' }])) as Uint8Array
    expect(rows(await cacher.decode(bytes))).toEqual([{ a: 1, b: 'x' }])
    const source = { bytes: bytes.byteLength, read: async (from: number, to: number) => bytes.slice(from, to) }
    expect((await cacher.columns!(source, ['b'])).numCols).toBe(1)
    await expect(ArrowCacher({ schema: z.object({ b: z.number() }) }).columns!(source, ['b'])).rejects.toThrow(
      /rows\[0\]\.b/,
    )
    const failed = await Promise.resolve(cacher.encode([{ a: -1, b: 'x' }])).catch((error: unknown) => error)
    if (!CurioError.is(failed, 'ERR_CACHER_SAVE')) throw failed
    expect(failed.message).toMatch(/^arrow cannot save: value\.rows\[0\]\.a: Too small/)
    await expect(ArrowCacher({ schema: z.looseObject({ a: z.string() }) }).decode(bytes)).rejects.toThrow(
      /^arrow cannot load: value\.rows\[0\]\.a: Invalid input/,
    )
    expect(() => ArrowCacher({ schema: {} as never })).toThrow(DeclarationError)
  })

  it('decimals are texts, maps are maps, unions their values', async () => {
    const all = ofEachType()
    const { decimal, map, dense_union, date32, timestamp_us } = rows(everyType())[0] as Record<string, unknown>
    expect({ decimal, map, dense_union, date32, timestamp_us }).toEqual({
      decimal: '123.45',
      map: new Map([['a', 1n]]),
      dense_union: 2,
      date32: new Date(0),
      timestamp_us: new Date(0),
    })
    const negative = rows(tableOf({ decimal: all.decimal! }))[1]
    expect(negative).toEqual({ decimal: '-0.05' })
    expect(describeSchema(everyType().schema)).toEqual(describeSchema(tableOf(ofEachType()).schema))
  })
})

describe('rowsOf', () => {
  it('gives plain rows of a table, which can be changed and saved again as the same types', async () => {
    const when = new Date('2024-05-01T10:00:00Z')
    const rows = [
      { id: 1n, when, tags: ['a', null], at: { x: 1, y: 2 }, none: null as string | null },
      { id: 2n, when, tags: [], at: { x: 3, y: 4 }, none: 'b' },
    ]
    const made = await table(rows)
    const again = await rowsOf(made)
    expect(again).toEqual(rows)
    const kept = await table(again)
    expect(typesOf(kept)).toEqual(typesOf(made))
  })
})
