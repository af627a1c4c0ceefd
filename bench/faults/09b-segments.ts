/** Row 9, second half: segments and their indexes cut, extended, zeroed. */
import * as path from 'node:path'
import { loadChecksums } from '../../src/store/checksum.js'
import { withFolder } from './harness/folders.js'
import { bytesFor, Random } from './harness/random.js'
import { bySize, type Counts, type RunOptions } from './harness/row.js'
import { SegmentPatient } from './harness/segment-patient.js'

export async function run({ size, seed }: RunOptions): Promise<Counts> {
  const bytes = bySize(size, { small: 1500, full: 64 << 10, mutant: 500 })
  const largeBytes = bySize(size, { small: 2 << 20, full: 20 << 20, mutant: 2 << 20 })
  const largeCuts = bySize(size, { small: 20, full: 500, mutant: 2 })
  const random = new Random(seed)
  await loadChecksums()
  return withFolder(async (parent) => {
    const patient = SegmentPatient.make(path.join(parent, 'small'), bytes, random)
    const { segment, index, last } = patient
    let healed = 0
    for (let length = 0; length <= segment.byteLength; length++) {
      // Of the whole records nothing is lost, and of the others nothing is found.
      const sealed = length % 2 === 0 ? index : undefined
      const expected = patient.stateAt(length)
      patient.lay(segment.subarray(0, length), sealed)
      patient.mustStand(expected, 0, `a segment cut to ${length}`, patient.keys, patient.stateAfter(length))
      if (length % 16 === 0) {
        patient.lay(Buffer.from(segment).fill(0, length), sealed === undefined ? index : undefined)
        // What lay in the zeros is hidden where the index still tells of it.
        patient.mustStand(
          sealed === undefined ? last : expected,
          sealed === undefined ? last.size : 0,
          `zeros from ${length} on`,
          patient.keys,
          sealed === undefined ? last : patient.stateAfter(length),
        )
      }
      if (length % 101 !== 0) continue
      patient.lay(segment.subarray(0, length), sealed)
      patient.heal(`a segment cut to ${length}`)
      healed += 1
    }
    for (let length = 0; length < index.byteLength; length++) {
      patient.lay(segment, index.subarray(0, length))
      patient.mustStand(last, 0, `an index cut to ${length}`)
    }
    const longer: [what: string, more: Uint8Array][] = [
      ...[1, 7, 8, 56, 4096, 100_000].map((extra): [string, Uint8Array] => [`${extra} zeros`, Buffer.alloc(extra)]),
      ...[1, 7, 8, 56, 4096, 100_000].map((extra): [string, Uint8Array] => [
        `${extra} bytes`,
        bytesFor(`${extra}`, extra),
      ]),
      ['itself', segment],
      ['its records', segment.subarray(16)],
    ]
    for (const [what, more] of longer) {
      for (const sealed of [index, undefined]) {
        patient.lay(Buffer.concat([segment, more]), sealed)
        patient.mustStand(last, 0, `a segment with ${what} more`)
      }
      patient.lay(segment, Buffer.concat([index, more]))
      patient.mustStand(last, 0, `an index with ${what} more`)
    }
    for (const sealed of [index, Buffer.alloc(index.byteLength), Buffer.alloc(0), undefined]) {
      patient.lay(Buffer.alloc(segment.byteLength), sealed)
      patient.mustStand(last, last.size, 'a segment of zeros')
      patient.heal('a segment of zeros')
    }
    const large = SegmentPatient.make(path.join(parent, 'large'), largeBytes, random, 100_000)
    for (let n = 0; n < largeCuts; n++) {
      const length = random.int(large.segment.byteLength)
      large.lay(large.segment.subarray(0, length), n % 2 === 0 ? large.index : undefined)
      large.mustStand(large.last, large.last.size, `a large segment cut to ${length}`)
    }
    return {
      'lengths of a segment': segment.byteLength + 1,
      'lengths of an index': index.byteLength,
      'lengths of a large segment': largeCuts,
      healed,
      'whole records absent': 0,
      'wrong values': 0,
    }
  })
}
