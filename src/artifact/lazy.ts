import * as fs from 'node:fs'
import * as path from 'node:path'
import { inspect } from 'node:util'
import { CacherError, CurioError, DeclarationError, NotFoundError } from '../errors.js'
import { identity } from '../identity/canonical.js'
import type { Digest } from '../identity/digest.js'
import type { ArtifactFile, Entry } from '../store/entry.js'
import { FolderBlobs } from '../store/folder-blobs.js'
import { MemoryBlobs } from '../store/memory-blobs.js'
import type { EntryStore } from '../store/store.js'
import { leadsTo, sidecar, viewName } from '../store/views.js'
import { type Cacheable, isCodec } from './cacheable.js'
import { cacherByName } from './registry.js'
import { scratch } from './scratch.js'
import { filesOf, layOut, type Packed, type Part, stillValid, unpack, unpackPart } from './unpack.js'

/**
 * A typed handle on an artifact whose value has not been loaded. It stays what it was when it was handed out: a later
 * forced run does not change what it loads. Where its bytes are gone (evicted, damaged), they are computed again or taken from what
 * stands in their place now, and `digest` says so. It has no `then`, so an async function may return it.
 */
export interface Lazy<T = unknown> {
  readonly name: string
  /** What stands for the artifact in the keys of what is computed from it. */
  readonly digest: Digest
  /** Total size of its files. */
  readonly bytes: number
  /** Name of its cacher. */
  readonly cacher: string
  /** A line about the value, made when it was saved. */
  readonly preview: string | undefined
  /** The sidecar: everything the entry says about this artifact. */
  readonly metadata: Readonly<Record<string, unknown>>
  /** Reads, checks and decodes the value; each call gives a fresh one. */
  load(signal?: AbortSignal): Promise<T>
  /** Elements `start` to `end` along the first axis, reading and checking only what they touch, where the format allows it. */
  slice(start: number, end: number): Promise<T>
  /** Rows `start` to `end` of a frame, all columns or those named; reads and checks only what they touch. */
  rows(start: number, end: number, columns?: readonly string[]): Promise<T>
  /** Some columns of a frame, or tensors of a collection, by name; reads and checks only what they touch. */
  columns(names: readonly string[]): Promise<T>
  /**
   * A read-only file with the right extension, for an external program; the folder, for an artifact without a main file.
   * Checked before it is given out. Valid until the artifact is evicted, or for the life of this process.
   */
  readonly path: string
  /** `path`, for every artifact: also those of very many files. Computes bytes that are gone again, where it can. */
  toPath(): Promise<string>
}

const maxRecoveries = 3

/** How a handle gets its bytes back when they are gone. */
export type Recover = () => Promise<ArtifactHandle<unknown>>

/** The one implementation of `Lazy`. */
export class ArtifactHandle<T> implements Lazy<T> {
  #packed: Packed
  readonly #entry: Entry
  readonly #store: EntryStore | undefined
  readonly #cacher: Cacheable<unknown, unknown> | undefined
  readonly #recover: Recover | undefined
  #laidOut: string | undefined

  constructor(
    packed: Packed,
    entry: Entry,
    about: {
      store?: EntryStore | undefined
      cacher?: Cacheable<unknown, unknown> | undefined
      recover?: Recover | undefined
    } = {},
  ) {
    this.#packed = packed
    this.#entry = entry
    this.#store = about.store
    this.#cacher = about.cacher
    this.#recover = about.recover
  }

