import { type CacherOptions, Codec, cacherIdentity, callable } from '../src/artifact/cacheable.js'
import { CacherError, CurioError } from '../src/errors.js'
import { messageOf } from './common.js'
import { Refusal } from './msgpack/format.js'
import { read } from './msgpack/read.js'
import { write } from './msgpack/write.js'

export { type ClassOptions, registerClass } from './msgpack/classes.js'

/** A cacher for nearly everything a program holds, as MessagePack. See docs/cachers/msgpack.md. */
export interface MsgpackCacher<Loaded = unknown, Saved = Loaded> extends Codec<Loaded, Saved> {
  /** @throws {CacherError} naming the path of a function, a symbol, or an instance of a class that is not registered. */
  encode(value: Saved): Uint8Array | AsyncIterable<Uint8Array>
  /** Runs no code but `decode` of registered classes. @throws {CacherError} for anything that is not one whole value. */
  decode(bytes: Uint8Array): Loaded
}

/** Made with or without `new`. The types are as claimed. */
export interface MsgpackCacherConstructor {
  new <Loaded = unknown, Saved = Loaded>(argument?: string | CacherOptions): MsgpackCacher<Loaded, Saved>
  <Loaded = unknown, Saved = Loaded>(argument?: string | CacherOptions): MsgpackCacher<Loaded, Saved>
  readonly prototype: MsgpackCacher
  readonly cacherName?: string
  readonly codecVersion: number
}

/** Smaller results are one piece. */
const joinBelow = 1 << 20

class MsgpackCacherClass extends Codec<unknown> {
  static override readonly cacherName: string = 'msgpack'
  override readonly extension: string = '.msgpack'

  constructor(argument?: string | CacherOptions) {
    super(argument)
    this.checkOptions()
  }

  override encode(value: unknown): Uint8Array | AsyncIterable<Uint8Array> {
    try {
      const pieces = write(value, this.label)
      if (pieces.length === 1) return pieces[0]!
      const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
      return bytes < joinBelow ? Buffer.concat(pieces) : inTurn(pieces)
    } catch (error) {
      throw this.named(error, 'save')
    }
  }

  override decode(bytes: Uint8Array): unknown {
    try {
      return read(bytes)
    } catch (error) {
      throw this.named(error, 'load')
    }
  }

  private named(error: unknown, direction: 'save' | 'load'): unknown {
    if (CurioError.is(error)) return error
    const saysWhere = direction === 'save' && error instanceof Refusal
    const reason = saysWhere ? error.message : `${this.label}: ${messageOf(error)}`
    return new CacherError(cacherIdentity(this).name, direction, reason, { cause: error })
  }
}

export const MsgpackCacher = callable(MsgpackCacherClass) as MsgpackCacherConstructor

async function* inTurn(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}
