import { inspect } from 'node:util'
import type { z } from 'zod'
import { DeclarationError, nearest, refuseUnknown } from '../errors.js'
import { declaration } from './class-id.js'
import { type DeclaredAt, declaredAt } from './declared.js'
import { type Cloneable, changed, fromArguments } from './diff.js'
import { branded, classOf, fix, frozenCopy, inputs, isConfig, isConfigClass, printed } from './instances.js'
import { bind, given, isSchema, isSecret } from './marks.js'
import { fields as fieldsOf } from './members.js'
import { ownInput, refuseOpenUnion, switches, taggedInput } from './oneof.js'
import { defaultsOf, obey, parse, type Rule, refusesValue, schemaOf, whole } from './parse.js'
import { parseJson, parseYaml } from './text.js'

export { isConfig, isConfigClass } from './instances.js'

/** A zod shape whose fields may also be Config classes. */
export type ConfigShape = Readonly<Record<string, z.ZodType | AnyConfigClass>>

type FieldSchema<F> = F extends z.ZodType
  ? F
  : F extends abstract new (
        ...args: infer A
      ) => infer I
    ? z.ZodType<I, Exclude<A[0], undefined> | I>
    : never
type ZodShape<S extends ConfigShape> = { [K in keyof S]: FieldSchema<S[K]> }

/** What the constructor takes: defaults may be left out. */
export type ConfigInput<S extends ConfigShape> = z.input<z.ZodObject<ZodShape<S>>>
/** The parsed fields, read-only. */
export type ConfigInstance<S extends ConfigShape> = [keyof S] extends [never]
  ? unknown
  : Readonly<z.output<z.ZodObject<ZodShape<S>>>>

/** What every configuration can do. */
export interface ConfigMethods {
  /**
   * Another one that differs by `diff`: nested, or with dotted names, `config.clone({ 'optim.lr': 0.1 })`. Objects are merged; with
   * `'=replace=': true` among its fields one takes the place of what was there. A place in a list is its number, `'layers.0.size'`.
   *
   * @throws {ConfigError} for what does not fit.
   */
  clone(diff?: Readonly<Record<string, unknown>>): this
}

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

/** A class of configurations: extend it, and instances carry the parsed fields. `I` is what an instance is. */
export interface ConfigClass<S extends ConfigShape, I = ConfigInstance<S>> {
  new (...args: ConfigArguments<S>): I & ConfigMethods
  readonly shape: S
  /** The zod schema of one instance: parses input, passes instances. */
  schema<T>(this: (abstract new (...args: never[]) => T) & { readonly shape: S }): z.ZodType<T, ConfigInput<S>>
  /**
   * A configuration from a command line: `Train.fromArgs(process.argv.slice(2))` for `--lr=0.1 --optim.name=sgd --verbose`. A value is JSON
   * where it can be and its field takes it, else text; a name alone is true.
   *
   * @throws {ConfigError} for what does not fit.
   */
  fromArgs<T>(this: (new (...args: never[]) => T) & { readonly shape: S }, args: readonly string[]): T
  /**
   * A configuration from YAML 1.2, such as `toYaml` writes. Other tags than its core's, names like `__proto__`, and aliases that make much
   * out of little are refused.
   *
   * @throws {ConfigError} for what does not fit.
   */
  fromYaml<T>(this: (new (...args: never[]) => T) & { readonly shape: S }, text: string): Promise<T>
  /** A configuration from JSON, such as of what `exported` gives. @throws {ConfigError} for what does not fit. */
  fromJson<T>(this: (new (...args: never[]) => T) & { readonly shape: S }, text: string): T
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
type Extended<S extends ConfigShape, B, E extends ConfigShape> = [keyof E] extends [never]
  ? B
  : ConfigInstance<E> extends Partial<ConfigInstance<S>>
    ? B & ConfigInstance<E>
    : Omit<B, keyof E> & ConfigInstance<E>

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
const reserved = new Set(['__proto__', 'constructor', 'prototype', 'clone'])
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
  const at = declaredAt()
  for (const [name, schema] of Object.entries(shape)) {
    if (!fieldName.test(name) || reserved.has(name)) {
      throw new DeclarationError(`a configuration cannot have a field called ${JSON.stringify(name)}`)
    }
    if (!isSchema(schema) && !isConfigClass(schema)) {
      throw new DeclarationError(`field ${name} is neither a zod schema nor a Config class`)
    }
    if (isSchema(schema)) refuseOpenUnion(name, schema)
  }

  const rule = options.check as Rule | undefined
  if (rule !== undefined && typeof rule !== 'function') {
    throw new DeclarationError('the check of a Config is a function of the parsed fields')
  }

  class ConfigBase {
    static readonly shape: ConfigShape = shape
    static readonly [declaration]: DeclaredAt | undefined = at
    static readonly checks: readonly Rule[] = rule === undefined ? [] : [rule]

