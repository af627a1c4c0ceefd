import { inspect, types } from 'node:util'
import { CurioError, NotEncodableError } from '../errors.js'
import { sha256 } from './digest.js'

/** The method by which an object states its identity: it returns `[class name, plain value]`. */
export const identity: unique symbol = Symbol.for('curio.identity') as never

/** An object that states its own identity. */
export interface Identified {
  [identity](): readonly [kind: string, value: unknown]
}

/** A Map whose order of entries is part of its identity. A plain Map's is not. */
export class OrderedMap<K, V> extends Map<K, V> {}

/** Text that stands in a canonical encoding as it is. Only identity itself makes these, for things it defines (input files). */
export class Verbatim {
  constructor(readonly text: string) {}
}

const maxDepth = 512

/** dtype of a typed array, as numpy and format 1 call it; undefined for anything else. */
export function dtypeOf(array: ArrayBufferView): string | undefined {
  const name = (array as unknown as { [Symbol.toStringTag]?: string })[Symbol.toStringTag]
  return name === undefined ? undefined : dtypes[name]
}

const dtypes: Readonly<Record<string, string>> = {
  Int8Array: 'int8',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8clamped',
  Int16Array: 'int16',
  Uint16Array: 'uint16',
  Int32Array: 'int32',
  Uint32Array: 'uint32',
  BigInt64Array: 'int64',
  BigUint64Array: 'uint64',
  Float16Array: 'float16',
  Float32Array: 'float32',
  Float64Array: 'float64',
}

/** The bytes a view covers, without a copy. */
export function bytesOf(view: ArrayBufferView | ArrayBuffer): Uint8Array {
  return view instanceof ArrayBuffer
    ? new Uint8Array(view)
    : new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength)
}

/**
 * The canonical text of a value: equal texts if and only if the values are the same (docs/format.md).
 *
 * Distinct: null, undefined, false, 0, −0, NaN, 1, 1n, '1', dates, bytes, typed arrays by dtype, arrays, Set, Map, OrderedMap,
 * plain objects. Order of keys in plain objects, Sets and Maps does not count.
 *
 * @param root how the value is called in an error, e.g. `params`.
 * @throws {NotEncodableError} for functions, symbols, cycles, holes and class instances without `[curio.identity]()`.
 */
export function canonical(value: unknown, root = 'value'): string {
  return encode(value, root, [])
}

function encode(value: unknown, path: string, above: object[]): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
      return `${value}n`
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'function':
      throw new NotEncodableError(path, `is a function (${value.name || 'anonymous'})`)
    case 'symbol':
      throw new NotEncodableError(path, `is a symbol (${String(value)})`)
  }
  return value === null ? 'null' : encodeObject(value as object, path, above)
}

function encodeObject(value: object, path: string, above: object[]): string {
  if (value instanceof Verbatim) return value.text
  if (above.includes(value)) throw new NotEncodableError(path, 'refers back to an object that contains it')
  if (above.length >= maxDepth) throw new NotEncodableError(path, `is nested deeper than ${maxDepth} levels`)
  above.push(value)
  const text = encodeKind(value, path, above)
  above.pop()
  return text
}

function encodeKind(value: object, path: string, inside: object[]): string {
  const own = (value as Partial<Identified>)[identity]
  if (typeof own === 'function') {
    const stated: unknown = own.call(value as Identified)
    if (!Array.isArray(stated) || stated.length !== 2 || typeof stated[0] !== 'string') {
      throw new NotEncodableError(path, 'states its identity as something else than [kind, value]')
    }
    return `Id<${JSON.stringify(stated[0])},${encode(stated[1], path, inside)}>`
  }
  if (Array.isArray(value)) return encodeArray(value, path, inside)
  if (ArrayBuffer.isView(value)) return encodeView(value, path)
  if (isKind(value, ArrayBuffer) && types.isArrayBuffer(value)) {
    return `ArrayBuffer(${value.byteLength},${sha256(attached(value, path))})`
  }
  if (isKind(value, Date) && types.isDate(value)) return `Date(${value.getTime()})`
  if (isKind(value, RegExp) && types.isRegExp(value)) return encodeRegExp(value)
  if (isKind(value, URL)) return `URL(${JSON.stringify(value.href)})`
  if (isKind(value, Set) && types.isSet(value)) {
    const members = [...value].map((member, i) => encode(member, `${path}[${i}]`, inside))
    return `Set[${members.sort(byCodeUnit).join(',')}]`
  }
  if (isKind(value, OrderedMap) && types.isMap(value)) {
    return `OrderedMap{${encodeEntries(value, path, inside).join(',')}}`
  }
  if (isKind(value, Map) && types.isMap(value)) {
    return `Map{${encodeEntries(value, path, inside).sort(byCodeUnit).join(',')}}`
  }
  return encodePlain(value, path, inside)
}

function encodeRegExp(value: RegExp): string {
  return `RegExp(${JSON.stringify(value.source)},${JSON.stringify(value.flags)},${value.lastIndex})`
}

