/** Threads that run parquet-wasm: one job at a time each, kept a moment for the next one. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { messageOf } from '../common.js'
import { FrameProblem } from '../frame/problem.js'
import type { Answers, Call, Methods, Ready, Reply } from './protocol.js'

/** How long a thread waits for its next job, in milliseconds. */
const idleMs = 1000
/** A thread that holds more than this is ended after its job, in bytes. */
const keepBelow = 192 << 20
const atMost = Math.max(2, Math.min(4, availableParallelism()))

/** The compiled module of the first thread; the others start faster with it, and with the code that was optimised meanwhile. */
let module: unknown
let running = 0
const idle: Thread[] = []
const queue: (() => void)[] = []

/** A thread of one's own, for one job. Give it back with `release`, or end it. */
export async function borrow(answers: Answers): Promise<Thread> {
  if (running >= atMost) await new Promise<void>((resolve) => queue.push(resolve))
  else running += 1
  const thread = idle.pop() ?? new Thread()
  thread.lend(answers)
  return thread
}

/** Runs one job in a thread. */
export async function inThread<T>(answers: Answers, job: (thread: Thread) => Promise<T>): Promise<T> {
  const thread = await borrow(answers)
  try {
    return await job(thread)
  } finally {
    thread.release()
  }
}

interface Waiting {
  resolve(value: never): void
  reject(error: unknown): void
}

export class Thread {
  private readonly worker: Worker
  private readonly waiting = new Map<number, Waiting>()
  private answers: Answers = {}
  private calls = 0
  private isLarge = false
  /** How many of the calls that wait are of `close`. */
  private closing = 0
  private timer: NodeJS.Timeout | undefined
  /** Why it can do nothing more. */
  private ended: FrameProblem | undefined
  /** What went wrong when it was answered: the cause of what it says then. */
  private failure: { readonly error: unknown } | undefined

  constructor() {
    // Without the loaders of this process: it is plain JavaScript, and starts in a fraction of the time.
    this.worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: { module },
      execArgv: [],
      env: {},
      stdin: false,
      stdout: true,
      stderr: true,
      name: 'curio-parquet',
    })
    this.worker.on('message', (message: Call | Reply | Ready) => this.hear(message))
    this.worker.on('error', (error) => this.end(`it stopped: ${messageOf(error)}`))
    this.worker.on('messageerror', (error) => this.end(messageOf(error)))
    this.worker.on('exit', () => this.end('it ended before its job did'))
    this.worker.unref()
  }

  lend(answers: Answers): void {
    clearTimeout(this.timer)
    this.answers = answers
    this.failure = undefined
  }

  /** Calls a method. Bytes given in `transfer` are gone from here. */
  call<M extends keyof Methods>(
    method: M,
    args: Parameters<Methods[M]>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Awaited<ReturnType<Methods[M]>>> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended)
      const call = ++this.calls
      // Only an answer that somebody waits for keeps the process alive.
      this.worker.ref()
      this.waiting.set(call, { resolve: resolve as Waiting['resolve'], reject })
      this.worker.postMessage({ call, method, args } satisfies Call, [...transfer])
    })
  }

  /** Ends the job. A thread that is large, broken, or left in the middle of its job is ended with it. */
  release(isLeft = false): void {
    this.answers = {}
    const isIdle = this.waiting.size === this.closing
    if (isLeft || !isIdle || this.isLarge || this.ended !== undefined) this.stop()
    else {
      void this.close()
      this.timer = setTimeout(() => this.retire(), idleMs).unref()
      idle.push(this)
    }
    const next = queue.shift()
    if (next === undefined) running -= 1
    else next()
  }

  /** Lets go of the job's file, before anything the next one asks. */
  private async close(): Promise<void> {
    this.closing += 1
    const held = await this.call('close', []).catch(() => 0)
    this.closing -= 1
    this.isLarge = held > keepBelow
    if (this.isLarge && idle.includes(this)) this.retire()
  }

  private retire(): void {
    clearTimeout(this.timer)
    idle.splice(idle.indexOf(this), 1)
    this.stop()
  }

  private stop(): void {
    this.ended ??= new FrameProblem('its thread was ended')
    void this.worker.terminate()
  }

  private end(reason: string): void {
    this.ended ??= new FrameProblem(`the thread that runs parquet-wasm is gone: ${reason}`)
    if (idle.includes(this)) this.retire()
    for (const { reject } of this.waiting.values()) reject(this.ended)
    this.waiting.clear()
  }

  private hear(message: Call | Reply | Ready): void {
    if ('ready' in message) module ??= message.ready
    else if ('call' in message) void this.answer(message)
    else {
      const { resolve, reject } = this.waiting.get(message.reply) ?? {}
      this.waiting.delete(message.reply)
      if (this.waiting.size === 0) this.worker.unref()
      if (message.error === undefined) {
        resolve?.(message.value as never)
        return
      }
      reject?.(this.failure?.error ?? new FrameProblem(worded(message.error)))
      // Nothing else it was asked for will ever be answered.
      if (message.broken === true) this.end(worded(message.error))
    }
  }

  private async answer({ call, method, args }: Call): Promise<void> {
    try {
      const asked = this.answers[method as keyof Answers] as
        | ((...args: readonly unknown[]) => Promise<unknown>)
        | undefined
      const value = await asked?.(...args)
      const transfer =
        value instanceof ArrayBuffer ? [value] : value instanceof Uint8Array ? [value.buffer as ArrayBuffer] : []
      this.worker.postMessage({ reply: call, value } satisfies Reply, transfer)
    } catch (error) {
      this.failure ??= { error }
      this.worker.postMessage({ reply: call, error: messageOf(error) } satisfies Reply)
    }
  }
}

/** What parquet-wasm says, without the names of its layers. */
function worded(message: string): string {
  return message.replace(
    /^((Parquet error|Arrow|External|Parquet argument error|Invalid argument error|General): )+/,
    '',
  )
}