  get name(): string {
    return this.#packed.artifact.name
  }
  get digest(): Digest {
    return this.#packed.artifact.digest
  }
  get bytes(): number {
    return this.#packed.artifact.bytes
  }
  get cacher(): string {
    return this.#packed.artifact.cacher
  }
  get preview(): string | undefined {
    return this.#packed.artifact.preview
  }
  get metadata(): Readonly<Record<string, unknown>> {
    return sidecar(this.#entry, this.#packed.artifact)
  }
  /** Key text of the entry it belongs to. */
  get key(): string {
    return this.#entry.key
  }
  get packed(): Packed {
    return this.#packed
  }
  /** For curio: what another process makes the same handle from, in the same store. */
  get parts(): { artifact: Packed['artifact']; entry: Entry; cacher: Cacheable<unknown, unknown> | undefined } {
    return { artifact: this.#packed.artifact, entry: this.#entry, cacher: this.#cacher }
  }

  [identity](): readonly [string, unknown] {
    return ['curio/artifact', this.digest]
  }

  /** For curio: the same, with its bytes in another place: one that nobody can delete. */
  copyTo(blobs: MemoryBlobs): Promise<ArtifactHandle<T>> {
    return this.#withBytes(async () => {
      const { artifact, blobs: from } = this.#packed
      for (const { sha256 } of [
        ...(artifact.list === undefined ? [] : [artifact.list]),
        ...(await filesOf(this.#packed)),
      ]) {
        const bytes = await from.get(sha256)
        if (bytes === undefined) throw new NotFoundError(`blob ${sha256}`, 'blobs/')
        await blobs.put(bytes)
      }
      return new ArtifactHandle<T>({ artifact, blobs }, this.#entry, { cacher: this.#cacher })
    })
  }

  async load(signal?: AbortSignal): Promise<T> {
    return this.#withBytes(async () => {
      const cacher = this.#cacher ?? (await cacherByName(this.cacher))
      // A codec never asks what is known, and a sidecar takes longer to make than a small value to read.
      return (await unpack(this.#packed, cacher, isCodec(cacher) ? {} : this.metadata, signal)) as T
    })
  }

  async slice(start: number, end: number): Promise<T> {
    checkRange('slice', start, end)
    return this.#part({ rows: [start, end] })
  }

  async rows(start: number, end: number, columns?: readonly string[]): Promise<T> {
    checkRange('rows', start, end)
    if (columns !== undefined) checkNames('rows', columns)
    return this.#part({ rows: [start, end], ...(columns === undefined ? {} : { columns }) })
  }

  async columns(names: readonly string[]): Promise<T> {
    checkNames('columns', names)
    return this.#part({ columns: names })
  }

  async #part(part: Part): Promise<T> {
    return this.#withBytes(async () => {
      const cacher = this.#cacher ?? (await cacherByName(this.cacher))
      return (await unpackPart(this.#packed, cacher, part)) as T
    })
  }

  /** A value whose bytes are gone is a miss: it is computed again; more than once only when a clean-up takes it again meanwhile. */
  async #withBytes<V>(use: () => Promise<V>): Promise<V> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await use()
      } catch (error) {
        if (CurioError.is(error, 'ERR_CACHER_LOAD')) throw this.#unreadable(error)
        const isGone = CurioError.is(error, 'ERR_NOT_FOUND')
        if (this.#recover === undefined || !isGone || attempt === maxRecoveries) throw error
        this.#packed = (await this.#recover()).packed
        this.#laidOut = undefined
      }
    }
  }

  /** Whether what it stands for outside the store, if anything, is still what it was. */
  async stillValid(): Promise<boolean> {
    return this.#cacher?.checksOnHit !== true || stillValid(this.#packed, this.#cacher, this.metadata)
  }

