import { createHash } from 'node:crypto'

/** Random choices that follow from a seed (xorshift32 over a mixed seed). */
export class Random {
  #state: number

  constructor(seed: number | string) {
    this.#state = createHash('sha256').update(String(seed)).digest().readUInt32LE(0) | 1
  }

  /** From 0 to 1, 1 excluded. */
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return (x >>> 0) / 2 ** 32
  }

  /** A whole number from 0 to `end`, `end` excluded. */
  int(end: number): number {
    return Math.floor(this.next() * end)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)]!
  }
}

/** Bytes that follow from a name, so that whoever knows the name can check them. */
export function bytesFor(name: string, length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(name).digest()
}

export function sha256Hex(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
