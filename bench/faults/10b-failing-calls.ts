/** Row 10, second half: each call to the file system that changes something fails in turn. */
import type { FailingArgument } from './children/failing-calls.js'
import { countsOf } from './harness/child.js'
import { withFolder } from './harness/folders.js'
import { bySize, type Counts, type RunOptions } from './harness/row.js'

export async function run({ size }: RunOptions): Promise<Counts> {
  const errors = bySize(size, {
    small: ['ENOSPC'],
    full: ['ENOSPC', 'EDQUOT', 'EIO', 'EACCES', 'EROFS', 'EMFILE'],
  })
  const sizes = bySize(size, { small: [10_000, 1_200_000], full: [0, 10_000, 1_200_000, 9_000_000], mutant: [10_000] })
  return withFolder((folder) => countsOf('failing-calls', { folder, errors, sizes } satisfies FailingArgument))
}
