import { sequence } from '../identity/marks.js'
import type { StepInfra } from './step-infra.js'

/** A step as this floor sees it. */
export interface Node {
  readonly infra: StepInfra
  /** Of a chain: its steps. */
  readonly [sequence]?: readonly Node[]
  /** What it computes; not of a chain. */
  compute?(value: unknown): unknown
  computeBatch?(values: AsyncIterable<unknown>): AsyncIterable<unknown> | Iterable<unknown>
  itemUid(value: unknown): string
}

export function nameOf(node: Node): string {
  return node.constructor.name
}

/** The first step of a chain, however deep. */
export function firstOf(node: Node): Node {
  const [first] = node[sequence] ?? []
  return first === undefined ? node : firstOf(first)
}

/** What a step takes. A default does not count in a function's length, so the source must say. */
export function takenBy(step: Node): 'nothing' | 'a value' | 'either' {
  if (step.computeBatch !== undefined || step.compute!.length > 0) return 'a value'
  return /^[^(]*\(\s*\)/.test(Function.prototype.toString.call(step.compute)) ? 'nothing' : 'either'
}
