import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { MsgpackCacher, registerClass } from 'curio/cachers'
import * as msgpackr from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { canonical } from '../../src/identity/canonical.js'
import { Random } from '../helpers/random.js'
import { tempDir } from '../helpers/temp.js'
import { anyValue } from '../helpers/values.js'
import { Counter, Point } from './specs/msgpack.js'

const fixtures = fileURLToPath(new URL('../fixtures/msgpack', import.meta.url))
const fixture = (name: string): Uint8Array => fs.readFileSync(path.join(fixtures, `${name}.msgpack`))
const decode = async (bytes: Uint8Array | readonly number[]): Promise<unknown> =>
  MsgpackCacher().decode(Uint8Array.from(bytes))

async function encode(value: unknown): Promise<Buffer> {
  const result = await MsgpackCacher().encode(value)
  if (result instanceof Uint8Array) return Buffer.from(result)
  const parts: Uint8Array[] = []
  for await (const part of result) parts.push(part)
  return Buffer.concat(parts)
}

describe('a file of Python', () => {
  it('comes as what it means', async () => {
    const value = (await decode(fixture('python'))) as Record<string, unknown>
    expect(value).toMatchObject({
      none: null,
      yes: true,
      ints: [0, 127, 128, 255, 65535, 2 ** 32 - 1, -1, -32, -33, -128, -32768, -(2 ** 31)],
      long: [2n ** 32n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 31n) - 1n, -(2n ** 63n)],
      text: 'Zürich 漢 \u{1f600}',
      bytes: Uint8Array.of(0, 255),
      nested: [{ a: [[]], '': {} }],
      moment: new Date('2020-01-02T03:04:05.678Z'),
      early: new Date('1900-01-01T00:00:00Z'),
      second: new Date('2020-01-01T00:00:00Z'),
      many: Array.from({ length: 300 }, (_, i) => i),
    })
    expect(value.floats).toStrictEqual([0.1, -0, Infinity, Number.NaN])
    expect(Object.keys(value)).toContain('__proto__')
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  })

  it('with keys that are no texts comes as a Map', async () => {
    const { numbered } = (await decode(fixture('python'))) as { numbered: unknown }
    expect(numbered).toStrictEqual(
      new Map<unknown, unknown>([
        [1, 'one'],
        ['two', 2],
        [[3, 4], null],
      ]),
    )
    expect(await decode([0x82, 0xa1, 0x61, 0x01, 0x05, 0xa1, 0x62])).toStrictEqual(
      new Map<unknown, unknown>([
        ['a', 1],
        [5, 'b'],
      ]),
    )
  })

  it('may hold single floats, but no extension types of its own', async () => {
    expect(await decode(fixture('single'))).toStrictEqual([0.5, 1.25])
    await expect(decode(fixture('extension'))).rejects.toThrow(/byte 2: an extension type is not known here/)
  })
})

