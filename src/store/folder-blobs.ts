import { constants } from 'node:buffer'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { IntegrityError, NotFoundError, ReadOnlyError } from '../errors.js'
import { type Digest, isDigest, sha256 } from '../identity/digest.js'
import { BlobFiles, type FolderBlobsOptions, type HiddenBlob } from './blob-files.js'
import type { BlobOptions, BlobSource, BlobStore, ByteRange } from './blobs.js'
import { abortable, blocksOfBytes, blocksOfFile, blocksOfStream, fileBlocks, writeBlock } from './blocks.js'
import { type BlobInfo, Checksummer, chunkHashes, chunkSize, xxh64 } from './checksum.js'
import { hashHandle, stampOf, sumsOf } from './hashing.js'
import * as io from './io.js'
import { checkRange, readRange } from './ranges.js'

/** Blobs in the `blobs/` and `quarantine/` folders of a store (docs/format.md). */
export class FolderBlobs implements BlobStore {
  readonly #files: BlobFiles
  readonly #options: FolderBlobsOptions

  constructor(folder: string, options: FolderBlobsOptions) {
    this.#files = new BlobFiles(folder, options)
    this.#options = options
  }

  /** Where a blob lies, or would lie. */
  path(digest: Digest): string {
    return this.#files.path(digest)
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
    const isThere = fs.existsSync(this.#files.path(digest))
    if (isThere && this.#files.look(digest, data.byteLength) === 'good' && this.#files.known(info)) return info
    const { modes, durable } = this.#options
    this.#files.inShard(digest, (dir) => {
      const temp = io.writeTemp(dir, data, modes.file, durable)
      try {
        this.#files.publish(temp, info)
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
      const small = stat.size <= io.smallFile ? smallContent(handle.fd, file, stat.size) : undefined
      if (small !== undefined) return this.#putSmall(small)
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
    io.ensureDir(this.#files.root, this.#options.modes.dir, this.#options.durable)
    const temp = path.join(this.#files.root, io.tempName())
    try {
      const info = await this.#writeBlocks(temp, blocks, chunkSize(expected ?? 0), signal)
      // Hashes a blob that is there already now, block by block; once it is remembered the rest is quick.
      if (io.sizeOf(this.#files.path(info.sha256)) === info.bytes) await this.inspect(info.sha256)
      signal?.throwIfAborted()
      this.#files.inShard(info.sha256, () => this.#files.publish(temp, info))
      this.#files.remember(info.sha256, stampOf(this.#files.path(info.sha256)))
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

  async get(digest: Digest, { signal }: BlobOptions = {}): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    const file = this.#files.path(digest)
    const small = io.readSmall(file)
    if (small === undefined) return undefined
    if (small === 'link') return this.#files.damaged(digest, 'it is not a regular file')
    if (small !== 'large') {
      this.#options.events.emit({ kind: 'blob-read', bytes: small.byteLength })
      return sha256(small) === digest ? small : this.#files.damaged(digest, 'its bytes do not match its name')
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
        if ((await io.readBlock(handle, part, at)) < part.byteLength)
          return this.#files.damaged(digest, 'it is too short')
        sums.update(part)
      }
      this.#options.events.emit({ kind: 'blob-read', bytes: size })
      return sums.finish().sha256 === digest ? whole : this.#files.damaged(digest, 'its bytes do not match its name')
    })
  }

  async read(info: BlobInfo, range?: ByteRange, { signal }: BlobOptions = {}): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    const { start, end } = checkRange(info, range)
    if (info.bytes <= io.smallFile) return this.#readSmall(info, start, end)
    return this.#withHandle(info.sha256, async (handle) => {
      const { size } = await handle.stat()
      if (size !== info.bytes) return this.#files.damaged(info.sha256, `it has ${size} bytes, not ${info.bytes}`)
      const read = await readRange(handle, info, start, end, signal)
      this.#options.events.emit({ kind: 'blob-read', bytes: end - start })
      return typeof read === 'string' ? this.#files.damaged(info.sha256, read) : read
    })
  }

  #readSmall(info: BlobInfo, start: number, end: number): Uint8Array | undefined {
    const bytes = io.readSmall(this.#files.path(info.sha256))
    if (bytes === undefined) return undefined
    if (bytes === 'link' || bytes === 'large')
      return this.#files.damaged(info.sha256, 'it is not the file that was put')
    this.#options.events.emit({ kind: 'blob-read', bytes: bytes.byteLength })
    if (bytes.byteLength !== info.bytes) {
      return this.#files.damaged(info.sha256, `it has ${bytes.byteLength} bytes, not ${info.bytes}`)
    }
    if (chunkHashes(bytes, info.chunk) !== info.xxh64) return this.#files.damaged(info.sha256, 'a checksum differs')
    return start === 0 && end === info.bytes ? bytes : bytes.subarray(start, end)
  }

  async stream(digest: Digest, options: BlobOptions = {}): Promise<AsyncIterable<Uint8Array> | undefined> {
    return (await this.verify(digest, options)) ? this.#blocks(digest, options) : undefined
  }

  /** Summed once more on the way: what was good when it was checked may have been damaged since. */
  async *#blocks(digest: Digest, { signal }: BlobOptions): AsyncGenerator<Uint8Array> {
    const file = this.#files.path(digest)
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
    this.#files.damaged(digest, 'its bytes do not match its name')
    throw new IntegrityError(`blob ${digest}`, file, 'it changed while it was read')
  }

  /**
   * Hashes the whole blob and sets it aside when it is bad.
   *
   * @param options `again`: even if this process did so since the blob last changed.
   */
  async verify(digest: Digest, options: BlobOptions & { again?: boolean } = {}): Promise<boolean> {
    const found = await this.inspect(digest, options)
    if (found === 'damaged') this.#files.damaged(digest, 'its bytes do not match its name')
    return found === 'good'
  }

  /** As `verify`, but touches nothing. */
  async inspect(
    digest: Digest,
    { signal, again = false }: BlobOptions & { again?: boolean } = {},
  ): Promise<'good' | 'damaged' | 'absent'> {
    signal?.throwIfAborted()
    const file = this.#files.path(digest)
    if (!again && this.#files.isChecked(digest)) return 'good'
    const handle = await io.openForRead(file)
    if (handle === undefined) return 'absent'
    if (handle === 'special') return 'damaged'
    try {
      const hashed = await hashHandle(handle, signal)
      if (hashed?.sha256 !== digest) return 'damaged'
      this.#files.remember(digest, hashed.stamp)
      return 'good'
    } catch (error) {
      throw io.errnoOf(error) === undefined ? error : io.ioError('read', file, error)
    } finally {
      await handle.close()
    }
  }

  async #withHandle<T>(digest: Digest, use: (handle: fs.promises.FileHandle) => Promise<T>): Promise<T | undefined> {
    const file = this.#files.path(digest)
    const handle = await io.openForRead(file)
    if (handle === undefined) return undefined
    if (handle === 'special') return this.#files.damaged(digest, 'it is not a regular file')
    try {
      return await use(handle)
    } catch (error) {
      throw io.errnoOf(error) === undefined ? error : io.ioError('read', file, error)
    } finally {
      await handle.close()
    }
  }

  /** Hashes the whole blob at once, unless this process did since it last changed: for a path that is about to be handed out. */
  verifyNow(digest: Digest, bytes: number): boolean {
    const found = this.#files.look(digest, bytes)
    if (found === 'damaged') this.#files.damaged(digest, 'its bytes do not match its name')
    return found === 'good'
  }

  async size(digest: Digest): Promise<number | undefined> {
    return this.#files.sizeNow(digest)
  }

  async delete(digest: Digest): Promise<boolean> {
    if (this.#options.readOnly) throw new ReadOnlyError('blobs.delete', 'the store was opened read-only')
    return this.#files.remove(digest)
  }

  async *list({ signal }: BlobOptions = {}): AsyncGenerator<{ sha256: Digest; bytes: number }> {
    for (const shard of await io.namesIn(this.#files.root)) {
      if (!/^[0-9a-f]{2}$/.test(shard)) continue
      for (const name of await io.namesIn(path.join(this.#files.root, shard))) {
        signal?.throwIfAborted()
        if (!isDigest(name) || !name.startsWith(shard)) continue
        const bytes = io.sizeOf(path.join(this.#files.root, shard, name))
        if (bytes !== undefined) yield { sha256: name, bytes }
      }
    }
  }

  /** Makes a blob that is there survive loss of power, whoever put it; false when it is absent. */
  sync(digest: Digest): boolean {
    return this.#files.sync(digest)
  }

  /** `size` without a promise: what a look-up of an entry asks for each of its blobs. */
  sizeNow(digest: Digest): number | undefined {
    return this.#files.sizeNow(digest)
  }

  /** Takes a blob out of sight, for a clean-up that looks once more before it deletes. Undefined when it is not there. */
  hide(digest: Digest): HiddenBlob | undefined {
    return this.#files.hide(digest)
  }
}

/** All of a small file of the user's; undefined when it has grown meanwhile. In blocks it takes 4 to 10 times as long (measured). */
function smallContent(fd: number, file: string, size: number): Uint8Array | undefined {
  try {
    const bytes = Buffer.allocUnsafe(size + 1)
    const got = io.readFully(fd, bytes, 0)
    return got <= size ? bytes.subarray(0, got) : undefined
  } catch (error) {
    throw io.ioError('read', file, error)
  }
}
