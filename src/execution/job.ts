/** A computation that was asked for, and goes on by itself. */
import { AsyncLocalStorage } from 'node:async_hooks'
import * as fs from 'node:fs'
import * as io from '../store/io.js'

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

/** Where a job with a folder of its own is. */
export interface JobPaths {
  readonly folder: string
  readonly stdout: string
  readonly stderr: string
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
    /**
     * The folder and logs of the last process that worked at it. Undefined until there is one, and for clusters without a folder for
     * each job: all but `local`.
     */
    readonly paths: () => Promise<JobPaths | undefined>,
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

  /** What that process has written up to now; undefined where `paths` is. */
  async stdout(): Promise<string | undefined> {
    return textIn((await this.paths())?.stdout)
  }

  async stderr(): Promise<string | undefined> {
    return textIn((await this.paths())?.stderr)
  }

  /** Ends it; its result is then an AbortError. */
  cancel(): void {
    this.#abort.abort()
  }
}

function textIn(file: string | undefined): string | undefined {
  try {
    return file === undefined ? undefined : fs.readFileSync(file, 'utf8')
  } catch (error) {
    if (io.isAbsent(error)) return undefined
    throw io.ioError('read', file!, error)
  }
}
