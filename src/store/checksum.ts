import { createHash, type Hash } from 'node:crypto'
import { endianness } from 'node:os'
import type { XXHash, XXHashAPI } from 'xxhash-wasm'
import type { Digest } from '../identity/digest.js'

/** What identifies and checks the bytes of one file. */
export interface BlobInfo {
  readonly bytes: number
  readonly sha256: Digest
  /** Bytes covered by each XXH64; the last chunk may be shorter. */
  readonly chunk: number
  /** The XXH64 of each chunk in order, 16 hex digits each. */
  readonly xxh64: string
}

let api: XXHashAPI | undefined

/** Loads the XXH64 code once; every store awaits this when it opens, so that checks are synchronous afterwards. */
export async function loadChecksums(): Promise<void> {
  api ??= await (await import('xxhash-wasm')).default()
}

const oneShot = 64 << 10
const updateSize = 1 << 20
const minChunk = 1 << 20

/** Chunk size for a file: 1 MiB, or the smallest power of two that keeps a file at 1,024 chunks or fewer. */
export function chunkSize(bytes: number): number {
  let chunk = minChunk
  while (chunk * 1024 < bytes) chunk *= 2
  return chunk
}

/** XXH64 of `data` as 16 hex digits. */
export function xxh64(data: Uint8Array): string {
  return hex(xxh64Value(data))
}

/** XXH64 of `data` as a number. */
export function xxh64Value(data: Uint8Array): bigint {
  if (data.byteLength <= oneShot) return api!.h64Raw(data)
  const hasher = api!.create64()
  updateXxh(hasher, data)
  return hasher.digest()
}

const value = new BigUint64Array(1)
const halves = new Uint32Array(value.buffer)
const [lowAt, highAt] = endianness() === 'LE' ? [0, 1] : [1, 0]

/** Low half of the last `sumUp`: two numbers where one would be a bigint, which costs as much as the sum (measured). */
export function sumLow(): number {
  return halves[lowAt]!
}

/** High half of the last `sumUp`. */
export function sumHigh(): number {
  return halves[highAt]!
}

/** XXH64 of `data`, to be had from `sumLow` and `sumHigh` until the next call. */
export function sumUp(data: Uint8Array): void {
  value[0] = xxh64Value(data)
}

/** In steps of 1 MiB: the WASM memory takes the size of the largest step, and never shrinks. */
export function updateXxh(hasher: XXHash<bigint>, data: Uint8Array): void {
  for (let at = 0; at < data.byteLength; at += updateSize) hasher.update(data.subarray(at, at + updateSize))
}

export function newXxh(): XXHash<bigint> {
  return api!.create64()
}

export function hex(value: bigint): string {
  return value.toString(16).padStart(16, '0')
}

/** XXH64 list of bytes that are all in memory. */
export function chunkHashes(data: Uint8Array, chunk: number): string {
  let text = ''
  for (let at = 0; at === 0 || at < data.byteLength; at += chunk) text += xxh64(data.subarray(at, at + chunk))
  return text
}

/** SHA-256 and chunk checksums of bytes that arrive piece by piece. */
export class Checksummer {
  readonly #sha: Hash = createHash('sha256')
  #chunk: XXHash<bigint> = newXxh()
  #inChunk = 0
  #list = ''
  #bytes = 0

  constructor(readonly chunk: number) {}

  update(data: Uint8Array): void {
    this.#sha.update(data)
    this.#bytes += data.byteLength
    for (let at = 0; at < data.byteLength; ) {
      const part = data.subarray(at, at + this.chunk - this.#inChunk)
      updateXxh(this.#chunk, part)
      at += part.byteLength
      this.#inChunk += part.byteLength
      if (this.#inChunk === this.chunk) this.#closeChunk()
    }
  }

  #closeChunk(): void {
    this.#list += hex(this.#chunk.digest())
    this.#chunk = newXxh()
    this.#inChunk = 0
  }

  finish(): BlobInfo {
    if (this.#inChunk > 0 || this.#list === '') this.#closeChunk()
    return { bytes: this.#bytes, sha256: this.#sha.digest('hex') as Digest, chunk: this.chunk, xxh64: this.#list }
  }
}
