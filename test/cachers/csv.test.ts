import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as arrow from 'apache-arrow'
import { parse } from 'csv-parse/sync'
import { stringify } from 'csv-stringify/sync'
import { CsvCacher, type CsvOptions, JsonFrameCacher } from 'curio/cachers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { widen } from '../../cachers/tensor/half.js'
import { readCsv } from '../../cachers/text-frame/csv-read.js'
import { momentText, readMoment } from '../../cachers/text-frame/moment.js'
import { halfText, readHalf, readSingle, singleText } from '../../cachers/text-frame/number.js'
import { Store } from '../../src/artifact/store.js'
import { tempDir } from '../helpers/temp.js'
import { column, failure, sameTable, seen, tableOf } from './specs/csv.js'

const fixtures = fileURLToPath(new URL('../fixtures/csv', import.meta.url))

/** What a frame looks like as a file. */
async function written(
  frame: Parameters<ReturnType<typeof CsvCacher>['encode']>[0],
  options?: CsvOptions,
): Promise<string> {
  const encoded = await CsvCacher(options).encode(frame)
  const parts: Uint8Array[] = []
  for await (const part of encoded as AsyncIterable<Uint8Array>) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

const load = async (text: string | Uint8Array, options?: CsvOptions): Promise<arrow.Table> =>
  CsvCacher(options).decode(typeof text === 'string' ? Buffer.from(text) : text)

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    // What is wrong with it is tested below: here it only matters that it was refused.
    return undefined
  }
}

describe('what is written', () => {
  it('is as short as it can be, and tells nulls from empty texts', async () => {
    const rows = [
      { id: 1n, x: 0.5, ok: true, text: 'plain', when: new Date(0) },
      { id: -(2n ** 63n), x: Number.NaN, ok: null, text: '', when: null },
      { id: null, x: -0, ok: false, text: null, when: new Date('2020-02-29T23:59:59.999Z') },
      { id: 3n, x: -Infinity, ok: false, text: 'a "b", c\r\n', when: new Date(-62_135_596_800_000) },
    ]
    expect(await written(rows)).toBe(
      'id,x,ok,text,when\n' +
        '1,0.5,true,plain,1970-01-01T00:00:00.000\n' +
        '-9223372036854775808,NaN,,"",\n' +
        ',-0.0,false,,2020-02-29T23:59:59.999\n' +
        '3,-Infinity,false,"a ""b"", c\r\n",0001-01-01T00:00:00.000\n',
    )
  })

  it('has the delimiter, the header and the mark that were asked for', async () => {
    const frame = { a: [1, 2], 'b;c': ['x,y', '1;2'] }
    expect(await written(frame, { writeOptions: { delimiter: ';', bom: true } })).toBe(
      '\uFEFFa;"b;c"\n1;x,y\n2;"1;2"\n',
    )
    expect(await written(frame, { writeOptions: { header: false, delimiter: '\t' } })).toBe('1\tx,y\n2\t1;2\n')
    expect(await written(frame, { readOptions: { delimiter: '|' } })).toBe('a|b;c\n1|x,y\n2|1;2\n')
  })

  it('is what csv-parse reads', async () => {
    const cell = fc.oneof(
      fc.constant(null),
      fc.string({ unit: fc.constantFrom(...'a",;\n\r \t\uFEFF漢'), maxLength: 6 }),
    )
    const delimiter = fc.constantFrom(',' as const, ';' as const, '\t' as const, '|' as const)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1 }), delimiter, async (rows, delimiter) => {
        const frame = tableOf({
          a: column(
            new arrow.Utf8(),
            rows.map(([a]) => a),
          ),
          b: column(
            new arrow.Utf8(),
            rows.map(([, b]) => b),
          ),
        })
        const text = await written(frame, { writeOptions: { delimiter } })
        expect(parse(text, { delimiter, record_delimiter: '\n' })).toEqual([
          ['a', 'b'],
          ...rows.map((cells) => cells.map((cell) => cell ?? '')),
        ])
      }),
      { numRuns: 300 },
    )
  })

  it('comes in pieces of about a megabyte', async () => {
    const frame = { text: Array.from({ length: 5000 }, (_, i) => String(i).repeat(200)) }
    const sizes: number[] = []
    for await (const piece of (await CsvCacher().encode(frame)) as AsyncIterable<Uint8Array>)
      sizes.push(piece.byteLength)
    expect(sizes.length).toBeGreaterThan(2)
    for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThan(2 ** 20 - 1000)
    expect(Math.max(...sizes)).toBeLessThan(2 ** 20 + 2000)
  })

  it('leaves a column of texts with nulls as empty lines, all others with quotes, so that no row is skipped', async () => {
    expect(await written(tableOf({ x: column(new arrow.Int8(), [null, 1, null]) }))).toBe('x\n""\n1\n""\n')
    expect(await written(tableOf({ x: column(new arrow.Utf8(), [null, '', ' ']) }))).toBe('x\n\n""\n" "\n')
  })
})

