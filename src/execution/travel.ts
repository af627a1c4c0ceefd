/** How a configuration gets to a worker, and is made again there: one way for pools, processes and clusters. */
import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import type { Codec } from '../artifact/cacheable.js'
import { cacherByName } from '../artifact/registry.js'
import { CacherError, CurioError, DeclarationError } from '../errors.js'
import { classId } from '../identity/class-id.js'
import { isConfig, madeFrom } from '../identity/config.js'
import type { Assignment } from './assignment.js'

/** A configuration as plain data: where to import its class from, and what to make it from. */
export interface Travelling {
  /** File of the module that exports the class; empty for curio's own. */
  readonly module: string
  /** Name under which it is exported. */
  readonly exported: string
  /** What it is made from: plain data, typed arrays, dates, maps and sets; steps in it travel by their own classes. `null`: itself. */
  readonly input: unknown
}

/** Classes of curio's own, by name: those that a worker has without importing anything of the user's. */
export const ownClasses = new Map<string, new (input: never) => object>()

/** Stands for what travels by its own class. Of each process its own: no data can pretend to be one. */
const mark = `$curio ${randomUUID()}`

/** @param isOwn tells what travels by its own class wherever it stands: a step. */
export function travelling(config: object, isOwn: (config: object) => boolean, more: object = {}): Travelling {
  const { name } = config.constructor
  const input = {
    ...madeFrom(config, (nested) => (isOwn(nested) ? within(nested, isOwn) : undefined)),
    ...more,
  }
  if (ownClasses.get(name) === config.constructor) return { module: '', exported: name, input }
  const { file } = classId(config.constructor)
  return { ...sending(config.constructor, file, name), input }
}

/** Where to import it from. */
function sending(value: object, file: string, name: string): Omit<Travelling, 'input'> {
  if (fs.statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new DeclarationError(`${name} cannot be sent to a worker: its module ${file} is no file`, {
      hint: 'declare it in a file of your package, or say which one: static module = import.meta.url',
    })
  }
  sent.set(`${file}:${name}`, value)
  return { module: file, exported: name }
}

/** In the input of what travels, a configuration that goes by its own class. */
export function within(config: object, isOwn: (config: object) => boolean, more: object = {}): object {
  return { [mark]: travelling(config, isOwn, more) }
}

/** In the input of what travels, a function or class of a module. @param name under which it is noted, or exported. */
export function reference(value: object, file: string, name: string): object {
  return { [mark]: { ...sending(value, file, name), input: null } satisfies Travelling }
}

const sent = new Map<string, object>()
const declared = new Map<string, object>()

/** Notes what a module declares: a worker that has imported it need not look for it among the exports. */
export function noteDeclared(file: string, name: string, value: object): void {
  declared.set(`${file}:${name}`, value)
}

export function declaredIn(file: string, name: string): object | undefined {
  return declared.get(`${file}:${name}`)
}

/** A class of this process that was sent before. */
export function sentFrom(file: string, name: string): object | undefined {
  return sent.get(`${file}:${name}`)
}

/**
 * Makes it again, in a worker.
 *
 * @param how by the sender's mark, and how to get what a module exports.
 */
export async function arrived(
  { module, exported, input }: Travelling,
  how: {
    /** That of the sender. */
    readonly mark: string
    find(module: string, exported: string): Promise<unknown>
  },
  more: object = {},
): Promise<object> {
  const Class = module === '' ? ownClasses.get(exported) : await how.find(module, exported)
  return Reflect.construct(Class as never, [{ ...((await revived(input, how)) as object), ...more }]) as object
}

async function revived(value: unknown, how: Parameters<typeof arrived>[1]): Promise<unknown> {
  if (value === null || typeof value !== 'object' || isConfig(value as unknown)) return value
  if (Array.isArray(value)) {
    const all: unknown[] = []
    for (const member of value) all.push(await revived(member, how))
    return all
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  const own = (value as Record<string, Travelling>)[how.mark]
  if (own?.input === null) return how.find(own.module, own.exported)
  if (own !== undefined) return arrived(own, how)
  const object: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value)) object[name] = await revived(member, how)
  return object
}

/** The modules of a configuration and of what it is made from. */
function modulesOf({ module, input }: Travelling): string[] {
  const found = module === '' ? [] : [module]
  const visit = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return
    const own = (value as Record<string, Travelling>)[mark]
    if (own !== undefined) found.push(...modulesOf(own))
    else if (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype)
      Object.values(value).forEach(visit)
  }
  visit(input)
  return [...new Set(found)]
}

/** An assignment on its way. What the user's own classes are needed for is unpacked after the modules are there. */
export interface Packed extends Omit<Assignment, 'config' | 'items'> {
  readonly format: 1
  readonly mark: string
  readonly modules: readonly string[]
  readonly module: string
  readonly exported: string
  readonly input: Uint8Array
  readonly items: Uint8Array | undefined
}

/** @throws {DeclarationError} naming the path of what is no data. */
export async function pack(assignment: Assignment): Promise<Uint8Array> {
  const { config, items, ...rest } = assignment
  const { module, exported, input } = config
  try {
    const packed: Packed = {
      format: 1,
      mark,
      ...rest,
      modules: modulesOf(config),
      module,
      exported,
      input: await encoded(input),
      items: items === undefined ? undefined : await encoded(items),
    }
    return await encoded(packed)
  } catch (error) {
    if (!(error instanceof CacherError)) throw error
    throw new DeclarationError(`${assignment.where} cannot be sent to a worker: ${error.message}`, {
      cause: error,
      hint: 'configurations and items that travel are data: register their classes, or run it inline',
    })
  }
}

/** The outer half of `pack`'s opposite. */
export async function unpack(bytes: Uint8Array): Promise<Packed> {
  const packed = (await decoded(bytes)) as Packed
  if (packed?.format === 1) return packed
  throw new CurioError('what a worker got is no assignment of this version of curio', {
    hint: 'stop what still runs with another version, and run it again',
  })
}

/** A part of a packed assignment. */
export async function decoded(bytes: Uint8Array): Promise<unknown> {
  return (await codec()).decode(bytes)
}

/** Data on its way: what `decoded` takes. */
export async function encoded(value: unknown): Promise<Uint8Array> {
  const made = await (await codec()).encode(value)
  if (typeof made === 'string' || made instanceof Uint8Array) return Buffer.from(made)
  const pieces: Uint8Array[] = []
  for await (const piece of made) pieces.push(piece)
  return Buffer.concat(pieces)
}

let known: Promise<Codec<unknown, unknown>> | undefined

function codec(): Promise<Codec<unknown, unknown>> {
  known ??= cacherByName('msgpack') as Promise<Codec<unknown, unknown>>
  return known
}
