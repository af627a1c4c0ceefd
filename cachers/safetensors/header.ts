/**
 * The header of the safetensors format, version of 2025: an 8-byte length, then JSON that says where each tensor's bytes are.
 *
 * @see https://github.com/huggingface/safetensors#format
 */
import { utf8 } from '../common.js'
import type { Elements } from '../tensor/like.js'
import { type DType, itemSize, sizeOf, TensorProblem } from '../tensor/types.js'
import { kinds, written } from './dtypes.js'
import { type Claim, metadataName, parseHeader, quoted } from './parse.js'

/** Bytes of the length that a file begins with. */
export const preludeSize = 8
/** The reference implementation reads no longer ones. */
const maxHeader = 100_000_000
const alignment = 8

/** A tensor's place in a file, checked. */
export interface Placed extends Claim {
  readonly bytes: number
}

export interface Header {
  /** In the order of their bytes. */
  readonly tensors: readonly Placed[]
  readonly metadata: Readonly<Record<string, string>>
  /** Where the bytes of the tensors begin. */
  readonly offset: number
}

/** Bytes up to those of the tensors, from the first eight bytes of a file. */
export function headerEnd(start: Uint8Array, fileSize: number): number {
  if (start.byteLength < preludeSize) throw new TensorProblem(`it is cut off: it has ${start.byteLength} bytes`)
  const length = new DataView(start.buffer, start.byteOffset, preludeSize).getBigUint64(0, true)
  if (length > maxHeader) throw new TensorProblem(`it says that its header has ${length} bytes, at most ${maxHeader}`)
  const end = preludeSize + Number(length)
  if (end > fileSize) throw new TensorProblem(`its header of ${length} bytes is cut off: ${fileSize} bytes in all`)
  return end
}

/** Reads a header. `start` holds at least its bytes; `fileSize` is the length of the whole file, which must be exactly right. */
export function readHeader(start: Uint8Array, fileSize: number): Header {
  const offset = headerEnd(start, fileSize)
  const text = utf8(start.subarray(preludeSize, offset))
  if (text === undefined) throw new TensorProblem('its header is not UTF-8 text')
  const { tensors, metadata } = parseHeader(text)
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let end = 0
  const placed = tensors.map((claim): Placed => {
    if (claim.begin !== end || claim.end < end) {
      throw new TensorProblem(
        `tensor ${quoted(claim.name)} says that it has bytes ${claim.begin} to ${claim.end}, but must begin at ${end}`,
      )
    }
    end = claim.end
    const bytes = bytesOf(claim)
    if (bytes === claim.end - claim.begin) return { ...claim, bytes }
    throw new TensorProblem(
      `tensor ${quoted(claim.name)} is ${claim.kind} ${shapeText(claim)}, which has ${bytes} bytes, not ${claim.end - claim.begin}`,
    )
  })
  if (offset + end !== fileSize) {
    throw new TensorProblem(`its header says ${end} bytes of tensors, but ${fileSize - offset} follow`)
  }
  return { tensors: placed, metadata: Object.fromEntries(metadata), offset }
}

function bytesOf(claim: Claim): number {
  const kind = kinds.get(claim.kind)
  if (kind === undefined) {
    throw new TensorProblem(`tensor ${quoted(claim.name)} has dtype ${quoted(claim.kind)}`, knownKinds)
  }
  checkShape(claim)
  const bits = sizeOf(claim.shape) * kind.bits
  if (!Number.isSafeInteger(bits)) throw tooLarge(claim)
  if (bits % 8 !== 0) throw new TensorProblem(`tensor ${quoted(claim.name)} does not end with a whole byte`)
  return bits / 8
}

const knownKinds = `known are ${[...kinds.keys()].join(', ')}`

/** Others multiply the axes in their order, and refuse a product that is too large even when an axis of 0 follows. */
function checkShape(named: { readonly name: string; readonly shape: readonly number[] }): void {
  let product = 1
  for (const axis of named.shape) {
    product *= axis
    if (!Number.isSafeInteger(product)) throw tooLarge(named)
  }
}

function tooLarge(named: { readonly name: string; readonly shape: readonly number[] }): TensorProblem {
  return new TensorProblem(`tensor ${quoted(named.name)}: its shape ${shapeText(named)} is larger than any file`)
}

function shapeText({ shape }: { readonly shape: readonly number[] }): string {
  return shape.length > 20 ? `[${shape.slice(0, 20).join(', ')}, …]` : `[${shape.join(', ')}]`
}

/** A named tensor on its way into a file. */
export interface Named extends Elements {
  readonly name: string
}

const ranks = new Map(written.map(([, dtype], rank) => [dtype, rank]))
const names = new Map<DType, string>(written.map(([name, dtype]) => [dtype, name]))

/** In the order in which their bytes are written: that of the reference implementation, larger elements first and then by name. */
export function inOrder(tensors: readonly Named[]): Named[] {
  const keyed = tensors.map((tensor) => ({ tensor, key: Buffer.from(tensor.name) }))
  keyed.sort((a, b) => ranks.get(a.tensor.dtype)! - ranks.get(b.tensor.dtype)! || Buffer.compare(a.key, b.key))
  return keyed.map(({ tensor }) => tensor)
}

/** The bytes before those of the tensors, which follow in the order given. Their length is a multiple of eight. */
export function writeHeader(tensors: readonly Named[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const members: string[] = []
  const keys = Object.keys(metadata).sort()
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`)
    members.push(`${JSON.stringify(metadataName)}:{${pairs.join(',')}}`)
  }
  let at = 0
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor
    checkShape(tensor)
    const end = at + sizeOf(shape) * itemSize[dtype]
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${names.get(dtype)}","shape":[${shape.join(',')}],"data_offsets":[${at},${end}]}`,
    )
    at = end
  }
  const text = Buffer.from(`{${members.join(',')}}`)
  const length = Math.ceil(text.byteLength / alignment) * alignment
  if (length > maxHeader) {
    throw new TensorProblem(`its header would have ${length} bytes, at most ${maxHeader}`, 'save it in parts')
  }
  const bytes = Buffer.alloc(preludeSize + length, ' ')
  bytes.writeBigUInt64LE(BigInt(length), 0)
  text.copy(bytes, preludeSize)
  return bytes
}
