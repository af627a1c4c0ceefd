/** Runs the user's code over items, here, and hands on each result as it is stored. */
import { noteComputing } from '../artifact/computing.js'
import { type EncodedItem, ItemCodec } from '../artifact/item-codec.js'
import { BatchProtocolError, CurioError, type ErrorFacts } from '../errors.js'
import { factsOf, isAboutUser } from './failure.js'

/** One item that is to be computed. */
export interface Todo<I> {
  readonly uid: string
  readonly value: I
}

/** What became of an item: its bytes. */
export interface Done extends EncodedItem {
  /** False: it could not be stored, and this is all there is of it. Without a store it means nothing. Default true. */
  readonly isStored?: boolean
}

/** Items as the user's code gets them: a list, that can be gone through with await too; what comes from upstream only with await. */
export type Feed = readonly never[] & AsyncIterable<never>

/** The user's code: one result for each item, in their order. */
export interface Compute<I, O> {
  run(values: Feed): Iterable<O> | AsyncIterable<O> | Promise<Iterable<O> | AsyncIterable<O>>
  /** An item for the code to have as its own, when it is taken; throws when it is not what its uid is of any more. */
  own?(item: I, uid: string): unknown
  /** What the items are when this code gets them, if not themselves: of a chain, the results of the steps before it. */
  upstream?(items: AsyncIterable<I>): AsyncIterable<unknown>
}

/** Where results go. */
export interface Sink {
  /** How long a result may wait to be stored with others, in milliseconds. */
  readonly waitMs: number
  /** Stores results in one write; gives back what stands then. */
  put(items: readonly EncodedItem[]): Promise<readonly Done[]>
  /** Takes back what was put of a call that broke the rules. */
  takeBack(uids: readonly string[]): Promise<void>
  /** Told that a result could not be stored; throws what says more than that. */
  failed(error: unknown): void
}

/** Results are stored together, until there are so many, or they have waited as long as they may. */
const groupSize = 256
/** Items after which others of the process get a turn. */
const turnMs = 20

/** One call of the user's code: it must give one result for each item, in their order. */
class Call<I, O> {
  readonly #feed: Fed
  #given = 0

  constructor(
    readonly where: string,
    readonly todo: readonly Todo<I>[],
    readonly compute: Compute<I, O>,
  ) {
    const items = todo.map(({ value }) => value)
    const own = compute.own?.bind(compute)
    this.#feed = new Fed(items, compute.upstream?.(each(items)), own && ((i) => own(todo[i]!.value, todo[i]!.uid)))
  }

