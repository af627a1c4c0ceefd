/** What is being computed: once at a time for a key, in this process and among all that share the store. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { DeclarationError } from '../errors.js'
import type { Key } from '../identity/key.js'
import type { ComputeLock } from './lock.js'

/** Computations of this process, by the hash of their key; shared by all who have the same store open. */
export type InFlight = Map<string, Promise<unknown>>

export class Flights {
  readonly #inFlight: InFlight
  readonly #lock: ComputeLock
  readonly #readOnly: boolean

  /** @param readOnly takes no lock. */
  constructor(inFlight: InFlight, lock: ComputeLock, readOnly: boolean) {
    this.#inFlight = inFlight
    this.#lock = lock
    this.#readOnly = readOnly
  }

  isBusy(hash: string): boolean {
    return this.#inFlight.has(hash) || this.#lock.isHeld(hash)
  }

  /**
   * Runs `compute` at most once at a time for a key: in this process by sharing the promise, among processes by the
   * advisory lock. `look` is asked again under the lock, and while waiting for another holder.
   */
  async once<T>(
    key: Key,
    look: () => Promise<T | undefined>,
    compute: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const inside = within.getStore()
    if (inside?.has(key.hash) === true) {
      throw new DeclarationError(`${key.text} needs its own result`, {
        hint: 'its body runs the same computation again: take that out',
      })
    }
    for (;;) {
      signal?.throwIfAborted()
      const flying = this.#inFlight.get(key.hash)
      if (flying === undefined) break
      // Whatever becomes of the other call, what counts is what it leaves in the store.
      await settled(flying, signal)
      const found = await look()
      if (found !== undefined) return found
    }
    const inner = (): Promise<T> => within.run(new Set(inside).add(key.hash), compute)
    const work = this.#readOnly
      ? inner()
      : this.#lock.run(key.text, key.hash, look, async () => (await look()) ?? inner(), signal)
    this.#inFlight.set(key.hash, work)
    try {
      return await work
    } finally {
      // One that waited may have begun already.
      if (this.#inFlight.get(key.hash) === work) this.#inFlight.delete(key.hash)
    }
  }
}

/** Waits until `work` is over, however it ends, or until the abort. */
function settled(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal?.reason)
    signal?.addEventListener('abort', stop, { once: true })
    const done = () => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }
    work.then(done, done)
  })
}

/** Keys whose computations the current call is inside of: one that waits for itself would wait for ever. */
const within = new AsyncLocalStorage<ReadonlySet<string>>()
