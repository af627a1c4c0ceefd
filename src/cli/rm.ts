import * as fs from 'node:fs'
import * as path from 'node:path'
import { type CurioError, NotFoundError } from '../errors.js'
import { itemsOf, segmentBytes } from '../store/clean.js'
import type { Entry } from '../store/entry.js'
import * as io from '../store/io.js'
import { blobsOfItems } from '../store/item-blobs.js'
import type { EntryStore } from '../store/store.js'
import { removeIfEmpty } from '../store/views.js'
import { UsageError } from './args.js'
import { type Context, exit } from './context.js'
import { allFiles, bytesOf, bytesOfArtifacts, listAll, type OwnFile, ownFiles, readDir } from './entries.js'
import type { Output } from './output.js'
import { notStored, readExactly } from './resolve.js'
import { clean, columns, count, size } from './text.js'

const shownEntries = 20

/** What one entry's removal means. */
interface Planned {
  readonly entry: Entry
  /** Of what would go, whether others need it too or not. */
  readonly bytes: number
  readonly own: readonly OwnFile[]
}

/** `curio rm <key|prefix>`: plans, says so, and removes when it may. */
export async function rm({ args, out, open }: Context): Promise<number> {
  const text = args.positionals[0]!
  const [evict, all, dry, yes] = ['evict', 'all', 'dry-run', 'yes'].map((name) => args.has(name)) as boolean[]
  if (evict && all) throw new UsageError('--evict keeps the folders, so --all does not go with it')
  const store = await open({ write: !dry })
  const entries = await select(store, text)
  const planned: Planned[] = []
  for (const entry of entries) {
    const bytes = evict ? bytesOfArtifacts(entry) : bytesWithItems(store, entry)
    planned.push({ entry, bytes, own: ownFiles(store.dirOf(entry.key), entry, await allFiles(store, entry)) })
  }
  const freed = await bytesFreed(store, entries, evict!)
  const own = planned.flatMap((one) => one.own)
  const plan = {
    keys: entries.map((entry) => entry.key),
    evict: evict!,
    bytes: freed,
    yours: { files: own.length, bytes: own.reduce((sum, file) => sum + file.bytes, 0), removed: all! },
  }
  const say = (verb: string): void => printPlan(out, planned, plan, verb)

  if (dry) {
    if (out.json) out.document({ store: store.folder, ...plan, done: false })
    else say('would remove')
    return exit.ok
  }
  if (!yes && (!out.isTerminal || entries.length > 1)) {
    if (!out.json) say('would remove')
    out.flush()
    throw new UsageError(
      `nothing was removed: ${count(entries.length, 'entry', 'entries')} and ${size(freed)} would go`,
      {
        hint: 'add --yes to do it',
      },
    )
  }
  if (!out.json) {
    say(evict ? 'evicting' : 'removing')
    out.flush()
  }
  const keys = entries.map((entry) => entry.key)
  const bytes = evict ? await store.evictMany(keys) : await store.forgetMany(keys)
  if (all) for (const one of planned) removeOwn(store, one)
  if (out.json) out.document({ store: store.folder, ...plan, bytes, done: true })
  else out.line(`${size(bytes)} freed`)
  return exit.ok
}

/** The entries that are meant: a whole key, or everything below `prefix/`, or everything that starts with `prefix*`. */
async function select(store: EntryStore, text: string): Promise<Entry[]> {
  if (!text.endsWith('/') && !text.endsWith('*')) {
    const found = readExactly(store, text)
    if (found?.entry !== undefined) return [found.entry]
    if (found !== undefined) throw unreadable(store, found.place, found.problem!.state)
    const keys = (await listAll(store)).flatMap(({ entry }) => (entry === undefined ? [] : [entry.key]))
    const below = keys.filter((key) => key.startsWith(`${text}/`)).length
    if (below === 0) throw notStored(store, text, keys)
    throw new NotFoundError(`key ${clean(text)}`, store.folder, {
      hint: `${count(below, 'key')} ${below === 1 ? 'lies' : 'lie'} below it: to remove ${below === 1 ? 'it' : 'them'}, write ${clean(text)}/`,
    })
  }
  const prefix = text.replace(/\*$/, '')
  const entries = (await listAll(store, prefix)).flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  if (entries.length > 0) return entries
  throw new NotFoundError(`any key that starts with ${clean(prefix)}`, store.folder)
}

