import * as path from 'node:path'
import { DeclarationError, KeyCollisionError, ReadOnlyError, refuseUnknown } from '../errors.js'
import type { Digest } from '../identity/digest.js'
import type { Key } from '../identity/key.js'
import { loadChecksums } from './checksum.js'
import { Claims } from './claims.js'
import { evict, forget, onlyNeededBy } from './clean.js'
import { type CommitOptions, type Committed, Committer } from './commit.js'
import { type Artifact, type ArtifactFile, type Entry, parseList } from './entry.js'
import { EntryFiles, type Read } from './entry-files.js'
import { StoreEvents } from './events.js'
import { Flights, type InFlight } from './flights.js'
import { FolderBlobs } from './folder-blobs.js'
import type * as io from './io.js'
import { ItemSpace } from './items/space.js'
import { ComputeLock } from './lock.js'
import { openFolder } from './open.js'
import type { VerifyOptions, VerifyReport } from './verify.js'
import { writeViews } from './views.js'

export type { CommitOptions, Committed } from './commit.js'

/** How a store is opened. */
export interface StoreOptions {
  /** The store's folder. Created when absent or empty; its parent must exist. */
  readonly folder: string
  /** `'artifact'` (default): what is acknowledged survives loss of power. `'cache'`: it survives the process only; faster. */
  readonly durability?: 'artifact' | 'cache'
  /** Writes nothing at all. Default false. */
  readonly readOnly?: boolean
  /** Makes a store in a folder that holds other files. Default false. */
  readonly create?: boolean
  /** Accepts a folder that anyone may write to. Default false. */
  readonly trustWorldWritable?: boolean
  /** A lock not refreshed for this long may be taken over. Milliseconds, default 120,000. */
  readonly lockStaleMs?: number
  /** How long to wait for another process that computes the same thing. Milliseconds, default 24 hours. */
  readonly lockWaitMs?: number
}

const optionNames = ['folder', 'durability', 'readOnly', 'create', 'trustWorldWritable', 'lockStaleMs', 'lockWaitMs']

/** Why a look-up found nothing usable. `incomplete`: the entry is there, bytes of it are not (evicted, or damaged and set aside). */
export type MissReason = 'absent' | 'damaged' | 'incomplete' | 'newer'

export type Lookup =
  | { readonly hit: true; readonly entry: Entry }
  | { readonly hit: false; readonly reason: MissReason; readonly entry?: Entry }

interface Shared {
  readonly events: StoreEvents
  readonly inFlight: InFlight
  /** By folder. */
  readonly spaces: Map<string, ItemSpace>
  readonly claims: Map<string, Claims>
}

/** One per real path and process, whatever the options, as long as it is the same store: counts, what is being computed, items. */
const sharedByFolder = new Map<string, Shared>()

/** Keys, entries and blobs in a folder. Knows nothing of cachers, stages or jobs. */
export class EntryStore {
  readonly folder: string
  /** The store's own id, from `curio.json`. */
  readonly id: string
  readonly readOnly: boolean
  readonly durability: 'artifact' | 'cache'
  readonly blobs: FolderBlobs
  readonly events: StoreEvents
  readonly modes: io.Modes
  readonly #lock: ComputeLock
  readonly #flights: Flights
  readonly #spaces: Map<string, ItemSpace>
  readonly #claims: Map<string, Claims>
  readonly #warned = new Set<string>()
  /** Entries whose views this process has seen to. */
  readonly #viewed = new Set<string>()
  readonly #entries: EntryFiles
  readonly #committer: Committer

