import { z } from 'zod'
import type { AnyConfigClass } from './config.js'

type Mark = 'ignored' | 'file' | 'folder'

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

const wrappers = new Set(['optional', 'nullable', 'default', 'prefault', 'readonly', 'nonoptional', 'catch'])

/** A schema without what only says that its value may be missing; stops at a mark. */
export function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema
  while (wrappers.has(inner.def.type) && markOf(inner) === undefined) {
    inner = (inner.def as unknown as { innerType: z.ZodType }).innerType
  }
  return inner
}

/** Whether a field was marked as one that does not count, inside or outside of its default. */
export function isIgnored(schema: z.ZodType): boolean {
  return markOf(unwrap(schema)) === 'ignored'
}

/** Whether an input file or folder is declared anywhere in a schema. */
export function holdsFile(schema: z.ZodType, seen: Set<unknown> = new Set()): boolean {
  if (seen.has(schema)) return false
  seen.add(schema)
  const mark = markOf(schema)
  if (mark !== undefined) return mark !== 'ignored'
  const Class = configOf(schema)
  if (Class !== undefined) {
    return Object.values(Class.shape).some((field) =>
      holdsFile(typeof field === 'function' ? field.schema() : field, seen),
    )
  }
  const def = schema.def as unknown as Record<string, unknown>
  const parts =
    def.type === 'lazy' ? [(schema._zod as unknown as { innerType: unknown }).innerType] : Object.values(def)
  return parts
    .flatMap((part) => (isSchema(part) || part === null || typeof part !== 'object' ? [part] : Object.values(part)))
    .some((part) => isSchema(part) && holdsFile(part, seen))
}

/** True for a zod schema; the checks in a schema's definition look alike but are none. */
export function isSchema(value: unknown): value is z.ZodType {
  return typeof value === 'object' && value !== null && '_zod' in value && 'def' in value && 'safeParse' in value
}
