/** Sweeps: one configuration with some of its fields changed, one at a time or all combinations of them. */
import type { Task } from 'curio'

/** What can be swept: a configuration with a task. */
interface Sweepable {
  readonly infra: Task
  clone(diff: Readonly<Record<string, unknown>>): this
  run(): Promise<object>
}

export interface GridOptions {
  /** All combinations, instead of one field at a time. Default false. */
  readonly cartesian?: boolean
  /** Only says what would run. Default false. */
  readonly dryRun?: boolean
}

/** One point of a grid, and what came of it: its result's fields, or why there is none. */
export type Row = Readonly<Record<string, unknown>>

/**
 * Runs a configuration at every point of a grid. What has a result already is not computed again; one point that fails does not stop the
 * others.
 *
 * @param grid dotted names of fields, with the values to try.
 */
export async function runGrid(
  base: Sweepable,
  grid: Readonly<Record<string, readonly unknown[]>>,
  { cartesian = false, dryRun = false }: GridOptions = {},
): Promise<Row[]> {
  const points = cartesian ? combinations(grid) : oneByOne(grid)
  const experiments = points.map((point) => base.clone(point))
  if (dryRun) {
    return Promise.all(points.map(async (point, i) => ({ ...point, status: await experiments[i]!.infra.status() })))
  }
  const jobs = await base.infra.jobArray((array) => array.push(...experiments), { allowRepeats: true })
  return Promise.all(
    points.map(async (point, i) => {
      const error = await jobs[i]!.exception()
      return error === undefined
        ? { ...point, ...((await jobs[i]!.result()) as object) }
        : { ...point, error: String(error) }
    }),
  )
}

type Point = Readonly<Record<string, unknown>>

function oneByOne(grid: Readonly<Record<string, readonly unknown[]>>): Point[] {
  return Object.entries(grid).flatMap(([name, values]) => values.map((value) => ({ [name]: value })))
}

function combinations(grid: Readonly<Record<string, readonly unknown[]>>): Point[] {
  return Object.entries(grid).reduce<Point[]>(
    (points, [name, values]) => points.flatMap((point) => values.map((value) => ({ ...point, [name]: value }))),
    [{}],
  )
}
