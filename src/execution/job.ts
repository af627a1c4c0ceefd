/** A computation that was asked for, and goes on by itself. */
import { AsyncLocalStorage } from 'node:async_hooks'

/** The job that code runs in. */
export interface CurrentJob {
  readonly id: string
  /** Where its output goes; undefined where that is the program's own. */
  readonly stdout?: string
  readonly stderr?: string
}

const current = new AsyncLocalStorage<CurrentJob>()

/** The job that this code runs in: its id and where its logs are. Undefined in what runs inline. */
export function currentJob(): CurrentJob | undefined {
  return current.getStore()
}

export function inJob<T>(job: CurrentJob, action: () => T): T {
  return current.run(job, action)
}

/** Jobs of every kind: results, errors and the end are asked for in one way. */
export class Job<T = unknown> {
  readonly #abort = new AbortController()
  readonly #result: Promise<T>
  #state: 'running' | 'completed' | 'failed' = 'running'

  constructor(
    /** Names it where it runs. */
    readonly id: string,
    start: (signal: AbortSignal) => Promise<T>,
  ) {
    this.#result = start(this.#abort.signal)
    this.#result.then(
      () => {
        this.#state = 'completed'
      },
      () => {
        this.#state = 'failed'
      },
    )
  }

  /** The result; throws what the computation threw. */
  result(): Promise<T> {
    return this.#result
  }

  /** Whether it has ended, well or not. */
  done(): boolean {
    return this.#state !== 'running'
  }

  status(): 'running' | 'completed' | 'failed' {
    return this.#state
  }

  /** Waits for the end, well or not. */
  async wait(): Promise<void> {
    await this.#result.catch(() => undefined)
  }

  /** What it failed with, once it has ended; undefined when it did not. */
  async exception(): Promise<unknown> {
    try {
      await this.#result
      return undefined
    } catch (error) {
      return error
    }
  }

  /** Ends it; its result is then an AbortError. */
  cancel(): void {
    this.#abort.abort()
  }
}
