/** Where the winning record of each key lies, in typed arrays: no object and no string an item. */
import { kinds, type Rank } from './record.js'

/** Where a record lies, and how it ranks. */
export interface Slot extends Rank {
  /** Index of its segment. */
  readonly segment: number
  /** Its place in the segment, in bytes. */
  readonly at: number
  /** As in the record; `unreadable` for one that was found damaged. */
  readonly kind: number
}

/** No record is there to be read, but one was: what it hid stays hidden. */
export const unreadable = 0

/** Above any place in a segment. */
export const segmentSpan = 2 ** 35
const blockBits = 14
const blockSize = 1 << blockBits

/** Rows are kept in blocks that never move, so that growing copies nothing but the hash table. */
interface Block {
  readonly low: Uint32Array
  readonly high: Uint32Array
  readonly segment: Uint32Array
  readonly place: Uint32Array
  readonly generation: Uint32Array
  readonly time: Float64Array
  readonly kind: Uint8Array
}

const bytesPerRow = 5 * 4 + 8 + 1

/** A hash table from the XXH64 of a key to its winning record. Keys of one hash have a row each; who reads compares the key. */
export class KeyTable {
  #buckets = new Int32Array(1 << 10).fill(-1)
  readonly #blocks: Block[] = []
  #rows = 0
  #values = 0

  /** Keys that have a value. */
  get size(): number {
    return this.#values
  }

  /** Rows, those of errors and deleted keys included. */
  get rows(): number {
    return this.#rows
  }

  /** Bytes the table holds. */
  get bytes(): number {
    return this.#buckets.byteLength + this.#blocks.length * blockSize * bytesPerRow
  }

  /** The first row of a hash, or the next one behind row `after`; −1: there is none. */
  rowOf(low: number, high: number, after = -1): number {
    const mask = this.#buckets.length - 1
    let isBehind = after < 0
    for (let bucket = mix(low, high) & mask; ; bucket = (bucket + 1) & mask) {
      const row = this.#buckets[bucket]!
      if (row < 0) return -1
      const block = this.#blocks[row >> blockBits]!
      const i = row & (blockSize - 1)
      if (block.low[i] !== low || block.high[i] !== high) continue
      if (isBehind) return row
      isBehind = row === after
    }
  }

  /** Makes room for so many more rows at once. */
  reserve(rows: number): void {
    let buckets = this.#buckets.length
    // By so much, for every row is linked anew.
    while ((this.#rows + rows) * 3 > buckets * 2) buckets *= 4
    if (buckets > this.#buckets.length) this.#resize(buckets)
  }

  /** Adds a row for a key that has none. */
  add(low: number, high: number, slot: Slot): void {
    this.reserve(1)
    const row = this.#rows++
    if (row >> blockBits === this.#blocks.length) this.#blocks.push(newBlock())
    const block = this.#blocks[row >> blockBits]!
    const i = row & (blockSize - 1)
    block.low[i] = low
    block.high[i] = high
    this.#link(row)
    this.replace(row, slot)
  }

  /** Puts another record in a row's place. */
  replace(row: number, slot: Slot): void {
    const block = this.#blocks[row >> blockBits]!
    const i = row & (blockSize - 1)
    this.#values += Number(isValue(slot.kind)) - Number(isValue(block.kind[i]!))
    block.segment[i] = slot.segment
    block.place[i] = slot.at / 8
    block.generation[i] = slot.generation
    block.time[i] = slot.time
    block.kind[i] = slot.kind
  }

  slot(row: number): Slot {
    const block = this.#blocks[row >> blockBits]!
    const i = row & (blockSize - 1)
    return {
      segment: block.segment[i]!,
      at: block.place[i]! * 8,
      generation: block.generation[i]!,
      time: block.time[i]!,
      kind: block.kind[i]!,
    }
  }

  /** What tells where a row's record lies, to be sorted by: its segment before its place. */
  placeOf(row: number): number {
    const block = this.#blocks[row >> blockBits]!
    const i = row & (blockSize - 1)
    return block.segment[i]! * segmentSpan + block.place[i]! * 8
  }

  kind(row: number): number {
    return this.#blocks[row >> blockBits]!.kind[row & (blockSize - 1)]!
  }

  #resize(buckets: number): void {
    this.#buckets = new Int32Array(buckets).fill(-1)
    for (let row = 0; row < this.#rows; row++) this.#link(row)
  }

  #link(row: number): void {
    const block = this.#blocks[row >> blockBits]!
    const i = row & (blockSize - 1)
    const mask = this.#buckets.length - 1
    let bucket = mix(block.low[i]!, block.high[i]!) & mask
    while (this.#buckets[bucket]! >= 0) bucket = (bucket + 1) & mask
    this.#buckets[bucket] = row
  }
}

/** Whether a kind is that of a value, small or large. */
export function isValue(kind: number): boolean {
  return kind === kinds.value || kind === kinds.blob
}

/** XXH64 is well mixed already; both halves take part, for a segment keeps keys of one range of either. */
function mix(low: number, high: number): number {
  return (low ^ (high >>> 7)) >>> 0
}

function newBlock(): Block {
  return {
    low: new Uint32Array(blockSize),
    high: new Uint32Array(blockSize),
    segment: new Uint32Array(blockSize),
    place: new Uint32Array(blockSize),
    generation: new Uint32Array(blockSize),
    time: new Float64Array(blockSize),
    kind: new Uint8Array(blockSize),
  }
}

/**
 * True when `a` goes before `b`: by the highest generation; then what can be read before what cannot; values before errors; the lowest
 * time; and the writers' names decide last, so that everybody comes to the same answer.
 */
export function outranks(a: Slot & { readonly writer: string }, b: Slot & { readonly writer: string }): boolean {
  if (a.generation !== b.generation) return a.generation > b.generation
  const [first, second] = [standing(a.kind), standing(b.kind)]
  if (first !== second) return first < second
  if (a.time !== b.time) return a.time < b.time
  return a.writer < b.writer
}

function standing(kind: number): number {
  return kind === unreadable ? 2 : kind === kinds.error ? 1 : 0
}
