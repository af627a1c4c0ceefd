/** Row 3, for saves: every state the disk may be in when the power goes, computed from the calls that were made. */
import type { PowerCutArgument } from './children/power-cut.js'
import { countsOf } from './harness/child.js'
import { withFolder } from './harness/folders.js'
import { bySize, type Counts, type RunOptions } from './harness/row.js'

export async function run({ size, seed }: RunOptions): Promise<Counts> {
  const chances = bySize(size, { small: 1, full: 20, mutant: 0 })
  const stride = bySize(size, { small: 10, full: 1, mutant: 1000 })
  return withFolder((folder) => countsOf('power-cut', { folder, seed, chances, stride } satisfies PowerCutArgument))
}
