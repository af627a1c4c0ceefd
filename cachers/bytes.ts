import { type CacherOptions, Codec, cacherIdentity, callable, type Encoded } from '../src/artifact/cacheable.js'
import { CacherError } from '../src/errors.js'
import { type CallableCacher, kindOf } from './common.js'

/** What BytesCacher saves: bytes in memory, or a stream of them of any length. */
export type BytesLike = Uint8Array | ArrayBuffer | AsyncIterable<Uint8Array>

/** A cacher for bytes as they are: `.bin`, or the `extension` asked for. See docs/cachers/bytes.md. */
export interface BytesCacher extends Codec<Uint8Array, BytesLike> {
  /** @throws {CacherError} when the value, or a piece of the stream, is not bytes. */
  encode(value: BytesLike): Uint8Array | AsyncIterable<Uint8Array>
  decode(bytes: Uint8Array): Uint8Array
}

class BytesCacherClass extends Codec<Uint8Array, BytesLike> {
  static override readonly cacherName: string = 'bytes'
  override readonly extension: string = '.bin'

  constructor(argument?: string | CacherOptions) {
    super(argument)
    this.checkOptions()
  }

  override encode(value: BytesLike): Exclude<Encoded, string> {
    if (value instanceof Uint8Array) return value
    if (value instanceof ArrayBuffer) return new Uint8Array(value)
    if (value !== null && typeof value === 'object' && Symbol.asyncIterator in value) return this.pieces(value)
    const other = ArrayBuffer.isView(value) ? 'use TensorCacher or MsgpackCacher' : 'use MsgpackCacher'
    throw new CacherError(cacherIdentity(this).name, 'save', `${this.label} is ${kindOf(value)}, not bytes: ${other}`)
  }

  override decode(bytes: Uint8Array): Uint8Array {
    // Not the Buffer it may be, whose `slice` and `toString` mean something else.
    return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
  }

  private async *pieces(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of stream) {
      if (!(piece instanceof Uint8Array)) {
        throw new CacherError(
          cacherIdentity(this).name,
          'save',
          `the stream of ${this.label} yields ${kindOf(piece)}, not bytes`,
        )
      }
      yield piece
    }
  }
}

export const BytesCacher: CallableCacher<BytesCacher> = callable(BytesCacherClass)
