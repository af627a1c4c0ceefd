import { identity, OrderedMap } from '../../src/identity/canonical.js'
import type { Random } from './random.js'

/** Texts that have fooled other encodings: quotes, brackets, separators, words of the encoding, halves of pairs, twins. */
const texts = [
  '', 'a', 'b', 'ab', 'a,b', 'a","b', '"', '\\', '\\"', ':', '=>', '{', '}', '[', ']', '(', ',', '{"a":1}', '[1]', '1', '1n', '-0', '0',
  'null', 'undefined', 'true', 'NaN', 'Date(0)', 'Set[1]', 'Map{', 'bytes(0,', 'Id<"k",', '\u0000', '\n', '\u2028', '\ud800', '\udc00',
  '\ud83d\ude00', '\u00e9', 'e\u0301', '__proto__', 'constructor', 'length', '10', '9', 'A', 'a ', ' a',
] // biome-ignore format: a list of words
const numbers = [
  0,
  -0,
  1,
  -1,
  2,
  10,
  0.1,
  0.30000000000000004,
  0.3,
  1e21,
  1e-7,
  2 ** 53,
  Number.NaN,
  Infinity,
  -Infinity,
  5e-324,
  12,
  1.5,
]
const integers = [0n, 1n, -1n, 10n, 2n ** 64n]
const views = [
  Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array,
] // biome-ignore format: a list of words

class Named {
  constructor(
    readonly kind: string,
    readonly value: unknown,
  ) {}
  [identity](): readonly [string, unknown] {
    return [this.kind, this.value]
  }
}

/** A random value of every kind that has an identity; small, and from few words, so that two are often nearly the same. */
export function anyValue(random: Random, depth = 3): unknown {
  const kind = random.int(depth > 0 ? 20 : 12)
  const some = <T>(make: () => T): T[] => Array.from({ length: random.int(4) }, make)
  const inner = () => anyValue(random, depth - 1)
  switch (kind) {
    case 0:
    case 1:
    case 2:
      return random.pick(texts)
    case 3:
    case 4:
      return random.pick(numbers)
    case 5:
      return random.pick(integers)
    case 6:
      return random.pick([null, undefined, true, false])
    case 7:
      return new Date(random.pick([0, 1, -1, Number.NaN, 8.64e15]))
    case 8:
      return new RegExp(random.pick(['a', 'b', '"', '\\/', '(?:)']), random.pick(['', 'g', 'gi']))
    case 9:
      return new URL(random.pick(['http://a/', 'http://a/b', 'http://a/?"', 'file:///a']))
    case 10:
      return random.pick([
        (bytes: Uint8Array) => bytes,
        (bytes: Uint8Array) => bytes.buffer,
        (bytes: Uint8Array) => new DataView(bytes.buffer),
      ])(new Uint8Array(random.pick([0, 1, 8])).fill(random.int(2)))
    case 11: {
      const View = random.pick(views)
      const view = new View(new Uint8Array(random.pick([0, 8, 16])).buffer)
      if (view.length > 0 && random.int(2) === 0) new Uint8Array(view.buffer)[0] = 1
      return view
    }
    case 12:
    case 13:
      return some(inner)
    case 14:
      return new Set(some(inner))
    case 15:
      return new Map(some(() => [inner(), inner()] as const))
    case 16:
      return new OrderedMap(some(() => [inner(), inner()] as const))
    case 17:
      return new Named(random.pick(texts), inner())
    default:
      return record(some(() => [random.pick(texts), inner()]))
  }
}

function record(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  // Not Object.fromEntries on a literal: '__proto__' is to be a key like any other.
  return Object.fromEntries(entries)
}

/** A value that is nearly the same, made by one small change somewhere in it; sometimes quite the same. */
export function nearTwin(random: Random, value: unknown): unknown {
  const children = childrenOf(value)
  if (children !== undefined && children.length > 0 && random.int(3) > 0) {
    const at = random.int(children.length)
    return withChildren(
      value,
      children.map((child, i) => (i === at ? nearTwin(random, child) : child)),
    )
  }
  const all = children ?? []
  switch (random.int(9)) {
    case 0:
      return anyValue(random, 1)
    case 1:
      return [value]
    case 2:
      return typeof value === 'string' ? `${value}${random.pick(texts)}` : String(describeKind(value))
    case 3:
      return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : { a: value }
    case 4:
      return new Set(all.length > 0 ? all : [value])
    case 5:
      return all.length > 1 ? [[...all.slice(0, -1)], all.at(-1)] : all[0]
    case 6:
      return value instanceof Map && !(value instanceof OrderedMap) ? new OrderedMap(value) : new Map([[value, value]])
    case 7:
      return Object.assign({}, all)
    default:
      return all.length > 0 ? random.shuffle(all) : value
  }
}

