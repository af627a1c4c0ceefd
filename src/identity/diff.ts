/** Changes to a configuration, nested or with dotted names, and the command line's way to write them. */
import { ConfigError } from '../errors.js'
import { at } from './parse.js'
import { forbidden } from './plain.js'

/** A tree of changes: a Map of names, or at its ends the new value. */
type Change = Map<string, Change> | { readonly value: unknown }

const replaceMark = '=replace='

/** Something that can be changed field by field: says what it was made from, and makes another of its kind. */
export interface Cloneable {
  /** What a configuration was made from; undefined for any other value. */
  inputOf(value: unknown): Readonly<Record<string, unknown>> | undefined
  make(like: object, input: Readonly<Record<string, unknown>>): object
  /** Whether a change, given as names and new values, makes a configuration one of another class. */
  switches(config: unknown, change: ReadonlyMap<string, unknown>): boolean
}

/**
 * What a configuration was made from, with some of it changed. `{ 'optim.lr': 0.1 }` and `{ optim: { lr: 0.1 } }` are the same; an object
 * with `'=replace=': true` takes the place of what was there instead of being merged into it.
 */
export function changed(
  input: Readonly<Record<string, unknown>>,
  parsed: Readonly<Record<string, unknown>>,
  diff: Readonly<Record<string, unknown>>,
  configs: Cloneable,
): Record<string, unknown> {
  return applied(input, parsed, treeOf(diff, ''), configs)
}

function treeOf(diff: Readonly<Record<string, unknown>>, above: string): Map<string, Change> {
  const tree: Map<string, Change> = new Map()
  for (const [name, value] of Object.entries(diff)) {
    const parts = name.split('.')
    let node = tree
    for (const [i, part] of parts.entries()) {
      if (part === '' || forbidden.has(part)) throw new ConfigError(`${above}${name} is no name of a field`)
      const isLast = i === parts.length - 1
      const there = node.get(part)
      if (!isLast || (isPlain(value) && value[replaceMark] !== true)) {
        const next: Map<string, Change> = there instanceof Map ? there : new Map()
        node.set(part, next)
        if (isLast)
          for (const [key, change] of treeOf(value as Record<string, unknown>, `${above}${name}.`))
            merge(next, key, change)
        node = next
      } else node.set(part, { value: isPlain(value) ? withoutMark(value) : value })
    }
  }
  return tree
}

function merge(into: Map<string, Change>, key: string, change: Change): void {
  const there = into.get(key)
  if (!(there instanceof Map) || !(change instanceof Map)) into.set(key, change)
  else for (const [name, one] of change) merge(there, name, one)
}

function withoutMark(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== replaceMark))
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object') return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function applied(
  input: Readonly<Record<string, unknown>>,
  parsed: Readonly<Record<string, unknown>>,
  tree: Map<string, Change>,
  configs: Cloneable,
): Record<string, unknown> {
  const out: Record<string, unknown> = { ...input }
  for (const [name, change] of tree) out[name] = at(name, () => appliedTo(input[name], parsed[name], change, configs))
  return out
}

function valuesOf(tree: Map<string, Change>): Map<string, unknown> {
  return new Map([...tree].flatMap(([name, one]) => (one instanceof Map ? [] : [[name, one.value] as const])))
}

function appliedTo(input: unknown, parsed: unknown, change: Change, configs: Cloneable): unknown {
  if (!(change instanceof Map)) return change.value
  // Fields of one class say nothing about another.
  if (configs.switches(parsed, valuesOf(change))) return applied({}, {}, change, configs)
  // What was left to a default is changed from that default.
  const base = input ?? parsed
  const from =
    configs.inputOf(base) ??
    (configs.inputOf(parsed) !== undefined && !isPlain(base) ? configs.inputOf(parsed) : undefined)
  if (from !== undefined) {
    const next = applied(from, parsed as Record<string, unknown>, change, configs)
    return configs.inputOf(base) === undefined ? next : configs.make(base as object, next)
  }
  if (Array.isArray(base)) {
    const copy: unknown[] = [...(base as unknown[])]
    for (const [index, one] of change) {
      if (!/^\d+$/.test(index) || Number(index) > copy.length)
        throw new ConfigError(`${index} is no place in a list of ${copy.length}`)
      const place = Number(index)
      copy[place] = at(index, () => appliedTo(copy[place], (parsed as unknown[] | undefined)?.[place], one, configs))
    }
    return copy
  }
  const inner = isPlain(base) ? base : {}
  return applied(
    inner,
    isPlain(parsed) || configs.inputOf(parsed) !== undefined ? (parsed as Record<string, unknown>) : {},
    change,
    configs,
  )
}

/**
 * Changes from a command line: `--optim.lr=0.1`, `--flag` (true), `--tags='["a"]'`. A value is JSON where it can be, else text.
 *
 * @returns the changes, and for each name the text that was given, for fields that want text.
 */
export function fromArguments(args: readonly string[]): {
  diff: Record<string, unknown>
  texts: Record<string, string>
} {
  const diff: Record<string, unknown> = {}
  const texts: Record<string, string> = {}
  for (const arg of args) {
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(arg)
    if (match === null) throw new ConfigError(`${arg} is no --name=value`)
    const [, name = '', text] = match
    if (Object.hasOwn(diff, name)) throw new ConfigError(`--${name} is given twice`)
    diff[name] = text === undefined ? true : jsonOr(text)
    if (text !== undefined) texts[name] = text
  }
  return { diff, texts }
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text, (key, value: unknown) => {
      if (forbidden.has(key)) throw new ConfigError(`${key} is no name of a field`)
      return value
    })
  } catch (error) {
    if (error instanceof ConfigError) throw error
    return text
  }
}
