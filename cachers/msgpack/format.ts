/**
 * What the files of MsgpackCacher look like beyond plain MessagePack (docs/cachers/msgpack.md): a map whose first key is
 * `$curio` stands for a value that MessagePack has no word for; the value of that key says which.
 */
export const tagKey = '$curio'

/** Of arrays, objects and what stands between them in the file. Enough for trees; bounded, so that what was saved can be loaded on a smaller stack. */
export const maxDepth = 400

/** More bytes do not fit one buffer on Node 20. */
export const maxBytes = 2 ** 32

/** Own properties of an Error that are not enumerable, and count. */
export const hiddenOfErrors = ['message', 'cause', 'errors', 'name'] as const

export const errorClasses: Readonly<Record<string, ErrorConstructor>> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError: AggregateError as unknown as ErrorConstructor,
}

type ArrayClass = new (buffer: ArrayBuffer) => ArrayBufferView

/** Classes of typed arrays by the dtype in the file; bytes are MessagePack's own. Node before 24 has no Float16Array. */
export const arrayClasses: Readonly<Record<string, ArrayClass | undefined>> = {
  int8: Int8Array,
  uint8clamped: Uint8ClampedArray,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float16: (globalThis as { Float16Array?: ArrayClass }).Float16Array,
  float32: Float32Array,
  float64: Float64Array,
}

/** Why a value cannot be saved, or bytes cannot be loaded; the cacher adds its name. */
export class Refusal extends Error {}

/** Sets a field without calling a setter, and without changing a prototype. */
export function define(value: object, key: string, item: unknown): void {
  Object.defineProperty(value, key, { value: item, writable: true, enumerable: true, configurable: true })
}