  /** @throws {BatchProtocolError} when there are not exactly as many results as items. */
  async *results(signal: AbortSignal | undefined): AsyncGenerator<O> {
    for await (const result of await this.compute.run(this.#feed.list)) {
      signal?.throwIfAborted()
      if (this.#given === this.todo.length) throw this.#broken(`gave more results than its ${this.todo.length} items`)
      if (this.#feed.isCounted && this.#feed.taken <= this.#given) {
        throw this.#broken(`gave a result before it took item ${this.#given + 1}`)
      }
      this.#given += 1
      yield result
    }
    if (this.#given < this.todo.length) throw this.#broken(`gave ${this.#given} results for ${this.todo.length} items`)
  }

  #broken(reason: string): BatchProtocolError {
    return new BatchProtocolError(this.where, reason)
  }

  /** Items that were taken and have no result yet: what an error may be about. */
  inFlight(): string[] {
    const { isCounted, taken, failed } = this.#feed
    const end = isCounted ? Math.max(taken, failed, this.#given) : this.#given + 1
    return this.todo.slice(this.#given, end).map(({ uid }) => uid)
  }

  /** What is to be kept of an error that the user's code threw. */
  facts(error: unknown): ErrorFacts {
    const items = this.inFlight()
    return factsOf(error, items.length === 0 ? this.where : `${this.where}, item ${listed(items)}`)
  }
}

/** Items for a message: the first of them, and how many. */
export function listed(uids: readonly string[]): string {
  return uids.slice(0, 10).join(', ') + (uids.length > 10 ? `, … (${uids.length})` : '')
}

/** Results as the user's code gives them, for when nothing keeps them. */
export async function* computePlain<I, O>(
  where: string,
  todo: readonly Todo<I>[],
  compute: Compute<I, O>,
  signal?: AbortSignal,
): AsyncGenerator<O> {
  const call = new Call<I, O>(where, todo, compute)
  try {
    yield* call.results(signal)
  } catch (error) {
    if (isAboutUser(error, signal)) noteComputing(error, call.facts(error).where)
    throw error
  }
}

/**
 * Computes items one after the other. Yields what is stored, group by group; in their order.
 *
 * @throws {BatchProtocolError} when there are not exactly as many results as items, in which case none of them is kept.
 * @throws what the user's code throws; what was done before is kept, and so is the error.
 */
export async function* computeBatch<I, O>(
  where: string,
  todo: readonly Todo<I>[],
  compute: Compute<I, O>,
  codec: ItemCodec<O>,
  sink: Sink,
  signal?: AbortSignal,
): AsyncGenerator<readonly Done[]> {
  const call = new Call<I, O>(where, todo, compute)
  const pending: EncodedItem[] = []
  const stored: string[] = []
  const flush = async (): Promise<readonly Done[]> => {
    const items = pending.splice(0)
    const done = items.length === 0 ? [] : await sink.put(items)
    // Where another's result stands, it is not ours to take back.
    for (const [i, item] of items.entries()) if (done[i] === item) stored.push(item.key)
    return done
  }
  const encoded = (uid: string, result: O): Promise<EncodedItem> =>
    codec.encode(uid, result).catch((error: unknown) => {
      if (CurioError.is(error, 'ERR_CACHER_SAVE')) noteComputing(error, `${where}, item ${uid}`)
      sink.failed(error)
      return new ItemCodec(undefined, codec.cacher).encode(uid, result)
    })
  const results = call.results(signal)
  const patience = new Patience(sink.waitMs)
  let next: Promise<IteratorResult<O>> | undefined
  let turn = performance.now()
  let count = 0
  try {
    for (;;) {
      next ??= results.next()
      const came = pending.length === 0 ? await next : await patience.unless(next)
      if (came?.done === true) break
      if (came !== undefined) {
        next = undefined
        pending.push(await encoded(todo[count++]!.uid, came.value))
      }
      const now = performance.now()
      if (came === undefined || pending.length >= groupSize || patience.isOver(now)) {
        yield await flush()
        patience.renew()
      }
      if (now - turn > turnMs) {
        await new Promise(setImmediate)
        turn = performance.now()
      }
    }
    yield await flush()
  } catch (error) {
    if (CurioError.is(error, 'ERR_BATCH_PROTOCOL')) {
      // Nobody knows any more which result belongs to which item.
      await sink.takeBack(stored)
      throw error
    }
    yield await flush()
    if (isAboutUser(error, signal) && !kept.has(error as object)) {
      const facts = call.facts(error)
      if (typeof error === 'object' && error !== null) kept.add(error)
      await sink.put(call.inFlight().map((uid) => codec.encodeError(uid, facts as never)))
      noteComputing(error, facts.where)
    }
    throw error
  } finally {
    patience.end()
    await results.return(undefined)
  }
}

/** How long what is there waits for more: by the clock, and by a timer while nothing comes. */
class Patience {
  #since = performance.now()
  #timer: NodeJS.Timeout | undefined
  #tell: (nothing: undefined) => void = () => undefined

  constructor(readonly ms: number) {}

  isOver(now: number): boolean {
    return now - this.#since > this.ms
  }

  /** What comes; undefined when it does not come in time. Not by `Promise.race`, which costs a microsecond more for each item (measured). */
  unless<T>(next: Promise<T>): Promise<T | undefined> {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#tell(undefined)
    }, this.ms)
    return new Promise((resolve, reject) => {
      this.#tell = resolve
      next.then(resolve, reject)
    })
  }

  /** From now on it waits as long again. */
  renew(): void {
    this.end()
    this.#since = performance.now()
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** Errors that are kept where they were thrown: a step after it in a chain does not keep them once more. */
const kept = new WeakSet<object>()

async function* each<I>(items: readonly I[]): AsyncGenerator<I> {
  yield* items
}

/** The items, and how many of them were taken. */
class Fed {
  taken = 0
  /** How many there were when the steps before failed. */
  failed = 0
  /** False while the code has not gone through the items one by one: it may read them by index. */
  isCounted = false
  readonly list: Feed

  /** @param own gives an item as it is taken; default: itself. */
  constructor(
    values: readonly unknown[],
    upstream: AsyncIterable<unknown> | undefined,
    own: (i: number) => unknown = (i) => values[i],
  ) {
    const self = this
    const iterate = function* (): Generator<unknown> {
      self.isCounted = true
      for (let i = 0; i < values.length; i++) {
        self.taken = Math.max(self.taken, i + 1)
        yield own(i)
      }
    }
    const iterateAsync = async function* (): AsyncGenerator<unknown> {
      if (upstream === undefined) return yield* iterate()
      self.isCounted = true
      try {
        for await (const value of upstream) {
          self.taken += 1
          yield value
        }
      } catch (error) {
        // What failed on the way here is the one that comes next.
        self.failed = self.taken + 1
        throw error
      }
    }
    const list: object = upstream === undefined ? values : {}
    if (upstream === undefined) Object.defineProperty(list, Symbol.iterator, { value: iterate })
    Object.defineProperty(list, Symbol.asyncIterator, { value: iterateAsync })
    this.list = list as Feed
  }
}