    constructor(input: unknown = {}) {
      const Class = new.target as unknown as AnyConfigClass
      const own = input instanceof ConfigBase ? input : frozenCopy(input)
      const parsed = parse(Class, own)
      inputs.set(this, own instanceof ConfigBase ? (inputs.get(own) ?? {}) : (own as object))
      const fields: Record<string, unknown> = {}
      for (const [name, value] of Object.entries(parsed)) {
        fields[name] = tied(value, this, name)
      }
      fix(this, fields)
      for (const one of (Class as unknown as typeof ConfigBase).checks) obey(Class, one, this)
    }

    clone(diff: Readonly<Record<string, unknown>> = {}): this {
      const Class = classOf(this)
      const parsed = this as unknown as Record<string, unknown>
      const input = whole(Class, () => changed({ ...inputs.get(this) }, parsed, diff, cloneable))
      return Reflect.construct(Class as never, [input]) as this
    }

    [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: object): string {
      return `${this.constructor.name || 'Config'} ${inspect(this.toJSON(), options)}`
    }

    /** What logs write of it: its fields, secrets as `***`. */
    toJSON(): Record<string, unknown> {
      const { shape } = classOf(this)
      const hidden = Object.entries(fieldsOf(shape)).flatMap(([name, field]) => (isSecret(field) ? [name] : []))
      return printed(this, hidden)
    }

    static async fromYaml(text: string): Promise<object> {
      return Reflect.construct(this, [await parseYaml(text)]) as object
    }

    static fromJson(text: string): object {
      return Reflect.construct(this, [parseJson(text)]) as object
    }

    static fromArgs(args: readonly string[]): object {
      const { diff, texts } = fromArguments(args)
      const Class = this as unknown as AnyConfigClass
      const build = (change: Readonly<Record<string, unknown>>): object =>
        Reflect.construct(this, [whole(Class, () => changed({}, defaultsOf(Class), change, cloneable))]) as object
      const wantsText = (name: string): boolean => {
        if (typeof diff[name] === 'string' || texts[name] === undefined) return false
        return (
          refusesValue(() => build({ [name]: diff[name] }), name) &&
          !refusesValue(() => build({ [name]: texts[name] }), name)
        )
      }
      return build(
        Object.fromEntries(Object.keys(diff).map((name) => [name, wantsText(name) ? texts[name] : diff[name]])),
      )
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
      const base = Config({ ...this.shape, ...more }, options) as unknown as typeof ConfigBase
      const { shape, checks } = base
      const all = [...this.checks, ...checks]
      return class extends this {
        static override readonly shape: ConfigShape = shape
        static override readonly [declaration]: DeclaredAt | undefined = base[declaration]
        static override readonly checks: readonly Rule[] = all
      }
    }
  }
  return branded(ConfigBase) as unknown as ConfigClass<S>
}

/** The value of a field, its own: an infra, and steps anywhere in it, become ones of this configuration. */
function tied(value: unknown, owner: object, field: string): unknown {
  return tieIn(value, owner, field) ?? frozenCopy(value)
}

/** Undefined where there is nothing to tie. */
function tieIn(value: unknown, owner: object, field: string, seen: Set<object> = new Set()): unknown {
  if (value === null || typeof value !== 'object' || seen.has(value)) return undefined
  seen.add(value)
  const tie = (value as { [bind]?: (owner: object, field: string) => unknown })[bind]
  if (tie !== undefined) return tie.call(value, owner, field)
  const isList = Array.isArray(value)
  if (isConfig(value) || (!isList && Object.getPrototypeOf(value) !== Object.prototype)) return undefined
  const members = Object.entries(value).map(
    ([name, member]: [string, unknown]) => [name, member, tieIn(member, owner, field, seen)] as const,
  )
  if (members.every(([, , made]) => made === undefined)) return undefined
  const all = members.map(([name, member, made]) => [name, made ?? frozenCopy(member)] as const)
  return Object.freeze(isList ? all.map(([, member]) => member) : Object.fromEntries(all))
}

const cloneable: Cloneable = {
  inputOf: (value) => (isConfig(value) ? ({ ...inputs.get(value) } as Record<string, unknown>) : undefined),
  make: (like, input) => Reflect.construct(classOf(like) as never, [ownInput(like, input)]) as object,
  switches,
}

/**
 * What a configuration was made from, down to plain data.
 *
 * @param nested says what becomes of a configuration in it; default: what that was made from.
 */
export function madeFrom(config: object, nested?: (config: object) => unknown): Record<string, unknown> {
  return plainInput(inputs.get(config) ?? {}, nested) as Record<string, unknown>
}

function plainInput(value: unknown, nested: ((config: object) => unknown) | undefined): unknown {
  if (value === null || typeof value !== 'object') return value
  if (isConfig(value as unknown)) return nested?.(value) ?? taggedInput(value, madeFrom(value, nested))
  if (given in value) return plainInput(value[given], nested)
  if (Array.isArray(value)) return value.map((member) => plainInput(member, nested))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainInput(member, nested)]))
}

function didYouMean(name: string, known: readonly string[]): { hint: string } {
  const near = nearest(name, known)
  return { hint: near === undefined ? `its fields are ${known.join(', ')}` : `did you mean ${near}?` }
}
