/** One record of a segment, as bytes (docs/format.md, "Segments"). */
import { sumHigh, sumLow, sumUp } from '../checksum.js'

/** What a record says of its key. */
export const kinds = { value: 1, blob: 2, error: 3, tombstone: 4 } as const
export type ItemKind = keyof typeof kinds
const kindNames = Object.keys(kinds) as ItemKind[]

/** Longest key, in bytes of UTF-8. */
export const maxKey = 4 << 10
/** Longest payload; what is longer becomes a blob. */
export const maxPayload = 1 << 20
/** Bytes before the payload. A multiple of 8, so that payloads are aligned for views. */
export const headerBytes = 56

const magic = 0x43_52_45_43
const version = 1
const maxCodec = 255

/** What decides between records of one key; see `outranks`. */
export interface Rank {
  /** 0 for a first result; more for each that was forced or deleted. */
  readonly generation: number
  /** Hybrid clock: milliseconds × 1024, and never less than any the writer has seen. */
  readonly time: number
}

/** What stands under a key. */
export interface ItemRecord extends Rank {
  readonly kind: ItemKind
  readonly key: string
  /** `<cacher>@<version>`, whose bytes the payload holds; empty for a tombstone. */
  readonly codec: string
  /** A copy, nobody else's. */
  readonly payload: Uint8Array
}

/** What is to be written. */
export interface NewRecord extends Rank {
  readonly kind: ItemKind
  readonly key: Uint8Array
  readonly codec: string
  readonly payload: Uint8Array
}

/** Length of a record with these parts. */
export function recordLength(key: number, codec: number, payload: number): number {
  return (headerBytes + payload + key + codec + 7) & ~7
}

/**
 * Writes a record into `into` at `at`; returns its length.
 *
 * @param salt of the segment, @param place the record's place in it: a record copied elsewhere is none.
 */
export function writeRecord(into: Buffer, at: number, record: NewRecord, salt: number, place: number): number {
  const { kind, key, codec, payload, generation, time } = record
  const codecBytes = Buffer.byteLength(codec)
  if (codecBytes > maxCodec) throw new RangeError(`a cacher's name of ${codecBytes} bytes`)
  const length = recordLength(key.byteLength, codecBytes, payload.byteLength)
  into.writeUInt32LE(magic, at + 8)
  into[at + 12] = version
  into[at + 13] = kinds[kind]
  into.writeUInt16LE(codecBytes, at + 14)
  into.writeUInt32LE(key.byteLength, at + 16)
  into.writeUInt32LE(payload.byteLength, at + 20)
  into.writeDoubleLE(time, at + 24)
  into.writeUInt32LE(generation, at + 32)
  into.writeUInt32LE(salt, at + 36)
  writeSum(into, at + 40, key)
  into.writeUInt32LE(place / 8, at + 48)
  into.writeUInt32LE(0, at + 52)
  into.set(payload, at + headerBytes)
  into.set(key, at + headerBytes + payload.byteLength)
  const end = at + headerBytes + payload.byteLength + key.byteLength
  into.write(codec, end)
  into.fill(0, end + codecBytes, at + length)
  writeSum(into, at, into.subarray(at + 8, at + length))
  return length
}

function writeSum(into: Buffer, at: number, data: Uint8Array): void {
  sumUp(data)
  into.writeUInt32LE(sumLow(), at)
  into.writeUInt32LE(sumHigh(), at + 4)
}

/** The salt that the record at `at` says its segment has. */
export function saltIn(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 36)
}

/** Length of the record that starts at `at`, as its header says; undefined when no header of this segment is there. */
export function lengthAt(bytes: Buffer, at: number, salt: number, place: number): number | undefined {
  if (bytes.byteLength - at < headerBytes) return undefined
  if (bytes.readUInt32LE(at + 8) !== magic || bytes[at + 12] !== version) return undefined
  if (bytes.readUInt32LE(at + 36) !== salt || bytes.readUInt32LE(at + 48) !== place / 8) return undefined
  const [codec, key, payload] = [bytes.readUInt16LE(at + 14), bytes.readUInt32LE(at + 16), bytes.readUInt32LE(at + 20)]
  if (codec > maxCodec || key > maxKey || payload > maxPayload) return undefined
  return recordLength(key, codec, payload)
}

/** As `lengthAt`; undefined also when the record is not whole and good. */
export function goodLengthAt(bytes: Buffer, at: number, salt: number, place: number): number | undefined {
  const length = lengthAt(bytes, at, salt, place)
  if (length === undefined || at + length > bytes.byteLength || kindAt(bytes, at) === undefined) return undefined
  sumUp(bytes.subarray(at + 8, at + length))
  return bytes.readUInt32LE(at) === sumLow() && bytes.readUInt32LE(at + 4) === sumHigh() ? length : undefined
}

// What follows reads records that were found good.

function kindAt(bytes: Buffer, at: number): ItemKind | undefined {
  return kindNames[codeAt(bytes, at) - 1]
}

export function codeAt(bytes: Buffer, at: number): number {
  return bytes[at + 13]!
}

export function generationAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 32)
}

export function timeAt(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + 24)
}

/** XXH64 of the key: its low half. */
export function lowAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 40)
}

/** XXH64 of the key: its high half. */
export function highAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 44)
}

/** The key's bytes; a view. */
export function keyAt(bytes: Buffer, at: number): Buffer {
  const from = at + headerBytes + bytes.readUInt32LE(at + 20)
  return bytes.subarray(from, from + bytes.readUInt32LE(at + 16))
}

/** Whether the record's key is what `other` holds from `from` to `to`. By a loop: for keys, which are short, the quickest (measured). */
export function holdsKey(bytes: Buffer, at: number, other: Uint8Array, from = 0, to = other.byteLength): boolean {
  if (bytes.readUInt32LE(at + 16) !== to - from) return false
  const key = at + headerBytes + bytes.readUInt32LE(at + 20) - from
  for (let i = from; i < to; i++) if (bytes[key + i] !== other[i]) return false
  return true
}

/** The record at `at`, its payload copied: to where a view of any typed array may begin. */
export function recordAt(bytes: Buffer, at: number, key = keyAt(bytes, at).toString()): ItemRecord {
  const payload = at + headerBytes
  const end = payload + bytes.readUInt32LE(at + 20)
  const codec = end + bytes.readUInt32LE(at + 16)
  return {
    kind: kindAt(bytes, at)!,
    key,
    codec: codecText(bytes, codec, bytes.readUInt16LE(at + 14)),
    payload: new Uint8Array(bytes.subarray(payload, end)),
    generation: generationAt(bytes, at),
    time: timeAt(bytes, at),
  }
}

let lastCodec = ''

/** Most records of a space have one codec. */
function codecText(bytes: Buffer, at: number, length: number): string {
  if (length === lastCodec.length) {
    let i = 0
    while (i < length && bytes[at + i] === lastCodec.charCodeAt(i)) i++
    if (i === length) return lastCodec
  }
  const text = bytes.toString('utf8', at, at + length)
  // Only ASCII is remembered, where a byte is a character.
  if (text.length === length) lastCodec = text
  return text
}
