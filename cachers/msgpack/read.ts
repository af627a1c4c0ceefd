import { define, maxDepth, tagKey } from './format.js'
import { Input } from './input.js'
import { kinds } from './kinds.js'

/** A place in the list of objects whose object is not there yet. */
const unfinished = Symbol('unfinished')

/**
 * The value that `write` wrote, or what any other MessagePack file holds.
 *
 * @throws {Refusal} naming the byte at which it is damaged, cut off or unknown.
 */
export function read(bytes: Uint8Array): unknown {
  const input = new Input(bytes)
  const reader = new Reader(input)
  const value = reader.any()
  if (input.left > 0) input.fail(`${input.left} bytes follow the value`)
  return value
}

/** Reads one value, and what stands inside it. */
export class Reader {
  /** Objects by the order they were begun in; kept only where something refers to them. */
  private readonly objects: unknown[] | undefined
  private count = 0
  private depth = 0

  constructor(readonly input: Input) {
    this.objects = input.includes(`${tagKey}\xa3ref`) ? [] : undefined
  }

  any(): unknown {
    const { input } = this
    const token = input.byte()
    if (token < 0x80) return token
    if (token >= 0xe0) return token - 0x100
    if (token < 0x90) return this.map(token & 0x0f)
    if (token < 0xa0) return this.array(token & 0x0f)
    if (token < 0xc0) return input.text(token & 0x1f)
    switch (token) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return this.bytes(input.uint(1))
      case 0xc5:
        return this.bytes(input.uint(2))
      case 0xc6:
        return this.bytes(input.uint(4))
      case 0xca:
        return input.float(4)
      case 0xcb:
        return input.float(8)
      case 0xcc:
        return input.uint(1)
      case 0xcd:
        return input.uint(2)
      case 0xce:
        return input.uint(4)
      case 0xcf:
        return input.uint64()
      case 0xd0:
        return input.int(1)
      case 0xd1:
        return input.int(2)
      case 0xd2:
        return input.int(4)
      case 0xd3:
        return input.int64()
      case 0xd6:
        return this.timestamp(4)
      case 0xd7:
        return this.timestamp(8)
      case 0xc7:
        return this.timestamp(input.uint(1))
      case 0xd9:
        return input.text(input.uint(1))
      case 0xda:
        return input.text(input.uint(2))
      case 0xdb:
        return input.text(input.uint(4))
      case 0xdc:
        return this.array(input.uint(2))
      case 0xdd:
        return this.array(input.uint(4))
      case 0xde:
        return this.map(input.uint(2))
      case 0xdf:
        return this.map(input.uint(4))
      default:
        input.at -= 1
        return input.fail(`0x${token.toString(16)} begins an extension type, or nothing, that is known here`)
    }
  }

  /** A place for the object that begins here. */
  begin(): number {
    this.depth += 1
    if (this.depth > maxDepth) this.input.fail(`values are nested deeper than ${maxDepth} levels`)
    this.objects?.push(unfinished)
    return this.count++
  }

  /** What belongs to that place from now on: at once for what may refer to itself. */
  put<T>(index: number, value: T): T {
    if (this.objects !== undefined) this.objects[index] = value
    return value
  }

  end(): void {
    this.depth -= 1
  }

  private bytes(length: number): Uint8Array {
    const value = this.put(this.begin(), this.input.bytes(length))
    this.end()
    return value
  }

  private array(length: number): unknown[] {
    this.input.count(length, 1)
    // Grown as elements come: a length that lies costs nothing.
    const value: unknown[] = this.put(this.begin(), [])
    for (let i = 0; i < length; i++) value.push(this.any())
    this.end()
    return value
  }

  private map(length: number): unknown {
    this.input.count(length, 2)
    if (length === 0) {
      const empty = this.put(this.begin(), {})
      this.end()
      return empty
    }
    const first = this.key()
    if (first === tagKey) return this.tagged(length)
    const index = this.begin()
    const value: Record<string, unknown> = this.put(index, {})
    for (let i = 0, key = first; ; key = this.key()) {
      if (typeof key !== 'string') return this.foreignMap(index, value, key, length - i)
      if (key === '__proto__') define(value, key, this.any())
      else value[key] = this.any()
      if (++i === length) break
    }
    this.end()
    return value
  }

  private key(): unknown {
    const token = this.input.peek()
    if (token < 0xa0 || token >= 0xc0) return this.any()
    this.input.at += 1
    return this.input.key(token & 0x1f)
  }

  /** A map with keys that are no texts, which only others write: a Map, with what was read of it so far. */
  private foreignMap(index: number, before: object, key: unknown, left: number): Map<unknown, unknown> {
    const value = this.put(index, new Map<unknown, unknown>(Object.entries(before)))
    value.set(key, this.any())
    for (let i = 1; i < left; i++) value.set(this.any(), this.any())
    this.end()
    return value
  }

  private timestamp(length: number): Date {
    const { input } = this
    const at = input.at
    if (input.int(1) !== -1) {
      input.at = at
      input.fail('an extension type is not known here; only timestamps are')
    }
    const ms =
      length === 4 ? input.uint(4) * 1000 : length === 8 ? short(input.uint64()) : length === 12 ? long(input) : NaN
    const value = new Date(ms)
    if (Number.isNaN(value.getTime())) input.fail('a timestamp is out of the range of a Date')
    this.put(this.begin(), value)
    this.end()
    return value
  }

  private tagged(length: number): unknown {
    const { input } = this
    const at = input.at
    const kind = this.any()
    const known = typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
    if (known === undefined || known.fields !== length - 1) {
      input.at = at
      return input.fail(`${String(kind)} with ${length - 1} fields is nothing known here; a later version may know it`)
    }
    if (!known.isObject) return known.revive(this, -1)
    const value = known.revive(this, this.begin())
    this.end()
    return value
  }

  /** The object that a `ref` means. */
  object(index: number): unknown {
    const value = this.objects?.[index]
    if (value === undefined || value === unfinished) this.input.fail(`it refers to object ${index}, which is not there`)
    return value
  }

  /** The field that must come next. */
  field(name: string): unknown {
    this.name(name)
    return this.any()
  }

  text(name: string): string {
    const value = this.field(name)
    return typeof value === 'string' ? value : this.input.fail(`${name} is no text`)
  }

  whole(name: string): number {
    const value = this.field(name)
    return typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)
      ? value
      : this.input.fail(`${name} is no whole number`)
  }

  /** Bytes that belong to the object around them. */
  data(): Uint8Array<ArrayBuffer> {
    this.name('data')
    const token = this.input.byte()
    if (token < 0xc4 || token > 0xc6) this.input.fail('data is not binary')
    return this.input.bytes(this.input.uint(token === 0xc4 ? 1 : token === 0xc5 ? 2 : 4))
  }

  /** Pairs, handed on as they are read. */
  entries(name: string, take: (key: unknown, value: unknown) => void): void {
    const length = this.listOf(name)
    for (let i = 0; i < length; i++) {
      if (this.input.byte() !== 0x92) this.input.fail(`${name} holds something else than pairs`)
      const key = this.any()
      take(key, this.any())
    }
  }

  listOf(name: string): number {
    this.name(name)
    const token = this.input.byte()
    if (token >= 0x90 && token < 0xa0) return this.input.count(token & 0x0f, 1)
    if (token !== 0xdc && token !== 0xdd) this.input.fail(`${name} is no list`)
    return this.input.count(this.input.uint(token === 0xdc ? 2 : 4), 1)
  }

  private name(name: string): void {
    if (this.key() !== name) this.input.fail(`the field ${name} should stand here`)
  }
}

/** Milliseconds of a timestamp of 30 bits of nanoseconds and 34 of seconds. */
function short(value: bigint): number {
  return Number(value & 0x3ffffffffn) * 1000 + Math.floor(Number(value >> 34n) / 1e6)
}

/** Milliseconds of a timestamp of 4 bytes of nanoseconds and 8 of seconds. */
function long(input: Input): number {
  const nanoseconds = input.uint(4)
  return Number(input.int64()) * 1000 + Math.floor(nanoseconds / 1e6)
}
