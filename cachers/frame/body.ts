/** The buffers of a batch's body, compressed or not. */
import * as zlib from 'node:zlib'
import { damaged } from './flat.js'
import type { Arrow } from './infer.js'
import type { Compression, Region } from './message.js'
import { FrameProblem } from './problem.js'

/** One buffer, read in parts. */
export interface Buffered {
  readonly length: number
  read(start: number, end: number): Promise<Uint8Array>
}

/** What may still be copied because it does not lie as it must: shared by all batches of a file. */
export interface Budget {
  left: number
}

/** How much a buffer may claim to become when it is unpacked, for each byte of it: lz4 cannot pass 255. */
const ratios = { lz4: 256, zstd: 2 ** 16 } as const
const longest = 2 ** 32

/** Buffers of one message, over what reads bytes of its body. */
export class Body {
  constructor(
    private readonly arrow: Arrow,
    private readonly read: (start: number, end: number) => Promise<Uint8Array>,
    private readonly compression: Compression | undefined,
    private readonly budget: Budget,
  ) {}

  async open({ offset, length }: Region, path: string): Promise<Buffered> {
    if (this.compression === undefined || length === 0) {
      return { length, read: (start, end) => this.read(offset + start, offset + end) }
    }
    const bytes = unpacked(this.arrow, await this.read(offset, offset + length), this.compression, path)
    return { length: bytes.byteLength, read: async (start, end) => bytes.subarray(start, end) }
  }

  /** A copy of its own, aligned for every type. */
  copied(bytes: Uint8Array): Uint8Array {
    this.budget.left -= bytes.byteLength
    if (this.budget.left < 0) throw damaged('its buffers overlap')
    return Uint8Array.from(bytes)
  }
}

/** A compressed buffer: its length, or -1 where it is not, and what it packs. */
function unpacked(arrow: Arrow, bytes: Uint8Array, compression: Compression, path: string): Uint8Array {
  if (bytes.byteLength < 8) throw damaged(`its column ${path} has a buffer too short for ${compression}`)
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true))
  const packed = bytes.subarray(8)
  if (length === -1) return packed
  if (length < 0 || length > longest || length > packed.byteLength * ratios[compression] + 1024) {
    throw damaged(`its column ${path} has a buffer of ${length} bytes in ${packed.byteLength}`)
  }
  const decode = decoder(arrow, compression)
  let result: Uint8Array
  try {
    result = length === 0 ? new Uint8Array(0) : decode(packed, length)
  } catch (error) {
    throw damaged(`its column ${path} is not ${compression}: ${(error as Error).message}`)
  }
  if (result.byteLength !== length) {
    throw damaged(`its column ${path} unpacks to ${result.byteLength} bytes, not ${length}`)
  }
  return result
}

type Decode = (bytes: Uint8Array, length: number) => Uint8Array

function decoder(arrow: Arrow, compression: Compression): Decode {
  const type = compression === 'lz4' ? arrow.CompressionType.LZ4_FRAME : arrow.CompressionType.ZSTD
  const registered = arrow.compressionRegistry.get(type)?.decode
  if (registered !== undefined) return (bytes) => registered(bytes)
  // Node has it from 22.15 on.
  const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (bytes: Uint8Array, options: object) => Uint8Array }
  if (compression === 'zstd' && zstdDecompressSync !== undefined) {
    return (bytes, length) => zstdDecompressSync(bytes, { maxOutputLength: length })
  }
  throw new FrameProblem(
    `it is compressed with ${compression}, for which there is no codec`,
    `register one in apache-arrow's compressionRegistry${compression === 'zstd' ? ', use Node 22.15 or later,' : ''} or write it uncompressed`,
  )
}
