/** Whether the contents of buffers are ones that values can be read from. Each throws, naming the column. */
import { isAscii, isUtf8 } from 'node:buffer'
import { damaged } from './flat.js'

const bitsOfByte = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1
  return count
})

/** How many of the bits from `start` to `end` are not set. */
export function unset(bits: Uint8Array, start: number, end: number): number {
  let count = 0
  let i = start
  for (; i < end && (i & 7) !== 0; i++) count += (bits[i >> 3]! >> (i & 7)) & 1
  for (; i + 8 <= end; i += 8) count += bitsOfByte[bits[i >> 3]!]!
  for (; i < end; i++) count += (bits[i >> 3]! >> (i & 7)) & 1
  return end - start - count
}

export function isSet(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3]! >> (index & 7)) & 1) !== 0
}

/** Offsets that start at 0 or later, never run backwards, and end within `limit`. Loops over millions, hence without branches. */
export function checkOffsets(offsets: Int32Array | BigInt64Array, limit: number, path: string): void {
  const isRight = offsets instanceof Int32Array ? ascend(offsets, limit) : ascendWide(offsets, limit)
  if (!isRight) throw damaged(`its column ${path} has offsets that run backwards or past its end`)
}

function ascend(offsets: Int32Array, limit: number): boolean {
  let previous = offsets[0] ?? 0
  let signs = previous
  for (let i = 1; i < offsets.length; i++) {
    const next = offsets[i]!
    signs |= next | (next - previous)
    previous = next
  }
  return signs >= 0 && previous <= limit
}

function ascendWide(offsets: BigInt64Array, limit: number): boolean {
  const words = new Int32Array(offsets.buffer, offsets.byteOffset, offsets.length * 2)
  if (limit >= 2 ** 31) {
    let previous = 0n
    for (const next of offsets) {
      if (next < previous) return false
      previous = next
    }
    return previous <= BigInt(limit)
  }
  let previous = words[0] ?? 0
  let signs = previous
  let high = words[1] ?? 0
  for (let i = 2; i < words.length; i += 2) {
    const next = words[i]!
    signs |= next | (next - previous)
    high |= words[i + 1]!
    previous = next
  }
  return signs >= 0 && high === 0 && previous <= limit
}

/** Texts of UTF-8, none of which ends within a character; what lies under nulls may be anything. */
export function checkTexts(
  data: Uint8Array,
  offsets: Int32Array | BigInt64Array,
  base: number,
  isValid: (index: number) => boolean,
  path: string,
): void {
  if (isAscii(data)) return
  let isWhole = isUtf8(data)
  const at = (i: number): number => Number(offsets[i]!) - base
  for (let i = 0; isWhole && i < offsets.length; i++) isWhole = (data[at(i)]! & 0xc0) !== 0x80
  if (isWhole) return
  for (let i = 0; i + 1 < offsets.length; i++) {
    if (isValid(i) && !isUtf8(data.subarray(at(i), at(i + 1))))
      throw damaged(`its column ${path} is not UTF-8 text at ${i} of a batch`)
  }
}

/** Indices that name one of `length` values of a dictionary, but for those of nulls. */
export function checkIndices(
  indices: ArrayLike<number>,
  length: number,
  isValid: (index: number) => boolean,
  path: string,
): void {
  let outside = 0
  for (let i = 0; i < indices.length; i++) outside |= +(indices[i]! >>> 0 >= length)
  if (outside === 0) return
  for (let i = 0; i < indices.length; i++) {
    if (indices[i]! >>> 0 >= length && isValid(i)) {
      throw damaged(`its column ${path} names value ${indices[i]} of a dictionary of ${length}`)
    }
  }
}
