/**
 * The fault tests: every promise of docs/reliability.md, shown by breaking things.
 *
 *     npx tsx bench/faults/index.ts --size small|full --row 1,4 --seed 7
 */
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { endChildren } from './harness/child.js'
import { removeProgram } from './harness/program.js'
import type { Counts, Row, Size } from './harness/row.js'
import { rows } from './rows.js'

export interface FaultOptions {
  /** Default `'small'`. */
  readonly size?: Size
  /** Numbers of the rows to run; default all. `10` means `10a` and `10b` too. */
  readonly rows?: readonly string[]
  /** Default: a new one, which is printed. */
  readonly seed?: number
  /** Fails where a row cannot run here, instead of passing over it. Default false. */
  readonly requireAll?: boolean
  readonly print?: (line: string) => void
}

/** What became of one row. `skipped` and `failed` say why. */
export interface RowResult {
  readonly row: string
  readonly title: string
  readonly size: Size
  readonly seed: number
  readonly seconds: number
  readonly counts: Counts
  readonly verdict: 'passed' | 'skipped' | 'failed'
  readonly reason?: string
}

/**
 * Runs rows of the fault table one after the other; a failed one does not stop the rest, but the process will end with an error,
 * whoever called.
 */
export async function runFaults(options: FaultOptions = {}): Promise<RowResult[]> {
  const { size = 'small', print = console.log, requireAll = false } = options
  const seed = options.seed ?? Date.now() % 1_000_000
  const results: RowResult[] = []
  try {
    for (const row of rows.filter(({ row }) => isWanted(row, options.rows))) {
      print(`row ${row.row}: ${row.title} (${size}, seed ${seed})`)
      const result = await runRow(row, size, seed, requireAll, print)
      results.push(result)
      print(`  ${line(result)}`)
    }
  } finally {
    await removeProgram()
  }
  print(table(results))
  if (results.length === 0 || results.some(({ verdict }) => verdict === 'failed')) process.exitCode = 1
  return results
}

function isWanted(row: string, wanted: readonly string[] | undefined): boolean {
  return wanted === undefined || wanted.some((one) => row === one || row.replace(/[a-z]$/, '') === one)
}

async function runRow(row: Row, size: Size, seed: number, requireAll: boolean, print: (line: string) => void) {
  const about = { row: row.row, title: row.title, size, seed }
  const started = performance.now()
  const seconds = () => Math.round((performance.now() - started) / 100) / 10
  const reason = row.needs?.()
  if (reason !== undefined) {
    return { ...about, seconds: 0, counts: {}, verdict: requireAll ? 'failed' : 'skipped', reason } as RowResult
  }
  try {
    const counts = await row.run({ size, seed, print })
    return { ...about, seconds: seconds(), counts, verdict: 'passed' } as RowResult
  } catch (error) {
    const reason = (error as Error).stack ?? String(error)
    return { ...about, seconds: seconds(), counts: {}, verdict: 'failed', reason } as RowResult
  } finally {
    endChildren()
  }
}

function line({ verdict, counts, seconds, reason, row, size, seed }: RowResult): string {
  const replay = `replay: npx tsx bench/faults/index.ts --row ${row} --size ${size} --seed ${seed}`
  if (verdict !== 'passed') return `${verdict.toUpperCase()}: ${reason}${verdict === 'failed' ? `\n  ${replay}` : ''}`
  return `${verdict} in ${seconds} s: ${countText(counts)}`
}

function countText(counts: Counts): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count.toLocaleString('en')} ${name}`)
    .join(', ')
}

/** A table for people and for docs/reliability.md. */
export function table(results: readonly RowResult[]): string {
  const lines = results.map(({ row, title, size, counts, verdict, seconds, reason }) => {
    const what = verdict === 'passed' ? countText(counts) : (reason?.split('\n')[0] ?? '')
    return `| ${row} | ${title} | ${size}, ${seconds} s | ${what} | ${verdict} |`
  })
  return ['| # | what is broken | size | counts | verdict |', '| --- | --- | --- | --- | --- |', ...lines].join('\n')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { size: { type: 'string' }, row: { type: 'string' }, seed: { type: 'string' } },
  })
  const { size = 'small', row, seed } = values
  if (size !== 'small' && size !== 'full' && size !== 'mutant') throw new Error(`--size ${size} is unknown`)
  await runFaults({
    size,
    requireAll: process.env.CURIO_REQUIRE_SERVICES === '1',
    ...(row === undefined ? {} : { rows: row.split(',') }),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
