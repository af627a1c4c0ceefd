/** Reading parts of a large blob with the checksums of the chunks they touch. */
import type * as fs from 'node:fs'
import type { ByteRange } from './blobs.js'
import { type BlobInfo, hex, newXxh, updateXxh } from './checksum.js'
import * as io from './io.js'

const groupsAtOnce = 4

/** The range asked for, or all bytes. */
export function checkRange(info: BlobInfo, { start, end }: ByteRange = { start: 0, end: info.bytes }): ByteRange {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start && end <= info.bytes) {
    return { start, end }
  }
  throw new RangeError(`bytes ${start} to ${end} are not in a blob of ${info.bytes} bytes`)
}

interface ChunkGroup {
  readonly first: number
  readonly from: number
  readonly to: number
}

/** Reads bytes `start` to `end` of an open blob into a new buffer; a string says what is wrong with the blob. */
export async function readRange(
  handle: fs.promises.FileHandle,
  info: BlobInfo,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | string> {
  const into = Buffer.allocUnsafeSlow(end - start)
  const groups = chunkGroups(info, start, end)
  let bad: string | undefined
  const worker = async () => {
    for (let group = groups.next(); !group.done && bad === undefined; group = groups.next()) {
      signal?.throwIfAborted()
      const wrong = await readGroup(handle, info, group.value, into, start, end)
      bad ??= wrong
    }
  }
  await Promise.all(Array.from({ length: groupsAtOnce }, worker))
  return bad ?? into
}

/**
 * Runs of whole chunks that cover the range: a block or one chunk each. A chunk of which only a part was asked for is one by itself, so that
 * all others are read to where they go.
 */
function* chunkGroups({ bytes, chunk }: BlobInfo, start: number, end: number): Generator<ChunkGroup> {
  if (start === end) return
  const per = Math.max(1, Math.floor(io.block / groupsAtOnce / chunk))
  const last = Math.floor((end - 1) / chunk)
  for (let first = Math.floor(start / chunk); first <= last; ) {
    const isCut = first * chunk < start || Math.min((first + 1) * chunk, bytes) > end
    const stop = isCut
      ? first + 1
      : Math.min(first + per, end === bytes ? last + 1 : Math.max(first + 1, Math.floor(end / chunk)))
    yield { first, from: first * chunk, to: Math.min(stop * chunk, bytes) }
    first = stop
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
      if (a < b) into.set(part.subarray(a - at, b - at), a - start)
    }
  }
  return undefined
}
