/** Deleting what a user wants gone, and nothing that anybody else needs. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { ReadOnlyError } from '../errors.js'
import { type Digest, isDigest } from '../identity/digest.js'
import type { Key } from '../identity/key.js'
import type { Artifact, ArtifactFile } from './entry.js'
import * as io from './io.js'
import type { EntryStore } from './store.js'
import { removeIfEmpty, removeViews } from './views.js'

/** Clocks of file systems are as coarse as this. */
const coarseMs = 3000

/** See `EntryStore.evict`. */
export async function evict(store: EntryStore, key: Key | string): Promise<number | undefined> {
  if (store.readOnly) throw new ReadOnlyError('evict', 'the store was opened read-only')
  const found = store.readEntry(key)
  if (!found.hit) return undefined
  const dir = store.dirOf(typeof key === 'string' ? key : key.text)
  const since = clockOf(store) - coarseMs
  const candidates = new Set(await store.blobsOf(found.entry))
  await spareNeeded(store, candidates, dir)
  const hidden = [...candidates].flatMap((digest) => store.blobs.hide(digest) ?? [])
  // Who committed an entry since the first look either still found the blob, and is seen now; or misses it, and puts it again.
  await spareNeeded(store, candidates, dir, since)
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

/** See `EntryStore.forget`. */
export async function forget(store: EntryStore, key: Key | string): Promise<number | undefined> {
  if (store.readOnly) throw new ReadOnlyError('forget', 'the store was opened read-only')
  const found = store.readEntry(key)
  if (!found.hit) return undefined
  const dir = store.dirOf(typeof key === 'string' ? key : key.text)
  const files = new Map<Artifact, readonly ArtifactFile[]>()
  for (const artifact of found.entry.artifacts) files.set(artifact, (await store.filesOf(artifact)) ?? [])
  const freed = await evict(store, key)
  io.remove(path.join(dir, 'entry.json'))
  removeViews(store.folder, dir, found.entry, (artifact) => files.get(artifact) ?? [])
  const root = path.join(store.folder, 'artifacts')
  for (let at = dir; at.startsWith(root + path.sep) && removeIfEmpty(at); at = path.dirname(at));
  return freed
}

/** Takes out of `candidates` what an entry in another folder refers to; with `since`, of entries that are not older. */
async function spareNeeded(
  store: EntryStore,
  candidates: Set<Digest>,
  except: string,
  since = Number.NEGATIVE_INFINITY,
): Promise<void> {
  for await (const dir of store.entryDirs()) {
    if (candidates.size === 0) return
    if (dir === except || changedAt(path.join(dir, 'entry.json')) < since) continue
    for (const digest of await referencesOf(store, dir)) candidates.delete(digest)
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
  const text = Buffer.from(found.bytes ?? []).toString('latin1')
  return (text.match(/[0-9a-f]{64}/g) ?? []).filter(isDigest)
}

/** The file system's own clock, in ms: on a network one it may differ from ours by hours. -Infinity where it cannot be asked. */
export function clockOf(store: EntryStore): number {
  try {
    const probe = io.writeTemp(store.folder, '', 0o600, false)
    try {
      return fs.statSync(probe).mtimeMs
    } finally {
      io.remove(probe)
    }
  } catch (error) {
    if (io.errnoOf(error) === undefined) throw error
    return Number.NEGATIVE_INFINITY
  }
}
