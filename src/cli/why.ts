/**
 * Why one computation is not another: entries compared field by field. Pure: entries in, differences out, so that the library can
 * offer it one day.
 */
import { nearest } from '../errors.js'
import { byCodeUnit } from '../identity/canonical.js'
import type { Entry } from '../store/entry.js'
import { type Material, materialParts, membersOf } from './canonical-parts.js'

/** One thing in which two computations differ. */
export interface Difference {
  readonly part: 'id' | 'version' | 'params' | 'inputs' | 'outputs' | 'code' | 'ignored' | 'label' | 'material'
  /** Name of the parameter, input or output; empty where the part is one thing. */
  readonly field: string
  /** In the stored entry, as canonical text; undefined: it has no such field. */
  readonly was: string | undefined
  /** In the computation that is explained. */
  readonly is: string | undefined
  /** False for what is not in the key: ignored fields, code that only warns, two different defaults. */
  readonly counts: boolean
  /** What is odd about it. */
  readonly note?: string
}

/** A stored entry beside the one that is explained. */
export interface Neighbour {
  readonly entry: Entry
  /** Those that count come first. */
  readonly differences: readonly Difference[]
}

/** Everything in which `is` differs from `was`; what counts in the key comes first. */
export function differences(was: Entry, is: Entry): Difference[] {
  const found: Difference[] = []
  for (const part of ['id', 'version'] as const) {
    if (was[part] !== is[part]) found.push({ part, field: '', was: was[part], is: is[part], counts: true })
  }
  found.push(...paramDifferences(was, is))
  const [a, b] = [materialParts(was.material), materialParts(is.material)]
  found.push(...inputDifferences(was, is))
  if (a !== undefined && b !== undefined) {
    found.push(...mapDifferences('outputs', a.outputs, b.outputs))
    found.push(...codeDifference(was, is, a, b))
  }
  found.push(...mapDifferences('ignored', mapOf(was.ignored), mapOf(is.ignored), false))
  if (was.hash !== is.hash && !found.some((one) => one.counts)) {
    found.push({ part: 'material', field: '', was: was.material, is: is.material, counts: true })
  }
  return found.sort((x, y) => Number(y.counts) - Number(x.counts))
}

function paramDifferences(was: Entry, is: Entry): Difference[] {
  const [a, b] = [paramsOf(was), paramsOf(is)]
  spread(a, b)
  spread(b, a)
  const found: Difference[] = []
  for (const field of union(a.keys(), b.keys())) {
    const [x, y] = [a.get(field), b.get(field)]
    const counts = keyText(x) !== keyText(y)
    if (x?.text === y?.text && !counts) continue
    found.push({ part: 'params', field, was: x?.text, is: y?.text, counts, ...noteOn(x, y) })
  }
  return found
}

/** A parameter as an entry keeps it. */
interface Param {
  readonly text: string
  /** It equals its default, so it is not in the key. */
  readonly dropped: boolean
}

function keyText(param: Param | undefined): string | undefined {
  return param === undefined || param.dropped ? undefined : param.text
}

function noteOn(x: Param | undefined, y: Param | undefined): { note?: string } {
  if (x?.dropped === true && y?.dropped === true)
    return { note: 'each was the default at its time, so neither is in the key' }
  if (x !== undefined && x.text === y?.text) {
    return { note: x.dropped ? 'it was the default then, and is not now' : 'it is the default now, and was not then' }
  }
  if (x?.dropped === true) return { note: 'was the default' }
  return y?.dropped === true ? { note: 'is the default' } : {}
}

function paramsOf(entry: Entry): Map<string, Param> {
  const dropped = new Set(Object.keys(entry.defaults ?? {}))
  return new Map(Object.entries(entry.params ?? {}).map(([name, text]) => [name, { text, dropped: dropped.has(name) }]))
}

/** An object that is all default stands as one field where another entry has its members: takes it apart the same way. */
function spread(params: Map<string, Param>, other: ReadonlyMap<string, Param>): void {
  for (const [name, { text, dropped }] of params) {
    if (other.has(name) || ![...other.keys()].some((key) => key.startsWith(`${name}.`))) continue
    const members = membersOf(text)
    if (members === undefined) continue
    params.delete(name)
    // Members are added behind the one that is visited, so nested ones are taken apart in their turn.
    for (const [member, part] of members) {
      params.set(`${name}.${/^[A-Za-z_$][\w$]*$/.test(member) ? member : JSON.stringify(member)}`, {
        text: part,
        dropped,
      })
    }
  }
}

function inputDifferences(was: Entry, is: Entry): Difference[] {
  const [a, b] = [mapOf(was.inputs), mapOf(is.inputs)]
  const text = (input: NonNullable<Entry['inputs']>[string] | undefined): string | undefined =>
    input === undefined ? undefined : 'artifact' in input ? `artifact ${input.artifact}` : `value ${input.value}`
  const found: Difference[] = []
  for (const field of union(a.keys(), b.keys())) {
    const [x, y] = [a.get(field), b.get(field)]
    if (text(x) === text(y)) continue
    const [before, now] = [producer(x), producer(y)]
    const note =
      before !== undefined && now !== undefined && before !== now
        ? { note: `made by ${before} then, by ${now} now` }
        : now !== undefined
          ? { note: `made by ${now}` }
          : {}
    found.push({ part: 'inputs', field, was: text(x), is: text(y), counts: true, ...note })
  }
  return found
}

