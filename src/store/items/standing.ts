/** Which record stands for each key: what the segments of a folder hold, taken together. */
import * as path from 'node:path'
import { CurioError } from '../../errors.js'
import type { StoreEvents } from '../events.js'
import { readIndex } from './index-file.js'
import type { EncodedKeys } from './keys.js'
import { codeAt, generationAt, highAt, holdsKey, keyAt, lowAt, timeAt } from './record.js'
import { indexOf, preamble } from './segment.js'
import { Segments } from './segments.js'
import { KeyTable, outranks, type Slot, segmentSpan, unreadable } from './table.js'

/** Records this far apart are read in two calls rather than with what lies between. */
const nearBytes = 32 << 10

/** What there is of a key. */
export interface Found {
  readonly slot: Slot
  /** What was last read of the record's segment; until more of it is. */
  readonly bytes: Buffer
  /** Where in `bytes` the record begins; −1: it cannot be read. */
  readonly at: number
  /** Who wrote it. */
  readonly writer: string
}

/** How to look for many keys: in which order; and for each the first row of its hash, and up to where in its segment to read on. */
export interface ReadingOrder {
  readonly order: Int32Array
  readonly rows: Int32Array
  readonly until: Float64Array
}

export class Standing {
  #table = new KeyTable()
  #segments: Segments
  /** The clock: no less than the time of any record seen. */
  lastTime = 0

  constructor(
    readonly dir: string,
    readonly events: StoreEvents,
  ) {
    this.#segments = this.#newSegments()
  }

  get table(): KeyTable {
    return this.#table
  }

