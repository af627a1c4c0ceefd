import * as io from '../io.js'
import { FileWindow } from './open-files.js'
import { goodLengthAt, headerBytes, lengthAt, saltIn } from './record.js'
import { preamble, saltOf } from './segment.js'

/** What is read at once where many records are wanted that lie one behind the other. */
const window = 256 << 10
/** What is read for one record. */
const firstWindow = 8 << 10
/** Holds the largest record, and the header of a segment. */
const largest = 2 << 20
/** So long after it grew last, what is no whole record at the end of a file is not looked at again: its writer is gone. */
const tornMs = 1000

/** Told of a good record: it begins at `at` in `bytes`, and at `place` in its segment. */
export type OnRecord = (bytes: Buffer, at: number, place: number) => void

/** Reads the records of one segment, of this process's or another's. */
export class SegmentReader {
  /** Up to here every record has been seen; behind it a writer may be at work. */
  scanned = preamble
  /** Its index is there: nothing will be appended. */
  isSealed = false
  /** Everything has been seen, for good. */
  isDone = false
  readonly #window: FileWindow
  #salt: number | undefined
  #next = 0
  #seen = { length: 0, at: 0 }

  /** @param onDamage when its first bytes are not those of a segment. */
  constructor(
    readonly file: string,
    readonly writer: string,
    readonly onDamage: (place: number) => void = () => undefined,
  ) {
    this.#window = new FileWindow(file)
  }

  /** Length of the file now; undefined when it is gone, or no file. */
  length(): number | undefined {
    return io.sizeOf(this.file)
  }

  /** What was read last, for who called `bring`. */
  get bytes(): Buffer {
    return this.#window.bytes
  }

  /**
   * Reads the record at a place.
   *
   * @param until whoever reads on from there to the record at this place saves calls.
   * @returns where in `bytes` it begins; −1 when it is not whole and good.
   */
  bring(place: number, until = place): number {
    const salt = this.#saltNow()
    if (salt === undefined) return -1
    const held = this.#window
    const inside = place - held.start
    let length = inside >= 0 ? goodLengthAt(held.bytes, inside, salt, place) : undefined
    if (length !== undefined) {
      this.#next = place + length
      return inside
    }
    held.read(place, place === this.#next ? window : Math.min(until - place + firstWindow, window))
    const wanted = lengthAt(held.bytes, 0, salt, place)
    if (wanted !== undefined && wanted > held.bytes.byteLength) held.read(place, wanted)
    length = goodLengthAt(held.bytes, 0, salt, place)
    if (length === undefined) return -1
    this.#next = place + length
    return 0
  }

  /** Whether it is a segment of this version, so that its records can be read. */
  get isReadable(): boolean {
    return this.#saltNow() !== undefined
  }

  /**
   * Every whole record from `scanned` on, in order, up to where the file ends or a writer is at work. A damaged one is passed over:
   * what lies behind it is found by its own mark. Leaves `scanned` behind the last good one.
   */
  scan(end: number, onRecord: OnRecord, onDamage: (place: number) => void): void {
    const now = performance.now()
    if (this.#seen.length === end && now - this.#seen.at > tornMs) return
    const isWhole = this.#scanned(end, onRecord, onDamage)
    // Only now: what could not be read this time is read the next.
    if (isWhole && this.#seen.length !== end) this.#seen = { length: end, at: now }
  }

  /** Whether all could be read. */
  #scanned(end: number, onRecord: OnRecord, onDamage: (place: number) => void): boolean {
    const salt = this.#saltNow()
    const held = this.#window
    if (salt === undefined) return held.bytes.byteLength > 0
    let damaged: number | undefined
    let at = this.scanned
    held.read(at, Math.min(window, end - at))
    while (at + headerBytes <= end) {
      const inside = at - held.start
      // Who is told of a record may read others here.
      const length = inside < 0 ? undefined : goodLengthAt(held.bytes, inside, salt, at)
      if (length !== undefined) {
        if (damaged !== undefined) onDamage(damaged)
        damaged = undefined
        onRecord(held.bytes, inside, at)
        at += length
        this.scanned = at
        continue
      }
      const needed = (inside < 0 ? undefined : lengthAt(held.bytes, inside, salt, at)) ?? headerBytes
      if (inside < 0 || (inside > 0 && inside + needed > held.bytes.byteLength))
        held.read(at, Math.min(window, end - at))
      else if (needed > held.bytes.byteLength && at + needed <= end) {
        if (held.read(at, needed).byteLength < needed) return false
      } else {
        damaged ??= at
        at += 8
      }
      if (held.bytes.byteLength < headerBytes) return false
    }
    return true
  }

  /** As the first good record says it, under its checksum; as the segment's first bytes do where there is none yet. */
  #saltNow(): number | undefined {
    if (this.#salt !== undefined) return this.#salt
    const first = saltOf(this.#window.read(0, firstWindow))
    this.#salt = this.#saltInRecords()
    if (this.#salt === undefined && this.#window.bytes.byteLength === firstWindow) {
      this.#window.read(0, largest)
      this.#salt = this.#saltInRecords()
    }
    if (this.#salt === undefined) return first
    if (this.#salt !== first) this.onDamage(0)
    return this.#salt
  }

  #saltInRecords(): number | undefined {
    const { bytes } = this.#window
    for (let at = preamble; at + headerBytes <= bytes.byteLength; at += 8) {
      const salt = saltIn(bytes, at)
      if (goodLengthAt(bytes, at, salt, at) !== undefined) return salt
    }
    return undefined
  }

  close(): void {
    this.#window.close()
  }
}
