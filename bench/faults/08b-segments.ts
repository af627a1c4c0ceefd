/** Row 8, second half: every bit of a segment and of its index turned over; random ones in a large segment. */
import * as path from 'node:path'
import { loadChecksums } from '../../src/store/checksum.js'
import { withFolder } from './harness/folders.js'
import { flipped } from './harness/patient.js'
import { Random } from './harness/random.js'
import { bySize, type Counts, type RunOptions } from './harness/row.js'
import { SegmentPatient } from './harness/segment-patient.js'

export async function run({ size, seed, print }: RunOptions): Promise<Counts> {
  const bytes = bySize(size, { small: 700, full: 16 << 10, mutant: 500 })
  const largeBytes = bySize(size, { small: 2 << 20, full: 16 << 20, mutant: 2 << 20 })
  const largeFlips = bySize(size, { small: 50, full: 2000, mutant: 4 })
  const random = new Random(seed)
  await loadChecksums()
  return withFolder(async (parent) => {
    const small = SegmentPatient.make(path.join(parent, 'small'), bytes, random)
    const { segment, index } = small
    let absent = 0
    for (let bit = 0; bit < index.byteLength * 8; bit++) {
      small.lay(segment, flipped(index, bit))
      small.mustStand(small.last, 0, `bit ${bit} of an index`)
    }
    for (const sealed of [true, false]) {
      small.lay(segment, sealed ? index : undefined)
      for (let bit = 0; bit < segment.byteLength * 8; bit++) {
        const what = `bit ${bit} of a segment ${sealed ? 'with' : 'without'} an index`
        small.flip(bit)
        absent += small.mustStand(small.last, 1, what)
        small.flip(bit)
        if (bit % 101 === 0) {
          small.lay(flipped(segment, bit), sealed ? index : undefined)
          small.heal(what)
          small.lay(segment, sealed ? index : undefined)
        }
        if (bit % 50_000 === 49_999) print(`  ${what}`)
      }
    }
    const large = SegmentPatient.make(path.join(parent, 'large'), largeBytes, random, 100_000)
    for (let n = 0; n < largeFlips; n++) {
      // Without its index all of it is read each time.
      if (n === Math.floor(largeFlips * 0.98)) large.lay(large.segment, undefined)
      const bit = random.int(large.segment.byteLength * 8)
      large.flip(bit)
      absent += large.mustStand(large.last, 1, `bit ${bit} of a large segment`)
      large.flip(bit)
    }
    return {
      'bits of an index': index.byteLength * 8,
      'bits of a segment': segment.byteLength * 8 * 2,
      'flips in a large segment': largeFlips,
      'values absent': absent,
      'others absent': 0,
      'wrong values': 0,
    }
  })
}
