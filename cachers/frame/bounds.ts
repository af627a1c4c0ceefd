/** Rows and columns by the numbers and names that users give. */
import type { Field } from 'apache-arrow'
import { nearest } from '../../src/errors.js'
import { FrameProblem } from './problem.js'

/** Start and end of a range of `length` rows, as `Array.prototype.slice` understands them. */
export function bounds(start: number, end: number, length: number): [start: number, end: number] {
  const clamped = (index: number): number => (index < 0 ? Math.max(0, length + index) : Math.min(index, length))
  const from = clamped(start)
  return [from, Math.max(from, clamped(end))]
}

/** @throws {FrameProblem} for what `Array.prototype.slice` would round. */
export function checkRange(start: number, end: number): void {
  const isOne = (value: number): boolean => Number.isInteger(value) || value === Number.POSITIVE_INFINITY
  if (isOne(start) && isOne(end)) return
  throw new FrameProblem(`rows ${start} to ${end} are not a range of whole numbers`)
}

/**
 * Where the named columns are, in the order named; all of them without names.
 *
 * @throws {FrameProblem} for a name that no column has, naming the nearest one that is.
 */
export function indicesOf(fields: readonly Pick<Field, 'name'>[], names: readonly string[] | undefined): number[] {
  if (names === undefined) return fields.map((_, i) => i)
  const known = fields.map(({ name }) => name)
  return names.map((name, i) => {
    if (names.indexOf(name) < i) throw new FrameProblem(`column ${name} is asked for twice`)
    const index = known.indexOf(name)
    if (index >= 0) return index
    const near = nearest(name, known)
    const hint = near === undefined ? `its columns are ${known.join(', ') || 'none'}` : `did you mean ${near}?`
    throw new FrameProblem(`it has no column ${JSON.stringify(name)}`, hint)
  })
}
