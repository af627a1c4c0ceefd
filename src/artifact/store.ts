import { CurioError, DeclarationError, NotFoundError, ReadOnlyError, refuseUnknown } from '../errors.js'
import type { Digest } from '../identity/digest.js'
import { nameKey } from '../identity/key.js'
import { keyPath } from '../identity/path.js'
import type { Artifact, ArtifactFile, Entry } from '../store/entry.js'
import { type Committed, EntryStore, type StoreOptions } from '../store/store.js'
import { sidecar } from '../store/views.js'
import { type Cacheable, type CacherSpec, cacherIdentity, cacherInstance, isCacherSpec, isStream } from './cacheable.js'
import { Items, type ItemsOptions } from './items.js'
import { ArtifactHandle, type Lazy } from './lazy.js'
import { pack } from './pack.js'
import { provenance } from './provenance.js'
import { filesOf } from './unpack.js'

/** What `store.save` stored. */
export interface Saved {
  readonly key: string
  readonly digest: Digest
  /** Total size of its files. */
  readonly bytes: number
  readonly files: readonly ArtifactFile[]
  readonly metadata: Readonly<Record<string, unknown>>
  /** `created`, or what became of an entry that was there: see docs/format.md, "Commit". `kept`: the stored value stands, not this one. */
  readonly outcome: Committed['outcome']
}

export interface SaveOptions {
  /** `'force'` replaces what is stored under this key; `'cached'` (default) keeps it. */
  readonly mode?: 'cached' | 'force'
  /** Throw `NondeterminismError` when something else is stored. Default false. */
  readonly deterministic?: boolean
  readonly signal?: AbortSignal
}

export interface LoadOptions<Loaded = unknown> {
  /** Default: the registered cacher that the artifact names. */
  readonly cacher?: CacherSpec<Loaded>
  /** Which artifact, where an entry has several. */
  readonly name?: string
  readonly signal?: AbortSignal
}

/** A plain name's one artifact. */
const plainName = 'value'
const opened = new Map<string, Store>()

/** A folder of results: values by key, with where they came from. */
export class Store extends EntryStore {
  /**
   * Opens the store in a folder, and creates it when the folder is absent or empty. The same folder and options give the same
   * Store as long as it is the same store.
   *
   * @throws {StoreOpenError} when the folder holds something else, or a newer store.
   */
  static async open(options: string | StoreOptions): Promise<Store> {
    const given = await EntryStore.prepare(options)
    const made = new Store(given)
    const name = JSON.stringify([
      made.folder,
      made.id,
      made.durability,
      made.readOnly,
      given.lockStaleMs,
      given.lockWaitMs,
    ])
    const known = opened.get(name)
    if (known !== undefined) return known
    opened.set(name, made)
    return made
  }

  /**
   * Saves a value under a name of your own. A name that is taken keeps its first value, unless `mode: 'force'`; `outcome` says which.
   *
   * @param key parts between slashes, like `demo/seed=1/metrics`.
   * @throws {NoSpaceError, PermissionError} when it cannot be stored; nothing half-written stays.
   */
  async save<S>(key: string, cacher: CacherSpec<unknown, S>, value: S, options: SaveOptions = {}): Promise<Saved> {
    if (this.readOnly) throw new ReadOnlyError(key, 'the store was opened read-only')
    keyPath(key)
    if (!isCacherSpec(cacher)) {
      throw new DeclarationError(`store.save('${key}', …) needs a cacher class or instance before the value`, {
        hint: `store.save('${key}', JsonCacher, value)`,
      })
    }
    const instance = cacherInstance(cacher as CacherSpec)
    const signal = options.signal
    const packed = await pack(this.blobs, plainName, instance, value, signal)
    const name = nameKey(key)
    const mine: Entry = {
      key: name.text,
      hash: name.hash,
      material: name.material,
      artifacts: [packed.artifact],
      provenance: provenance(),
    }
    const { entry, outcome } = await this.commit(name, mine, {
      force: options.mode === 'force',
      deterministic: options.deterministic ?? false,
      // A stream is spent: what a clean-up took of it cannot be put again, and the commit says so.
      ...(isStream(value)
        ? {}
        : { restore: () => pack(this.blobs, plainName, instance, value, signal).then(() => undefined) }),
    })
    const artifact = entry.artifacts[0] ?? packed.artifact
    return {
      key,
      digest: artifact.digest,
      bytes: artifact.bytes,
      files: await filesOf({ artifact, blobs: this.blobs }),
      metadata: sidecar(entry, artifact),
      outcome,
    }
  }

