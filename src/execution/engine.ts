/**
 * The one path of many items from a configuration to their results: look up → claim → look again → compute, here or elsewhere → store →
 * give out in order. Maps and steps go it; what has one result for all goes `obtain` (src/artifact/once.ts), which is the same for one.
 */
import { errorIn, gone, type ItemCodec } from '../artifact/item-codec.js'
import { CachedError, CurioError, DeclarationError, type ErrorFacts, ReadOnlyError } from '../errors.js'
import type { Claim } from '../store/claims.js'
import { type Compute, computeBatch, computePlain, type Done, type Todo } from './batch.js'
import type { ExecMode } from './options.js'
import type { Ram } from './ram.js'
import { doneOf, type Shelf, type Standing } from './shelf.js'
import { withSignal } from './signal.js'

/** Items to be computed somewhere else, with the claim that is held for them; yields what is done as it is done. Undefined: here. */
export type Dispatch<I> = (
  todo: readonly Todo<I>[],
  claim: Claim,
  signal: AbortSignal,
) => AsyncGenerator<readonly Done[]> | undefined

/** What is to be computed for each item, and where its results are kept. */
export interface Work<I, O> {
  /** For messages: `Squarer.process,1/coeff=3-…`. */
  readonly where: string
  readonly mode: ExecMode
  readonly codec: ItemCodec<O>
  /** Undefined: nothing is kept on disk. */
  readonly shelf: Shelf<O> | undefined
  readonly ram: Ram<O> | undefined
  /** Items that were computed in this forced run already. */
  readonly forced: Set<string>
  readonly forbidSingle: boolean
  uidOf(value: I): string
  readonly compute: Compute<I, O>
  /** Undefined: here, one after the other. */
  readonly dispatch: Dispatch<I> | undefined
  readonly signal?: AbortSignal | undefined
  /** Told how far it is. */
  readonly progress?: ((done: number, of: number) => void) | undefined
}

const windowSize = 1024
/** How long what is claimed may wait for somebody to ask for it. */
const patienceMs = 1000

/** The results of many items, in their order: computed as they are asked for. */
export class Results<O> implements AsyncIterable<O> {
  readonly #parts: () => AsyncGenerator<readonly O[]>

  constructor(parts: () => AsyncGenerator<readonly O[]>) {
    this.#parts = parts
  }

