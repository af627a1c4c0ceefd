/** What a result is of: which method of which class, under which configuration. Two with one recipe are the same computation. */
import { type Cacheable, cacherKind } from '../artifact/cacheable.js'
import { DeclarationError, nearest } from '../errors.js'
import { describe as asText } from '../identity/canonical.js'
import { classId, type NamedClass, ownerOf } from '../identity/class-id.js'
import { type AnyConfigClass, isConfig } from '../identity/config.js'
import { checkId, type DeclaredAt, idOf } from '../identity/declared.js'
import { type Digest, sha256 } from '../identity/digest.js'
import { exported } from '../identity/exported.js'
import { type Key, stageKey } from '../identity/key.js'
import { type ParamsIdentity, paramsIdentity } from '../identity/params.js'
import type { PlainData } from '../identity/plain.js'
import type { Source } from '../identity/source.js'
import type { InfraOptions } from './options.js'
import type { ConfigForm } from './views.js'

/** A method, or function, whose results are kept, as it was declared. */
export interface Definition {
  readonly member: string
  readonly body: (...args: never[]) => unknown
  /** What stands in its place. */
  wrapped: unknown
  readonly at: DeclaredAt | undefined
  readonly source: Source
  /** Instead of module, class and method. */
  readonly name?: string | undefined
  readonly cacher?: Cacheable<unknown, unknown> | undefined
  /** Fields that do not count for this method. */
  readonly exclude?: Exclude | undefined
}

/** Names of fields, a function that gives them, or the name of a method that does. */
export type Exclude = readonly string[] | ((config: never) => readonly string[]) | `method:${string}`

export interface Recipe {
  /** For people: `Squarer.process`. */
  readonly name: string
  readonly id: string
  readonly version: string
  readonly key: Key
  readonly params: ParamsIdentity
  readonly source: Source
  readonly codeChange: 'warn' | 'recompute' | 'ignore'
  /** False when it may be another next time: input files, and values such as typed arrays and dates, can be changed in place. */
  readonly isFixed: boolean
  /** Says something once. @param about what it is about, where the text is another each time. */
  warn(text: string, about?: string): void
  /** The configuration as data, one of its forms; undefined where there is none. */
  config?(form: ConfigForm): Promise<PlainData>
}

/**
 * The recipe of a method on a configuration.
 *
 * @param field of the infra; its version is the computation's.
 * @param previous of a chain: the hash of what came before.
 */
export async function recipeOf(
  owner: object,
  definition: Definition,
  field: string,
  { version, codeChange }: InfraOptions,
  previous?: Digest,
): Promise<Recipe> {
  const { member, at, source, cacher } = definition
  const Class = owner.constructor as unknown as AnyConfigClass
  // A step is its class.
  const of = member === '' ? (owner.constructor as NamedClass) : ownerOf(owner, definition.wrapped, member)
  const name = member === '' ? of.name : `${of.name}.${member}`
  // A method that is inherited counts as one of the class that inherits it; one that is called by super, as one of the class it is in.
  const module = of === owner.constructor ? classId(of) : at
  const id = checkId(idOf(definition.name, module, name), version)
  refuseHidden(owner)
  const excluded = excludedOf(owner, definition, Object.keys(Class.shape))
  const names = Object.keys(Class.shape).filter((one) => one !== field && !excluded.includes(one))
  const params = await paramsIdentity(Class.shape, owner as Record<string, unknown>, names)
  const key = stageKey({
    id,
    version,
    params: params.key,
    labels: params.labels,
    inputs: previous === undefined ? {} : { previous: { value: previous } },
    outputs: { result: cacherKind(cacher) },
    ...(codeChange === 'recompute' ? { code: source.sha256 } : {}),
  })
  const config = async (form: ConfigForm): Promise<PlainData> => {
    const data = await exported(owner, form)
    if (form.uid !== true) return data
    return Object.fromEntries(Object.entries(data as object).filter(([one]) => !excluded.includes(one)))
  }
  const isFixed = params.files.length === 0 && !Object.values(owner).some((value) => isMutable(value))
  return { name, id, version, key, params, source, codeChange, isFixed, warn: warner(name), config }
}