function producer(input: NonNullable<Entry['inputs']>[string] | undefined): string | undefined {
  return input !== undefined && 'artifact' in input ? input.from : undefined
}

function codeDifference(was: Entry, is: Entry, a: Material, b: Material): Difference[] {
  const counts = a.code !== b.code
  const [x, y] = [was.code?.sha256 ?? a.code, is.code?.sha256 ?? b.code]
  if (x === y && !counts) return []
  if (x === y) {
    const note =
      b.code === undefined ? 'the code counted then, and does not now' : 'the code counts now, and did not then'
    return [{ part: 'code', field: '', was: x, is: y, counts, note }]
  }
  // Two transpilers write two texts of one source.
  const sameSource =
    was.code?.tag !== is.code?.tag ? { note: `written by ${was.code?.tag}, then by ${is.code?.tag}` } : {}
  return [{ part: 'code', field: '', was: x, is: y, counts, ...sameSource }]
}

function mapDifferences(
  part: Difference['part'],
  a: ReadonlyMap<string, string>,
  b: ReadonlyMap<string, string>,
  counts = true,
): Difference[] {
  return union(a.keys(), b.keys())
    .filter((field) => a.get(field) !== b.get(field))
    .map((field) => ({ part, field, was: a.get(field), is: b.get(field), counts }))
}

function mapOf<T>(record: Readonly<Record<string, T>> | undefined): Map<string, T> {
  return new Map(Object.entries(record ?? {}))
}

function union(a: Iterable<string>, b: Iterable<string>): string[] {
  return [...new Set([...a, ...b])].sort(byCodeUnit)
}

/** The entries of the same stage that differ from `entry` in the fewest fields that count; among equals, the newest first. */
export function neighbours(entry: Entry, others: Iterable<Entry>, limit: number): Neighbour[] {
  const found: Neighbour[] = []
  for (const other of others) {
    if (other.id !== entry.id || other.id === undefined || other.hash === entry.hash) continue
    found.push({ entry: other, differences: differences(other, entry) })
  }
  return found.sort((a, b) => counted(a) - counted(b) || byNewest(a.entry, b.entry)).slice(0, limit)
}

function counted({ differences: all }: Neighbour): number {
  return all.filter((one) => one.counts).length
}

/** Orders entries by when they were made, the newest first. */
export function byNewest(a: Entry, b: Entry): number {
  return byCodeUnit(String(b.provenance.created ?? ''), String(a.provenance.created ?? ''))
}

/** What the text of a stage's key tells. */
export interface KeyText {
  readonly id: string
  readonly version: string
  /** `name` → `value`, as far as they were not cut. */
  readonly labels: ReadonlyMap<string, string>
  /** The label was too long, so not all of it is there. */
  readonly cut: boolean
}

/** Reads `<id>,<version>/<label>[-<tail>]`; undefined for other texts. */
export function parseKeyText(text: string): KeyText | undefined {
  const match = /^(.+),([A-Za-z0-9][A-Za-z0-9._-]{0,39})\/([^/]+)$/.exec(text)
  if (match === null) return undefined
  const label = match[3]!.replace(/-[a-z2-7]{16}$/, '')
  const whole = label.replace(/\.\.\.\d+$/, '')
  const pairs = whole.split(/,(?=[A-Za-z0-9_.$()-]+=)/).filter((pair) => pair.includes('='))
  const cut = whole !== label
  if (cut) pairs.pop()
  const labels = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  return { id: match[1]!, version: match[2]!, labels, cut }
}

/** Compares a key that is not stored with entries of the same stage (or, without any, of the nearest id) by their texts. */
export function labelNeighbours(key: KeyText, entries: readonly Entry[], limit: number): Neighbour[] {
  const ids = [...new Set(entries.flatMap(({ id }) => (id === undefined ? [] : [id])))]
  const id = ids.includes(key.id) ? key.id : nearest(key.id, ids)
  const found: Neighbour[] = []
  for (const entry of entries) {
    if (entry.id === undefined || entry.id !== id) continue
    const stored = parseKeyText(entry.key)
    if (stored === undefined) continue
    const all: Difference[] = []
    if (stored.id !== key.id) all.push({ part: 'id', field: '', was: stored.id, is: key.id, counts: true })
    if (stored.version !== key.version) {
      all.push({ part: 'version', field: '', was: stored.version, is: key.version, counts: true })
    }
    const incomplete = stored.cut || key.cut
    for (const one of mapDifferences('label', stored.labels, key.labels)) {
      // A pair that is missing from a text that was cut may only have been cut off.
      if (!incomplete || (one.was !== undefined && one.is !== undefined)) all.push(one)
    }
    found.push({ entry, differences: all })
  }
  return found.sort((a, b) => counted(a) - counted(b) || byNewest(a.entry, b.entry)).slice(0, limit)
}
