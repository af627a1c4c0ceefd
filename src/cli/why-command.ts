import { NotFoundError, nearest } from '../errors.js'
import type { Entry } from '../store/entry.js'
import { heldLocks, type LockHeld } from '../store/probe.js'
import type { EntryStore } from '../store/store.js'
import { UsageError } from './args.js'
import { type Context, exit } from './context.js'
import { createdAt, type Listed, listAll, type Missing, presence } from './entries.js'
import type { Output } from './output.js'
import { AmbiguousError, notStored, readExactly, withoutArtifact } from './resolve.js'
import { clean, columns, count, shorten, span } from './text.js'
import { byNewest, type Difference, labelNeighbours, type Neighbour, neighbours, parseKeyText } from './why.js'

/** What a look-up of the key would find, and what is known about it. */
interface Explanation {
  readonly key: string
  readonly state: 'hit' | 'incomplete' | 'damaged' | 'newer' | 'absent'
  /** For `damaged` and `newer`. */
  readonly reason?: string
  readonly entry?: Entry
  readonly missing: readonly Missing[]
  /** Files that are there, but are not what was put. */
  readonly damaged: readonly Missing[]
  /** Who computes it right now. */
  readonly lock?: LockHeld | undefined
  readonly neighbours: readonly Neighbour[]
  /** How many other entries of the stage there are. */
  readonly others: number
}

/** `curio why <key or partial>`: explains a miss. */
export async function whyCommand({ args, out, open, now }: Context): Promise<number> {
  const typed = args.positionals[0]!
  if (typed === '') throw new UsageError('curio why needs a key, a part of one, or the id of a stage')
  const limit = args.number('nearest') ?? 1
  const store = await open()
  const text = withoutArtifact(store, typed)
  const all = await listAll(store)
  const subject = find(store, all, text)
  const explanation =
    'entry' in subject
      ? await explainStored(store, subject.entry, all, limit)
      : 'problem' in subject
        ? explainUnreadable(subject, all, limit)
        : explainAbsent(text, all, limit)
  if (explanation === undefined) throw unlike(store, all, text)
  if (out.json) out.document(toJson(text, explanation))
  else
    print(
      out,
      explanation,
      now,
      'of' in subject && subject.of > 1 ? `the newest of ${subject.of} that fit ${text}` : '',
    )
  return explanation.state === 'hit' ? exit.ok : exit.notFound
}

type Subject =
  | { readonly entry: Entry; readonly of: number }
  | { readonly place: string; readonly problem: NonNullable<Listed['problem']> }
  | { readonly absent: true }

/** The entry that is meant: the key itself, the newest of a stage, or of those with that part in their key. */
function find(store: EntryStore, all: readonly Listed[], text: string): Subject {
  const exact = readExactly(store, text)
  if (exact?.entry !== undefined) return { entry: exact.entry, of: 1 }
  if (exact?.problem !== undefined) return { place: exact.place, problem: exact.problem }
  const entries = all.flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  const isId = (entry: Entry) => entry.id === text || `${entry.id},${entry.version}` === text.replace(/\/$/, '')
  const ofStage = entries.filter(isId)
  const matches = ofStage.length > 0 ? ofStage : entries.filter((entry) => entry.key.includes(text))
  if (matches.length === 0) {
    const broken = all.find(({ problem, place }) => problem !== undefined && place.includes(text))
    return broken?.problem === undefined ? { absent: true } : { place: broken.place, problem: broken.problem }
  }
  const stages = new Set(matches.map((entry) => entry.id))
  if (matches.length > 1 && (stages.size > 1 || stages.has(undefined))) {
    throw new AmbiguousError(
      text,
      matches.map((entry) => entry.key),
    )
  }
  return { entry: [...matches].sort(byNewest)[0]!, of: matches.length }
}

