import { z } from 'zod'
import { ConfigError, DeclarationError, nearest, refuseUnknown } from '../errors.js'
import { droppedFields, fieldsAt } from './dropped.js'
import { isSchema, markConfig } from './marks.js'
import { fields as fieldsOf } from './params.js'

/** A zod shape whose fields may also be Config classes. */
export type ConfigShape = Readonly<Record<string, z.ZodType | AnyConfigClass>>

type FieldSchema<F> = F extends z.ZodType
  ? F
  : F extends abstract new (
        ...args: infer A
      ) => infer I
    ? z.ZodType<I, Exclude<A[0], undefined>>
    : never
type ZodShape<S extends ConfigShape> = { [K in keyof S]: FieldSchema<S[K]> }

/** What the constructor takes: defaults may be left out. */
export type ConfigInput<S extends ConfigShape> = z.input<z.ZodObject<ZodShape<S>>>
/** The parsed fields, read-only. */
export type ConfigInstance<S extends ConfigShape> = Readonly<z.output<z.ZodObject<ZodShape<S>>>>

type ConfigArguments<S extends ConfigShape> =
  Record<string, never> extends ConfigInput<S> ? [input?: ConfigInput<S>] : [input: ConfigInput<S>]

/** Options of a Config class. */
export interface ConfigOptions<I> {
  /**
   * A rule over several fields, asked of each new configuration: says what is wrong, or returns undefined. It sees the parsed fields,
   * and is inherited.
   */
  readonly check?: (config: I) => string | undefined
}

type Rule = (config: object) => string | undefined

/** A class of configurations: extend it, and instances carry the parsed fields. `I` is what an instance is. */
export interface ConfigClass<S extends ConfigShape, I = ConfigInstance<S>> {
  new (...args: ConfigArguments<S>): I
  readonly shape: S
  /** The zod schema of one instance: parses input, passes instances. */
  schema<T>(this: (abstract new (...args: never[]) => T) & { readonly shape: S }): z.ZodType<T, ConfigInput<S>>
  /** Some fields of it: what a stage declares that it reads. */
  pick<K extends keyof S & string>(...names: K[]): Picked<Pick<ConfigInstance<S>, K & keyof ConfigInstance<S>>>
  /** A class with more fields, or other schemas for some; methods are inherited. */
  extend<Base extends abstract new (...args: never[]) => object, E extends ConfigShape>(
    this: Base & { readonly shape: S },
    more: E,
    options?: ConfigOptions<Extended<S, InstanceType<Base>, E>>,
  ): ConfigClass<Omit<S, keyof E> & E, Extended<S, InstanceType<Base>, E>>
}

/** What an extended class's instances are: where a replaced field's type still fits, all of the base's with its methods as methods. */
type Extended<S extends ConfigShape, B, E extends ConfigShape> =
  ConfigInstance<E> extends Partial<ConfigInstance<S>> ? B & ConfigInstance<E> : Omit<B, keyof E> & ConfigInstance<E>

/** Any Config class. */
export interface AnyConfigClass {
  new (...args: never[]): object
  readonly shape: ConfigShape
  schema(): z.ZodType
}

/** Named fields of a Config class. */
export interface Picked<P extends object> {
  readonly config: AnyConfigClass
  readonly fields: readonly string[]
  /** Only for types. */
  readonly _params?: P
}

const fieldName = /^[A-Za-z_$][A-Za-z0-9_$]*$/
const brand = Symbol.for('curio.config')

/**
 * Makes a base class of configurations from a zod shape: `class Params extends Config({ seed: z.int().default(0) }) {}`.
 *
 * `new Params(input)` parses once: unknown fields, wrong types and missing ones are refused, all of them in one error. Fields are
 * read-only and deeply frozen; the instance itself may get fields of a subclass's own.
 *
 * @throws {DeclarationError} for a shape or options that cannot be, {ConfigError} for input that does not fit.
 */
export function Config<S extends ConfigShape>(
  shape: S,
  options: ConfigOptions<ConfigInstance<S>> = {},
): ConfigClass<S> {
  refuseUnknown('Config', options, ['check'])
  for (const [name, schema] of Object.entries(shape)) {
    if (!fieldName.test(name) || name === '__proto__' || name === 'constructor' || name === 'prototype') {
      throw new DeclarationError(`a configuration cannot have a field called ${JSON.stringify(name)}`)
    }
    if (!isSchema(schema) && !isConfigClass(schema)) {
      throw new DeclarationError(`field ${name} is neither a zod schema nor a Config class`)
    }
  }

  const rule = options.check as Rule | undefined
  if (rule !== undefined && typeof rule !== 'function') {
    throw new DeclarationError('the check of a Config is a function of the parsed fields')
  }

  class ConfigBase {
    static readonly shape: ConfigShape = shape
    static readonly checks: readonly Rule[] = rule === undefined ? [] : [rule]

    constructor(input: unknown = {}) {
      const Class = new.target as unknown as AnyConfigClass
      const parsed = parse(Class, input)
      for (const [name, value] of Object.entries(parsed)) {
        Object.defineProperty(this, name, {
          value: frozenCopy(value),
          enumerable: true,
          writable: false,
          configurable: false,
        })
      }
      Object.defineProperty(this, brand, { value: true })
      for (const one of (Class as unknown as typeof ConfigBase).checks) obey(Class, one, this)
    }

    static schema(): z.ZodType {
      return schemaOf(this as unknown as AnyConfigClass)
    }

    static pick(...names: string[]): Picked<object> {
      const known = Object.keys(this.shape)
      for (const name of names) {
        if (!known.includes(name))
          throw new DeclarationError(`${this.name} has no field ${name}`, didYouMean(name, known))
      }
      return { config: this as unknown as AnyConfigClass, fields: names }
    }

    static extend(more: ConfigShape, options: ConfigOptions<object> = {}): unknown {
      const { shape, checks } = Config({ ...this.shape, ...more }, options) as unknown as typeof ConfigBase
      const all = [...this.checks, ...checks]
      return class extends this {
        static override readonly shape: ConfigShape = shape
        static override readonly checks: readonly Rule[] = all
      }
    }
  }
  Object.defineProperty(ConfigBase, brand, { value: true })
  return ConfigBase as unknown as ConfigClass<S>
}

