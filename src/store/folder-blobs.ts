import { constants } from 'node:buffer'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CurioError, IntegrityError, InvalidNameError, NotFoundError, ReadOnlyError, StoreIOError } from '../errors.js'
import { type Digest, isDigest, sha256 } from '../identity/digest.js'
import type { BlobOptions, BlobSource, BlobStore, ByteRange } from './blobs.js'
import { abortable, blocksOfBytes, blocksOfFile, blocksOfStream, fileBlocks, writeBlock } from './blocks.js'
import { type BlobInfo, Checksummer, chunkHashes, chunkSize, xxh64 } from './checksum.js'
import type { StoreEvents } from './events.js'
import { hashHandle, hashNow, type Stamp, stampOf, sumsOf } from './hashing.js'
import * as io from './io.js'
import { processToken } from './process.js'
import { checkRange, readRange } from './ranges.js'

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

/** Blobs in the `blobs/` and `quarantine/` folders of a store (docs/format.md). */
export class FolderBlobs implements BlobStore {
  readonly #root: string
  readonly #quarantine: string
  readonly #options: FolderBlobsOptions
  /** Blobs this process has hashed whole, with the stamp they had then. */
  readonly #checked = new Map<Digest, string>()
  /** Blobs found instead of written, and noted in `touch/` so that a clean-up under way spares them. */
  readonly #touched = new Set<Digest>()
  readonly #touch: string
  readonly #shards = new Set<string>()

  constructor(folder: string, options: FolderBlobsOptions) {
    this.#root = path.join(folder, 'blobs')
    this.#quarantine = path.join(folder, 'quarantine')
    this.#touch = path.join(folder, 'touch')
    this.#options = options
  }

  /** Where a blob lies, or would lie. */
  path(digest: Digest): string {
    if (!isDigest(digest))
      throw new InvalidNameError(String(digest), 'is no SHA-256 digest of 64 lower-case hex digits')
    return `${this.#shardOf(digest)}${path.sep}${digest}`
  }

