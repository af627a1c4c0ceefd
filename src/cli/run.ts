import { CurioError } from '../errors.js'
import { version } from '../version.js'
import { type Args, parseCommandLine, UsageError } from './args.js'
import { type Context, exit } from './context.js'
import { commandHelp, programHelp } from './help.js'
import { locateStore } from './locate.js'
import { BrokenPipe, Output, type Sink } from './output.js'
import { cleanJson, cleanLines } from './text.js'

/** What a run of `curio` is given; everything but the streams has a default from the process. */
export interface RunOptions {
  readonly stdout: Sink
  readonly stderr: Sink
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** True once standard output has failed with a broken pipe. */
  readonly isClosed?: () => boolean
}

/**
 * Runs one command line, without the program's name, and gives its exit code. Throws nothing: errors are printed.
 */
export async function run(argv: readonly string[], options: RunOptions): Promise<number> {
  const { stdout, stderr, env = process.env, cwd = process.cwd(), isClosed = () => false } = options
  let args: Args | undefined
  const wants = (flag: string) => args?.has(flag) ?? argv.includes(`--${flag}`)
  const makeOutput = (): Output =>
    new Output({
      stdout,
      stderr,
      isClosed,
      json: wants('json'),
      color: stdout.isTTY === true && !wants('no-color') && !env.NO_COLOR && env.TERM !== 'dumb',
    })
  let out = makeOutput()
  try {
    args = parseCommandLine(argv)
    out = makeOutput()
    const code = await dispatch(args, out, env, cwd)
    out.clearProgress()
    out.flush()
    return code
  } catch (error) {
    if (error instanceof BrokenPipe) return exit.ok
    return report(error, out)
  }
}

async function dispatch(
  args: Args,
  out: Output,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Promise<number> {
  const { command } = args
  if (args.has('version')) {
    if (out.json) out.document({ version })
    else out.line(version)
    return exit.ok
  }
  if (command === undefined || args.has('help')) {
    const text = command === undefined ? programHelp() : commandHelp(command)
    if (out.json) out.document({ help: text })
    else out.line(text.trimEnd())
    return command === undefined && !args.has('help') ? exit.usage : exit.ok
  }
  const [least, most] = command.takes
  if (args.positionals.length < least || args.positionals.length > most) {
    throw new UsageError(
      args.positionals.length < least
        ? `curio ${command.name} needs ${least === 1 ? 'an argument' : `${least} arguments`}`
        : `curio ${command.name} takes ${['no arguments', 'one argument'][most] ?? `at most ${most} arguments`}, not ${args.positionals.map((one) => JSON.stringify(one)).join(' ')}`,
      { hint: `curio ${command.usage}; see curio ${command.name} --help` },
    )
  }
  const context: Context = {
    args,
    out,
    env,
    cwd,
    now: Date.now(),
    folder: () => locateStore(args.text('store'), env, cwd),
    open: async ({ write = false } = {}) => {
      const folder = locateStore(args.text('store'), env, cwd)
      const { Store } = await import('../artifact/store.js')
      const trustWorldWritable = args.has('trust-world-writable')
      // Read-only first, also where writing is wanted: a store that is not there must not come to be by a typing error.
      const store = await Store.open({ folder, trustWorldWritable, readOnly: true })
      return write ? Store.open({ folder: store.folder, trustWorldWritable }) : store
    },
  }
  return (await command.load())(context)
}

function report(error: unknown, out: Output): number {
  const code = exitCodeOf(error)
  const known = CurioError.is(error)
  const isSystem = typeof (error as NodeJS.ErrnoException)?.code === 'string'
  const message = known || isSystem ? (error as Error).message : ((error as Error)?.stack ?? String(error))
  if (out.json) {
    const hint = known ? error.hint : undefined
    const [plain] = hint === undefined ? [message] : message.split(`\n  → ${hint}`)
    const about = {
      code: (error as NodeJS.ErrnoException)?.code ?? 'ERR_UNEXPECTED',
      message: plain,
      hint: hint ?? null,
    }
    out.error(cleanJson(JSON.stringify({ error: about, exitCode: code })))
  } else out.error(cleanLines(`curio: ${known || isSystem ? '' : 'unexpected '}${message}`))
  return code
}

const notFound = new Set([
  'ERR_NOT_FOUND',
  'ERR_AMBIGUOUS',
  'ERR_INTEGRITY',
  'ERR_KEY_COLLISION',
  'ERR_CACHER_LOAD',
  'ERR_UNKNOWN_CACHER',
])
const usage = new Set(['ERR_USAGE', 'ERR_INVALID_NAME', 'ERR_DECLARATION'])

function exitCodeOf(error: unknown): number {
  if (!CurioError.is(error)) return exit.failure
  return notFound.has(error.code) ? exit.notFound : usage.has(error.code) ? exit.usage : exit.failure
}
