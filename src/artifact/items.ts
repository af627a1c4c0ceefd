import { CurioError, DeclarationError, ReadOnlyError, refuseUnknown } from '../errors.js'
import type { Artifact } from '../store/entry.js'
import type { ItemRecord } from '../store/items/record.js'
import type { ItemSpace } from '../store/items/space.js'
import { type CacherSpec, cacherInstance } from './cacheable.js'
import { artifactIn, type EncodedItem, gone, ItemCodec } from './item-codec.js'
import type { Store } from './store.js'

/** How items of one space are kept. */
export interface ItemsOptions<T = unknown> {
  /** Default: the cacher that fits each value. */
  readonly cacher?: CacherSpec<T, T>
}

export interface SetOptions {
  /** `'force'` replaces what is stored under these keys; `'cached'` (default) keeps it. */
  readonly mode?: 'cached' | 'force'
}

const readAtOnce = 1024
const maxRestores = 2

/**
 * Many small results by key, like a Map that lies in a store: values by the same cachers, packed with others into few files. What is
 * set under a key stays, unless it is deleted or forced.
 */
export class Items<T = unknown> {
  readonly #store: Store
  readonly #space: ItemSpace
  /** For curio: its values as bytes. */
  readonly codec: ItemCodec<T>

  /** For curio: `store.items(space)` makes these. */
  constructor(store: Store, space: ItemSpace, options: ItemsOptions<T>) {
    this.#store = store
    this.#space = space
    const { cacher } = options
    this.codec = new ItemCodec(store.blobs, cacher === undefined ? undefined : cacherInstance(cacher as CacherSpec))
  }

  /** Number of keys that have a value. Like all answers here, at most a second behind what other processes do. */
  get size(): number {
    return this.#space.size
  }

  /** Whether there is a value under a key. Its bytes are checked; of a large one, only that they are there. */
  has(key: string): boolean {
    const [record] = this.lookup([key])
    return record !== undefined && record.kind !== 'error'
  }

  /** The value under a key, the caller's own; undefined when there is none, or it was damaged. */
  async get(key: string): Promise<T | undefined> {
    return (await this.getMany([key]))[0]
  }

  /** The values of many keys, in their order. */
  async getMany(keys: readonly string[]): Promise<(T | undefined)[]> {
    const values: (T | undefined)[] = []
    for (const record of this.#space.getMany(keys)) {
      const read = record === undefined || record.kind === 'error' ? gone : this.codec.decode(record)
      const value = read instanceof Promise ? await read : read
      values.push(value === gone ? undefined : value)
    }
    return values
  }

  /**
   * Stores a value; after it, the value survives the end of the process.
   *
   * @returns false when there was one already: it stays.
   */
  async set(key: string, value: T, options: SetOptions = {}): Promise<boolean> {
    return (await this.setMany([[key, value]], options))[0]!
  }

  /** Stores many values in one write. Of a key that has one already, or comes twice, the first stays. */
  async setMany(entries: Iterable<readonly [string, T]>, options: SetOptions = {}): Promise<boolean[]> {
    refuseUnknown('items.set', options, ['mode'])
    const { mode = 'cached' } = options
    if (mode !== 'cached' && mode !== 'force') throw new DeclarationError(`items.set has no mode ${String(mode)}`)
    this.#refuseReadOnly()
    const items: EncodedItem[] = []
    for (const [key, value] of entries) items.push(await this.codec.encode(key, value, mode === 'force'))
    return this.put(items)
  }

  /** Deletes a value; false when there was none. */
  async delete(key: string): Promise<boolean> {
    this.#refuseReadOnly()
    return this.#space.delete(key)
  }

  /** Every key that has a value. */
  keys(): Generator<string> {
    return this.#space.keys()
  }

  /** Every key and value, read as they are asked for. */
  async *entries(): AsyncGenerator<[string, T]> {
    let done = 0
    for (const record of this.#space.records()) {
      if (record.kind === 'error') continue
      const value = await this.codec.decode(record)
      if (value !== gone) yield [record.key, value]
      // A loop over a million items must let others run now and then.
      if (++done % readAtOnce === 0) await new Promise(setImmediate)
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<[string, T]> {
    return this.entries()
  }

  // What follows is for curio: looking up and storing many items at once.

  /** Looks at what other processes have written, however short ago that was last done: before work is claimed. */
  refresh(): void {
    this.#space.refresh()
  }

  /** Makes what this process has put survive loss of power, whatever the store's durability: at the end of a job. */
  sync(): void {
    this.#refuseReadOnly()
    this.#space.sync(this.#store.folder)
  }

  /** What stands under each key, checked: a value, an error, or nothing. A large value whose bytes are gone is nothing. */
  lookup(keys: readonly string[]): (ItemRecord | undefined)[] {
    const records = this.#space.getMany(keys)
    for (let i = 0; i < records.length; i++) {
      const record = records[i]
      if (record?.kind === 'blob' && !this.#store.presentNow(artifactIn(record))) records[i] = undefined
    }
    return records
  }

  /** As `lookup`, before anything is computed: of large values every file is looked for, also where there are very many. */
  async lookupWell(keys: readonly string[]): Promise<(ItemRecord | undefined)[]> {
    const records = this.#space.getMany(keys)
    for (let i = 0; i < records.length; i++) {
      const record = records[i]
      if (record?.kind === 'blob' && !(await this.#store.present(artifactIn(record)))) records[i] = undefined
    }
    return records
  }

  /** Puts items in one write; for each whether it stands now. A large value whose bytes are gone gives way to another. */
  async put(items: readonly EncodedItem[]): Promise<boolean[]> {
    this.#refuseReadOnly()
    const stands = this.#space.put(items)
    await this.#replaceGone(items, stands)
    for (const [i, { restore, payload }] of items.entries()) {
      if (stands[i] && restore !== undefined) await this.#keep(artifactIn({ payload }), restore)
    }
    return stands
  }

  /** Puts once more what gave way to a value whose bytes are gone. */
  async #replaceGone(items: readonly EncodedItem[], stands: boolean[]): Promise<void> {
    const lost = stands.includes(false) ? [...items.keys()].filter((i) => !stands[i]) : []
    const there = this.#space.getMany(lost.map((i) => items[i]!.key))
    for (const [n, i] of lost.entries()) {
      const record = there[n]
      if (record?.kind !== 'blob' || (await this.#store.present(artifactIn(record)))) continue
      stands[i] = this.#space.put([{ ...items[i]!, force: record }])[0]!
    }
  }

  /** A clean-up may have taken bytes between their put and the record that needs them. */
  async #keep(artifact: Artifact, restore: () => Promise<unknown>): Promise<void> {
    for (let restores = 0; !(await this.#store.present(artifact)); restores++) {
      if (restores === maxRestores) {
        throw new CurioError(`the bytes of a large item in ${this.#space.dir} vanish as fast as they are put`)
      }
      await restore()
    }
  }

  #refuseReadOnly(): void {
    if (this.#store.readOnly) throw new ReadOnlyError(this.#space.dir, 'the store was opened read-only')
  }
}
