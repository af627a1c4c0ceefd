/** What the commands ask about entries beyond what `Store` answers: also those that cannot be read, and how much of them is there. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { byCodeUnit } from '../identity/canonical.js'
import { itemsOf, segmentBytes } from '../store/clean.js'
import { type Artifact, type ArtifactFile, type Entry, maxEntryBytes } from '../store/entry.js'
import * as io from '../store/io.js'
import type { EntryStore } from '../store/store.js'

/** An entry that cannot be used: damaged, or of a newer format. */
export interface Unreadable {
  readonly state: 'damaged' | 'newer'
  readonly reason: string
}

/** What one folder holds. `place`: the key's folder relative to the store. */
export type Listed = { readonly place: string } & (
  | { readonly entry: Entry; readonly problem?: undefined }
  | { readonly entry?: undefined; readonly problem: Unreadable }
)

/** Reads the `entry.json` in a folder, and changes nothing; undefined when there is none. */
export function readAt(store: EntryStore, dir: string): Listed | undefined {
  const found = store.readRawAt(dir)
  if (found === undefined) return undefined
  const place = path.relative(store.folder, dir).replaceAll(path.sep, '/')
  switch (found.state) {
    case 'newer':
      return { place, problem: { state: 'newer', reason: `it has format ${found.format}` } }
    case 'damaged':
      return { place, problem: { state: 'damaged', reason: found.reason } }
    case 'entry':
      return store.isAtHome(found.entry, dir)
        ? { place, entry: found.entry }
        : { place, problem: { state: 'damaged', reason: `it is the entry of ${found.entry.key}` } }
  }
}

/** Every entry whose key starts with `prefix`, sorted by key; then those that cannot be read, below the folder of `prefix`. */
export async function listAll(store: EntryStore, prefix = ''): Promise<Listed[]> {
  const listed: Listed[] = []
  for await (const dir of store.entryDirs(prefix)) {
    const one = readAt(store, dir)
    if (one !== undefined && (one.entry === undefined || one.entry.key.startsWith(prefix))) listed.push(one)
  }
  const name = ({ entry, place }: Listed) => (entry === undefined ? `\uffff${place}` : entry.key)
  return listed.sort((a, b) => byCodeUnit(name(a), name(b)))
}

/** How much of an entry or artifact is there. `evicted`: nothing of it; `incomplete`: some files are missing, or have another size. */
export type Presence = 'complete' | 'incomplete' | 'evicted'

export interface Missing {
  readonly artifact: string
  /** `(list of files)` when it is the list itself that is gone. */
  readonly role: string
  readonly sha256: string
}

export interface Presences {
  readonly state: Presence
  readonly missing: readonly Missing[]
}

/** Looks for the blobs of an entry; reads none but lists of files. */
export async function presence(store: EntryStore, artifacts: readonly Artifact[]): Promise<Presences> {
  const missing: Missing[] = []
  let there = 0
  for (const artifact of artifacts) {
    const files = await store.filesOf(artifact)
    if (files === undefined) {
      missing.push({ artifact: artifact.name, role: '(list of files)', sha256: artifact.list!.sha256 })
    }
    for (const file of files ?? []) {
      if (store.blobs.sizeNow(file.sha256) === file.bytes) there += 1
      else missing.push({ artifact: artifact.name, role: file.role, sha256: file.sha256 })
    }
  }
  return { state: missing.length === 0 ? 'complete' : there === 0 ? 'evicted' : 'incomplete', missing }
}

/** Total bytes of an entry's artifacts, whether they are there or not, and of the segments of its items. */
export function bytesOf(store: EntryStore, entry: Entry): number {
  return bytesOfArtifacts(entry) + segmentBytes(itemsOf(store, entry))
}

export function bytesOfArtifacts(entry: Entry): number {
  return entry.artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0)
}

/** Whether an entry says what a folder of items is of. */
export function hasItems(entry: Entry): boolean {
  return entry.provenance.items === true
}

/** How many items of an entry have a value, and how many an error. */
export function countItems(store: EntryStore, entry: Entry): { readonly items: number; readonly errors: number } {
  const space = store.itemSpace(entry.key)
  let errors = 0
  for (const _ of space.records('error')) errors += 1
  return { items: space.size, errors }
}

/** Milliseconds since the epoch at which an entry says it was made; undefined when it does not say. */
export function createdAt(entry: Entry): number | undefined {
  const at = Date.parse(String(entry.provenance.created))
  return Number.isNaN(at) ? undefined : at
}

/** A file of the user's in the folder of a key. */
export interface OwnFile {
  /** Relative to the key's folder, with `/`. */
  readonly path: string
  readonly bytes: number
}

/** Names that format 1 reserves in a key's folder: curio's, in this version or a later one. */
const reserved = /^(entry\.json|entry\.sig|error\.json|items|config\.yaml|uid\.yaml|full-uid\.yaml|job|code|\.tmp-.*)$/i

/**
 * Files in a key's folder that curio did not put there. Folders that hold keys of their own are left out, links are not followed.
 *
 * @param files what the entry's artifacts consist of; none, where nothing is known of it.
 */
export function ownFiles(dir: string, entry: Entry | undefined, files: readonly ArtifactFile[]): OwnFile[] {
  const views = new Set<string>(entry?.artifacts.map((artifact) => `${artifact.name}.meta.json`))
  const links = new Map(files.map((file) => [file.role, file.sha256]))
  const own: OwnFile[] = []
  const visit = (at: string, prefix: string): void => {
    for (const item of readDir(at)) {
      const name = prefix + item.name
      const file = path.join(at, item.name)
      if (prefix === '' && reserved.test(item.name)) continue
      if (item.isDirectory()) {
        if (!isKeyFolder(file)) visit(file, `${name}/`)
        continue
      }
      if (item.isSymbolicLink() && links.has(name) && isLinkTo(file, links.get(name)!)) continue
      if (views.has(name) && isSidecar(file)) continue
      own.push({ path: name, bytes: fs.lstatSync(file, { throwIfNoEntry: false })?.size ?? 0 })
    }
  }
  visit(dir, '')
  return own.sort((a, b) => byCodeUnit(a.path, b.path))
}

export function readDir(dir: string): fs.Dirent[] {
  try {
    return fs.readdirSync(dir, { withFileTypes: true })
  } catch (error) {
    if (io.isAbsent(error)) return []
    throw io.ioError('list', dir, error)
  }
}

function isKeyFolder(dir: string): boolean {
  return ['entry.json', 'error.json'].some((name) => fs.existsSync(path.join(dir, name)))
}

function isLinkTo(link: string, digest: string): boolean {
  return path.basename(fs.readlinkSync(link)) === digest
}

function isSidecar(file: string): boolean {
  const bytes = io.readSmall(file, maxEntryBytes)
  return bytes instanceof Uint8Array && Buffer.from(bytes.subarray(0, 200)).toString().includes('"curio"')
}

/** The files of all artifacts of an entry, as far as they are known. */
export async function allFiles(store: EntryStore, entry: Entry): Promise<ArtifactFile[]> {
  const lists = await Promise.all(entry.artifacts.map((artifact) => store.filesOf(artifact)))
  return lists.flatMap((list) => [...(list ?? [])])
}
