/** The segments in one folder, as far as this process knows them. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import * as io from '../io.js'
import { indexOf, writerOf } from './segment.js'
import { SegmentReader } from './segment-reader.js'

/** A folder whose time of change stands still for so long has been seen whole: file systems' clocks tick in steps of up to seconds. */
const settledMs = 3000

export class Segments {
  /** By number. */
  readonly readers: SegmentReader[] = []
  readonly #known = new Map<string, SegmentReader>()
  #stamp = ''
  #stampSince = 0
  #listed = 0

  /** @param onDamage told of segments whose first bytes are damaged. */
  constructor(
    readonly dir: string,
    readonly onDamage: (segment: string, place: number) => void,
  ) {}

  /**
   * Looks for new segments, in a folder that has changed since.
   *
   * @returns false when one that was known is gone.
   */
  look(): boolean {
    const names = this.#names()
    if (names === undefined) return true
    for (const name of this.#known.keys()) if (!names.has(name)) return false
    for (const name of names) {
      const writer = writerOf(name)
      if (writer === undefined) continue
      let reader = this.#known.get(name)
      if (reader === undefined) {
        reader = new SegmentReader(path.join(this.dir, name), writer, (at) => this.onDamage(name, at))
        this.#known.set(name, reader)
        this.readers.push(reader)
      }
      reader.isSealed = names.has(indexOf(name))
    }
    return true
  }

  #names(): Set<string> | undefined {
    const now = performance.now()
    try {
      const stat = fs.statSync(this.dir, { throwIfNoEntry: false })
      const stamp = `${stat?.ino}:${stat?.mtimeMs}`
      if (stamp !== this.#stamp) {
        this.#stamp = stamp
        this.#stampSince = now
      } else if (this.#listed - this.#stampSince > settledMs) return undefined
      const names = new Set(stat === undefined ? [] : fs.readdirSync(this.dir))
      this.#listed = now
      return names
    } catch (error) {
      if (io.isAbsent(error)) return new Set()
      throw io.ioError('list', this.dir, error)
    }
  }
}
