/** The tokens of a JSON text (RFC 8259), found without copying them. */
import { FrameProblem } from '../frame/problem.js'

export const [quote, comma, colon, openList, closeList] = [0x22, 0x2c, 0x3a, 0x5b, 0x5d]
export const [openObject, closeObject, backslash, minus] = [0x7b, 0x7d, 0x5c, 0x2d]

const literals = { n: Buffer.from('null'), t: Buffer.from('true'), f: Buffer.from('false') }
const short: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

export type TokenKind = 'null' | 'bool' | 'number' | 'string'

export class JsonInput {
  position = 0
  /** Where the bytes of the token found last lie: of a string, what it says. */
  text: Buffer
  start = 0
  end = 0

  constructor(private readonly bytes: Buffer) {
    this.text = bytes
  }

  /** The next byte that is no space; undefined at the end. */
  peek(): number | undefined {
    const { bytes } = this
    for (;;) {
      const byte = bytes[this.position]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte
      this.position += 1
    }
  }

  /** Goes behind a byte, if it is the next one. */
  skips(byte: number): boolean {
    if (this.peek() !== byte) return false
    this.position += 1
    return true
  }

  /** Goes behind a word, if it is next, byte by byte: for what is nearly always there. */
  skipsWord(word: Buffer): boolean {
    this.peek()
    if (!this.continues(word, this.position)) return false
    this.position += word.length
    return true
  }

  expect(byte: number): void {
    if (!this.skips(byte)) throw this.unexpected()
  }

  /** Behind an item: true when another one follows, false behind the end of the list or object. */
  more(close: number): boolean {
    if (this.skips(comma)) return true
    this.expect(close)
    return false
  }

  /** Finds a string, a number, true, false or null; undefined before a list or an object. */
  scalar(): TokenKind | undefined {
    const byte = this.peek()
    switch (byte) {
      case quote:
        this.string()
        return 'string'
      case openList:
      case openObject:
        return undefined
      case 0x6e:
        return this.literal(literals.n, 'null')
      case 0x74:
        return this.literal(literals.t, 'bool')
      case 0x66:
        return this.literal(literals.f, 'bool')
      default:
        if (byte === minus || isDigit(byte)) return this.number()
        throw this.unexpected()
    }
  }

  /** Finds a string; `text` between `start` and `end` is what it says. */
  string(): void {
    const { bytes } = this
    this.expect(quote)
    const begin = this.position
    for (let at = begin; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte === quote) {
        this.found(bytes, begin, at)
        this.position = at + 1
        return
      }
      if (byte === backslash) {
        this.escaped(begin)
        return
      }
      if (byte < 0x20) throw this.problem('a control character in a string', at)
    }
    throw this.problem('a string that does not end', begin - 1)
  }

  /** The text of the token found last. */
  get value(): string {
    return this.text.toString('utf8', this.start, this.end)
  }

  unexpected(): FrameProblem {
    const byte = this.peek()
    if (byte === undefined) return new FrameProblem('is cut off: the file ends here')
    return this.problem(
      `an unexpected ${JSON.stringify(String.fromCodePoint(this.bytes.toString('utf8', this.position, this.position + 4).codePointAt(0)!))}`,
      this.position,
    )
  }

  private problem(what: string, at: number): FrameProblem {
    return new FrameProblem(`is no JSON: there is ${what} at byte ${at}`)
  }

  private found(text: Buffer, start: number, end: number): void {
    this.text = text
    this.start = start
    this.end = end
  }

  private literal(word: Buffer, kind: TokenKind): TokenKind {
    const begin = this.position
    if (!this.continues(word, begin)) throw this.unexpected()
    this.position = begin + word.length
    this.found(this.bytes, begin, this.position)
    return kind
  }

  private continues(word: Buffer, at: number): boolean {
    for (let i = 0; i < word.length; i++) if (this.bytes[at + i] !== word[i]) return false
    return true
  }

  private number(): TokenKind {
    const { bytes } = this
    const begin = this.position
    let at = bytes[begin] === minus ? begin + 1 : begin
    if (bytes[at] === 0x30 && isDigit(bytes[at + 1])) throw this.problem('a number with a zero in front', begin)
    at = this.digits(at)
    if (bytes[at] === 0x2e) at = this.digits(at + 1)
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      const hasSign = bytes[at + 1] === 0x2b || bytes[at + 1] === minus
      at = this.digits(hasSign ? at + 2 : at + 1)
    }
    this.found(bytes, begin, at)
    this.position = at
    return 'number'
  }

  /** Behind the digits that are to be here. */
  private digits(from: number): number {
    let end = from
    while (isDigit(this.bytes[end])) end += 1
    if (end === from) throw this.problem('a number that lacks digits', from)
    return end
  }

  /** A string with escapes, which is copied. */
  private escaped(begin: number): void {
    const { bytes } = this
    const parts: string[] = []
    let from = begin
    for (let at = begin; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte !== quote && byte !== backslash) {
        if (byte < 0x20) throw this.problem('a control character in a string', at)
        continue
      }
      parts.push(bytes.toString('utf8', from, at))
      if (byte === quote) {
        const text = parts.join('')
        if (!text.isWellFormed()) throw this.problem('a string with half of a surrogate pair', begin - 1)
        const copy = Buffer.from(text)
        this.found(copy, 0, copy.length)
        this.position = at + 1
        return
      }
      const letter = String.fromCharCode(bytes[at + 1] ?? 0)
      const hex = bytes.toString('latin1', at + 2, at + 6)
      if (letter === 'u' && /^[\da-fA-F]{4}$/.test(hex)) parts.push(String.fromCharCode(Number.parseInt(hex, 16)))
      else if (Object.hasOwn(short, letter)) parts.push(short[letter]!)
      else throw this.problem('an escape that JSON does not have', at)
      at += letter === 'u' ? 5 : 1
      from = at + 1
    }
    throw this.problem('a string that does not end', begin - 1)
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}