describe('bytes', () => {
  it('of plain data are those of other writers', async () => {
    const packr = new msgpackr.Packr({ useRecords: false, variableMapSize: true })
    const random = new Random(3)
    const plain = (depth: number): unknown => {
      const some = <T>(make: () => T): T[] => Array.from({ length: random.int(20) }, make)
      const text = (): string => 'aé漢\u{1f600}'.repeat(random.int(12)).slice(0, random.int(40)).toWellFormed()
      switch (random.int(depth > 0 ? 7 : 5)) {
        case 0:
          return random.int(2 ** 16) - 2 ** 15
        case 1:
          return random.next() * 10 ** random.int(20)
        case 2:
          return text()
        case 3:
          return random.pick([null, true, false, Uint8Array.of(1, 2)])
        case 4:
          return random.pick([5n, -5n, 2n ** 64n - 1n])
        case 5:
          return some(() => plain(depth - 1))
        default:
          return Object.fromEntries(some(() => [text(), plain(depth - 1)]))
      }
    }
    for (let i = 0; i < 300; i++) {
      const value = plain(3)
      const bytes = await encode(value)
      expect(bytes.equals(packr.pack(value))).toBe(true)
      expect(await decode(bytes)).toStrictEqual(value)
    }
  })

  it('do not change when another package registers extensions with msgpackr', async () => {
    const value = { when: new Date(5), list: [new Set([1]), Uint8Array.of(3), new Point(2)] }
    const before = await encode(value)
    msgpackr.addExtension({ Class: Date, type: 1, pack: () => Buffer.from('mine'), unpack: () => 'theirs' })
    msgpackr.addExtension({ Class: Object, type: 2, write: () => 'mine', read: () => 'theirs' })
    expect((await encode(value)).equals(before)).toBe(true)
    expect(await decode(before)).toStrictEqual(value)
  })

  it('of a NaN are always the same', async () => {
    const odd = new Float64Array(new BigUint64Array([0x7ff8dead0000beefn]).buffer)[0]
    expect(await encode(odd)).toEqual(await encode(Number.NaN))
  })

  it('larger than a block are handed on without a copy', async () => {
    const big = new Uint8Array(2 << 20)
    const pieces: Uint8Array[] = []
    for await (const piece of (await MsgpackCacher().encode({ a: 1, big, b: 2 })) as AsyncIterable<Uint8Array>)
      pieces.push(piece)
    expect(pieces).toContain(big)
  })

  it('random values of every kind come back equal, or are refused by name', async () => {
    const random = new Random(11)
    let refused = 0
    for (let i = 0; i < 2000; i++) {
      const value = anyValue(random, 4)
      let bytes: Buffer
      try {
        bytes = await encode(value)
      } catch (error) {
        expect(String(error)).toMatch(/is (a Named|an OrderedMap): save plain data/)
        refused += 1
        continue
      }
      const loaded = await decode(bytes)
      expect(canonical(loaded)).toBe(canonical(value))
      expect((await encode(loaded)).equals(bytes)).toBe(true)
    }
    expect(refused).toBeLessThan(1000)
  })
})

describe('what is loaded', () => {
  it('does not lie over the bytes it came from', async () => {
    const bytes = Uint8Array.from(await encode({ part: Uint8Array.of(1, 2, 3), floats: Float32Array.of(1) }))
    const value = (await MsgpackCacher().decode(bytes)) as { part: Uint8Array; floats: Float32Array }
    bytes.fill(0)
    expect(value).toStrictEqual({ part: Uint8Array.of(1, 2, 3), floats: Float32Array.of(1) })
    expect(value.part.buffer.byteLength).toBe(3)
  })

  it('calls no constructor, no setter and no getter', async () => {
    const calls: string[] = []
    class Watched {
      declare value: number
      constructor() {
        calls.push('constructor')
        Object.defineProperty(this, 'value', { value: 1, enumerable: true })
      }
      set other(_: number) {
        calls.push('setter')
      }
      get other(): number {
        calls.push('getter')
        return 0
      }
    }
    registerClass(Watched)
    const bytes = await encode(Object.assign(new Watched()))
    calls.length = 0
    expect(await decode(bytes)).toBeInstanceOf(Watched)
    const forged = Buffer.from(bytes.toString('latin1').replace('value', 'other'), 'latin1')
    expect(Object.keys((await decode(forged)) as object)).toEqual(['other'])
    expect(calls).toEqual([])
  })

  it('of records as msgpackr writes them, for which it makes functions out of text, is refused', async () => {
    const rows = Array.from({ length: 10 }, (_, i) => ({ a: i, b: 'x' }))
    await expect(decode(new msgpackr.Packr({ useRecords: true }).pack(rows))).rejects.toThrow(/extension type/)
  })

  it('an Error has no stack of another machine', async () => {
    const error = (await decode(await encode(new TypeError('no')))) as Error
    expect(error.stack).toBe('TypeError: no')
    expect(Object.keys(error)).toEqual([])
  })
})