async function explainStored(
  store: EntryStore,
  entry: Entry,
  all: readonly Listed[],
  limit: number,
): Promise<Explanation> {
  const { state, missing } = await presence(store, entry.artifacts)
  const damaged: Missing[] = []
  const gone = new Set(missing.map((one) => one.sha256))
  for (const artifact of entry.artifacts) {
    for (const file of (await store.filesOf(artifact)) ?? []) {
      if (gone.has(file.sha256) || (await store.blobs.inspect(file.sha256, { again: true })) !== 'damaged') continue
      damaged.push({ artifact: artifact.name, role: file.role, sha256: file.sha256 })
    }
  }
  const others = othersOf(entry, all)
  const earlier = others.filter((other) => byNewest(entry, other) <= 0)
  return {
    key: entry.key,
    state: state === 'complete' && damaged.length === 0 ? 'hit' : 'incomplete',
    entry,
    missing,
    damaged,
    lock: heldLocks(store.folder).find((lock) => entry.hash.startsWith(lock.hash)),
    // What was stored before it is what it could have been loaded from.
    neighbours: neighbours(entry, earlier.length > 0 ? earlier : others, limit),
    others: others.length,
  }
}

function othersOf(entry: Entry, all: readonly Listed[]): Entry[] {
  return all.flatMap(({ entry: other }) =>
    other !== undefined && entry.id !== undefined && other.id === entry.id && other.hash !== entry.hash ? [other] : [],
  )
}

