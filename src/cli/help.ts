import { type CommandHelp, commands, globalOptions, type OptionHelp } from './commands.js'
import { columns } from './text.js'

const width = 100

/** The help of the program. */
export function programHelp(): string {
  return [
    'curio — looks into a store of results: what is there, where it came from, why something was computed again',
    '',
    'Usage: curio <command> [options]',
    '',
    'Commands:',
    ...columns(commands.map((command) => [`  ${command.usage}`, command.summary])),
    '',
    'Options of every command:',
    ...optionLines(globalOptions),
    '',
    'Exit codes:',
    '  0  done, or found',
    '  1  not found, no key or several match, or damage found',
    '  2  the command line cannot be understood, or asks for more than it allows',
    '  3  the store cannot be opened, or reading or writing failed',
    '',
    'curio <command> --help says more, with examples.',
    '',
  ].join('\n')
}

/** The help of one command. */
export function commandHelp(command: CommandHelp): string {
  return [
    `curio ${command.name} — ${command.summary}`,
    '',
    `Usage: curio ${command.usage}${command.options.length > 0 && !command.usage.includes('--') ? ' [options]' : ''}`,
    '',
    ...command.about.flatMap((paragraph) => [...wrap(paragraph), '']),
    ...(command.options.length > 0 ? ['Options:', ...optionLines(command.options), ''] : []),
    'Examples:',
    ...columns(command.examples.map(([line, what]) => [`  ${line}`, what])),
    '',
    'Options of every command: --store, --json, --no-color, --help (see curio --help).',
    '',
  ].join('\n')
}

function optionLines(options: readonly OptionHelp[]): string[] {
  return columns(options.map(({ flag, text }) => [`  ${flag}`, text]))
}

function wrap(text: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