function unreadable(store: EntryStore, place: string, state: string): CurioError {
  return new NotFoundError(`a readable entry in ${place}`, store.folder, {
    hint: state === 'damaged' ? 'curio verify --repair sets damaged entries aside' : 'use a newer version of curio',
  })
}

/** Bytes that are there and that only these entries need. Items stay where bytes are evicted. */
async function bytesFreed(store: EntryStore, entries: readonly Entry[], evict: boolean): Promise<number> {
  let bytes = 0
  for (const digest of await store.onlyNeededBy(entries, !evict)) bytes += store.blobs.sizeNow(digest) ?? 0
  if (!evict) for (const entry of entries) bytes += segmentBytes(itemsOf(store, entry))
  return bytes
}

function bytesWithItems(store: EntryStore, entry: Entry): number {
  const large = new Set(blobsOfItems(itemsOf(store, entry), store))
  return [...large].reduce((sum, digest) => sum + (store.blobs.sizeNow(digest) ?? 0), bytesOf(store, entry))
}

interface Plan {
  readonly evict: boolean
  readonly bytes: number
  readonly yours: { readonly files: number; readonly bytes: number; readonly removed: boolean }
}

function printPlan(out: Output, planned: readonly Planned[], { evict, bytes, yours }: Plan, verb: string): void {
  const what = evict ? 'the bytes of ' : ''
  out.line(`${verb} ${what}${count(planned.length, 'entry', 'entries')}, which frees ${size(bytes)}`)
  out.lines(
    columns(
      planned.slice(0, shownEntries).map(({ entry, bytes }) => [`  ${size(bytes).padStart(8)}`, clean(entry.key)]),
    ),
  )
  if (planned.length > shownEntries) out.line(`  … and ${planned.length - shownEntries} more`)
  if (yours.files === 0) return
  const files = `${count(yours.files, 'file')} of your own (${size(yours.bytes)})`
  if (yours.removed) {
    out.line(`${files} in their folders too:`)
    const own = planned.flatMap(({ entry, own: files }) => files.map((file) => `${entry.key}/${file.path}`))
    for (const name of own.slice(0, shownEntries)) out.line(`  ${clean(name)}`)
    if (own.length > shownEntries) out.line(`  … and ${own.length - shownEntries} more`)
  } else
    out.line(
      `${files} in their folders ${yours.files === 1 ? 'stays' : 'stay'}${evict ? '' : '; --all removes them too'}`,
    )
}

/** Removes the user's files of a key's folder, links as links, and the folders that are empty then. */
function removeOwn(store: EntryStore, { entry, own }: Planned): void {
  const dir = store.dirOf(entry.key)
  const root = path.join(store.folder, 'artifacts')
  for (const file of own) {
    const at = path.join(dir, ...file.path.split('/'))
    // A folder on the way that became a link since the plan would lead out of the store.
    if (isInside(root, at)) io.remove(at)
  }
  removeEmptyBelow(dir)
  for (let up = dir; up.startsWith(root + path.sep) && removeIfEmpty(up); ) up = path.dirname(up)
}

function removeEmptyBelow(dir: string): void {
  for (const item of readDir(dir)) {
    if (!item.isDirectory()) continue
    removeEmptyBelow(path.join(dir, item.name))
    removeIfEmpty(path.join(dir, item.name))
  }
}

function isInside(root: string, file: string): boolean {
  try {
    return `${fs.realpathSync(path.dirname(file))}${path.sep}`.startsWith(`${fs.realpathSync(root)}${path.sep}`)
  } catch (error) {
    if (io.isAbsent(error)) return false
    throw io.ioError('remove', file, error)
  }
}
