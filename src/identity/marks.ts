import { z } from 'zod'
import type { AnyConfigClass } from './config.js'

type Mark = 'ignored' | 'secret' | 'file' | 'folder'

// What zod itself cannot say about a field stands in the schema's definition: what refines or describes a schema copies that.
const markKey = Symbol.for('curio.mark')
const classKey = Symbol.for('curio.class')

function withNote<T extends z.ZodType>(schema: T, key: symbol, note: unknown): T {
  return schema.clone({ ...schema.def, [key]: note } as never) as T
}

function noteOf(schema: z.ZodType, key: symbol): unknown {
  return (schema.def as unknown as Record<symbol, unknown>)[key]
}

/**
 * A field that does not count: worker numbers, log levels, output folders. Changing it finds the same results; the entry keeps it
 * for people: `ignored(z.int().default(4))`.
 */
export function ignored<T extends z.ZodType>(schema: T): T {
  return withNote(schema, markKey, 'ignored' satisfies Mark)
}

/** What stands in the place of a secret. */
export const hiddenSecret = '***'

/**
 * A field that does not count and is shown nowhere: tokens, passwords. In entries, in YAML and where the configuration is printed it is
 * `***`.
 */
export function secret<T extends z.ZodType>(schema: T): T {
  return withNote(schema, markKey, 'secret' satisfies Mark)
}

/** A path to a file that counts by the file's content; the path itself does not. The body gets the path. */
export function inputFile(): z.ZodString {
  return withNote(z.string().min(1), markKey, 'file' satisfies Mark)
}

/** A path to a folder that counts by the relative paths and contents of the files in it. */
export function inputDir(): z.ZodString {
  return withNote(z.string().min(1), markKey, 'folder' satisfies Mark)
}

export function markOf(schema: z.ZodType): Mark | undefined {
  return noteOf(schema, markKey) as Mark | undefined
}

export function markConfig<T extends z.ZodType>(schema: T, Class: AnyConfigClass): T {
  return withNote(schema, classKey, Class)
}

/** The Config class a schema stands for. */
export function configOf(schema: z.ZodType): AnyConfigClass | undefined {
  return noteOf(schema, classKey) as AnyConfigClass | undefined
}

/** The classes a field may be of, and the field that says which. */
export interface Variants {
  readonly discriminator: string
  /** By what the discriminator says. */
  classes(): ReadonlyMap<string, AnyConfigClass>
}

const variantsKey = Symbol.for('curio.variants')

export function markVariants<T extends z.ZodType>(schema: T, variants: Variants): T {
  return withNote(schema, variantsKey, variants)
}

/** The classes a schema chooses from. */
export function variantsOf(schema: z.ZodType): Variants | undefined {
  return noteOf(schema, variantsKey) as Variants | undefined
}

/** Which of the classes a configuration is of: its own, or the nearest that its own extends. */
export function variantOf(variants: Variants, config: object): { tag: string; Class: AnyConfigClass } | undefined {
  let found: { tag: string; Class: AnyConfigClass } | undefined
  for (const [tag, Class] of variants.classes()) {
    const isNearer = found === undefined || Object.prototype.isPrototypeOf.call(found.Class, Class)
    if (config instanceof Class && isNearer) found = { tag, Class }
  }
  return found
}

const infraKey = Symbol.for('curio.infra')

/** The method by which a parsed value ties itself to the configuration it is a field of: it returns what the field holds then. */
export const bind: unique symbol = Symbol.for('curio.bind') as never

/** What an object that is no plain data was made from: what a copy of it, here or in a worker, is made from. */
export const given: unique symbol = Symbol.for('curio.given') as never

/** A field that says where and how to run and to keep results. Of it only the version counts. */
export function markInfra<T extends z.ZodType>(schema: T): T {
  return withNote(schema, infraKey, true)
}

/** Whether a field was marked so, inside or outside of its default. */
export function isInfra(schema: z.ZodType): boolean {
  return noteOf(unwrap(schema), infraKey) === true
}

const wrappers = new Set(['optional', 'nullable', 'default', 'prefault', 'readonly', 'nonoptional', 'catch'])

/**
 * A schema without what only says that its value may be missing; stops at a mark.
 *
 * @param later whether a lazy schema is made now: while a class is being declared it may name classes that come later.
 */
export function unwrap(schema: z.ZodType, later = true): z.ZodType {
  let inner = schema
  while (markOf(inner) === undefined) {
    if (later && inner.def.type === 'lazy') inner = lazily(inner)
    else if (wrappers.has(inner.def.type)) inner = (inner.def as unknown as { innerType: z.ZodType }).innerType
    else break
  }
  return inner
}

