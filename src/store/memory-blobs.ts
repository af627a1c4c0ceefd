import { InvalidNameError } from '../errors.js'
import { type Digest, isDigest, sha256 } from '../identity/digest.js'
import type { BlobOptions, BlobSource, BlobStore, ByteRange } from './blobs.js'
import { type BlobInfo, chunkHashes, chunkSize } from './checksum.js'
import { block } from './io.js'

/** Blobs of this process only: what a run goes on with when its store cannot be written. */
export class MemoryBlobs implements BlobStore {
  readonly #blobs = new Map<Digest, Uint8Array>()

  async put(source: BlobSource, { signal }: BlobOptions = {}): Promise<BlobInfo> {
    signal?.throwIfAborted()
    const bytes = await gather(source, signal)
    const digest = sha256(bytes)
    this.#blobs.set(digest, bytes)
    const chunk = chunkSize(bytes.byteLength)
    return { bytes: bytes.byteLength, sha256: digest, chunk, xxh64: chunkHashes(bytes, chunk) }
  }

  async get(digest: Digest, { signal }: BlobOptions = {}): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    if (!isDigest(digest))
      throw new InvalidNameError(String(digest), 'is no SHA-256 digest of 64 lower-case hex digits')
    const bytes = this.#blobs.get(digest)
    // A copy: what is handed out may be changed by whoever gets it.
    return bytes === undefined ? undefined : Uint8Array.from(bytes)
  }

  async read(info: BlobInfo, range?: ByteRange, options: BlobOptions = {}): Promise<Uint8Array | undefined> {
    const { start, end } = range ?? { start: 0, end: info.bytes }
    if (!(start >= 0 && end >= start && end <= info.bytes)) {
      throw new RangeError(`bytes ${start} to ${end} are not in a blob of ${info.bytes} bytes`)
    }
    return (await this.get(info.sha256, options))?.subarray(start, end)
  }

  async stream(digest: Digest, options: BlobOptions = {}): Promise<AsyncIterable<Uint8Array> | undefined> {
    const bytes = await this.get(digest, options)
    return bytes === undefined ? undefined : blocks(bytes)
  }

  async size(digest: Digest): Promise<number | undefined> {
    return this.#blobs.get(digest)?.byteLength
  }

  async delete(digest: Digest): Promise<boolean> {
    return this.#blobs.delete(digest)
  }

  async *list(): AsyncGenerator<{ sha256: Digest; bytes: number }> {
    for (const [digest, bytes] of this.#blobs) yield { sha256: digest, bytes: bytes.byteLength }
  }
}

async function gather(source: BlobSource, signal: AbortSignal | undefined): Promise<Uint8Array> {
  if (typeof source === 'string') return Buffer.from(source)
  if (source instanceof Uint8Array) return Uint8Array.from(source)
  if (!(Symbol.asyncIterator in source)) return (await import('node:fs/promises')).readFile(source.file)
  const parts: Uint8Array[] = []
  for await (const part of source) {
    signal?.throwIfAborted()
    if (!(part instanceof Uint8Array)) throw new TypeError(`a stream to put must yield Uint8Array, got ${typeof part}`)
    parts.push(Uint8Array.from(part))
  }
  return Buffer.concat(parts)
}

async function* blocks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += block) yield bytes.subarray(at, at + block)
}
