import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as arrow from 'apache-arrow'
import { ArrowCacher, CsvCacher, JsonFrameCacher, type JsonFrameOptions } from 'curio/cachers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { FrameLike } from '../../cachers/frame/table.js'
import { Store } from '../../src/artifact/store.js'
import { tempDir } from '../helpers/temp.js'
import { column, failure, sameTable, seen, tableOf } from './specs/csv.js'

const fixtures = fileURLToPath(new URL('../fixtures/json-frame', import.meta.url))

async function written(frame: FrameLike, options?: JsonFrameOptions): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of (await JsonFrameCacher(options).encode(frame)) as AsyncIterable<Uint8Array>) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

const load = async (text: string | Uint8Array, options?: JsonFrameOptions): Promise<arrow.Table> =>
  JsonFrameCacher(options).decode(typeof text === 'string' ? Buffer.from(text) : text)

describe('what is written', () => {
  it('is an array with a row a line, every key in every row', async () => {
    const rows = [
      { id: 1n, x: 0.5, 'a "b"': 'é\u0000\n"\\\u2028', when: new Date(0), tags: ['p', ''], at: { x: 1, y: null } },
      { id: -(2n ** 63n), x: Number.NaN, ok: true, tags: [], at: { x: -0, y: 'z' } },
      { id: 9007199254740993n, x: -Infinity, tags: [null], at: { x: 2 ** 60 } },
      {},
    ]
    const text = await written(rows)
    expect(text).toBe(
      '[\n' +
        '{"id":1,"x":0.5,"a \\"b\\"":"é\\u0000\\n\\"\\\\\u2028","when":"1970-01-01T00:00:00.000","tags":["p",""],"at":{"x":1,"y":null},"ok":null},\n' +
        '{"id":-9223372036854775808,"x":"NaN","a \\"b\\"":null,"when":null,"tags":[],"at":{"x":-0.0,"y":"z"},"ok":true},\n' +
        '{"id":9007199254740993,"x":"-Infinity","a \\"b\\"":null,"when":null,"tags":[null],"at":{"x":1152921504606847000.0,"y":null},"ok":null},\n' +
        '{"id":null,"x":null,"a \\"b\\"":null,"when":null,"tags":null,"at":null,"ok":null}\n' +
        ']\n',
    )
    expect(JSON.parse(text)).toHaveLength(4)
    expect(await written([])).toBe('[\n]\n')
  })
})

