import * as path from 'node:path'
import type { Artifact, ArtifactFile, Entry } from '../store/entry.js'
import type { EntryStore } from '../store/store.js'
import { leadsTo, viewName } from '../store/views.js'
import { type Context, exit } from './context.js'
import {
  allFiles,
  bytesOf,
  countItems,
  createdAt,
  hasItems,
  type Listed,
  listAll,
  type OwnFile,
  ownFiles,
  type Presences,
  presence,
  readAt,
} from './entries.js'
import { resolveEntry, withoutArtifact } from './resolve.js'
import { clean, columns, count, shorten, size, span } from './text.js'

const filesShown = 20

/** `curio show <key>`: everything an entry says, and what lies in its folder. */
export async function show(context: Context): Promise<number> {
  const { args, out, open, cwd } = context
  const store = await open()
  const entry = await resolveEntry(store, withoutArtifact(store, args.positionals[0]!), cwd)
  const dir = store.dirOf(entry.key)
  const files = await allFiles(store, entry)
  const about: About = {
    store,
    entry,
    dir,
    found: await presence(store, entry.artifacts),
    own: ownFiles(dir, entry, files),
    views: Object.fromEntries(entry.artifacts.map((artifact) => [artifact.name, viewOf(store, dir, artifact)])),
    files: new Map(),
    producers: await producersOf(store, entry),
  }
  for (const artifact of entry.artifacts) about.files.set(artifact.name, await store.filesOf(artifact))
  if (out.json) {
    const { found, own, views, producers } = about
    out.document({
      key: entry.key,
      folder: dir,
      state: found.state,
      missing: found.missing,
      views,
      producers,
      yours: own,
      entry,
    })
  } else print(context, about)
  return exit.ok
}

interface About {
  readonly store: EntryStore
  readonly entry: Entry
  readonly dir: string
  readonly found: Presences
  readonly own: readonly OwnFile[]
  /** Path of each artifact's link; null where there is none. */
  readonly views: Readonly<Record<string, string | null>>
  readonly files: Map<string, readonly ArtifactFile[] | undefined>
  /** The key that made each input, and whether it is still stored. */
  readonly producers: Readonly<Record<string, { readonly key: string; readonly stored: boolean }>>
}

/** The link to an artifact's main file; null when there is none that leads to the right bytes. */
function viewOf(store: EntryStore, dir: string, artifact: Artifact): string | null {
  const main = artifact.files?.find((file) => file.role === viewName(artifact))
  const at = path.join(dir, viewName(artifact))
  return main !== undefined && leadsTo(at, store.folder, main.sha256) ? at : null
}

/** Who made the inputs: as the entry says, else any stored entry that has the same artifact. */
async function producersOf(store: EntryStore, entry: Entry): Promise<About['producers']> {
  const producers: [string, { key: string; stored: boolean }][] = []
  let all: Listed[] | undefined
  for (const [name, input] of Object.entries(entry.inputs ?? {})) {
    if (!('artifact' in input)) continue
    if (input.from !== undefined) {
      producers.push([name, { key: input.from, stored: isStored(store, input.from) }])
      continue
    }
    all ??= await listAll(store)
    const made = all.find((one) => one.entry?.artifacts.some((artifact) => artifact.digest === input.artifact))
    if (made?.entry !== undefined) producers.push([name, { key: made.entry.key, stored: true }])
  }
  return Object.fromEntries(producers)
}

function isStored(store: EntryStore, key: string): boolean {
  try {
    return readAt(store, store.dirOf(key))?.entry?.key === key
  } catch {
    // What an entry names as its producer may be any text.
    return false
  }
}

