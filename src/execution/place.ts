/** Where the results of one recipe are kept by an infra: on disk, in memory, or both. */
import type { Cacheable } from '../artifact/cacheable.js'
import { ItemCodec } from '../artifact/item-codec.js'
import type { Store } from '../artifact/store.js'
import { bytesInRam } from './options.js'
import { Ram } from './ram.js'
import type { Recipe } from './recipe.js'
import { Shelf } from './shelf.js'

export interface Place {
  readonly codec: ItemCodec
  readonly shelf: Shelf<unknown> | undefined
  readonly ram: Ram<unknown> | undefined
  /** Items that a forced run has computed. */
  readonly forced: Set<string>
}

/** The places of one infra, by recipe: a step may stand in several chains, and an input file may change. */
export class Places {
  readonly #places = new Map<string, Place & { readonly store: Store | undefined; readonly recipe: Recipe }>()

  has(recipe: Recipe): boolean {
    return this.#places.has(recipe.key.hash)
  }

  at(
    recipe: Recipe,
    store: Store | undefined,
    cacher: Cacheable<unknown, unknown> | undefined,
    keepInRam: boolean | number | undefined,
  ): Place {
    const before = this.#places.get(recipe.key.hash)
    if (before?.store === store && before?.recipe === recipe) return before
    const shelf = store === undefined ? undefined : Shelf.open<unknown>(store, recipe, cacher)
    const codec = shelf?.items.codec ?? new ItemCodec(undefined, cacher)
    const limit = bytesInRam(keepInRam)
    const isSame = before !== undefined && before.store === store
    const place = {
      store,
      recipe,
      codec,
      shelf,
      ram: isSame ? before.ram : limit === undefined ? undefined : new Ram(codec, limit),
      forced: before?.forced ?? new Set<string>(),
    }
    this.#places.set(recipe.key.hash, place)
    return place
  }
}