function describeKind(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? value.constructor?.name : value
}

function childrenOf(value: unknown): unknown[] | undefined {
  if (Array.isArray(value)) return value
  if (value instanceof Set) return [...value]
  if (value instanceof Map) return [...value].flat()
  if (value instanceof Named) return [value.kind, value.value]
  if (isRecord(value)) return Object.entries(value).flat()
  return undefined
}

function withChildren(value: unknown, children: readonly unknown[]): unknown {
  const pairs = children.flatMap((_, i) => (i % 2 === 0 ? [[children[i], children[i + 1]] as const] : []))
  if (Array.isArray(value)) return children
  if (value instanceof Set) return new Set(children)
  if (value instanceof OrderedMap) return new OrderedMap(pairs)
  if (value instanceof Map) return new Map(pairs)
  if (value instanceof Named) return new Named(typeof children[0] === 'string' ? children[0] : 'k', children[1])
  return record(pairs.map(([key, item]) => [typeof key === 'string' ? key : 'a', item]))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** The same value made in another way: other order of insertion, other kinds of buffer, copies and views. */
export function rebuilt(random: Random, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => rebuilt(random, item))
  if (value instanceof Set) return new Set(random.shuffle([...value]).map((item) => rebuilt(random, item)))
  if (value instanceof OrderedMap || value instanceof Map) {
    const pairs = [...value].map(([key, item]) => [rebuilt(random, key), rebuilt(random, item)] as const)
    return value instanceof OrderedMap ? new OrderedMap(pairs) : new Map(random.shuffle(pairs))
  }
  if (value instanceof Named) return new Named(value.kind, rebuilt(random, value.value))
  if (value instanceof Uint8Array) {
    const larger = Buffer.concat([Buffer.from('head'), value, Buffer.from('tail')])
    return random.pick([Buffer.from(value), larger.subarray(4, 4 + value.byteLength), Uint8Array.from(value)])
  }
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const view = value as Float64Array
    const padded = new (view.constructor as typeof Float64Array)(view.length + 3)
    padded.set(view, 2)
    return padded.subarray(2, 2 + view.length)
  }
  if (value instanceof URL) return new URL(value.href)
  if (isRecord(value)) {
    const shuffled = record(random.shuffle(Object.entries(value)).map(([key, item]) => [key, rebuilt(random, item)]))
    return random.int(4) === 0 ? Object.assign(Object.create(null), shuffled) : shuffled
  }
  return typeof value === 'object' && value !== null ? structuredClone(value) : value
}

/** Whether two values are the same, decided without any text: kind by kind, member by member. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isRecord(a) || isRecord(b)) {
    if (!isRecord(a) || !isRecord(b)) return false
    const [left, right] = [Object.keys(a), Object.keys(b)]
    return left.length === right.length && left.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]))
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (Array.isArray(a))
    return a.length === (b as unknown[]).length && a.every((item, i) => same(item, (b as unknown[])[i]))
  if (a instanceof Set) return sameBag([...a], [...(b as Set<unknown>)])
  if (a instanceof OrderedMap) return same([...a], [...(b as OrderedMap<unknown, unknown>)])
  if (a instanceof Map) return sameBag([...a], [...(b as Map<unknown, unknown>)])
  if (a instanceof Named) return a.kind === (b as Named).kind && same(a.value, (b as Named).value)
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime())
  if (a instanceof RegExp) return String(a) === String(b)
  if (a instanceof URL) return a.href === (b as URL).href
  return Buffer.compare(bytes(a), bytes(b as ArrayBufferView)) === 0
}

function bytes(value: ArrayBufferView | ArrayBuffer | object): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  const view = value as ArrayBufferView
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** The same members, in whatever order. */
function sameBag(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  const left = [...b]
  return a.every((item) => {
    const at = left.findIndex((other) => same(item, other))
    if (at >= 0) left.splice(at, 1)
    return at >= 0
  })
}
