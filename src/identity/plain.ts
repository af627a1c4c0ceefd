/** Values as data that JSON and YAML can hold: what they have no word for stands as an object of one name, `{ $date: '…' }`. */
import { types } from 'node:util'
import { ConfigError, NotEncodableError } from '../errors.js'
import { byCodeUnit, canonical, describe, OrderedMap } from './canonical.js'

/** What JSON and YAML can hold. */
export type PlainData = null | boolean | number | string | readonly PlainData[] | { readonly [name: string]: PlainData }

/** Names that reach into prototypes. */
export const forbidden = new Set(['__proto__', 'constructor', 'prototype'])

/** Data already, in a value that is not. */
export class Ready {
  constructor(readonly data: PlainData) {}
}

const maxDepth = 512

/**
 * A value as data. What has no way back (functions, typed arrays, objects of classes) becomes `{ $shown: '…' }`, its canonical text or why
 * it has none.
 */
export function toPlain(value: unknown, depth = 0): PlainData {
  if (depth > maxDepth) throw new NotEncodableError('value', `is nested deeper than ${maxDepth} levels`)
  const inner = (item: unknown) => toPlain(item, depth + 1)
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: canonical(value) }
    case 'bigint':
      return { $bigint: String(value) }
    case 'undefined':
      return { $undefined: true }
    case 'object':
      break
    default:
      return { $shown: describe(value) }
  }
  if (value === null) return null
  if (value instanceof Ready) return value.data
  if (Array.isArray(value)) return Array.from(value, inner)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) {
    return named(Object.fromEntries(Object.entries(value).map(([name, item]) => [name, inner(item)])))
  }
  if (types.isDate(value)) return { $date: Number.isNaN(value.getTime()) ? null : value.toISOString() }
  if (prototype === Uint8Array.prototype || Buffer.isBuffer(value)) {
    return { $bytes: Buffer.from(value as Uint8Array).toString('base64') }
  }
  if (prototype === OrderedMap.prototype) return { $ordered: [...(value as Map<unknown, unknown>)].map(inner) }
  if (prototype === Map.prototype) return { $map: inTextOrder([...(value as Map<unknown, unknown>)].map(inner)) }
  if (prototype === Set.prototype) return { $set: inTextOrder([...(value as Set<unknown>)].map(inner)) }
  return { $shown: describe(value) }
}

/** An object of data, its names in order, and one that would be read as something else said to be an object. */
export function named(members: Readonly<Record<string, PlainData>>): PlainData {
  const sorted = Object.fromEntries(Object.entries(members).sort(([a], [b]) => byCodeUnit(a, b)))
  const [only, another] = Object.keys(sorted)
  return only !== undefined && another === undefined && Object.hasOwn(readers, only) ? { $object: sorted } : sorted
}

function inTextOrder(items: readonly PlainData[]): PlainData[] {
  return items
    .map((item) => [JSON.stringify(item), item] as const)
    .sort(([a], [b]) => byCodeUnit(a, b))
    .map(([, item]) => item)
}

type Reader = (data: unknown, at: string) => unknown

const readers: Readonly<Record<string, Reader>> = {
  $number: (text, at) => (['NaN', 'Infinity', '-Infinity', '-0'].includes(text as string) ? Number(text) : wrong(at)),
  $bigint: (text, at) => (typeof text === 'string' && /^-?\d+$/.test(text) ? BigInt(text) : wrong(at)),
  $undefined: () => undefined,
  $date: (text, at) => {
    const date = new Date(typeof text === 'string' ? text : Number.NaN)
    return text === null || !Number.isNaN(date.getTime()) ? date : wrong(at)
  },
  $bytes: (text, at) => {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : wrong(at)
    return bytes.toString('base64') === text ? new Uint8Array(bytes) : wrong(at)
  },
  $ordered: (pairs, at) => new OrderedMap(readPairs(pairs, at)),
  $map: (pairs, at) => new Map(readPairs(pairs, at)),
  $set: (items, at) => new Set(Array.isArray(items) ? items.map((item) => fromPlain(item, at)) : wrong(at)),
  $object: (data, at) => (isObject(data) ? readObject(data, at) : wrong(at)),
  $shown: (text, at) => {
    throw new ConfigError(`${at} was ${String(text)}, which data cannot bring back`, { hint: 'set it in code' })
  },
}

/**
 * What `toPlain` gave, as it was.
 *
 * @throws {ConfigError} with the dotted path of what cannot be read.
 */
export function fromPlain(data: unknown, at = ''): unknown {
  if (Array.isArray(data)) return data.map((item, i) => fromPlain(item, join(at, String(i))))
  if (!isObject(data)) return data
  const names = Object.keys(data)
  const [only] = names
  if (names.length === 1 && Object.hasOwn(readers, only!)) return readers[only!]!(data[only!], join(at, only!))
  return readObject(data, at)
}

function readObject(data: Readonly<Record<string, unknown>>, at: string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(data).map(([name, item]) => {
      if (forbidden.has(name)) throw new ConfigError(`${join(at, name)} is no name of a field`)
      return [name, fromPlain(item, join(at, name))]
    }),
  )
}

function readPairs(pairs: unknown, at: string): [unknown, unknown][] {
  if (!Array.isArray(pairs)) return wrong(at)
  return pairs.map((pair, i) => {
    if (!Array.isArray(pair) || pair.length !== 2) return wrong(join(at, String(i)))
    return [fromPlain(pair[0], join(at, String(i))), fromPlain(pair[1], join(at, String(i)))]
  })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function join(at: string, name: string): string {
  return at === '' ? name : `${at}.${name}`
}

function wrong(at: string): never {
  throw new ConfigError(`${at} cannot be read`)
}
