/** The array that holds the elements of a loaded tensor, by dtype. `bool` is one byte each, 0 or 1; `float16` is widened, exactly. */
export interface TensorArrays {
  bool: Uint8Array
  int8: Int8Array
  uint8: Uint8Array
  int16: Int16Array
  uint16: Uint16Array
  int32: Int32Array
  uint32: Uint32Array
  int64: BigInt64Array
  uint64: BigUint64Array
  float16: Float32Array
  float32: Float32Array
  float64: Float64Array
}

export type DType = keyof TensorArrays
export type TensorArray = TensorArrays[DType]

/** Elements in row-major (C) order, their shape, their dtype. A shape of `[]` is a single number. Narrow `data` by `dtype`. */
export type Tensor<D extends DType = DType> = {
  [K in D]: { readonly data: TensorArrays[K]; readonly shape: readonly number[]; readonly dtype: K }
}[D]

/**
 * What TensorCacher saves: the tensors of tfjs (`data()`, `dataSync()`), onnxruntime and transformers.js (`dims`, `type`), the
 * views of scijs ndarray (`stride`, `offset`), and plain objects of `data` and `shape`.
 */
export interface TensorLike {
  /** Row-major elements, or a function that gives them. */
  readonly data?: ArrayLike<unknown> | (() => ArrayLike<unknown> | PromiseLike<ArrayLike<unknown>>)
  readonly dataSync?: () => ArrayLike<unknown>
  readonly shape?: readonly number[]
  readonly dims?: readonly number[]
  /** Default: that of the array; of a plain array `float64`, `int64` for bigints, `bool` for booleans. */
  readonly dtype?: string
  readonly type?: string
  /** Distance between neighbours along each axis, in elements. Default: row-major and contiguous. */
  readonly stride?: readonly number[]
  /** Index of the first element in `data`; counts only with `stride`. */
  readonly offset?: number
}

/** Bytes of one element in a file. */
export const itemSize: Readonly<Record<DType, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
}

/** Arrays of the elements as they stand in a file: those of a loaded tensor, but `float16` as its bits. */
export const storage = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
} as const

/** Elements as they stand in a file. */
export type Stored = TensorArrays[Exclude<DType, 'float16'>]

/** A refusal without the name of the cacher, which adds it. */
export class TensorProblem extends Error {
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message)
  }
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, n) => product * n, 1)
}

/** `(3, 4)` for `[3, 4]`, as numpy writes it. */
export function shapeText(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
}
