import { endianness } from 'node:os'
import { widen } from '../tensor/half.js'
import { swapped } from '../tensor/like.js'
import { itemSize, type Stored, storage, type Tensor, TensorProblem } from '../tensor/types.js'
import { kinds } from './dtypes.js'
import type { Placed } from './header.js'
import { quoted } from './parse.js'

export const foreign = endianness() === 'BE'

const unread = 'read the others without it: columns([…names])'

/** A tensor over its own bytes, without a copy where the dtype and their alignment allow it. */
export function tensorOf({ name, kind, shape }: Placed, bytes: Uint8Array): Tensor {
  const dtype = kinds.get(kind)?.dtype
  if (dtype === undefined) throw new TensorProblem(`tensor ${quoted(name)} is ${kind}, which has no array here`, unread)
  if (kind === 'BF16') return { data: wide(viewOf('uint16', bytes) as Uint16Array), shape, dtype } as Tensor
  const stored = viewOf(dtype, bytes)
  if (dtype === 'bool') {
    const bad = (stored as Uint8Array).findIndex((byte) => byte > 1)
    if (bad >= 0) {
      throw new TensorProblem(`tensor ${quoted(name)}: element ${bad} is ${stored[bad]}, neither 0 nor 1`)
    }
  }
  return { data: dtype === 'float16' ? widen(stored as Uint16Array) : stored, shape, dtype } as Tensor
}

function viewOf(dtype: keyof typeof storage, bytes: Uint8Array): Stored {
  const size = itemSize[dtype]
  let native = foreign && size > 1 ? swapped(bytes, dtype) : bytes
  if (native.byteOffset % size !== 0) native = new Uint8Array(native)
  return new storage[dtype](native.buffer as ArrayBuffer, native.byteOffset, native.byteLength / size)
}

/** bfloat16 as single precision: the same sign, exponent and first seven digits, so every value and every NaN keeps its bits. */
function wide(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16
  return new Float32Array(bits.buffer)
}
