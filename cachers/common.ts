import { isUtf8 } from 'node:buffer'
import type { CacherOptions } from '../src/artifact/cacheable.js'
import { DeclarationError } from '../src/errors.js'

/**
 * A class of cachers as its users see it: made with or without `new`, extended by classes of their own, named in a stage.
 * A path is short for `{ path }`.
 */
export interface CallableCacher<Instance, Options extends CacherOptions = CacherOptions> {
  new (argument?: string | Options): Instance
  (argument?: string | Options): Instance
  readonly prototype: Instance
  readonly cacherName?: string
  readonly codecVersion: number
}

/** One set of options from what a cacher was called with: a path, options, or both. */
export function merged(
  argument: string | CacherOptions | undefined,
  more: unknown,
): CacherOptions | string | undefined {
  if (more === undefined) return argument
  if (more === null || typeof more !== 'object' || typeof argument !== 'string') {
    throw new DeclarationError('a cacher takes a path, options, or a path and options')
  }
  return { ...more, path: argument }
}

/** V8 keeps arrays of so few bytes in its own heap; a Buffer on them would move them out, at four times the price (measured). */
const inHeap = 64
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The text of UTF-8 bytes, byte order mark included; undefined when they are not UTF-8, so that nothing is replaced in silence. */
export function utf8(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return undefined
  if (bytes.byteLength <= inHeap) return decoder.decode(bytes)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** What a value is, for a message: `undefined`, `a number`, `a Float32Array`. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  const name = typeof value === 'object' ? (prototypeName(value) ?? 'object without a prototype') : typeof value
  return `${/^[AEIOaeio]/.test(name) ? 'an' : 'a'} ${name}`
}

function prototypeName(value: object): string | undefined {
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null
  const name = prototype?.constructor?.name
  return typeof name === 'string' && name !== '' ? name : prototype === null ? undefined : 'class instance'
}

/** What went wrong, in the words of whoever threw it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Gives every NaN the same bits, in place: which ones a calculation leaves is up to the processor. */
export function oneNaN(numbers: Float32Array | Float64Array): void {
  const { buffer, byteOffset, length } = numbers
  const isDouble = numbers instanceof Float64Array
  const bits = isDouble ? new BigUint64Array(buffer, byteOffset, length) : new Uint32Array(buffer, byteOffset, length)
  const nan = isDouble ? 0x7ff8_0000_0000_0000n : 0x7fc0_0000
  for (let i = 0; i < length; i++) if (Number.isNaN(numbers[i]!)) bits[i] = nan
}
