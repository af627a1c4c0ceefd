/** Bulk data piece by piece: what a source yields becomes blocks of a size that is cheap to hash and to write. */
import type * as fs from 'node:fs'
import * as io from './io.js'

/**
 * Buffers taken in turn: while one is written the next is filled, and the one before is free. Without it a put of 4 GiB leaves 4 GiB of
 * garbage, of which Node held 2 GiB at once (measured).
 */
export function ring(size: number): () => Buffer {
  const buffers: Buffer[] = []
  let turn = 0
  return () => {
    const at = turn++ % 3
    buffers[at] ??= Buffer.allocUnsafeSlow(size)
    return buffers[at]
  }
}

/** The file's bytes in blocks; each is a buffer of its own, unless `next` gives them. */
export async function* fileBlocks(
  handle: fs.promises.FileHandle,
  next: () => Buffer = () => Buffer.allocUnsafeSlow(io.block),
): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; ) {
    const buffer = next()
    const got = await io.readBlock(handle, buffer, at)
    if (got > 0) yield got === buffer.byteLength ? buffer : buffer.subarray(0, got)
    if (got < buffer.byteLength) return
    at += got
  }
}

/** Blocks of a file of the user's; valid until the second one after it. */
export async function* blocksOfFile(handle: fs.promises.FileHandle, file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* fileBlocks(handle, ring(io.block))
  } catch (error) {
    throw io.errnoOf(error) === undefined ? error : io.ioError('read', file, error)
  }
}

/** Copies of a buffer's blocks: the bytes that are hashed must be those that are written, though their owner changes them meanwhile. */
export function* blocksOfBytes(bytes: Uint8Array, next: () => Buffer = ring(io.block)): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; ) {
    const buffer = next()
    const part = bytes.subarray(at, at + buffer.byteLength)
    buffer.set(part)
    yield part.byteLength === buffer.byteLength ? buffer : buffer.subarray(0, part.byteLength)
    at += part.byteLength
  }
}

/** Cuts large pieces and gathers small ones: a write per 64 KiB costs twice a write per MiB (measured). Valid until the second one after it. */
export async function* blocksOfStream(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gather = 1 << 20
  const next = ring(gather)
  let buffer: Buffer | undefined
  let filled = 0
  for await (const piece of source) {
    if (!(piece instanceof Uint8Array)) {
      throw new TypeError(`a stream to put must yield Uint8Array, got ${piece === null ? 'null' : typeof piece}`)
    }
    if (piece.byteLength >= gather) {
      if (buffer !== undefined && filled > 0) yield buffer.subarray(0, filled)
      buffer = undefined
      filled = 0
      yield* blocksOfBytes(piece, next)
      continue
    }
    for (let at = 0; at < piece.byteLength; ) {
      buffer ??= next()
      const part = piece.subarray(at, at + gather - filled)
      buffer.set(part, filled)
      filled += part.byteLength
      at += part.byteLength
      if (filled === gather) {
        yield buffer
        buffer = undefined
        filled = 0
      }
    }
  }
  if (buffer !== undefined && filled > 0) yield buffer.subarray(0, filled)
}

/** The same items, but an abort ends the waiting for one that does not come. */
export async function* abortable<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  if (signal === undefined) {
    yield* source
    return
  }
  const iterator = source[Symbol.asyncIterator]()
  // One listener and one pair of callbacks at a time: racing each item against one promise would keep a reaction per item.
  let stop: (() => void) | undefined
  const onAbort = () => stop?.()
  signal.addEventListener('abort', onAbort)
  let ended = false
  try {
    for (;;) {
      signal.throwIfAborted()
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        stop = () => reject(signal.reason)
        iterator.next().then(resolve, (error) => {
          ended = true
          reject(error)
        })
      })
      if (next.done === true) {
        ended = true
        return
      }
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    // Not awaited: a source that hangs answers this no sooner than it answers next().
    if (!ended) iterator.return?.().catch(() => undefined)
  }
}

/** Writes all of `data` at `position`; short writes are legal. */
export async function writeBlock(
  handle: fs.promises.FileHandle,
  data: Uint8Array,
  position: number,
  file: string,
): Promise<void> {
  try {
    for (let at = 0; at < data.byteLength; ) {
      at += (await handle.write(data, at, data.byteLength - at, position + at)).bytesWritten
    }
  } catch (error) {
    throw io.ioError('write', file, error)
  }
}
