/** A map: a configuration that has one result for each of many items. */
import { ItemCodec } from '../artifact/item-codec.js'
import { Items, type ItemsOptions, type SetOptions } from '../artifact/items.js'
import type { Store } from '../artifact/store.js'
import { DeclarationError } from '../errors.js'
import { adopting } from '../store/claims.js'
import type { ItemSpace } from '../store/items/space.js'
import type { Assignment } from './assignment.js'
import { decorator, type MethodOptions } from './decorate.js'
import { dispatchTo } from './elsewhere.js'
import { results } from './engine.js'
import { Infra } from './infra.js'
import { refuseWhileImporting } from './main.js'
import { ensure } from './missing.js'
import { infraSchema, type MapInput } from './options.js'
import { type Place, Places } from './place.js'
import { progressOf } from './progress.js'
import type { Definition } from './recipe.js'
import { isIterable, Results } from './results.js'
import type { Shelf } from './shelf.js'
import { currentSignal } from './signal.js'
import { longestUid, ownCopy, shortestLimit, shortUid } from './uid.js'
import type { Dispatch, Work } from './work.js'

/** Options of `@map`. */
export interface MapMethodOptions<I> extends MethodOptions {
  /** What tells an item from all others, as text. */
  readonly itemUid: (item: I) => string
  /** Longest uid before it is cut, in characters. Default 256. */
  readonly itemUidMaxLength?: number
}

/** What an infra needs to know of its method besides the definition. */
interface MapDefinition extends Definition {
  readonly itemUid: (item: unknown) => string
  readonly itemUidMaxLength: number
}

/** Stored results, with those in memory behind them. */
class CacheDict extends Items {
  readonly #place: Place

  constructor(store: Store, space: ItemSpace, options: ItemsOptions, place: Place) {
    super(store, space, options)
    this.#place = place
  }

  override async setMany(entries: Iterable<readonly [string, unknown]>, options: SetOptions = {}): Promise<boolean[]> {
    const all = [...entries]
    await this.#place.shelf?.describe()
    try {
      return await super.setMany(all, options)
    } finally {
      // Only now: until then what was there may have been read once more.
      for (const [key] of all) this.#place.ram?.delete(key)
    }
  }

  override async delete(key: string): Promise<boolean> {
    try {
      return await super.delete(key)
    } finally {
      this.#place.ram?.delete(key)
    }
  }
}

/** The infra of a map: `xp.infra`. */
export class ItemMap extends Infra {
  readonly #places = new Places()

  /** For curio: what computes the items of a method. */
  async work(given: Definition, signal?: AbortSignal): Promise<Work<unknown, unknown>> {
    const definition = given as MapDefinition
    const { options } = this
    const isOwn = definition === this.definition
    const store = await this.store()
    const { codec, shelf, ram, forced } = await this.#placeOf(definition, store)
    const uidOf = (item: unknown): string =>
      shortUid(checkedUid(definition, definition.itemUid(item), item), definition.itemUidMaxLength)
    const own = (item: unknown, uid: string): unknown => ownCopy(`an item of ${definition.member}`, item, uid, uidOf)
    return {
      where: shelf?.recipe.key.text ?? `${this.owner.constructor.name}.${definition.member}`,
      mode: this.mode,
      codec,
      shelf,
      ram,
      forced,
      forbidSingle: options.forbidSingleItemComputation ?? false,
      uidOf,
      compute: {
        run: (items) => (definition.body as (items: unknown) => AsyncIterable<unknown>).call(this.owner, items),
        ...(shelf === undefined && ram === undefined ? {} : { own }),
      },
      dispatch: shelf === undefined || this.cluster === 'inline' || !isOwn ? undefined : this.#dispatch(shelf, own),
      signal,
      progress: progressOf(`${this.owner.constructor.name}.${definition.member}`),
    }
  }