  /** Makes sure that its bytes are there and good, and computes them again if they are not: after this `path` works. */
  async ready(): Promise<void> {
    await this.#withBytes(async () => {
      const { blobs } = this.#packed
      if (!(blobs instanceof FolderBlobs)) return
      for (const file of await this.files()) if (!(await blobs.verify(file.sha256))) throw this.#gone()
    })
  }

  /** The bytes are those that were stored, and still the cacher cannot read them: it, or what wrote them, has a fault. */
  #unreadable(error: CurioError): CacherError {
    const told = error.message.split('\n')[0]!.replace(/^.*? cannot load: /, '')
    const reason = told.startsWith(`${this.name}: `) ? told.slice(this.name.length + 2) : told
    return new CacherError(this.cacher, 'load', `${this.name} of ${this.key}: ${reason}`, {
      cause: error.cause ?? error,
      hint:
        error.hint ??
        `its bytes are as they were stored; compute it again with mode 'force', or remove it: curio rm '${this.key}' --yes`,
    })
  }

  get path(): string {
    const { artifact, blobs } = this.#packed
    const files = artifact.files
    const main = files?.find((file) => file.role === viewName(artifact))
    if (main !== undefined && blobs instanceof FolderBlobs && this.#store !== undefined) {
      if (!blobs.verifyNow(main.sha256, main.bytes)) throw this.#gone()
      const view = path.join(this.#store.dirOf(this.#entry.key), main.role)
      if (files!.length === 1 && leadsTo(view, this.#store.folder, main.sha256)) return view
    }
    if (files === undefined || !(blobs instanceof FolderBlobs || blobs instanceof MemoryBlobs)) {
      throw new CurioError(`artifact ${artifact.name} cannot be handed out as a path at once`, {
        hint: 'use `await handle.toPath()`',
      })
    }
    this.#laidOut ??= layOutNow(files, blobs, () => this.#gone())
    return main === undefined ? folderIn(this.#laidOut, artifact.name) : path.join(this.#laidOut, main.role)
  }

  async toPath(): Promise<string> {
    return this.#withBytes(async () => {
      if (this.#packed.artifact.files !== undefined && this.#packed.blobs instanceof FolderBlobs) return this.path
      const { artifact } = this.#packed
      if (this.#laidOut === undefined) {
        const dir = scratch()
        await layOut(this.#packed, await this.files(), dir)
        this.#laidOut = dir
      }
      const main = path.join(this.#laidOut, viewName(artifact))
      return fs.existsSync(main) ? main : folderIn(this.#laidOut, artifact.name)
    })
  }

  /** Its files: role, size, SHA-256. */
  async files(): Promise<readonly ArtifactFile[]> {
    return filesOf(this.#packed)
  }

  #gone(): NotFoundError {
    return new NotFoundError(`the bytes of artifact ${this.name} of ${this.key}`, this.#store?.folder ?? 'memory', {
      hint: 'they were evicted, or found damaged and set aside: run the stage again',
    })
  }
}

function checkRange(method: string, start: unknown, end: unknown): void {
  const isOne = (value: unknown): boolean => Number.isInteger(value) || value === Number.POSITIVE_INFINITY
  if (isOne(start) && isOne(end)) return
  throw new DeclarationError(`${method} takes two whole numbers, not ${inspect(start)} and ${inspect(end)}`, {
    hint: `${method}(0, 10), or ${method}(10, Infinity) for all from the tenth`,
  })
}

function checkNames(method: string, names: readonly string[]): void {
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
    const hint = method === 'rows' ? "rows(0, 10, ['a', 'b'])" : "columns(['a', 'b'])"
    throw new DeclarationError(`${method} takes a list of names`, { hint })
  }
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) throw new DeclarationError(`${method} is asked for ${twice} twice`)
}

/** The folder that an artifact without a main file is. Further files of a stage have none of their own. */
function folderIn(dir: string, name: string): string {
  const own = path.join(dir, name)
  return fs.existsSync(own) ? own : dir
}

function layOutNow(
  files: readonly ArtifactFile[],
  blobs: FolderBlobs | MemoryBlobs,
  gone: () => NotFoundError,
): string {
  const dir = scratch()
  for (const file of files) {
    const at = path.join(dir, ...file.role.split('/'))
    fs.mkdirSync(path.dirname(at), { recursive: true })
    if (blobs instanceof MemoryBlobs) {
      fs.writeFileSync(at, blobs.now(file.sha256) ?? '', { mode: 0o444 })
      continue
    }
    if (!blobs.verifyNow(file.sha256, file.bytes)) throw gone()
    try {
      fs.symlinkSync(blobs.path(file.sha256), at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
      fs.copyFileSync(blobs.path(file.sha256), at)
    }
  }
  return dir
}

/** True for a handle, of this copy of the package or another. */
export function isLazy(value: unknown): value is Lazy {
  if (value === null || typeof value !== 'object' || !(identity in value)) return false
  const { load, slice } = value as Partial<Lazy>
  return typeof load === 'function' && typeof slice === 'function'
}
