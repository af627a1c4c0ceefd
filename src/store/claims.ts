/**
 * Who computes which items: so that two processes that need the same ones compute each once. Advisory, as the lock is: a claim that is
 * lost or not seen costs a second computation, never truth.
 *
 * Each process appends to a file of its own in `claims/<space>/` and reads those of the others; nothing is locked. Who takes items first
 * says that it is choosing, then draws a number above all it sees, then looks again: the lower number has them. That is Lamport's
 * bakery (A New Solution of Dijkstra's Concurrent Programming Problem, CACM 17/8, 1974); a holder that is dead holds nothing.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CurioError } from '../errors.js'
import { xxh64 } from './checksum.js'
import { ClaimFile, type Said, type Session, sessionsIn, writerOf } from './claim-file.js'
import * as io from './io.js'
import { aliveness } from './process.js'

/** Longest wait for another to draw its number: it may have been stopped in between. Who takes longer draws again. */
const choosingMs = 1000
const maxDraws = 5
/** Sessions that begin go into a new file then: what has ended need not be read for ever. */
const maxBytes = 1 << 20
const idleMs = 2000
/** Longest wait in one go: in between the caller looks into the store. */
const waitMs = 200
/** A holder that cannot be asked is dead after so many times the silence of one that can be seen to be stopped. */
const unknownFactor = 5

/** What a call came to hold, and what others hold of what it asked for. */
export interface Claim {
  /** Keys that are this call's to compute. */
  readonly mine: readonly string[]
  /** Keys of others. */
  readonly held: readonly string[]
  /** Waits for a short while; true as soon as others have let go of any, or died: they may be taken. */
  wait(signal?: AbortSignal): Promise<boolean>
  release(): void
  /** Runs what computes: calls from inside it may use what this claim holds. */
  within<T>(action: () => T): T
}

/** What a call of this process holds of one key. */
interface Held {
  readonly done: Promise<void>
  /** Goes on computing though nobody asks for results: another call waits for them. */
  readonly drive: () => void
}

interface Other extends Said {
  readonly writer: string
}

/** What the calls around the current one hold. */
interface Around {
  /** `<space>/<hash>`. */
  readonly keys: ReadonlySet<string>
  /** `<writer>/<session>`, of this process and of those that wait for it. */
  readonly claims: ReadonlySet<string>
}

const around = new AsyncLocalStorage<Around>()

function within(outer: Around | undefined, keys: readonly string[], claims: readonly string[]): Around {
  return { keys: new Set([...(outer?.keys ?? []), ...keys]), claims: new Set([...(outer?.claims ?? []), ...claims]) }
}

/** Runs `action` as part of a claim that another process made for it: what a worker does. */
export function adopting<T>(space: string, keys: readonly string[], action: () => T): T {
  const hashed = keys.map((key) => `${space}/${xxh64(Buffer.from(key))}`)
  return around.run(within(around.getStore(), hashed, []), action)
}

/** The claims of the calls around the current one, for a worker that computes for them. */
export function claimsAround(): readonly string[] {
  return [...(around.getStore()?.claims ?? [])]
}

/** Runs `action` for those who hold these claims: it does not wait for them, who wait for it. */
export function adoptingClaims<T>(claims: readonly string[], action: () => T): T {
  return around.run(within(around.getStore(), [], claims), action)
}

/** How claims are kept. */
export interface ClaimsOptions {
  readonly modes: io.Modes
  /** A holder that is stopped, and silent for so long, counts as dead. */
  readonly staleMs: number
  /** Told when a claim could not be written: what is computed may be computed by others too. */
  onLost?(reason: string): void
}

/** The claims of one process in one space. */
export class Claims {
  readonly #dir: string
  readonly #held = new Map<string, Held>()
  /** The one that sessions begin in, and those whose sessions have not ended. */
  #file: ClaimFile | undefined
  readonly #files = new Map<string, ClaimFile>()
  #idle: NodeJS.Timeout | undefined
  #beat: NodeJS.Timeout | undefined
  readonly #silentSince = new Map<string, { said: string; since: number }>()

  /** @param space names the items' folder: 32 hex digits. */
  constructor(
    folder: string,
    readonly space: string,
    readonly options: ClaimsOptions,
  ) {
    this.#dir = path.join(folder, 'claims', space)
  }

