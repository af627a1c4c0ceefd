/** Where blobs lie in a folder, what stands at the place of one, and how one gets there or out of the way. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CurioError, InvalidNameError, StoreIOError } from '../errors.js'
import { type Digest, isDigest } from '../identity/digest.js'
import type { BlobInfo } from './checksum.js'
import type { StoreEvents } from './events.js'
import { hashNow, type Stamp, stampOf } from './hashing.js'
import * as io from './io.js'
import { processToken } from './process.js'

export interface FolderBlobsOptions {
  readonly durable: boolean
  readonly readOnly: boolean
  readonly modes: io.Modes
  readonly events: StoreEvents
}

/** A blob on its way out. */
export interface HiddenBlob {
  readonly digest: Digest
  readonly bytes: number
  restore(): void
  remove(): void
}

const maxRemembered = 100_000
const maxAttempts = 5

/** The files behind `FolderBlobs`. */
export class BlobFiles {
  readonly root: string
  readonly #quarantine: string
  /** Blobs this process has hashed whole, with the stamp they had then. */
  readonly #checked = new Map<Digest, string>()
  /** Damaged ones that could not be moved out of the way, with their stamps. */
  readonly #stuck = new Map<Digest, string>()
  /** Blobs found instead of written, and noted in `touch/` so that a clean-up under way spares them. */
  readonly #touched = new Set<Digest>()
  readonly #touch: string
  readonly #shards = new Set<string>()

  constructor(
    folder: string,
    readonly options: FolderBlobsOptions,
  ) {
    this.root = path.join(folder, 'blobs')
    this.#quarantine = path.join(folder, 'quarantine')
    this.#touch = path.join(folder, 'touch')
  }

  /** Where a blob lies, or would lie. */
  path(digest: Digest): string {
    if (!isDigest(digest))
      throw new InvalidNameError(String(digest), 'is no SHA-256 digest of 64 lower-case hex digits')
    return `${this.#shardOf(digest)}${path.sep}${digest}`
  }

  /** Runs a write in a blob's shard, which is made on demand, and turns what the system says into curio's errors. */
  inShard(digest: Digest, action: (dir: string) => void): void {
    for (let attempt = 0; ; attempt++) {
      try {
        action(this.#shard(digest))
        return
      } catch (error) {
        this.#shards.delete(this.#shardOf(digest))
        if (io.errnoOf(error) === 'ENOENT' && attempt < maxAttempts) continue
        throw CurioError.is(error) ? error : io.ioError('write', this.path(digest), error)
      }
    }
  }

  #shardOf(digest: Digest): string {
    return `${this.root}${path.sep}${digest.slice(0, 2)}`
  }

