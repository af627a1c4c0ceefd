import { hasExpandos, OrderedMap } from './canonical.js'

/**
 * Copies of values that could be changed in place, by a body or by whoever gave them: what counts, what the body sees and what a later
 * stage sees must be one. What has no identity is left as it is, and refused where identity is asked for; class instances are too.
 */
export function ownCopies(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, ownCopy(value, new Set())]))
}

function ownCopy(value: unknown, above: Set<object>): unknown {
  if (value === null || typeof value !== 'object' || above.has(value)) return value
  const copy = copier(value)
  if (copy === undefined) return value
  above.add(value)
  const made = copy((item) => ownCopy(item, above))
  above.delete(value)
  return made
}

type Copier = (inner: (item: unknown) => unknown) => unknown

function copier(value: object): Copier | undefined {
  if (ArrayBuffer.isView(value)) {
    if (hasExpandos(value)) return undefined
    return () => (Buffer.isBuffer(value) ? Buffer.from(value) : structuredClone(value))
  }
  if (Object.getOwnPropertySymbols(value).length > 0) return undefined
  const prototype: unknown = Object.getPrototypeOf(value)
  const keys = Object.keys(value)
  if (prototype === Object.prototype) {
    const members = value as Record<string, unknown>
    return keys.includes('__proto__')
      ? undefined
      : (inner) => Object.fromEntries(keys.map((key) => [key, inner(members[key])]))
  }
  if (prototype === Array.prototype) {
    return keys.length === (value as unknown[]).length ? (inner) => (value as unknown[]).map(inner) : undefined
  }
  if (keys.length > 0) return undefined
  switch (prototype) {
    case Map.prototype:
      return (inner) => new Map(copiedEntries(value as Map<unknown, unknown>, inner))
    case OrderedMap.prototype:
      return (inner) => new OrderedMap(copiedEntries(value as Map<unknown, unknown>, inner))
    case Set.prototype:
      return (inner) => new Set([...(value as Set<unknown>)].map(inner))
    case Date.prototype:
    case ArrayBuffer.prototype:
      return () => structuredClone(value)
    default:
      return undefined
  }
}

function copiedEntries(map: Map<unknown, unknown>, inner: (item: unknown) => unknown): [unknown, unknown][] {
  return [...map].map(([key, item]) => [inner(key), inner(item)])
}
