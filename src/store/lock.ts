import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreIOError } from '../errors.js'
import type { StoreEvents } from './events.js'
import * as io from './io.js'
import { aliveness, bootToken, hostName, ownStartTime } from './process.js'

/** Times of the advisory lock that keeps two processes from computing the same thing. */
export interface LockOptions {
  /** A lock not refreshed for this long may be taken over. Milliseconds; default 120,000, minimum 2,000. */
  readonly staleMs: number
  /** How long to wait for another holder before computing beside it. Milliseconds; default 24 hours. */
  readonly waitMs: number
}

interface Holder {
  readonly host: string
  readonly boot: string
  readonly pid: number
  readonly start?: string
  readonly since: string
}

const noticeMs = 10_000

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
    const taken = await this.#acquire(key, file, look, signal).catch((error) => {
      // A folder that takes no lock may still be read, and the computation still be run.
      if (!(error instanceof StoreIOError)) throw error
      this.events.emit({ kind: 'lock-lost', key, reason: error.message })
      return { found: undefined, release: async () => undefined }
    })
    if (taken.found !== undefined) return taken.found
    try {
      return await action()
    } finally {
      await taken.release()
    }
  }

  async #acquire<T>(key: string, file: string, look: () => Promise<T | undefined>, signal: AbortSignal | undefined) {
    const { lock } = await import('proper-lockfile')
    io.ensureDir(this.#dir, this.dirMode, false)
    const started = performance.now()
    let noticed = started
    for (let pause = 5; ; pause = Math.min(pause * 1.5, 500)) {
      signal?.throwIfAborted()
      if (this.#mayTry(file)) {
        try {
          const release = await lock(file, {
            realpath: false,
            stale: this.options.staleMs,
            update: Math.max(1000, this.options.staleMs / 8),
            retries: 0,
            onCompromised: (error) => this.events.emit({ kind: 'lock-lost', key, reason: error.message }),
          })
          this.#signHolder(file)
          return { found: undefined, release: () => this.#release(file, release, key) }
        } catch (error) {
          if (io.errnoOf(error) !== 'ELOCKED' && !io.isAbsent(error)) throw io.ioError('lock', file, error)
        }
      }
      const found = await look()
      if (found !== undefined) return { found, release: async () => undefined }
      const waited = performance.now() - started
      if (waited > this.options.waitMs) {
        const reason = `gave up waiting for ${holderText(readHolder(file))}; computing beside it`
        this.events.emit({ kind: 'lock-lost', key, reason })
        return { found: undefined, release: async () => undefined }
      }
      if (performance.now() - noticed > noticeMs) {
        noticed = performance.now()
        this.events.emit({
          kind: 'waiting',
          key,
          holder: holderText(readHolder(file)),
          seconds: Math.round(waited / 1000),
        })
      }
      await sleep(pause * (0.5 + Math.random()), undefined, signal === undefined ? {} : { signal })
    }
  }

  /**
   * Whether trying makes sense. A dead holder's lock is cleared at once. A living one that is merely busy (its event
   * loop blocked for minutes by the computation itself) keeps it, though proper-lockfile would call it stale.
   */
  #mayTry(file: string): boolean {
    const lockDir = `${file}.lock`
    const before = fs.lstatSync(lockDir, { throwIfNoEntry: false })
    if (before === undefined) return true
    const holder = readHolder(file)
    if (holder === undefined) return true
    const state = aliveness(holder.host, holder.boot, holder.pid, holder.start)
    if (state === 'alive') return false
    if (state !== 'dead') return true
    const now = fs.lstatSync(lockDir, { throwIfNoEntry: false })
    if (now?.ino === before.ino && now.mtimeMs === before.mtimeMs) {
      try {
        // A rename succeeds for one waiter only, where rmdir and mkdir of two could interleave.
        const aside = `${lockDir}.${io.tempName()}`
        fs.renameSync(lockDir, aside)
        fs.rmdirSync(aside)
      } catch (error) {
        if (!io.isAbsent(error)) throw io.ioError('take over', lockDir, error)
      }
    }
    return true
  }

  #signHolder(file: string): void {
    const start = ownStartTime()
    const holder: Holder = {
      host: hostName(),
      boot: bootToken(),
      pid: process.pid,
      ...(start === undefined ? {} : { start }),
      since: new Date().toISOString(),
    }
    const temp = io.writeTemp(this.#dir, `${JSON.stringify(holder)}\n`, 0o644, false)
    fs.renameSync(temp, `${file}.json`)
  }

  async #release(file: string, release: () => Promise<void>, key: string): Promise<void> {
    const holder = readHolder(file)
    if (holder?.pid === process.pid && holder.host === hostName()) io.remove(`${file}.json`)
    try {
      await release()
    } catch (error) {
      // Taken over meanwhile: the work is done and committed, so nothing is lost.
      this.events.emit({ kind: 'lock-lost', key, reason: (error as Error).message })
    }
  }
}

function readHolder(file: string): Holder | undefined {
  try {
    const holder = JSON.parse(fs.readFileSync(`${file}.json`, 'utf8')) as Holder
    return typeof holder.host === 'string' && Number.isInteger(holder.pid) && holder.pid > 0 ? holder : undefined
  } catch {
    // Advisory: a holder we cannot name is waited for like any other.
    return undefined
  }
}

function holderText(holder: Holder | undefined): string {
  return holder === undefined ? 'an unknown holder' : `pid ${holder.pid} on ${holder.host} since ${holder.since}`
}