  /** All of them, in memory. */
  async toArray(): Promise<O[]> {
    const all: O[] = []
    for await (const part of this.#parts()) for (const value of part) all.push(value)
    return all
  }

  [Symbol.asyncIterator](): AsyncIterator<O> {
    const parts = this.#parts()
    let part: readonly O[] = []
    let at = 0
    // Those who ask for several at a time get them one after the other.
    let asked: Promise<unknown> | undefined
    const more = async (): Promise<IteratorResult<O>> => {
      while (at >= part.length) {
        const next = await parts.next()
        if (next.done === true) return { value: undefined, done: true }
        part = next.value
        at = 0
      }
      return { value: part[at++]!, done: false }
    }
    const later = (): Promise<IteratorResult<O>> => {
      const mine = asked === undefined ? more() : asked.then(more, more)
      asked = mine
      const over = (): void => {
        if (asked === mine) asked = undefined
      }
      mine.then(over, over)
      return mine
    }
    return {
      next: () =>
        asked === undefined && at < part.length ? Promise.resolve({ value: part[at++]!, done: false }) : later(),
      return: async () => {
        part = []
        await parts.return(undefined)
        return { value: undefined, done: true }
      },
    }
  }
}

/** Results for `inputs`; nothing runs before they are asked for. */
export function results<I, O>(work: () => Promise<Work<I, O>>, inputs: Iterable<I> | AsyncIterable<I>): Results<O> {
  return new Results(async function* () {
    yield* parts(await work(), inputs)
  })
}

type Slot<O> = { readonly value: O } | { readonly error: unknown } | undefined

async function* parts<I, O>(work: Work<I, O>, inputs: Iterable<I> | AsyncIterable<I>): AsyncGenerator<readonly O[]> {
  if (work.shelf === undefined && work.ram === undefined) {
    yield* straight(work, inputs)
    return
  }
  const values = Array.isArray(inputs) ? (inputs as readonly I[]) : await collected(inputs)
  let done = 0
  if (work.ram !== undefined && work.mode !== 'force') {
    for (let part: readonly O[] = []; done < values.length; done += part.length) {
      part = inRam(work, work.ram, values, done)
      if (part.length === 0) break
      yield part
    }
    if (done === values.length) return
  }
  const rest = done === 0 ? values : values.slice(done)
  yield* kept(work, rest, values.length)
}

/** What is in memory from `from` on, up to the first that is not, or takes time: a window at most. */
function inRam<I, O>(work: Work<I, O>, ram: Ram<O>, values: readonly I[], from: number): readonly O[] {
  const part: O[] = []
  for (let i = from; i < values.length && part.length < windowSize; i++) {
    const box = ram.get(work.uidOf(values[i]!))
    if (box === undefined || box instanceof Promise) break
    part.push(box.value)
  }
  return part
}

/** @param asked how many the call is about, those in memory too. */
async function* kept<I, O>(work: Work<I, O>, values: readonly I[], asked: number): AsyncGenerator<readonly O[]> {
  const uids = values.map((value) => work.uidOf(value))
  let pass: Pass<I, O> | undefined
  try {
    for (let from = 0; from < uids.length; from += windowSize) {
      work.signal?.throwIfAborted()
      const part = uids.slice(from, from + windowSize)
      const slots = await read(work, part)
      if (!slots.some((slot) => slot === undefined || 'error' in slot)) {
        yield slots.map((slot) => (slot as { value: O }).value)
        continue
      }
      let ready: O[] = []
      for (const [i, uid] of part.entries()) {
        let slot = slots[i]
        if (slot === undefined) {
          pass ??= new Pass(work, allowed(work, await missing(work, uids, values, from), asked))
          if (!pass.has(uid)) {
            if (ready.length > 0) yield ready
            ready = []
          }
          slot = await pass.result(uid)
        }
        if ('error' in slot!) {
          if (ready.length > 0) yield ready
          throw slot.error
        }
        ready.push(slot!.value)
      }
      yield ready
    }
    await pass?.finish()
  } finally {
    await pass?.stop()
  }
}

/** Without anything to keep results in: the user's code, as it is. */
async function* straight<I, O>(work: Work<I, O>, inputs: Iterable<I> | AsyncIterable<I>): AsyncGenerator<readonly O[]> {
  if (work.mode === 'read-only')
    throw new ReadOnlyError(work.where, 'nothing is stored without a folder, and mode is read-only')
  const values = Array.isArray(inputs) ? (inputs as readonly I[]) : await collected(inputs)
  if (values.length === 0) return
  const todo = values.map((value) => ({ uid: work.uidOf(value), value }))
  const { signal } = work
  const plain = (): AsyncGenerator<O> => computePlain(work.where, todo, work.compute, signal)
  if (signal === undefined) for await (const done of plain()) yield [done]
  else for await (const done of inside((action) => withSignal(signal, action), plain)) yield [done]
}

async function collected<I>(inputs: Iterable<I> | AsyncIterable<I>): Promise<readonly I[]> {
  const all: I[] = []
  for await (const value of inputs) all.push(value)
  return all
}

/** What is there of these items, in memory or stored; undefined for what is to be computed. */
async function read<I, O>(work: Work<I, O>, uids: readonly string[]): Promise<Slot<O>[]> {
  const slots: Slot<O>[] = new Array<Slot<O>>(uids.length).fill(undefined)
  const rest: number[] = []
  const isForced = work.mode === 'force'
  for (let i = 0; i < uids.length; i++) {
    if (isForced && !work.forced.has(uids[i]!)) continue
    const box = work.ram?.get(uids[i]!)
    if (box === undefined) rest.push(i)
    else slots[i] = box instanceof Promise ? await box : box
  }
  if (rest.length === 0 || work.shelf === undefined) return slots
  const records = await work.shelf.look(rest.map((i) => uids[i]!))
  for (const [n, i] of rest.entries()) {
    const record = records[n]
    if (record === undefined) continue
    if (record.kind === 'error') {
      if (work.mode === 'cached' || work.mode === 'read-only') slots[i] = { error: errorOf(record) }
      continue
    }
    let value = work.codec.decode(record)
    if (value instanceof Promise) value = await value
    if (value === gone) continue
    work.ram?.set(uids[i]!, record)
    work.ram?.know(uids[i]!, value)
    slots[i] = { value }
  }
  return slots
}

function errorOf(record: Pick<Standing, 'payload'>): CachedError {
  return new CachedError(errorIn(record) as unknown as ErrorFacts)
}

/** What is not there of the items from `from` on: each once, in their order. */
async function missing<I, O>(
  work: Work<I, O>,
  uids: readonly string[],
  values: readonly I[],
  from: number,
): Promise<Map<string, I>> {
  const found = new Map<string, I>()
  for (let at = from; at < uids.length; at += windowSize) {
    const part = uids.slice(at, at + windowSize)
    const records = (await work.shelf?.look(part)) ?? []
    for (const [i, uid] of part.entries()) {
      if (found.has(uid)) continue
      if (!isThere(work, uid, records[i])) found.set(uid, values[at + i]!)
      // The call ends there: what comes after it is not asked for.
      else if (records[i]?.kind === 'error') return found
    }
  }
  return found
}

/** Refuses to compute what must not be. */
function allowed<I, O>(work: Work<I, O>, found: Map<string, I>, asked: number): Map<string, I> {
  if (work.mode === 'read-only' && found.size > 0) {
    const [first] = found.keys()
    throw new ReadOnlyError(
      `${work.where}, item ${first}`,
      `it is not stored (nor are ${found.size - 1} others), and mode is read-only`,
    )
  }
  if (work.forbidSingle && asked === 1 && found.size === 1) {
    const [only] = found.keys()
    throw new DeclarationError(`${work.where} would compute item ${only} alone`, {
      hint: 'forbidSingleItemComputation is set: prepare all items in one call first',
    })
  }
  return found
}

function isThere<I, O>(work: Work<I, O>, uid: string, record: Standing | undefined): boolean {
  if (work.mode === 'force' && !work.forced.has(uid)) return false
  if (work.ram?.has(uid) === true) return true
  if (record === undefined) return false
  return record.kind !== 'error' || work.mode === 'cached' || work.mode === 'read-only'
}

function isBroken(error: unknown): boolean {
  return CurioError.is(error, 'ERR_BATCH_PROTOCOL')
}

/** Computing what is missing, as far as somebody asks for it. */
class Pass<I, O> {
  readonly #work: Work<I, O>
  readonly #abort = new AbortController()
  readonly #steps: AsyncGenerator<readonly Done[]>
  /** What was done and not yet asked for. */
  readonly #done = new Map<string, Done | undefined>()
  readonly #taken: string[] = []
  readonly #total: number
  #failure: { readonly error: unknown } | undefined
  #isOver = false
  /** Whether somebody has asked for a result since the last look, and how many wait for one. */
  #isAsked = false
  #waiting = 0
  #isDriven = false
  readonly #patience: NodeJS.Timeout