  /** Takes in what was written since. With nothing new it costs a look at the folder, and one at each segment that is not sealed. */
  refresh(): void {
    if (!this.#segments.look()) {
      // A segment is gone, and what it hid may stand again.
      this.close()
      this.#segments = this.#newSegments()
      this.#table = new KeyTable()
      this.#segments.look()
    }
    for (const [number, reader] of this.#segments.readers.entries()) if (!reader.isDone) this.#take(number)
  }

  /**
   * The record of a key; one of its hash that cannot be read is taken for it, so that what it hid stays hidden.
   *
   * @param row the first of its hash, @param until up to where to read on: from `readingOrder`.
   */
  find(keys: EncodedKeys, i: number, row = this.#rowOf(keys, i), until?: number): Found | undefined {
    for (; row >= 0; row = this.#rowOf(keys, i, row)) {
      const found = this.read(row, until)
      if (found.at < 0 || holdsKey(found.bytes, found.at, keys.bytes, keys.starts[i], keys.starts[i + 1])) return found
    }
    return undefined
  }

  /** Whether the record that `writer` wrote at `time`, which it gives only once, stands for a key. Reads nothing. */
  stands(keys: EncodedKeys, i: number, time: number, writer: string): boolean {
    for (let row = this.#rowOf(keys, i); row >= 0; row = this.#rowOf(keys, i, row)) {
      const slot = this.#table.slot(row)
      if (slot.time === time && this.#segments.readers[slot.segment]!.writer === writer) return slot.kind !== unreadable
    }
    return false
  }

  #rowOf(keys: EncodedKeys, i: number, after?: number): number {
    return this.#table.rowOf(keys.low[i]!, keys.high[i]!, after)
  }

  /** The record of a row. */
  read(row: number, until?: number): Found {
    const slot = this.#table.slot(row)
    const reader = this.#segments.readers[slot.segment]!
    const at = slot.kind === unreadable ? -1 : reader.bring(slot.at, until)
    if (at < 0 && slot.kind !== unreadable) {
      this.#table.replace(row, { ...slot, kind: unreadable })
      this.#noteDamage(reader.file, slot.at)
    }
    return { slot, bytes: reader.bytes, at, writer: reader.writer }
  }

  /** Those of the keys that may have records, in the order in which these are read best. */
  readingOrder(keys: EncodedKeys): ReadingOrder {
    const rows = new Int32Array(keys.count)
    const places = new Float64Array(keys.count)
    const order = new Int32Array(keys.count)
    let count = 0
    let isSorted = true
    for (let i = 0; i < keys.count; i++) {
      const row = this.#rowOf(keys, i)
      rows[i] = row
      if (row < 0) continue
      const place = this.#table.placeOf(row)
      places[i] = place
      if (count > 0 && place < places[order[count - 1]!]!) isSorted = false
      order[count++] = i
    }
    const found = order.subarray(0, count)
    if (!isSorted) found.sort((a, b) => places[a]! - places[b]!)
    const until = new Float64Array(keys.count)
    for (let n = count - 1; n >= 0; n--) {
      const [i, after] = [found[n]!, found[n + 1]]
      const isNear = after !== undefined && places[after]! - places[i]! <= nearBytes
      until[i] = isNear ? until[after]! : places[i]! % segmentSpan
    }
    return { order: found, rows, until }
  }

  close(): void {
    for (const reader of this.#segments.readers) reader.close()
  }

  #newSegments(): Segments {
    return new Segments(this.dir, (file, place) => this.#noteDamage(file, place))
  }

  /** Takes in what a segment holds beyond what was seen of it. */
  #take(segment: number): void {
    const reader = this.#segments.readers[segment]!
    try {
      const length = reader.length() ?? reader.scanned
      const isIndexed = reader.scanned === preamble && reader.isSealed && this.#takeIndex(segment, length)
      if (!isIndexed && length > reader.scanned) {
        const take = (bytes: Buffer, at: number, place: number): void => {
          const rank = { generation: generationAt(bytes, at), time: timeAt(bytes, at) }
          const slot = { segment, at: place, ...rank, kind: codeAt(bytes, at) }
          this.#rank(lowAt(bytes, at), highAt(bytes, at), slot)
        }
        reader.scan(length, take, (place) => this.#noteDamage(reader.file, place))
      }
      reader.isDone = reader.isSealed
    } catch (error) {
      // One segment that another user keeps to himself must not hide all others.
      if (!CurioError.is(error, 'ERR_PERMISSION')) throw error
      this.#noteDamage(reader.file, 0)
      reader.isDone = true
    }
  }

  #takeIndex(segment: number, length: number): boolean {
    const reader = this.#segments.readers[segment]!
    const rows = readIndex(indexOf(reader.file), length)
    if (rows === 'cut') this.#noteDamage(reader.file, length)
    if (rows === undefined || rows === 'cut' || !reader.isReadable) return false
    this.#table.reserve(rows.count)
    for (let i = 0; i < rows.count; i++) {
      const place = rows.place[i]! * 8
      const slot = { segment, at: place, generation: rows.generation[i]!, time: rows.time[i]!, kind: rows.kind[i]! }
      this.#rank(rows.low[i]!, rows.high[i]!, slot)
    }
    reader.scanned = length
    return true
  }

  /** Takes a record into the table, if it goes before what is there for its key. */
  #rank(low: number, high: number, slot: Slot): void {
    // A clock that no computer can have would stop everybody's.
    if (slot.time > this.lastTime && slot.time < Number.MAX_SAFE_INTEGER / 2) this.lastTime = slot.time
    let row = this.#table.rowOf(low, high)
    if (row < 0) {
      this.#table.add(low, high, slot)
      return
    }
    const reader = this.#segments.readers[slot.segment]!
    const inside = reader.bring(slot.at)
    const key = inside < 0 ? undefined : Buffer.from(keyAt(reader.bytes, inside))
    const mine = { ...slot, kind: key === undefined ? unreadable : slot.kind, writer: reader.writer }
    for (; row >= 0; row = this.#table.rowOf(low, high, row)) {
      const there = this.read(row)
      if (key !== undefined && there.at >= 0 && !holdsKey(there.bytes, there.at, key)) continue
      const theirs = { ...this.#table.slot(row), writer: there.writer }
      if (outranks(mine, theirs)) this.#table.replace(row, mine)
      return
    }
    this.#table.add(low, high, mine)
  }

  #noteDamage(file: string, at: number): void {
    this.events.emit({ kind: 'item-damaged', segment: path.basename(file), at })
  }
}
