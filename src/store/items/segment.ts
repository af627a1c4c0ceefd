/** Segments: append-only files of records, each written by one writer only (docs/format.md, "Segments"). */
import * as path from 'node:path'

/** Bytes before the first record: `CURIOSEG`, version, salt. */
export const preamble = 16
/** A segment is sealed once it has this many bytes, or records. */
export const fullBytes = 64 << 20
export const fullRecords = 100_000

const magic = Buffer.from('CURIOSEG')
const version = 1

/** Writes the first bytes of a segment. */
export function writePreamble(into: Buffer, salt: number): void {
  magic.copy(into)
  into.writeUInt32LE(version, 8)
  into.writeUInt32LE(salt, 12)
}

/** The salt of a segment from its first bytes; undefined when they are not those of a segment of this version. */
export function saltOf(bytes: Buffer): number | undefined {
  if (bytes.byteLength < preamble || !bytes.subarray(0, 8).equals(magic)) return undefined
  return bytes.readUInt32LE(8) === version ? bytes.readUInt32LE(12) : undefined
}

/** `<writer>-<n>.seg`. */
export function segmentName(writer: string, n: number): string {
  return `${writer}-${n}.seg`
}

/** The writer in a segment's file name; undefined for any other file. */
export function writerOf(name: string): string | undefined {
  return /^([A-Za-z0-9_-]{1,120})-\d{1,9}\.seg$/.exec(path.basename(name))?.[1]
}

/** Where the index of a segment lies, or would lie. */
export function indexOf(segment: string): string {
  return segment.replace(/\.seg$/, '.idx')
}
