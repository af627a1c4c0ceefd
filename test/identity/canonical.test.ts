import { createHash } from 'node:crypto'
import * as vm from 'node:vm'
import { describe, expect, test } from 'vitest'
import { NotEncodableError } from '../../src/errors.js'
import { canonical, describe as describeValue, identity, OrderedMap } from '../../src/identity/canonical.js'

const sha = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')
/** Of the bytes 1 2 3, as `printf '\1\2\3' | sha256sum` says. */
const sha123 = '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81'

const Float16 = (globalThis as { Float16Array?: new (items: number[]) => ArrayBufferView }).Float16Array

describe('golden texts', () => {
  test.each<[string, unknown, string]>([
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['true', true, 'true'],
    ['false', false, 'false'],
    ['0', 0, '0'],
    ['-0', -0, '-0'],
    ['1', 1, '1'],
    ['0.1', 0.1, '0.1'],
    ['-1.5', -1.5, '-1.5'],
    ['1e21', 1e21, '1e+21'],
    ['1e-7', 1e-7, '1e-7'],
    ['the largest number', Number.MAX_VALUE, '1.7976931348623157e+308'],
    ['the smallest number', 5e-324, '5e-324'],
    ['2**53', 2 ** 53, '9007199254740992'],
    ['NaN', Number.NaN, 'NaN'],
    ['Infinity', Number.POSITIVE_INFINITY, 'Infinity'],
    ['-Infinity', Number.NEGATIVE_INFINITY, '-Infinity'],
    ['1n', 1n, '1n'],
    ['0n', 0n, '0n'],
    ['-12345678901234567890n', -12345678901234567890n, '-12345678901234567890n'],
    ['an empty string', '', '""'],
    ['a string that looks like a number', '1', '"1"'],
    ['quotes and backslashes', 'a"b\\c', '"a\\"b\\\\c"'],
    ['control characters', '\n\u0000\u001f', '"\\n\\u0000\\u001f"'],
    ['text beyond ASCII', 'é日😀', '"é日😀"'],
    ['a lone surrogate', '\ud800', '"\\ud800"'],
    ['a date', new Date(86400000), 'Date(86400000)'],
    ['a date before the epoch', new Date(-1), 'Date(-1)'],
    ['an invalid date', new Date(Number.NaN), 'Date(NaN)'],
    ['a regular expression', /a\/"b/gi, 'RegExp("a\\\\/\\"b","gi",0)'],
    ['a URL', new URL('HTTP://Example.org/a b?c#d'), 'URL("http://example.org/a%20b?c#d")'],
    ['bytes', Uint8Array.of(1, 2, 3), `bytes(3,${sha123})`],
    ['a Buffer', Buffer.from([1, 2, 3]), `bytes(3,${sha123})`],
    ['an ArrayBuffer', Uint8Array.of(1, 2, 3).buffer, `ArrayBuffer(3,${sha123})`],
    ['a DataView', new DataView(Uint8Array.of(1, 2, 3).buffer), `DataView(3,${sha123})`],
    ['int8', Int8Array.of(1, 2, 3), `int8[3](${sha123})`],
    ['uint8clamped', Uint8ClampedArray.of(1, 2, 3), `uint8clamped[3](${sha123})`],
    ['int16', Int16Array.of(513), `int16[1](${sha(Uint8Array.of(1, 2))})`],
    ['uint16', Uint16Array.of(513), `uint16[1](${sha(Uint8Array.of(1, 2))})`],
    ['int32', Int32Array.of(-1), `int32[1](${sha(Uint8Array.of(255, 255, 255, 255))})`],
    ['uint32', Uint32Array.of(1), `uint32[1](${sha(Uint8Array.of(1, 0, 0, 0))})`],
    ['int64', BigInt64Array.of(-1n), `int64[1](${sha(new Uint8Array(8).fill(255))})`],
    ['uint64', BigUint64Array.of(1n), `uint64[1](${sha(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0))})`],
    ['float32', Float32Array.of(1), `float32[1](${sha(Uint8Array.of(0, 0, 128, 63))})`],
    ['float64', Float64Array.of(1), `float64[1](${sha(Uint8Array.of(0, 0, 0, 0, 0, 0, 240, 63))})`],
    ['an empty array', [], '[]'],
    ['an array', [1, 'a', [null]], '[1,"a",[null]]'],
    ['an empty Set', new Set(), 'Set[]'],
    ['a Set', new Set(['b', 'a', 10, 9]), 'Set["a","b",10,9]'],
    ['an empty Map', new Map(), 'Map{}'],
    [
      'a Map',
      new Map<unknown, unknown>([
        ['b', 1],
        [1, { a: 2 }],
      ]),
      'Map{"b"=>1,1=>{"a":2}}',
    ],
    [
      'an ordered map',
      new OrderedMap([
        ['b', 1],
        ['a', 2],
      ]),
      'OrderedMap{"b"=>1,"a"=>2}',
    ],
    ['an empty object', {}, '{}'],
    ['an object', { b: 1, a: undefined, '10': 2, '9': 3 }, '{"10":2,"9":3,"a":undefined,"b":1}'],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    ['a key of its own called __proto__', JSON.parse('{"__proto__":1}'), '{"__proto__":1}'],
    ['an object that states its identity', { [identity]: () => ['pkg/Point', { x: 1 }] }, 'Id<"pkg/Point",{"x":1}>'],
  ])('%s', (_, value, text) => {
    expect(canonical(value)).toBe(text)
  })

  test('float16, where this Node has it', () => {
    if (Float16 === undefined) return
    expect(canonical(new Float16!([1]))).toBe(`float16[1](${sha(Uint8Array.of(0, 60))})`)
  })

  test('names sort by UTF-16 code units, whatever the locale', () => {
    expect(canonical({ ä: 1, z: 2, Z: 3, '😀': 4, '\uff5e': 5 })).toBe('{"Z":3,"z":2,"ä":1,"😀":4,"～":5}')
  })

  test('a tensor is a plain object, so its shape and dtype count', () => {
    const texts = [
      { data: new Float32Array(6), shape: [2, 3] },
      { data: new Float32Array(6), shape: [3, 2] },
      { data: new Int32Array(6), shape: [2, 3] },
      { data: new Float64Array(6), shape: [2, 3] },
    ].map((value) => canonical(value))
    expect(new Set(texts).size).toBe(4)
  })
})

