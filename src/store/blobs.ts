import type { Digest } from '../identity/digest.js'
import type { BlobInfo } from './checksum.js'

/** What can be put: bytes in memory, a stream of them, or a file by path. */
export type BlobSource = Uint8Array | string | AsyncIterable<Uint8Array> | { readonly file: string }

/** Part of a blob: bytes `start` (inclusive) to `end` (exclusive). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface BlobOptions {
  readonly signal?: AbortSignal
}

/**
 * Bytes by their SHA-256. Every place that can keep blobs (a folder, S3) has these verbs, and passes `test/suites/blobs.ts`.
 *
 * `undefined` means absent. Damaged bytes are set aside, counted, and absent. Every other failure throws; an abort stays an AbortError.
 */
export interface BlobStore {
  /**
   * Stores bytes and says what they are. Putting bytes that are there already succeeds, and heals them if they were damaged.
   *
   * A string is stored as UTF-8. A stream may be of any size; memory stays bounded. Nothing appears under a final name before all bytes are written.
   */
  put(source: BlobSource, options?: BlobOptions): Promise<BlobInfo>

  /** All bytes of a blob, checked against its SHA-256. At most `buffer.constants.MAX_LENGTH` bytes; larger ones by `stream`. */
  get(digest: Digest, options?: BlobOptions): Promise<Uint8Array | undefined>

  /** Bytes of a blob whose chunk checksums are known, whole or a range; reads and checks only the chunks it touches. */
  read(info: BlobInfo, range?: ByteRange, options?: BlobOptions): Promise<Uint8Array | undefined>

  /** The bytes of a blob in order, in blocks of at most 8 MiB. The whole blob is checked before the first block is given out. */
  stream(digest: Digest, options?: BlobOptions): Promise<AsyncIterable<Uint8Array> | undefined>

  /** Size in bytes, without reading. */
  size(digest: Digest): Promise<number | undefined>

  /** Removes a blob whoever may need it; false when it was not there. */
  delete(digest: Digest): Promise<boolean>

  /** Every blob with its size, in no order. */
  list(options?: BlobOptions): AsyncIterable<{ readonly sha256: Digest; readonly bytes: number }>
}