  /**
   * Takes what of `keys` nobody else has.
   *
   * @param drive called when another call of this process waits for what this one holds, maybe more than once.
   */
  async take(keys: readonly string[], drive: () => void = () => undefined): Promise<Claim> {
    const hashes = new Map(keys.map((key) => [key, xxh64(Buffer.from(key))]))
    const outer = around.getStore()
    const [mine, held, asked]: [string[], string[], string[]] = [[], [], []]
    for (const [key, hash] of hashes) {
      if (outer?.keys.has(`${this.space}/${hash}`) === true) mine.push(key)
      else (this.#held.has(hash) ? held : asked).push(key)
    }
    let letGo: () => void = () => undefined
    const done = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const wanted = new Set(asked.map((key) => hashes.get(key)!))
    // At once, before anything is awaited: another call of this process must see them.
    for (const hash of wanted) this.#held.set(hash, { done, drive })
    const { session, lost } = await this.#drawn(wanted)
    for (const key of asked) (lost.has(hashes.get(key)!) ? held : mine).push(key)
    for (const hash of lost) this.#held.delete(hash)
    const own = [...wanted].filter((hash) => !lost.has(hash))
    const waited = new Set(held.map((key) => hashes.get(key)!))
    const order = new Map(keys.map((key, i) => [key, i]))
    const byOrder = (a: string, b: string): number => order.get(a)! - order.get(b)!
    let isReleased = false
    let inner: Around | undefined
    return {
      mine: mine.sort(byOrder),
      held: held.sort(byOrder),
      wait: (signal) => this.#wait(waited, signal),
      release: () => {
        if (isReleased) return
        isReleased = true
        for (const hash of own) this.#held.delete(hash)
        letGo()
        if (session !== undefined) this.#end(session)
      },
      within: (action) => {
        inner ??= within(
          outer,
          own.map((hash) => `${this.space}/${hash}`),
          session === undefined ? [] : [`${session.file.name}/${session.id}`],
        )
        return around.run(inner, action)
      },
    }
  }

  /** Whether a key is being computed now, here or elsewhere, as far as can be told. */
  isHeld(key: string): boolean {
    const hash = xxh64(Buffer.from(key))
    return this.#held.has(hash) || this.#others().some(({ hashes }) => hashes.has(hash))
  }

  /** Draws a number for these hashes; says to which of them others have a better right. */
  async #drawn(wanted: ReadonlySet<string>): Promise<{ session: Session | undefined; lost: ReadonlySet<string> }> {
    let session: Session | undefined
    const none = { session: undefined, lost: new Set<string>() }
    if (wanted.size === 0) return none
    try {
      for (let draws = 1; ; draws++) {
        const since = performance.now()
        session = this.#begin()
        const ticket = 1 + this.#others().reduce((max, other) => Math.max(max, other.ticket ?? 0), 0)
        session.file.draw(session, ticket, wanted)
        // Stopped for so long it was no longer waited for, and others may have drawn meanwhile.
        if (performance.now() - since < choosingMs || draws === maxDraws) {
          const lost = await this.#lost(session, ticket, wanted)
          // What is not ours must not seem so: should its holder die, others may have it.
          if (lost.size > 0) session.file.draw(session, ticket, new Set([...wanted].filter((hash) => !lost.has(hash))))
          return { session, lost }
        }
        this.#end(session)
        session = undefined
      }
    } catch (error) {
      // A folder that takes no claims may still be read, and the computation still be run.
      if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
      if (session !== undefined) this.#end(session)
      this.options.onLost?.((error as Error).message)
      return none
    }
  }

