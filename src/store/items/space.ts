/** Many small results under the keys of one space: the records of all segments in one folder. */
import { EncodedKeys } from './keys.js'
import { OwnSegments, type SpaceOptions } from './own-segments.js'
import { codeAt, type ItemKind, type ItemRecord, keyAt, kinds, maxPayload, type NewRecord, recordAt } from './record.js'
import { type Found, Standing } from './standing.js'
import { isValue, unreadable } from './table.js'

export type { SpaceOptions } from './own-segments.js'

/** What is put under a key. */
export interface NewItem {
  readonly key: string
  readonly kind: Exclude<ItemKind, 'tombstone'>
  readonly codec: string
  /** At most 1 MiB. */
  readonly payload: Uint8Array
  /** Replace what is there: whatever it is, or only this very record. Default: nothing, but an error by a value. */
  readonly force?: boolean | ItemRecord
}

/** What other processes write is seen after so long at the latest. */
const refreshEveryMs = 1000
/** What was looked at up to here is looked at again, however short a time ago that was. */
let outdated = Number.NEGATIVE_INFINITY
const ticksPerMs = 1024
const nothing = new Uint8Array(0)

/** For who is given work: what others stored before they gave it is to be seen. */
export function lookAnew(): void {
  outdated = performance.now()
}

/** One per folder and process. What it gives is the caller's own. */
export class ItemSpace {
  readonly #standing: Standing
  readonly #own: OwnSegments
  #refreshed = Number.NEGATIVE_INFINITY

  constructor(
    readonly dir: string,
    options: SpaceOptions,
  ) {
    this.#standing = new Standing(dir, options.events)
    this.#own = new OwnSegments(dir, options)
  }

  /** What the names of the segments begin with that this process writes. */
  get writerName(): string {
    return this.#own.writerName
  }

  /** Number of keys with a value. */
  get size(): number {
    this.refresh(refreshEveryMs)
    return this.#standing.table.size
  }

  /** Bytes of memory that the keys take. */
  get tableBytes(): number {
    return this.#standing.table.bytes
  }

  /** The record that stands for a key, a value or an error; undefined when there is none, or it is damaged. */
  get(key: string): ItemRecord | undefined {
    return this.getMany([key])[0]
  }

  /** The records of many keys, in their order. */
  getMany(keys: readonly string[]): (ItemRecord | undefined)[] {
    const encoded = new EncodedKeys(keys)
    this.refresh(refreshEveryMs)
    const records: (ItemRecord | undefined)[] = new Array(keys.length).fill(undefined)
    const { order, rows, until } = this.#standing.readingOrder(encoded)
    for (const i of order) {
      const found = this.#standing.find(encoded, i, rows[i], until[i])
      if (isThere(found)) records[i] = recordAt(found.bytes, found.at, keys[i])
    }
    return records
  }

  /**
   * Appends records in one write; after it they survive the end of the process. Looks at what others have written before and after.
   *
   * @returns for each whether it stands now; false: another does. Of a key that comes twice, the first counts.
   */
  put(items: readonly NewItem[]): boolean[] {
    for (const { payload } of items) {
      if (payload.byteLength > maxPayload) throw new RangeError(`a payload of ${payload.byteLength} bytes`)
    }
    const encoded = new EncodedKeys(items.map(({ key }) => key))
    this.refresh()
    const times = new Map<string, number>()
    const records: NewRecord[] = []
    const mine = items.map((item, i) => {
      const found = this.#standing.find(encoded, i)
      if (times.has(item.key) || !givesWay(found, item)) return undefined
      const { kind, codec, payload } = item
      const key = encoded.at(i)
      const next = found === undefined ? 0 : found.slot.generation + 1
      const isReplaced = isThere(found) && isValue(found.slot.kind)
      const time = this.#tick()
      times.set(item.key, time)
      records.push({ kind, key, codec, payload, generation: isReplaced ? next + 1 : next, time })
      // Should the new record be damaged one day, this one still hides the old, which would come back as if never replaced. It comes
      // second: whoever is killed between the two has not deleted what stood there.
      if (isReplaced) records.push(this.#tombstone(key, next))
      return time
    })
    if (records.length > 0) this.#append(records)
    return mine.map((time, i) => time !== undefined && this.#standing.stands(encoded, i, time, this.writerName))
  }

  /** Deletes a value or an error; false when there was none. */
  delete(key: string): boolean {
    const encoded = new EncodedKeys([key])
    this.refresh()
    const found = this.#standing.find(encoded, 0)
    if (found === undefined || found.slot.kind === kinds.tombstone) return false
    // Twice, for one of them may be damaged one day.
    const { generation } = found.slot
    this.#append([1, 2].map((more) => this.#tombstone(encoded.at(0), generation + more)))
    return found.at >= 0
  }

  /** Every key with a value, in the order in which they were found. */
  *keys(): Generator<string> {
    for (const { bytes, at } of this.#all((kind) => isValue(kind))) yield keyAt(bytes, at).toString()
  }

  /** Every value and error; or only what is of one kind. */
  *records(only?: ItemKind): Generator<ItemRecord> {
    for (const { bytes, at } of this.#all((kind) => only === undefined || kind === kinds[only]))
      yield recordAt(bytes, at)
  }

  *#all(isWanted: (kind: number) => boolean): Generator<Found> {
    this.refresh(refreshEveryMs)
    for (let row = 0; row < this.#standing.table.rows; row++) {
      const kind = this.#standing.table.kind(row)
      if (kind === kinds.tombstone || kind === unreadable || !isWanted(kind)) continue
      const found = this.#standing.read(row)
      if (found.at >= 0 && codeAt(found.bytes, found.at) === kind) yield found
    }
  }

  /** Looks at what other processes have written since, unless that was done less than `everyMs` ago. */
  refresh(everyMs = 0): void {
    const now = performance.now()
    if (this.#refreshed > outdated && now - this.#refreshed < everyMs) return
    this.#standing.refresh()
    // Only now: who looks after a failure must not take what was not seen for absent.
    this.#refreshed = now
  }

  /** Makes what this process has put survive loss of power, with the names of folders up to `root`. */
  sync(root = this.dir): void {
    this.#own.sync(root)
  }

  /** Seals what this process has written: other processes open it without reading it. Writing again starts a new segment. */
  close(): void {
    this.#own.seal()
    this.#standing.close()
  }

  /** What was written is read back: what stands is decided in one place, for our records as for others'. */
  #append(records: readonly NewRecord[]): void {
    try {
      this.#own.append(records)
    } finally {
      this.refresh()
    }
  }

  #tombstone(key: Uint8Array, generation: number): NewRecord {
    return { kind: 'tombstone', key, codec: '', payload: nothing, generation, time: this.#tick() }
  }

  #tick(): number {
    const time = Math.max(this.#standing.lastTime + 1, Date.now() * ticksPerMs)
    this.#standing.lastTime = time
    return time
  }
}

function isThere(found: Found | undefined): found is Found {
  return found !== undefined && found.at >= 0 && found.slot.kind !== kinds.tombstone
}

/** Whether what is there gives way to a new item. */
function givesWay(found: Found | undefined, { kind, force }: NewItem): boolean {
  if (!isThere(found) || force === true) return true
  const { slot } = found
  if (typeof force === 'object') return force.generation === slot.generation && force.time === slot.time
  return slot.kind === kinds.error && kind !== 'error'
}
