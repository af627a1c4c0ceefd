import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CurioError, StoreIOError } from '../errors.js'
import type { StoreEvents } from './events.js'
import { clearDead, holderOf, holderText, isOwn, signHolder } from './holder.js'
import * as io from './io.js'
import { aliveness } from './process.js'

/** Times of the advisory lock that keeps two processes from computing the same thing. */
export interface LockOptions {
  /** A lock not refreshed for this long may be taken over. Milliseconds; default 120,000, minimum 2,000. */
  readonly staleMs: number
  /** How long to wait for another holder before computing beside it. Milliseconds; default 24 hours. */
  readonly waitMs: number
}

type Taken<T> = { readonly found: T | undefined; readonly release: () => Promise<void> }

const firstNoticeMs = 2000
const noticeMs = 10_000
const maxAbsent = 5
const nothingHeld = async (): Promise<void> => undefined

/**
 * The one lock in the house: proper-lockfile, advisory. Two holders at once cost a second computation, never truth,
 * because commits are exclusive. So losing it is only an event.
 */
export class ComputeLock {
  readonly #dir: string

  constructor(
    folder: string,
    readonly options: LockOptions,
    readonly dirMode: number,
    readonly events: StoreEvents,
  ) {
    this.#dir = path.join(folder, 'locks')
  }

  /**
   * Runs `action` while holding the lock of `hash`; or returns early what `look` finds while another holds it.
   *
   * @param look asked between tries: the other may have finished. Undefined: go on waiting.
   */
  async run<T>(
    key: string,
    hash: string,
    look: () => Promise<T | undefined>,
    action: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const file = path.join(this.#dir, hash.slice(0, 32))
    const taken = await this.#acquire(key, file, look, signal)
    if (taken.found !== undefined) return taken.found
    try {
      return await action()
    } finally {
      await taken.release()
    }
  }

  /** Whether somebody holds the lock of `hash` who is not known to be dead. */
  isHeld(hash: string): boolean {
    const holder = holderOf(path.join(this.#dir, hash.slice(0, 32)))
    return holder !== undefined && aliveness(holder.host, holder.boot, holder.pid, holder.start) !== 'dead'
  }

  async #acquire<T>(
    key: string,
    file: string,
    look: () => Promise<T | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<Taken<T>> {
    const started = performance.now()
    let noticed = started - noticeMs + firstNoticeMs
    let absent = 0
    for (let pause = 5; ; pause = Math.min(pause * 1.5, 500)) {
      signal?.throwIfAborted()
      try {
        const release = await this.#try(key, file)
        if (release !== undefined) return { found: undefined, release }
      } catch (error) {
        // A folder that takes no lock may still be read, and the computation still be run. One that vanished is made again.
        if (!(error instanceof StoreIOError)) throw error
        absent += io.isAbsent(error.cause) ? 1 : maxAbsent
        if (absent >= maxAbsent) return this.#without(key, error.message)
      }
      const found = await look()
      if (found !== undefined) return { found, release: nothingHeld }
      const waited = performance.now() - started
      if (waited > this.options.waitMs) {
        return this.#without(key, `gave up waiting for ${holderText(holderOf(file))}; computing beside it`)
      }
      if (performance.now() - noticed > noticeMs) {
        noticed = performance.now()
        const holder = holderText(holderOf(file))
        this.events.emit({ kind: 'waiting', key, holder, seconds: Math.round(waited / 1000) })
      }
      await sleep(pause * (0.5 + Math.random()), undefined, signal === undefined ? {} : { signal })
    }
  }

  #without(key: string, reason: string): Taken<never> {
    this.events.emit({ kind: 'lock-lost', key, reason })
    return { found: undefined, release: nothingHeld }
  }

  /** Tries once; returns how to release, or undefined when another holds it. */
  async #try(key: string, file: string): Promise<(() => Promise<void>) | undefined> {
    const { lock } = await import('proper-lockfile')
    io.ensureDir(this.#dir, this.dirMode, false)
    if (this.#isKept(file)) return undefined
    let release: () => Promise<void>
    try {
      release = await lock(file, {
        realpath: false,
        stale: this.options.staleMs,
        update: Math.max(1000, this.options.staleMs / 8),
        retries: 0,
        onCompromised: (error) => this.events.emit({ kind: 'lock-lost', key, reason: error.message }),
      })
    } catch (error) {
      if (io.errnoOf(error) === 'ELOCKED') return undefined
      throw io.ioError('lock', file, error)
    }
    try {
      signHolder(file)
    } catch (error) {
      // Unsigned, it is only waited for less cleverly.
      if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
    }
    return () => this.#release(file, release, key)
  }

  /**
   * Whether the lock's holder keeps it. A dead holder's lock is cleared at once. A living one that is merely busy (its event
   * loop blocked for minutes by the computation itself) keeps it, though proper-lockfile would call it stale.
   */
  #isKept(file: string): boolean {
    const holder = holderOf(file)
    if (holder === undefined) return false
    const state = aliveness(holder.host, holder.boot, holder.pid, holder.start)
    if (state === 'dead') clearDead(file, holder)
    return state === 'alive'
  }

  async #release(file: string, release: () => Promise<void>, key: string): Promise<void> {
    try {
      const holder = holderOf(file)
      if (holder !== undefined && !isOwn(holder)) throw new Error(`taken over by ${holderText(holder)}`)
      io.remove(`${file}.json`)
      await release()
    } catch (error) {
      // Taken over meanwhile: the work is done and committed, so nothing is lost.
      this.events.emit({ kind: 'lock-lost', key, reason: (error as Error).message })
    }
  }
}
