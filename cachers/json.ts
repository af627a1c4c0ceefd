import { isDeepStrictEqual } from 'node:util'
import type { ZodType } from 'zod'
import { type CacherOptions, Codec, cacherIdentity, callable } from '../src/artifact/cacheable.js'
import { jsonDifference } from '../src/artifact/json.js'
import { CacherError, CurioError, DeclarationError, type ErrorDetails } from '../src/errors.js'
import { merged, messageOf, utf8 } from './common.js'

export interface JsonOptions<Loaded = unknown, Saved = Loaded> extends CacherOptions {
  /**
   * Checks the value when it is saved and when it is loaded. Inline, what is loaded is its output. In a store it may only accept or
   * refuse: a default, a transform or a field it drops would change what is loaded, and no key would see it.
   */
  readonly schema?: ZodType<Loaded, Saved>
}

/** A cacher for what JSON gives back equal, as a `.json` file that opens in any editor. See docs/cachers/json.md. */
export interface JsonCacher<Loaded = unknown, Saved = Loaded> extends Codec<Loaded, Saved> {
  /** @throws {CacherError} naming what JSON would not give back equal, or what the schema refuses. */
  encode(value: Saved): Promise<string>
  /** At once where there is no schema. @throws {CacherError} when the bytes are not JSON, hold a number that JavaScript cannot, or do not fit the schema. */
  decode(bytes: Uint8Array): Loaded | Promise<Loaded>
}

/** Made with or without `new`, from a path, options, or both. A schema gives the types; without one they are as claimed. */
export interface JsonCacherConstructor {
  new <Loaded = unknown, Saved = Loaded>(
    argument?: string | JsonOptions<Loaded, Saved>,
    options?: JsonOptions<Loaded, Saved>,
  ): JsonCacher<Loaded, Saved>
  <Loaded = unknown, Saved = Loaded>(
    argument?: string | JsonOptions<Loaded, Saved>,
    options?: JsonOptions<Loaded, Saved>,
  ): JsonCacher<Loaded, Saved>
  readonly prototype: JsonCacher
  readonly cacherName?: string
  readonly codecVersion: number
}

class JsonCacherClass extends Codec<unknown> {
  static override readonly cacherName: string = 'json'
  override readonly extension: string = '.json'
  private readonly schema: ZodType | undefined

  constructor(argument?: string | JsonOptions, options?: JsonOptions) {
    super(merged(argument, options))
    this.checkOptions(['schema'])
    this.schema = (this.options as JsonOptions).schema
    if (this.schema !== undefined && typeof this.schema?.safeParseAsync !== 'function') {
      throw new DeclarationError('the schema of a JsonCacher must be a zod schema')
    }
  }

  override async encode(value: unknown): Promise<string> {
    const { name } = cacherIdentity(this)
    try {
      const difference = jsonDifference(value, this.label)
      if (difference !== undefined) {
        const other = / is a (function|symbol)$/.test(difference) ? 'leave it out' : 'use MsgpackCacher'
        throw new CacherError(name, 'save', `${difference}: ${other}`)
      }
      const text = JSON.stringify(value, null, 2)
      // The schema gets a copy, which it may change in place.
      if (this.schema !== undefined) {
        this.refuseChange(JSON.parse(text), await this.validated(JSON.parse(text), 'save'), 'save')
      }
      return `${text}\n`
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      // Either the call stack or the longest string V8 can hold.
      throw new CacherError(name, 'save', `${this.label} is too deep or too large for one JSON text`, {
        hint: 'use MsgpackCacher, or save it in parts',
        cause: error,
      })
    }
  }

  override decode(bytes: Uint8Array): unknown {
    const value = this.parsed(bytes)
    return this.schema === undefined ? value : this.checked(bytes, value)
  }

  private async checked(bytes: Uint8Array, value: unknown): Promise<unknown> {
    if (!this.isStored) return this.validated(value, 'load')
    this.refuseChange(value, await this.validated(this.parsed(bytes), 'load'), 'load')
    return value
  }

  private parsed(bytes: Uint8Array): unknown {
    const refusal = (reason: string, more: ErrorDetails = {}): CacherError =>
      new CacherError(cacherIdentity(this).name, 'load', `${this.label} ${reason}`, more)
    try {
      const text = utf8(bytes)?.replace(/^\uFEFF/, '')
      if (text === undefined) throw refusal('is not UTF-8 text')
      const value: unknown = JSON.parse(text)
      const lost = lostNumber(text)
      if (lost !== undefined) {
        throw refusal(`holds ${lost}, which a JavaScript number cannot`, { hint: 'write it as a string' })
      }
      return value
    } catch (error) {
      if (CurioError.is(error)) throw error
      throw refusal(`is not JSON: ${messageOf(error)}`, { cause: error })
    }
  }

  /** A stored value counts by its bytes in the keys of what is computed from it. */
  private refuseChange(value: unknown, validated: unknown, direction: 'save' | 'load'): void {
    if (!this.isStored || isDeepStrictEqual(value, validated)) return
    throw new CacherError(
      cacherIdentity(this).name,
      direction,
      `the schema changes ${this.label}: by a default, a transform, or a field it does not name`,
      { hint: 'do that in the body of the stage, and use z.strictObject or z.looseObject for what is saved' },
    )
  }

  private async validated(value: unknown, direction: 'save' | 'load'): Promise<unknown> {
    if (this.schema === undefined) return value
    const result = await this.schema.safeParseAsync(value)
    if (result.success) return result.data
    const issues = result.error.issues.slice(0, 3).map(({ path, message }) => `${at(this.label, path)}: ${message}`)
    throw new CacherError(cacherIdentity(this).name, direction, `it does not fit its schema: ${issues.join('; ')}`, {
      cause: result.error,
    })
  }
}

export const JsonCacher = callable(JsonCacherClass) as JsonCacherConstructor

function at(label: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => `${text}${typeof key === 'number' ? `[${key}]` : `.${String(key)}`}`, label)
}

/** The first number of a JSON text that `JSON.parse` changes: an integer with too many digits, or one past the largest double. */
function lostNumber(text: string): string | undefined {
  if (!/\d{16}|[eE]\+?\d{3}/.test(text)) return undefined
  const number = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 34) i = endOfString(text, i)
    else if (code === 45 || (code >= 48 && code <= 57)) {
      number.lastIndex = i
      const [literal, fraction, exponent] = number.exec(text)!
      if (isLost(literal, fraction === undefined && exponent === undefined)) return literal.slice(0, 60)
      i += literal.length - 1
    }
  }
  return undefined
}

function isLost(literal: string, isInteger: boolean): boolean {
  const value = Number(literal)
  if (!Number.isFinite(value)) return true
  if (!isInteger || Number.isSafeInteger(value)) return false
  // JavaScript itself writes 2 ** 60 as 1152921504606847000: its shortest text stands for exactly that number.
  return String(value) !== literal && BigInt(value) !== BigInt(literal)
}

/** Index of the quote that ends the string starting at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes += 1
    if (slashes % 2 === 0) return end
  }
}