  async #lost({ file }: Session, ticket: number, wanted: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const started = performance.now()
    let others = this.#others()
    while (others.some((other) => other.ticket === undefined) && performance.now() - started < choosingMs) {
      await sleep(1)
      others = this.#others()
    }
    const lost: Set<string> = new Set()
    for (const other of others) {
      if (other.ticket === undefined || other.ticket > ticket) continue
      if (other.ticket === ticket && other.writer > file.name) continue
      for (const hash of other.hashes) if (wanted.has(hash)) lost.add(hash)
    }
    return lost
  }

  async #wait(hashes: ReadonlySet<string>, signal: AbortSignal | undefined): Promise<boolean> {
    signal?.throwIfAborted()
    const here = [...hashes].flatMap((hash) => this.#held.get(hash) ?? [])
    for (const { drive } of new Set(here)) drive()
    const stop = new AbortController()
    const abort = (): void => stop.abort()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      const started = performance.now()
      for (let pause = 2; performance.now() - started < waitMs; pause = Math.min(pause * 1.5, 50)) {
        if (this.#areFree(hashes)) return true
        const timer = sleep(pause, undefined, { signal: stop.signal }).catch(() => undefined)
        await (here.length === 0 ? timer : Promise.race([timer, ...here.map(({ done }) => done)]))
        signal?.throwIfAborted()
      }
      return this.#areFree(hashes)
    } finally {
      signal?.removeEventListener('abort', abort)
      stop.abort()
    }
  }

  /** Whether nobody holds one of these any more. */
  #areFree(hashes: ReadonlySet<string>): boolean {
    const rest = new Set(hashes)
    for (const hash of hashes) if (this.#held.has(hash)) rest.delete(hash)
    if (rest.size === 0) return hashes.size === 0
    for (const other of this.#others()) for (const hash of other.hashes) rest.delete(hash)
    return rest.size > 0
  }

  #begin(): Session {
    clearTimeout(this.#idle)
    const { modes, staleMs } = this.options
    if (this.#file !== undefined && (this.#file.bytes > maxBytes || !fs.existsSync(this.#file.path)))
      this.#file = undefined
    if (this.#file === undefined) {
      this.#file = new ClaimFile(this.#dir, modes)
      this.#files.set(this.#file.name, this.#file)
      open.add(this)
    }
    // On another host nothing else tells that this process lives.
    this.#beat ??= setInterval(() => this.#tick(), Math.max(100, staleMs / 4)).unref()
    return this.#file.begin()
  }

  #tick(): void {
    for (const file of this.#files.values()) quietly(() => !file.isIdle && file.say('.'))
  }

  #end(session: Session): void {
    const { file } = session
    quietly(() => file.end(session))
    if (!file.isIdle) return
    if (file !== this.#file) {
      this.#files.delete(file.name)
      quietly(() => file.remove())
    }
    if ([...this.#files.values()].some((one) => !one.isIdle)) return
    clearInterval(this.#beat)
    this.#beat = undefined
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.closeIfIdle(), idleMs).unref()
  }

  closeIfIdle(): void {
    if ([...this.#files.values()].every((file) => file.isIdle)) this.close()
  }

  /** Removes the files of this process. */
  close(): void {
    open.delete(this)
    clearTimeout(this.#idle)
    clearInterval(this.#beat)
    this.#beat = undefined
    for (const file of this.#files.values()) quietly(() => file.remove())
    this.#files.clear()
    this.#file = undefined
    quietly(() => fs.rmdirSync(this.#dir))
  }

  /** The claims of others that live: processes, threads, other copies of curio in this one. Not of those who wait for this call. */
  #others(): Other[] {
    const found: Other[] = []
    const waiting = around.getStore()?.claims
    for (const name of namesIn(this.#dir)) {
      const writer = this.#files.has(name) ? undefined : writerOf(name)
      if (writer === undefined) continue
      const state = aliveness(writer.host, writer.boot, writer.pid, writer.start)
      const file = path.join(this.#dir, name)
      if (state === 'dead') {
        quietly(() => io.remove(file))
        continue
      }
      const text = readText(file)
      if (text === '' || (state !== 'alive' && this.#isSilent(name, text, state === 'stopped' ? 1 : unknownFactor)))
        continue
      for (const said of sessionsIn(text)) {
        if (waiting?.has(`${name}/${said.id}`) !== true) found.push({ writer: name, ...said })
      }
    }
    return found
  }

  #isSilent(name: string, text: string, factor: number): boolean {
    const said = `${text.length} ${text.slice(0, 64)}`
    const before = this.#silentSince.get(name)
    if (before?.said === said) return performance.now() - before.since > this.options.staleMs * factor
    this.#silentSince.set(name, { said, since: performance.now() })
    return false
  }
}

/** Files that a process leaves when it ends as it should. */
const open = new Set<Claims>()
process.once('exit', () => {
  for (const claims of open) claims.close()
})

/** What fails for the system's reasons costs others a second computation at most. */
function quietly(action: () => unknown): void {
  try {
    action()
  } catch (error) {
    if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
  }
}

function namesIn(dir: string): string[] {
  try {
    return fs.readdirSync(dir)
  } catch {
    // Whoever cannot look computes beside the others.
    return []
  }
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1')
  } catch {
    // Gone, or not ours to read: then it holds nothing that we could respect.
    return ''
  }
}
