import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A process of its own that runs a TypeScript file and talks in lines. */
export interface Child {
  readonly pid: number
  /** Every line so far. */
  readonly lines: readonly string[]
  /** The first line that begins with `text`, said already or still to come; rejects when the process ends before. */
  says(text: string): Promise<string>
  /** How it ended; `stderr` is there to be read. */
  readonly ended: Promise<{
    readonly code: number | null
    readonly signal: NodeJS.Signals | null
    readonly stderr: string
  }>
  kill(signal: NodeJS.Signals): void
  /** Writes a line to its input. */
  tell(line: string): void
}

const tsx = import.meta.resolve('tsx')
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** @param url the file to run, e.g. `new URL('./child.ts', import.meta.url)`. */
export function startChild(url: URL, args: readonly string[], env: Record<string, string> = {}): Child {
  const child = spawn(process.execPath, ['--import', tsx, fileURLToPath(url), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  running.add(child)
  // A child that is gone does not listen; what that means is for the test to say.
  child.stdin.on('error', () => {})
  const lines: string[] = []
  const waiting = new Set<() => void>()
  let over = false
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const wake = () => {
    for (const look of waiting) look()
  }
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line)
    wake()
  })
  const ended = new Promise<Awaited<Child['ended']>>((resolve) => {
    child.on('close', (code, signal) => {
      running.delete(child)
      over = true
      resolve({ code, signal, stderr })
      wake()
    })
  })
  return {
    pid: child.pid!,
    lines,
    ended,
    kill: (signal) => void child.kill(signal),
    tell: (line) => void child.stdin.write(`${line}\n`),
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const line = lines.find((one) => one.startsWith(text))
          if (line === undefined && !over) return
          waiting.delete(look)
          if (line === undefined)
            reject(new Error(`the child ended without saying ${text}: ${lines.join(' | ')} ${stderr}`))
          else resolve(line)
        }
        waiting.add(look)
        look()
      }),
  }
}

/** Runs a child to its end and returns its lines; throws with its stderr when it fails. */
export async function runChild(
  url: URL,
  args: readonly string[],
  env?: Record<string, string>,
): Promise<readonly string[]> {
  const child = startChild(url, args, env)
  const { code, signal, stderr } = await child.ended
  if (code !== 0) throw new Error(`child ${args[0]} ended with ${code ?? signal}: ${stderr}`)
  return child.lines
}