describe('registerClass', () => {
  it('refuses a class whose instances are more than their fields, unless it is told how', () => {
    class Hidden {
      #secret = 1
      get secret(): number {
        return this.#secret
      }
    }
    expect(() => registerClass(Hidden)).toThrow(/private #fields[\s\S]*encode, decode/)
    expect(() => registerClass(class extends Hidden {}, { name: 'Below' })).toThrow(/private #fields/)
    expect(() => registerClass(class Ordered extends Map {})).toThrow(/registerClass\(Ordered\): .*the insides of Map/)
    expect(() => registerClass(class List extends Array {})).toThrow(/insides of Array/)
    registerClass(class Moment extends Date {}, {
      encode: (at) => at.getTime(),
      decode: (ms: number) => new Date(ms) as never,
    })
  })

  it('refuses half of a pair, a second class of one name, and no name', () => {
    expect(() => registerClass(class Half {}, { encode: () => 1 })).toThrow(/needs encode and decode, or neither/)
    expect(() => registerClass(class Other {}, { name: 'Point' })).toThrow(/two classes are registered as Point/)
    expect(() => registerClass(class {}, { name: '' })).toThrow(/needs a name/)
    registerClass(Point)
  })

  it('a class that is not registered where it is loaded is named', async () => {
    const bytes = await encode(new Point(1))
    const forged = Buffer.from(bytes.toString('latin1').replace('Point', 'Paint'), 'latin1')
    await expect(decode(forged)).rejects.toThrow(/an instance of Paint, which is not registered/)
  })

  it('data inside an instance with decode cannot refer to it', async () => {
    class Node {
      constructor(readonly inside: unknown) {}
    }
    registerClass(Node, { encode: (node) => node.inside, decode: (inside) => new Node(inside) })
    const list: unknown[] = []
    const node = new Node(list)
    list.push(node)
    await expect(encode({ node })).rejects.toThrow(/value\.node\[0\] refers back to an instance/)
    const twice = (await decode(await encode([new Counter().add(2), node.inside === list ? 1 : 0]))) as unknown[]
    expect((twice[0] as Counter).count).toBe(2)
  })

  it('instances met twice are one', async () => {
    const counter = new Counter().add(3)
    const [first, second] = (await decode(await encode([counter, counter]))) as unknown[]
    expect(first).toBe(second)
  })

  it('what a decode throws says which class', async () => {
    class Fussy {}
    registerClass(Fussy, {
      encode: () => 1,
      decode: () => {
        throw new Error('not today')
      },
    })
    await expect(decode(await encode([new Fussy()]))).rejects.toThrow(
      /msgpack cannot load: value: decode of the registered class Fussy threw: not today/,
    )
  })
})

describe('bytes that lie', () => {
  const text = (value: string): number[] => [0xa0 | value.length, ...Buffer.from(value)]
  const tag = (kind: string, fields: readonly (readonly [string, readonly number[]])[]): number[] => [
    0x81 + fields.length,
    ...text('$curio'),
    ...text(kind),
    ...fields.flatMap(([name, value]) => [...text(name), ...value]),
  ]

  it.each([
    ['an array of 4 billion', [0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0]],
    ['a map of 4 billion', [0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61, 0xc0]],
    ['a text of 4 billion', [0xdb, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ['bytes of 4 billion', [0xc6, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ['an extension of 4 billion', [0xc9, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['nothing', []],
    ['two values', [0xc0, 0xc0]],
    ['the byte that means nothing', [0xc1]],
    ['a text that is not UTF-8', [0xa2, 0xc3, 0x28]],
    ['many levels', [...new Array<number>(100_000).fill(0x91), 0xc0]],
    ['an unknown kind', tag('Widget', [])],
    ['a kind of the object prototype', tag('constructor', [])],
    ['a kind with a field too few', tag('Map', [])],
    ['a kind with a field of another name', tag('Set', [['values2', [0x90]]])],
    ['a kind that is no text', [0x81, ...text('$curio'), 0xc0]],
    ['a reference to nothing', tag('ref', [['index', [0x05]]])],
    ['a reference to itself', tag('ref', [['index', [0x00]]])],
    [
      'a sparse array that is too long',
      tag('sparse', [
        ['length', [0xcb, 0x42, 0x70, 0, 0, 0, 0, 0, 0]],
        ['entries', [0x90]],
      ]),
    ],
    [
      'an index outside its array',
      tag('sparse', [
        ['length', [0x02]],
        ['entries', [0x91, 0x92, 0x02, 0xc0]],
      ]),
    ],
    [
      'a typed array with half an element',
      tag('typed', [
        ['dtype', text('int16')],
        ['data', [0xc4, 0x01, 0x00]],
      ]),
    ],
    [
      'a typed array of an unknown dtype',
      tag('typed', [
        ['dtype', text('int128')],
        ['data', [0xc4, 0x00]],
      ]),
    ],
    ['a bigint of other digits', tag('bigint', [['hex', text('0x10')]])],
    [
      'a regular expression that is none',
      tag('RegExp', [
        ['source', text('(')],
        ['flags', text('')],
        ['lastIndex', [0]],
      ]),
    ],
    ['a URL that is none', tag('URL', [['href', text('nowhere')]])],
    [
      'an error of an unknown class',
      tag('Error', [
        ['name', text('Oops')],
        ['hidden', [0x90]],
        ['entries', [0x90]],
      ]),
    ],
    [
      'an error with other hidden fields',
      tag('Error', [
        ['name', text('Error')],
        ['hidden', [0x91, 0x92, ...text('stack'), 0xc0]],
        ['entries', [0x90]],
      ]),
    ],
    ['entries that are no pairs', tag('Map', [['entries', [0x91, 0x91, 0xc0]]])],
    ['a date past all dates', [0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['a timestamp of no known length', [0xc7, 3, 0xff, 0, 0, 0]],
  ])('%s: an error at once, without the memory it asks for', async (_, bytes) => {
    const used = (): number => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
    const before = used()
    const started = performance.now()
    await expect(decode(bytes)).rejects.toThrow(/^msgpack cannot load: value: /)
    expect(performance.now() - started).toBeLessThan(5000)
    expect(used() - before).toBeLessThan(64 << 20)
  })

  it('a sparse array takes memory for what it holds, not for its length', async () => {
    const bytes = tag('sparse', [
      ['length', [0xce, 0x01, 0xc9, 0xc3, 0x80]],
      ['entries', [0x90]],
    ])
    const before = process.memoryUsage().heapUsed
    expect(((await decode(bytes)) as unknown[]).length).toBe(30_000_000)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 << 20)
  })

  it('maps in maps with keys of other kinds at the end are read once', async () => {
    const levels = 380
    const bytes = [
      ...Array.from({ length: levels }, () => [0x82, 0xa1, 0x61]).flat(),
      0xc0,
      ...Array.from({ length: levels }, () => [0x05, 0xc0]).flat(),
    ]
    const started = performance.now()
    expect(await decode(bytes)).toBeInstanceOf(Map)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

it('what was saved with as many levels as there may be is loaded by a process with two thirds of a stack', async () => {
  await using dir = tempDir()
  const file = dir.join('deep.msgpack')
  let value: unknown = 1
  for (let i = 0; i < 399; i++) {
    if (i % 2 === 0) value = new Map([[i, value]])
    else value = Object.assign(new Error('x'), { value })
  }
  await MsgpackCacher(file).save([value])
  const cacher = new URL('../../cachers/msgpack.ts', import.meta.url).href
  const code = `const { MsgpackCacher } = await import(${JSON.stringify(cacher)})
    console.log((await MsgpackCacher(${JSON.stringify(file)}).load())[0] instanceof Map || 'an Error')`
  const args = ['--stack-size=650', '--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', code]
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, VITEST: undefined } })
  expect(done.stderr).toBe('')
  expect(done.stdout.trim()).toBe('true')
})
