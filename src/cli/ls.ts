import type { Entry } from '../store/entry.js'
import type { EntryStore } from '../store/store.js'
import { type Context, exit } from './context.js'
import { bytesOf, createdAt, hasItems, type Listed, listAll, type Presence, presence } from './entries.js'
import { clean, columns, count, size, span } from './text.js'

/** `curio ls`: a line for each entry. */
export async function ls({ args, out, open, now }: Context): Promise<number> {
  const prefix = (args.positionals[0] ?? '').replace(/\*$/, '')
  const store = await open()
  const listed = await listAll(store, prefix)
  const rows: { one: Listed; state: Presence | undefined }[] = []
  for (const one of listed) {
    rows.push({ one, state: one.entry === undefined ? undefined : (await presence(store, one.entry.artifacts)).state })
  }
  if (out.json) {
    const entries = rows.flatMap(({ one, state }) =>
      one.entry === undefined ? [] : [entryJson(store, one.entry, state!)],
    )
    const unreadable = listed.flatMap(({ place, problem }) => (problem === undefined ? [] : [{ place, ...problem }]))
    out.document({ store: store.folder, entries, unreadable })
  } else {
    const long = args.has('long')
    const lines = columns(
      rows.map(({ one, state }) => row(store, one, state, now)),
      [0, 1, 2],
    )
    rows.forEach(({ one, state }, i) => {
      const line = lines[i]!
      out.line(
        one.entry === undefined ? out.paint('red', line) : state === 'complete' ? line : out.paint('yellow', line),
      )
      if (long && one.entry !== undefined) for (const text of artifactLines(one.entry)) out.line(out.paint('dim', text))
    })
    if (rows.length === 0) {
      out.note(prefix === '' ? 'the store is empty' : `no key starts with ${clean(prefix)}`)
    } else if (out.isTerminal) {
      const bytes = listed.reduce((sum, { entry }) => sum + (entry === undefined ? 0 : bytesOf(store, entry)), 0)
      out.note(`${count(rows.length, 'entry', 'entries')}, ${size(bytes)}`)
    }
  }
  return rows.length === 0 && prefix !== '' ? exit.notFound : exit.ok
}

function row(store: EntryStore, { entry, place, problem }: Listed, state: Presence | undefined, now: number): string[] {
  if (entry === undefined)
    return ['-'.padEnd(11), '-', '-', `${clean(place)}  ${problem.state}: ${clean(problem.reason)}`]
  const at = createdAt(entry)
  return [
    (hasItems(entry) ? 'items' : count(entry.artifacts.length, 'artifact')).padEnd(11),
    size(bytesOf(store, entry)),
    at === undefined ? '?' : span(now - at),
    `${clean(entry.key)}${state === 'complete' ? '' : `  ${state}`}`,
  ]
}

function artifactLines(entry: Entry): string[] {
  return columns(
    entry.artifacts.map((a) => [`      ${clean(a.name)}`, clean(a.cacher), size(a.bytes), a.digest]),
    [2],
  )
}

function entryJson(store: EntryStore, entry: Entry, state: Presence) {
  return {
    key: entry.key,
    id: entry.id ?? null,
    version: entry.version ?? null,
    state,
    bytes: bytesOf(store, entry),
    created: entry.provenance.created ?? null,
    artifacts: entry.artifacts.map(({ name, cacher, bytes, digest }) => ({ name, cacher, bytes, digest })),
  }
}
