import type { z } from 'zod'
import { DeclarationError, NotEncodableError } from '../errors.js'
import { byCodeUnit, canonical, describe } from './canonical.js'
import type { AnyConfigClass } from './config.js'
import { type FileIdentity, fileIdentity, folderIdentity } from './files.js'
import { configOf, holdsFile, isIgnored, markOf, unwrap } from './marks.js'

/** What of a configuration counts, and what else there is to say about it (design rule 4). */
export interface ParamsIdentity {
  /** Canonical text of each field that counts. */
  readonly key: Record<string, string>
  /** Every field that counts or was dropped for being its default, dotted, as canonical text. */
  readonly params: Record<string, string>
  readonly ignored: Record<string, string>
  /** Defaults of the fields that were dropped for being equal to them, dotted. */
  defaults: Record<string, string>
  /** What the uid shows, by field. */
  readonly labels: Record<string, string>
  /** Input files, as they were when their content was read. */
  readonly files: FileIdentity[]
}

/** The zod schemas of a shape; a Config class stands for the schema of its instances. */
export function fields(shape: Readonly<Record<string, z.ZodType | AnyConfigClass>>): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(shape).map(([name, field]) => [name, typeof field === 'function' ? field.schema() : field]),
  )
}

/**
 * Identity of the named fields of a configuration. Dropped: ignored fields, and values equal to today's default. Required fields
 * stay, and null is a value. Input files count by content.
 *
 * @param undeclared nobody said which class the values are of: then nothing is dropped, for another class may have other defaults.
 * @throws {NotEncodableError} with the field's path.
 */
export async function paramsIdentity(
  shape: AnyConfigClass['shape'],
  values: Readonly<Record<string, unknown>>,
  names: readonly string[],
  undeclared = false,
): Promise<ParamsIdentity> {
  const out: ParamsIdentity = { key: {}, params: {}, ignored: {}, defaults: {}, labels: {}, files: [] }
  const schemas = fields(shape)
  for (const name of [...names].sort(byCodeUnit)) {
    const text = await fieldText(schemas[name]!, values[name], name, out)
    if (undeclared && !isIgnored(schemas[name]!)) {
      out.key[name] = await textOf(schemas[name]!, values[name], name, { ...out, files: [] })
      out.defaults = {}
    } else if (text !== undefined) out.key[name] = text
    if (text === undefined) continue
    out.labels[name] = label(values[name], text)
  }
  return out
}

/** Identity of parameters that are no Config: every field counts. */
export function plainIdentity(values: Readonly<Record<string, unknown>>): ParamsIdentity {
  const out: ParamsIdentity = { key: {}, params: {}, ignored: {}, defaults: {}, labels: {}, files: [] }
  for (const name of Object.keys(values).sort(byCodeUnit)) {
    if (name === '__proto__') throw new NotEncodableError('params', 'has a key __proto__')
    const text = encode(values[name], `params.${name}`)
    out.key[name] = text
    out.params[name] = text
    out.labels[name] = label(values[name], text)
  }
  return out
}

