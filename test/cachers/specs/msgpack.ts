import assert from 'node:assert/strict'
import { MsgpackCacher, registerClass } from '../../../cachers/msgpack.js'
import type { CacherCase, Sample } from '../../suites/cacher.js'

export class Point {
  x = 1
  constructor(readonly y: number) {}
  get sum(): number {
    return this.x + this.y
  }
}
registerClass(Point)

/** Its state is private: only `encode` and `decode` can bring it back. */
export class Counter {
  #count = 0
  add(n: number): this {
    this.#count += n
    return this
  }
  get count(): number {
    return this.#count
  }
}
registerClass(Counter, {
  name: 'test/Counter',
  encode: (counter) => counter.count,
  decode: (n: number) => new Counter().add(n),
})

export class DownloadError extends TypeError {
  status = 404
}
registerClass(DownloadError)

const sample = <T>(label: string, make: () => T, same?: (loaded: T) => void): Sample<unknown, unknown> => ({
  label,
  make,
  ...(same === undefined ? {} : { same: (loaded: unknown) => same(loaded as T) }),
})

/** Compares what `deepStrictEqual` leaves out: message, cause and errors. */
function sameError(make: () => Error): Sample<unknown, unknown>['same'] {
  return (loaded) => {
    const [got, expected] = [loaded as AggregateError, make() as AggregateError]
    assert.equal(Object.getPrototypeOf(got), Object.getPrototypeOf(expected))
    for (const name of ['name', 'message', 'cause', 'errors', 'code', 'status', 'data'] as const) {
      const [mine, theirs] = [got, expected].map((error) => Object.getOwnPropertyDescriptor(error, name))
      assert.deepEqual(mine?.value, theirs?.value)
      assert.equal(mine?.enumerable, theirs?.enumerable)
    }
    assert.ok(!got.stack?.includes('    at '))
  }
}

const errors: readonly [string, () => Error][] = [
  ['an Error', () => new Error('went wrong')],
  ['an Error without a message', () => new Error()],
  [
    'a TypeError with a cause and fields',
    () =>
      Object.assign(new TypeError('bad', { cause: new RangeError('deeper') }), { code: 'E_BAD', data: { at: [1] } }),
  ],
  ['an Error whose cause is undefined', () => new Error('x', { cause: undefined })],
  ['an AggregateError', () => new AggregateError([new Error('a'), 'b'], 'both')],
  ['an Error of a registered class', () => Object.assign(new DownloadError('gone'), { status: 410 })],
  ['an Error with a name of its own', () => Object.assign(new Error('x'), { name: 'Mine' })],
]

