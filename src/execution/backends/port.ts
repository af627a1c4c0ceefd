/** A worker as its program sees it, be it a process or a thread. */
import { type ChildProcess, fork, type StdioOptions } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { CurioError, type JobFacts } from '../../errors.js'
import { type FromWorker, isOurs, type ToWorker } from './messages.js'

/** How a worker ended. */
export type Death = Pick<JobFacts, 'exitCode' | 'signal' | 'lastLines'>

export interface Port {
  /** Undefined once it has started; otherwise why it could not. */
  readonly started: Promise<Error | undefined>
  readonly ended: Promise<Death>
  send(message: ToWorker): void
  hear(listener: (message: FromWorker) => void): void
  /** Whether the program waits for it: one that is not held does not keep the program alive. */
  hold(isHeld: boolean): void
  kill(): void
}

const entry = new URL('worker.js', import.meta.url)

/** The program's own options for Node.js, without those that are about the program alone, and the tsx that a worker finds by itself. */
function nodeOptions(): string[] {
  const kept: string[] = []
  const given = process.execArgv
  for (let i = 0; i < given.length; i++) {
    const [name, value] = given[i]!.split(/=(.*)/s) as [string, string | undefined]
    const next = takesValue.test(name) && value === undefined ? given[++i] : undefined
    const isTsx = loaders.test(name) && /(^|[/\\])tsx([/\\]|$)/.test(value ?? next ?? '')
    if (isTsx || ofProgram.test(name)) continue
    kept.push(given[i - (next === undefined ? 0 : 1)]!, ...(next === undefined ? [] : [next]))
  }
  return kept
}

const loaders = /^(-r|--require|--import|--loader|--experimental-loader)$/
const takesValue =
  /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|-e|--eval|-p|--print|-pe|--input-type|--env-file)$/
const ofProgram =
  /^(-e|--eval|-p|--print|-pe|-i|--interactive|-c|--check|--input-type|--test.*|--watch.*|--inspect.*|--(cpu|heap)-prof.*)$/

/** Starts a worker process. Its output goes to the program's own. */
export function startProcess(
  args: readonly string[] = [],
  stdio?: StdioOptions,
): Port & { readonly pid: number | undefined } {
  const child = fork(fileURLToPath(entry), args, {
    execArgv: nodeOptions(),
    serialization: 'advanced',
    stdio: stdio ?? ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  busy.add(child)
  const tail = new Tail()
  child.stderr?.on('data', (chunk: Buffer) => {
    tail.add(chunk)
    process.stderr.write(chunk)
  })
  const started = new Promise<Error | undefined>((resolve) => {
    child.once('spawn', () => resolve(undefined))
    child.once('error', resolve)
  })
  // A process that ends under our hands does not listen; how it ended is told by `ended`.
  child.on('error', () => undefined)
  const ended = new Promise<Death>((resolve) => {
    child.once('exit', async (exitCode, signal) => {
      busy.delete(child)
      await drained(child)
      resolve({ ...(signal === null ? { exitCode: exitCode ?? 1 } : { signal }), lastLines: tail.text })
    })
  })
  return {
    pid: child.pid,
    started,
    ended,
    send: (message) => void (child.connected && child.send(message, () => undefined)),
    hear: (listener) => void child.on('message', (message) => isOurs(message) && listener(message)),
    hold: (isHeld) => {
      if (isHeld) busy.add(child)
      else busy.delete(child)
      for (const part of [child, child.channel, child.stderr as Socket | null]) {
        if (isHeld) part?.ref()
        else part?.unref()
      }
    },
    kill: () => void child.kill('SIGKILL'),
  }
}

/** What a process that is gone has written may still be on its way; what it started itself may keep the way open. */
async function drained(child: ChildProcess): Promise<void> {
  const { stderr } = child
  if (stderr === null || stderr.closed) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, 500)
    stderr.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** A program that ends takes with it what works for it. Idle workers see that themselves, and leave things tidy; busy ones may not. */
const busy = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of busy) child.kill('SIGTERM')
})

/** Starts a worker thread. */
export function startThread(): Port {
  const worker = threadWith(nodeOptions())
  const tail = new Tail()
  // It goes to the program's own besides. If that were done here, an idle thread would keep the program alive.
  worker.stderr.on('data', (chunk: Buffer) => tail.add(chunk))
  const started = new Promise<Error | undefined>((resolve) => {
    worker.once('online', () => resolve(undefined))
    worker.once('error', resolve)
  })
  worker.on('error', (error: Error) => {
    const text = `${error?.stack ?? String(error)}\n`
    tail.add(Buffer.from(text))
    process.stderr.write(text)
  })
  const ended = new Promise<Death>((resolve) => {
    worker.once('exit', (exitCode) => resolve({ exitCode, lastLines: tail.text }))
  })
  return {
    started,
    ended,
    send: (message) => worker.postMessage(message),
    hear: (listener) => void worker.on('message', (message) => isOurs(message) && listener(message)),
    hold: (isHeld) => (isHeld ? worker.ref() : worker.unref()),
    kill: () => void worker.terminate(),
  }
}

// The default of Node 20 and 22. With the 192 MiB of Node 24 so much is moved at once to a heap that is nearly full that V8 ends the program, not the thread.
const resourceLimits = { maxYoungGenerationSizeMb: 48 }

function threadWith(execArgv: readonly string[]): Worker {
  try {
    return new Worker(entry, { execArgv: [...execArgv], resourceLimits })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error
    // Options of V8 are the process's; a thread has them already.
    return new Worker(entry, { execArgv: [], resourceLimits })
  }
}

const maxTail = 4096
const maxLines = 20

/** The last lines of what a worker wrote. */
class Tail {
  #bytes = Buffer.alloc(0)

  add(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]).subarray(-maxTail)
  }

  get text(): string {
    return lastLines(this.#bytes)
  }
}

/** The last lines of what was written to stderr, without control characters. */
export function lastLines(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(-maxTail)).toString()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is taken away
  const plain = text.replace(/\x1b\[[0-9;]*m/g, '').replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '')
  return plain.trimEnd().split('\n').slice(-maxLines).join('\n')
}

/** How a worker ended, as a sentence about it. */
export function deathText({ exitCode, signal }: Death): string {
  return signal === undefined ? `ended with exit code ${exitCode}` : `was ended by ${signal}`
}

/** A worker could not be started. */
export class CannotStart extends CurioError {
  override readonly code = 'ERR_CANNOT_START'
}