describe('a file of which nothing is known', () => {
  it('has the types of its values', async () => {
    const text = `[
      {"n": 1, "b": true, "s": "007", "big": 9007199254740993, "u": 18446744073709551615, "f": "NaN", "same": "NaN", "list": [1, null], "o": {"x": [], "y": "a"}, "none": null},
      {"b": null, "n": -2.5e-3, "big": -1, "u": 0, "f": 1, "s": "", "list": [], "same": "NaN", "o": {"y": null}, "none": null},
      {"n": 3, "f": "-Infinity", "o": null}
    ]`
    expect(seen(await load(text))).toEqual({
      types: {
        n: 'float64',
        b: 'bool',
        s: 'utf8',
        big: 'int64',
        u: 'uint64',
        f: 'float64',
        same: 'utf8',
        list: { list: { item: 'float64' } },
        o: { struct: { x: { list: { item: 'null' } }, y: 'utf8' } },
        none: 'null',
      },
      rows: [
        [1, true, '007', 9007199254740993n, 2n ** 64n - 1n, Number.NaN, 'NaN', [1, null], { x: [], y: 'a' }, null],
        [-0.0025, null, '', -1n, 0n, 1, 'NaN', [], { x: null, y: null }, null],
        [3, null, null, null, null, -Infinity, null, null, null, null],
      ],
    })
  })

  it('has the types that are asked for, or that its schema expects', async () => {
    const types = {
      id: 'int64',
      when: 'timestamp[ms]',
      took: 'duration[s]',
      price: 'decimal128(10, 2)',
      kind: 'dictionary<utf8, int8>',
      x: 'float64',
      tags: { type: 'list', children: [{ name: 'item', type: 'int8' }] },
    }
    const schema = z.looseObject({ day: z.date(), note: z.string().nullable() })
    const text = `[{"id":1,"when":1577836800000,"took":"PT5S","price":"1.5","kind":"b","x":9007199254740993,"tags":[1],"day":"2020-01-01","note":null},
      {"id":2.0,"when":"2020-01-01","took":5,"price":2.05,"kind":"a","x":0.5,"tags":[],"day":"2020-01-02","note":null}]`
    expect(seen(await JsonFrameCacher({ types, schema: schema as never }).decode(Buffer.from(text)))).toEqual({
      types: { ...types, tags: { list: { item: 'int8' } }, day: 'timestamp[ms]', note: 'utf8' },
      rows: [
        [1n, 1577836800000n, 5n, [150, 0, 0, 0], 'b', 9007199254740992, [1], 1577836800000n, null],
        [2n, 1577836800000n, 5n, [205, 0, 0, 0], 'a', 0.5, [], 1577923200000n, null],
      ],
    })
  })

  it('may have a byte order mark, spaces, escapes, and no rows', async () => {
    expect(seen(await load('\uFEFF [ { "\\u0061" : "\\ud83d\\ude00\\/\\b\\u00e9" } ] \r\n')).rows).toEqual([['😀/\bé']])
    expect(seen(await load('[]'))).toEqual({ types: {}, rows: [] })
    expect((await load('[{},{}]')).numRows).toBe(2)
  })

  it('is read as JSON.parse does', async () => {
    const row = fc.record({
      s: fc.string({ unit: 'binary' }),
      x: fc.double({ noNaN: true, min: -1e15, max: 1e15 }),
      b: fc.boolean(),
    })
    const spaces = fc.constantFrom(undefined, 1, '\t', '\r\n')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(row.map((r) => r)), { minLength: 1 }), spaces, async (rows, space) => {
        const text = JSON.stringify(
          rows.map((r) => r ?? { s: null, x: null, b: null }),
          null,
          space,
        )
        const parsed = JSON.parse(text) as { s: unknown; x: unknown; b: unknown }[]
        expect(seen(await load(text)).rows).toEqual(parsed.map(({ s, x, b }) => [s, x, b]))
      }),
      { numRuns: 300 },
    )
  })

  it('is refused where JSON.parse refuses it', async () => {
    const unit = fc.constantFrom(
      '1',
      '0',
      '-',
      '.',
      'e',
      '+',
      '"',
      '\\',
      'u',
      '00e9',
      'n',
      'null',
      'true',
      ' ',
      '\u0001',
      '/',
    )
    let read = 0
    await fc.assert(
      fc.asyncProperty(fc.string({ unit, minLength: 1, maxLength: 8 }), async (value) => {
        const text = `[{"a":${value}}]`
        const isJson = await failure((async () => JSON.parse(text))())
        const ours = await failure(load(text))
        // Numbers that JavaScript cannot hold are refused beyond that.
        if (isJson === 'nothing went wrong' && /past the largest|past 64 bits|half of a/.test(ours)) return
        expect([text, ours === 'nothing went wrong']).toEqual([text, isJson === 'nothing went wrong'])
        if (isJson === 'nothing went wrong') read += 1
      }),
      { numRuns: 3000 },
    )
    expect(read).toBeGreaterThan(100)
  })
})