function encodeArray(value: unknown[], path: string, inside: object[]): string {
  if (Object.getPrototypeOf(value) !== Array.prototype) {
    throw new NotEncodableError(path, `is an instance of ${value.constructor?.name ?? 'a class'}`)
  }
  const texts: string[] = []
  for (let i = 0; i < value.length; i++) {
    if (!(i in value)) throw new NotEncodableError(`${path}[${i}]`, 'is a hole in a sparse array')
    texts.push(encode(value[i], `${path}[${i}]`, inside))
  }
  if (Object.keys(value).length !== value.length || Object.getOwnPropertySymbols(value).length > 0) {
    throw new NotEncodableError(path, 'is an array with properties of its own besides its elements')
  }
  return `[${texts.join(',')}]`
}

/** The prototypes of views that carry nothing but bytes; a subclass may carry more. */
const plainViews = new Set<unknown>([
  Buffer.prototype,
  DataView.prototype,
  ...Object.keys(dtypes).flatMap((name) => {
    const Class = (globalThis as Record<string, unknown>)[name]
    return typeof Class === 'function' ? [Class.prototype as unknown] : []
  }),
])

function encodeView(view: ArrayBufferView, path: string): string {
  if (!plainViews.has(Object.getPrototypeOf(view))) {
    throw new NotEncodableError(path, `is an instance of ${view.constructor?.name ?? 'a class'}`)
  }
  if (hasExpandos(view)) {
    throw new NotEncodableError(path, 'is a view of bytes with properties of its own', {
      hint: 'pass plain data such as { data, shape }',
    })
  }
  const bytes = attached(view, path)
  if (view instanceof Uint8Array) return `bytes(${bytes.byteLength},${sha256(bytes)})`
  if (view instanceof DataView) return `DataView(${bytes.byteLength},${sha256(bytes)})`
  return `${dtypeOf(view)}[${(view as Float32Array).length}](${sha256(bytes)})`
}

function attached(view: ArrayBufferView | ArrayBuffer, path: string): Uint8Array {
  try {
    return bytesOf(view)
  } catch (cause) {
    throw new NotEncodableError(path, 'has lost its bytes: they were transferred to another thread', { cause })
  }
}

const smallView = 64
const withoutElements = { maxArrayLength: 0, depth: 0, breakLength: Number.POSITIVE_INFINITY, customInspect: false }

/**
 * Whether a view of bytes has properties of its own. Listing them lists its elements first (22 ms for 65,536 of them, measured); so a
 * longer one is shown without its elements, beside one that has none: 5 µs at any length.
 */
export function hasExpandos(view: ArrayBufferView): boolean {
  const elements = view instanceof DataView ? 0 : (view as Float32Array).length
  if (elements <= smallView) return Reflect.ownKeys(view).length > elements
  const Class = Object.getPrototypeOf(view).constructor as Float32ArrayConstructor
  const pristine = Buffer.isBuffer(view)
    ? Buffer.from(view.buffer, view.byteOffset, view.byteLength)
    : new Class(view.buffer, view.byteOffset, elements)
  return inspect(view, withoutElements) !== inspect(pristine, withoutElements)
}

function encodeEntries(map: ReadonlyMap<unknown, unknown>, path: string, inside: object[]): string[] {
  return [...map].map(([key, item]) => {
    const label = `${path}.get(${typeof key === 'object' ? '…' : String(key)})`
    return `${encode(key, label, inside)}=>${encode(item, label, inside)}`
  })
}

function encodePlain(value: object, path: string, inside: object[]): string {
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new NotEncodableError(path, `is an instance of ${value.constructor?.name ?? 'a class'}`)
  }
  if (prototype !== null && !Object.hasOwn(prototype, 'hasOwnProperty')) {
    throw new NotEncodableError(path, 'is an object with a prototype of its own')
  }
  if (Object.getOwnPropertySymbols(value).length > 0) throw new NotEncodableError(path, 'has symbol keys')
  const members = value as Record<string, unknown>
  const texts = Object.keys(members)
    .sort(byCodeUnit)
    .map((key) => `${JSON.stringify(key)}:${encode(members[key], `${path}.${key}`, inside)}`)
  return `{${texts.join(',')}}`
}

/** True for an instance of exactly `Class`: a subclass, or own properties, may carry state that the encoding would miss. */
function isKind<T extends object>(value: object, Class: abstract new (...args: never[]) => T): value is T {
  return Object.getPrototypeOf(value) === Class.prototype && !hasOwnState(value)
}

function hasOwnState(value: object): boolean {
  return Object.keys(value).length > 0 || Object.getOwnPropertySymbols(value).length > 0
}

/** Order of names and texts everywhere in format 1: by UTF-16 code units, whatever the locale. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Like `canonical`, but for facts that are only shown: what cannot be encoded becomes a note instead of an error. */
export function describe(value: unknown): string {
  try {
    return canonical(value)
  } catch (error) {
    if (CurioError.is(error)) return `(${error.message.split('\n')[0]})`
    throw error
  }
}
