import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as io from '../io.js'
import { OpenFile, reopen } from './open-files.js'
import { type NewRecord, recordLength, writeRecord } from './record.js'
import { fullBytes, fullRecords, preamble, writePreamble } from './segment.js'

/** The one writer of a segment. */
export class SegmentWriter {
  readonly #salt = randomBytes(4).readUInt32LE()
  readonly #file: OpenFile
  #length = 0
  #records = 0
  /** Set when a write failed. */
  #broken = false

  /** @param file must not be there yet. */
  constructor(
    readonly file: string,
    mode: number,
  ) {
    this.#file = new OpenFile(() => (this.#length === 0 ? create(file, mode | 0o200) : reopen(file)))
    this.#fd()
  }

  get length(): number {
    return this.#length
  }

  get isFull(): boolean {
    return this.#broken || this.#length >= fullBytes || this.#records >= fullRecords
  }

  /** False when somebody removed the file, or cut it: what is written to it would be found nowhere. */
  get isThere(): boolean {
    const fd = this.#file.fd
    if (fd === undefined) return false
    const { nlink, size } = fs.fstatSync(fd)
    return nlink > 0 && size >= this.#length
  }

  /**
   * Appends records in one write: after it they survive the end of the process.
   *
   * @returns the place of each.
   * @throws a system error; then none of them is there.
   */
  append(records: readonly NewRecord[]): number[] {
    const start = this.#length
    const first = start === 0 ? preamble : start
    let end = first
    for (const { key, codec, payload } of records) {
      end += recordLength(key.byteLength, Buffer.byteLength(codec), payload.byteLength)
    }
    const bytes = Buffer.allocUnsafe(end - start)
    if (start === 0) writePreamble(bytes, this.#salt)
    const places: number[] = []
    let at = first
    for (const record of records) {
      places.push(at)
      at += writeRecord(bytes, at - start, record, this.#salt, at)
    }
    this.#write(bytes, start)
    this.#length = end
    this.#records += records.length
    return places
  }

  #write(bytes: Buffer, start: number): void {
    const fd = this.#fd()
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += fs.writeSync(fd, bytes, done, Math.min(bytes.byteLength - done, io.block), start + done)
      }
    } catch (error) {
      // Nothing is written behind it again: a reader may have seen what is cut off here, and would miss what came in its place.
      this.#broken = true
      try {
        fs.ftruncateSync(fd, start)
        // A full disk would else gather an empty file with each try.
        if (start === 0) fs.unlinkSync(this.file)
      } catch (second) {
        // The error of the write is the one to report.
        if (io.errnoOf(second) === undefined) throw second
      }
      throw error
    }
  }

  #fd(): number {
    const fd = this.#file.fd
    if (fd === undefined) throw io.ioError('append to', this.file, new Error('somebody removed it'))
    return fd
  }

  close(): void {
    this.#file.close()
  }
}

function create(file: string, mode: number): number {
  const fd = fs.openSync(file, 'wx', mode)
  io.setMode(() => fs.fchmodSync(fd, mode))
  return fd
}
