import { z } from 'zod'
import type { AnyConfigClass } from './config.js'

type Mark = 'ignored' | 'file' | 'folder'

/** What zod itself cannot say about a field. Kept beside the schema, on an instance of its own. */
const marks = new WeakMap<z.ZodType, Mark>()
const configs = new WeakMap<z.ZodType, AnyConfigClass>()

function marked<T extends z.ZodType>(schema: T, mark: Mark): T {
  const own = schema.clone() as T
  marks.set(own, mark)
  return own
}

/**
 * A field that does not count: worker numbers, log levels, output folders. Changing it finds the same results; the entry keeps it
 * for people. Wrap the whole schema: `ignored(z.int().default(4))`.
 */
export function ignored<T extends z.ZodType>(schema: T): T {
  return marked(schema, 'ignored')
}

/** A path to a file that counts by the file's content; the path itself does not. The body gets the path. */
export function inputFile(): z.ZodString {
  return marked(z.string().min(1), 'file')
}

/** A path to a folder that counts by the relative paths and contents of the files in it. */
export function inputDir(): z.ZodString {
  return marked(z.string().min(1), 'folder')
}

export function markOf(schema: z.ZodType): Mark | undefined {
  return marks.get(schema)
}

export function markConfig<T extends z.ZodType>(schema: T, Class: AnyConfigClass): T {
  configs.set(schema, Class)
  return schema
}

/** The Config class a schema stands for. */
export function configOf(schema: z.ZodType): AnyConfigClass | undefined {
  return configs.get(schema)
}