function lazily(schema: z.ZodType): z.ZodType {
  return (schema._zod as unknown as { innerType: z.ZodType }).innerType
}

/** Whether a field was marked as one that does not count, inside or outside of its default. */
export function isIgnored(schema: z.ZodType): boolean {
  return ['ignored', 'secret'].includes(markOf(unwrap(schema)) ?? '')
}

/** Whether a field was marked as one that is shown nowhere. */
export function isSecret(schema: z.ZodType): boolean {
  return markOf(unwrap(schema)) === 'secret'
}

const counted = new WeakMap<z.ZodType, z.ZodType>()

/** A schema without what only says that its value may be missing; an ignored field's as it would be if it counted. */
export function unmarked(schema: z.ZodType): z.ZodType {
  const inner = unwrap(schema)
  if (markOf(inner) !== 'ignored') return inner
  if (!counted.has(inner)) counted.set(inner, unmarked(withNote(inner, markKey, undefined)))
  return counted.get(inner)!
}

/** Whether a schema, or one anywhere in it, passes a test; of what is ignored nothing below is asked. */
function holds(schema: z.ZodType, test: (one: z.ZodType) => boolean, seen: Set<unknown> = new Set()): boolean {
  if (seen.has(schema)) return false
  seen.add(schema)
  if (test(schema)) return true
  const mark = markOf(schema)
  return mark !== 'ignored' && mark !== 'secret' && partsOf(schema).some((part) => holds(part, test, seen))
}

function partsOf(schema: z.ZodType): readonly z.ZodType[] {
  const Class = configOf(schema)
  if (Class !== undefined) {
    return Object.values(Class.shape).map((field) => (typeof field === 'function' ? field.schema() : field))
  }
  const variants = variantsOf(schema)
  if (variants !== undefined) return [...variants.classes().values()].map((variant) => variant.schema())
  const parts = schema.def.type === 'lazy' ? [lazily(schema)] : Object.values(schema.def)
  return parts
    .flatMap((part: unknown) =>
      isSchema(part) || part === null || typeof part !== 'object' ? [part] : Object.values(part),
    )
    .filter(isSchema)
}

/** Whether an input file or folder is declared anywhere in a schema. */
export function holdsFile(schema: z.ZodType): boolean {
  return holds(schema, (one) => markOf(one) === 'file' || markOf(one) === 'folder')
}

/** Whether a secret is declared anywhere in a schema. */
export function holdsSecret(schema: z.ZodType): boolean {
  return holds(schema, (one) => markOf(one) === 'secret')
}

/** Whether anything in a schema makes another value of what is given. */
export function holdsPipe(schema: z.ZodType): boolean {
  return holds(schema, (one) => one.def.type === 'pipe')
}

const openKey = Symbol.for('curio.open')

/** A field for configurations of any class that names itself, alone or in lists and objects: steps. */
export function markOpen<T extends z.ZodType>(schema: T): T {
  return withNote(schema, openKey, true)
}

export function isOpen(schema: z.ZodType): boolean {
  return noteOf(schema, openKey) === true
}

/** How a class that may stand in such a field is called: in data by a field and a name, in keys by an id. */
export interface Tag {
  readonly field: string
  readonly name: string
  readonly id: string
}

/** Static property of a class that names itself. */
export const tag: unique symbol = Symbol.for('curio.tag') as never

/** Of a configuration that is nothing but others in sequence: those. It counts as they do. */
export const sequence: unique symbol = Symbol.for('curio.sequence') as never

/** How a configuration's class names itself; undefined for one that does not. */
export function tagOf(config: object): Tag | undefined {
  return (config.constructor as { readonly [tag]?: Tag })[tag]
}

const special = new WeakMap<z.ZodType, boolean>()

/** Whether values of a schema hold more than data: configurations, or what a mark says something of. */
export function isSpecial(schema: z.ZodType): boolean {
  let known = special.get(schema)
  if (known === undefined) {
    known = holds(
      schema,
      (one) => configOf(one) !== undefined || variantsOf(one) !== undefined || markOf(one) !== undefined || isOpen(one),
    )
    special.set(schema, known)
  }
  return known
}

/** True for a zod schema; the checks in a schema's definition look alike but are none. */
export function isSchema(value: unknown): value is z.ZodType {
  return typeof value === 'object' && value !== null && '_zod' in value && 'def' in value && 'safeParse' in value
}
