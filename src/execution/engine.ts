/**
 * The one path of many items from a configuration to their results: look up → claim → look again → compute, here or elsewhere → store →
 * give out in order. Maps and steps go it; what has one result for all goes `obtain` (src/artifact/once.ts), which is the same for one.
 */
import { DeclarationError, ReadOnlyError } from '../errors.js'
import { computePlain } from './batch.js'
import { inside } from './missing.js'
import { Pass } from './pass.js'
import type { Ram } from './ram.js'
import { Results } from './results.js'
import { withSignal } from './signal.js'
import { isThere, read, type Work } from './work.js'

const windowSize = 256

/** Results for `inputs`; nothing runs before they are asked for. */
export function results<I, O>(work: () => Promise<Work<I, O>>, inputs: Iterable<I> | AsyncIterable<I>): Results<O> {
  return new Results(async function* () {
    yield* parts(await work(), inputs)
  })
}

async function* parts<I, O>(work: Work<I, O>, inputs: Iterable<I> | AsyncIterable<I>): AsyncGenerator<readonly O[]> {
  if (work.shelf === undefined && work.ram === undefined) {
    yield* straight(work, inputs)
    return
  }
  // The caller may change his list while he takes results.
  const values = Array.isArray(inputs) ? (inputs.slice() as readonly I[]) : await collected(inputs)
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
  const passes: Pass<I, O>[] = []
  /** Who computes an item. What was there when the first of them began may have been found damaged since. */
  const passFor = async (uid: string, from: number): Promise<Pass<I, O>> => {
    const known = passes.find((one) => one.covers(uid))
    if (known !== undefined) return known
    const todo = await missing(work, uids, values, from)
    for (const one of todo.keys()) if (passes.some((before) => before.covers(one))) todo.delete(one)
    const pass = new Pass(work, allowed(work, todo, asked))
    passes.push(pass)
    return pass
  }
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
          const pass = await passFor(uid, from)
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
    for (const pass of passes) await pass.finish()
  } finally {
    for (const pass of passes) await pass.stop()
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
    const records = (await work.shelf?.lookWell(part)) ?? []
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
