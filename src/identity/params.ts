import type { z } from 'zod'
import { CurioError, DeclarationError, NotEncodableError } from '../errors.js'
import { byCodeUnit, canonical, describe, Verbatim } from './canonical.js'
import { classId } from './class-id.js'
import type { AnyConfigClass } from './config.js'
import { dataOf } from './data.js'
import { type FileIdentity, fileIdentity, folderIdentity } from './files.js'
import { classOf, isConfig } from './instances.js'
import {
  configOf,
  holdsFile,
  holdsSecret,
  isIgnored,
  isInfra,
  isOpen,
  isSpecial,
  markOf,
  sequence,
  tagOf,
  unmarked,
  variantOf,
  variantsOf,
} from './marks.js'
import { fields, foreignClass, isVariant, membersOf } from './members.js'
import { withConfigs, withEach } from './within.js'

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

/** Texts that were made once in a walk need not be made again: each level asks for those of all levels below. */
export interface Memo {
  readonly texts: Map<object, Map<z.ZodType, { readonly text: string; readonly files: readonly FileIdentity[] }>>
  readonly defaults: Map<z.ZodType, string | undefined>
}

export function newMemo(): Memo {
  return { texts: new Map(), defaults: new Map() }
}

/** What a walk found, and knows. */
type Walk = ParamsIdentity & { readonly memo: Memo }

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
  const out = walkWith(newMemo())
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
  const { memo: _, ...found } = out
  return found
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
async function fieldText(schema: z.ZodType, value: unknown, path: string, out: Walk): Promise<string | undefined> {
  if (isIgnored(schema)) {
    out.ignored[path] = value === undefined ? 'undefined' : describe(await dataOf(schema, value, undefined))
    return undefined
  }
  if (isInfra(schema)) {
    const version = versionOf(value)
    out.params[`${path}.version`] = version
    return version === firstVersion ? undefined : `{"version":${version}}`
  }
  const text = await textOf(schema, value, path, out)
  const standard = await defaultText(schema, path, out)
  // Which variant it is always counts, so one is judged field by field even where it is the default.
  if (standard === text && !isVariant(schema, value)) {
    await noteDefaults(schema, value, path, out)
    return undefined
  }
  const parts = membersOf(schema, value)
  if (parts === undefined) {
    out.params[path] = text
    return text
  }
  const members: string[] = []
  for (const { name, schema: part, value: item } of parts) {
    const member = await fieldText(part, item, memberPath(path, name), out)
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${member}`)
  }
  return `{${members.join(',')}}`
}

/** Notes the defaults of what was dropped, field by field: one that is added to a nested object later changes none of the others. */
async function noteDefaults(schema: z.ZodType, value: unknown, path: string, out: Walk): Promise<void> {
  if (isInfra(schema)) {
    out.defaults[`${path}.version`] = versionOf(value)
    out.params[`${path}.version`] = versionOf(value)
    return
  }
  const parts = membersOf(schema, value)
  if (parts === undefined) {
    out.defaults[path] = await textOf(schema, value, path, { ...out, files: [] })
    out.params[path] = out.defaults[path]
    return
  }
  for (const { name, schema: part, value: item } of parts) {
    if (isIgnored(part)) continue
    await noteDefaults(part, item, memberPath(path, name), out)
  }
}

/** What a version is that nobody gave: a field for an infra may be added to a class later, and changes no key. */
const firstVersion = canonical('1')

function versionOf(infra: unknown): string {
  return canonical((infra as { version: string }).version)
}

function memberPath(path: string, name: string): string {
  return `${path}.${/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)}`
}

/** The whole canonical text of a value, input files in it by content. */
async function textOf(schema: z.ZodType, value: unknown, path: string, out: Walk): Promise<string> {
  if (isInfra(schema)) return `{"version":${versionOf(value)}}`
  if (value === null || typeof value !== 'object') return freshText(schema, value, path, out)
  const inner = unmarked(schema)
  let known = out.memo.texts.get(value)
  if (known === undefined) {
    known = new Map()
    out.memo.texts.set(value, known)
  }
  let made = known.get(inner)
  if (made === undefined) {
    const files: FileIdentity[] = []
    made = { text: await freshText(schema, value, path, { ...out, files }), files }
    known.set(inner, made)
  }
  for (const file of made.files) if (!out.files.includes(file)) out.files.push(file)
  return made.text
}

async function freshText(schema: z.ZodType, value: unknown, path: string, out: Walk): Promise<string> {
  const inner = unmarked(schema)
  const mark = markOf(inner)
  if (typeof value === 'string' && (mark === 'file' || mark === 'folder')) {
    const identity = await (mark === 'file' ? fileIdentity(value) : folderIdentity(value))
    out.files.push(identity)
    return identity.text
  }
  if (isConfig(value)) return configText(inner, value, path, out)
  if (isOpen(inner)) return openText(inner, value, path, out)
  const { shape, catchall } = inner.def as { shape?: Record<string, z.ZodType>; catchall?: z.ZodType }
  if (shape !== undefined && value !== null && typeof value === 'object') {
    if (catchall !== undefined) refuseHidden(catchall, path)
    return `{${(await memberTexts(shape, value, path, out)).join(',')}}`
  }
  if (mark !== undefined || value === null || value === undefined || !isSpecial(inner)) return encode(value, path)
  if (inner.def.type !== 'array') refuseFiles(inner, path)
  const items = await withEach(
    inner,
    value,
    async (part, item, place) => new Verbatim(await textOf(part, item, `${path}${place}`, out)),
  )
  if (items === undefined) refuseHidden(inner, path)
  return encode(items ?? value, path)
}

/** Text of lists and objects of configurations. */
async function openText(schema: z.ZodType, value: unknown, path: string, out: Walk): Promise<string> {
  const each = async (item: object, at: string): Promise<Verbatim> => new Verbatim(await textOf(schema, item, at, out))
  return encode(await withConfigs(value, path, each), path)
}

/** What a sequence comes down to, however it is grouped. */
function inSequence(config: object): readonly object[] {
  return (config as { readonly [sequence]?: readonly object[] })[sequence]?.flatMap(inSequence) ?? [config]
}

/** Text of a configuration, with its class's name where the schema does not say the class. */
async function configText(inner: z.ZodType, value: object, path: string, out: Walk): Promise<string> {
  if (sequence in value) {
    const texts: string[] = []
    for (const [i, part] of inSequence(value).entries()) texts.push(await textOf(inner, part, `${path}[${i}]`, out))
    return `Id<"sequence",[${texts.join(',')}]>`
  }
  const variants = variantsOf(inner)
  const chosen = variants === undefined ? undefined : variantOf(variants, value)
  const Class = chosen?.Class ?? configOf(inner)
  const foreign = Class === undefined ? classOf(value) : foreignClass(Class, value)
  const kind = tagOf(value)?.id ?? `config ${foreign === undefined ? '' : classText(foreign)}`
  if (Class === undefined) refuseHidden(inner, path)
  const members = await memberTexts(fields((foreign ?? Class)!.shape ?? {}), value, path, out, variants?.discriminator)
  if (chosen !== undefined) members.push(`${JSON.stringify(variants!.discriminator)}:${JSON.stringify(chosen.tag)}`)
  const text = `{${members.sort(byCodeUnit).join(',')}}`
  return foreign === undefined ? text : `Id<${JSON.stringify(kind)},${text}>`
}

/** A class by its module, where it says: two of one name are two. */
function classText(Class: AnyConfigClass): string {
  try {
    const { module, name } = classId(Class)
    return `${module}.${name}`
  } catch (error) {
    if (CurioError.is(error, 'ERR_DECLARATION')) return Class.name
    throw error
  }
}

/** `"name":text` of what counts among an object's members, in order. */
async function memberTexts(
  shape: Readonly<Record<string, z.ZodType>>,
  value: object,
  path: string,
  out: Walk,
  without?: string,
): Promise<string[]> {
  const members: string[] = []
  for (const name of Object.keys(value).sort(byCodeUnit)) {
    const member = (value as Record<string, unknown>)[name]
    const part = Object.hasOwn(shape, name) ? shape[name]! : undefined
    if (name === without || (part !== undefined && isIgnored(part))) continue
    if (part !== undefined && isInfra(part) && versionOf(member) === firstVersion) continue
    const at = `${path}.${name}`
    const text = part === undefined ? canonical(member, at) : await textOf(part, member, at, out)
    members.push(`${JSON.stringify(name)}:${text}`)
  }
  return members
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

/** What is encoded whole may hold neither input files nor secrets. */
function refuseHidden(schema: z.ZodType, path: string): void {
  refuseFiles(schema, path)
  if (!holdsSecret(schema)) return
  throw new DeclarationError(`${path}: a secret cannot stand in a ${schema.def.type}, where it would count`, {
    hint: 'make it a field of its own, a field of an object or of a configuration',
  })
}

/** Canonical text of a field's default; undefined when it has none, or one that is different each time. */
async function defaultText(schema: z.ZodType, path: string, out: Walk): Promise<string | undefined> {
  const { defaults } = out.memo
  if (!defaults.has(schema)) defaults.set(schema, await freshDefault(schema, path, out))
  return defaults.get(schema)
}

async function freshDefault(schema: z.ZodType, path: string, out: Walk): Promise<string | undefined> {
  const first = schema.safeParse(undefined)
  if (!first.success) return undefined
  const second = schema.safeParse(undefined)
  if (!second.success) return undefined
  const throwaway = { ...out, files: [] }
  if (hasFile(schema, first.data)) return undefined
  const text = await textOf(schema, first.data, path, throwaway)
  return text === (await textOf(schema, second.data, path, throwaway)) ? text : undefined
}

/** Whether a value is its field's default, and so need not be said. */
export async function isDefault(schema: z.ZodType, value: unknown, path: string, memo: Memo): Promise<boolean> {
  const standard = await defaultText(schema, path, walkWith(memo))
  return standard !== undefined && standard === (await textIn(schema, value, path, memo))
}

/** How a value of a field counts. */
export function textIn(schema: z.ZodType, value: unknown, path: string, memo: Memo): Promise<string> {
  return textOf(schema, value, path, walkWith(memo))
}

function walkWith(memo: Memo): Walk {
  return { key: {}, params: {}, ignored: {}, defaults: {}, labels: {}, files: [], memo }
}

/** A default path is no default content: the file there may change, so the field always counts. */
function hasFile(schema: z.ZodType, value: unknown): boolean {
  if (value === undefined || value === null) return false
  const inner = unmarked(schema)
  const mark = markOf(inner)
  if (mark === 'file' || mark === 'folder') return true
  const { element, shape } = inner.def as { element?: z.ZodType; shape?: Record<string, z.ZodType> }
  const parts = isConfig(value) ? fields(classOf(value).shape ?? {}) : shape
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
