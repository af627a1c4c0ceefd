import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'

/** One line of a bench's outcome. */
export interface Figure {
  readonly what: string
  readonly value: string
  readonly target?: string
  readonly met?: boolean
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Milliseconds of each variant, measured in turns so that noise falls on all of them alike. */
export async function inTurns(
  rounds: number,
  variants: Readonly<Record<string, (round: number) => Promise<number> | number>>,
): Promise<Record<string, number>> {
  const times: Record<string, number[]> = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(variants)) {
      globalThis.gc?.()
      times[name]!.push(await run(round))
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]))
}

/** Milliseconds that `action` takes. */
export async function timed(action: () => Promise<unknown> | unknown): Promise<number> {
  const start = performance.now()
  await action()
  return performance.now() - start
}

/** A ratio with its target. */
export function ratio(what: string, value: number, op: '<=' | '>=', target: number): Figure {
  const met = op === '<=' ? value <= target : value >= target
  return { what, value: `${value.toFixed(2)}x`, target: `${op} ${target}x`, met }
}

const made: string[] = []
process.once('exit', () => {
  for (const folder of made) fs.rmSync(folder, { recursive: true, force: true })
})

/** A new folder, on the disk that CURIO_BENCH_DIR names or the system's for temporary files. */
export function folder(): string {
  const at = fs.mkdtempSync(path.join(process.env.CURIO_BENCH_DIR ?? os.tmpdir(), 'curio-bench-'))
  made.push(at)
  return at
}

export function discard(at: string): void {
  fs.rmSync(at, { recursive: true, force: true })
}
