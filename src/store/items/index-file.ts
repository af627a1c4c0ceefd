/** The index of a sealed segment: what a scan would find, ready to be used (docs/format.md, "Segments"). */
import { createHash } from 'node:crypto'
import { endianness } from 'node:os'
import * as io from '../io.js'
import { withRoom } from './open-files.js'

const magic = Buffer.from('CURIOIDX')
const version = 1
const headBytes = 64
const trailerBytes = 32
const bytesPerRow = 4 * 4 + 8 + 1
/** No segment has more: checked before anything is allocated. */
const maxRows = 10_000_000

/** The columns are used as they lie in the file. */
export const canIndex = endianness() === 'LE'

/** Rows of an index in the order of their places. */
export interface IndexRows {
  readonly count: number
  readonly low: Uint32Array
  readonly high: Uint32Array
  /** Place in the segment, divided by 8. */
  readonly place: Uint32Array
  readonly generation: Uint32Array
  readonly time: Float64Array
  /** As in the record. */
  readonly kind: Uint8Array
}

/** Room for `count` rows. */
export function newRows(count: number): IndexRows {
  return rowsOf(new ArrayBuffer(count * bytesPerRow), 0, count)
}

function rowsOf(buffer: ArrayBufferLike, offset: number, count: number): IndexRows {
  const at = (n: number): number => offset + n * count
  return {
    count,
    // First, for it needs the wider alignment.
    time: new Float64Array(buffer, at(0), count),
    low: new Uint32Array(buffer, at(8), count),
    high: new Uint32Array(buffer, at(12), count),
    place: new Uint32Array(buffer, at(16), count),
    generation: new Uint32Array(buffer, at(20), count),
    kind: new Uint8Array(buffer, at(24), count),
  }
}

/** The bytes of an index for a segment of `length` bytes with the SHA-256 `digest`. */
export function indexBytes(rows: IndexRows, length: number, digest: Uint8Array): Buffer {
  const bytes = Buffer.alloc(headBytes + rows.count * bytesPerRow + trailerBytes)
  magic.copy(bytes)
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(rows.count, 12)
  bytes.writeDoubleLE(length, 16)
  bytes.set(digest, 24)
  bytes.set(new Uint8Array(rows.time.buffer, rows.time.byteOffset, rows.count * bytesPerRow), headBytes)
  const end = bytes.byteLength - trailerBytes
  createHash('sha256').update(bytes.subarray(0, end)).digest().copy(bytes, end)
  return bytes
}

/**
 * Reads an index; undefined when there is none for exactly this segment, or it is not good: then the segment is scanned. `'cut'`: the
 * segment was longer when it was sealed.
 */
export function readIndex(file: string, segmentBytes: number): IndexRows | 'cut' | undefined {
  const bytes = withRoom(() => io.readSmall(file, headBytes + maxRows * bytesPerRow + trailerBytes))
  if (!canIndex || !(bytes instanceof Uint8Array) || bytes.byteLength < headBytes + trailerBytes) return undefined
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!buffer.subarray(0, 8).equals(magic) || buffer.readUInt32LE(8) !== version) return undefined
  const count = buffer.readUInt32LE(12)
  const end = headBytes + count * bytesPerRow
  const sealedBytes = buffer.readDoubleLE(16)
  if (buffer.byteLength !== end + trailerBytes || sealedBytes < segmentBytes) return undefined
  if (!createHash('sha256').update(buffer.subarray(0, end)).digest().equals(buffer.subarray(end))) return undefined
  if (sealedBytes > segmentBytes) return 'cut'
  return rowsOf(buffer.buffer, buffer.byteOffset + headBytes, count)
}