  #dispatch(shelf: Shelf<unknown>, own: (item: unknown, uid: string) => unknown): Dispatch<unknown> {
    const send = dispatchTo<unknown>(this, shelf)
    return (todo, claim, signal) =>
      send(
        todo.map(({ uid, value }) => ({ uid, value: own(value, uid) })),
        claim,
        signal,
      )
  }

  /** By recipe: when an input file has changed, what was made of it before is another's. */
  async #placeOf(definition: Definition, store: Store | undefined): Promise<Place> {
    const isOwn = definition === this.definition
    const keepInRam = isOwn && (this.options.keepInRam ?? store !== undefined)
    if (store === undefined && keepInRam === false) {
      return {
        codec: new ItemCodec(undefined, definition.cacher),
        shelf: undefined,
        ram: undefined,
        forced: new Set(),
      }
    }
    return this.#places.at(await this.recipe(definition), store, definition.cacher, keepInRam)
  }

  protected override async performHere(
    { items = [] }: Assignment,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<void> {
    const work = await this.work(this.definition, signal)
    const { shelf } = work
    if (shelf === undefined) return
    // Who sent it has claimed them.
    await adopting(
      shelf.claims.space,
      items.map(({ uid }) => uid),
      () => ensure({ ...work, isForOthers: true }, items, signal),
    )
    shelf.sync()
  }

  /** For curio: the results of a call. */
  call(definition: Definition, items: Iterable<unknown> | AsyncIterable<unknown>): Results<unknown> {
    refuseWhileImporting(`${this.owner.constructor.name}.${definition.member}`)
    const signal = currentSignal()
    return results(() => this.work(definition, signal), items)
  }

  /**
   * The results that are stored, by the uids of their items, like a Map: `get has keys entries delete size`. What is deleted or set in it
   * goes from memory too.
   */
  async cacheDict(): Promise<Items> {
    const recipe = await this.recipe()
    const store = await this.storeOf(recipe)
    const { cacher } = this.definition
    const space = store.itemSpace(recipe.key.text)
    const place = await this.#placeOf(this.definition, store)
    return new CacheDict(store, space, cacher === undefined ? {} : { cacher }, place)
  }
}

function checkedUid({ member }: Definition, uid: unknown, item: unknown): string {
  if (uid === '[object Object]' && typeof item === 'object') {
    throw new DeclarationError(`the itemUid of ${member} gave ${uid}, as it would for any other item`, {
      hint: 'give text that tells the item from all others: itemUid: (item) => item.name, or JSON.stringify',
    })
  }
  if (typeof uid === 'string') return uid
  throw new DeclarationError(`the itemUid of ${member} gave ${uid === null ? 'null' : typeof uid}, no text`, {
    hint: 'give text that tells the item from all others: itemUid: String, or a hash of its content',
  })
}

/** What a method takes, one by one. */
type ItemOf<M> = M extends (items: infer L) => unknown
  ? L extends Iterable<infer J> | AsyncIterable<infer J>
    ? J
    : never
  : never

/** An infra for a configuration with one result an item: `infra: MapInfra()`. What it gives are seeds for what the user gives. */
export function MapInfra(seeds: MapInput = {}): ReturnType<typeof infraSchema<ItemMap, MapInput>> {
  return infraSchema<ItemMap, MapInput>('map', seeds, (options) => new ItemMap(options))
}

/**
 * Keeps each result of a method that takes items and gives one result for each, in their order:
 * `@map({ itemUid: String }) async *process(items: Iterable<number>) { for (const x of items) yield x ** 2 }`.
 *
 * Calls give an AsyncIterable: `for await (const y of xp.process([1, 2]))`, or `await toArray(xp.process([1, 2]))`.
 */
export function map<I>(
  options: MapMethodOptions<I>,
): <M extends (items: never) => AsyncIterable<unknown>>(
  method: [ItemOf<M>] extends [I] ? M : (items: Iterable<I>) => AsyncIterable<unknown>,
  context: ClassMethodDecoratorContext,
) => M {
  if (typeof (options as Partial<MapMethodOptions<I>> | undefined)?.itemUid !== 'function') {
    throw new DeclarationError('@map needs an itemUid: what tells an item from all others', {
      hint: '@map({ itemUid: String })',
    })
  }
  const { itemUid, itemUidMaxLength = longestUid } = options
  if (!(Number.isInteger(itemUidMaxLength) && itemUidMaxLength >= shortestLimit)) {
    throw new DeclarationError(`@map: itemUidMaxLength is ${itemUidMaxLength}, and must be ${shortestLimit} or more`)
  }
  const decorate = decorator<ItemMap>(
    '@map',
    options,
    ['itemUid', 'itemUidMaxLength'],
    ItemMap,
    (infra, definition, args) => {
      if (args.length !== 1)
        throw new DeclarationError(`${definition.member} takes one list of items, not ${args.length} arguments`)
      const [items] = args
      if (!isIterable(items)) {
        throw new DeclarationError(`${definition.member} takes a list of items, not ${typeof items}`)
      }
      return infra.call(definition, items)
    },
    (method) => {
      if (method.length !== 1)
        throw new DeclarationError(`@map ${method.name} takes one argument, the items, not ${method.length}`)
    },
    { itemUid, itemUidMaxLength },
  )
  return decorate as never
}

/** All results, in memory. */
export async function toArray<T>(items: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  if (items instanceof Results) return (items as Results<T>).toArray()
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
