/** Hashing files that lie in a store, and remembering that it was done. */
import * as fs from 'node:fs'
import type { Digest } from '../identity/digest.js'
import { fileBlocks, ring } from './blocks.js'
import { type BlobInfo, Checksummer, chunkSize } from './checksum.js'
import * as io from './io.js'

/** How a regular file looks without reading it. The same `text` later: nobody has written to it in between. */
export interface Stamp {
  readonly text: string
  readonly bytes: number
}

/** What was found in a file, and its stamp unless it changed meanwhile. */
export interface Hashed {
  readonly sha256: Digest
  readonly stamp: Stamp | undefined
}

/** Undefined when nothing is there, `'special'` for anything but a regular file. */
export function stampOf(file: string): Stamp | undefined | 'special' {
  try {
    const stat = fs.lstatSync(file, { throwIfNoEntry: false })
    return stat === undefined ? undefined : (stampFrom(stat) ?? 'special')
  } catch (error) {
    if (io.isAbsent(error)) return undefined
    throw io.ioError('look at', file, error)
  }
}

function stampFrom(stat: fs.Stats): Stamp | undefined {
  if (!stat.isFile()) return undefined
  return { text: `${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`, bytes: stat.size }
}

/** Hashes a file synchronously; undefined when it is absent or no regular file. */
export function hashNow(file: string): Hashed | undefined {
  const fd = io.openNow(file)
  if (fd === undefined || fd === 'special') return undefined
  try {
    const before = stampFrom(fs.fstatSync(fd))
    if (before === undefined) return undefined
    const sums = new Checksummer(chunkSize(before.bytes))
    const buffer = Buffer.allocUnsafeSlow(Math.min(io.block, before.bytes + 1))
    for (let at = 0, got = -1; got !== 0; at += got) {
      got = io.readFully(fd, buffer, at)
      sums.update(buffer.subarray(0, got))
    }
    return { sha256: sums.finish().sha256, stamp: unlessChanged(before, fs.fstatSync(fd)) }
  } catch (error) {
    throw io.ioError('read', file, error)
  } finally {
    io.closeQuietly(fd)
  }
}

/** Hashes an open file block by block. */
export async function hashHandle(handle: fs.promises.FileHandle, signal?: AbortSignal): Promise<Hashed | undefined> {
  const before = stampFrom(await handle.stat())
  if (before === undefined) return undefined
  const { sha256 } = await sumsOf(handle, chunkSize(before.bytes), signal)
  return { sha256, stamp: unlessChanged(before, await handle.stat()) }
}

/** SHA-256 and checksums of an open file. */
export async function sumsOf(handle: fs.promises.FileHandle, chunk: number, signal?: AbortSignal): Promise<BlobInfo> {
  const sums = new Checksummer(chunk)
  for await (const part of fileBlocks(handle, ring(io.block))) {
    signal?.throwIfAborted()
    sums.update(part)
  }
  return sums.finish()
}

function unlessChanged(before: Stamp, stat: fs.Stats): Stamp | undefined {
  return stampFrom(stat)?.text === before.text ? before : undefined
}