  protected constructor(options: StoreOptions) {
    const { durability = 'artifact', readOnly = false } = options
    const durable = durability === 'artifact'
    const open = openFolder(options.folder, {
      readOnly,
      durable,
      create: options.create ?? false,
      trustWorldWritable: options.trustWorldWritable ?? false,
    })
    const name = JSON.stringify([open.folder, open.id])
    let shared = sharedByFolder.get(name)
    if (shared === undefined) {
      shared = { events: new StoreEvents(open.folder), inFlight: new Map(), spaces: new Map(), claims: new Map() }
      sharedByFolder.set(name, shared)
    }
    this.folder = open.folder
    this.id = open.id
    this.modes = open.modes
    this.readOnly = readOnly
    this.durability = durability
    this.events = shared.events
    this.#spaces = shared.spaces
    this.#claims = shared.claims
    this.blobs = new FolderBlobs(open.folder, { durable, readOnly, modes: open.modes, events: shared.events })
    this.#entries = new EntryFiles(open.folder, open.modes, shared.events)
    this.#committer = new Committer(this)
    this.#lock = new ComputeLock(
      open.folder,
      { staleMs: Math.max(2000, options.lockStaleMs ?? 120_000), waitMs: options.lockWaitMs ?? 24 * 3600_000 },
      open.modes.dir,
      shared.events,
    )
    this.#flights = new Flights(shared.inFlight, this.#lock, readOnly)
  }

  /** Checks options and loads what synchronous reading needs; the constructors of stores are not public. */
  protected static async prepare(options: string | StoreOptions): Promise<StoreOptions> {
    const given = typeof options === 'string' ? { folder: options } : options
    refuseUnknown('Store.open', given, optionNames)
    if (typeof given.folder !== 'string' || given.folder === '') throw new DeclarationError('Store.open needs a folder')
    if (given.durability !== undefined && given.durability !== 'artifact' && given.durability !== 'cache') {
      throw new DeclarationError(`durability ${JSON.stringify(given.durability)} is unknown`, {
        hint: "use 'artifact' or 'cache'",
      })
    }
    await loadChecksums()
    return given
  }

  /** The folder of a key, whether it exists or not. */
  dirOf(key: string): string {
    return this.#entries.dirOf(key)
  }

  /**
   * Reads the entry of a key, in one file read. A damaged one is set aside and counts as absent.
   *
   * @param key a `Key`, whose hash and material must match; or its text, for which the entry only has to agree with itself.
   * @throws {KeyCollisionError} when another computation is stored there.
   */
  readEntry(key: Key | string): Lookup {
    const text = typeof key === 'string' ? key : key.text
    const found = this.readRaw(text)
    if (found === undefined) return { hit: false, reason: 'absent' }
    if (found.state === 'newer') {
      this.noteNewer(text)
      return { hit: false, reason: 'newer' }
    }
    if (found.state === 'damaged') {
      this.events.emit({ kind: 'entry-damaged', key: text })
      if (!this.readOnly) this.setEntryAside(this.#entries.fileOf(text), found.bytes)
      return { hit: false, reason: 'damaged' }
    }
    const { entry } = found
    const other =
      typeof key === 'string' ? entry.key !== key : entry.hash !== key.hash || entry.material !== key.material
    if (other) throw new KeyCollisionError(text, this.dirOf(text), typeof key === 'string' ? entry.key : entry.material)
    return { hit: true, entry }
  }

  /** An entry all of whose blobs are present, with their right sizes; looks, but reads no blob. */
  async lookup(key: Key | string): Promise<Lookup> {
    const found = this.readEntry(key)
    if (!found.hit) return found
    for (const artifact of found.entry.artifacts) {
      if (!(await this.present(artifact))) return { hit: false, reason: 'incomplete', entry: found.entry }
    }
    return found
  }

  /** Whether all files of an artifact are there, with their right sizes. */
  async present(artifact: Artifact): Promise<boolean> {
    const files = artifact.files ?? (await this.filesOf(artifact))
    return files?.every((file) => this.blobs.sizeNow(file.sha256) === file.bytes) ?? false
  }

  /** As `present`, without reading: of more files than an entry holds, only whether their list is there. */
  presentNow({ files, list }: Artifact): boolean {
    const { blobs } = this
    if (files === undefined) return blobs.sizeNow(list!.sha256) === list!.bytes
    return files.every((file) => blobs.sizeNow(file.sha256) === file.bytes)
  }

  /** The files of an artifact; undefined when their list was a blob and is gone. */
  async filesOf(artifact: Artifact): Promise<readonly ArtifactFile[] | undefined> {
    if (artifact.files !== undefined) return artifact.files
    const bytes = await this.blobs.get(artifact.list!.sha256)
    return bytes === undefined ? undefined : parseList(bytes)
  }

  /** What stands at the place of a key's entry, unjudged. */
  readRaw(key: string): Read | undefined {
    const dir = this.dirOf(key)
    const found = this.#entries.read(dir)
    if (found === undefined) return undefined
    this.events.emit({ kind: 'entry-read', key })
    if (found.state !== 'entry' || found.entry.key === key || this.isAtHome(found.entry, dir)) return found
    // Moved or copied here by hand; as a collision it would block the key for good.
    return { state: 'damaged', reason: `it is the entry of ${found.entry.key}`, bytes: found.bytes }
  }

  /** For clean-up and `verify`: the same by folder, uncounted. */
  readRawAt(dir: string): Read | undefined {
    return this.#entries.read(dir)
  }

  /** Says once that a key's entry is of a later version. */
  noteNewer(key: string): void {
    if (this.#warned.has(key)) return
    this.#warned.add(key)
    this.events.emit({ kind: 'newer-entry', key })
  }

  /** Moves an entry that was read as `read` into quarantine; false when that cannot be done. */
  setEntryAside(file: string, read: Uint8Array | undefined): boolean {
    return this.#entries.setAside(file, read)
  }

  /**
   * Commits an entry whose blobs have been put. What stands afterwards is in the result (docs/format.md, "Commit").
   *
   * @throws {KeyCollisionError} another computation is stored under this key.
   * @throws {NondeterminismError} with `deterministic`, when a different result is stored.
   */
  async commit(key: Key, entry: Entry, options: CommitOptions = {}): Promise<Committed> {
    if (this.readOnly) throw new ReadOnlyError(key.text, 'the store was opened read-only')
    return this.#committer.commit(key, entry, options)
  }

  /** Rewrites what is missing or different of an entry's views. Best effort, never an error. */
  async refreshViews(entry: Entry): Promise<void> {
    if (this.readOnly) return
    if (this.#viewed.size >= maxViewed) this.#viewed.clear()
    this.#viewed.add(viewedName(entry))
    const files = new Map<Artifact, readonly ArtifactFile[]>()
    for (const artifact of entry.artifacts) files.set(artifact, (await this.filesOf(artifact).catch(() => [])) ?? [])
    writeViews(this.folder, this.dirOf(entry.key), entry, (artifact) => files.get(artifact) ?? [], this.modes)
  }

  /** `refreshViews`, unless this process has done so for this very entry: what a hit can afford. */
  async refreshViewsOnce(entry: Entry): Promise<void> {
    if (!this.#viewed.has(viewedName(entry))) await this.refreshViews(entry)
  }

  /** Runs `compute` at most once at a time for a key; see `Flights`. */
  once<T>(key: Key, look: () => Promise<T | undefined>, compute: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#flights.once(key, look, compute, signal)
  }

  /**
   * Every readable entry whose key text starts with `prefix`, folder by folder. Damaged ones are passed over; `verify`
   * reports them.
   */
  list({ prefix = '', signal }: { prefix?: string; signal?: AbortSignal } = {}): AsyncGenerator<Entry> {
    return this.#entries.list(prefix, signal)
  }

  /** Folders that hold an `entry.json`, below those parts of `prefix` that are whole. */
  entryDirs(prefix = '', signal?: AbortSignal): AsyncGenerator<string> {
    return this.#entries.dirs(prefix, signal)
  }

  /** Whether an entry lies in the folder of its key. */
  isAtHome(entry: Entry, dir: string): boolean {
    return this.#entries.isAtHome(entry, dir)
  }

  /**
   * Deletes the bytes of an entry that no other entry needs, and keeps the entry: its digests still key what was computed
   * from it, and loading it is a miss. Reads every entry of the store to know what is shared.
   *
   * @returns bytes freed; undefined when there is no such entry.
   */
  async evict(key: Key | string): Promise<number | undefined> {
    const found = this.readEntry(key)
    return found.hit ? evict(this, [found.entry]) : undefined
  }

  /** Evicts, and deletes the entry and its views too. The user's own files in its folder stay. */
  async forget(key: Key | string): Promise<number | undefined> {
    const found = this.readEntry(key)
    return found.hit ? forget(this, [found.entry]) : undefined
  }

  /** Evicts many at the price of one; keys without an entry are passed over. Returns bytes freed. */
  evictMany(keys: readonly string[]): Promise<number> {
    return evict(this, this.#readable(keys))
  }

  /** Forgets many at the price of one; keys without an entry are passed over. Returns bytes freed. */
  forgetMany(keys: readonly string[]): Promise<number> {
    return forget(this, this.#readable(keys))
  }

  #readable(keys: readonly string[]): Entry[] {
    return keys.flatMap((key) => {
      const found = this.readEntry(key)
      return found.hit ? [found.entry] : []
    })
  }

  /**
   * The blobs that these entries need and no other does: what evicting them would free. Reads every entry.
   *
   * @param withItems what forgetting them would free: those that only their large items need, too.
   */
  onlyNeededBy(entries: readonly Entry[], withItems = false): Promise<ReadonlySet<Digest>> {
    return onlyNeededBy(this, entries, withItems)
  }

  /** Every blob an entry needs, the list of a long list of files included. */
  async blobsOf(entry: Entry): Promise<readonly Digest[]> {
    const all: Digest[] = []
    for (const artifact of entry.artifacts) {
      if (artifact.list !== undefined) all.push(artifact.list.sha256)
      for (const file of (await this.filesOf(artifact)) ?? []) all.push(file.sha256)
    }
    return all
  }

  /** Reads and checks everything; see `VerifyOptions`. */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const { verify } = await import('./verify.js')
    return verify(this, options)
  }

  /** For curio: the items of a key. One for all who ask in this process. */
  itemSpace(key: string): ItemSpace {
    const dir = path.join(this.dirOf(key), 'items')
    let space = this.#spaces.get(dir)
    if (space === undefined) {
      space = new ItemSpace(dir, this)
      this.#spaces.set(dir, space)
    }
    return space
  }

  /** Whether a key is being computed now, by this process or another, as far as can be told. */
  isBusy(key: Key): boolean {
    return this.#flights.isBusy(key.hash)
  }

  /** Who computes which items of a space; one for each in this process. */
  claims(space: string): Claims {
    let claims = this.#claims.get(space)
    if (claims === undefined) {
      claims = new Claims(this.folder, space, {
        modes: this.modes,
        staleMs: this.#lock.options.staleMs,
        onLost: (reason) => this.events.emit({ kind: 'lock-lost', key: `claims/${space}`, reason }),
      })
      this.#claims.set(space, claims)
    }
    return claims
  }

  /** Folders of items of any key. */
  itemDirs(signal?: AbortSignal): AsyncGenerator<string> {
    return this.#entries.itemDirs(signal)
  }

  /**
   * Seals the items this process has written, whichever store of this folder they were put into; by `durability: 'artifact'` they
   * survive loss of power afterwards. The store may be used again.
   */
  async close(): Promise<void> {
    if (this.readOnly) return
    for (const claims of this.#claims.values()) claims.closeIfIdle()
    for (const space of this.#spaces.values()) {
      space.close()
      if (this.durability === 'artifact') space.sync(this.folder)
    }
  }
}

const maxViewed = 100_000

function viewedName(entry: Entry): string {
  return `${entry.key}\0${entry.artifacts.map((artifact) => artifact.digest).join()}`
}
