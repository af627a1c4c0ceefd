/** The text of a header, read by hand: nothing is built for what a header does not hold, and no name can be there twice. */
import { TensorProblem } from '../tensor/types.js'

/** What a header says of one tensor, not yet checked against anything. */
export interface Claim {
  readonly name: string
  /** As the format calls it: `F32`. */
  readonly kind: string
  readonly shape: readonly number[]
  /** Where its bytes are, counted from the end of the header. */
  readonly begin: number
  readonly end: number
}

export interface Claims {
  readonly tensors: Claim[]
  readonly metadata: ReadonlyMap<string, string>
}

/** The member of a header that holds texts instead of a tensor. */
export const metadataName = '__metadata__'

/** @throws {TensorProblem} saying where it is not what a header must be. */
export function parseHeader(text: string): Claims {
  const scanner = new Scanner(text)
  const tensors: Claim[] = []
  let metadata: Map<string, string> | undefined
  const seen = new Set<string>()
  scanner.object((name) => {
    if (seen.has(name)) throw new TensorProblem(`it has two members called ${quoted(name)}`)
    seen.add(name)
    if (name === metadataName) metadata = texts(scanner)
    else tensors.push(claim(scanner, name))
  })
  scanner.end()
  return { tensors, metadata: metadata ?? new Map<string, string>() }
}

function texts(scanner: Scanner): Map<string, string> {
  const found = new Map<string, string>()
  scanner.object((key) => {
    if (found.has(key)) throw new TensorProblem(`its metadata has two members called ${quoted(key)}`)
    found.set(key, scanner.string())
  })
  return found
}

function claim(scanner: Scanner, name: string): Claim {
  let kind: string | undefined
  let shape: number[] | undefined
  let offsets: number[] | undefined
  scanner.object((field) => {
    if (field === 'dtype' && kind === undefined) kind = scanner.string()
    else if (field === 'shape' && shape === undefined) shape = scanner.integers()
    else if (field === 'data_offsets' && offsets === undefined) offsets = scanner.integers()
    else {
      const twice = ['dtype', 'shape', 'data_offsets'].includes(field)
      throw new TensorProblem(
        `tensor ${quoted(name)} has ${twice ? 'two fields' : 'an unknown field'} ${quoted(field)}`,
      )
    }
  })
  if (kind === undefined || shape === undefined || offsets?.length !== 2) {
    throw new TensorProblem(`tensor ${quoted(name)} lacks a dtype, a shape or two data_offsets`)
  }
  return { name, kind, shape, begin: offsets[0]!, end: offsets[1]! }
}

/** A text of somebody else's, for a message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

/** Reads the few kinds of JSON that a header is made of. */
class Scanner {
  private at = 0

  constructor(private readonly text: string) {
    if (!text.startsWith('{')) this.fail()
  }

  /** Calls `member` for each key; it must read the value. */
  object(member: (key: string) => void): void {
    this.expect('{')
    if (this.skip('}')) return
    do {
      const key = this.string()
      this.expect(':')
      member(key)
    } while (this.skip(','))
    this.expect('}')
  }

  integers(): number[] {
    const found: number[] = []
    this.expect('[')
    if (this.skip(']')) return found
    do found.push(this.integer())
    while (this.skip(','))
    this.expect(']')
    return found
  }

  string(): string {
    this.space()
    const start = this.at
    if (this.text[start] !== '"') this.fail()
    let end = start
    do {
      end = this.text.indexOf('"', end + 1)
      if (end < 0) this.fail()
    } while (this.isEscaped(end))
    this.at = end + 1
    let value: unknown
    try {
      value = JSON.parse(this.text.slice(start, this.at))
    } catch {
      // It says where in this text, not where in the header.
      this.at = start
      this.fail()
    }
    if (!(value as string).isWellFormed()) throw new TensorProblem('its header holds half of a surrogate pair')
    return value as string
  }

  end(): void {
    this.space()
    if (this.at < this.text.length) this.fail()
  }

  private isEscaped(quote: number): boolean {
    let slashes = 0
    while (this.text[quote - 1 - slashes] === '\\') slashes += 1
    return slashes % 2 === 1
  }

  private integer(): number {
    this.space()
    const pattern = /(?:0|[1-9]\d{0,15})(?![\d.eE])/y
    pattern.lastIndex = this.at
    const value = Number(pattern.exec(this.text)?.[0] ?? Number.NaN)
    if (!Number.isSafeInteger(value)) this.fail()
    this.at = pattern.lastIndex
    return value
  }

  private skip(token: string): boolean {
    this.space()
    if (this.text[this.at] !== token) return false
    this.at += 1
    return true
  }

  private expect(token: string): void {
    if (!this.skip(token)) this.fail()
  }

  private space(): void {
    while (' \n\r\t'.includes(this.text[this.at] ?? 'x')) this.at += 1
  }

  private fail(): never {
    const near = JSON.stringify(this.text.slice(this.at, this.at + 40))
    throw new TensorProblem(`its header is not one that safetensors writes, at character ${this.at}: ${near}`)
  }
}
