/** The source text of functions, as far as it can tell that code has changed. */
import { type Digest, sha256 } from './digest.js'

/** A function's source: its hash, and what wrote it. */
export interface Source {
  readonly sha256: Digest
  readonly tag: string
}

/** Identity of a function's source text. */
export function sourceOf(body: unknown): Source {
  return { sha256: sha256(Function.prototype.toString.call(body)), tag: transpiler() }
}

/** Where a worker, which registers its tools itself, says which. */
const transpilerKey = Symbol.for('curio.transpiler')

/** What wrote the source that runs: two of them write the same function differently, which is no change of code. */
function transpiler(): string {
  const said = (globalThis as { [transpilerKey]?: string })[transpilerKey]
  if (said !== undefined) return said
  if (process.env.VITEST !== undefined) return 'vitest'
  return [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((arg) => arg.includes('tsx')) ? 'tsx' : 'node'
}
