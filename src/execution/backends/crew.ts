/** Workers of one kind: kept a little while for the next call, shared by calls that go on at once. */
import type { Outcome } from '../assignment.js'
import { Gate } from './gate.js'
import { CannotStart, type Death, type Port } from './port.js'

/** How long a worker waits for something to do. */
const idleMs = 10_000
/** How long one may take to end when it is told to. */
const graceMs = 1000

/** What came of an assignment, or of the worker that had it. */
export type Came = { readonly outcome: Outcome } | { readonly death: Death }

export class Crew {
  readonly #gate = new Gate()
  readonly #idle: Member[] = []

  constructor(readonly start: () => Port) {
    // A program that has nothing more to do sees its workers off: they seal what they stored.
    process.on('beforeExit', () => {
      for (const member of [...this.#idle]) {
        member.hold()
        this.#leave(member)
      }
    })
  }

  /**
   * Has a worker do it, once there is one free.
   *
   * @param isFresh by a worker that has done nothing yet.
   * @throws {CannotStart}
   */
  do(bytes: Uint8Array, limit: number, signal: AbortSignal, isFresh: boolean): Promise<Came> {
    return this.#gate.pass(limit, async () => {
      signal.throwIfAborted()
      const member = await this.#member(isFresh)
      const came = await member.do(bytes, signal)
      if ('outcome' in came) this.#rest(member)
      return came
    })
  }

  async #member(isFresh: boolean): Promise<Member> {
    const kept = this.#idle.pop()
    if (kept !== undefined) {
      clearTimeout(kept.timer)
      if (!isFresh && kept.surroundings === surroundings()) return kept
      kept.end()
      return this.#member(isFresh)
    }
    const member = await Member.start(this.start)
    void member.ended.then(() => this.#leave(member))
    return member
  }

  #rest(member: Member): void {
    this.#idle.push(member)
    member.timer = setTimeout(() => this.#leave(member), idleMs).unref()
  }

  #leave(member: Member): void {
    const at = this.#idle.indexOf(member)
    if (at < 0) return
    this.#idle.splice(at, 1)
    clearTimeout(member.timer)
    member.end()
  }
}

/** What a worker has from the program at its start, and the program may change. */
function surroundings(): string {
  return JSON.stringify([process.cwd(), process.env])
}

class Member {
  timer: NodeJS.Timeout | undefined
  readonly ended: Promise<Death>
  readonly #port: Port
  readonly #ready: Promise<void>
  #calls = 0
  #settle: ((came: Came) => void) | undefined

  private constructor(
    port: Port,
    readonly surroundings: string,
  ) {
    this.#port = port
    this.ended = port.ended
    this.#ready = new Promise((resolve) => {
      port.hear((message) => {
        if (message.curio === 'ready') resolve()
        // What it wrote before is on its way by another road, and comes in this turn.
        else if (message.id === this.#calls) setImmediate(() => this.#settle?.(message))
      })
    })
  }

  static async start(start: () => Port): Promise<Member> {
    const there = surroundings()
    let port: Port
    try {
      port = start()
    } catch (cause) {
      throw new CannotStart(`a worker cannot be started: ${(cause as Error).message}`, { cause })
    }
    const cause = await port.started
    if (cause !== undefined) throw new CannotStart(`a worker cannot be started: ${cause.message}`, { cause })
    return new Member(port, there)
  }

  async do(bytes: Uint8Array, signal: AbortSignal): Promise<Came> {
    this.#port.hold(true)
    const id = ++this.#calls
    let timer: NodeJS.Timeout | undefined
    const stop = (): void => {
      this.#port.send({ curio: 'abort' })
      timer = setTimeout(() => this.#port.kill(), graceMs)
    }
    try {
      return await new Promise<Came>((resolve) => {
        this.#settle = resolve
        void this.ended.then((death) => resolve({ death }))
        signal.addEventListener('abort', stop, { once: true })
        if (signal.aborted) stop()
        void this.#ready.then(() => this.#port.send({ curio: 'do', id, bytes }))
      })
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      this.#settle = undefined
      this.#port.hold(false)
    }
  }

  hold(): void {
    this.#port.hold(true)
  }

  /** Tells it to end, and sees to it. */
  end(): void {
    this.#port.send({ curio: 'end' })
    const timer = setTimeout(() => this.#port.kill(), graceMs).unref()
    void this.ended.then(() => clearTimeout(timer))
  }
}