describe('a file of which nothing is known', () => {
  it('has the types its cells look like', async () => {
    const text =
      'n,b,zip,big,tel,mixed,nan,none,when,empty,exp,huge\n' +
      '1,true,01234,9007199254740993,+49,1,NaN,,2020-01-01,"",1e3,1e999\n' +
      '-2.5,FALSE,10115,1,1,x,inf,,,,-.5,1\n' +
      ',False,,,,true,1,"",,x,"7",\n'
    expect(seen(await load(text))).toEqual({
      types: {
        n: 'float64', b: 'bool', zip: 'utf8', big: 'utf8', tel: 'utf8', mixed: 'utf8', nan: 'float64', none: 'utf8', when: 'utf8',
        empty: 'utf8', exp: 'float64', huge: 'utf8',
      },
      rows: [
        [1, true, '01234', '9007199254740993', '+49', '1', Number.NaN, null, '2020-01-01', '', 1000, '1e999'],
        [-2.5, false, '10115', '1', '1', 'x', Infinity, null, null, null, -0.5, '1'],
        [null, false, null, null, null, 'true', 1, '', null, 'x', 7, null],
      ],
    }) // biome-ignore format: a table
  })

  it('has the types that are asked for', async () => {
    const types = { id: 'int64', when: 'timestamp[us]', kind: 'dictionary<utf8, int8>', price: 'decimal128(10, 2)' }
    const text =
      'id,when,kind,price,rest\n9007199254740993,2020-01-01,b,1.5,1\n-1,1969-12-31T23:59:59.5,a,-2,2\n,,b,,3\n'
    expect(seen(await load(text, { types }))).toEqual({
      types: { ...types, rest: 'float64' },
      rows: [
        [9007199254740993n, 1577836800000000n, 'b', [150, 0, 0, 0], 1],
        [-1n, -500000n, 'a', [2 ** 32 - 200, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], 2],
        [null, null, 'b', null, 3],
      ],
    })
  })

  it('has the types that its schema expects, where these are not asked for', async () => {
    const schema = z.object({ zip: z.string(), id: z.bigint(), at: z.date().nullable(), x: z.number().optional() })
    const table = await CsvCacher({ schema, types: { id: 'uint64' } }).decode(
      Buffer.from('id,zip,at\n7,10115,2020-01-01\n8,1,\n'),
    )
    expect(seen(table)).toEqual({
      types: { id: 'uint64', zip: 'utf8', at: 'timestamp[ms]' },
      rows: [
        [7n, '10115', 1577836800000n],
        [8n, '1', null],
      ],
    })
  })

  it('may have CRLF, a byte order mark, no header, another delimiter, empty lines, and texts that mean null', async () => {
    expect(seen(await load('\uFEFFa,b\r\n1,"x\r\ny"\r\n\r\n2,\r\n\r\n')).rows).toEqual([
      [1, 'x\r\ny'],
      [2, null],
    ])
    const readOptions = { header: false, delimiter: '\t', nullText: ['NA', 'ü'] } as const
    expect(seen(await load('1\tNA\n"NA"\t"NA"\nNA\tü', { readOptions }))).toEqual({
      types: { column_1: 'utf8', column_2: 'utf8' },
      rows: [
        ['1', null],
        ['NA', 'NA'],
        [null, null],
      ],
    })
    expect(seen(await load('a\n1\n\n2')).rows).toEqual([[1], [null], [2]])
    expect(seen(await load(''))).toEqual({ types: {}, rows: [] })
    expect(seen(await load('a,b'))).toEqual({ types: { a: 'utf8', b: 'utf8' }, rows: [] })
  })

  it('that curio wrote with nullText is read with it', async () => {
    const options = { readOptions: { nullText: ['NA', '0'] } }
    const frame = tableOf({ a: column(new arrow.Utf8(), ['NA', null]), b: column(new arrow.Int8(), [0, null]) })
    const text = await written(frame, options)
    expect(text).toBe('a,b\n"NA","0"\n,\n')
    expect(seen(await load(text, options)).rows).toEqual([
      ['NA', 0],
      [null, null],
    ])
  })

  it('is read as csv-stringify wrote it', async () => {
    const cell = fc.string({ unit: fc.constantFrom(...'ab",;\n\r 漢'), maxLength: 5 })
    const options = fc.record({ delimiter: fc.constantFrom(',' as const, ';' as const), quoted: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell), { minLength: 1 }),
        options,
        async (rows, { delimiter, quoted }) => {
          const text = stringify(rows, { delimiter, quoted, quoted_empty: true })
          const types = { column_1: 'utf8', column_2: 'utf8' }
          const table = await load(text, { types, readOptions: { header: false, delimiter } })
          expect(seen(table).rows).toEqual(rows)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('is cut into the same cells as by csv-parse, or refused by both', () => {
    const unit = fc.constantFrom('a', '"', '""', '"a"', ',', '\n', '\r\n', ' ', '漢', '"x,y"', '"p\n""q"')
    const source = { delimiter: ',', header: false, nullText: [], noted: undefined, types: {}, hints: {} }
    let read = 0
    fc.assert(
      fc.property(fc.string({ unit, minLength: 1, maxLength: 14 }), (text) => {
        const theirs = attempt(
          () => parse(text, { record_delimiter: ['\r\n', '\n'], skip_empty_lines: true }) as string[][],
        )
        const ours = attempt(() =>
          seen(readCsv(arrow, Buffer.from(text), source)).rows.map((row) => row.map((cell) => cell ?? '')),
        )
        // Empty lines are rows of a column; an empty file, or line at the beginning, has no columns at all.
        if (/^(\r?\n)/.test(text) || (ours?.[0]?.length === 1 && /\n\r?\n/.test(text))) return
        expect(ours, JSON.stringify(text)).toEqual(theirs)
        if (ours !== undefined) read += 1
      }),
      { numRuns: 3000 },
    )
    expect(read).toBeGreaterThan(300)
  })
})

describe('what is wrong with a file', () => {
  it.each<[string, string, CsvOptions | undefined, RegExp]>([
    ['a short row', 'a,b\n1,2\n3\n', undefined, /value: rows\[1\] has 1 cell, not 2 \(line 3\)/],
    ['a long row', 'a,b\n"1\n",2\n3,4,5\n', undefined, /rows\[1\] has 3 cells, not 2 \(line 4\)/],
    ['a cell too many in the only column', 'a\n1,2\n', undefined, /rows\[0\] has 2 cells, not 1/],
    ['rows below no columns', '\n1\n', undefined, /rows\[0\] has 1 cell, not 0/],
    ['a quote that is not closed', 'a,b\n1,"2\n', undefined, /a quote that is never closed \(line 2\)/],
    ['a quote inside a cell', 'a,b\n1,2"\n', undefined, /a quote in a cell that does not begin with one \(line 2\)/],
    ['text behind a quote', 'a,b\n1,"2"x\n', undefined, /text behind a closing quote \(line 2\)/],
    ['a carriage return alone', 'a,b\n1,2\r3,4', undefined, /a carriage return that is neither/],
    ['two columns of one name', 'a,b,a\n1,2,3\n', undefined, /two columns "a"/],
    [
      'an integer past its type',
      'a,b\n1,1\n2,300\n',
      { types: { b: 'uint8' } },
      /rows\[1\]\.b is "300", which is not between 0 and 255 \(line 3\)/,
    ],
    [
      'an integer past 64 bits',
      'a\n9223372036854775808\n',
      { types: { a: 'int64' } },
      /rows\[0\]\.a is "9223372036854775808", which is not between/,
    ],
    ['a fraction as an integer', 'a\n1.5\n', { types: { a: 'int64' } }, /rows\[0\]\.a is "1\.5", not an integer/],
    ['a number past the largest', 'a\n1e39\n', { types: { a: 'float32' } }, /"1e39", which is too large/],
    ['a number past every number', 'a\n1e999\n', { types: { a: 'float64' } }, /"1e999", which is too large/],
    ['a number with a tail', 'a\n1x\n', { types: { a: 'float64' } }, /"1x", not a number/],
    ['a number of very many digits', `a\n${'9'.repeat(5000)}\n`, { types: { a: 'int64' } }, /a text of 5000 bytes/],
    ['a word as true or false', 'a\nyes\n', { types: { a: 'bool' } }, /rows\[0\]\.a is "yes", not true or false/],
    [
      'a day that does not exist',
      'a\n2021-02-29\n',
      { types: { a: 'date32' } },
      /"2021-02-29", not a date of the calendar/,
    ],
    ['a time that does not exist', 'a\n24:00:00\n', { types: { a: 'time32[s]' } }, /"24:00:00", not a time of day/],
    [
      'too many digits for the unit',
      'a\n2020-01-01T00:00:00.0001\n',
      { types: { a: 'timestamp[ms]' } },
      /more digits than the unit/,
    ],
    [
      'an offset where there may be none',
      'a\n2020-01-01T00:00:00Z\n',
      { types: { a: 'timestamp[ms]' } },
      /has an offset from UTC[\s\S]*timestamp\[us, UTC\]/,
    ],
    [
      'no offset where there must be one',
      'a\n2020-01-01\n',
      { types: { a: 'timestamp[ms, UTC]' } },
      /has no offset from UTC/,
    ],
    [
      'a moment past 64 bits',
      'a\n2300-01-01\n',
      { types: { a: 'timestamp[ns]' } },
      /"2300-01-01", which is out of range/,
    ],
    ['a duration of months', 'a\nP1M\n', { types: { a: 'duration[s]' } }, /"P1M", not a duration/],
    ['a decimal of too many digits', 'a\n123.45\n', { types: { a: 'decimal128(4, 2)' } }, /more than 4 digits/],
    [
      'a decimal that is finer than its scale',
      'a\n1.234\n',
      { types: { a: 'decimal128(9, 2)' } },
      /more than 2 digits behind the point/,
    ],
    [
      'more values than a dictionary holds',
      `a\n${Array.from({ length: 129 }, (_, i) => i).join('\n')}\n`,
      { types: { a: 'dictionary<utf8, int8>' } },
      /rows\[128\]\.a is different value number 129/,
    ],
    [
      'a value among nulls',
      'a,b\n,1\nx,2\n',
      { types: { a: 'null' } },
      /rows\[1\]\.a is "x", but the column holds nothing but nulls/,
    ],
    [
      'a type for a column that is not there',
      'price\n1\n',
      { types: { prise: 'int64' } },
      /no column "prise"[\s\S]*did you mean price\?/,
    ],
  ])('%s is an error that says where', async (_, text, options, message) => {
    expect(await failure(load(text, options))).toMatch(message)
  })

  it('bytes that are no UTF-8 are an error', async () => {
    expect(await failure(load(Buffer.from([0x61, 0x0a, 0xff])))).toMatch(/csv cannot load: value: it is not UTF-8 text/)
  })

  it('a column of type Null holds nulls, whatever its schema says', async () => {
    await using dir = tempDir()
    const field = new arrow.Field('a', new arrow.Null(), false)
    const table = new arrow.Table(new arrow.Schema([field]), { a: arrow.vectorFromArray([null, null]).data[0]! })
    for (const cacher of [CsvCacher(dir.join('a.csv')), JsonFrameCacher(dir.join('b.json'))]) {
      await cacher.save(table)
      const loaded = await cacher.load()
      expect([loaded.numRows, String(loaded.schema.fields[0]!.type)]).toEqual([2, 'Null'])
    }
  })

  it('a file with other columns than those that were noted is an error', async () => {
    await using dir = tempDir()
    const cacher = CsvCacher(dir.join('a.csv'))
    await cacher.save({ a: [1], b: [2] })
    fs.writeFileSync(dir.join('a.csv'), 'a,c\n1,2\n')
    expect(await failure(cacher.load())).toMatch(
      /its columns are "a", "c", but its metadata describes "a", "b"[\s\S]*delete its sidecar/,
    )
  })

  it.each<[string, object]>([
    ['no list', { fields: 3 }],
    ['an unknown type', { fields: [{ name: 'a', type: 'int65' }], layout: { delimiter: ',', header: true } }],
    ['no names', { fields: [3], layout: { delimiter: ',', header: true } }],
    ['no layout', { fields: [{ name: 'a', type: 'int64' }] }],
    [
      'nested types',
      {
        fields: [{ name: 'a', type: 'list', children: [{ name: 'item', type: 'int8' }] }],
        layout: { delimiter: ',', header: true },
      },
    ],
  ])('metadata with %s is an error', async (_, extra) => {
    const cacher = CsvCacher()
    cacher.extraMetadata = extra as typeof cacher.extraMetadata
    await expect(cacher.decode(Buffer.from('a\n1\n'))).rejects.toMatchObject({ code: 'ERR_CACHER_LOAD' })
  })
})

describe('options', () => {
  it('that do not exist are errors that name the nearest', () => {
    expect(() => CsvCacher({ writeOptions: { delimeter: ';' } } as never)).toThrow(
      /csv writeOptions has no option "delimeter"[\s\S]*did you mean delimiter\?/,
    )
    expect(() => CsvCacher({ readOptions: { nullTexts: [] } } as never)).toThrow(/did you mean nullText\?/)
    expect(() => CsvCacher({ readOption: {} } as never)).toThrow(/did you mean readOptions\?/)
    expect(() => CsvCacher({ writeOptions: { delimiter: '::' as never } })).toThrow(
      /csv writeOptions: delimiter must be one of/,
    )
    expect(() => CsvCacher({ readOptions: { nullText: 'NA' as never } })).toThrow(/nullText must be a list of texts/)
    expect(() => CsvCacher({ types: { a: 'timestamp[uss]' } })).toThrow(
      /csv types\.a: there is no type timestamp\[uss\][\s\S]*did you mean timestamp\[us\]\?/,
    )
    expect(() => CsvCacher({ types: { a: 'list' } })).toThrow(/there is no type list/)
    expect(() => CsvCacher({ types: { a: 'binary' } })).toThrow(/there is no type binary/)
  })

  it('count where they change what is written or loaded', () => {
    expect(CsvCacher({ writeOptions: {}, types: {} }).decodingOptions()).toEqual({})
    const options = {
      types: { a: 'int64' },
      writeOptions: { delimiter: ';' },
      readOptions: { nullText: ['NA'] },
    } as const
    expect(CsvCacher(options).decodingOptions()).toEqual(options)
  })

  it('types convert what is saved, or refuse it', async () => {
    const rows = [
      { id: 1, when: '2020-01-01', note: null },
      { id: 2, when: null, note: null },
    ]
    const types = { id: 'int64', when: 'timestamp[us]', note: 'utf8' }
    const text = await written(rows, { types })
    expect(text).toBe('id,when,note\n1,2020-01-01T00:00:00.000000,\n2,,\n')
    expect(seen(await load(text, { types })).types).toEqual(types)
    const failed = (type: string): Promise<string> =>
      failure(CsvCacher({ types: { when: type } }).encode(rows) as Promise<unknown>)
    expect(await failed('int64')).toMatch(/csv cannot save: value: rows\[0\]\.when is "2020-01-01", not an integer/)
    expect(await failure(CsvCacher({ types: { whn: 'utf8' } }).encode(rows) as Promise<unknown>)).toMatch(
      /did you mean when\?/,
    )
    const schema = z.object({ id: z.number(), when: z.string().nullable(), note: z.null() })
    const both = CsvCacher({ schema, types: { id: 'int64' } }).encode(rows as never) as Promise<unknown>
    expect(await failure(both)).toMatch(/csv cannot save: .*id/)
  })

  it('need not be known where an artifact is loaded by its key', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const writeOptions = { delimiter: '|', header: false } as const
    const frame = tableOf({
      'a|b': column(new arrow.Int64(), [2n ** 60n, null]),
      t: column(new arrow.Utf8(), ['NA', '|']),
    })
    await store.save('frame', CsvCacher({ writeOptions, readOptions: { nullText: ['NA'] } }), frame)
    sameTable((await store.load('frame')) as arrow.Table, frame)
    sameTable((await store.load('frame', CsvCacher({ readOptions: { delimiter: ';' } }))) as arrow.Table, frame)
    await expect(store.lazy('frame').rows(0, 1)).rejects.toThrow(/cannot be read in part/)
    await store.close()
  })
})

describe('what others write', () => {
  const fixture = (name: string, options?: CsvOptions): Promise<arrow.Table> =>
    load(fs.readFileSync(`${fixtures}/${name}`), options)
  const at = 1577934245678901n

  it.each<[string, CsvOptions]>([
    ['pandas.csv', {}],
    ['pandas-excel.csv', { readOptions: { delimiter: ';', nullText: ['NA'] } }],
  ])('%s', async (name, options) => {
    const types = {
      i: 'int64',
      gaps: 'uint8',
      at: 'timestamp[us]',
      utc: 'timestamp[us, UTC]',
      took: 'duration[us]',
      zip: 'utf8',
      kind: 'dictionary<utf8, int8>',
    }
    expect(seen(await fixture(name, { ...options, types }))).toEqual({
      types: {
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
      },
      rows: [
        [1n, 1, 0.1, true, at, at, 93784500000n, 'say "hi",\nyou', '01234', 'b'],
        [-(2n ** 63n), null, Infinity, false, null, null, null, null, '00000', 'a'],
        [null, 3, -0, true, -86400000000n, -86400000000n, -1000000n, null, '99999', 'b'],
      ],
    })
  })

  it('one column of pandas and polars', async () => {
    expect(seen(await fixture('pandas-one.csv'))).toEqual({ types: { gaps: 'float64' }, rows: [[1], [null], [3]] })
    expect(seen(await fixture('polars-one.csv'))).toEqual({ types: { text: 'utf8' }, rows: [['x'], [null], ['']] })
  })

  it('polars.csv', async () => {
    const types = {
      i: 'int64',
      single: 'float32',
      at: 'timestamp[us]',
      utc: 'timestamp[us, UTC]',
      day: 'date32',
      time: 'time64[ns]',
      price: 'decimal128(10, 2)',
    }
    expect(seen(await fixture('polars.csv', { types })).rows).toEqual([
      [1n, 0.1, Math.fround(0.1), true, at, at, 18321, 3723000000000n, 'say "hi",\nyou', [110, 0, 0, 0]],
      [-(2n ** 63n), Infinity, Math.fround(1e-7), false, null, null, null, null, '', null],
      [
        null,
        Number.NaN,
        null,
        null,
        -86400000000n,
        -62135596800000000n,
        -719162,
        86399999999000n,
        null,
        [2 ** 32 - 205, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1],
      ],
    ])
  })

  it('pyarrow.csv', async () => {
    const types = { i: 'int64', u: 'uint64', utc: 'timestamp[us, UTC]' }
    expect(seen(await fixture('pyarrow.csv', { types })).rows).toEqual([
      [1n, 2n ** 64n - 1n, 0.1, true, at, 'say "hi",\nyou'],
      [-(2n ** 63n), 0n, Infinity, false, null, ''],
      [null, null, Number.NaN, null, -86400000000n, null],
    ])
  })

  it('duckdb.csv', async () => {
    const types = { i: 'int64', u: 'uint64', at: 'timestamp[us]', day: 'date32', price: 'decimal128(10, 2)' }
    expect(seen(await fixture('duckdb.csv', { types })).rows).toEqual([
      [1n, 2n ** 64n - 1n, 0.1, true, at, 18321, 'say "hi",', [110, 0, 0, 0]],
      [-(2n ** 63n), 0n, Infinity, false, null, null, '', null],
      [null, null, null, null, -86400000000n, -719162, null, [2 ** 32 - 205, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1]],
    ])
  })
})

describe('numbers and moments', () => {
  it('singles and halves come back from the shortest text', () => {
    const bits = new Uint32Array(1)
    const single = new Float32Array(bits.buffer)
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 1 }), (random) => {
        bits[0] = random
        const text = singleText(single[0]!)
        expect(Math.fround(readSingle(text))).toBe(single[0])
        expect(
          text
            .replace(/e.*|^-|\.0$/g, '')
            .replace('.', '')
            .replace(/^0+|0+$/g, '').length,
        ).toBeLessThanOrEqual(9)
      }),
      { numRuns: 3000 },
    )
    expect([0.1, 16777216, 3.4028234663852886e38, 2 ** -149, 1 / 3].map((x) => singleText(Math.fround(x)))).toEqual([
      '0.1',
      '16777216',
      '3.4028235e+38',
      '1e-45',
      '0.33333334',
    ])
    const floats = widen(Uint16Array.from({ length: 0x10000 }, (_, i) => i))
    for (let half = 0; half < 0x10000; half++) {
      if (!Number.isNaN(floats[half]!)) expect(readHalf(halfText(floats[half]!))).toBe(half)
    }
    expect([0.0999755859375, 65504, 2 ** -24].map(halfText)).toEqual(['0.1', '65500', '6e-8'])
  })

  it('moments are those of Date where it reaches, and come back wherever they are', () => {
    const millis = momentText(1)
    fc.assert(
      fc.property(fc.integer({ min: -8.64e15, max: 8.64e15 }), (time) => {
        expect(`${millis(BigInt(time))}Z`).toBe(new Date(time).toISOString())
      }),
      { numRuns: 2000 },
    )
    for (const unit of [0, 1, 2, 3] as const) {
      const text = momentText(unit)
      fc.assert(
        fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (count) => {
          expect(readMoment(text(count), unit, null)).toBe(count)
          expect(readMoment(`${text(count)}Z`, unit, 'Asia/Tokyo')).toBe(count)
        }),
        { numRuns: 500 },
      )
    }
    expect(readMoment('2020-01-01T02:00:00.5+05:30', 2, 'UTC')).toBe(
      BigInt(Date.UTC(2019, 11, 31, 20, 30)) * 1000n + 500000n,
    )
  })
})
