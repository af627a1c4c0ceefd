/** MessagePack's own types, appended to a growing buffer. */
import { maxBytes, Refusal } from './format.js'

/** What is full is set aside instead of being copied into a larger buffer. */
const fullAt = 16 << 20
/** Larger binaries are handed on without a copy. */
const copyBelow = 64 << 10

export class Output {
  private buffer = Buffer.allocUnsafeSlow(4096)
  private view = new DataView(this.buffer.buffer)
  private at = 0
  private readonly done: Uint8Array[] = []
  private doneBytes = 0

  /** Everything written, in order. */
  finish(): Uint8Array[] {
    this.setAside()
    return this.done
  }

  get bytes(): number {
    return this.doneBytes + this.at
  }

  nil(): void {
    this.byte(0xc0)
  }

  boolean(value: boolean): void {
    this.byte(value ? 0xc3 : 0xc2)
  }

  /** Whole numbers of up to 32 bits as the shortest integer, all others as a 64-bit float. */
  number(value: number): void {
    this.room(9)
    const { buffer, at } = this
    if (value >>> 0 === value && !Object.is(value, -0)) {
      if (value < 0x80) buffer[this.at++] = value
      else if (value < 0x100) {
        buffer[at] = 0xcc
        buffer[at + 1] = value
        this.at = at + 2
      } else if (value < 0x10000) {
        buffer[at] = 0xcd
        this.view.setUint16(at + 1, value)
        this.at = at + 3
      } else {
        buffer[at] = 0xce
        this.view.setUint32(at + 1, value)
        this.at = at + 5
      }
    } else if (value >> 0 === value && value < 0) {
      if (value >= -0x20) buffer[this.at++] = value + 0x100
      else if (value >= -0x80) {
        buffer[at] = 0xd0
        this.view.setInt8(at + 1, value)
        this.at = at + 2
      } else if (value >= -0x8000) {
        buffer[at] = 0xd1
        this.view.setInt16(at + 1, value)
        this.at = at + 3
      } else {
        buffer[at] = 0xd2
        this.view.setInt32(at + 1, value)
        this.at = at + 5
      }
    } else {
      buffer[at] = 0xcb
      // One NaN: which bits a NaN has may depend on how it came about.
      if (Number.isNaN(value)) this.view.setBigUint64(at + 1, 0x7ff8000000000000n)
      else this.view.setFloat64(at + 1, value)
      this.at = at + 9
    }
  }

  /** A 64-bit integer: signed where it fits, else unsigned. */
  bigint(value: bigint): void {
    this.room(9)
    const signed = BigInt.asIntN(64, value) === value
    this.buffer[this.at] = signed ? 0xd3 : 0xcf
    this.view.setBigUint64(this.at + 1, BigInt.asUintN(64, value))
    this.at += 9
  }

  /** Text without half surrogate pairs; false, and nothing written, when it has one. */
  string(value: string): boolean {
    if (value.length < 40 && this.ascii(value)) return true
    if (!value.isWellFormed()) return false
    const length = Buffer.byteLength(value)
    this.header(length, 0xa0, 32, 0xd9)
    this.room(length)
    this.at += this.buffer.write(value, this.at, 'utf8')
    return true
  }

  private ascii(value: string): boolean {
    const { length } = value
    this.room(length + 2)
    const { buffer } = this
    let at = this.at + (length < 32 ? 1 : 2)
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code >= 0x80) return false
      buffer[at++] = code
    }
    if (length < 32) buffer[this.at] = 0xa0 | length
    else {
      buffer[this.at] = 0xd9
      buffer[this.at + 1] = length
    }
    this.at = at
    return true
  }

  binary(value: Uint8Array): void {
    const { byteLength } = value
    if (byteLength >= maxBytes)
      throw new Refusal('has more than 4 GiB, the most that MessagePack can hold in one piece')
    this.header(byteLength, 0, 0, 0xc4)
    if (byteLength < copyBelow) {
      this.room(byteLength)
      this.buffer.set(value, this.at)
      this.at += byteLength
      return
    }
    this.setAside()
    this.done.push(value)
    this.doneBytes += byteLength
  }

  /** The head of an array; its elements follow. */
  array(length: number): void {
    this.header(length, 0x90, 16, 0xdb)
  }

  /** The head of a map; its keys and values follow in turn. */
  map(length: number): void {
    this.header(length, 0x80, 16, 0xdd)
  }

  /** A moment as MessagePack's timestamp, in the shortest of its three forms. */
  timestamp(ms: number): void {
    this.room(15)
    const seconds = Math.floor(ms / 1000)
    const nanoseconds = (ms - seconds * 1000) * 1e6
    const { buffer, view, at } = this
    if (nanoseconds === 0 && seconds >= 0 && seconds < 2 ** 32) {
      buffer.set([0xd6, 0xff], at)
      view.setUint32(at + 2, seconds)
      this.at = at + 6
    } else if (seconds >= 0 && seconds < 2 ** 34) {
      buffer.set([0xd7, 0xff], at)
      view.setBigUint64(at + 2, (BigInt(nanoseconds) << 34n) | BigInt(seconds))
      this.at = at + 10
    } else {
      buffer.set([0xc7, 12, 0xff], at)
      view.setUint32(at + 3, nanoseconds)
      view.setBigInt64(at + 7, BigInt(seconds))
      this.at = at + 15
    }
  }

  /** A length in its shortest form: within the first byte below `small`, else behind `long`, and the two that follow it, in 1, 2 or 4 bytes. */
  private header(length: number, first: number, small: number, long: number): void {
    this.room(5)
    const { buffer, at } = this
    if (length < small) buffer[this.at++] = first | length
    else if (length < 0x100 && long !== 0xdb && long !== 0xdd) {
      buffer[at] = long
      buffer[at + 1] = length
      this.at = at + 2
    } else if (length < 0x10000) {
      buffer[at] = long + 1
      this.view.setUint16(at + 1, length)
      this.at = at + 3
    } else {
      buffer[at] = long + 2
      this.view.setUint32(at + 1, length)
      this.at = at + 5
    }
  }

  private byte(value: number): void {
    this.room(1)
    this.buffer[this.at++] = value
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    let size = Math.min(this.buffer.length * 2, fullAt)
    const used = this.buffer.subarray(0, this.at)
    if (this.at >= fullAt / 2) this.setAside()
    size = Math.max(size, this.at + bytes)
    const larger = Buffer.allocUnsafeSlow(size)
    if (this.at > 0) larger.set(used)
    this.buffer = larger
    this.view = new DataView(larger.buffer)
  }

  private setAside(): void {
    if (this.at === 0) return
    this.done.push(this.buffer.subarray(0, this.at))
    this.doneBytes += this.at
    this.buffer = this.buffer.subarray(this.at)
    this.view = new DataView(this.buffer.buffer, this.buffer.byteOffset)
    this.at = 0
    if (this.doneBytes > maxBytes)
      throw new Refusal('has more than 4 GiB, the most that one file can be loaded from: save it in parts')
  }
}
