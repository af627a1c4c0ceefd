/** What a row of the fault table is, and how it says that a promise was broken. */

/** `small`: all rows in about a minute. `full`: the figures of docs/reliability.md. `mutant`: just enough to notice a missing guard. */
export type Size = 'mutant' | 'small' | 'full'

export interface RunOptions {
  readonly size: Size
  /** Every random choice follows from it; what the scheduler does cannot. */
  readonly seed: number
  readonly print: (line: string) => void
}

/** What was done and seen, by name. */
export type Counts = Record<string, number>

export interface Row {
  /** Number in the plan, with a letter where a row has two halves: `10b`. */
  readonly row: string
  readonly title: string
  /** Why the row cannot run on this machine; undefined when it can. */
  readonly needs?: () => string | undefined
  readonly run: (options: RunOptions) => Promise<Counts>
}

/** A promise was broken. */
export class FaultError extends Error {
  override readonly name = 'FaultError'
}

export function must(condition: boolean, what: string | (() => string)): asserts condition {
  if (!condition) throw new FaultError(typeof what === 'string' ? what : what())
}

export function mustEqual(actual: unknown, expected: unknown, what: string): void {
  must(Object.is(actual, expected), () => `${what}: expected ${String(expected)}, got ${String(actual)}`)
}

/** Bytes that must be exactly these; anything else is a wrong value. */
export function mustBe(actual: Uint8Array, expected: Uint8Array, what: string): void {
  must(
    Buffer.compare(actual, expected) === 0,
    () => `WRONG VALUE: ${what} has ${actual.byteLength} bytes that are not the ${expected.byteLength} that were put`,
  )
}

/** The figure for a size; a mutant takes that of `small` unless it has its own. */
export function bySize<T>(size: Size, figures: { small: T; full: T; mutant?: T }): T {
  return size === 'mutant' ? (figures.mutant ?? figures.small) : figures[size]
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}
