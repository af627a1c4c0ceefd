/** What is to be computed for each of many items, and what of it is there already. */
import { errorIn, gone, type ItemCodec } from '../artifact/item-codec.js'
import { CachedError, type ErrorFacts } from '../errors.js'
import type { Claim } from '../store/claims.js'
import type { Compute, Done, Todo } from './batch.js'
import type { ExecMode } from './options.js'
import type { Ram } from './ram.js'
import type { Shelf, Standing } from './shelf.js'

/** Items to be computed somewhere else, with the claim that is held for them; yields what is done as it is done. */
export type Dispatch<I> = (
  todo: readonly Todo<I>[],
  claim: Claim,
  signal: AbortSignal,
) => AsyncGenerator<readonly Done[]>

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
  /** Others find the results in the store, or nowhere: it is a worker who computes them. */
  readonly isForOthers?: boolean
  uidOf(value: I): string
  readonly compute: Compute<I, O>
  /** Undefined: here, one after the other. */
  readonly dispatch: Dispatch<I> | undefined
  readonly signal?: AbortSignal | undefined
  /** Told how far it is. */
  readonly progress?: ((done: number, of: number) => void) | undefined
}

/** What is there of an item: its value, or why there will be none. */
export type Slot<O> = { readonly value: O } | { readonly error: unknown } | undefined

/** What is there of these items, in memory or stored; undefined for what is to be computed. */
export async function read<I, O>(work: Work<I, O>, uids: readonly string[]): Promise<Slot<O>[]> {
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
  const records = work.shelf.look(rest.map((i) => uids[i]!))
  for (let n = 0; n < rest.length; n++) {
    const i = rest[n]!
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

/** The error that a record holds. */
export function errorOf(record: Pick<Standing, 'payload'>): CachedError {
  return new CachedError(errorIn(record) as unknown as ErrorFacts)
}

/** Whether an item need not be computed, in the work's mode. */
export function isThere<I, O>(work: Work<I, O>, uid: string, record: Standing | undefined): boolean {
  if (work.mode === 'force' && !work.forced.has(uid)) return false
  if (work.ram?.has(uid) === true) return true
  if (record === undefined) return false
  return record.kind !== 'error' || work.mode === 'cached' || work.mode === 'read-only'
}
