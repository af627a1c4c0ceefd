import { clean, cleanJson } from './text.js'

/** Where output goes: a stream, or anything with `write`. */
export interface Sink {
  write(chunk: string | Uint8Array): unknown
  readonly isTTY?: boolean | undefined
  once?(event: 'drain' | 'close', listener: () => void): unknown
}

/** The reader of our output went away, as `head` does: end quietly. */
export class BrokenPipe extends Error {}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

export interface OutputOptions {
  readonly stdout: Sink
  readonly stderr: Sink
  readonly json: boolean
  readonly color: boolean
  /** True once standard output has failed with a broken pipe. */
  readonly isClosed: () => boolean
}

const perWrite = 64 << 10

/** Standard output and error of one run. Text given to it must be clean already; colours are added here. */
export class Output {
  readonly json: boolean
  readonly #options: OutputOptions
  #pending = ''
  #progress = false

  constructor(options: OutputOptions) {
    this.#options = options
    this.json = options.json
  }

  get isTerminal(): boolean {
    return this.#options.stdout.isTTY === true
  }

  /** A line, or several, on standard output. */
  line(text = ''): void {
    this.#pending += `${text}\n`
    if (this.#pending.length > perWrite) this.flush()
  }

  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text)
  }

  /** The one document of a `--json` run. */
  document(value: unknown): void {
    this.line(cleanJson(JSON.stringify(value, null, 2)))
  }

  /** Bytes as they are; waits when the reader is slow. */
  async bytes(data: Uint8Array): Promise<void> {
    this.flush()
    const { stdout } = this.#options
    if (stdout.write(data) !== false || stdout.once === undefined) return
    const { once } = stdout
    await new Promise<void>((resolve) => {
      once.call(stdout, 'drain', resolve)
      once.call(stdout, 'close', resolve)
    })
    if (this.#options.isClosed()) throw new BrokenPipe()
  }

  flush(): void {
    if (this.#options.isClosed()) throw new BrokenPipe()
    const text = this.#pending
    this.#pending = ''
    if (text !== '') this.#options.stdout.write(text)
  }

  /** A remark beside the result: on standard error, and not at all with `--json`. */
  note(text: string): void {
    if (this.json) return
    this.flush()
    this.error(text)
  }

  /** A line on standard error. */
  error(text: string): void {
    this.clearProgress()
    this.#options.stderr.write(`${text}\n`)
  }

  /** Replaces the last line of a terminal; nothing elsewhere. */
  progress(text: string): void {
    if (this.#options.stderr.isTTY !== true || this.json) return
    this.#progress = true
    this.#options.stderr.write(`\r\u001b[2K${clean(text)}`)
  }

  clearProgress(): void {
    if (this.#progress) this.#options.stderr.write('\r\u001b[2K')
    this.#progress = false
  }

  paint(color: keyof typeof codes, text: string): string {
    return this.#options.color && text !== '' ? `\u001b[${codes[color]}m${text}\u001b[0m` : text
  }
}
