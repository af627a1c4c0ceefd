/** The bytes of a file for the thread that reads it. */
import type { ByteSource } from '../../src/artifact/cacheable.js'
import { FrameProblem } from '../frame/problem.js'

/** Read at once from the end: most footers whole. */
const tailBytes = 64 << 10
/** Magic at both ends, and the length of the footer. */
const least = 12
const magic = 'PAR1'

/** Files that are in memory are handed over whole up to this many bytes: a question for each part takes longer than a copy. */
const handOver = 256 << 20

/** Where a file's bytes come from. */
export interface Source extends ByteSource {
  /** All of them, where they are in memory. */
  readonly whole?: Uint8Array
}

export interface File {
  readonly size: number
  /** All its bytes, in memory of their own; where that is the better way to hand them over. */
  whole(): Uint8Array | undefined
  /** Bytes in memory of their own. */
  read(start: number, end: number): Promise<ArrayBuffer>
  footer(): Promise<Uint8Array>
}

/** A file whose ends are those of a Parquet file. */
export async function fileOf(source: Source): Promise<File> {
  const { bytes: size } = source
  if (size < least) throw new FrameProblem(`it is no Parquet file: it has ${size} bytes`)
  const from = Math.max(0, size - tailBytes)
  const tail = await source.read(from, size)
  const end = String.fromCharCode(...tail.subarray(-magic.length))
  if (end === 'PARE') throw new FrameProblem('it is encrypted, which curio cannot read')
  if (end !== magic) throw new FrameProblem('it is no Parquet file, or one that was cut off: it does not end in PAR1')
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  const length = view.getUint32(tail.byteLength - 8, true)
  if (length > size - least) {
    throw new FrameProblem(`its footer would have ${length} bytes, but the file has only ${size}`)
  }
  const read = async (start: number, end: number): Promise<ArrayBuffer> => {
    if (!(start >= 0 && start <= end && end <= size)) {
      throw new FrameProblem(`it says that something lies at bytes ${start} to ${end}, but it has ${size}`)
    }
    return own(start >= from ? tail.subarray(start - from, end - from) : await source.read(start, end))
  }
  return {
    size,
    read,
    whole: () => (source.whole !== undefined && size <= handOver ? new Uint8Array(own(source.whole)) : undefined),
    footer: async () => new Uint8Array(await read(size - 8 - length, size - 8)),
  }
}

/** The same file with another footer. */
export async function withFooter(file: File, footer: Uint8Array): Promise<File> {
  const { byteLength } = await file.footer()
  const start = file.size - 8 - byteLength
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.byteLength)
  const end = Buffer.concat([footer, length, Buffer.from(magic)])
  return {
    size: start + end.byteLength,
    read: async (from, to) => (from >= start ? own(end.subarray(from - start, to - start)) : file.read(from, to)),
    whole: () => undefined,
    footer: async () => footer,
  }
}

function own(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.prototype.slice.call(bytes).buffer as ArrayBuffer
}
