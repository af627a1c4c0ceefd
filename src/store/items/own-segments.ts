/** The segments that this process writes in one folder, one after the other. */
import { randomBytes } from 'node:crypto'
import * as path from 'node:path'
import { CurioError } from '../../errors.js'
import type { StoreEvents } from '../events.js'
import * as io from '../io.js'
import { processToken } from '../process.js'
import { withRoom } from './open-files.js'
import type { NewRecord } from './record.js'
import { writeIndex } from './seal.js'
import { fullBytes, segmentName } from './segment.js'
import { SegmentWriter } from './segment-writer.js'

export interface SpaceOptions {
  readonly modes: io.Modes
  readonly events: StoreEvents
}

export class OwnSegments {
  readonly writerName = `${processToken()}-${randomBytes(4).toString('hex')}`
  #writer: SegmentWriter | undefined
  #count = 0
  /** Files of which loss of power may still take something. */
  readonly #unsynced = new Set<string>()
  /** Whether it may take the name of one of them, too. */
  #hasNewNames = false

  constructor(
    readonly dir: string,
    readonly options: SpaceOptions,
  ) {}

  /**
   * Appends records, as many in one write as a segment takes; after it they survive the end of the process.
   *
   * @throws {StoreIOError} then none of those of the last write is there.
   */
  append(records: readonly NewRecord[]): void {
    for (let from = 0; from < records.length; ) {
      let to = from
      for (let bytes = 0; to < records.length && bytes < fullBytes; to++) bytes += records[to]!.payload.byteLength
      const writer = this.#writerNow()
      try {
        writer.append(records.slice(from, to))
      } catch (error) {
        throw CurioError.is(error) ? error : io.ioError('append to', writer.file, error)
      } finally {
        this.#unsynced.add(writer.file)
        if (writer.isFull) this.seal()
      }
      from = to
    }
  }

  #writerNow(): SegmentWriter {
    if (this.#writer?.isThere === false) {
      this.#writer.close()
      this.#writer = undefined
    }
    if (this.#writer !== undefined) return this.#writer
    io.ensureDir(this.dir, this.options.modes.dir, false)
    this.#count += 1
    const file = path.join(this.dir, segmentName(this.writerName, this.#count))
    this.#hasNewNames = true
    try {
      this.#writer = new SegmentWriter(file, this.options.modes.file)
    } catch (error) {
      throw CurioError.is(error) ? error : io.ioError('create', file, error)
    }
    return this.#writer
  }

  /** Ends the segment that is being written. Its index is best effort: a segment without one is scanned. */
  seal(): void {
    const writer = this.#writer
    if (writer === undefined) return
    this.#writer = undefined
    writer.close()
    if (writer.length === 0) return
    try {
      writeIndex(writer.file, writer.length, this.options.modes.file)
    } catch (error) {
      if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
      this.options.events.emit({ kind: 'index-failed', file: writer.file, reason: (error as Error).message })
    }
  }

  /** Makes what was appended survive loss of power, and its name up to the folder `root`. */
  sync(root: string): void {
    if (this.#unsynced.size === 0) return
    for (const file of this.#unsynced) withRoom(() => io.syncFile(file))
    if (this.#hasNewNames) {
      for (let at = this.dir; at.length >= root.length; at = path.dirname(at)) withRoom(() => io.syncDir(at))
    }
    this.#hasNewNames = false
    this.#unsynced.clear()
  }
}
