import * as fs from 'node:fs'
import * as path from 'node:path'
import { byCodeUnit } from '../identity/canonical.js'
import type { Digest } from '../identity/digest.js'
import { keyPath } from '../identity/path.js'
import { artifactDigest, type Entry, maxEntryBytes, parseEntry } from './entry.js'
import * as io from './io.js'
import { aliveness } from './process.js'
import type { EntryStore } from './store.js'

/** One thing `verify` found. `repaired` says what was done about it. */
export interface Problem {
  readonly kind:
    | 'entry-damaged'
    | 'entry-misplaced'
    | 'entry-newer'
    | 'blob-damaged'
    | 'blob-missing'
    | 'digest-wrong'
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

const dayMs = 24 * 3600_000

/**
 * Reads everything in a store and compares it with what it should be: every entry with its hash, every blob with its
 * SHA-256. Safe beside writers: a blob put while this runs is no problem, nor is a live writer's temporary.
 */
export async function verify(store: EntryStore, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { repair = false, signal, onProgress } = options
  const problems: Problem[] = []
  const needed = new Map<Digest, Set<string>>()
  const entries: Entry[] = []
  let seen = 0
  const progress = { entries: 0, blobs: 0, bytes: 0 }
  const writable = repair && !store.readOnly

  for await (const dir of store.entryDirs('', signal)) {
    seen += 1
    const found = checkEntry(store, dir, writable)
    if ('problem' in found) problems.push(found.problem)
    else entries.push(found.entry)
    progress.entries = seen
    onProgress?.(progress)
  }

  const damaged = new Set<Digest>()
  const present = new Set<Digest>()
  const unreferenced: { sha256: Digest; bytes: number }[] = []
  for await (const blob of store.blobs.list()) {
    signal?.throwIfAborted()
    progress.blobs += 1
    progress.bytes += blob.bytes
    if (await isGood(store, blob.sha256, writable)) present.add(blob.sha256)
    else if (store.blobs.sizeNow(blob.sha256) !== undefined || writable) damaged.add(blob.sha256)
    unreferenced.push(blob)
    onProgress?.(progress)
  }

  for (const entry of entries) {
    for (const artifact of entry.artifacts) {
      const files = await store.filesOf(artifact)
      for (const digest of [
        ...(artifact.list ? [artifact.list.sha256] : []),
        ...(files ?? []).map((file) => file.sha256),
      ]) {
        const keys = needed.get(digest) ?? new Set()
        needed.set(digest, keys.add(`${entry.key}#${artifact.name}`))
      }
      if (files !== undefined && artifactDigest({ ...artifact, files }) !== artifact.digest) {
        problems.push({
          kind: 'digest-wrong',
          where: entry.key,
          detail: `artifact ${artifact.name} has another digest than its entry says`,
          repaired: false,
        })
      }
    }
    if (writable) await store.refreshViews(entry)
  }

  for (const digest of [...damaged].sort(byCodeUnit)) {
    const users = [...(needed.get(digest) ?? [])].join(', ') || 'no entry'
    problems.push({
      kind: 'blob-damaged',
      where: store.blobs.path(digest),
      detail: `needed by ${users}`,
      repaired: writable,
    })
  }
  for (const [digest, users] of needed) {
    if (present.has(digest) || damaged.has(digest)) continue
    // Put since the list was read, by a live writer; or evicted, or lost.
    if (store.blobs.sizeNow(digest) !== undefined && (await isGood(store, digest, writable))) continue
    problems.push({
      kind: 'blob-missing',
      where: store.blobs.path(digest),
      detail: `needed by ${[...users].join(', ')}; it was evicted, or lost`,
      repaired: false,
    })
  }
  problems.push(...temporaries(store, writable))

  const orphans = unreferenced.filter((blob) => !needed.has(blob.sha256))
  return {
    entries: seen,
    blobs: progress.blobs,
    bytes: progress.bytes,
    unreferenced: { blobs: orphans.length, bytes: orphans.reduce((sum, blob) => sum + blob.bytes, 0) },
    problems,
  }
}

/** Checks a blob from its bytes. Without `repair` it is only looked at, not moved. */
async function isGood(store: EntryStore, digest: Digest, repair: boolean): Promise<boolean> {
  return store.blobs.verify(digest, { again: true, leave: !repair })
}

function checkEntry(store: EntryStore, dir: string, repair: boolean): { entry: Entry } | { problem: Problem } {
  const file = path.join(dir, 'entry.json')
  const bytes = io.readSmall(file, maxEntryBytes)
  const found =
    bytes instanceof Uint8Array ? parseEntry(bytes) : { state: 'damaged' as const, reason: 'it is no regular file' }
  if (found.state === 'newer') {
    return {
      problem: { kind: 'entry-newer', where: file, detail: `format ${found.format}; left alone`, repaired: false },
    }
  }
  if (found.state === 'damaged') {
    if (repair) store.setEntryAside(file, bytes instanceof Uint8Array ? bytes : undefined)
    return { problem: { kind: 'entry-damaged', where: file, detail: found.reason, repaired: repair } }
  }
  const { entry } = found
  if (path.join(store.folder, keyPath(entry.key)) !== dir) {
    return {
      problem: { kind: 'entry-misplaced', where: file, detail: `it is the entry of ${entry.key}`, repaired: false },
    }
  }
  return { entry }
}

/** Files that a killed writer left: its process is gone, or they are older than a day by the file system's own clock. */
export function temporaries(store: EntryStore, repair: boolean): Problem[] {
  const problems: Problem[] = []
  let now: number | undefined
  const visit = (dir: string, depth: number): void => {
    for (const name of namesIn(dir)) {
      const file = path.join(dir, name.name)
      if (name.isDirectory() && !name.isSymbolicLink()) {
        if (depth > 0) visit(file, depth - 1)
        continue
      }
      const match = /^\.tmp-(\w+)-(\d+)-([0-9a-f]{8})-[0-9a-f]{32}$/.exec(name.name)
      if (match === null) continue
      const stat = fs.lstatSync(file, { throwIfNoEntry: false })
      if (stat === undefined) continue
      now ??= fileSystemNow(store)
      const state = aliveness(match[1]!, match[3]!, Number(match[2]))
      if (state !== 'dead' && (state !== 'unknown' || now - stat.mtimeMs < dayMs)) continue
      if (repair) io.remove(file)
      problems.push({
        kind: 'temporary',
        where: file,
        detail: `${stat.size} bytes left by pid ${match[2]} on ${match[1]}`,
        repaired: repair,
      })
    }
  }
  visit(store.folder, 0)
  visit(path.join(store.folder, 'blobs'), 1)
  visit(path.join(store.folder, 'locks'), 0)
  visit(path.join(store.folder, 'artifacts'), 64)
  visit(path.join(store.folder, 'views'), 8)
  return problems
}

function namesIn(dir: string): fs.Dirent[] {
  try {
    return fs.readdirSync(dir, { withFileTypes: true })
  } catch (error) {
    if (io.isAbsent(error)) return []
    throw io.ioError('list', dir, error)
  }
}

/** The file system's own clock: on a network one it may differ from ours by hours. */
function fileSystemNow(store: EntryStore): number {
  if (store.readOnly) return Date.now()
  const probe = io.writeTemp(store.folder, '', 0o600, false)
  const now = fs.statSync(probe).mtimeMs
  io.remove(probe)
  return now
}
