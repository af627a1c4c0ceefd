/** Row 19: any sequence of what processes do with items, crashes and damage among it, beside one Map. */
import { loadChecksums } from '../../src/store/checksum.js'
import { withFolder } from './harness/folders.js'
import { modelRound } from './harness/model.js'
import { Random } from './harness/random.js'
import { bySize, type Counts, FaultError, type RunOptions } from './harness/row.js'

export async function run({ size, seed, print }: RunOptions): Promise<Counts> {
  const sequences = bySize(size, { small: 60, full: 100_000, mutant: 40 })
  await loadChecksums()
  let steps = 0
  for (let n = 0; n < sequences; n++) {
    const random = new Random(`${seed} ${n}`)
    try {
      // Every second one without damage: there the Map is matched exactly.
      steps += await withFolder((folder) => modelRound(folder, random, 20 + random.int(60), n % 2 === 0))
    } catch (error) {
      throw new FaultError(`sequence ${n}: ${(error as Error).message}`)
    }
    if (n % 1000 === 999) print(`  ${n + 1} sequences`)
  }
  return { sequences, steps, 'with damage': Math.floor(sequences / 2), 'wrong values': 0 }
}