  constructor(work: Work<I, O>, todo: ReadonlyMap<string, I>) {
    this.#work = work
    this.#total = todo.size
    const { signal } = work
    this.#steps = steps(
      work,
      todo,
      signal === undefined ? this.#abort.signal : AbortSignal.any([signal, this.#abort.signal]),
      () => void this.#drive(),
    )
    // What is claimed must not lie about while its asker does something else: others may wait for it, and he for them.
    this.#patience = setInterval(() => {
      if (!this.#isAsked && this.#waiting === 0) void this.#drive()
      this.#isAsked = false
    }, patienceMs).unref()
  }

  /** Whether it need not be waited for. */
  has(uid: string): boolean {
    return this.#done.has(uid) || this.#work.ram?.has(uid) === true
  }

  /** The result of one item. What comes after a failed one is not computed. */
  async result(uid: string): Promise<Slot<O>> {
    this.#isAsked = true
    this.#waiting += 1
    while (!this.has(uid) && !this.#isOver) await this.#step()
    this.#waiting -= 1
    if (this.#failure !== undefined && isBroken(this.#failure.error)) return this.#failure
    const done = this.#done.get(uid)
    // Asked for again, it is read again; where nothing is stored, this is all there is.
    if (this.#work.shelf?.keeps === true) this.#done.delete(uid)
    if (done !== undefined) {
      if (done.kind === 'error') return { error: errorOf(done) }
      const value = await this.#work.codec.decode(done)
      if (value !== gone) {
        this.#work.ram?.know(uid, value)
        return { value }
      }
    }
    const [slot] = await read({ ...this.#work, mode: 'cached' }, [uid])
    // Of this very call, the error itself; what is kept of it is for the next one.
    if (slot !== undefined && ('value' in slot || this.#failure === undefined)) return slot
    return (
      this.#failure ?? {
        error: new CurioError(`${this.#work.where}: item ${uid} was computed, and is not there`, {
          hint: 'run it again',
        }),
      }
    )
  }

  async #step(): Promise<void> {
    try {
      const next = await this.#steps.next()
      if (next.done === true) this.#isOver = true
      else this.#take(next.value)
    } catch (error) {
      this.#isOver = true
      this.#failure ??= { error }
      if (isBroken(error)) this.#forget()
    }
  }

  /** To the end of the user's code: only then it is known whether it kept the rules. */
  async finish(): Promise<void> {
    while (!this.#isOver) await this.#step()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Goes on to the end, though nobody asks. */
  async #drive(): Promise<void> {
    if (this.#isDriven) return
    this.#isDriven = true
    while (!this.#isOver) await this.#step()
  }

  #take(done: readonly Done[]): void {
    const { mode, forced, ram, shelf } = this.#work
    for (const item of done) {
      if (mode === 'force' && item.kind !== 'error') forced.add(item.key)
      ram?.set(item.key, item)
      // What nobody has asked for yet need not be held: it is stored.
      this.#done.set(item.key, this.#isDriven && shelf?.keeps === true && item.kind !== 'error' ? undefined : item)
      this.#taken.push(item.key)
    }
    this.#work.progress?.(this.#taken.length, this.#total)
  }

  /** After a break of the rules nobody knows which result is whose: none of this pass counts, in memory as on disk. */
  #forget(): void {
    this.#done.clear()
    for (const key of this.#taken) {
      this.#work.ram?.delete(key)
      this.#work.forced.delete(key)
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#patience)
    this.#abort.abort()
    await this.#steps.return(undefined).catch(() => undefined)
  }
}

/** Computes what is missing of these items, for whoever reads the results later: a worker. */
export async function ensure<I, O>(work: Work<I, O>, items: readonly Todo<I>[], signal: AbortSignal): Promise<void> {
  for await (const _ of steps(work, new Map(items.map(({ uid, value }) => [uid, value])), signal));
}

/** Claims, looks again, and computes; what others compute meanwhile is waited for. */
async function* steps<I, O>(
  work: Work<I, O>,
  todo: ReadonlyMap<string, I>,
  signal: AbortSignal,
  drive?: () => void,
): AsyncGenerator<readonly Done[]> {
  const { shelf } = work
  if (shelf === undefined) {
    const all = [...todo].map(([uid, value]) => ({ uid, value }))
    yield* inside(
      (action) => withSignal(signal, action),
      () => computeHere(work, all, signal),
    )
    return
  }
  let left = [...todo.keys()]
  // What a forced run found at first: it computes that anew, unless another does so meanwhile.
  const before = new Map<string, number>()
  const look = (uids: readonly string[]): Map<string, Done> => {
    const records = shelf.lookAgain(uids)
    const there = new Map<string, Done>()
    for (const [i, uid] of uids.entries()) {
      const record = records[i]
      const first = before.get(uid)
      if (first === undefined) before.set(uid, record?.generation ?? -1)
      if (record === undefined) continue
      const isNew = work.mode === 'force' && record.kind !== 'error' && first !== undefined && record.generation > first
      if (isNew || isThere({ ...work, ram: undefined }, uid, record)) there.set(uid, doneOf(uid, record))
    }
    return there
  }
  while (left.length > 0) {
    signal.throwIfAborted()
    const claim = await shelf.claims.take(left, drive)
    try {
      const there = look(left)
      if (there.size > 0) yield [...there.values()]
      const mine = claim.mine.filter((uid) => !there.has(uid)).map((uid) => ({ uid, value: todo.get(uid)! }))
      if (mine.length > 0) {
        yield* inside(
          (action) => claim.within(() => withSignal(signal, action)),
          () => work.dispatch?.(mine, claim, signal) ?? computeHere(work, mine, signal),
        )
      }
      left = claim.held.filter((uid) => !there.has(uid))
    } finally {
      claim.release()
    }
    while (left.length > 0 && !(await claim.wait(signal))) {
      const there = look(left)
      if (there.size > 0) yield [...there.values()]
      left = left.filter((uid) => !there.has(uid))
    }
  }
}

/** A generator goes on in the context of whoever asks it: each time, that of the claim and of the signal. */
async function* inside<T>(run: <R>(action: () => R) => R, make: () => AsyncGenerator<T>): AsyncGenerator<T> {
  const generator = run(make)
  try {
    for (;;) {
      const next = await run(() => generator.next())
      if (next.done === true) return
      yield next.value
    }
  } finally {
    await run(() => generator.return(undefined))
  }
}

function computeHere<I, O>(
  work: Work<I, O>,
  todo: readonly Todo<I>[],
  signal: AbortSignal,
): AsyncGenerator<readonly Done[]> {
  const { shelf } = work
  const sink = shelf === undefined ? nowhere : shelf.sink(work.mode === 'force', work.mode === 'retry')
  return computeBatch(work.where, todo, work.compute, work.codec, sink, signal)
}

const nowhere = {
  put: async (items: readonly Done[]) => items,
  takeBack: async () => undefined,
  failed: (error: unknown) => {
    throw error
  },
}
