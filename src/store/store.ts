import * as fs from 'node:fs'
import * as path from 'node:path'
import {
  CurioError,
  DeclarationError,
  IntegrityError,
  KeyCollisionError,
  NondeterminismError,
  ReadOnlyError,
  refuseUnknown,
} from '../errors.js'
import type { Digest } from '../identity/digest.js'
import type { Key } from '../identity/key.js'
import { keyPath } from '../identity/path.js'
import { loadChecksums } from './checksum.js'
import {
  type Artifact,
  type ArtifactFile,
  type Entry,
  entryText,
  maxEntryBytes,
  parseEntry,
  parseList,
} from './entry.js'
import { StoreEvents } from './events.js'
import { FolderBlobs } from './folder-blobs.js'
import * as io from './io.js'
import { ComputeLock } from './lock.js'
import { openFolder } from './open.js'
import type { VerifyOptions, VerifyReport } from './verify.js'
import { removeViews, writeViews } from './views.js'

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

/** What a commit did (docs/format.md, "Commit"). With `kept` and `same` the stored entry is the one to use. */
export interface Committed {
  readonly outcome: 'created' | 'same' | 'kept' | 'healed' | 'replaced' | 'newer'
  readonly entry: Entry
}

export interface CommitOptions {
  /** Replace whatever is there. Default false. */
  readonly force?: boolean
  /** Throw when another result is already stored. Default false. */
  readonly deterministic?: boolean
  /** Called when a blob vanished between put and commit; should put it again. */
  readonly restore?: () => Promise<void>
}

interface Shared {
  readonly events: StoreEvents
  readonly inFlight: Map<string, Promise<unknown>>
}

