import * as fs from 'node:fs'
import { InvalidNameError } from '../errors.js'
import { type Digest, isDigest, sha256 } from '../identity/digest.js'
import type { BlobOptions, BlobSource, BlobStore, ByteRange } from './blobs.js'
import { abortable } from './blocks.js'
import { type BlobInfo, chunkHashes, chunkSize, loadChecksums } from './checksum.js'
import { block, ioError } from './io.js'
import { checkRange } from './ranges.js'

/** Blobs of this process only: what a run goes on with when its store cannot be written. */
export class MemoryBlobs implements BlobStore {
  readonly #blobs = new Map<Digest, Uint8Array>()

  /** Of all of them. */
  get bytes(): number {
    let sum = 0
    for (const { byteLength } of this.#blobs.values()) sum += byteLength
    return sum
  }

  async put(source: BlobSource, { signal }: BlobOptions = {}): Promise<BlobInfo> {
    signal?.throwIfAborted()
    const bytes = await gather(source, signal)
    await loadChecksums()
    signal?.throwIfAborted()
    const digest = sha256(bytes)
    this.#blobs.set(digest, bytes)
    const chunk = chunkSize(bytes.byteLength)
    return { bytes: bytes.byteLength, sha256: digest, chunk, xxh64: chunkHashes(bytes, chunk) }
  }

  /** The bytes themselves, at once, for who only reads them. */
  now(digest: Digest): Uint8Array | undefined {
    return this.#blobs.get(checked(digest))
  }

  async get(digest: Digest, { signal }: BlobOptions = {}): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    const bytes = this.#blobs.get(checked(digest))
    // A copy: what is handed out may be changed by whoever gets it.
    return bytes === undefined ? undefined : new Uint8Array(bytes)
  }

  async read(info: BlobInfo, range?: ByteRange, { signal }: BlobOptions = {}): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    const { start, end } = checkRange(info, range)
    const bytes = this.#blobs.get(checked(info.sha256))
    return bytes === undefined ? undefined : new Uint8Array(bytes.subarray(start, end))
  }

  async stream(digest: Digest, options: BlobOptions = {}): Promise<AsyncIterable<Uint8Array> | undefined> {
    const bytes = await this.get(digest, options)
    return bytes === undefined ? undefined : blocks(bytes, options.signal)
  }

  async size(digest: Digest): Promise<number | undefined> {
    return this.#blobs.get(checked(digest))?.byteLength
  }

  async delete(digest: Digest): Promise<boolean> {
    return this.#blobs.delete(checked(digest))
  }

  async *list({ signal }: BlobOptions = {}): AsyncGenerator<{ sha256: Digest; bytes: number }> {
    for (const [digest, bytes] of this.#blobs) {
      signal?.throwIfAborted()
      yield { sha256: digest, bytes: bytes.byteLength }
    }
  }
}

function checked(digest: Digest): Digest {
  if (isDigest(digest)) return digest
  throw new InvalidNameError(String(digest), 'is no SHA-256 digest of 64 lower-case hex digits')
}

async function gather(source: BlobSource, signal: AbortSignal | undefined): Promise<Uint8Array> {
  if (typeof source === 'string') return Buffer.from(source)
  if (source instanceof Uint8Array) return new Uint8Array(source)
  if (!(Symbol.asyncIterator in source)) {
    const { file } = source
    return fs.promises.readFile(file).catch((error) => {
      throw ioError('read', file, error)
    })
  }
  const parts: Uint8Array[] = []
  for await (const part of abortable(source, signal)) {
    signal?.throwIfAborted()
    if (!(part instanceof Uint8Array)) {
      throw new TypeError(`a stream to put must yield Uint8Array, got ${part === null ? 'null' : typeof part}`)
    }
    parts.push(new Uint8Array(part))
  }
  return Buffer.concat(parts)
}

async function* blocks(bytes: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += block) {
    signal?.throwIfAborted()
    yield bytes.subarray(at, at + block)
  }
}
