import type { Store } from '../artifact/store.js'
import type { Args } from './args.js'
import type { Output } from './output.js'

/** Exit codes (docs/cli.md). */
export const exit = { ok: 0, notFound: 1, usage: 2, failure: 3 } as const

/** What a command works with. */
export interface Context {
  readonly args: Args
  readonly out: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Where the store is, by --store, the environment or the folders above. */
  folder(): string
  /** Opens the store: read-only, so that looking changes nothing, unless `write` is asked for. */
  open(options?: { readonly write?: boolean }): Promise<Store>
}