  /**
   * Loads the value stored under a key: a name, or the key of a stage with `name: 'output'`.
   *
   * @throws {NotFoundError} when there is none, or its bytes are gone.
   */
  async load<Loaded = unknown>(key: string, options: CacherSpec<Loaded> | LoadOptions<Loaded> = {}): Promise<Loaded> {
    const signal = isCacherSpec(options) ? undefined : options.signal
    return this.lazy<Loaded>(key, options).load(signal)
  }

  /** A handle on what is stored under a key; reads the entry, but no bytes. */
  lazy<Loaded = unknown>(key: string, options: CacherSpec<Loaded> | LoadOptions<Loaded> = {}): Lazy<Loaded> {
    const { cacher, name } = isCacherSpec(options) ? { cacher: options, name: undefined } : options
    const found = this.readEntry(key)
    if (!found.hit) {
      const damaged = found.reason === 'damaged' ? { hint: 'its entry was damaged and set aside in quarantine/' } : {}
      throw new NotFoundError(`key ${key}`, this.folder, damaged)
    }
    const artifact = pick(found.entry, name)
    const instance = cacher === undefined ? undefined : checked(cacher as CacherSpec, artifact)
    return new ArtifactHandle<Loaded>({ artifact, blobs: this.blobs }, found.entry, { store: this, cacher: instance })
  }

  /**
   * Many small results under keys of their own, below one key: like a Map that lies in the store, a few files however many there are.
   *
   * @param space a key, as `save` takes.
   */
  items<T = unknown>(space: string, options: ItemsOptions<T> = {}): Items<T> {
    refuseUnknown('store.items', options, ['cacher'])
    if (options.cacher !== undefined && !isCacherSpec(options.cacher)) {
      throw new DeclarationError(`store.items('${space}', { cacher }) needs a cacher class or instance`)
    }
    return new Items<T>(this, this.itemSpace(space), options)
  }

  /** Whether everything stored under a key is there to be loaded. Reads the entry, looks at the blobs. */
  async has(key: string): Promise<boolean> {
    return (await this.lookup(key)).hit
  }

  /** The entry of a key, whether its bytes are there or were evicted. */
  async entry(key: string): Promise<Entry | undefined> {
    const found = this.readEntry(key)
    return found.hit ? found.entry : undefined
  }
}

function pick(entry: Entry, name: string | undefined): Artifact {
  const names = entry.artifacts.map((artifact) => artifact.name)
  const artifact =
    name === undefined && names.length === 1 ? entry.artifacts[0] : entry.artifacts.find((a) => a.name === name)
  if (artifact !== undefined) return artifact
  throw new CurioError(
    name === undefined ? `${entry.key} holds ${names.length} artifacts` : `${entry.key} has no artifact ${name}`,
    { hint: names.length === 0 ? 'it holds none' : `pass { name } with one of ${names.join(', ')}` },
  )
}

function checked(spec: CacherSpec, artifact: Artifact): Cacheable<unknown, unknown> {
  const cacher = cacherInstance(spec)
  const { name } = cacherIdentity(cacher)
  if (name === artifact.cacher) return cacher
  throw new CurioError(`artifact ${artifact.name} was saved by ${artifact.cacher}, not by ${name}`, {
    hint: 'leave the cacher out, or name the one that saved it',
  })
}
