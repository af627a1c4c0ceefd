/** MessagePack's own types, read one after the other. No length is believed before it is compared with what is left. */
import { isUtf8 } from 'node:buffer'
import { Refusal } from './format.js'

const cachedKeys = 4096

export class Input {
  private readonly buffer: Buffer
  private readonly view: DataView
  private readonly keys: { at: number; length: number; text: string }[] = []
  at = 0

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.buffer.length - this.at
  }

  /** True when these bytes occur anywhere. */
  includes(text: string): boolean {
    return this.buffer.includes(text, 0, 'latin1')
  }

  byte(): number {
    this.need(1)
    return this.buffer[this.at++]!
  }

  /** The byte that comes next, which says what follows; it stays. */
  peek(): number {
    this.need(1)
    return this.buffer[this.at]!
  }

  uint(bytes: 1 | 2 | 4): number {
    const at = this.take(bytes)
    return bytes === 1 ? this.buffer[at]! : bytes === 2 ? this.view.getUint16(at) : this.view.getUint32(at)
  }

  int(bytes: 1 | 2 | 4): number {
    const at = this.take(bytes)
    return bytes === 1 ? this.view.getInt8(at) : bytes === 2 ? this.view.getInt16(at) : this.view.getInt32(at)
  }

  uint64(): bigint {
    return this.view.getBigUint64(this.take(8))
  }

  int64(): bigint {
    return this.view.getBigInt64(this.take(8))
  }

  float(bytes: 4 | 8): number {
    const at = this.take(bytes)
    return bytes === 4 ? this.view.getFloat32(at) : this.view.getFloat64(at)
  }

  /** The length of an array or a map: no more elements than bytes are left, `each` bytes at least for one. */
  count(length: number, each: 1 | 2): number {
    if (length * each > this.left) this.fail(`${length} elements cannot fit in the ${this.left} bytes left`)
    return length
  }

  text(length: number): string {
    const at = this.take(length)
    const { buffer } = this
    if (length < 12) {
      let text = ''
      let i = at
      for (; i < at + length; i++) {
        const code = buffer[i]!
        if (code >= 0x80) break
        text += String.fromCharCode(code)
      }
      if (i === at + length) return text
    }
    const text = buffer.toString('utf8', at, at + length)
    // What is no UTF-8 becomes U+FFFD, which may also be there by right.
    if (text.includes('\uFFFD') && !isUtf8(buffer.subarray(at, at + length))) {
      this.at = at
      this.fail('a text is not UTF-8')
    }
    return text
  }

  /** A short text that may well have been read before: the same string then. */
  key(length: number): string {
    const at = this.take(length)
    const { buffer } = this
    let hash = length
    for (let i = at; i < at + length; i++) hash = (hash * 31 + buffer[i]!) & (cachedKeys - 1)
    const known = this.keys[hash]
    if (known !== undefined && known.length === length) {
      let i = 0
      while (i < length && buffer[known.at + i] === buffer[at + i]) i += 1
      if (i === length) return known.text
    }
    this.at = at
    const text = this.text(length)
    this.keys[hash] = { at, length, text }
    return text
  }

  /** A copy, in an ArrayBuffer of its own. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const at = this.take(length)
    const copy = new Uint8Array(length)
    copy.set(this.buffer.subarray(at, at + length))
    return copy
  }

  fail(reason: string): never {
    throw new Refusal(`byte ${this.at}: ${reason}`)
  }

  private take(bytes: number): number {
    this.need(bytes)
    const { at } = this
    this.at = at + bytes
    return at
  }

  private need(bytes: number): void {
    if (bytes > this.left) this.fail(`${bytes} bytes should follow, but only ${this.left} are left`)
  }
}
