import { sizeOf } from './types.js'

/** Distances between neighbours along each axis when the last axis varies fastest. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  for (let axis = shape.length - 1, step = 1; axis >= 0; axis--) {
    strides[axis] = step
    step *= shape[axis]!
  }
  return strides
}

/** The same when the first axis varies fastest, as in Fortran. */
export function columnMajor(shape: readonly number[]): number[] {
  return rowMajor([...shape].reverse()).reverse()
}

/** The lowest and the highest index that a strided view touches; undefined when it has no elements. */
export function reach(
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
): { low: number; high: number } | undefined {
  if (sizeOf(shape) === 0) return undefined
  let [low, high] = [offset, offset]
  shape.forEach((n, axis) => {
    const last = (n - 1) * strides[axis]!
    if (last < 0) low += last
    else high += last
  })
  return { low, high }
}

/** Copies the elements of a strided view into `to`, in row-major order. */
export function gather<T>(
  from: ArrayLike<T>,
  to: { [index: number]: T },
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
): void {
  const size = sizeOf(shape)
  if (size === 0) return
  const last = shape.length - 1
  const inner = last < 0 ? 1 : shape[last]!
  const step = last < 0 ? 0 : strides[last]!
  const index = new Array<number>(Math.max(0, last)).fill(0)
  let start = offset
  for (let at = 0; at < size; ) {
    for (let i = 0, source = start; i < inner; i++, source += step) to[at++] = from[source]!
    for (let axis = last - 1; axis >= 0; axis--) {
      index[axis]! += 1
      start += strides[axis]!
      if (index[axis]! < shape[axis]!) break
      start -= shape[axis]! * strides[axis]!
      index[axis] = 0
    }
  }
}
