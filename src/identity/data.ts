/** Values of fields as data, by what their schemas say of them. */
import { z } from 'zod'
import { byCodeUnit, OrderedMap } from './canonical.js'
import { classOf, inputs, isConfig } from './instances.js'
import {
  configOf,
  given as givenOf,
  hiddenSecret,
  holdsPipe,
  isIgnored,
  isInfra,
  isOpen,
  isSecret,
  isSpecial,
  markOf,
  tagOf,
  unmarked,
  variantOf,
  variantsOf,
} from './marks.js'
import { fields, isVariant } from './members.js'
import { named, type PlainData, Ready, toPlain } from './plain.js'
import { withConfigs, withEach } from './within.js'

/** Which of it is wanted. */
export interface Rules {
  /** What counts, as it counts: no ignored fields, parsed values, files by their content. Else what makes the same again when it is read. */
  readonly counting: boolean
  /** Whether a field is left out for what it holds. */
  isLeftOut(schema: z.ZodType, value: unknown, path: string): Promise<boolean>
  /** How an input file counts. */
  fileData(schema: z.ZodType, value: string, path: string): Promise<PlainData>
}

const everything: Rules = {
  counting: false,
  isLeftOut: async () => false,
  fileData: async (_, value) => value,
}

/**
 * A value as data; undefined for what only a default outside of a transform can make.
 *
 * @param given what it was made from, where that is known: a transform's value cannot be read back.
 */
export async function dataOf(
  schema: z.ZodType,
  value: unknown,
  given: unknown,
  path = '',
  rules: Rules = everything,
): Promise<PlainData | undefined> {
  if (isSecret(schema)) return hiddenSecret
  if (isInfra(schema)) return infraData(value as Infra, rules)
  const inner = unmarked(schema)
  if (isConfig(value)) {
    const chosen = isVariant(inner, value) ? variantOf(variantsOf(inner)!, value) : undefined
    const tag = chosen === undefined ? {} : { [variantsOf(inner)!.discriminator]: chosen.tag }
    const own = chosen === undefined && configOf(inner) !== classOf(value) ? tagOf(value) : undefined
    return configData(value, path, rules, own === undefined ? tag : { [own.field]: own.name }, chosen?.Class)
  }
  if (isOpen(inner)) return openData(inner, value, path, rules)
  const isFile = markOf(inner) === 'file' || markOf(inner) === 'folder'
  if (isFile && rules.counting && typeof value === 'string') return rules.fileData(inner, value, path)
  if (inner.def.type === 'pipe' && !rules.counting) return beforePipe(inner, value, given)
  const { shape } = inner.def as { shape?: Record<string, z.ZodType> }
  if (shape !== undefined && typeof value === 'object' && value !== null) {
    return named(await membersData(shape, value, given, path, rules))
  }
  if (!isSpecial(inner) && (rules.counting || !holdsPipe(inner))) return toPlain(value)
  // An item of a list counts whole, its defaults too.
  const whole: Rules = { ...rules, isLeftOut: everything.isLeftOut }
  const items = await withEach(inner, value, async (part, item, place, key) => {
    const data = await dataOf(part, item, memberOf(given, key), `${path}${place}`, whole)
    return new Ready(data === undefined ? toPlain(item) : data)
  })
  return toPlain(items ?? value)
}

/** Lists and objects of configurations as data. */
async function openData(schema: z.ZodType, value: unknown, path: string, rules: Rules): Promise<PlainData> {
  const joined = (members: readonly (readonly [string, unknown])[]): unknown => {
    // Steps by name are in sequence, and plain data is written in the order of its names.
    const isSorted = members.every(([name], i) => i === 0 || byCodeUnit(members[i - 1]![0], name) < 0)
    return isSorted || !members.some(([, one]) => one instanceof Ready)
      ? Object.fromEntries(members)
      : new OrderedMap(members)
  }
  const each = async (item: object, at: string): Promise<Ready> =>
    new Ready((await dataOf(schema, item, undefined, at, rules))!)
  return toPlain(await withConfigs(value, path, each, joined))
}

/**
 * A configuration as data.
 *
 * @param tag what says which class it is, in a field that may be of several.
 * @param declared the class that reading the data gives, where it is not the configuration's own.
 */
export async function configData(
  config: object,
  path: string,
  rules: Rules,
  tag: Readonly<Record<string, PlainData>> = {},
  declared = classOf(config),
): Promise<PlainData> {
  const Class = classOf(config)
  const members = await membersData(fields(Class.shape), config, inputs.get(config), path, rules)
  // No field is called so: what cannot be read back as the same class is not read as another.
  return named({ ...members, ...tag, ...(declared === Class ? {} : { $class: Class.name }) })
}

async function membersData(
  shape: Readonly<Record<string, z.ZodType>>,
  value: object,
  given: unknown,
  path: string,
  rules: Rules,
): Promise<Record<string, PlainData>> {
  const members: [string, PlainData][] = []
  const names = isConfig(value) ? Object.keys(shape) : Object.keys(value)
  for (const name of names) {
    const item = (value as Record<string, unknown>)[name]
    const part = Object.hasOwn(shape, name) ? shape[name]! : undefined
    if (part === undefined) {
      members.push([name, toPlain(item)])
      continue
    }
    const at = path === '' ? name : `${path}.${name}`
    if (item === undefined || (rules.counting && isIgnored(part)) || (await rules.isLeftOut(part, item, at))) continue
    const data = await dataOf(part, item, memberOf(given, name), at, rules)
    if (data !== undefined) members.push([name, data])
  }
  return Object.fromEntries(members)
}

function memberOf(given: unknown, key: unknown): unknown {
  const isThere = typeof given === 'object' && given !== null && (typeof key === 'string' || typeof key === 'number')
  return isThere ? (given as Record<string | number, unknown>)[key] : undefined
}

/** What goes into a pipe for a value that came out of it. */
async function beforePipe(schema: z.ZodType, value: unknown, given: unknown): Promise<PlainData | undefined> {
  const def = schema.def as unknown as { in: z.ZodType; reverseTransform?: unknown }
  if (def.reverseTransform !== undefined) return toPlain(await z.encodeAsync(schema, value))
  if (given !== undefined) return toPlain(given)
  const standard = def.in.def.type === 'transform' ? undefined : unwrapDefault(def.in)
  return standard === undefined ? undefined : toPlain(standard)
}

function unwrapDefault(schema: z.ZodType): unknown {
  const result = schema.safeParse(undefined)
  return result.success ? result.data : undefined
}

interface Infra {
  readonly version: string
  readonly [givenOf]: unknown
}

function infraData(infra: Infra, rules: Rules): PlainData {
  return rules.counting ? { version: infra.version } : toPlain(infra[givenOf])
}
