/** Row 25: the store without one of its guards. Each such mutant must fail the row that is there for it. */
import { execFile } from 'node:child_process'
import * as path from 'node:path'
import { removeFolder } from './harness/folders.js'
import { type Mutant, mutants } from './harness/mutants.js'
import { mutant, program } from './harness/program.js'
import { bySize, type Counts, must, type RunOptions, type Size } from './harness/row.js'
import { rows } from './rows.js'

const atOnce = 2
const maxMs = 60_000

export async function run({ size, seed, print }: RunOptions): Promise<Counts> {
  const chosen = mutants.filter((one) => bySize(size, { small: !one.slow, full: true }))
  const possible = chosen.filter(({ row }) => rows.find((one) => one.row === row)?.needs?.() === undefined)
  // The rows as they are used here must pass with every guard in place: else they would fail for another reason. At small size
  // they have been run already.
  const sound = size !== 'full' ? [] : [...new Set(possible.map((one) => JSON.stringify([one.row, one.size])))]
  await inTurns(sound, async (text) => {
    const [row, rowSize] = JSON.parse(text) as [string, Size]
    const { passed, output } = await outcome(await program(), row, rowSize, seed)
    must(passed, () => `row ${row} (${rowSize}) fails without any mutation: ${output}`)
  })
  const survivors: string[] = []
  await inTurns(possible, async (one) => {
    if (!(await isKilled(one, seed, size === 'full' ? print : () => undefined)))
      survivors.push(`${one.name} (row ${one.row})`)
  })
  must(survivors.length === 0, () => `mutants that nothing noticed: ${survivors.join('; ')}`)
  return {
    mutants: possible.length,
    killed: possible.length - survivors.length,
    'passed over': chosen.length - possible.length,
  }
}

async function isKilled(one: Mutant, seed: number, print: (line: string) => void): Promise<boolean> {
  const folder = await mutant(one.patches)
  try {
    const { passed, output } = await outcome(folder, one.row, one.size, seed)
    must(!/SyntaxError|ReferenceError/.test(output), () => `the mutant without "${one.name}" is no program: ${output}`)
    print(
      `  without ${one.name}: ${/Error: (.*)/.exec(output)?.[1]?.slice(0, 140) ?? (passed ? 'NOT NOTICED' : 'hung')}`,
    )
    return !passed
  } finally {
    removeFolder(folder)
  }
}

/** Runs a row of the program in `folder`. */
function outcome(folder: string, row: string, size: Size, seed: number): Promise<{ passed: boolean; output: string }> {
  const args = [path.join(folder, 'bench/faults/index.js'), '--row', row, '--size', size, '--seed', String(seed)]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: maxMs, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      resolve({ passed: error === null, output: stdout + stderr })
    })
  })
}

async function inTurns<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await action(item)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