export const samples: readonly Sample<unknown, unknown>[] = [
  sample('rows', () =>
    Array.from({ length: 300 }, (_, i) => ({ i, half: i / 2, text: `row ${i}`, none: null, yes: i % 2 === 0 })),
  ),
  sample('a small object', () => ({ name: 'x'.repeat(40), list: [1, -1, 1.5], nested: { deep: [true, null] } })),
  sample('numbers', () => [
    0,
    -0,
    1,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53,
    -1,
    -32,
    -33,
    -128,
    -129,
    -32768,
    -32769,
    -(2 ** 31),
    -(2 ** 31) - 1,
    0.1,
    5e-324,
    Number.NaN,
    Infinity,
    -Infinity,
  ]),
  sample('bigints', () => [
    0n,
    -1n,
    2n ** 63n,
    2n ** 64n - 1n,
    2n ** 64n,
    -(2n ** 63n),
    -(2n ** 63n) - 1n,
    10n ** 1000n,
    -(10n ** 1000n),
  ]),
  sample('texts', () => [
    '',
    'a'.repeat(31),
    'a'.repeat(32),
    'é'.repeat(16),
    'ü'.repeat(300),
    '漢'.repeat(30_000),
    '\uFFFD',
    '\u0000',
    '\ud83d\ude00',
    '\uFEFF',
  ]),
  sample('half surrogate pairs', () => ({ lone: '\ud800', '\udc00': 'key', inside: ['a\udc00b'] })),
  sample('undefined', () => undefined),
  sample('undefined inside', () => ({ a: undefined, b: [undefined, null] })),
  sample('an empty list', () => []),
  sample('an empty object', () => ({})),
  sample('an empty text', () => ''),
  sample('an empty Map', () => new Map()),
  sample('dates', () => [
    new Date(0),
    new Date(1),
    new Date(-1),
    new Date(8.64e15),
    new Date(-8.64e15),
    new Date(2 ** 32 * 1000),
    new Date(2 ** 34 * 1000 + 1),
    new Date('2030-01-01T00:00:00.123Z'),
  ]),
  sample(
    'an invalid date',
    () => new Date(Number.NaN),
    (loaded) => assert.ok(loaded instanceof Date && Number.isNaN(loaded.getTime())),
  ),
  sample(
    'a Map of everything',
    () =>
      new Map<unknown, unknown>([
        ['a', 1],
        [1, new Set(['x', new Map()])],
        [null, undefined],
        [new Date(5), [{}]],
        [[], -0],
      ]),
  ),
  sample('typed arrays', () => [
    Int8Array.of(-1), new Uint8ClampedArray([1, 300]), Int16Array.of(-2), Uint16Array.of(2), Int32Array.of(-3), Uint32Array.of(3), BigInt64Array.of(-4n), BigUint64Array.of(4n),
    Float32Array.of(0.1, Number.NaN, -0), Float64Array.of(0.1, -Infinity), new Float64Array(0), new Float32Array([9, 8, 7, 6]).subarray(1, 3),
  ]), // biome-ignore format: one of each
  sample('bytes of all kinds', () => [
    Uint8Array.of(1, 2),
    Buffer.from('buffer'),
    Uint8Array.of(1, 2).buffer,
    new DataView(Uint8Array.of(1, 2, 3).buffer, 1),
    new Uint8Array(0),
  ]),
  sample('bytes of more than a block', () => ({
    big: new Uint8Array(300_000).fill(7),
    floats: Float64Array.from({ length: 200_000 }, Math.sqrt),
    after: 'end',
  })),
  sample('regular expressions', () => [/a(b)?\/\u0301/giu, Object.assign(/x/g, { lastIndex: 4 }), /(?:)/]),
  sample(
    'a URL',
    () => new URL('https://example.org:81/ä?q=1#x'),
    (loaded) => assert.equal(String(loaded), 'https://example.org:81/%C3%A4?q=1#x'),
  ),
  ...errors.map(([label, make]): Sample<unknown, unknown> => ({ label, make, same: sameError(make)! })),
  sample(
    'a sparse array',
    () => {
      const list: number[] = [1]
      list[5] = 2
      list.length = 9
      return list
    },
    (loaded) => {
      assert.deepEqual([Object.keys(loaded), loaded.length, loaded[5]], [['0', '5'], 9, 2])
    },
  ),
  sample(
    'a very long sparse array',
    () => {
      const list: number[] = []
      list[4_000_000_000] = 1
      return list
    },
    (loaded) => {
      assert.deepEqual([Object.keys(loaded), loaded.length], [['4000000000'], 4_000_000_001])
    },
  ),
  sample('an object without a prototype', () => Object.assign(Object.create(null), { a: { b: 1 } }) as object),
  sample(
    'a __proto__ key',
    () => JSON.parse('{"a": 1, "__proto__": {"polluted": true}}') as object,
    (loaded) => {
      assert.deepEqual(Object.keys(loaded), ['a', '__proto__'])
      assert.equal(Object.getPrototypeOf(loaded), Object.prototype)
    },
  ),
  sample('an object that looks like one of ours', () => ({
    $curio: 'Map',
    entries: [[1, 2]],
    inner: { b: 1, $curio: { $curio: 'ref', index: 0 } },
  })),
  sample('keys that look like numbers', () => ({ 10: 'a', 9: 'b', constructor: 1, hasOwnProperty: 2, toJSON: 3 })),
  sample(
    'instances of registered classes',
    () => [new Point(4), { inner: new Point(-0) }],
    ([first]) => {
      assert.ok(first instanceof Point)
      assert.equal(first.sum, 5)
    },
  ),
  sample(
    'an instance with encode and decode',
    () => new Counter().add(9),
    (loaded) => assert.equal(loaded.count, 9),
  ),
  sample(
    'a cycle',
    () => {
      const a: Record<string, unknown> = { n: 1 }
      a.self = a
      a.list = [a, { a }]
      return a
    },
    (loaded) => {
      assert.equal(loaded.self, loaded)
      assert.equal((loaded.list as unknown[])[0], loaded)
    },
  ),
  sample(
    'a Map, a Set and an Error in themselves',
    () => {
      const [map, set, error] = [new Map<string, unknown>(), new Set<unknown>(), new Error('me')]
      map
        .set('map', map)
        .set('set', set.add(set).add(map))
        .set('error', Object.assign(error, { error, cause: map }))
      return map
    },
    (loaded) => {
      assert.equal(loaded.get('map'), loaded)
      assert.ok(
        (loaded.get('set') as Set<unknown>).has(loaded.get('set')) && (loaded.get('set') as Set<unknown>).has(loaded),
      )
      assert.equal((loaded.get('error') as { error: unknown }).error, loaded.get('error'))
    },
  ),
  sample(
    'one object in many places',
    () => {
      const shared = { s: [1] }
      return { a: shared, b: [shared, shared.s], date: new Date(7), again: shared }
    },
    (loaded) => {
      assert.ok(loaded.a === loaded.b[0] && loaded.a === loaded.again && loaded.a.s === loaded.b[1])
    },
  ),
]

export default {
  name: 'MsgpackCacher',
  cacher: MsgpackCacher,
  module: import.meta.url,
  samples,
  refused: [
    { label: 'a function', value: { hooks: [{ onDone: () => 1 }] }, message: /\.hooks\[0\]\.onDone is a function/ },
    { label: 'a symbol', value: new Map([['s', Symbol('x')]]), message: /\.s is a symbol/ },
    { label: 'symbol keys', value: { a: { [Symbol('x')]: 1 } }, message: /\.a has symbol keys/ },
    { label: 'a Promise', value: [Promise.resolve(1)], message: /\[0\] is a Promise: await it first/ },
    {
      label: 'an instance of a class that is not registered',
      value: { m: new (class Model {})() },
      message: /\.m is a Model: .*registerClass/,
    },
    {
      label: 'a subclass of a registered class',
      value: new (class Point3 extends Point {})(1),
      message: /is a Point3/,
    },
    {
      label: 'an Error of a class that is not registered',
      value: new (class HttpError extends Error {})('x'),
      message: /is a HttpError|is an HttpError/,
    },
    {
      label: 'a Map with properties',
      value: Object.assign(new Map(), { extra: 1 }),
      message: /with a property "extra" of its own/,
    },
    { label: 'an array with properties', value: 'ab'.match(/a/), message: /properties besides its elements/ },
    { label: 'a boxed number', value: new Number(1), message: /is a Number/ },
    { label: 'a WeakMap', value: new WeakMap(), message: /is a WeakMap/ },
    { label: 'shared memory', value: new SharedArrayBuffer(2), message: /is a SharedArrayBuffer/ },
    { label: 'too many levels', value: levels(401), message: /nested deeper than 400 levels/ },
  ],
} satisfies CacherCase

function levels(n: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < n; i++) value = { inner: value }
  return value
}
