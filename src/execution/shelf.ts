/** Where the results of one computation of many items are kept: a folder of segments, and an entry that says what they are of. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { acceptable, described } from '../artifact/accept.js'
import type { Cacheable } from '../artifact/cacheable.js'
import type { EncodedItem } from '../artifact/item-codec.js'
import type { Items } from '../artifact/items.js'
import { provenance } from '../artifact/provenance.js'
import type { Store } from '../artifact/store.js'
import { CurioError, StoreIOError } from '../errors.js'
import type { Claims } from '../store/claims.js'
import { type ItemKind, type ItemRecord, maxPayload } from '../store/items/record.js'
import type { Done, Sink } from './batch.js'
import type { ExecMode } from './options.js'
import type { Recipe } from './recipe.js'
import { configIn, writeConfigs } from './views.js'

/** How long a result may wait to be stored with others, in milliseconds: while somebody waits for it, and when it is for later. */
export const waitMs = { asked: 5, unasked: 50 }
/** How long nothing is stored after that has failed. */
const againMs = 60_000

/** A record as what came of an item. */
export function doneOf(key: string, { kind, codec, payload }: Standing): Done {
  return { key, kind, codec, payload }
}

/** What stands under an item's uid. */
export type Standing = Omit<ItemRecord, 'kind'> & { readonly kind: Exclude<ItemKind, 'tombstone'> }

function unstored(item: EncodedItem): Done {
  return { ...item, isStored: false }
}

/** The results of one computation of many items. */
export class Shelf<O> {
  readonly claims: Claims
  readonly items: Items<O>
  #isDescribed = false
  readonly #entryFile: string
  #failedUntil = 0

  private constructor(
    readonly store: Store,
    readonly recipe: Recipe,
    cacher: Cacheable<unknown, unknown> | undefined,
  ) {
    this.#entryFile = path.join(store.dirOf(recipe.key.text), 'entry.json')
    this.items = store.items<O>(recipe.key.text, cacher === undefined ? {} : { cacher: cacher as never })
    this.claims = store.claims(recipe.key.hash.slice(0, 32))
  }

  /**
   * The place of a recipe's results, whether it is there or not.
   *
   * @throws {KeyCollisionError, DefaultChangedError} when what lies there are results of something else.
   */
  static open<O>(store: Store, recipe: Recipe, cacher: Cacheable<unknown, unknown> | undefined): Shelf<O> {
    const shelf = new Shelf<O>(store, recipe, cacher)
    const found = store.readEntry(recipe.key)
    if (found.hit) {
      acceptable(found.entry, recipe, recipe.warn)
      shelf.#isDescribed = true
    }
    return shelf
  }

  /** Whether results are stored; not for a while after that has failed. */
  get keeps(): boolean {
    return performance.now() >= this.#failedUntil
  }

  /** What is there; looks for what others have stored, at most once a second. */
  look(uids: readonly string[]): (Standing | undefined)[] {
    return this.items.lookup(uids) as (Standing | undefined)[]
  }

  /** The same, of large values every file: before anything is computed. */
  async lookWell(uids: readonly string[]): Promise<(Standing | undefined)[]> {
    return (await this.items.lookupWell(uids)) as (Standing | undefined)[]
  }

  /** The same, with what others have stored up to now. */
  lookAgain(uids: readonly string[]): (Standing | undefined)[] {
    this.items.refresh()
    return this.look(uids)
  }

  /**
   * Where results go. A disk that is full, or no right to write: the run goes on with what was computed.
   *
   * @param mode `force` replaces values, `retry` errors. @param isForOthers they find the results here, or nowhere: what cannot be stored
   * is an error, and nobody waits for the first.
   */
  sink(mode: ExecMode, isForOthers = false): Sink {
    const fail = (error: unknown): void => {
      if (isForOthers) throw error
      this.#failed(error)
    }
    return {
      waitMs: isForOthers ? waitMs.unasked : waitMs.asked,
      put: async (items) => {
        if (items.length === 0 || !(this.keeps || isForOthers)) return items.map(unstored)
        try {
          const sent = items.map((item) => this.#replacing(item, mode))
          const done = await this.#put(sent)
          // Who put it knows its own by it.
          return done.map((one, i) => (one === sent[i] ? items[i]! : one))
        } catch (error) {
          fail(error)
          return items.map(unstored)
        }
      },
      failed: fail,
      takeBack: async (uids) => {
        try {
          for (const uid of uids) await this.items.delete(uid)
        } catch (error) {
          fail(error)
        }
      },
    }
  }

  /** An error gives way to another, but a value to none. */
  #replacing(item: EncodedItem, mode: ExecMode): EncodedItem {
    if (item.kind !== 'error') return mode === 'force' ? { ...item, force: true } : item
    const [record] = mode === 'force' || mode === 'retry' ? this.lookAgain([item.key]) : []
    return record?.kind === 'error' ? { ...item, force: record } : item
  }

  async #put(items: readonly EncodedItem[]): Promise<readonly Done[]> {
    await this.describe()
    const fit = items.filter(({ payload }) => payload.byteLength <= maxPayload)
    const stands = await this.items.put(fit)
    const lost = new Set(fit.filter((_, i) => !stands[i]).map(({ key }) => key))
    return items.map((item) => {
      if (lost.has(item.key)) return this.#standing(item.key) ?? unstored(item)
      return item.payload.byteLength <= maxPayload ? item : unstored(item)
    })
  }

  /** Makes what this process has stored survive loss of power, where the store is to. */
  sync(): void {
    if (this.store.durability === 'artifact') this.items.sync()
  }

  #failed(error: unknown): void {
    if (!(error instanceof StoreIOError) && !CurioError.is(error, 'ERR_READ_ONLY')) throw error
    this.#failedUntil = performance.now() + againMs
    this.store.events.emit({ kind: 'put-failed', key: this.recipe.key.text, reason: error.message })
    this.recipe.warn(`results are not kept: ${error.message}`, 'not kept')
  }

  #standing(uid: string): Done | undefined {
    const [record] = this.look([uid])
    return record && doneOf(uid, record)
  }

  /** Writes down, once, what the items are results of. */
  async describe(): Promise<void> {
    if (this.#isDescribed && fs.existsSync(this.#entryFile)) return
    const { recipe } = this
    const config = await configIn(recipe)
    const { key } = recipe
    await this.store.commit(key, {
      key: key.text,
      hash: key.hash,
      material: key.material,
      ...described(recipe),
      artifacts: [],
      provenance: provenance({ items: true, ...config }),
    })
    this.#isDescribed = true
    if (recipe.config !== undefined) await writeConfigs(this.store, key.text, recipe.config)
  }
}
