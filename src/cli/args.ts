import { type ParseArgsConfig, parseArgs } from 'node:util'
import { CurioError, nearest } from '../errors.js'
import { type CommandHelp, commands, globalOptions, type OptionHelp } from './commands.js'

/** The command line cannot be understood. Exit code 2. */
export class UsageError extends CurioError {
  override readonly code = 'ERR_USAGE'
}

/** A command line, understood. */
export interface Args {
  /** Undefined: only global options were given. */
  readonly command: CommandHelp | undefined
  readonly positionals: readonly string[]
  has(option: string): boolean
  text(option: string): string | undefined
  /** A whole number of at least 0. */
  number(option: string): number | undefined
}

/** The name of an option, and whether it takes a value, from its line in the help: `--nearest <n>`. */
function parseFlag({ flag }: OptionHelp): { name: string; short: string | undefined; takesValue: boolean } {
  const match = /^(?:-(\w), )?--([\w-]+)(?: <\w+>)?$/.exec(flag)
  if (match === null) throw new Error(`the option ${flag} is written in a way the parser does not know`)
  return { name: match[2]!, short: match[1], takesValue: flag.endsWith('>') }
}

/**
 * Understands a command line. Global options may stand before or after the command.
 *
 * @throws {UsageError} for an unknown command or option, naming the nearest known one, and for a missing or surplus value.
 */
export function parseCommandLine(argv: readonly string[]): Args {
  const all = [...globalOptions, ...commands.flatMap((command) => command.options)].map(parseFlag)
  const options: NonNullable<ParseArgsConfig['options']> = {}
  for (const { name, short, takesValue } of all) {
    options[name] = { type: takesValue ? 'string' : 'boolean', ...(short === undefined ? {} : { short }) }
  }
  const { tokens } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: false, tokens: true })
  const words = tokens.filter((token) => token.kind === 'positional').map((token) => token.value)
  const helpFor = words[0] === 'help'
  const name = helpFor ? words[1] : words[0]
  const command = commands.find((one) => one.name === name)
  const known = [...globalOptions, ...(command?.options ?? [])].map(parseFlag)

  const values = new Map<string, string | true>(helpFor ? [['help', true]] : [])
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const option = known.find((one) => one.name === token.name)
    if (option === undefined) throw unknownOption(token.rawName, command, name)
    if (!option.takesValue && token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`)
    if (option.takesValue && (token.value === undefined || (!token.inlineValue && token.value.startsWith('--')))) {
      throw new UsageError(`${token.rawName} needs a value`, { hint: `write ${token.rawName}=<value>` })
    }
    values.set(token.name, token.value ?? true)
  }
  if (name !== undefined && command === undefined) throw unknownCommand(name)
  return {
    command,
    positionals: words.slice(helpFor ? 2 : 1),
    has: (option) => values.has(option),
    text: (option) => {
      const value = values.get(option)
      return value === true ? undefined : value
    },
    number: (option) => {
      const value = values.get(option)
      if (value === undefined || value === true) return undefined
      if (!/^\d{1,9}$/.test(value)) throw new UsageError(`--${option} ${JSON.stringify(value)} is no whole number`)
      return Number(value)
    },
  }
}

function unknownOption(rawName: string, command: CommandHelp | undefined, name: string | undefined): UsageError {
  if (name !== undefined && command === undefined) return unknownCommand(name)
  const known = [...globalOptions, ...(command?.options ?? [])].map((option) => parseFlag(option).name)
  const near = rawName.startsWith('--') ? nearest(rawName.slice(2), known) : undefined
  const elsewhere = commands.filter((one) => one.options.some((option) => parseFlag(option).name === rawName.slice(2)))
  const where = command === undefined ? 'curio' : `curio ${command.name}`
  const hint =
    near !== undefined
      ? `did you mean --${near}?`
      : elsewhere.length > 0
        ? `it is an option of curio ${elsewhere.map((one) => one.name).join(', ')}`
        : `see ${where} --help`
  return new UsageError(`${where} has no option ${rawName}`, { hint })
}

function unknownCommand(name: string): UsageError {
  const near = nearest(name, [...commands.map((one) => one.name), 'help'])
  return new UsageError(`curio has no command ${JSON.stringify(name)}`, {
    hint: near === undefined ? `known: ${commands.map((one) => one.name).join(', ')}` : `did you mean ${near}?`,
  })
}
