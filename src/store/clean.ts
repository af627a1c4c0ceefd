/** Deleting what a user wants gone, and nothing that anybody else needs. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { ReadOnlyError, StoreIOError } from '../errors.js'
import type { Digest } from '../identity/digest.js'
import type { Artifact, ArtifactFile, Entry } from './entry.js'
import * as io from './io.js'
import { blobsOfItems, digestsIn } from './item-blobs.js'
import type { EntryStore } from './store.js'
import { removeIfEmpty, removeViews } from './views.js'

/** Clocks of file systems are as coarse as this. */
const coarseMs = 3000

/**
 * The blobs of these entries that no other entry of the store needs. Reads every entry.
 *
 * @param withItems counts their items, too: those go when an entry is forgotten, and stay when it is evicted.
 */
export async function onlyNeededBy(
  store: EntryStore,
  entries: readonly Entry[],
  withItems = false,
): Promise<Set<Digest>> {
  const candidates = await blobsOf(store, entries)
  const except = new Set(dirsOf(store, entries))
  for (const dir of withItems ? entries.map((entry) => itemsOf(store, entry)) : []) {
    for (const digest of blobsOfItems(dir, store)) candidates.add(digest)
    except.add(dir)
  }
  await spareNeeded(store, candidates, except)
  return candidates
}

/** Deletes the bytes that only these entries need, and keeps the entries. Returns bytes freed. */
export async function evict(store: EntryStore, entries: readonly Entry[]): Promise<number> {
  if (store.readOnly) throw new ReadOnlyError('evict', 'the store was opened read-only')
  return sweep(store, await blobsOf(store, entries), dirsOf(store, entries))
}

/** Evicts, and deletes the entries and their views too. Returns bytes freed. */
export async function forget(store: EntryStore, entries: readonly Entry[]): Promise<number> {
  if (store.readOnly) throw new ReadOnlyError('forget', 'the store was opened read-only')
  const candidates = await blobsOf(store, entries)
  const files = new Map<Artifact, readonly ArtifactFile[]>()
  for (const { artifacts } of entries) {
    for (const artifact of artifacts) files.set(artifact, (await store.filesOf(artifact)) ?? [])
  }
  for (const entry of entries) {
    refuseLinks(store.dirOf(entry.key))
    // What only large items need goes with them.
    for (const digest of blobsOfItems(itemsOf(store, entry), store)) candidates.add(digest)
  }
  const root = path.join(store.folder, 'artifacts')
  let freed = 0
  // The entry first: nobody sees one whose bytes are going, and who commits it anew meanwhile is spared like any other.
  for (const entry of entries) {
    const dir = store.dirOf(entry.key)
    io.remove(path.join(dir, 'entry.json'))
    freed += removeItems(itemsOf(store, entry))
    store.itemSpace(entry.key).refresh()
    for (const name of besideEntry) io.remove(path.join(dir, name))
    removeViews(store.folder, dir, entry, (artifact) => files.get(artifact) ?? [])
    for (let at = dir; at.startsWith(root + path.sep) && removeIfEmpty(at); at = path.dirname(at));
  }
  return freed + (await sweep(store, candidates, new Set()))
}

/** What curio itself writes beside an entry, about the same computation. */
const besideEntry = ['error.json', 'config.yaml', 'uid.yaml', 'full-uid.yaml', 'job']

/** The folder of an entry's items, whether there are any or not. */
export function itemsOf(store: EntryStore, entry: Entry): string {
  return path.join(store.dirOf(entry.key), 'items')
}

/** Removes segments and their indexes; processes that have them open see that they are gone, and begin new ones. Returns their bytes. */
function removeItems(dir: string): number {
  const bytes = segmentBytes(dir)
  for (const file of segmentFiles(dir)) io.remove(file)
  removeIfEmpty(dir)
  return bytes
}

/** The bytes of the segments in a folder of items, and of their indexes. */
export function segmentBytes(dir: string): number {
  return segmentFiles(dir).reduce((sum, file) => sum + (io.sizeOf(file) ?? 0), 0)
}

