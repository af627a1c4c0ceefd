/** From items that are not there to results that are stored: claim → look again → compute, here or elsewhere. */
import { computeBatch, type Done, type Todo } from './batch.js'
import { doneOf, waitMs } from './shelf.js'
import { withSignal } from './signal.js'
import { isThere, type Work } from './work.js'

/**
 * Computes what is missing of these items, for whoever reads the results later.
 *
 * @returns whether he will find all of them.
 */
export async function ensure<I, O>(work: Work<I, O>, items: readonly Todo<I>[], signal: AbortSignal): Promise<boolean> {
  let areStored = true
  for await (const done of computeMissing(work, new Map(items.map(({ uid, value }) => [uid, value])), signal)) {
    if (done.some(({ isStored }) => isStored === false)) areStored = false
  }
  return areStored
}

/** Claims, looks again, and computes; what others compute meanwhile is waited for. */
export async function* computeMissing<I, O>(
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
  const onDisk = { ...work, ram: undefined }
  const look = async (uids: readonly string[]): Promise<Map<string, Done>> => {
    shelf.items.refresh()
    const records = await shelf.lookWell(uids)
    const there = new Map<string, Done>()
    for (const [i, uid] of uids.entries()) {
      const record = records[i]
      const first = before.get(uid)
      if (first === undefined) before.set(uid, record?.generation ?? -1)
      if (record === undefined) continue
      const isNew = work.mode === 'force' && record.kind !== 'error' && first !== undefined && record.generation > first
      if (isNew || isThere(onDisk, uid, record)) there.set(uid, doneOf(uid, record))
    }
    return there
  }
  while (left.length > 0) {
    signal.throwIfAborted()
    const claim = await shelf.claims.take(left, drive)
    try {
      const there = await look(left)
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
      const there = await look(left)
      if (there.size > 0) yield [...there.values()]
      left = left.filter((uid) => !there.has(uid))
    }
  }
}

/** A generator goes on in the context of whoever asks it: each time, that of the claim and of the signal. */
export async function* inside<T>(run: <R>(action: () => R) => R, make: () => AsyncGenerator<T>): AsyncGenerator<T> {
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
  const sink = shelf === undefined ? nowhere : shelf.sink(work.mode, work.isForOthers)
  return computeBatch(work.where, todo, work.compute, work.codec, sink, signal)
}

const nowhere = {
  waitMs: waitMs.asked,
  put: async (items: readonly Done[]) => items,
  takeBack: async () => undefined,
  failed: (error: unknown) => {
    throw error
  },
}
