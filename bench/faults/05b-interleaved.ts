/** Row 5, in slow motion: a second writer acts in the very moment between two calls of the first. */
import { countsOf } from './harness/child.js'
import { withFolder } from './harness/folders.js'
import type { Counts, RunOptions } from './harness/row.js'

export async function run(_: RunOptions): Promise<Counts> {
  return withFolder((folder) => countsOf('interleaved', { folder }))
}