/** One per real path and process, whatever the options: counts, and what is being computed right now. */
const sharedByFolder = new Map<string, Shared>()
const maxAttempts = 8

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
  readonly #inFlight: Map<string, Promise<unknown>>
  readonly #warned = new Set<string>()
  readonly #synced = new Set<string>()

  protected constructor(options: StoreOptions) {
    const { durability = 'artifact', readOnly = false } = options
    const durable = durability === 'artifact'
    const open = openFolder(options.folder, {
      readOnly,
      durable,
      create: options.create ?? false,
      trustWorldWritable: options.trustWorldWritable ?? false,
    })
    let shared = sharedByFolder.get(open.folder)
    if (shared === undefined) {
      shared = { events: new StoreEvents(open.folder), inFlight: new Map() }
      sharedByFolder.set(open.folder, shared)
    }
    this.folder = open.folder
    this.id = open.id
    this.modes = open.modes
    this.readOnly = readOnly
    this.durability = durability
    this.events = shared.events
    this.#inFlight = shared.inFlight
    this.blobs = new FolderBlobs(open.folder, { durable, readOnly, modes: open.modes, events: shared.events })
    this.#lock = new ComputeLock(
      open.folder,
      { staleMs: Math.max(2000, options.lockStaleMs ?? 120_000), waitMs: options.lockWaitMs ?? 24 * 3600_000 },
      open.modes.dir,
      shared.events,
    )
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
    return path.join(this.folder, keyPath(key))
  }

  /**
   * Reads the entry of a key, in one file read. A damaged one is set aside and counts as absent.
   *
   * @param key a `Key`, whose hash and material must match; or its text, for which the entry only has to agree with itself.
   * @throws {KeyCollisionError} when another computation is stored there.
   */
  readEntry(key: Key | string): Lookup {
    const text = typeof key === 'string' ? key : key.text
    const found = this.#read(text)
    if (found === undefined) return { hit: false, reason: 'absent' }
    if (found.state === 'newer') {
      this.#warnOnce(text, { kind: 'newer-entry', key: text })
      return { hit: false, reason: 'newer' }
    }
    if (found.state === 'damaged') {
      this.events.emit({ kind: 'entry-damaged', key: text })
      if (!this.readOnly) this.#setAside(text, found.bytes)
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

  /** The files of an artifact; undefined when their list was a blob and is gone. */
  async filesOf(artifact: Artifact): Promise<readonly ArtifactFile[] | undefined> {
    if (artifact.files !== undefined) return artifact.files
    const bytes = await this.blobs.get(artifact.list!.sha256)
    return bytes === undefined ? undefined : parseList(bytes)
  }

  #read(text: string) {
    const file = path.join(this.dirOf(text), 'entry.json')
    const bytes = io.readSmall(file, maxEntryBytes)
    if (bytes === undefined) return undefined
    this.events.emit({ kind: 'entry-read', key: text })
    if (!(bytes instanceof Uint8Array)) {
      if (fs.lstatSync(file, { throwIfNoEntry: false })?.isDirectory()) {
        throw io.ioError('read', file, new Error('it is a folder: move it away'))
      }
      return { state: 'damaged' as const, reason: `it is a ${bytes} file`, bytes: undefined }
    }
    return { ...parseEntry(bytes), bytes }
  }

  #warnOnce(what: string, event: Parameters<StoreEvents['emit']>[0]): void {
    if (this.#warned.has(what)) return
    this.#warned.add(what)
    this.events.emit(event)
  }

  /** Moves an entry into quarantine, and back when another writer had already replaced what we read. */
  #setAside(key: string, read: Uint8Array | undefined): void {
    this.setEntryAside(path.join(this.dirOf(key), 'entry.json'), read)
  }

  /** For `verify`: the same by the file's path. */
  setEntryAside(file: string, read: Uint8Array | undefined): void {
    const aside = path.join(this.folder, 'quarantine', `entry-${io.tempName().slice(-32)}.json`)
    try {
      io.ensureDir(path.dirname(aside), this.modes.dir, false)
      fs.renameSync(file, aside)
      const moved = io.readSmall(aside, maxEntryBytes)
      const same =
        moved instanceof Uint8Array ? read !== undefined && Buffer.compare(moved, read) === 0 : read === undefined
      if (!same && !io.publish(aside, file)) io.remove(aside)
    } catch (error) {
      if (io.isAbsent(error) || io.ioError('set aside', file, error).code === 'ERR_PERMISSION') return
      throw io.ioError('set aside', file, error)
    }
  }

  /**
   * Commits an entry whose blobs have been put. What stands afterwards is in the result (docs/format.md, "Commit").
   *
   * @throws {KeyCollisionError} another computation is stored under this key.
   * @throws {NondeterminismError} with `deterministic`, when a different result is stored.
   */
  async commit(key: Key, entry: Entry, options: CommitOptions = {}): Promise<Committed> {
    if (this.readOnly) throw new ReadOnlyError(key.text, 'the store was opened read-only')
    const dir = this.dirOf(key.text)
    const final = path.join(dir, 'entry.json')
    const text = entryText(entry)
    const durable = this.durability === 'artifact'
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      let committed: Committed | undefined
      try {
        this.#ensureKeyDir(dir)
        const temp = io.writeTemp(dir, text, this.modes.file, durable)
        try {
          committed = await this.#place(key, entry, temp, final, options)
        } finally {
          io.remove(temp)
        }
      } catch (error) {
        throw CurioError.is(error) ? error : io.ioError('write', final, error)
      }
      if (committed === undefined) continue
      if (durable) this.#syncChain(dir)
      if (committed.outcome === 'newer') return committed
      // A clean-up may have taken a blob between its put and this entry.
      const whole = await Promise.all(committed.entry.artifacts.map((artifact) => this.present(artifact)))
      if (whole.includes(false) && options.restore !== undefined && attempt < 2) {
        await options.restore()
        continue
      }
      this.events.emit({ kind: 'committed', key: key.text })
      await this.refreshViews(committed.entry)
      return committed
    }
    throw new IntegrityError(`entry ${key.text}`, final, 'it changes faster than it can be committed', {
      hint: 'another process keeps replacing or removing it; see `curio verify`',
    })
  }

  async #place(
    key: Key,
    mine: Entry,
    temp: string,
    final: string,
    options: CommitOptions,
  ): Promise<Committed | undefined> {
    if (options.force !== true && io.publish(temp, final)) return { outcome: 'created', entry: mine }
    const found = this.#read(key.text)
    if (found === undefined) {
      return options.force === true && io.publish(temp, final) ? { outcome: 'created', entry: mine } : undefined
    }
    if (found.state === 'newer') {
      this.#warnOnce(key.text, { kind: 'newer-entry', key: key.text })
      return { outcome: 'newer', entry: mine }
    }
    if (found.state === 'damaged') {
      this.events.emit({ kind: 'entry-damaged', key: key.text })
      this.#setAside(key.text, found.bytes)
      return undefined
    }
    const stored = found.entry
    if (stored.hash !== key.hash || stored.material !== key.material) {
      throw new KeyCollisionError(key.text, final, stored.material)
    }
    const [before, now] = [digests(stored), digests(mine)]
    if (options.force === true) {
      io.replace(temp, final)
      this.events.emit({ kind: 'replaced', key: key.text, stored: before, computed: now })
      return { outcome: 'replaced', entry: mine }
    }
    if (await this.#isWhole(stored)) {
      if (before === now) return { outcome: 'same', entry: stored }
      this.events.emit({ kind: 'nondeterminism', key: key.text, stored: before, computed: now })
      if (options.deterministic === true) throw new NondeterminismError(key.text, before, now)
      return { outcome: 'kept', entry: stored }
    }
    if (before === now) return { outcome: 'same', entry: stored }
    this.#setAside(key.text, found.bytes)
    if (!io.publish(temp, final)) return undefined
    this.events.emit({ kind: 'healed', what: key.text })
    return { outcome: 'healed', entry: mine }
  }

  /** Whether every blob of an entry is there and good: read and hashed, for a loser is about to be sent its values. */
  async #isWhole(entry: Entry): Promise<boolean> {
    for (const artifact of entry.artifacts) {
      const files = await this.filesOf(artifact)
      if (files === undefined) return false
      for (const file of files) {
        if (this.blobs.sizeNow(file.sha256) !== file.bytes) return false
        if (!(await this.blobs.verify(file.sha256))) return false
      }
    }
    return true
  }

  /** Makes a key's folder. A view that took the name of a part gives way; anybody's own link or file does not. */
  #ensureKeyDir(dir: string): void {
    try {
      io.ensureDir(dir, this.modes.dir, this.durability === 'artifact')
    } catch (error) {
      if (!CurioError.is(error)) throw error
      const blocked = this.#blocking(dir)
      if (blocked === undefined) throw error
      if (!fs.lstatSync(blocked).isSymbolicLink() || !fs.readlinkSync(blocked).includes('blobs/')) {
        throw io.ioError('create', dir, new Error(`${blocked} is not a folder: move it away`))
      }
      io.remove(blocked)
      this.#ensureKeyDir(dir)
      return
    }
    if (!this.#synced.has(dir)) {
      const blocked = this.#blocking(dir)
      if (blocked !== undefined) {
        throw io.ioError('write', dir, new Error(`${blocked} is a link: someone redirects this part of the store`))
      }
    }
  }

  #blocking(dir: string): string | undefined {
    for (let at = dir; at.length > this.folder.length; at = path.dirname(at)) {
      const stat = fs.lstatSync(at, { throwIfNoEntry: false })
      if (stat !== undefined && !stat.isDirectory()) return at
    }
    return undefined
  }

  /** Makes the names from a key's folder up to the store durable: once per process for those above, which may be another's. */
  #syncChain(dir: string): void {
    io.syncDir(dir)
    for (let at = path.dirname(dir); at.length >= this.folder.length && !this.#synced.has(at); at = path.dirname(at)) {
      io.syncDir(at)
      this.#synced.add(at)
    }
  }

  /** Rewrites what is missing or different of an entry's views. Best effort, never an error. */
  async refreshViews(entry: Entry): Promise<void> {
    if (this.readOnly) return
    const files = new Map<Artifact, readonly ArtifactFile[]>()
    for (const artifact of entry.artifacts) files.set(artifact, (await this.filesOf(artifact)) ?? [])
    writeViews(this.folder, this.dirOf(entry.key), entry, (artifact) => files.get(artifact) ?? [], this.modes)
  }

  /**
   * Runs `compute` at most once at a time for a key: in this process by sharing the promise, among processes by the
   * advisory lock. `look` is asked again under the lock, and while waiting for another holder.
   */
  async once<T>(
    key: Key,
    look: () => Promise<T | undefined>,
    compute: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const flying = this.#inFlight.get(key.hash) as Promise<T> | undefined
    if (flying !== undefined) {
      // Whatever became of the other call, what counts is what it left in the store.
      await flying.catch(() => undefined)
      const found = await look()
      return found ?? this.once(key, look, compute, signal)
    }
    const work = this.readOnly
      ? compute()
      : this.#lock.run(key.text, key.hash, look, async () => (await look()) ?? compute(), signal)
    this.#inFlight.set(key.hash, work)
    try {
      return await work
    } finally {
      this.#inFlight.delete(key.hash)
    }
  }

  /** Every readable entry whose key text starts with `prefix`, folder by folder. Damaged ones are passed over; `verify` reports them. */
  async *list({ prefix = '', signal }: { prefix?: string; signal?: AbortSignal } = {}): AsyncGenerator<Entry> {
    for await (const dir of this.entryDirs(prefix, signal)) {
      const bytes = io.readSmall(path.join(dir, 'entry.json'), maxEntryBytes)
      if (!(bytes instanceof Uint8Array)) continue
      const found = parseEntry(bytes)
      if (found.state === 'entry' && found.entry.key.startsWith(prefix)) yield found.entry
    }
  }

  /** Folders that hold an `entry.json`, below those parts of `prefix` that are whole. */
  async *entryDirs(prefix = '', signal?: AbortSignal): AsyncGenerator<string> {
    const whole = prefix.slice(0, Math.max(0, prefix.lastIndexOf('/')))
    let start = path.join(this.folder, 'artifacts')
    if (whole !== '') {
      try {
        start = this.dirOf(whole)
      } catch (error) {
        if (CurioError.is(error, 'ERR_INVALID_NAME')) return
        throw error
      }
    }
    yield* walk(start, signal)
  }

  /**
   * Deletes the bytes of an entry that no other entry needs, and keeps the entry: its digests still key what was computed
   * from it, and loading it is a miss. Reads every entry of the store to know what is shared.
   *
   * @returns bytes freed; undefined when there is no such entry.
   */
  async evict(key: Key | string): Promise<number | undefined> {
    if (this.readOnly) throw new ReadOnlyError('evict', 'the store was opened read-only')
    const found = this.readEntry(key)
    if (!found.hit) return undefined
    const mine = new Set(await this.#blobsOf(found.entry))
    for await (const other of this.list()) {
      if (other.hash === found.entry.hash) continue
      for (const digest of await this.#blobsOf(other)) mine.delete(digest)
    }
    let freed = 0
    for (const digest of mine) {
      const bytes = this.blobs.sizeNow(digest)
      if (await this.blobs.delete(digest)) freed += bytes ?? 0
    }
    return freed
  }

  /** Evicts, and deletes the entry and its views too. The user's own files in its folder stay. */
  async forget(key: Key | string): Promise<number | undefined> {
    const found = this.readEntry(key)
    const text = typeof key === 'string' ? key : key.text
    if (!found.hit) return undefined
    const files = new Map<Artifact, readonly ArtifactFile[]>()
    for (const artifact of found.entry.artifacts) files.set(artifact, (await this.filesOf(artifact)) ?? [])
    const freed = await this.evict(key)
    const dir = this.dirOf(text)
    io.remove(path.join(dir, 'entry.json'))
    removeViews(this.folder, dir, found.entry, (artifact) => files.get(artifact) ?? [])
    this.#removeEmpty(dir)
    return freed
  }

  #removeEmpty(dir: string): void {
    for (let at = dir; at.startsWith(path.join(this.folder, 'artifacts') + path.sep); at = path.dirname(at)) {
      try {
        fs.rmdirSync(at)
      } catch (error) {
        if (io.isAbsent(error)) continue
        return
      }
    }
  }

  /** Every blob an entry needs, the list of a long list of files included. */
  async #blobsOf(entry: Entry): Promise<Digest[]> {
    const all: Digest[] = []
    for (const artifact of entry.artifacts) {
      if (artifact.list !== undefined) all.push(artifact.list.sha256)
      for (const file of (await this.filesOf(artifact)) ?? []) all.push(file.sha256)
    }
    return all
  }

  blobsOf(entry: Entry): Promise<readonly Digest[]> {
    return this.#blobsOf(entry)
  }

  /** Reads and checks everything; see `VerifyOptions`. */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const { verify } = await import('./verify.js')
    return verify(this, options)
  }

  /** Nothing is held between calls in this version; here so that code that closes stores is right already. */
  async close(): Promise<void> {}
}

function digests(entry: Entry): string {
  return entry.artifacts.map((artifact) => `${artifact.name}=${artifact.digest}`).join(',')
}

async function* walk(dir: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  signal?.throwIfAborted()
  let names: fs.Dirent[]
  try {
    names = await fs.promises.readdir(dir, { withFileTypes: true })
  } catch (error) {
    if (io.isAbsent(error)) return
    throw io.ioError('list', dir, error)
  }
  if (names.some((name) => name.name === 'entry.json')) yield dir
  for (const name of names.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (name.isDirectory()) yield* walk(path.join(dir, name.name), signal)
  }
}
