import { endianness } from 'node:os'
import {
  type ByteSource,
  type CacherOptions,
  Codec,
  cacherIdentity,
  callable,
  type Encoded,
  type Json,
} from '../src/artifact/cacheable.js'
import { CacherError, CurioError, DeclarationError } from '../src/errors.js'
import { merged, messageOf } from './common.js'
import { widen } from './tensor/half.js'
import { bytesOf, elementsOf, swapped } from './tensor/like.js'
import { type Header, headerEnd, preludeSize, readHeader, writeHeader } from './tensor/npy.js'
import { columnMajor, gather } from './tensor/strides.js'
import {
  type DType,
  itemSize,
  type Stored,
  sizeOf,
  storage,
  type Tensor,
  type TensorArray,
  type TensorLike,
  TensorProblem,
} from './tensor/types.js'

export type { DType, Tensor, TensorArray, TensorArrays, TensorLike } from './tensor/types.js'

export interface TensorOptions<D extends DType = DType> extends CacherOptions {
  /** The one dtype that is saved and loaded; it types what `load` gives. Numbers of another are converted when saved, if they fit. */
  readonly dtype?: D
}

/** A cacher for tensors, as the `.npy` files of NumPy. See docs/cachers/tensor.md. */
export interface TensorCacher<D extends DType = DType> extends Codec<Tensor<D>, TensorLike> {
  /** @throws {CacherError} when shape and data disagree, or an element does not fit the dtype. */
  encode(value: TensorLike): Promise<Uint8Array | AsyncIterable<Uint8Array>>
  /** Over the bytes given, without a copy, where dtype, order and alignment allow it. */
  decode(bytes: Uint8Array): Tensor<D>
  /** Elements `start` to `end` along the first axis, as `Array.prototype.slice` counts; reads the header and their bytes only. */
  slice(source: ByteSource, start: number, end: number): Promise<Tensor<D>>
}

/** Made with or without `new`, from a path, options, or both. */
export interface TensorCacherConstructor {
  new <D extends DType = DType>(argument?: string | TensorOptions<D>, options?: TensorOptions<D>): TensorCacher<D>
  <D extends DType = DType>(argument?: string | TensorOptions<D>, options?: TensorOptions<D>): TensorCacher<D>
  readonly prototype: TensorCacher
  readonly cacherName?: string
  readonly codecVersion: number
}

const foreign = endianness() === 'BE'
/** Larger arrays are handed on without copying them behind their header. */
const copyBelow = 1 << 20
/** What a slice reads first: a header of numpy's has 128 bytes up to about ten axes. */
const firstRead = 1024

class TensorCacherClass extends Codec<Tensor, TensorLike> {
  static override readonly cacherName: string = 'tensor'
  override readonly extension: string = '.npy'
  private readonly dtype: DType | undefined

  constructor(argument?: string | TensorOptions, options?: TensorOptions) {
    super(merged(argument, options))
    this.checkOptions(['dtype'])
    this.dtype = (this.options as TensorOptions).dtype
    if (this.dtype !== undefined && !Object.hasOwn(storage, this.dtype)) {
      throw new DeclarationError(`a TensorCacher has no dtype ${String(this.dtype)}`, {
        hint: `known are ${Object.keys(storage).join(', ')}`,
      })
    }
  }

  /** Without a dtype asked for, each tensor keeps its own. */
  override decodingOptions(): Record<string, Json> {
    return this.dtype === undefined ? {} : { dtype: this.dtype }
  }

  override async encode(value: TensorLike): Promise<Exclude<Encoded, string>> {
    try {
      const { dtype, shape, data } = await elementsOf(value, this.dtype)
      const header = writeHeader(dtype, shape)
      const body = foreign ? swapped(bytesOf(data), dtype) : bytesOf(data)
      return body.byteLength < copyBelow ? Buffer.concat([header, body]) : pieces(header, body)
    } catch (error) {
      throw this.named(error, 'save')
    }
  }

  override decode(bytes: Uint8Array): Tensor {
    try {
      const header = this.checked(readHeader(bytes, bytes.byteLength))
      return tensorOf(header, bytes, header.offset)
    } catch (error) {
      throw this.named(error, 'load')
    }
  }

