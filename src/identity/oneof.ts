import { z } from 'zod'
import { DeclarationError, nearest } from '../errors.js'
import type { AnyConfigClass } from './config.js'
import { classOf, isConfig, isConfigClass } from './instances.js'
import { configOf, isSchema, markVariants, unwrap, type Variants, variantOf, variantsOf } from './marks.js'

/** What a member of a union takes: its own input, and the discriminator even where its class has a default for it. */
export type VariantInput<D extends string, C> = C extends abstract new (
  ...args: infer A
) => infer I
  ? I | (Exclude<A[0], undefined> & { readonly [K in D]: K extends keyof I ? I[K] : string })
  : never

/**
 * A field that is a configuration of one of several classes, and says which: `oneOf('name', [Conv, Transformer])` takes
 * `{ name: 'conv', layers: 3 }`, or an instance. It can be optional, in lists and in records.
 *
 * What the discriminator says is the class's own field of that name, `name: z.literal('conv').default('conv')`; for a class without one,
 * the class's name. In the key of the configuration that has the field it always counts; in that of the variant alone it never does.
 *
 * @param classes the classes, or a function that gives them, for classes that come later or are known by then.
 * @throws {DeclarationError} for classes that cannot be told apart.
 */
export function oneOf<D extends string, const C extends AnyConfigClass>(
  discriminator: D,
  classes: readonly C[] | (() => readonly C[]),
): z.ZodType<InstanceType<C>, VariantInput<D, C>> {
  let known: { readonly list: readonly C[]; readonly byTag: ReadonlyMap<string, C> } | undefined
  const variants = {
    discriminator,
    classes(): ReadonlyMap<string, C> {
      const list = typeof classes === 'function' ? classes() : classes
      if (known?.list !== list || known.byTag.size !== list.length) known = { list, byTag: tagged(discriminator, list) }
      return known.byTag
    },
  }
  if (typeof classes !== 'function') variants.classes()
  const noted = (config: object): object => {
    chosen.set(config, variants)
    return config
  }
  const schema = z.unknown().transform((value, ctx) => {
    const refuse = (path: PropertyKey[], message: string): never => {
      ctx.issues.push({ code: 'custom', message, input: value, path })
      return z.NEVER
    }
    const byTag = variants.classes()
    const all = [...byTag.keys()].join(', ')
    if (isConfig(value)) {
      if (variantOf(variants, value) !== undefined) return noted(value) as InstanceType<C>
      return refuse([], `a ${classOf(value).name} is none of ${all}`)
    }
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isObject) return refuse([], `expected an object with ${discriminator}: ${all}`)
    const tag = Object.hasOwn(value, discriminator) ? (value as Record<string, unknown>)[discriminator] : undefined
    if (tag === undefined) return refuse([discriminator], `missing, and says which: ${all}`)
    const Class = typeof tag === 'string' ? byTag.get(tag) : undefined
    if (Class === undefined) {
      const near = nearest(String(tag), [...byTag.keys()])
      return refuse(
        [discriminator],
        `${JSON.stringify(tag)} is none of ${all}${near === undefined ? '' : `; did you mean ${near}?`}`,
      )
    }
    const result = Class.schema().safeParse(hasField(Class, discriminator) ? value : without(value, discriminator))
    if (result.success) return noted(result.data as object) as InstanceType<C>
    for (const issue of result.error.issues) ctx.issues.push({ ...issue, input: value } as never)
    return z.NEVER
  })
  return markVariants(schema as unknown as z.ZodType<InstanceType<C>, VariantInput<D, C>>, variants)
}

function hasField(Class: AnyConfigClass, name: string): boolean {
  return Object.hasOwn(Class.shape, name)
}

function without(value: object, name: string): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name))
}

/** The classes by what the discriminator says of each. */
function tagged<C extends AnyConfigClass>(discriminator: string, classes: readonly C[]): Map<string, C> {
  const found = new Map<string, C>()
  for (const Class of classes) {
    if (!isConfigClass(Class)) throw new DeclarationError(`oneOf('${discriminator}') takes Config classes`)
    const tag = tagOf(discriminator, Class)
    const before = found.get(tag)
    if (before !== undefined) {
      throw new DeclarationError(`${before.name} and ${Class.name} are both ${discriminator}: ${tag}`)
    }
    found.set(tag, Class)
  }
  return found
}

function tagOf(discriminator: string, Class: AnyConfigClass): string {
  if (!hasField(Class, discriminator)) {
    if (Class.name !== '') return Class.name
    throw new DeclarationError(`a class without a name needs a field ${discriminator} that says which it is`)
  }
  const field = Class.shape[discriminator]!
  const literal = isSchema(field) ? (unwrap(field).def as { type: string; values?: unknown[] }) : undefined
  const [tag, another] = literal?.type === 'literal' ? (literal.values ?? []) : []
  const isDefault = isSchema(field) && field.safeParse(undefined).data === tag
  if (typeof tag === 'string' && another === undefined && isDefault) return tag
  // Without the default every variant on its own would have to be told what it is, and its key would hold it.
  throw new DeclarationError(`field ${discriminator} of ${Class.name} does not say which class it is`, {
    hint: `declare it as z.literal('…').default('…'), or leave it out and let it be the class's name`,
  })
}

/** Refuses a choice of several classes that nothing tells apart: the first one that takes the input would win. */
export function refuseOpenUnion(name: string, schema: z.ZodType, seen: Set<unknown> = new Set()): void {
  if (seen.has(schema) || configOf(schema) !== undefined || variantsOf(schema) !== undefined) return
  seen.add(schema)
  const { type, options } = schema.def as { type: string; options?: readonly z.ZodType[] }
  if (type === 'union') {
    const classes = options!.filter((option) => {
      const inner = unwrap(option, false)
      return configOf(inner) !== undefined || variantsOf(inner) !== undefined
    })
    if (classes.length > 1) {
      throw new DeclarationError(`field ${name} is one of several configurations, and nothing says which`, {
        hint: `oneOf('name', [A, B])`,
      })
    }
  }
  for (const part of Object.values(schema.def).flat()) if (isSchema(part)) refuseOpenUnion(name, part, seen)
}

const chosen = new WeakMap<object, Variants>()

/** Notes which union a configuration was chosen in: a change of its discriminator makes it one of another class. */
export function switches(config: unknown, change: ReadonlyMap<string, unknown>): boolean {
  const variants = isConfig(config) ? chosen.get(config) : undefined
  const tag = variants === undefined ? undefined : change.get(variants.discriminator)
  return typeof tag === 'string' && !(config instanceof (variants!.classes().get(tag) ?? Object))
}

/** Input of a variant's own class, which need not have a field for what says that it is that class. */
export function ownInput(config: object, input: Readonly<Record<string, unknown>>): object {
  const discriminator = chosen.get(config)?.discriminator
  return discriminator === undefined || hasField(classOf(config), discriminator) ? input : without(input, discriminator)
}

/** The input of a configuration for a field that is one of several classes: it says which. */
export function taggedInput(config: object, input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const variants = chosen.get(config)
  const tag = variants === undefined ? undefined : variantOf(variants, config)?.tag
  return tag === undefined ? { ...input } : { ...input, [variants!.discriminator]: tag }
}
