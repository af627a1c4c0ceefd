/** Processes that do one role of a scenario: arguments in, lines out, every death accounted for. */
import { type ChildProcess, spawn } from 'node:child_process'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import { program } from './program.js'
import { type Counts, FaultError, must } from './row.js'

export interface ChildOptions {
  readonly uid?: number
  readonly gid?: number
  /** Command and arguments in front of node: `unshare …`. */
  readonly wrapper?: readonly string[]
  readonly umask?: number
}

const running = new Set<ChildProcess>()
process.once('exit', endChildren)

/** Ends what a failed scenario left running. */
export function endChildren(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** A running child. What it says comes line by line; a line that was said before a kill is never lost. */
export class Child {
  readonly pid: number
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly #process: ChildProcess
  readonly #lines: string[] = []
  readonly #waiting: ((line: string | undefined) => void)[] = []
  #ended = false
  #stderr = ''

  private constructor(command: readonly string[], options: ChildOptions) {
    const { uid, gid } = options
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    })
    this.#process = child
    this.pid = child.pid ?? -1
    running.add(child)
    child.stdin.on('error', () => undefined)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000)
    })
    createInterface({ input: child.stdout })
      .on('line', (line) => {
        const waiter = this.#waiting.shift()
        if (waiter === undefined) this.#lines.push(line)
        else waiter(line)
      })
      .on('close', () => {
        this.#ended = true
        for (const waiter of this.#waiting.splice(0)) waiter(undefined)
      })
    this.exit = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        running.delete(child)
        resolve({ code, signal })
      })
    })
  }

  /** Starts `bench/faults/children/<role>` with one JSON argument. */
  static async start(role: string, args: unknown, options: ChildOptions = {}): Promise<Child> {
    const file = path.join(await program(), 'bench', 'faults', 'children', `${role}.js`)
    return new Child([...(options.wrapper ?? []), process.execPath, file, JSON.stringify(args)], options)
  }

  /** The next line; undefined when there will be none. */
  line(): Promise<string | undefined> {
    const line = this.#lines.shift()
    if (line !== undefined || this.#ended) return Promise.resolve(line)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** The next line, which must be there. */
  async said(): Promise<string> {
    const line = await this.line()
    if (line !== undefined) return line
    const { code, signal } = await this.exit
    throw new FaultError(`a child ended early (${signal ?? code}): ${errorIn(this.#stderr) || 'it said nothing'}`)
  }

  /** All lines to the end. */
  async rest(): Promise<string[]> {
    const lines: string[] = []
    for (let line = await this.line(); line !== undefined; line = await this.line()) lines.push(line)
    return lines
  }

  send(message: unknown): void {
    this.#process.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#process.kill(signal)
  }

  /** Closes its input and waits; it must end by itself, without an error. */
  async finish(): Promise<string[]> {
    this.#process.stdin?.end()
    const lines = await this.rest()
    const { code, signal } = await this.exit
    must(code === 0, () => `a child ended with ${signal ?? code}: ${errorIn(this.#stderr)}`)
    return lines
  }
}

/** The error in what a process said before it died, without the source lines Node prints above it. */
function errorIn(stderr: string): string {
  const at = stderr.search(/^\w*Error: /m)
  return stderr.slice(Math.max(0, at)).trim()
}

/** Runs a role that does everything itself and says its counts in its last line. */
export async function countsOf(role: string, args: unknown, options: ChildOptions = {}): Promise<Counts> {
  const child = await Child.start(role, args, options)
  const lines = await child.finish()
  return JSON.parse(lines.at(-1) ?? '{}') as Counts
}