  override async slice(source: ByteSource, start: number, end: number): Promise<Tensor> {
    try {
      const first = await source.read(0, Math.min(source.bytes, firstRead))
      const needed = Math.min(headerEnd(first.subarray(0, preludeSize)), source.bytes)
      const head = needed <= first.byteLength ? first : await source.read(0, needed)
      const header = this.checked(readHeader(head, source.bytes))
      const { shape, offset, dtype } = header
      const [rows, ...rest] = shape
      if (rows === undefined) throw new TensorProblem('it is a single number, which has no slices')
      const [from, to] = bounds(start, end, rows)
      const part = { ...header, shape: [to - from, ...rest] }
      const row = sizeOf(rest)
      if (header.fortranOrder && rest.length > 0) {
        const whole = tensorOf(header, await source.read(offset, source.bytes))
        return { ...whole, data: whole.data.slice(from * row, to * row), shape: part.shape } as Tensor
      }
      const bytesPerRow = row * itemSize[dtype]
      return tensorOf(part, await source.read(offset + from * bytesPerRow, offset + to * bytesPerRow))
    } catch (error) {
      throw this.named(error, 'load')
    }
  }

  private checked(header: Header): Header {
    if (this.dtype === undefined || this.dtype === header.dtype) return header
    throw new TensorProblem(`it holds ${header.dtype}, not ${this.dtype}`)
  }

  private named(error: unknown, direction: 'save' | 'load'): unknown {
    if (CurioError.is(error)) return error
    const hint = error instanceof TensorProblem ? error.hint : undefined
    return new CacherError(cacherIdentity(this).name, direction, `${this.label}: ${messageOf(error)}`, {
      ...(hint === undefined ? {} : { hint }),
      ...(error instanceof TensorProblem ? {} : { cause: error }),
    })
  }
}

export const TensorCacher = callable(TensorCacherClass) as unknown as TensorCacherConstructor

async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

/** Start and end as `Array.prototype.slice` understands them. */
function bounds(start: number, end: number, length: number): [number, number] {
  const isOne = (value: number): boolean => Number.isInteger(value) || value === Number.POSITIVE_INFINITY
  if (!isOne(start) || !isOne(end)) {
    throw new TensorProblem(`a slice from ${start} to ${end} is not one of whole numbers`)
  }
  const from = start < 0 ? Math.max(0, length + start) : Math.min(start, length)
  const to = end < 0 ? Math.max(0, length + end) : Math.min(end, length)
  return [from, Math.max(from, to)]
}

/** @param from where in `bytes` its elements begin. */
function tensorOf(header: Header, bytes: Uint8Array, from = 0): Tensor {
  const { dtype, shape } = header
  const stored = storedOf(header, bytes, from)
  if (dtype === 'bool') {
    const bad = (stored as Uint8Array).findIndex((byte) => byte > 1)
    if (bad >= 0) throw new TensorProblem(`element ${bad} of its bool data is ${stored[bad]}, neither 0 nor 1`)
  }
  const ordered = header.fortranOrder && shape.length > 1 ? rowMajorCopy(stored, shape) : stored
  const data: TensorArray = dtype === 'float16' ? widen(ordered as Uint16Array) : ordered
  return { data, shape, dtype } as Tensor
}

function storedOf({ dtype, bigEndian }: Header, bytes: Uint8Array, from: number): Stored {
  const size = itemSize[dtype]
  const at = bytes.byteOffset + from
  const isForeign = bigEndian !== foreign && size > 1
  if (!isForeign && at % size === 0) {
    return new storage[dtype](bytes.buffer as ArrayBuffer, at, (bytes.byteLength - from) / size)
  }
  const part = bytes.subarray(from)
  const native = isForeign ? swapped(part, dtype) : Uint8Array.from(part)
  return new storage[dtype](native.buffer as ArrayBuffer, native.byteOffset, native.byteLength / size)
}

function rowMajorCopy<T extends Stored>(from: T, shape: readonly number[]): T {
  const to = new (from.constructor as new (n: number) => T)(from.length)
  gather(from as ArrayLike<unknown>, to as { [index: number]: unknown }, shape, columnMajor(shape), 0)
  return to
}