function print({ out, now, cwd }: Context, about: About): void {
  const { entry, found, own } = about
  const at = createdAt(entry)
  const head: [string, string][] = [['key', out.paint('bold', clean(entry.key))]]
  if (entry.id !== undefined) head.push(['stage', `${clean(entry.id)}, version ${clean(entry.version ?? '?')}`])
  const missing = found.missing.length
  const state =
    found.state === 'complete'
      ? out.paint('green', 'complete')
      : out.paint('yellow', `${found.state}: ${count(missing, 'file is', 'files are')} gone`)
  head.push([
    'state',
    `${state}, ${size(bytesOf(about.store, entry))}${at === undefined ? '' : `, made ${span(now - at)} ago`}`,
  ])
  if (hasItems(entry)) {
    const { items, errors } = countItems(about.store, entry)
    head.push(['items', `${items}${errors === 0 ? '' : `, and ${count(errors, 'error')}`}`])
  }
  head.push(['folder', clean(nice(about.dir, cwd))])
  if (entry.code !== undefined) head.push(['code', `${entry.code.sha256.slice(0, 16)} (${clean(entry.code.tag)})`])
  if (entry.token !== undefined) head.push(['forced', `by run ${clean(entry.token)}`])
  out.lines(columns(head))

  section('params', paramRows(entry))
  section(
    'ignored',
    Object.entries(entry.ignored ?? {}).map(([name, value]) => [name, shorten(value, 200)]),
  )
  section('inputs', inputRows(about))
  section(
    'provenance',
    Object.entries(entry.provenance)
      .filter(([, value]) => !(Array.isArray(value) && value.length === 0))
      .map(([name, value]) => [name, name.endsWith('Bytes') ? size(Number(value)) : shown(value)]),
  )
  for (const artifact of entry.artifacts) {
    out.line()
    out.line(`${out.paint('bold', clean(artifact.name))}  ${clean(artifact.cacher)}, ${size(artifact.bytes)}`)
    out.lines(columns(artifactRows(about, artifact, cwd).map(([name, value]) => [`  ${name}`, clean(value)])))
  }
  section(
    'yours',
    own.map((file) => [file.path, size(file.bytes)]),
  )

  function section(title: string, rows: readonly (readonly string[])[]): void {
    if (rows.length === 0) return
    out.line()
    out.line(out.paint('bold', title))
    out.lines(columns(rows.map((row) => row.map((cell, i) => (i === 0 ? '  ' : '') + clean(cell)))))
  }
}

function paramRows(entry: Entry): string[][] {
  return Object.entries(entry.params ?? {}).map(([name, value]) => {
    const dropped = Object.hasOwn(entry.defaults ?? {}, name)
    return [name, shorten(value, 200), ...(dropped ? ['the default, so not in the key'] : [])]
  })
}

function inputRows({ entry, producers }: About): string[][] {
  return Object.entries(entry.inputs ?? {}).map(([name, input]) => {
    if ('value' in input) return [name, `value ${input.value.slice(0, 16)}`]
    const from = Object.hasOwn(producers, name) ? producers[name] : undefined
    const made = from === undefined ? '' : `from ${from.key}${from.stored ? '' : ' (no longer stored)'}`
    return [name, `artifact ${input.artifact.slice(0, 16)}`, made]
  })
}

function artifactRows({ files: lists, views, found }: About, artifact: Artifact, cwd: string): [string, string][] {
  const rows: [string, string][] = [['digest', artifact.digest]]
  if (artifact.preview !== undefined) rows.push(['preview', artifact.preview])
  const view = views[artifact.name]
  if (view !== undefined && view !== null) rows.push(['view', nice(view, cwd)])
  const files = lists.get(artifact.name)
  if (files === undefined) rows.push(['files', 'their list is gone'])
  const gone = new Set(found.missing.filter((one) => one.artifact === artifact.name).map((one) => one.role))
  for (const file of files?.slice(0, filesShown) ?? []) {
    const mark = gone.has(file.role) ? '  gone' : ''
    rows.push(['file', `${file.role}  ${size(file.bytes)}  ${file.sha256.slice(0, 16)}${mark}`])
  }
  if (files !== undefined && files.length > filesShown) rows.push(['', `and ${files.length - filesShown} more files`])
  if (Object.keys(artifact.options).length > 0) rows.push(['options', shown(artifact.options)])
  for (const [name, value] of Object.entries(artifact.extra)) rows.push([`extra.${name}`, shown(value)])
  if (artifact.track === false) rows.push(['track', 'false: left out of full copies'])
  return rows
}

function shown(value: unknown): string {
  return shorten(typeof value === 'string' ? value : JSON.stringify(value), 400)
}

/** Relative to where the user is, when it lies below; else absolute. */
function nice(file: string, cwd: string): string {
  const relative = path.relative(cwd, file)
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative
}