  async put(source: BlobSource, { signal }: BlobOptions = {}): Promise<BlobInfo> {
    signal?.throwIfAborted()
    if (this.#options.readOnly) throw new ReadOnlyError('blobs.put', 'the store was opened read-only')
    const data = typeof source === 'string' ? Buffer.from(source) : source
    if (data instanceof Uint8Array) {
      if (data.byteLength <= io.smallFile) return this.#putSmall(data)
      return this.#putBlocks(blocksOfBytes(data), data.byteLength, signal)
    }
    if (Symbol.asyncIterator in data) {
      return this.#putBlocks(blocksOfStream(abortable(data, signal)), undefined, signal)
    }
    return this.#putFile(data.file, signal)
  }

  #putSmall(data: Uint8Array): BlobInfo {
    const digest = sha256(data)
    const info = { bytes: data.byteLength, sha256: digest, chunk: chunkSize(0), xxh64: xxh64(data) }
    // Asked first, for most are new and this question costs a third of a look (measured).
    const isThere = fs.existsSync(this.path(digest))
    if (isThere && this.#look(digest, data.byteLength) === 'good' && this.#known(info)) return info
    const { modes, durable } = this.#options
    this.#inShard(digest, (dir) => {
      const temp = io.writeTemp(dir, data, modes.file, durable)
      try {
        this.#publish(temp, info)
      } catch (error) {
        io.remove(temp)
        throw error
      }
    })
    return info
  }

  async #putFile(file: string, signal: AbortSignal | undefined): Promise<BlobInfo> {
    const handle = await fs.promises.open(file, io.followFlags).catch((error) => {
      throw io.ioError('read', file, error)
    })
    try {
      const stat = await handle.stat()
      if (!stat.isFile()) throw io.ioError('read', file, new Error('it is not a regular file'))
      return await this.#putBlocks(blocksOfFile(handle, file), stat.size, signal)
    } finally {
      await handle.close()
    }
  }

  async #putBlocks(
    blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    expected: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<BlobInfo> {
    io.ensureDir(this.#root, this.#options.modes.dir, this.#options.durable)
    const temp = path.join(this.#root, io.tempName())
    try {
      const info = await this.#writeBlocks(temp, blocks, chunkSize(expected ?? 0), signal)
      // Hashes a blob that is there already now, block by block; once it is remembered the rest is quick.
      if (io.sizeOf(this.path(info.sha256)) === info.bytes) await this.inspect(info.sha256)
      signal?.throwIfAborted()
      this.#inShard(info.sha256, () => this.#publish(temp, info))
      this.#remember(info.sha256, stampOf(this.path(info.sha256)))
      return info
    } catch (error) {
      io.remove(temp)
      throw error
    }
  }

  /** Hashes one block while it and the one before are on their way to the disk. */
  async #writeBlocks(
    temp: string,
    blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    chunk: number,
    signal: AbortSignal | undefined,
  ): Promise<BlobInfo> {
    const sums = new Checksummer(chunk)
    const fail = (error: unknown): never => {
      throw io.ioError('write', temp, error)
    }
    const handle = await fs.promises.open(temp, 'wx+', this.#options.modes.file).catch(fail)
    try {
      let writing: Promise<void> = Promise.resolve()
      let position = 0
      for await (const bytes of blocks) {
        signal?.throwIfAborted()
        await writing
        writing = writeBlock(handle, bytes, position, temp)
        // Handled below; without this an error in between would count as unhandled.
        writing.catch(() => undefined)
        position += bytes.byteLength
        sums.update(bytes)
      }
      await writing
      let info = sums.finish()
      if (chunkSize(info.bytes) !== chunk) info = await this.#withRightChunks(temp, handle, info, signal)
      await handle.chmod(this.#options.modes.file).catch(io.allowNoModes).catch(fail)
      if (this.#options.durable) await handle.datasync().catch(fail)
      return info
    } finally {
      await handle.close().catch(fail)
    }
  }

  /** A stream of unknown length is summed in 1 MiB chunks; past 1,024 of them it is read once more for its real chunk size. */
  async #withRightChunks(
    temp: string,
    handle: fs.promises.FileHandle,
    info: BlobInfo,
    signal: AbortSignal | undefined,
  ): Promise<BlobInfo> {
    const again = await sumsOf(handle, chunkSize(info.bytes), signal).catch((error) => {
      throw io.errnoOf(error) === undefined ? error : io.ioError('read back', temp, error)
    })
    if (again.sha256 === info.sha256) return again
    throw io.ioError('write', temp, new Error('the bytes read back differ from those written'))
  }

  /** Runs a write in a blob's shard, which is made on demand, and turns what the system says into curio's errors. */
  #inShard(digest: Digest, action: (dir: string) => void): void {
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
    return `${this.#root}${path.sep}${digest.slice(0, 2)}`
  }

  /** The shard's folder, made on demand; one that is a link is refused. */
  #shard(digest: Digest): string {
    const dir = this.#shardOf(digest)
    if (this.#shards.has(dir)) return dir
    const { modes, durable } = this.#options
    io.ensureDir(dir, modes.dir, false)
    if (!fs.lstatSync(dir).isDirectory()) {
      throw io.ioError('write', dir, new Error('it is a link, not a folder: someone redirects this part of the store'))
    }
    // Whoever made them may not have made their names durable.
    if (durable) {
      io.syncDir(this.#root)
      if (this.#shards.size === 0) io.syncDir(path.dirname(this.#root))
    }
    this.#shards.add(dir)
    return dir
  }

  /** Puts `temp` under its digest. A damaged blob there is replaced: same name, so the bytes that should be there. */
  #publish(temp: string, info: BlobInfo): void {
    const { durable, events } = this.#options
    const final = this.path(info.sha256)
    for (let attempt = 0; ; attempt++) {
      if (io.publish(temp, final)) {
        if (durable) io.syncDir(path.dirname(final))
        events.emit({ kind: 'blob-put', bytes: info.bytes })
        return
      }
      const found = this.#look(info.sha256, info.bytes)
      if (found === 'good' && this.#known(info)) {
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
  #known(info: BlobInfo): boolean {
    if (!this.#touched.has(info.sha256)) {
      // Another writer may have put it without fsync; what we acknowledge must be as durable as what we write.
      if (this.#options.durable && !this.sync(info.sha256)) return false
      this.#note(info.sha256)
    }
    this.#options.events.emit({ kind: 'blob-known', bytes: info.bytes })
    return true
  }

  /** A line in this process's log. It only helps: a full disk or a foreign folder must not fail a put of what is there. */
  #note(digest: Digest): void {
    try {
      io.ensureDir(this.#touch, this.#options.modes.dir, false)
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
  #look(digest: Digest, bytes: number): 'good' | 'damaged' | 'absent' {
    const file = this.path(digest)
    const stamp = stampOf(file)
    if (stamp === undefined) return 'absent'
    if (stamp === 'special' || stamp.bytes !== bytes) return 'damaged'
    if (this.#checked.get(digest) === stamp.text) return 'good'
    const hashed = hashNow(file)
    if (hashed === undefined) return 'absent'
    if (hashed.sha256 !== digest) return 'damaged'
    this.#remember(digest, hashed.stamp)
    return 'good'
  }

  #remember(digest: Digest, stamp: Stamp | 'special' | undefined): void {
    if (stamp === undefined || stamp === 'special' || this.#checked.get(digest) === stamp.text) return
    if (this.#checked.size >= maxRemembered) this.#checked.clear()
    this.#checked.set(digest, stamp.text)
    // Another file than the one that was noted and synced.
    this.#touched.delete(digest)
  }

  async get(digest: Digest, { signal }: BlobOptions = {}): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    const file = this.path(digest)
    const small = io.readSmall(file)
    if (small === undefined) return undefined
    if (small === 'link') return this.#damaged(digest, 'it is not a regular file')
    if (small !== 'large') {
      this.#options.events.emit({ kind: 'blob-read', bytes: small.byteLength })
      return sha256(small) === digest ? small : this.#damaged(digest, 'its bytes do not match its name')
    }
    return this.#withHandle(digest, async (handle) => {
      const { size } = await handle.stat()
      if (size > constants.MAX_LENGTH) {
        throw io.ioError('read', file, new Error(`its ${size} bytes do not fit one buffer: use stream`))
      }
      const whole = Buffer.allocUnsafeSlow(size)
      const sums = new Checksummer(chunkSize(size))
      for (let at = 0; at < size; at += io.block) {
        signal?.throwIfAborted()
        const part = whole.subarray(at, at + io.block)
        if ((await io.readBlock(handle, part, at)) < part.byteLength) return this.#damaged(digest, 'it is too short')
        sums.update(part)
      }
      this.#options.events.emit({ kind: 'blob-read', bytes: size })
      return sums.finish().sha256 === digest ? whole : this.#damaged(digest, 'its bytes do not match its name')
    })
  }

  async read(info: BlobInfo, range?: ByteRange, { signal }: BlobOptions = {}): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    const { start, end } = checkRange(info, range)
    if (info.bytes <= io.smallFile) return this.#readSmall(info, start, end)
    return this.#withHandle(info.sha256, async (handle) => {
      const { size } = await handle.stat()
      if (size !== info.bytes) return this.#damaged(info.sha256, `it has ${size} bytes, not ${info.bytes}`)
      const read = await readRange(handle, info, start, end, signal)
      this.#options.events.emit({ kind: 'blob-read', bytes: end - start })
      return typeof read === 'string' ? this.#damaged(info.sha256, read) : read
    })
  }

  #readSmall(info: BlobInfo, start: number, end: number): Uint8Array | undefined {
    const bytes = io.readSmall(this.path(info.sha256))
    if (bytes === undefined) return undefined
    if (bytes === 'link' || bytes === 'large') return this.#damaged(info.sha256, 'it is not the file that was put')
    this.#options.events.emit({ kind: 'blob-read', bytes: bytes.byteLength })
    if (bytes.byteLength !== info.bytes) {
      return this.#damaged(info.sha256, `it has ${bytes.byteLength} bytes, not ${info.bytes}`)
    }
    if (chunkHashes(bytes, info.chunk) !== info.xxh64) return this.#damaged(info.sha256, 'a checksum differs')
    return start === 0 && end === info.bytes ? bytes : bytes.subarray(start, end)
  }

  async stream(digest: Digest, options: BlobOptions = {}): Promise<AsyncIterable<Uint8Array> | undefined> {
    return (await this.verify(digest, options)) ? this.#blocks(digest, options) : undefined
  }

  /** Summed once more on the way: what was good when it was checked may have been damaged since. */
  async *#blocks(digest: Digest, { signal }: BlobOptions): AsyncGenerator<Uint8Array> {
    const file = this.path(digest)
    const handle = await io.openForRead(file)
    if (handle === undefined || handle === 'special') throw new NotFoundError(`blob ${digest}`, file)
    const sums = new Checksummer(chunkSize(0))
    try {
      for await (const part of fileBlocks(handle)) {
        signal?.throwIfAborted()
        sums.update(part)
        this.#options.events.emit({ kind: 'blob-read', bytes: part.byteLength })
        yield part
      }
    } catch (error) {
      throw io.errnoOf(error) === undefined ? error : io.ioError('read', file, error)
    } finally {
      await handle.close()
    }
    if (sums.finish().sha256 === digest) return
    this.#damaged(digest, 'its bytes do not match its name')
    throw new IntegrityError(`blob ${digest}`, file, 'it changed while it was read')
  }

  /**
   * Hashes the whole blob and sets it aside when it is bad.
   *
   * @param options `again`: even if this process did so since the blob last changed.
   */
  async verify(digest: Digest, options: BlobOptions & { again?: boolean } = {}): Promise<boolean> {
    const found = await this.inspect(digest, options)
    if (found === 'damaged') this.#damaged(digest, 'its bytes do not match its name')
    return found === 'good'
  }

  /** As `verify`, but touches nothing. */
  async inspect(
    digest: Digest,
    { signal, again = false }: BlobOptions & { again?: boolean } = {},
  ): Promise<'good' | 'damaged' | 'absent'> {
    signal?.throwIfAborted()
    const file = this.path(digest)
    if (!again && this.#checked.has(digest)) {
      const stamp = stampOf(file)
      if (typeof stamp === 'object' && stamp.text === this.#checked.get(digest)) return 'good'
    }
    const handle = await io.openForRead(file)
    if (handle === undefined) return 'absent'
    if (handle === 'special') return 'damaged'
    try {
      const hashed = await hashHandle(handle, signal)
      if (hashed?.sha256 !== digest) return 'damaged'
      this.#remember(digest, hashed.stamp)
      return 'good'
    } catch (error) {
      throw io.errnoOf(error) === undefined ? error : io.ioError('read', file, error)
    } finally {
      await handle.close()
    }
  }

  async #withHandle<T>(digest: Digest, use: (handle: fs.promises.FileHandle) => Promise<T>): Promise<T | undefined> {
    const file = this.path(digest)
    const handle = await io.openForRead(file)
    if (handle === undefined) return undefined
    if (handle === 'special') return this.#damaged(digest, 'it is not a regular file')
    try {
      return await use(handle)
    } catch (error) {
      throw io.errnoOf(error) === undefined ? error : io.ioError('read', file, error)
    } finally {
      await handle.close()
    }
  }

  /** Counts damage, moves the file out of the way, and answers "absent". */
  #damaged(digest: Digest, reason: string): undefined {
    this.#options.events.emit({ kind: 'blob-damaged', digest, reason })
    this.#checked.delete(digest)
    if (!this.#options.readOnly) this.#setAside(digest)
    return undefined
  }

  /**
   * Moves a damaged blob into quarantine. Between our look and the move another writer may have healed it: a good one is put
   * back (same name, same bytes, so this can do no harm). Where it cannot be moved (no right, no space) it stays, and is never used.
   */
  #setAside(digest: Digest): void {
    const aside = path.join(this.#quarantine, `${digest}.${io.tempName().slice(-16)}`)
    try {
      io.ensureDir(this.#quarantine, this.#options.modes.dir, false)
      fs.renameSync(this.path(digest), aside)
      if (hashNow(aside)?.sha256 === digest) fs.renameSync(aside, this.path(digest))
    } catch (error) {
      if (!(error instanceof StoreIOError) && io.errnoOf(error) === undefined) throw error
    }
  }

  /** Hashes the whole blob at once, unless this process did since it last changed: for a path that is about to be handed out. */
  verifyNow(digest: Digest, bytes: number): boolean {
    const found = this.#look(digest, bytes)
    if (found === 'damaged') this.#damaged(digest, 'its bytes do not match its name')
    return found === 'good'
  }

  async size(digest: Digest): Promise<number | undefined> {
    return this.sizeNow(digest)
  }

  /** `size` without a promise: what a look-up of an entry asks for each of its blobs. */
  sizeNow(digest: Digest): number | undefined {
    return io.sizeOf(this.path(digest))
  }

  async delete(digest: Digest): Promise<boolean> {
    if (this.#options.readOnly) throw new ReadOnlyError('blobs.delete', 'the store was opened read-only')
    this.#checked.delete(digest)
    return io.remove(this.path(digest))
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

  async *list({ signal }: BlobOptions = {}): AsyncGenerator<{ sha256: Digest; bytes: number }> {
    for (const shard of await io.namesIn(this.#root)) {
      if (!/^[0-9a-f]{2}$/.test(shard)) continue
      for (const name of await io.namesIn(path.join(this.#root, shard))) {
        signal?.throwIfAborted()
        if (!isDigest(name) || !name.startsWith(shard)) continue
        const bytes = io.sizeOf(path.join(this.#root, shard, name))
        if (bytes !== undefined) yield { sha256: name, bytes }
      }
    }
  }
}