describe('values that are the same have one text', () => {
  test.each<[string, unknown, unknown]>([
    ['whatever the order of keys', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
    ['whatever the order of a Set', new Set([1, [2], '3']), new Set(['3', 1, [2]])],
    [
      'whatever the order of a Map',
      new Map<unknown, unknown>([
        [1, 2],
        ['a', {}],
      ]),
      new Map<unknown, unknown>([
        ['a', {}],
        [1, 2],
      ]),
    ],
    ['for a Buffer and a Uint8Array', Buffer.from('abc'), new TextEncoder().encode('abc')],
    ['for a view into a larger buffer', Uint8Array.of(9, 1, 2, 9).subarray(1, 3), Uint8Array.of(1, 2)],
    [
      'for a float view at an offset',
      new Float32Array(Float32Array.of(9, 1, 2).buffer, 4, 1),
      new Float32Array(Float32Array.of(1).buffer),
    ],
    ['for bytes in shared memory', new Uint8Array(new SharedArrayBuffer(2)), new Uint8Array(2)],
    ['for every NaN', Number.NaN, new Float64Array(new Uint32Array([1, 0xfff80000]).buffer)[0]],
    ['with the same object twice', (() => [globalOne, globalOne])(), [{ a: 1 }, { a: 1 }]],
    ['after structuredClone', { a: [1n, new Date(5)] }, structuredClone({ a: [1n, new Date(5)] })],
    ['for an object of another realm', vm.runInNewContext('({ a: 1 })'), { a: 1 }],
  ])('%s', (_, a, b) => {
    expect(canonical(a)).toBe(canonical(b))
  })
})

const globalOne = { a: 1 }

describe('what exca and Curifactory take for the same is different here', () => {
  const distinct = (...values: unknown[]) => expect(new Set(values.map((v) => canonical(v))).size).toBe(values.length)

  test('empty values of different kinds (exca W2)', () => {
    distinct([], {}, '', new Set(), new Map(), new OrderedMap(), null, undefined, new Uint8Array(0), 0, false)
  })

  test('strings that imitate the encoding (exca W3)', () => {
    const long = 'x'.repeat(130)
    distinct([long, 'a,str:b', 'c', 'd'], [long, 'a', 'b', 'c,str:d'])
    distinct(['a","b'], ['a', 'b'])
    distinct({ 'a":1,"b': 2 }, { a: 1, b: 2 })
    distinct('Date(0)', new Date(0), { Date: 0 }, ['Date', 0])
    distinct(new Map([['a=>1', 2]]), new Map([['a', '1=>2']]))
  })

  test('arrays that differ in dtype or in one element of many (exca W4)', () => {
    distinct(new Int32Array(4), new Float32Array(4), new Uint32Array(4), new Uint8Array(16), new Float64Array(2))
    const a = new Float32Array(100_000)
    const b = a.slice()
    b[99_999] = 1
    distinct(a, b)
  })

  test('a NaN is itself, and a list, a Set and a tuple-like object are three things (exca W5)', () => {
    expect(canonical(Number.NaN)).toBe(canonical(0 / 0))
    distinct([1, 2], new Set([1, 2]), { 0: 1, 1: 2 })
  })

  test('a field and a longer field, 1 and 1.5 and "1", true and 1 (Curifactory 5.1.6)', () => {
    distinct({ x: 12 }, { x1: 2 })
    distinct({ train: { s: 1 }, test: { s: 2 } }, { train: { s: 2 }, test: { s: 1 } })
    distinct(1, 1.5, '1', 1n, true, [1], { 1: 1 })
    distinct({}, '0', 0)
    distinct(0, -0)
  })

  test('a property that holds undefined is present', () => {
    distinct({}, { a: undefined }, { a: null })
  })
})

describe('what has no identity is refused, with its path', () => {
  class Point {
    x = 1
  }
  class MyMap extends Map {}
  class MyArray extends Array {}
  class MyBytes extends Uint8Array {
    scale = 2
  }
  class MyFloats extends Float32Array {}
  const cycle: Record<string, unknown> = { a: {} }
  ;(cycle.a as Record<string, unknown>).back = cycle
  const mapCycle = new Map<string, unknown>()
  mapCycle.set('me', [mapCycle])
  const extra = Object.assign([1, 2], { note: 'x' })
  const symbolOnArray = [1]
  Object.defineProperty(symbolOnArray, Symbol('s'), { value: 1 })
  const gone = new Uint8Array(4)
  structuredClone(gone, { transfer: [gone.buffer] })
  let deep: unknown = 1
  for (let i = 0; i < 513; i++) deep = [deep]

  test.each<[string, unknown, string, string]>([
    ['a function', { a: { f: () => 1 } }, 'params.a.f', 'is a function'],
    ['a class', { a: Point }, 'params.a', 'is a function (Point)'],
    ['a symbol', [1, Symbol('s')], 'params[1]', 'is a symbol'],
    ['a symbol key', { a: { [Symbol('s')]: 1 } }, 'params.a', 'has symbol keys'],
    ['a class instance', { p: [new Point()] }, 'params.p[0]', 'is an instance of Point'],
    ['a subclass of Map', { m: new MyMap() }, 'params.m', 'is an instance of MyMap'],
    ['a subclass of Array', { m: MyArray.of(1) }, 'params.m', 'is an instance of MyArray'],
    ['a subclass of Uint8Array', { m: new MyBytes(2) }, 'params.m', 'is an instance of MyBytes'],
    ['a subclass of a typed array', { m: new MyFloats(2) }, 'params.m', 'is an instance of MyFloats'],
    ['a boxed number', { n: Object(1) }, 'params.n', 'is an instance of Number'],
    ['an Error', { e: new TypeError('x') }, 'params.e', 'is an instance of TypeError'],
    ['a promise', { p: Promise.resolve(1) }, 'params.p', 'is an instance of Promise'],
    ['a WeakMap', { w: new WeakMap() }, 'params.w', 'is an instance of WeakMap'],
    ['shared memory itself', { s: new SharedArrayBuffer(1) }, 'params.s', 'is an instance of SharedArrayBuffer'],
    ['an object that inherits', { o: Object.create({ a: 1 }) }, 'params.o', 'is an instance'],
    ['what only looks like a Date', { d: Object.create(Date.prototype) }, 'params.d', 'is an instance of Date'],
    ['what only looks like a Map', { d: Object.create(Map.prototype) }, 'params.d', 'is an instance of Map'],
    ['a cycle', cycle, 'params.a.back', 'refers back'],
    ['a cycle through a Map', { m: mapCycle }, 'params.m.get(me)[0]', 'refers back'],
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    ['a hole', { a: [1, , 3] }, 'params.a[1]', 'is a hole'],
    ['an array with properties', { a: extra }, 'params.a', 'properties of its own'],
    ['an array with a symbol', { a: symbolOnArray }, 'params.a', 'properties of its own'],
    ['the result of a match', { a: /b/.exec('abc') }, 'params.a', 'properties of its own'],
    ['a Map with properties', { m: Object.assign(new Map(), { x: 1 }) }, 'params.m', 'is an instance of Map'],
    ['a Date with properties', { d: Object.assign(new Date(0), { x: 1 }) }, 'params.d', 'is an instance of Date'],
    ...[3, 64, 65, 100_000].flatMap((length): [string, unknown, string, string][] => [
      [
        `${length} floats with a shape`,
        { v: Object.assign(new Float32Array(length), { shape: [length] }) },
        'params.v',
        'properties of its own',
      ],
      [
        `${length} bytes with a symbol`,
        { v: Object.assign(Buffer.alloc(length), { [Symbol('s')]: 1 }) },
        'params.v',
        'properties of its own',
      ],
    ]),
    [
      'a DataView with properties',
      { v: Object.assign(new DataView(new ArrayBuffer(2)), { x: 1 }) },
      'params.v',
      'properties of its own',
    ],
    ['bytes that were transferred', { b: gone }, 'params.b', 'has lost its bytes'],
    ['an identity that is no pair', { i: { [identity]: () => 'x' } }, 'params.i', 'states its identity'],
    ['an identity whose kind is no text', { i: { [identity]: () => [{}, 1] } }, 'params.i', 'states its identity'],
    ['an identity of something without one', { i: { [identity]: () => ['k', () => 1] } }, 'params.i', 'is a function'],
    ['nesting without end', deep, `params${'[0]'.repeat(512)}`, 'deeper than 512'],
  ])('%s', (_, value, path, reason) => {
    let caught: unknown
    try {
      canonical(value, 'params')
    } catch (error) {
      caught = error
    }
    expect(caught).toBeInstanceOf(NotEncodableError)
    expect(caught).toMatchObject({ code: 'ERR_NOT_ENCODABLE', path })
    expect((caught as Error).message).toContain(reason)
    expect((caught as Error).message).toContain('→')
  })

  test('an identity that states itself for ever ends in an error, not in a full stack', () => {
    const endless = (): object => ({ [identity]: () => ['k', endless()] })
    expect(() => canonical(endless())).toThrow(/deeper than 512/)
  })

  test('nesting of 511 levels is no problem', () => {
    let value: unknown = 1
    for (let i = 0; i < 511; i++) value = i % 2 ? [value] : { a: value }
    expect(canonical(value)).toContain('1')
  })

  test('for facts that are only shown, a note takes the place of the error', () => {
    expect(describeValue({ a: () => 1 })).toBe('(value.a is a function (a))')
  })
})
