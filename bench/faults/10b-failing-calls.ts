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
  const values = bySize<FailingArgument['values']>(size, {
    small: [
      { bytes: 10_000, streamed: false },
      { bytes: 20_000, streamed: true },
    ],
    full: [
      { bytes: 0, streamed: false },
      { bytes: 10_000, streamed: false },
      { bytes: 1_200_000, streamed: false },
      { bytes: 1_200_000, streamed: true },
    ],
    mutant: [{ bytes: 10_000, streamed: false }],
  })
  return withFolder((folder) => countsOf('failing-calls', { folder, errors, values } satisfies FailingArgument))
}