function explainUnreadable(
  { place, problem }: { place: string; problem: NonNullable<Listed['problem']> },
  all: readonly Listed[],
  limit: number,
): Explanation {
  const key = place.replace(/^artifacts\//, '')
  const byLabel = explainAbsent(key, all, limit)
  return { ...(byLabel ?? nothingNear(key)), key, state: problem.state, reason: problem.reason }
}

function nothingNear(key: string): Explanation {
  return { key, state: 'absent', missing: [], damaged: [], neighbours: [], others: 0 }
}

/** By what the text of the key tells; undefined when it tells nothing, or nothing like it is stored. */
function explainAbsent(text: string, all: readonly Listed[], limit: number): Explanation | undefined {
  const key = parseKeyText(text)
  const entries = all.flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  const near = key === undefined ? [] : labelNeighbours(key, entries, Number.POSITIVE_INFINITY)
  if (near.length === 0) return undefined
  return { ...nothingNear(text), neighbours: near.slice(0, limit), others: near.length }
}

function unlike(store: EntryStore, all: readonly Listed[], text: string): NotFoundError {
  const entries = all.flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  const ids = [...new Set(entries.flatMap(({ id }) => (id === undefined ? [] : [id])))]
  const near = nearest(text.replace(/,.*$/, ''), ids)
  if (near === undefined)
    return notStored(
      store,
      text,
      entries.map((entry) => entry.key),
    )
  return new NotFoundError(`anything like ${clean(text)}`, store.folder, {
    hint: `the nearest stage is ${clean(near)}: curio why ${clean(near)}`,
  })
}

function toJson(query: string, { entry, neighbours: near, ...about }: Explanation): unknown {
  return {
    query,
    ...about,
    reason: about.reason ?? null,
    lock: about.lock ?? null,
    droppedDefaults: entry?.defaults ?? {},
    neighbours: near.map(({ entry: other, differences }) => ({
      key: other.key,
      created: other.provenance.created ?? null,
      differences: differences.map((one) => ({
        ...one,
        was: one.was ?? null,
        is: one.is ?? null,
        note: one.note ?? null,
      })),
    })),
  }
}

function print(out: Output, explanation: Explanation, now: number, chosen: string): void {
  const { entry, key, lock, others } = explanation
  out.line(`${out.paint('bold', clean(key))}${chosen === '' ? '' : ` (${clean(chosen)})`}`)
  out.line(verdict(out, explanation, now))
  for (const one of explanation.missing) out.line(`  gone     ${clean(`${one.artifact}: ${one.role}`)}  ${one.sha256}`)
  for (const one of explanation.damaged) out.line(`  damaged  ${clean(`${one.artifact}: ${one.role}`)}  ${one.sha256}`)
  if (lock !== undefined) out.line(`${clean(lock.holder)} is computing it now`)
  for (const one of explanation.neighbours) printNeighbour(out, explanation, one, now)
  if (explanation.neighbours.length === 0 && entry?.id !== undefined) {
    out.line(others === 0 ? `no other entry of ${clean(entry.id)} is stored` : '')
  }
  const dropped = Object.entries(entry?.defaults ?? {}).map(([name, text]) => `${name} = ${shorten(text, 60)}`)
  if (dropped.length > 0) out.line(`not in the key, being the defaults: ${clean(dropped.join(', '))}`)
}

function verdict(out: Output, { state, entry, missing, damaged, reason }: Explanation, now: number): string {
  const at = entry === undefined ? undefined : createdAt(entry)
  const made = at === undefined ? '' : `, made ${span(now - at)} ago`
  switch (state) {
    case 'hit':
      return `${out.paint('green', 'a hit')}: stored and complete${made}`
    case 'incomplete': {
      const parts = [
        missing.length > 0 ? `${count(missing.length, 'file is', 'files are')} gone (evicted, or lost)` : '',
        damaged.length > 0 ? `${count(damaged.length, 'file is', 'files are')} damaged` : '',
      ]
      return `${out.paint('yellow', 'a miss')}: its entry is stored${made}, but ${parts.filter((part) => part !== '').join(' and ')}`
    }
    case 'damaged':
      return `${out.paint('red', 'a miss')}: its entry is damaged (${clean(reason ?? '')}); it will be set aside and computed again`
    case 'newer':
      return `${out.paint('yellow', 'a miss')}: a newer version of curio stored it (${clean(reason ?? '')}); here it is computed and not kept`
    case 'absent':
      return `${out.paint('yellow', 'a miss')}: no entry is stored under this key`
  }
}

function printNeighbour(out: Output, { state, entry, others }: Explanation, near: Neighbour, now: number): void {
  const at = createdAt(near.entry)
  const age = at === undefined ? '' : `, made ${span(now - at)} ago`
  out.line()
  out.line(
    `${others === 1 ? 'the only other entry' : `nearest of ${others} other entries`}: ${clean(near.entry.key)}${age}`,
  )
  const counting = near.differences.filter((one) => one.counts)
  const rest = near.differences.filter((one) => !one.counts)
  out.lines(rows(counting))
  if (counting.length === 0) {
    out.line(
      state === 'absent' || entry === undefined
        ? '  its text tells the same: the difference is in what a key does not show, such as inputs, outputs or code'
        : '  no difference counts',
    )
  }
  if (rest.length > 0) {
    out.line(out.paint('dim', '  different, but not in the key:'))
    for (const line of rows(rest)) out.line(out.paint('dim', line))
  }
}

/** Longer notes get a line of their own. */
const inlineNote = 30

function rows(all: readonly Difference[]): string[] {
  const lines = columns(all.map((one) => [`  ${clean(nameOf(one))}`, clean(changeOf(one))]))
  return all.flatMap(({ note }, i) =>
    note === undefined
      ? [lines[i]!]
      : note.length <= inlineNote
        ? [`${lines[i]!}  (${clean(note)})`]
        : [lines[i]!, `      (${clean(note)})`],
  )
}

function nameOf({ part, field }: Difference): string {
  return part === 'label' ? field : field === '' ? part : `${part}.${field}`
}

function changeOf({ part, was, is }: Difference): string {
  if (part === 'material') return 'the text that makes the key differs: compare `differences` in --json'
  const [before, now] = around(was, is)
  return before === now ? now : `was ${before}, is ${now}`
}

const valueShown = 60

/** Two values, shortened around the first place where they differ. */
function around(was: string | undefined, is: string | undefined): [string, string] {
  let same = 0
  while (was !== undefined && is !== undefined && same < was.length && was[same] === is[same]) same += 1
  const from = Math.max(0, same - valueShown / 3)
  const cut = (text: string | undefined): string => {
    if (text === undefined) return 'absent'
    const hash = /^(artifact|value) ([0-9a-f]{64})$/.exec(text)
    if (hash !== null) return `${hash[1]} ${hash[2]!.slice(0, 16)}`
    if (/^[0-9a-f]{64}$/.test(text)) return text.slice(0, 16)
    if (text.length <= valueShown) return text
    return `${from > 0 ? '…' : ''}${shorten(text.slice(from), valueShown)}`
  }
  return [cut(was), cut(is)]
}
