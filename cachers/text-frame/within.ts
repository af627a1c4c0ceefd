import { FrameProblem } from '../frame/problem.js'

/** A problem, with where it happened before it: `rows[3]`, `.price`, `[0]`. Other errors stay as they are. */
export function within(where: string, error: unknown): unknown {
  if (!(error instanceof FrameProblem)) return error
  const gap = /^[.[]/.test(error.message) ? '' : ' '
  return new FrameProblem(`${where}${gap}${error.message}`, error.hint)
}
