/** What an object has, by what its schema says of it. */
import { z } from 'zod'
import { byCodeUnit } from './canonical.js'
import type { AnyConfigClass } from './config.js'
import { isConfig } from './instances.js'
import { configOf, unwrap, variantOf, variantsOf } from './marks.js'

const fieldsOf = new WeakMap<object, Record<string, z.ZodType>>()

/** The zod schemas of a shape; a Config class stands for the schema of its instances. */
export function fields(shape: Readonly<Record<string, z.ZodType | AnyConfigClass>>): Record<string, z.ZodType> {
  let found = fieldsOf.get(shape)
  if (found === undefined) {
    found = Object.fromEntries(
      Object.entries(shape).map(([name, field]) => [name, typeof field === 'function' ? field.schema() : field]),
    )
    fieldsOf.set(shape, found)
  }
  return found
}

/** A member of an object, by its schema. */
export interface Member {
  readonly name: string
  readonly schema: z.ZodType
  readonly value: unknown
}

/** The members of an object, in order, where a value is exactly what its schema says: they may be judged one by one. */
export function membersOf(schema: z.ZodType, value: unknown): readonly Member[] | undefined {
  if (value === null || typeof value !== 'object') return undefined
  const inner = unwrap(schema)
  const chosen = isVariant(inner, value) ? variantOf(variantsOf(inner)!, value) : undefined
  const Class = chosen?.Class ?? configOf(inner)
  if (Class !== undefined) {
    if (foreignClass(Class, value) !== undefined) return undefined
    const shape = fields(Class.shape)
    if (chosen === undefined) return inOrder(shape, value)
    const name = variantsOf(inner)!.discriminator
    const rest = inOrder(shape, value).filter((member) => member.name !== name)
    return [...rest, { name, schema: z.literal(chosen.tag), value: chosen.tag }].sort(byName)
  }
  const def = inner.def as { type: string; shape?: Record<string, z.ZodType>; catchall?: z.ZodType }
  if (def.type !== 'object') return undefined
  // What a loose object let through has no schema, so no default: the object is judged whole.
  if (Object.keys(value).some((key) => !Object.hasOwn(def.shape!, key))) return undefined
  return inOrder(def.shape!, value)
}

function inOrder(shape: Record<string, z.ZodType>, value: object): Member[] {
  const values = value as Record<string, unknown>
  return Object.entries(shape)
    .map(([name, schema]) => ({ name, schema, value: values[name] }))
    .sort(byName)
}

function byName(a: Member, b: Member): number {
  return byCodeUnit(a.name, b.name)
}

/** Whether a value is a configuration that was chosen from several classes. */
export function isVariant(schema: z.ZodType, value: unknown): value is object {
  return isConfig(value) && variantsOf(unwrap(schema)) !== undefined
}

/**
 * The class of a nested configuration that is not exactly of the declared one: a subclass, with fields and methods of its own, or one
 * with own properties besides its fields. Undefined for one that is.
 */
export function foreignClass(Class: AnyConfigClass, value: object): AnyConfigClass | undefined {
  const own = value.constructor as unknown as AnyConfigClass
  const isExact = own === Class && Object.keys(value).every((key) => Object.hasOwn(Class.shape, key))
  return isExact ? undefined : own
}
