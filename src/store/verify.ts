import * as path from 'node:path'
import { CurioError } from '../errors.js'
import { byCodeUnit } from '../identity/canonical.js'
import type { Digest } from '../identity/digest.js'
import { type Artifact, artifactDigest, type Entry } from './entry.js'
import { StoreEvents } from './events.js'
import { stampOf } from './hashing.js'
import { blobsOfItems } from './item-blobs.js'
import type { EntryStore } from './store.js'
import { temporaries } from './temporaries.js'

export { temporaries } from './temporaries.js'

/** One thing `verify` found. `repaired` says what was done about it. */
export interface Problem {
  readonly kind:
    | 'entry-damaged'
    | 'entry-misplaced'
    | 'entry-newer'
    | 'blob-damaged'
    | 'blob-missing'
    | 'digest-wrong'
    | 'item-damaged'
    | 'temporary'
  /** File or key. */
  readonly where: string
  readonly detail: string
  readonly repaired: boolean
}

export interface VerifyReport {
  readonly entries: number
  readonly blobs: number
  readonly bytes: number
  /** Blobs that no entry refers to: left by a kill between blob and entry, or by `store.blobs.put`. No problem. */
  readonly unreferenced: { readonly blobs: number; readonly bytes: number }
  readonly problems: readonly Problem[]
}

export interface VerifyOptions {
  /** Set damage aside, rewrite views, remove dead temporaries. Default false: only report. */
  readonly repair?: boolean
  readonly signal?: AbortSignal
  /** Called after each entry and blob. */
  readonly onProgress?: (done: { entries: number; blobs: number; bytes: number }) => void
}

/**
 * Reads everything in a store and compares it with what it should be: every entry with its hash, every blob with its
 * SHA-256. Safe beside writers: a blob put while this runs is no problem, nor is a live writer's temporary.
 */
export async function verify(store: EntryStore, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { repair = false, signal, onProgress } = options
  const writable = repair && !store.readOnly
  const problems: Problem[] = []
  const entries: { readonly entry: Entry; readonly dir: string }[] = []
  const progress = { entries: 0, blobs: 0, bytes: 0 }

  for await (const dir of store.entryDirs('', signal)) {
    const found = checkEntry(store, dir, writable)
    if (found === undefined) continue
    if ('problem' in found) problems.push(found.problem)
    else entries.push({ entry: found.entry, dir })
    progress.entries += 1
    onProgress?.(progress)
  }

  const damaged = new Map<Digest, boolean>()
  const present = new Map<Digest, number>()
  const inspect = async (digest: Digest): Promise<'good' | 'damaged' | 'absent'> => {
    const found = await store.blobs.inspect(digest, { again: true, ...(signal === undefined ? {} : { signal }) })
    // Moved only when it is bad once more: another process may have healed it meanwhile.
    if (found === 'damaged' && writable && (await store.blobs.verify(digest))) return 'good'
    if (found === 'damaged') damaged.set(digest, writable && (await store.blobs.inspect(digest)) === 'absent')
    return found
  }
  for await (const blob of store.blobs.list()) {
    signal?.throwIfAborted()
    progress.blobs += 1
    progress.bytes += blob.bytes
    if ((await inspect(blob.sha256)) === 'good') present.set(blob.sha256, blob.bytes)
    onProgress?.(progress)
  }

  const needed = new Map<Digest, { readonly users: Set<string>; readonly dirs: Set<string> }>()
  for (const { entry, dir } of entries) {
    for (const artifact of entry.artifacts) {
      const files =
        artifact.list === undefined || present.has(artifact.list.sha256) ? await store.filesOf(artifact) : undefined
      const digests = [artifact.list?.sha256, ...(files ?? []).map((file) => file.sha256)]
      for (const digest of digests) {
        if (digest === undefined) continue
        const need = needed.get(digest) ?? { users: new Set(), dirs: new Set() }
        needed.set(digest, need)
        need.users.add(`${entry.key}#${artifact.name}`)
        need.dirs.add(dir)
      }
      const wrong = wrongDigest(artifact, files, present)
      if (wrong !== undefined) problems.push({ kind: 'digest-wrong', where: entry.key, detail: wrong, repaired: false })
    }
    if (writable) await store.refreshViews(entry)
  }

  for (const [digest, { users, dirs }] of needed) {
    if (present.has(digest) || damaged.has(digest)) continue
    // Put since the list was read, by a live writer; or evicted, or lost. Missing only while an entry that needs it stands.
    const before = standing(store, digest, dirs)
    if ((await inspect(digest)) !== 'absent') continue
    if (!standing(store, digest, dirs).some((stamp) => before.includes(stamp))) continue
    const detail = `needed by ${[...users].join(', ')}; it was evicted, or lost`
    problems.push({ kind: 'blob-missing', where: store.blobs.path(digest), detail, repaired: false })
  }
  for (const [digest, repaired] of [...damaged].sort(([a], [b]) => byCodeUnit(a, b))) {
    const users = [...(needed.get(digest)?.users ?? [])].join(', ') || 'no entry'
    problems.push({ kind: 'blob-damaged', where: store.blobs.path(digest), detail: `needed by ${users}`, repaired })
  }
  for await (const dir of store.itemDirs()) {
    signal?.throwIfAborted()
    const items = itemsIn(store, dir)
    for (const digest of items.blobs) needed.set(digest, needed.get(digest) ?? { users: new Set(), dirs: new Set() })
    problems.push(...items.problems)
  }
  problems.push(...temporaries(store, writable))

  const orphans = [...present].filter(([digest]) => !needed.has(digest))
  return {
    entries: progress.entries,
    blobs: progress.blobs,
    bytes: progress.bytes,
    unreferenced: { blobs: orphans.length, bytes: orphans.reduce((sum, [, bytes]) => sum + bytes, 0) },
    problems,
  }
}

