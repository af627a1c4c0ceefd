/** What other libraries call a tensor, as elements in the order and the form of a file. */
import { oneNaN } from '../common.js'
import { narrow, widen } from './half.js'
import { gather, reach, rowMajor } from './strides.js'
import { type DType, itemSize, type Stored, sizeOf, storage, type TensorLike, TensorProblem } from './types.js'

/** Elements as they stand in a file: row-major, `float16` as bits, `bool` as 0 and 1. */
export interface Elements {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: Stored
}

/** Other names of dtypes: those of scijs ndarray and of curio's own encoding. */
const aliases: Readonly<Record<string, DType>> = {
  uint8_clamped: 'uint8',
  uint8clamped: 'uint8',
  buffer: 'uint8',
  bigint64: 'int64',
  biguint64: 'uint64',
}
/** Names that say nothing about the elements. */
const unspecific = new Set(['array', 'generic'])
const limits: Partial<Record<DType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
}

/**
 * The elements of a tensor of any of the known libraries, checked.
 *
 * @param asked the dtype to save them as. Default: their own.
 * @throws {TensorProblem} saying what does not fit.
 */
export async function elementsOf(value: TensorLike, asked?: DType): Promise<Elements> {
  if (value === null || typeof value !== 'object') {
    throw new TensorProblem('it is no tensor', 'give it { data, shape }')
  }
  const shape = shapeOf(value)
  const data = await dataOf(value)
  const own = dtypeOf(value, data)
  const ordered = arranged(value, data, shape)
  let numbers = ordered
  if (asked !== undefined && asked !== own) {
    // A Uint16Array may hold the bits of halves, but only where its tensor says so.
    if (own === 'float16') numbers = widen(converted(ordered, own) as Uint16Array)
    else if (asked === 'float16') numbers = Float64Array.from(ordered as ArrayLike<number>, finite)
  }
  const dtype = asked ?? own
  return { dtype, shape, data: converted(numbers, dtype) }
}

function shapeOf(value: TensorLike): readonly number[] {
  const shape = value.shape ?? value.dims
  if (!Array.isArray(shape) && !ArrayBuffer.isView(shape)) {
    throw new TensorProblem('it has no shape', 'give it { data, shape }, with shape [] for a single number')
  }
  const axes = Array.from(shape as ArrayLike<number>, Number)
  if (!axes.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new TensorProblem(`its shape [${axes.join(', ')}] is not a list of whole numbers`)
  }
  if (!Number.isSafeInteger(sizeOf(axes))) throw new TensorProblem(`its shape [${axes.join(', ')}] is too large`)
  return axes
}

async function dataOf(value: TensorLike): Promise<ArrayLike<unknown>> {
  let data: unknown = value.data
  if (typeof data === 'function') data = await (data as () => unknown).call(value)
  else if (data === undefined && typeof value.dataSync === 'function') data = value.dataSync()
  if (Array.isArray(data) || (ArrayBuffer.isView(data) && !(data instanceof DataView)))
    return data as ArrayLike<unknown>
  throw new TensorProblem('its data is no typed array', 'give it { data: Float32Array.of(…), shape: […] }')
}

function dtypeOf(value: TensorLike, data: ArrayLike<unknown>): DType {
  const named = value.dtype ?? value.type
  if (named !== undefined && !unspecific.has(named)) {
    const dtype = Object.hasOwn(aliases, named) ? aliases[named] : Object.hasOwn(storage, named) ? named : undefined
    if (dtype !== undefined) return dtype as DType
    throw new TensorProblem(
      `it has dtype ${named}`,
      `known are ${Object.keys(storage).join(', ')}; else use MsgpackCacher`,
    )
  }
  const own = arrayDType(data)
  if (own !== undefined) return own
  const first = data[0]
  return typeof first === 'bigint' ? 'int64' : typeof first === 'boolean' ? 'bool' : 'float64'
}

/** The dtype that a typed array's class stands for; undefined for a plain array. */
function arrayDType(data: ArrayLike<unknown>): DType | undefined {
  const name = (data as { [Symbol.toStringTag]?: string })[Symbol.toStringTag]
  if (name === 'Uint8ClampedArray') return 'uint8'
  if (name === 'BigInt64Array') return 'int64'
  if (name === 'BigUint64Array') return 'uint64'
  return name === undefined ? undefined : (name.replace('Array', '').toLowerCase() as DType)
}

