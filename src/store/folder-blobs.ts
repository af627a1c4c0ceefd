import { constants } from 'node:buffer'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CurioError, InvalidNameError, ReadOnlyError } from '../errors.js'
import { type Digest, isDigest, sha256 } from '../identity/digest.js'
import type { BlobOptions, BlobSource, BlobStore, ByteRange } from './blobs.js'
import { type BlobInfo, Checksummer, chunkHashes, chunkSize, hex, newXxh, updateXxh, xxh64 } from './checksum.js'
import type { StoreEvents } from './events.js'
import * as io from './io.js'
import { processToken } from './process.js'

export interface FolderBlobsOptions {
  readonly durable: boolean
  readonly readOnly: boolean
  readonly modes: io.Modes
  readonly events: StoreEvents
}

const groupsAtOnce = 4
const maxRemembered = 100_000

/** Blobs in the `blobs/` and `quarantine/` folders of a store (docs/format.md). */
export class FolderBlobs implements BlobStore {
  readonly #root: string
  readonly #quarantine: string
  readonly #options: FolderBlobsOptions
  /** Blobs this process has hashed whole, with the inode, size and times they had then. */
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
    return path.join(this.#root, digest.slice(0, 2), digest)
  }

  async put(source: BlobSource, options: BlobOptions = {}): Promise<BlobInfo> {
    options.signal?.throwIfAborted()
    if (this.#options.readOnly) throw new ReadOnlyError('blobs.put', 'the store was opened read-only')
    const data = typeof source === 'string' ? Buffer.from(source) : source
    if (data instanceof Uint8Array && data.byteLength <= io.smallFile) return this.#putSmall(data)
    if (data instanceof Uint8Array) return this.#putStream([data], data.byteLength, options.signal)
    if (Symbol.asyncIterator in data) return this.#putStream(data, undefined, options.signal)
    return this.#putFile(data.file, options.signal)
  }

  #putSmall(data: Uint8Array): BlobInfo {
    const digest = sha256(data)
    const info = { bytes: data.byteLength, sha256: digest, chunk: chunkSize(0), xxh64: xxh64(data) }
    if (this.#isGood(digest, data.byteLength)) return this.#known(info)
    this.#write(this.path(digest), () => {
      const temp = io.writeTemp(this.#shard(digest), data, this.#options.modes.file, this.#options.durable)
      this.#publish(temp, info)
    })
    return info
  }

