/** What a zod schema of a row says about columns. */
import type { ZodType } from 'zod'
import type { Hint, Kind } from './infer.js'

/** The parts of a zod schema's definition that are read here. */
interface Definition {
  readonly type: string
  readonly innerType?: ZodType
  readonly element?: ZodType
  readonly in?: ZodType
  readonly values?: readonly unknown[]
  readonly options?: readonly ZodType[]
  readonly shape?: Readonly<Record<string, ZodType>>
}

const kinds: Readonly<Record<string, Kind>> = {
  string: 'string',
  enum: 'string',
  number: 'number',
  bigint: 'bigint',
  boolean: 'boolean',
  date: 'date',
  array: 'list',
  object: 'struct',
}

export function definition(schema: ZodType): Definition {
  return schema._zod.def as unknown as Definition
}

/** The schema below those that only say that a value may be missing. */
export function unwrapped(schema: ZodType): ZodType {
  const { type, innerType } = definition(schema)
  const wraps = ['optional', 'nullable', 'nonoptional', 'default', 'prefault', 'readonly', 'catch'].includes(type)
  return wraps && innerType !== undefined ? unwrapped(innerType) : schema
}

/** Hints by the names of columns. Empty where the schema is not that of an object. */
export function hintsOf(schema: ZodType): ReadonlyMap<string, Hint> {
  return hintOf(schema, 0).fields ?? new Map()
}

function hintOf(schema: ZodType, depth: number): Hint {
  const { type, element, shape, values, options } = definition(unwrapped(schema))
  if (options !== undefined && depth <= 8) return hintOfUnion(options, depth)
  const kind = kinds[type === 'literal' ? typeof values?.[0] : type]
  // A schema may name itself.
  if (kind === undefined || depth > 8) return {}
  if (element !== undefined) return { kind, item: hintOf(element, depth + 1) }
  if (shape === undefined) return { kind }
  return { kind, fields: new Map(Object.keys(shape).map((key) => [key, hintOf(shape[key]!, depth + 1)])) }
}

/** What its members have in common, but for null. */
function hintOfUnion(options: readonly ZodType[], depth: number): Hint {
  const members = options.filter((option) => !['null', 'undefined'].includes(definition(option).type))
  const [first = {}, ...others] = members.map((member) => hintOf(member, depth + 1))
  if (others.length === 0) return first
  return first.kind !== undefined && others.every(({ kind }) => kind === first.kind) ? { kind: first.kind } : {}
}

/** The schema of some columns. Undefined where it cannot be had: of what is no object, and of one whose checks may look at them all. */
export function picked(schema: ZodType | undefined, columns: readonly string[]): ZodType | undefined {
  if (schema === undefined) return undefined
  const { shape, checks } = definition(schema) as Definition & { readonly checks?: readonly unknown[] }
  if (shape === undefined || (checks?.length ?? 0) > 0) return undefined
  const known = columns.filter((name) => Object.hasOwn(shape, name))
  const { pick } = schema as unknown as { pick?: (mask: Record<string, true>) => ZodType }
  return pick?.call(schema, Object.fromEntries(known.map((name) => [name, true])))
}