  /** The shard's folder, made on demand; one that is a link is refused. */
  #shard(digest: Digest): string {
    const dir = this.#shardOf(digest)
    if (this.#shards.has(dir)) return dir
    const { modes, durable } = this.options
    io.ensureDir(dir, modes.dir, false)
    if (!fs.lstatSync(dir).isDirectory()) {
      throw io.ioError('write', dir, new Error('it is a link, not a folder: someone redirects this part of the store'))
    }
    // Whoever made them may not have made their names durable.
    if (durable) {
      io.syncDir(this.root)
      if (this.#shards.size === 0) io.syncDir(path.dirname(this.root))
    }
    this.#shards.add(dir)
    return dir
  }

  /** Puts `temp` under its digest. A damaged blob there is replaced: same name, so the bytes that should be there. */
  publish(temp: string, info: BlobInfo): void {
    const { durable, events } = this.options
    const final = this.path(info.sha256)
    for (let attempt = 0; ; attempt++) {
      if (io.publish(temp, final)) {
        if (durable) io.syncDir(path.dirname(final))
        events.emit({ kind: 'blob-put', bytes: info.bytes })
        return
      }
      const found = this.look(info.sha256, info.bytes)
      if (found === 'good' && this.known(info)) {
        io.remove(temp)
        return
      }
      if (found === 'damaged' || attempt === maxAttempts) break
    }
    this.#setAside(info.sha256)
    io.replace(temp, final)
    if (durable) io.syncDir(path.dirname(final))
    events.emit({ kind: 'healed', what: info.sha256 })
  }

  /** Notes that a good blob was found instead of written; false when it is gone after all. */
  known(info: BlobInfo): boolean {
    if (!this.#touched.has(info.sha256)) {
      // Another writer may have put it without fsync; what we acknowledge must be as durable as what we write.
      if (this.options.durable && !this.sync(info.sha256)) return false
      this.#note(info.sha256)
    }
    this.options.events.emit({ kind: 'blob-known', bytes: info.bytes })
    return true
  }

  /** A line in this process's log. It only helps: a full disk or a foreign folder must not fail a put of what is there. */
  #note(digest: Digest): void {
    try {
      io.ensureDir(this.#touch, this.options.modes.dir, false)
      fs.appendFileSync(path.join(this.#touch, `${processToken()}.log`), `${digest}\n`, { mode: 0o644 })
    } catch (error) {
      if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
    }
    if (this.#touched.size >= maxRemembered) this.#touched.clear()
    this.#touched.add(digest)
  }

  /** Makes a blob that is there survive loss of power, whoever put it; false when it is absent. */
  sync(digest: Digest): boolean {
    if (!io.syncFile(this.path(digest))) return false
    io.syncDir(this.#shard(digest))
    return true
  }

  /** What is at a blob's place, hashed by this process now or since it last changed. */
  look(digest: Digest, bytes: number): 'good' | 'damaged' | 'absent' {
    const file = this.path(digest)
    const stamp = stampOf(file)
    if (stamp === undefined) return 'absent'
    if (stamp === 'special' || stamp.bytes !== bytes) return 'damaged'
    if (this.#checked.get(digest) === stamp.text) return 'good'
    const hashed = hashNow(file)
    if (hashed === undefined) return 'absent'
    if (hashed.sha256 !== digest) return 'damaged'
    this.remember(digest, hashed.stamp)
    return 'good'
  }

  remember(digest: Digest, stamp: Stamp | 'special' | undefined): void {
    if (stamp === undefined || stamp === 'special' || this.#checked.get(digest) === stamp.text) return
    if (this.#checked.size >= maxRemembered) this.#checked.clear()
    this.#checked.set(digest, stamp.text)
    // Another file than the one that was noted and synced.
    this.#touched.delete(digest)
  }

  /** Counts damage, moves the file out of the way, and answers "absent". */
  damaged(digest: Digest, reason: string): undefined {
    this.options.events.emit({ kind: 'blob-damaged', digest, reason })
    this.#checked.delete(digest)
    if (!this.options.readOnly) this.#setAside(digest)
    // Looked at again, for it may have been healed meanwhile.
    const left = hashNow(this.path(digest))
    if (left !== undefined && left.sha256 !== digest && left.stamp !== undefined) {
      if (this.#stuck.size >= maxRemembered) this.#stuck.clear()
      this.#stuck.set(digest, left.stamp.text)
    }
    return undefined
  }

  /**
   * Moves a damaged blob into quarantine. Between our look and the move another writer may have healed it: a good one is put
   * back (same name, same bytes, so this can do no harm). Where it cannot be moved (no right, no space) it stays, and is never used.
   */
  #setAside(digest: Digest): void {
    const aside = path.join(this.#quarantine, `${digest}.${io.tempName().slice(-16)}`)
    try {
      io.ensureDir(this.#quarantine, this.options.modes.dir, false)
      fs.renameSync(this.path(digest), aside)
      if (hashNow(aside)?.sha256 === digest) fs.renameSync(aside, this.path(digest))
    } catch (error) {
      if (!(error instanceof StoreIOError) && io.errnoOf(error) === undefined) throw error
    }
  }

  /** `size` without a promise: what a look-up of an entry asks for each of its blobs. */
  sizeNow(digest: Digest): number | undefined {
    const file = this.path(digest)
    const stuck = this.#stuck.get(digest)
    if (stuck === undefined) return io.sizeOf(file)
    const stamp = stampOf(file)
    return stamp === undefined || stamp === 'special' || stamp.text === stuck ? undefined : stamp.bytes
  }

  /**
   * Takes a blob out of sight, for a clean-up that looks once more before it deletes. Undefined when it is not there.
   */
  hide(digest: Digest): HiddenBlob | undefined {
    const file = this.path(digest)
    const bytes = io.sizeOf(file)
    if (bytes === undefined) return undefined
    const aside = path.join(path.dirname(file), io.tempName())
    this.#checked.delete(digest)
    try {
      fs.renameSync(file, aside)
    } catch (error) {
      if (io.isAbsent(error)) return undefined
      throw io.ioError('remove', file, error)
    }
    return { digest, bytes, restore: () => io.replace(aside, file), remove: () => void io.remove(aside) }
  }

  /** Whether this process has hashed the blob since it last changed, and found it good. */
  isChecked(digest: Digest): boolean {
    const text = this.#checked.get(digest)
    if (text === undefined) return false
    const stamp = stampOf(this.path(digest))
    return typeof stamp === 'object' && stamp.text === text
  }

  /** Removes a blob; false when it was not there. */
  remove(digest: Digest): boolean {
    this.#checked.delete(digest)
    return io.remove(this.path(digest))
  }
}
