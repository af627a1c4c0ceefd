/** The end of a segment: what it holds is written down beside it, so that nobody has to read it to know. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import * as io from '../io.js'
import { canIndex, indexBytes, newRows } from './index-file.js'
import { withRoom } from './open-files.js'
import { codeAt, generationAt, highAt, lowAt, timeAt } from './record.js'
import { indexOf } from './segment.js'
import { SegmentReader } from './segment-reader.js'

/**
 * Writes the index of a segment to which nothing will be appended, unless it has one.
 *
 * @throws a system error, or one of curio's; the segment is as good as before: it will be scanned.
 */
export function writeIndex(file: string, length: number, mode: number): void {
  if (!canIndex) return
  const found: { low: number; high: number; place: number; generation: number; time: number; kind: number }[] = []
  const reader = new SegmentReader(file, '')
  try {
    reader.scan(
      length,
      (bytes, at, place) =>
        found.push({
          low: lowAt(bytes, at),
          high: highAt(bytes, at),
          place: place / 8,
          generation: generationAt(bytes, at),
          time: timeAt(bytes, at),
          kind: codeAt(bytes, at),
        }),
      () => undefined,
    )
  } finally {
    reader.close()
  }
  const rows = newRows(found.length)
  for (const [i, row] of found.entries()) {
    for (const column of ['low', 'high', 'place', 'generation', 'time', 'kind'] as const) rows[column][i] = row[column]
  }
  const bytes = indexBytes(rows, length, digestOf(file, length))
  const temp = withRoom(() => io.writeTemp(path.dirname(file), bytes, mode, false))
  let isPublished = false
  try {
    isPublished = io.publish(temp, indexOf(file))
  } finally {
    // A link may fail where a file could be made: it may need what a full disk has no more of.
    if (!isPublished) io.remove(temp)
  }
}

/** SHA-256 of a file's first `length` bytes. */
function digestOf(file: string, length: number): Buffer {
  const hash = createHash('sha256')
  const fd = withRoom(() => fs.openSync(file, 'r'))
  try {
    const part = Buffer.allocUnsafeSlow(Math.min(length, io.block))
    for (let at = 0; at < length; ) {
      const got = io.readFully(fd, part.subarray(0, Math.min(part.byteLength, length - at)), at)
      if (got === 0) throw io.ioError('read', file, new Error('it is shorter than what was written to it'))
      hash.update(part.subarray(0, got))
      at += got
    }
    return hash.digest()
  } finally {
    io.closeQuietly(fd)
  }
}