/** The elements in row-major order, without a copy where they are so already. */
function arranged(value: TensorLike, data: ArrayLike<unknown>, shape: readonly number[]): ArrayLike<unknown> {
  const size = sizeOf(shape)
  if (value.stride === undefined) {
    if (data.length === size) return data
    throw new TensorProblem(`its shape [${shape.join(', ')}] has ${size} elements, but its data has ${data.length}`)
  }
  const strides = Array.from(value.stride, Number)
  const offset = value.offset ?? 0
  if (strides.length !== shape.length || ![...strides, offset].every(Number.isSafeInteger)) {
    throw new TensorProblem(`its stride [${strides.join(', ')}] does not fit its shape [${shape.join(', ')}]`)
  }
  const range = reach(shape, strides, offset)
  if (range !== undefined && (range.low < 0 || range.high >= data.length)) {
    throw new TensorProblem(
      `its shape, stride and offset reach from element ${range.low} to ${range.high}, but its data has ${data.length}`,
    )
  }
  const contiguous = rowMajor(shape).every((step, axis) => shape[axis] === 1 || step === strides[axis])
  if (contiguous && ArrayBuffer.isView(data)) return (data as unknown as Uint8Array).subarray(offset, offset + size)
  const to = ArrayBuffer.isView(data)
    ? new (data.constructor as new (n: number) => { [index: number]: unknown })(size)
    : new Array<unknown>(size)
  gather(data, to, shape, strides, offset)
  return to as ArrayLike<unknown>
}

function converted(data: ArrayLike<unknown>, dtype: DType): Stored {
  const own = arrayDType(data)
  if (dtype === 'float16' && (own === 'float16' || own === 'uint16')) return viewAs('float16', data)
  if (dtype === 'float16') {
    const numbers = own === 'float32' ? (data as Float32Array) : Float64Array.from(data as ArrayLike<number>, finite)
    return narrow(numbers, (i) => unfit(data, i, dtype))
  }
  if (dtype === 'bool') return booleans(data)
  if (own === dtype) return viewAs(dtype, data)
  const to = new storage[dtype](data.length)
  const range = limits[dtype]
  for (let i = 0; i < data.length; i++) {
    const element = exact(data, i, dtype, range)
    ;(to as { [index: number]: number | bigint })[i] = element
    if (dtype === 'float32' && Number.isFinite(element) && !Number.isFinite(to[i] as number)) unfit(data, i, dtype)
  }
  if (to instanceof Float32Array || to instanceof Float64Array) oneNaN(to)
  return to
}

/** One element as the kind of number its array holds, if it is in range and whole where it must be. */
function exact(
  data: ArrayLike<unknown>,
  i: number,
  dtype: DType,
  range: readonly [number, number] | undefined,
): number | bigint {
  const element = data[i]
  const isNumber = typeof element === 'number'
  if (!isNumber && typeof element !== 'bigint') unfit(data, i, dtype)
  if (dtype === 'int64' || dtype === 'uint64') {
    if (isNumber && !Number.isSafeInteger(element)) unfit(data, i, dtype)
    const wide = BigInt(element as number | bigint)
    if ((dtype === 'int64' ? BigInt.asIntN(64, wide) : BigInt.asUintN(64, wide)) !== wide) unfit(data, i, dtype)
    return wide
  }
  const number = Number(element)
  if (!isNumber && BigInt(number) !== element) unfit(data, i, dtype)
  if (range !== undefined && !(Number.isInteger(number) && number >= range[0] && number <= range[1])) {
    unfit(data, i, dtype)
  }
  return number
}

function booleans(data: ArrayLike<unknown>): Uint8Array {
  const to = new Uint8Array(data.length)
  for (let i = 0; i < data.length; i++) {
    const element = data[i]
    if (element === 1 || element === true) to[i] = 1
    else if (element !== 0 && element !== false) unfit(data, i, 'bool')
  }
  return to
}

function finite(element: unknown): number {
  if (typeof element === 'number') return element
  throw new TensorProblem(`its data holds ${typeof element}s, which are no numbers`)
}

function unfit(data: ArrayLike<unknown>, i: number, dtype: DType): never {
  const element = data[i]
  const text = typeof element === 'string' ? JSON.stringify(element.slice(0, 40)) : String(element)
  throw new TensorProblem(`data[${i}] is ${text}, which ${dtype} cannot hold`)
}

/** The same bytes as elements of the class that stands for a dtype; their sizes are the same. */
function viewAs(dtype: DType, data: ArrayLike<unknown>): Stored {
  const { buffer, byteOffset, length } = data as Uint8Array
  return new storage[dtype](buffer as ArrayBuffer, byteOffset, length)
}

/** The bytes of elements in little-endian order. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
}

/** A copy with the bytes of each element reversed. */
export function swapped(bytes: Uint8Array, dtype: DType): Uint8Array {
  const copy = Buffer.from(bytes)
  const size = itemSize[dtype]
  if (size === 2) copy.swap16()
  else if (size === 4) copy.swap32()
  else if (size === 8) copy.swap64()
  return copy
}
