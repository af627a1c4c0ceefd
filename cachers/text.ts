import { type CacherOptions, Codec, cacherIdentity, callable } from '../src/artifact/cacheable.js'
import { CacherError } from '../src/errors.js'
import { type CallableCacher, kindOf, messageOf, utf8 } from './common.js'

/** A cacher for strings, as a UTF-8 file: `.txt`, or the `extension` asked for. See docs/cachers/text.md. */
export interface TextCacher extends Codec<string> {
  /** @throws {CacherError} when the value is no string, or holds half of a surrogate pair, which UTF-8 cannot. */
  encode(value: string): string
  /** @throws {CacherError} when the bytes are not UTF-8. */
  decode(bytes: Uint8Array): string
}

class TextCacherClass extends Codec<string> {
  static override readonly cacherName: string = 'text'
  override readonly extension: string = '.txt'

  constructor(argument?: string | CacherOptions) {
    super(argument)
    this.checkOptions()
  }

  override encode(value: string): string {
    const { name } = cacherIdentity(this)
    if (typeof value !== 'string') {
      throw new CacherError(name, 'save', `${this.label} is ${kindOf(value)}, not a string: use JsonCacher`)
    }
    if (!value.isWellFormed()) {
      throw new CacherError(name, 'save', `${this.label} holds half of a surrogate pair: use MsgpackCacher`)
    }
    return value
  }

  override decode(bytes: Uint8Array): string {
    const { name } = cacherIdentity(this)
    let text: string | undefined
    try {
      text = utf8(bytes)
    } catch (cause) {
      // Longer than the longest string V8 can hold.
      throw new CacherError(name, 'load', `${this.label}: ${messageOf(cause)}`, { hint: 'use BytesCacher', cause })
    }
    if (text === undefined) {
      throw new CacherError(name, 'load', `${this.label} is not UTF-8 text`, { hint: 'use BytesCacher' })
    }
    return text
  }
}

export const TextCacher: CallableCacher<TextCacher> = callable(TextCacherClass)