/** Reads every item of a folder: what is damaged of them, and which blobs the large ones need. */
function itemsIn(store: EntryStore, dir: string): { readonly blobs: Set<Digest>; readonly problems: Problem[] } {
  const events = new StoreEvents(store.folder)
  const blobs = new Set(blobsOfItems(dir, { modes: store.modes, events }, true))
  const count = events.counts['item-damaged'] ?? 0
  const detail = `damaged in ${count} ${count === 1 ? 'place' : 'places'}: what lay there is computed again when it is asked for`
  return { blobs, problems: count === 0 ? [] : [{ kind: 'item-damaged', where: dir, detail, repaired: false }] }
}

/** Undefined: a file of somebody else's that happens to be called like an entry, or one that has just gone. */
function checkEntry(
  store: EntryStore,
  dir: string,
  repair: boolean,
): { entry: Entry } | { problem: Problem } | undefined {
  const where = path.join(dir, 'entry.json')
  const problem = (kind: Problem['kind'], detail: string, repaired = false) => ({
    problem: { kind, where, detail, repaired },
  })
  let found: ReturnType<EntryStore['readRawAt']>
  try {
    found = store.readRawAt(dir)
  } catch (error) {
    if (CurioError.is(error, 'ERR_PERMISSION')) return problem('entry-damaged', error.message.split('\n')[0]!)
    throw error
  }
  if (found === undefined) return undefined
  if (found.state === 'newer') return problem('entry-newer', `format ${found.format}; left alone`)
  if (found.state === 'damaged') {
    if (isForeign(found.bytes)) return undefined
    return problem('entry-damaged', found.reason, repair && store.setEntryAside(where, found.bytes))
  }
  if (!store.isAtHome(found.entry, dir)) return problem('entry-misplaced', `it is the entry of ${found.entry.key}`)
  return { entry: found.entry }
}

/** Whole JSON without a trace of an entry's frame: no damage makes that of an entry. */
function isForeign(bytes: Uint8Array | undefined): boolean {
  if (bytes === undefined) return false
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  if (['"curio"', '"entry"', '"sha256"'].some((mark) => text.includes(mark))) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** What is wrong with what an entry says of an artifact, when its list of files can be read. */
function wrongDigest(
  artifact: Artifact,
  files: Awaited<ReturnType<EntryStore['filesOf']>>,
  present: ReadonlyMap<Digest, number>,
): string | undefined {
  if (files === undefined) {
    const listed = artifact.list !== undefined && present.has(artifact.list.sha256)
    return listed ? `the list of files of artifact ${artifact.name} is none` : undefined
  }
  if (artifactDigest({ ...artifact, files }) !== artifact.digest) {
    return `artifact ${artifact.name} has another digest than its entry says`
  }
  const file = files.find(({ sha256, bytes }) => present.has(sha256) && present.get(sha256) !== bytes)
  return file && `file ${file.role} of artifact ${artifact.name} has another size than its entry says`
}

/** Stamps of those entries that are still there and need the blob: one may have been forgotten or replaced meanwhile. */
function standing(store: EntryStore, digest: Digest, dirs: ReadonlySet<string>): string[] {
  return [...dirs].flatMap((dir) => {
    const stamp = stampOf(path.join(dir, 'entry.json'))
    const found = store.readRawAt(dir)
    if (typeof stamp !== 'object' || found?.state !== 'entry') return []
    const needs = found.entry.artifacts.some((a) => a.list !== undefined || a.files!.some((f) => f.sha256 === digest))
    return needs ? [stamp.text] : []
  })
}
