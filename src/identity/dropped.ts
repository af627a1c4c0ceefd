import type { z } from 'zod'
import { configOf, unwrap } from './marks.js'

/** A field of an input that its schema has no place for. */
export interface Dropped {
  readonly path: readonly PropertyKey[]
  readonly key: string
}

interface Def {
  readonly type: string
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly catchall?: z.ZodType
  readonly element?: z.ZodType
  readonly valueType?: z.ZodType
}

/**
 * The fields of plain objects below the top of an input that zod leaves out without a word: a misspelt `lrr` would silently be the
 * default. Members of a union are not looked into, for which of them was meant is not known; nested Config classes see to their own.
 */
export function droppedFields(schema: z.ZodType, input: unknown, path: readonly PropertyKey[] = []): Dropped[] {
  const inner = unwrap(schema)
  if (input === null || typeof input !== 'object' || configOf(inner) !== undefined) return []
  const { type, shape, catchall, element, valueType } = inner.def as unknown as Def
  if (type === 'array' && Array.isArray(input)) {
    return input.flatMap((item, i) => droppedFields(element!, item, [...path, i]))
  }
  if (type === 'record' && !Array.isArray(input)) {
    return Object.entries(input).flatMap(([key, item]) => droppedFields(valueType!, item, [...path, key]))
  }
  if (shape === undefined || Array.isArray(input)) return []
  return Object.entries(input).flatMap(([key, item]) => {
    if (Object.hasOwn(shape, key)) return droppedFields(shape[key]!, item, [...path, key])
    return catchall === undefined ? [{ path, key }] : []
  })
}

/** Names of the fields of the object at a path; none where there is no object with fields. */
export function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const inner = unwrap(schema)
  const { shape, element, valueType } = inner.def as unknown as Def
  const fields = configOf(inner)?.shape ?? shape
  const [first, ...rest] = path
  if (first === undefined) return Object.keys(fields ?? {})
  const field = fields === undefined ? (element ?? valueType) : fields[String(first)]
  if (field === undefined) return []
  return fieldsAt(typeof field === 'function' ? field.schema() : field, rest)
}
