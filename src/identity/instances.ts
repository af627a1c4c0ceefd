/** What a configuration is made of: the input it came from, and fields that cannot be set. */
import { ConfigError } from '../errors.js'
import type { AnyConfigClass } from './config.js'
import { hiddenSecret } from './marks.js'

const brand: unique symbol = Symbol.for('curio.config') as never

/** Marks a Config class. */
export function branded<T extends object>(Class: T): T {
  return Object.defineProperty(Class, brand, { value: true })
}

/** True for a Config class, of this copy of the package or another. */
export function isConfigClass(value: unknown): value is AnyConfigClass {
  return typeof value === 'function' && brand in value
}

/** True for an instance of a Config class. */
export function isConfig(value: unknown): value is object {
  return typeof value === 'object' && value !== null && brand in value
}

/** The class of a configuration. */
export function classOf(config: object): AnyConfigClass {
  return config.constructor as unknown as AnyConfigClass
}

/** What each configuration was made from: a clone is made from that, changed. */
export const inputs = new WeakMap<object, object>()

const accessors = new Map<string, PropertyDescriptor>()

// One pair of functions for each name: with a pair for each object, making one takes five times as long (60 against 12 µs, measured).
function accessor(name: string): PropertyDescriptor {
  let made = accessors.get(name)
  if (made === undefined) {
    made = {
      get(this: Branded) {
        return this[brand][name]
      },
      set(this: Branded) {
        const kind = this.constructor.name || 'Config'
        throw new ConfigError(`${name} of a ${kind} cannot be set: what was computed from it is kept under its value`, {
          hint: `make another one: config.clone({ ${name}: … })`,
        })
      },
      enumerable: true,
      configurable: false,
    }
    accessors.set(name, made)
  }
  return made
}

interface Branded {
  readonly [brand]: Readonly<Record<string, unknown>>
}

/** Makes an object a configuration with fields that say, when somebody sets one, how to have another value there. */
export function fix(config: object, values: Readonly<Record<string, unknown>>): void {
  Object.defineProperty(config, brand, { value: values })
  for (const name of Object.keys(values)) Object.defineProperty(config, name, accessor(name))
}

/** A configuration's fields as they are printed: what `hidden` names as `***`. */
export function printed(config: object, hidden: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => [name, hidden.includes(name) ? hiddenSecret : (value as unknown)]),
  )
}

const ours = new WeakSet<object>()

/** A deeply frozen copy of plain objects and lists: what the caller gave stays the caller's. Cycles are kept. */
export function frozenCopy(value: unknown, made: Map<object, object> = new Map()): unknown {
  if (value === null || typeof value !== 'object' || isConfig(value as unknown) || ours.has(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  // Typed arrays cannot be frozen, Maps and Dates can be changed all the same; their content counts when a key is made.
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) return value
  const before = made.get(value)
  if (before !== undefined) return before
  const copy = (
    Array.isArray(value) ? value.slice() : prototype === null ? Object.assign(Object.create(null), value) : { ...value }
  ) as Record<string, unknown>
  made.set(value, copy)
  for (const key of Object.keys(copy)) {
    const member = copy[key]
    if (member !== null && typeof member === 'object') copy[key] = frozenCopy(member, made)
  }
  ours.add(copy)
  return Object.freeze(copy)
}