describe('what is wrong with a file', () => {
  it.each<[string, string, JsonFrameOptions | undefined, RegExp]>([
    [
      'an object',
      '{"a":{"0":1}}',
      undefined,
      /json-frame cannot load: value: it is not an array of rows[\s\S]*orient='records'/,
    ],
    ['a number', '3', undefined, /it is not an array of rows/],
    ['nothing', '', undefined, /it is not an array of rows/],
    ['a row that is a number', '[{"a":1},2]', undefined, /value: rows\[1\] is 2, not an object/],
    ['a row that is an array', '[[1]]', undefined, /rows\[0\] is an array, not an object/],
    ['a key twice', '[{"a":1},{"a":1,"a":2}]', undefined, /rows\[1\] has the key "a" twice/],
    ['a key twice, written in two ways', '[{"a":1,"\\u0061":2}]', undefined, /rows\[0\] has the key "a" twice/],
    ['a key twice within', '[{"o":{"a":1,"a":2}}]', undefined, /rows\[0\]\.o has the key "a" twice/],
    [
      'mixed values',
      '[{"a":[1]},{"a":[2,"x"]}]',
      undefined,
      /rows\[1\]\.a\[1\] is a string, but the column holds numbers/,
    ],
    [
      'texts, then numbers that are none',
      '[{"a":"NaN"},{"a":true}]',
      undefined,
      /rows\[1\]\.a is true or false, but the column holds strings/,
    ],
    [
      'an array among numbers',
      '[{"a":1},{"a":[]}]',
      undefined,
      /rows\[1\]\.a is an array, but the column holds numbers/,
    ],
    [
      'large integers beside fractions',
      '[{"a b":9007199254740993},{"a b":0.5}]',
      undefined,
      /\["a b"\] holds 9007199254740993, which stands among numbers that are no integers/,
    ],
    [
      'an integer past 64 bits',
      '[{"a":18446744073709551616}]',
      undefined,
      /\.a holds 18446744073709551616, which is past 64 bits/,
    ],
    [
      'a number past every number',
      '[{"a":1e999}]'.replace('1e999', `1e${'9'.repeat(20)}`),
      undefined,
      /rows\[0\]\.a is "1e9+", past the largest float64/,
    ],
    [
      'a number past its type',
      '[{"a":{"b":[300]}}]',
      {
        types: {
          a: { type: 'struct', children: [{ name: 'b', type: 'list', children: [{ name: 'item', type: 'int8' }] }] },
        },
      },
      /rows\[0\]\.a\.b\[0\] is "300", which is not between -128 and 127/,
    ],
    ['a text as a number', '[{"a":"1"}]', { types: { a: 'float64' } }, /rows\[0\]\.a is "1", not a number/],
    ['a number as a text', '[{"a":1}]', { types: { a: 'utf8' } }, /rows\[0\]\.a is 1, not a text/],
    [
      'a fraction as a count',
      '[{"a":1.5}]',
      { types: { a: 'timestamp[s]' } },
      /rows\[0\]\.a is 1\.5, not a count of its unit/,
    ],
    [
      'a count past its type',
      `[{"a":${2n ** 63n}}]`,
      { types: { a: 'duration[s]' } },
      /is 9223372036854775808, which is out of range/,
    ],
    [
      'a type for a column that is not there',
      '[{"price":1}]',
      { types: { prise: 'int64' } },
      /no column "prise"[\s\S]*did you mean price\?/,
    ],
    ['an unexpected end', '[{"a":1},', undefined, /rows\[1\] is cut off/],
    ['more behind the end', '[{"a":1}] []', undefined, /there is more behind the end/],
    ['a comma too many', '[{"a":1,}]', undefined, /rows\[0\] is no JSON: there is an unexpected "}" at byte 8/],
    ['a value too many', '[{"a":1 "b":2}]', undefined, /an unexpected "\\"" at byte 8/],
    ['half a surrogate pair', '[{"a":"\\ud800"}]', undefined, /half of a surrogate pair at byte 6/],
    ['very many levels', `[{"a":${'['.repeat(100_000)}`, undefined, /nested deeper than 64 levels/],
  ])('%s is an error that says where', async (_, text, options, message) => {
    expect(await failure(load(text, options))).toMatch(message)
  })

  it('bytes that are no UTF-8 are an error', async () => {
    expect(await failure(load(Buffer.from([0x5b, 0xff, 0x5d])))).toMatch(/it is not UTF-8 text/)
  })

  it('a file with other columns than those that were noted is an error', async () => {
    const cacher = JsonFrameCacher()
    await cacher.encode({ a: [1], b: ['x'] })
    expect(seen(await cacher.decode(Buffer.from('[{"b":null,"a":2}]'))).rows).toEqual([[2, null]])
    expect(await failure(cacher.decode(Buffer.from('[{"a":1}]')) as Promise<unknown>)).toMatch(
      /rows\[0\] has no key "b"/,
    )
    expect(await failure(cacher.decode(Buffer.from('[{"a":1,"c":2,"b":""}]')) as Promise<unknown>)).toMatch(
      /rows\[0\] has a column "c", which its metadata does not describe[\s\S]*it describes "a", "b"/,
    )
  })
})

describe('types', () => {
  it('that do not exist are errors that name the nearest', () => {
    expect(() => JsonFrameCacher({ types: { a: 'in64' } })).toThrow(
      /json-frame types\.a: there is no type in64[\s\S]*did you mean int64\?/,
    )
    expect(() => JsonFrameCacher({ types: { a: 'list' } })).toThrow(/there is no type list[\s\S]*children/)
    expect(() => JsonFrameCacher({ types: { a: { type: 'list', children: [] } } })).toThrow(/there is no type list/)
    expect(() => JsonFrameCacher({ types: { a: 'decimal128(39, 0)' } })).toThrow(/there is no type decimal128/)
    expect(() => JsonFrameCacher({ types: { a: 'dictionary<dictionary<utf8, int8>, int8>' } })).toThrow(
      /there is no type/,
    )
    expect(() => JsonFrameCacher({ types: [] as never })).toThrow(/must be an object of column names and types/)
    expect(() => JsonFrameCacher({ type: {} } as never)).toThrow(/did you mean types\?/)
  })

  it('count, and convert what is saved', async () => {
    expect(JsonFrameCacher().decodingOptions()).toEqual({})
    const options = { types: { id: 'uint32', kind: 'dictionary<utf8, int8>' } }
    expect(JsonFrameCacher(options).decodingOptions()).toEqual(options)
    const cacher = JsonFrameCacher(options)
    await cacher.encode([{ id: 1, kind: 'a', tags: ['x'] }])
    const bytes = Buffer.from(await written([{ id: 1, kind: 'a', tags: ['x'] }], options))
    expect(seen(await cacher.decode(bytes)).types).toEqual({ ...options.types, tags: { list: { item: 'utf8' } } })
    expect(await failure(written([{ id: -1, kind: '' }], options))).toMatch(
      /json-frame cannot save: value: rows\[0\]\.id is "-1", which is not between 0 and 4294967295/,
    )
    expect(await failure(written([{ tags: [1] }], { types: { tags: 'utf8' } }))).toMatch(
      /its column tags is list, which cannot become utf8/,
    )
  })

  it('come back from a store, by the key alone', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const frame = tableOf({
      at: column(new arrow.TimestampNanosecond('UTC'), [1577836800123456789n, null]),
      f: column(new arrow.Float32(), [0.5, Number.NaN]),
    })
    await store.save('frame', JsonFrameCacher, frame)
    sameTable((await store.load('frame')) as arrow.Table, frame)
    await store.close()
  })
})

