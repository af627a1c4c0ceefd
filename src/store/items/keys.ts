import { InvalidNameError } from '../../errors.js'
import { sumHigh, sumLow, sumUp } from '../checksum.js'
import { maxKey } from './record.js'

/** Keys as bytes, one behind the other, and their XXH64 in two halves. */
export class EncodedKeys {
  readonly low: Uint32Array
  readonly high: Uint32Array
  readonly bytes: Buffer
  /** Where each begins in `bytes`, and the last one ends. */
  readonly starts: Uint32Array

  /** @throws {InvalidNameError} for a key that is no well-formed text, or longer than 4,096 bytes. */
  constructor(readonly keys: readonly string[]) {
    this.low = new Uint32Array(keys.length)
    this.high = new Uint32Array(keys.length)
    this.starts = new Uint32Array(keys.length + 1)
    let most = 0
    for (const key of keys) {
      if (typeof key !== 'string' || !key.isWellFormed()) {
        throw new InvalidNameError(String(key), 'is no well-formed text')
      }
      most += key.length * 3
    }
    this.bytes = Buffer.allocUnsafe(most)
    let end = 0
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      const length = this.bytes.write(key, end)
      if (length > maxKey) {
        throw new InvalidNameError(key, `has ${length} bytes; the key of an item has at most ${maxKey}`)
      }
      end += length
      this.starts[i + 1] = end
      sumUp(this.at(i))
      this.low[i] = sumLow()
      this.high[i] = sumHigh()
    }
  }

  get count(): number {
    return this.keys.length
  }

  /** The bytes of a key; a view. */
  at(i: number): Buffer {
    return this.bytes.subarray(this.starts[i], this.starts[i + 1])
  }
}
