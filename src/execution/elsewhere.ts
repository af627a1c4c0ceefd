/** From a computation to those who do it elsewhere: what each worker gets, and what came of it. */
import { randomUUID } from 'node:crypto'
import type { Store } from '../artifact/store.js'
import { CachedError, JobError } from '../errors.js'
import type { Key } from '../identity/key.js'
import { claimsAround } from '../store/claims.js'
import { readError } from '../store/error-file.js'
import type { Assignment, Outcome } from './assignment.js'
import { isPool, runOn, workersOf } from './backends/index.js'
import { type Done, listed, type Todo } from './batch.js'
import { chunksOf, poolChunksOf } from './chunks.js'
import type { Infra } from './infra.js'
import type { InfraOptions } from './options.js'
import { doneOf, type Shelf } from './shelf.js'
import type { Dispatch } from './work.js'

/** Has a task, or a stage, computed by a worker. Its result, or a task's error, is then in the store. */
export async function elsewhere(
  options: InfraOptions,
  sent: Assignment,
  key: Key,
  store: Store,
  signal: AbortSignal | undefined,
): Promise<void> {
  const assignment = { ...sent, claims: claimsAround() }
  for await (const { outcome } of runOn(options.cluster, [assignment], options, store, signal)) {
    if (outcome.ok) continue
    const stored = outcome.isStored ? readError(store, key) : undefined
    throw stored === undefined ? jobError(assignment, outcome) : new CachedError(stored)
  }
}

/** Has items computed by workers, chunk by chunk. */
export function dispatchTo<I>(
  infra: Infra,
  shelf: Shelf<unknown>,
  assign: (todo: readonly Todo<I>[], signal: AbortSignal) => Promise<Assignment> = async () =>
    infra.assign(shelf.recipe, shelf.store),
): Dispatch<I> {
  const { cluster, options } = infra
  return (todo, _claim, signal) => {
    const { maxJobs = null, minItemsPerJob = 1 } = options
    const chunks = isPool(cluster)
      ? poolChunksOf(todo, workersOf(options), maxJobs, minItemsPerJob)
      : chunksOf(todo, maxJobs, minItemsPerJob)
    return inChunks(infra, shelf, chunks, () => assign(todo, signal), signal)
  }
}

async function* inChunks<I>(
  infra: Infra,
  shelf: Shelf<unknown>,
  chunks: readonly (readonly Todo<I>[])[],
  assign: () => Promise<Assignment>,
  signal: AbortSignal,
): AsyncGenerator<readonly Done[]> {
  const { store, recipe } = shelf
  const whole = { ...(await assign()), call: randomUUID(), claims: claimsAround() }
  const assignments = chunks.map((items) => ({ ...whole, items }))
  // What does not count in this mode: a worker that died left it as it was.
  const old = new Map<string, number>()
  const { mode } = whole
  for (const chunk of mode === 'force' || mode === 'retry' ? chunks : []) {
    const uids = chunk.map(({ uid }) => uid)
    for (const [i, record] of shelf.lookAgain(uids).entries()) {
      if (record !== undefined && (mode === 'force' || record.kind === 'error')) old.set(uids[i]!, record.time)
    }
  }
  // Once the workers are at it; who of them is ready sooner does the same.
  const described = new Promise(setImmediate).then(() => shelf.describe())
  described.catch(() => undefined)
  let failure: JobError | undefined
  try {
    for await (const { index, outcome } of runOn(infra.cluster, assignments, infra.options, store, signal)) {
      await described
      const uids = chunks[index]!.map(({ uid }) => uid)
      const records = shelf.lookAgain(uids)
      const done = uids.flatMap((uid, i): Done[] => {
        const record = records[i]
        return record === undefined || record.time === old.get(uid) ? [] : [doneOf(uid, record)]
      })
      if (done.length > 0) yield done
      const isDone = new Set(done.map(({ key }) => key))
      const left = uids.filter((uid) => !isDone.has(uid))
      if (outcome.ok) {
        if (left.length === 0) continue
        failure ??= new JobError(recipe.key.text, `a worker said that it was done, and did not store ${listed(left)}`)
      } else if (!outcome.isStored || !done.some(({ kind }) => kind === 'error')) {
        failure ??= jobError(assignments[index]!, outcome, left)
      }
    }
  } finally {
    // Nothing is written after the end.
    await described.catch(() => undefined)
  }
  if (failure !== undefined) throw failure
}

/** @param left items that are not done. */
function jobError(
  { where }: Assignment,
  outcome: Outcome & { readonly ok: false },
  left: readonly string[] = [],
): JobError {
  const { name, message, remote, job } = outcome
  const reason = name === 'JobError' ? message : `${name}: ${message}`
  const items = left.length === 0 ? '' : `; not done: ${listed(left)}`
  return new JobError(where, `${reason}${items}`, { ...job, ...(remote === undefined ? {} : { remoteStack: remote }) })
}