  async #putFile(file: string, signal: AbortSignal | undefined): Promise<BlobInfo> {
    let handle: fs.promises.FileHandle
    try {
      handle = await fs.promises.open(file, 'r')
    } catch (error) {
      throw io.ioError('read', file, error)
    }
    try {
      const stat = await handle.stat()
      if (!stat.isFile()) throw io.ioError('read', file, new Error('it is not a regular file'))
      return await this.#putStream(blocksOf(handle), stat.size, signal)
    } finally {
      await handle.close()
    }
  }

  /** Hashes one block while the one before it is on its way to the disk. */
  async #putStream(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    expected: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<BlobInfo> {
    const { modes, durable } = this.#options
    io.ensureDir(this.#root, modes.dir, durable)
    const temp = path.join(this.#root, io.tempName())
    const sums = new Checksummer(chunkSize(expected ?? 0))
    try {
      const handle = await fs.promises.open(temp, 'wx', modes.file).catch((error) => {
        throw io.ioError('write', temp, error)
      })
      try {
        let writing: Promise<unknown> = Promise.resolve()
        let position = 0
        for await (const part of inBlocks(source)) {
          signal?.throwIfAborted()
          await writing
          writing = writeBlock(handle, part, position)
          // Handled below; without this an error in between would count as unhandled.
          writing.catch(() => undefined)
          position += part.byteLength
          sums.update(part)
        }
        await writing
        if (io.umaskHides(modes.file)) await handle.chmod(modes.file)
        if (durable) await handle.datasync()
      } catch (error) {
        throw io.errnoOf(error) === undefined || CurioError.is(error) ? error : io.ioError('write', temp, error)
      } finally {
        await handle.close().catch((error) => {
          throw io.ioError('write', temp, error)
        })
      }
      const info = await withRightChunks(temp, sums.finish())
      this.#write(temp, () => {
        this.#shard(info.sha256)
        this.#publish(temp, info)
      })
      return info
    } catch (error) {
      io.remove(temp)
      throw error
    }
  }

  /** Runs a write and turns what the system says into curio's errors. */
  #write(file: string, action: () => void): void {
    try {
      action()
    } catch (error) {
      throw CurioError.is(error) ? error : io.ioError('write', file, error)
    }
  }

  /** The shard's folder, made on demand; one that is a link is refused. */
  #shard(digest: Digest): string {
    const dir = path.join(this.#root, digest.slice(0, 2))
    if (this.#shards.has(dir)) {
      if (fs.existsSync(dir)) return dir
      this.#shards.delete(dir)
    }
    io.ensureDir(dir, this.#options.modes.dir, this.#options.durable)
    if (!fs.lstatSync(dir).isDirectory()) {
      throw io.ioError('write', dir, new Error('it is a link, not a folder: someone redirects this part of the store'))
    }
    this.#shards.add(dir)
    return dir
  }

  /** Puts `temp` under its digest. A damaged blob there is replaced: same name, so the bytes that should be there. */
  #publish(temp: string, info: BlobInfo): void {
    const final = this.path(info.sha256)
    try {
      if (io.publish(temp, final)) {
        if (this.#options.durable) io.syncDir(path.dirname(final))
        this.#options.events.emit({ kind: 'blob-put', bytes: info.bytes })
      } else if (this.#isGood(info.sha256, info.bytes)) {
        io.remove(temp)
        this.#known(info)
        return
      } else {
        this.#setAside(final, info.sha256, 'its bytes do not match its name')
        io.replace(temp, final)
        if (this.#options.durable) io.syncDir(path.dirname(final))
        this.#options.events.emit({ kind: 'healed', what: info.sha256 })
      }
      this.#remember(info.sha256, final)
    } catch (error) {
      io.remove(temp)
      throw error
    }
  }

  #known(info: BlobInfo): BlobInfo {
    if (!this.#touched.has(info.sha256)) {
      const { modes, durable } = this.#options
      this.#write(this.#touch, () => {
        io.ensureDir(this.#touch, modes.dir, false)
        fs.appendFileSync(path.join(this.#touch, `${processToken()}.log`), `${info.sha256}\n`, { mode: 0o644 })
        // Another writer may have put it without fsync; what we acknowledge must be as durable as what we write.
        if (durable) syncFile(this.path(info.sha256))
      })
      if (this.#touched.size >= maxRemembered) this.#touched.clear()
      this.#touched.add(info.sha256)
    }
    this.#options.events.emit({ kind: 'blob-known', bytes: info.bytes })
    return info
  }

  /** Whether a blob is there and has been hashed by this process, now or since it last changed. */
  #isGood(digest: Digest, bytes: number): boolean {
    const file = this.path(digest)
    const before = stampOf(file)
    if (before === undefined || before.bytes !== bytes) return false
    if (this.#checked.get(digest) === before.stamp) return true
    let fd: number
    try {
      fd = fs.openSync(file, fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0))
    } catch (error) {
      if (io.isAbsent(error) || io.errnoOf(error) === 'ELOOP') return false
      throw io.ioError('read', file, error)
    }
    try {
      const sums = new Checksummer(chunkSize(bytes))
      const buffer = Buffer.allocUnsafeSlow(Math.min(io.block, Math.max(bytes, 1)))
      for (let at = 0; at < bytes; ) {
        const got = io.readFully(fd, buffer.subarray(0, Math.min(buffer.byteLength, bytes - at)), at)
        if (got === 0) return false
        sums.update(buffer.subarray(0, got))
        at += got
      }
      if (sums.finish().sha256 !== digest) return false
    } finally {
      fs.closeSync(fd)
    }
    this.#remember(digest, file)
    return true
  }

  #remember(digest: Digest, file: string): void {
    const stamp = stampOf(file)
    if (stamp === undefined) return
    if (this.#checked.size >= maxRemembered) this.#checked.clear()
    this.#checked.set(digest, stamp.stamp)
  }

  async get(digest: Digest, options: BlobOptions = {}): Promise<Uint8Array | undefined> {
    options.signal?.throwIfAborted()
    const file = this.path(digest)
    const small = io.readSmall(file)
    if (small === undefined) return undefined
    if (small === 'link') return this.#damaged(digest, 'it is not a regular file')
    if (small !== 'large') {
      this.#options.events.emit({ kind: 'blob-read', bytes: small.byteLength })
      return sha256(small) === digest ? small : this.#damaged(digest, 'its bytes do not match its name')
    }
    const bytes = io.sizeOf(file)
    if (bytes === undefined) return undefined
    if (bytes > constants.MAX_LENGTH) {
      throw io.ioError('read', file, new Error(`its ${bytes} bytes do not fit one buffer: use stream`))
    }
    return this.#withHandle(digest, async (handle) => {
      const whole = Buffer.allocUnsafeSlow(bytes)
      const sums = new Checksummer(chunkSize(bytes))
      for (let at = 0; at < bytes; at += io.block) {
        options.signal?.throwIfAborted()
        const part = whole.subarray(at, at + io.block)
        if ((await io.readBlock(handle, part, at)) < part.byteLength) return this.#damaged(digest, 'it is too short')
        sums.update(part)
      }
      this.#options.events.emit({ kind: 'blob-read', bytes })
      return sums.finish().sha256 === digest ? whole : this.#damaged(digest, 'its bytes do not match its name')
    })
  }

  async read(info: BlobInfo, range?: ByteRange, options: BlobOptions = {}): Promise<Uint8Array | undefined> {
    options.signal?.throwIfAborted()
    const { start, end } = range ?? { start: 0, end: info.bytes }
    if (!(start >= 0 && end >= start && end <= info.bytes)) {
      throw new RangeError(`bytes ${start} to ${end} are not in a blob of ${info.bytes} bytes`)
    }
    if (info.bytes <= io.smallFile) return this.#readSmall(info, start, end)
    return this.#withHandle(info.sha256, async (handle) => {
      const { size } = await handle.stat()
      if (size !== info.bytes) return this.#damaged(info.sha256, `it has ${size} bytes, not ${info.bytes}`)
      const into = Buffer.allocUnsafeSlow(end - start)
      const groups = chunkGroups(info, start, end)
      let bad: string | undefined
      const worker = async () => {
        for (let group = groups.next(); !group.done && bad === undefined; group = groups.next()) {
          options.signal?.throwIfAborted()
          bad ??= await readGroup(handle, info, group.value, into, start, end)
        }
      }
      await Promise.all(Array.from({ length: groupsAtOnce }, worker))
      this.#options.events.emit({ kind: 'blob-read', bytes: end - start })
      return bad === undefined ? into : this.#damaged(info.sha256, bad)
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
    const bytes = io.sizeOf(this.path(digest))
    if (bytes === undefined) return undefined
    if (!(await this.verify(digest, options))) return undefined
    return this.#blocks(digest, options)
  }

  async *#blocks(digest: Digest, { signal }: BlobOptions): AsyncGenerator<Uint8Array> {
    const handle = await io.openForRead(this.path(digest))
    if (handle === undefined) throw io.ioError('read', this.path(digest), new Error('it is gone'))
    try {
      for await (const part of blocksOf(handle)) {
        signal?.throwIfAborted()
        this.#options.events.emit({ kind: 'blob-read', bytes: part.byteLength })
        yield part
      }
    } finally {
      await handle.close()
    }
  }

  /**
   * Hashes the whole blob and sets it aside when it is bad.
   *
   * @param options `again`: even if this process did so since the blob last changed. `leave`: do not move a bad one.
   */
  async verify(
    digest: Digest,
    { signal, again = false, leave = false }: BlobOptions & { again?: boolean; leave?: boolean } = {},
  ): Promise<boolean> {
    const file = this.path(digest)
    const before = stampOf(file)
    if (before === undefined) return false
    if (!again && this.#checked.get(digest) === before.stamp) return true
    const good = await this.#withHandle(digest, async (handle) => {
      const sums = new Checksummer(chunkSize(before.bytes))
      for await (const part of blocksOf(handle)) {
        signal?.throwIfAborted()
        sums.update(part)
      }
      return sums.finish().sha256 === digest
    })
    if (good === undefined) return false
    if (!good) {
      if (!leave) this.#damaged(digest, 'its bytes do not match its name')
      return false
    }
    this.#remember(digest, file)
    return true
  }

  async #withHandle<T>(digest: Digest, use: (handle: fs.promises.FileHandle) => Promise<T>): Promise<T | undefined> {
    const file = this.path(digest)
    const handle = await io.openForRead(file)
    if (handle === undefined) {
      return fs.lstatSync(file, { throwIfNoEntry: false }) === undefined
        ? undefined
        : this.#damaged(digest, 'it is not a regular file')
    }
    try {
      return await use(handle)
    } catch (error) {
      throw io.errnoOf(error) === undefined || CurioError.is(error) ? error : io.ioError('read', file, error)
    } finally {
      await handle.close()
    }
  }

  /** Counts damage, moves the file out of the way, and answers "absent". */
  #damaged(digest: Digest, reason: string): undefined {
    this.#options.events.emit({ kind: 'blob-damaged', digest, reason })
    this.#checked.delete(digest)
    if (!this.#options.readOnly) this.#setAside(this.path(digest), digest, reason)
    return undefined
  }

  /**
   * Moves a damaged blob into quarantine. Between our look and the move another writer may have healed it: a good
   * one is put back (same name, same bytes, so this can do no harm).
   */
  #setAside(file: string, digest: Digest, reason: string): void {
    const aside = path.join(this.#quarantine, `${digest}.${io.tempName().slice(-16)}`)
    try {
      io.ensureDir(this.#quarantine, this.#options.modes.dir, false)
      fs.renameSync(file, aside)
    } catch (error) {
      // A reader without the right to move it still must not use it; that it is damaged has been counted.
      if (
        io.isAbsent(error) ||
        io.errnoOf(error) === 'EACCES' ||
        io.errnoOf(error) === 'EPERM' ||
        io.errnoOf(error) === 'EROFS'
      )
        return
      throw io.ioError(`set aside (${reason})`, file, error)
    }
    if (fileDigest(aside) === digest) fs.renameSync(aside, file)
  }

  /** Hashes the whole blob at once, unless this process did since it last changed: for a path that is about to be handed out. */
  verifyNow(digest: Digest, bytes: number): boolean {
    if (this.#isGood(digest, bytes)) return true
    if (io.sizeOf(this.path(digest)) !== undefined) this.#damaged(digest, 'its bytes do not match its name')
    return false
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

  async *list({ signal }: BlobOptions = {}): AsyncGenerator<{ sha256: Digest; bytes: number }> {
    for (const shard of await namesIn(this.#root)) {
      if (!/^[0-9a-f]{2}$/.test(shard)) continue
      signal?.throwIfAborted()
      for (const name of await namesIn(path.join(this.#root, shard))) {
        if (!isDigest(name) || !name.startsWith(shard)) continue
        const bytes = io.sizeOf(path.join(this.#root, shard, name))
        if (bytes !== undefined) yield { sha256: name, bytes }
      }
    }
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await fs.promises.readdir(dir)
  } catch (error) {
    if (io.isAbsent(error)) return []
    throw io.ioError('list', dir, error)
  }
}

function stampOf(file: string): { stamp: string; bytes: number } | undefined {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile()) return undefined
  return { stamp: `${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`, bytes: stat.size }
}

function syncFile(file: string): void {
  const fd = fs.openSync(file, 'r')
  try {
    fs.fdatasyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  io.syncDir(path.dirname(file))
}

function fileDigest(file: string): Digest | undefined {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile()) return undefined
  const fd = fs.openSync(file, 'r')
  try {
    const sums = new Checksummer(chunkSize(stat.size))
    const buffer = Buffer.allocUnsafeSlow(Math.min(io.block, Math.max(stat.size, 1)))
    for (let at = 0; at < stat.size; ) {
      const got = io.readFully(fd, buffer, at)
      if (got === 0) break
      sums.update(buffer.subarray(0, got))
      at += got
    }
    return sums.finish().sha256
  } finally {
    fs.closeSync(fd)
  }
}

async function writeBlock(handle: fs.promises.FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < data.byteLength; ) {
    at += (await handle.write(data, at, data.byteLength - at, position + at)).bytesWritten
  }
}

/** The file's bytes in blocks; each is a buffer of its own. */
async function* blocksOf(handle: fs.promises.FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; ) {
    const buffer = Buffer.allocUnsafeSlow(io.block)
    const got = await io.readBlock(handle, buffer, at)
    if (got > 0) yield got === buffer.byteLength ? buffer : buffer.subarray(0, got)
    if (got < buffer.byteLength) return
    at += got
  }
}

/** Cuts large pieces and gathers small ones: a write per 64 KiB costs twice a write per MiB (measured). */
async function* inBlocks(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gather = 1 << 20
  let buffer: Buffer | undefined
  let filled = 0
  for await (const piece of source) {
    if (!(piece instanceof Uint8Array)) {
      throw new TypeError(`a stream to put must yield Uint8Array, got ${piece === null ? 'null' : typeof piece}`)
    }
    if (piece.byteLength >= gather) {
      if (buffer !== undefined && filled > 0) yield buffer.subarray(0, filled)
      buffer = undefined
      filled = 0
      for (let at = 0; at < piece.byteLength; at += io.block) yield piece.subarray(at, at + io.block)
      continue
    }
    for (let at = 0; at < piece.byteLength; ) {
      buffer ??= Buffer.allocUnsafeSlow(gather)
      const part = piece.subarray(at, at + gather - filled)
      buffer.set(part, filled)
      filled += part.byteLength
      at += part.byteLength
      if (filled === gather) {
        yield buffer
        buffer = undefined
        filled = 0
      }
    }
  }
  if (buffer !== undefined && filled > 0) yield buffer.subarray(0, filled)
}

/** A stream of unknown length is summed in 1 MiB chunks; past 1,024 of them the file is read once more for its real chunk size. */
async function withRightChunks(file: string, info: BlobInfo): Promise<BlobInfo> {
  const chunk = chunkSize(info.bytes)
  if (chunk === info.chunk) return info
  const handle = await fs.promises.open(file, 'r')
  try {
    const sums = new Checksummer(chunk)
    for await (const part of blocksOf(handle)) sums.update(part)
    const again = sums.finish()
    if (again.sha256 !== info.sha256)
      throw io.ioError('write', file, new Error('the bytes read back differ from those written'))
    return again
  } finally {
    await handle.close()
  }
}

interface ChunkGroup {
  readonly first: number
  readonly from: number
  readonly to: number
}

/** Runs of whole chunks that cover the range, a block or one chunk each. */
function* chunkGroups(info: BlobInfo, start: number, end: number): Generator<ChunkGroup> {
  if (start === end) return
  const per = Math.max(1, Math.floor(io.block / info.chunk))
  const last = Math.floor((end - 1) / info.chunk)
  for (let first = Math.floor(start / info.chunk); first <= last; first += per) {
    const stop = Math.min(first + per, last + 1)
    yield { first, from: first * info.chunk, to: Math.min(stop * info.chunk, info.bytes) }
  }
}

/** Reads one group, checks every chunk of it, and leaves what was asked for in `into`. Returns what is wrong, if anything. */
async function readGroup(
  handle: fs.promises.FileHandle,
  info: BlobInfo,
  group: ChunkGroup,
  into: Uint8Array,
  start: number,
  end: number,
): Promise<string | undefined> {
  let hasher = newXxh()
  let index = group.first
  let inChunk = 0
  for (let at = group.from; at < group.to; at += io.block) {
    const stop = Math.min(at + io.block, group.to)
    const inside = at >= start && stop <= end
    const part = inside ? into.subarray(at - start, stop - start) : Buffer.allocUnsafeSlow(stop - at)
    if ((await io.readBlock(handle, part, at)) < part.byteLength) return 'it is too short'
    for (let p = 0; p < part.byteLength; ) {
      const piece = part.subarray(p, p + info.chunk - inChunk)
      updateXxh(hasher, piece)
      p += piece.byteLength
      inChunk += piece.byteLength
      if (inChunk === info.chunk || at + p === info.bytes) {
        if (hex(hasher.digest()) !== info.xxh64.slice(index * 16, index * 16 + 16)) {
          return `the checksum of bytes ${index * info.chunk} to ${index * info.chunk + inChunk} differs`
        }
        hasher = newXxh()
        index += 1
        inChunk = 0
      }
    }
    if (!inside) {
      const [a, b] = [Math.max(at, start), Math.min(stop, end)]
      into.set(part.subarray(a - at, b - at), a - start)
    }
  }
  return undefined
}
