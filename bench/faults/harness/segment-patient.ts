/** A sealed segment with its index, to be damaged again and again; every look is by a process of its own. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { StoreEvents } from '../../../src/store/events.js'
import { ItemSpace, type NewItem } from '../../../src/store/items/space.js'
import { bytesFor, type Random } from './random.js'
import { must, mustEqual } from './row.js'

/** What stands at one moment, by key; an absent key was deleted or never put. */
export type State = ReadonlyMap<string, string>

export class SegmentPatient {
  readonly segment: Buffer
  readonly index: Buffer
  readonly #file: string

  private constructor(
    readonly folder: string,
    /** Every key there ever was. */
    readonly keys: readonly string[],
    /** Up to which byte the segment was written when each state was reached. */
    readonly states: readonly { readonly end: number; readonly state: State }[],
  ) {
    this.#file = path.join(folder, fs.readdirSync(folder).find((name) => name.endsWith('.seg'))!)
    this.segment = fs.readFileSync(this.#file)
    this.index = fs.readFileSync(this.#indexFile)
  }

  /** Values are put, replaced, deleted until the segment has so many bytes; a large one only gets new keys, and keeps its last state. */
  static make(folder: string, bytes: number, random: Random, mostBytes = 200): SegmentPatient {
    const space = spaceAt(folder)
    const isLarge = bytes > 1 << 20
    const state = new Map<string, string>()
    const states = [{ end: 0, state: new Map(state) as State }]
    const keys: string[] = []
    for (let n = 0; states.at(-1)!.end < bytes; n++) {
      // First of all one of each.
      const isFirst = n < 5
      // The one that was deleted first stays so: else there may be no deletion left for damage to undo.
      const known = isLarge || keys.length === 0 ? undefined : isFirst ? keys[0] : random.pick(keys.slice(1))
      const what = isFirst ? [2, 1, 2, 0, 2][n] : random.int(10)
      if (known !== undefined && what === 0) {
        space.delete(known)
        state.delete(known)
      } else {
        const key = known !== undefined && what === 1 ? known : `key ${keys.push(`key ${keys.length}`) - 1}`
        const value = bytesFor(`${n}`, random.int(isFirst ? 20 : mostBytes)).toString('latin1')
        mustEqual(space.put([item(key, value, true)])[0], true, `putting ${key}`)
        state.set(key, value)
      }
      const end = fs.statSync(path.join(folder, fs.readdirSync(folder)[0]!)).size
      if (isLarge) states.pop()
      states.push({ end, state: isLarge ? state : new Map(state) })
    }
    space.close()
    return new SegmentPatient(folder, keys, states)
  }

  get #indexFile(): string {
    return this.#file.replace(/\.seg$/, '.idx')
  }

  /** What was put last. */
  get last(): State {
    return this.states.at(-1)!.state
  }

  /** What was put by records that end at or before `end`. */
  stateAt(end: number): State {
    return this.states.findLast((one) => one.end <= end)!.state
  }

  /** What was being put there, whole or in part. */
  stateAfter(end: number): State {
    return this.states.find((one) => one.end > end)?.state ?? this.last
  }

  /** Puts the files as they shall be; no index: undefined. Other segments go. */
  lay(segment: Uint8Array, index: Uint8Array | undefined): void {
    for (const name of fs.readdirSync(this.folder)) fs.rmSync(path.join(this.folder, name))
    fs.writeFileSync(this.#file, segment)
    if (index !== undefined) fs.writeFileSync(this.#indexFile, index)
  }

  /** Turns one bit of the segment over, in place. */
  flip(bit: number): void {
    const fd = fs.openSync(this.#file, 'r+')
    const byte = Buffer.alloc(1)
    fs.readSync(fd, byte, 0, 1, bit >> 3)
    byte[0]! ^= 1 << (bit & 7)
    fs.writeSync(fd, byte, 0, 1, bit >> 3)
    fs.closeSync(fd)
  }

  /**
   * Every key must have its value, or none: at most `mostAbsent` of them. What was deleted or replaced must not come back.
   *
   * @param next what may stand instead: a change that was cut off may have been made.
   * @returns how many were absent.
   */
  mustStand(
    expected: State,
    mostAbsent: number,
    what: string,
    keys: readonly string[] = this.keys,
    next: State = expected,
  ): number {
    const space = spaceAt(this.folder)
    let absent = 0
    let there = 0
    for (const [i, record] of space.getMany(keys).entries()) {
      const key = keys[i]!
      const value = record && Buffer.from(record.payload).toString('latin1')
      const isRight = value === undefined || value === expected.get(key) || value === next.get(key)
      must(isRight, () => `WRONG VALUE: ${key}, ${what}: ${JSON.stringify(value)}`)
      if (value !== undefined) there += 1
      else if (expected.has(key) && next.has(key)) absent += 1
    }
    must(absent <= mostAbsent, () => `${absent} values are absent: ${what}`)
    if (keys === this.keys) mustEqual(space.size, there, `the size, ${what}`)
    space.close()
    return absent
  }

  /** What is absent is put again, and is there for everybody. */
  heal(what: string): void {
    const space = spaceAt(this.folder)
    space.put([...this.last].map(([key, value]) => item(key, value, true)))
    space.close()
    this.mustStand(this.last, 0, `${what}, put again`, [...this.last.keys()])
  }
}

export function spaceAt(folder: string): ItemSpace {
  return new ItemSpace(folder, { modes: { dir: 0o755, file: 0o644 }, events: new StoreEvents(folder) })
}

export function item(key: string, value: string, force = false): NewItem {
  return { key, kind: 'value', codec: 'text@1', payload: Buffer.from(value, 'latin1'), force }
}