/** Says each thing once in this process. */
export function warner(name: string): (text: string, about?: string) => void {
  return (text, about = text) => {
    if (said.has(`${name}\0${about}`)) return
    said.add(`${name}\0${about}`)
    process.emitWarning(`${name}: ${text}`, 'CurioWarning')
  }
}

const said = new Set<string>()

function excludedOf(owner: object, { member, exclude }: Definition, known: readonly string[]): readonly string[] {
  if (exclude === undefined) return []
  let names: unknown = exclude
  if (typeof exclude === 'function') names = exclude(owner as never)
  else if (typeof exclude === 'string') {
    const method = exclude.slice('method:'.length)
    const found = (owner as Record<string, unknown>)[method]
    if (!exclude.startsWith('method:') || typeof found !== 'function') {
      throw new DeclarationError(`${member} excludes by ${JSON.stringify(exclude)}, and there is no such method`, {
        hint: "exclude: ['field'], a function of the configuration, or 'method:name'",
      })
    }
    names = (found as () => unknown).call(owner)
  }
  if (!Array.isArray(names)) throw new DeclarationError(`${member} excludes something that is no list of fields`)
  for (const name of names as unknown[]) {
    if (known.includes(name as string)) continue
    const near = nearest(String(name), known)
    throw new DeclarationError(`${member} excludes ${String(name)}, which is no field`, {
      hint: near === undefined ? `fields are ${known.join(', ')}` : `did you mean ${near}?`,
    })
  }
  return names as string[]
}

/**
 * Refuses fields that were set on the object after it was made: no key would see them, and no worker would get them. Those that every
 * new one has are part of the code.
 */
export function refuseHidden(owner: object): void {
  const Class = owner.constructor as unknown as AnyConfigClass
  const own = Object.keys(owner).filter((name) => !Object.hasOwn(Class.shape, name))
  if (own.length === 0) return
  let fresh = freshTexts.get(owner)
  if (fresh === undefined) {
    const made = (owner as unknown as { clone(): object }).clone()
    fresh = Object.fromEntries(Object.entries(made).map(([name, value]: [string, unknown]) => [name, textOf(value)]))
    freshTexts.set(owner, fresh)
  }
  for (const name of own) {
    if (Object.hasOwn(fresh, name) && fresh[name] === textOf((owner as Record<string, unknown>)[name])) continue
    throw new DeclarationError(
      `${Class.name}.${name} was set on the object: no key would see it, and no worker would get it`,
      {
        hint: 'make it a field of the configuration, or a #private field if it is only for speed',
      },
    )
  }
}

/** Of each object, the fields of a new one like it. */
const freshTexts = new WeakMap<object, Record<string, string>>()

function textOf(value: unknown): string {
  return typeof value === 'function' ? `function ${Function.prototype.toString.call(value)}` : asText(value)
}

/**
 * A recipe with what there is to say of those before it: a default that has changed there, or code, makes another result here too, though
 * nobody looks upstream when there is a result.
 */
export function followed(own: Recipe, previous: Recipe | undefined): Recipe {
  if (previous === undefined) return own
  const { params, source } = own
  const isSeen = previous.codeChange !== 'ignore'
  return {
    ...own,
    isFixed: own.isFixed && previous.isFixed,
    source: { ...source, sha256: isSeen ? sha256(`${previous.source.sha256} ${source.sha256}`) : source.sha256 },
    params: {
      ...params,
      params: { ...params.params, ...before(previous.params.params) },
      ignored: { ...params.ignored, ...before(previous.params.ignored) },
      defaults: { ...params.defaults, ...before(previous.params.defaults) },
      files: [...previous.params.files, ...params.files],
    },
  }
}

function before(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [`before:${name}`, text]))
}

/** Whether there is something in a field's value that nobody can freeze. */
function isMutable(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain =
    Array.isArray(value) || prototype === Object.prototype || prototype === null || isConfig(value as unknown)
  if (isPlain) return Object.values(value).some((member) => isMutable(member))
  return ArrayBuffer.isView(value) || [Date, Map, Set, ArrayBuffer].some((Class) => value instanceof Class)
}