function segmentFiles(dir: string): string[] {
  if (!fs.lstatSync(dir, { throwIfNoEntry: false })?.isDirectory()) return []
  return fs.readdirSync(dir).flatMap((name) => (/\.(seg|idx)$/.test(name) ? [path.join(dir, name)] : []))
}

/** Refuses a folder that a link on the way puts elsewhere: what is removed lies in this store. */
function refuseLinks(dir: string): void {
  try {
    if (fs.realpathSync(dir) === dir) return
  } catch (error) {
    if (io.isAbsent(error)) return
    throw io.ioError('remove', dir, error)
  }
  throw io.ioError('remove', dir, new Error('a folder on the way is a link, which leads to another place'))
}

/** Deletes those of `candidates` that no entry needs, but for the entries in `except`. */
async function sweep(store: EntryStore, candidates: Set<Digest>, except: ReadonlySet<string>): Promise<number> {
  const since = (clockOf(store) ?? Number.NEGATIVE_INFINITY) - coarseMs
  await spareNeeded(store, candidates, except)
  const hidden = [...candidates].flatMap((digest) => store.blobs.hide(digest) ?? [])
  try {
    // Who committed an entry since the first look either still found the blob, and is seen now; or misses it, and puts it again.
    await spareNeeded(store, candidates, except, since)
  } catch (error) {
    for (const blob of hidden) blob.restore()
    throw error
  }
  let freed = 0
  for (const blob of hidden) {
    if (!candidates.has(blob.digest)) blob.restore()
    else {
      blob.remove()
      freed += blob.bytes
    }
  }
  return freed
}

async function blobsOf(store: EntryStore, entries: readonly Entry[]): Promise<Set<Digest>> {
  const all = new Set<Digest>()
  for (const entry of entries) for (const digest of await store.blobsOf(entry)) all.add(digest)
  return all
}

function dirsOf(store: EntryStore, entries: readonly Entry[]): ReadonlySet<string> {
  return new Set(entries.map((entry) => store.dirOf(entry.key)))
}

/** Takes out of `candidates` what an entry, or items, in another folder refer to; with `since`, of entries that are not older. */
async function spareNeeded(
  store: EntryStore,
  candidates: Set<Digest>,
  except: ReadonlySet<string>,
  since = Number.NEGATIVE_INFINITY,
): Promise<void> {
  for await (const dir of store.entryDirs()) {
    if (candidates.size === 0) return
    if (except.has(dir) || changedAt(path.join(dir, 'entry.json')) < since) continue
    for (const digest of await referencesOf(store, dir)) candidates.delete(digest)
  }
  for await (const dir of store.itemDirs()) {
    if (candidates.size === 0) return
    if (except.has(dir)) continue
    for (const digest of blobsOfItems(dir, store)) candidates.delete(digest)
  }
}

function changedAt(file: string): number {
  return fs.lstatSync(file, { throwIfNoEntry: false })?.ctimeMs ?? Number.NEGATIVE_INFINITY
}

/** The blobs an entry refers to; of one that cannot be read, or is newer than this version: whatever in it could be a blob's name. */
async function referencesOf(store: EntryStore, dir: string): Promise<readonly Digest[]> {
  const found = store.readRawAt(dir)
  if (found === undefined) return []
  if (found.state === 'entry') return store.blobsOf(found.entry)
  return [...digestsIn(Buffer.from(found.bytes ?? []))]
}

/** The file system's own clock, in ms: on a network one it may differ from ours by hours. Undefined where it cannot be asked. */
export function clockOf(store: EntryStore): number | undefined {
  try {
    const probe = io.writeTemp(store.folder, '', 0o600, false)
    try {
      return fs.statSync(probe).mtimeMs
    } finally {
      io.remove(probe)
    }
  } catch (error) {
    if (error instanceof StoreIOError || io.errnoOf(error) !== undefined) return undefined
    throw error
  }
}
