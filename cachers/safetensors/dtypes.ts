import type { DType } from '../tensor/types.js'

/** What the format knows of a kind of element: its size in a file, and the dtype it is loaded as, if it is. */
export interface Kind {
  readonly bits: number
  readonly dtype?: DType
}

/** By name in a header. BF16 is loaded as `float32`, exactly: it is the upper half of one. */
export const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['BOOL', { bits: 8, dtype: 'bool' }],
  ['U8', { bits: 8, dtype: 'uint8' }],
  ['I8', { bits: 8, dtype: 'int8' }],
  ['U16', { bits: 16, dtype: 'uint16' }],
  ['I16', { bits: 16, dtype: 'int16' }],
  ['F16', { bits: 16, dtype: 'float16' }],
  ['BF16', { bits: 16, dtype: 'float32' }],
  ['U32', { bits: 32, dtype: 'uint32' }],
  ['I32', { bits: 32, dtype: 'int32' }],
  ['F32', { bits: 32, dtype: 'float32' }],
  ['U64', { bits: 64, dtype: 'uint64' }],
  ['I64', { bits: 64, dtype: 'int64' }],
  ['F64', { bits: 64, dtype: 'float64' }],
  ['C64', { bits: 64 }],
  ['F8_E4M3', { bits: 8 }],
  ['F8_E4M3FNUZ', { bits: 8 }],
  ['F8_E5M2', { bits: 8 }],
  ['F8_E5M2FNUZ', { bits: 8 }],
  ['F8_E8M0', { bits: 8 }],
  ['F6_E2M3', { bits: 6 }],
  ['F6_E3M2', { bits: 6 }],
  ['F4', { bits: 4 }],
])

/** Those that are written, in the order the reference implementation lays tensors out: largest elements first, so that all are aligned. */
export const written: readonly (readonly [string, DType])[] = [
  ['U64', 'uint64'],
  ['I64', 'int64'],
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['U32', 'uint32'],
  ['I32', 'int32'],
  ['F16', 'float16'],
  ['U16', 'uint16'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
]