/** True for a Config class, of this copy of the package or another. */
export function isConfigClass(value: unknown): value is AnyConfigClass {
  return typeof value === 'function' && brand in value
}

/** True for an instance of a Config class. */
export function isConfig(value: unknown): value is object {
  return typeof value === 'object' && value !== null && brand in value
}

const schemas = new WeakMap<AnyConfigClass, z.ZodObject>()

/** The strict object schema of a class's own fields. */
function objectSchema(Class: AnyConfigClass): z.ZodObject {
  let schema = schemas.get(Class)
  if (schema === undefined) {
    schema = z.strictObject(fieldsOf(Class.shape))
    schemas.set(Class, schema)
  }
  return schema
}

const nested = new WeakMap<AnyConfigClass, z.ZodType>()

function schemaOf(Class: AnyConfigClass): z.ZodType {
  let schema = nested.get(Class)
  if (schema === undefined) {
    schema = markConfig(
      z.unknown().transform((value, ctx) => {
        if (value instanceof Class) return value
        const { issues } = check(Class, value)
        if (issues === undefined) {
          try {
            return Reflect.construct(Class, [value]) as object
          } catch (error) {
            const message = broken.get(error as object)
            if (message === undefined) throw error
            ctx.issues.push({ code: 'custom', message, input: value, path: [] })
            return z.NEVER
          }
        }
        for (const issue of issues) ctx.issues.push({ ...issue, input: value } as never)
        return z.NEVER
      }),
      Class,
    )
    nested.set(Class, schema)
  }
  return schema
}

/** What a rule said against the configuration of an error: one of a nested configuration is an issue of the whole. */
const broken = new WeakMap<object, string>()

function obey(Class: AnyConfigClass, rule: Rule, config: object): void {
  const problem: unknown = rule(config)
  if (problem === undefined) return
  if (typeof problem === 'string') {
    const error = new ConfigError(`${Class.name || 'Config'} refuses its input: ${problem}`)
    broken.set(error, problem)
    throw error
  }
  throw new DeclarationError(`the check of ${Class.name || 'a Config'} returned ${typeof problem}`, {
    hint: 'return a text that says what is wrong, or undefined',
  })
}

type Issue = z.core.$ZodIssue

/** Parses; what zod would drop in silence is an issue too. */
function check(
  Class: AnyConfigClass,
  input: unknown,
): { data: Record<string, unknown>; issues?: undefined } | { issues: readonly Issue[]; cause?: Error } {
  const result = objectSchema(Class).safeParse(input)
  const dropped: Issue[] = droppedFields(objectSchema(Class), input).map(({ path, key }) => ({
    code: 'unrecognized_keys',
    keys: [key],
    path: [...path],
    message: 'no such field',
  }))
  if (!result.success) return { issues: [...result.error.issues, ...dropped], cause: result.error }
  return dropped.length === 0 ? { data: result.data } : { issues: dropped }
}

function parse(Class: AnyConfigClass, input: unknown): Record<string, unknown> {
  if (input instanceof Class) {
    const fields = input as Record<string, unknown>
    const own = Object.fromEntries(Object.keys(Class.shape).map((name) => [name, fields[name]]))
    // Parsed already; once more would send what a transform made through it again.
    if (input.constructor === Class) return own
    return parse(Class, own)
  }
  const result = check(Class, input)
  if (result.issues === undefined) return result.data
  const lines = result.issues.flatMap((issue) => {
    const at = issue.path.map(String).join('.')
    if (issue.code !== 'unrecognized_keys') return `${at || 'it'}: ${issue.message}`
    const known = fieldsAt(objectSchema(Class), issue.path)
    return issue.keys.map((key) => {
      const near = nearest(key, known)
      return `${at === '' ? key : `${at}.${key}`}: no such field${near === undefined ? '' : `; did you mean ${near}?`}`
    })
  })
  throw new ConfigError(`${Class.name || 'Config'} refuses its input: ${lines.join('; ')}`, { cause: result.cause })
}

function didYouMean(name: string, known: readonly string[]): { hint: string } {
  const near = nearest(name, known)
  return { hint: near === undefined ? `its fields are ${known.join(', ')}` : `did you mean ${near}?` }
}

/** A deeply frozen copy of plain objects and lists: what the caller gave stays the caller's. Cycles are kept. */
function frozenCopy(value: unknown, made: Map<object, object> = new Map()): unknown {
  if (value === null || typeof value !== 'object' || isConfig(value as unknown)) return value
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
    Object.defineProperty(copy, key, { value: frozenCopy(copy[key], made), enumerable: true })
  }
  return Object.freeze(copy)
}
