/** Row 9, first half: files cut, extended, or of the right size with the wrong bytes; saving again heals each. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { withFolder } from './harness/folders.js'
import { Patient, ways } from './harness/patient.js'
import { bytesFor, Random } from './harness/random.js'
import { bySize, type Counts, must, mustEqual, type RunOptions } from './harness/row.js'

export async function run({ size, seed }: RunOptions): Promise<Counts> {
  const bytes = bySize(size, { small: 400, full: 65_536, mutant: 40 })
  const largeBytes = bySize(size, { small: 3_000_000, full: 20_000_000, mutant: 2_500_000 })
  const largeCases = bySize(size, { small: 18, full: 1000, mutant: 6 })
  return withFolder(async (parent) => {
    const random = new Random(seed)
    const small = await Patient.make(path.join(parent, 'small'), `lengths/${seed}`, bytes)
    const counts: Counts = { 'lengths of a blob': 0, 'lengths of an entry': 0, 'lengths of a large blob': 0, healed: 0 }
    for (const [i, { what, data }] of enumerate(wrongLengths(small.value, everyLength(bytes), random))) {
      await sick(small, data, what, i)
      counts['lengths of a blob']! += 1
      counts.healed! += 1
    }
    const entry = fs.readFileSync(small.entry)
    for (const [i, { what, data }] of enumerate(wrongLengths(entry, undefined, random))) {
      small.restore(small.entry, data)
      const found = small.store.readEntry(small.key)
      mustEqual(found.hit ? 'a hit' : found.reason, 'damaged', `an entry ${what}`)
      counts['lengths of an entry']! += 1
      if (i % 10 !== 0) continue
      await small.heal(`an entry ${what}`)
      counts.healed! += 1
    }
    const large = await Patient.make(path.join(parent, 'large'), `lengths/${seed}/large`, largeBytes)
    const lengths = Array.from({ length: largeCases }, () => random.int(largeBytes))
    for (const [i, { what, data }] of enumerate(wrongLengths(large.value, lengths, random))) {
      if (i >= largeCases) break
      await sick(large, data, what, i)
      counts['lengths of a large blob']! += 1
      counts.healed! += 1
    }
    await lost(small)
    return { ...counts, undetected: 0, 'wrong values': 0 }
  })
}

/** A damaged blob is a miss in every way of reading, and a save or a stage heals it. */
async function sick(patient: Patient, data: Uint8Array, what: string, i: number): Promise<void> {
  patient.restore(patient.blob, data)
  if (data.byteLength !== patient.value.byteLength) {
    must(!(await patient.store.has(patient.key)), `a blob ${what} counts as there`)
  }
  // Every third is healed before anybody has read it: a put that meets bytes under its name must look at them.
  if (i % 3 !== 0) await patient.mustMiss(ways[i % ways.length]!, `a blob ${what}`)
  if (i % 2 === 0) await patient.heal(`a blob ${what}`)
  else await patient.recompute(`a blob ${what}`)
  if (i % 1000 === 0) patient.emptyQuarantine()
}

/** An absent blob is a miss, not an error, and not a hit. */
async function lost(patient: Patient): Promise<void> {
  for (const way of ways) {
    fs.unlinkSync(patient.blob)
    must(!(await patient.store.has(patient.key)), 'an entry without its blob counts as there')
    mustEqual(await patient.read(way), undefined, `an absent blob, by ${way}`)
    await patient.recompute('an absent blob')
  }
}

function everyLength(bytes: number): number[] {
  return Array.from({ length: bytes }, (_, length) => length)
}

/** Cut to each length, the same length with a tail of zeros, longer, and all zeros. */
function* wrongLengths(
  good: Uint8Array,
  lengths: readonly number[] = everyLength(good.byteLength),
  random: Random,
): Generator<{ what: string; data: Uint8Array }> {
  yield { what: 'of zeros', data: Buffer.alloc(good.byteLength) }
  yield { what: 'of no bytes', data: Buffer.alloc(0) }
  for (const extra of [1, 2, 7, 8, 512, 4096]) {
    yield { what: `with ${extra} zeros more`, data: Buffer.concat([good, Buffer.alloc(extra)]) }
    yield { what: `with ${extra} bytes more`, data: Buffer.concat([good, bytesFor(`${extra}`, extra)]) }
  }
  for (const length of lengths) {
    yield { what: `cut to ${length}`, data: good.subarray(0, length) }
    if (length % 16 !== 0 && random.next() > 0.2) continue
    const data = Buffer.from(good).fill(0, length)
    if (Buffer.compare(data, good) !== 0) yield { what: `of zeros from ${length} on`, data }
  }
}

function* enumerate<T>(items: Iterable<T>): Generator<[number, T]> {
  let i = 0
  for (const item of items) yield [i++, item]
}