/** Canonical text of a field, or undefined when it does not count; notes what it finds in `out`. */
async function fieldText(
  schema: z.ZodType,
  value: unknown,
  path: string,
  out: ParamsIdentity,
): Promise<string | undefined> {
  if (isIgnored(schema)) {
    out.ignored[path] = describe(value)
    return undefined
  }
  const text = await textOf(schema, value, path, out)
  const standard = await defaultText(schema, path, out)
  if (standard === text) {
    await noteDefaults(schema, value, path, out)
    return undefined
  }
  const parts = memberSchemas(schema, value)
  if (parts === undefined) {
    out.params[path] = text
    return text
  }
  const members: string[] = []
  for (const [name, part] of Object.entries(parts).sort(([a], [b]) => byCodeUnit(a, b))) {
    const at = memberPath(path, name)
    const member = await fieldText(part, (value as Record<string, unknown>)[name], at, out)
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${member}`)
  }
  return `{${members.join(',')}}`
}

/** Notes the defaults of what was dropped, field by field: one that is added to a nested object later changes none of the others. */
async function noteDefaults(schema: z.ZodType, value: unknown, path: string, out: ParamsIdentity): Promise<void> {
  const parts = memberSchemas(schema, value)
  if (parts === undefined) {
    out.defaults[path] = await textOf(schema, value, path, { ...out, files: [] })
    out.params[path] = out.defaults[path]
    return
  }
  for (const [name, part] of Object.entries(parts)) {
    if (isIgnored(part)) continue
    await noteDefaults(part, (value as Record<string, unknown>)[name], memberPath(path, name), out)
  }
}

function memberPath(path: string, name: string): string {
  return `${path}.${/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)}`
}

/** The schemas of a plain object's members, where a value is exactly that: its fields may be judged one by one. */
function memberSchemas(schema: z.ZodType, value: unknown): Record<string, z.ZodType> | undefined {
  if (value === null || typeof value !== 'object') return undefined
  const inner = unwrap(schema)
  const Class = configOf(inner)
  if (Class !== undefined) return foreignClass(Class, value) === undefined ? fields(Class.shape) : undefined
  const def = inner.def as { type: string; shape?: Record<string, z.ZodType>; catchall?: z.ZodType }
  if (def.type !== 'object') return undefined
  // What a loose object let through has no schema, so no default: the object is judged whole.
  if (Object.keys(value).some((key) => !Object.hasOwn(def.shape!, key))) return undefined
  return def.shape
}

/**
 * The class of a nested configuration that is not exactly of the declared one: a subclass, with fields and methods of its own, or one
 * with own properties besides its fields. Undefined for one that is.
 */
function foreignClass(Class: AnyConfigClass, value: object): AnyConfigClass | undefined {
  const own = value.constructor as unknown as AnyConfigClass
  const isExact = own === Class && Object.keys(value).every((key) => Object.hasOwn(Class.shape, key))
  return isExact ? undefined : own
}

/** The whole canonical text of a value, input files in it by content. */
async function textOf(schema: z.ZodType, value: unknown, path: string, out: ParamsIdentity): Promise<string> {
  const inner = unwrap(schema)
  const mark = markOf(inner)
  if (typeof value === 'string' && (mark === 'file' || mark === 'folder')) {
    const identity = await (mark === 'file' ? fileIdentity(value) : folderIdentity(value))
    out.files.push(identity)
    return identity.text
  }
  const Class = configOf(inner)
  const def = inner.def as {
    type: string
    shape?: Record<string, z.ZodType>
    catchall?: z.ZodType
    element?: z.ZodType
  }
  const foreign =
    Class !== undefined && value !== null && typeof value === 'object' ? foreignClass(Class, value) : undefined
  const actual = foreign ?? Class
  const shape = actual === undefined ? def.shape : fields(actual.shape ?? {})
  if (shape !== undefined && value !== null && typeof value === 'object') {
    if (def.catchall !== undefined) refuseFiles(def.catchall, path)
    const members: string[] = []
    for (const name of Object.keys(value).sort(byCodeUnit)) {
      const member = (value as Record<string, unknown>)[name]
      const part = Object.hasOwn(shape, name) ? shape[name]! : undefined
      if (part !== undefined && isIgnored(part)) continue
      const at = `${path}.${name}`
      members.push(
        `${JSON.stringify(name)}:${part === undefined ? canonical(member, at) : await textOf(part, member, at, out)}`,
      )
    }
    const text = `{${members.join(',')}}`
    return foreign === undefined
      ? text
      : `Id<${JSON.stringify(`config ${(foreign as { name?: string }).name ?? ''}`)},${text}>`
  }
  if (def.type === 'array' && Array.isArray(value)) {
    const items: string[] = []
    for (const [i, item] of value.entries()) items.push(await textOf(def.element!, item, `${path}[${i}]`, out))
    return `[${items.join(',')}]`
  }
  if (mark === undefined) refuseFiles(inner, path)
  return encode(value, path)
}

function encode(value: unknown, path: string): string {
  try {
    return canonical(value, path)
  } catch (error) {
    if (!(error instanceof NotEncodableError)) throw error
    throw new NotEncodableError(error.path, error.reason, {
      cause: error,
      hint: 'use plain data for the field; where a transform makes an object of it, use z.codec, or mark the field ignored()',
    })
  }
}

/** What is encoded whole would count an input file in it by its path: a change of the file would go unseen. */
function refuseFiles(schema: z.ZodType, path: string): void {
  if (!holdsFile(schema)) return
  throw new DeclarationError(`${path}: an input file cannot stand in a ${schema.def.type}`, {
    hint: 'make it a field of its own, a field of an object, or a member of a list; where it may be missing, inputFile().optional()',
  })
}

/** Canonical text of a field's default; undefined when it has none, or one that is different each time. */
async function defaultText(schema: z.ZodType, path: string, out: ParamsIdentity): Promise<string | undefined> {
  const [first, second] = [schema.safeParse(undefined), schema.safeParse(undefined)]
  if (!first.success || !second.success) return undefined
  const throwaway = { ...out, files: [] }
  if (hasFile(schema, first.data)) return undefined
  const text = await textOf(schema, first.data, path, throwaway)
  return text === (await textOf(schema, second.data, path, throwaway)) ? text : undefined
}

/** A default path is no default content: the file there may change, so the field always counts. */
function hasFile(schema: z.ZodType, value: unknown): boolean {
  if (value === undefined || value === null) return false
  const inner = unwrap(schema)
  const mark = markOf(inner)
  if (mark === 'file' || mark === 'folder') return true
  const { element, shape } = inner.def as { element?: z.ZodType; shape?: Record<string, z.ZodType> }
  const parts = configOf(inner) === undefined ? shape : fields(configOf(inner)!.shape)
  if (parts !== undefined) {
    return Object.entries(parts).some(([name, part]) => hasFile(part, (value as Record<string, unknown>)[name]))
  }
  return element !== undefined && Array.isArray(value) && value.some((item) => hasFile(element, item))
}

/** Stands in the key's text, which is its place: it says nothing that the key does not, such as a file's name. */
function label(value: unknown, text: string): string {
  const file = /^(?:File|Folder)\(\d+,([0-9a-f]{12})/.exec(text)
  if (file !== null) return file[1]!
  return typeof value === 'string' ? value : text
}