describe('what others write', () => {
  const fixture = (name: string, options?: JsonFrameOptions): Promise<arrow.Table> =>
    load(fs.readFileSync(`${fixtures}/${name}`), options)
  const at = 1577934245678901n

  it('pandas.json and pandas-iso.json', async () => {
    const types = {
      gaps: 'uint8',
      at: 'timestamp[us]',
      utc: 'timestamp[us, UTC]',
      took: 'duration[us]',
      kind: 'dictionary<utf8, int8>',
    }
    const rows = [
      [1, 0.1, true, at, at, 93784500000n, 'say "hi",\nyou', '01234', 'b'],
      [null, null, false, null, null, null, '', '00000', 'a'],
      [3, 0, true, -86400000000n, -86400000000n, -1000000n, null, '99999', 'b'],
    ]
    expect(seen(await fixture('pandas.json', { types })).rows).toEqual(rows)
    const iso = seen(await fixture('pandas-iso.json', { types }))
    expect(iso.rows).toEqual(rows.map((row, i) => [[1n, -(2n ** 63n), null][i], ...row]))
    expect(iso.types).toEqual({
      i: 'int64',
      gaps: 'uint8',
      x: 'float64',
      ok: 'bool',
      at: types.at,
      utc: types.utc,
      took: types.took,
      text: 'utf8',
      zip: 'utf8',
      kind: types.kind,
    })
  })

  it('polars.json', async () => {
    const types = {
      single: 'float32',
      at: 'timestamp[us]',
      utc: 'timestamp[us, UTC]',
      day: 'date32',
      time: 'time64[us]',
      price: 'decimal128(10, 2)',
      took: 'duration[us]',
    }
    expect(seen(await fixture('polars.json', { types })).rows).toEqual([
      [
        1n,
        0.1,
        Math.fround(0.1),
        true,
        at,
        at,
        18321,
        3723000000n,
        'say "hi",\nyou',
        [110, 0, 0, 0],
        86402500000n,
        [1, null],
        { x: 1, y: 'a' },
      ],
      [-(2n ** 63n), null, Math.fround(1e-7), false, null, null, null, null, '', null, null, [], null],
      [
        null,
        null,
        null,
        null,
        -86400000000n,
        -62135596800000000n,
        -719162,
        86399999999n,
        null,
        [2 ** 32 - 205, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1],
        -1000000n,
        null,
        { x: null, y: null },
      ],
    ])
  })

  it('duckdb.json', async () => {
    const types = { at: 'timestamp[us]', day: 'date32', price: 'decimal128(10, 2)' }
    expect(seen(await fixture('duckdb.json', { types })).rows).toEqual([
      [1n, 2n ** 64n - 1n, true, at, 18321, 'say "hi",', [110, 0, 0, 0]],
      [-(2n ** 63n), 0n, false, null, null, '', null],
      [null, null, null, -86400000000n, -719162, null, [2 ** 32 - 205, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1]],
    ])
  })
})

it.each([
  ['CsvCacher', CsvCacher, 33],
  ['JsonFrameCacher', JsonFrameCacher, 39],
] as const)(
  '%s gives back every column of an Arrow file of pyarrow that text can hold, and refuses the others',
  async (_, Cacher, count) => {
    const table = (await ArrowCacher(`${fixtures}/../arrow/every-type.arrow`).load()) as arrow.Table
    let held = 0
    for (const { name } of table.schema.fields) {
      const column = table.select([name])
      const cacher = Cacher()
      const parts: Uint8Array[] = []
      try {
        for await (const part of (await cacher.encode(column)) as AsyncIterable<Uint8Array>) parts.push(part)
      } catch (error) {
        expect((error as Error).message).toMatch(/which text cannot hold|which no cell of CSV can hold/)
        continue
      }
      sameTable((await cacher.decode(Buffer.concat(parts))) as arrow.Table, column)
      held += 1
    }
    expect(held).toBe(count)
  },
)
