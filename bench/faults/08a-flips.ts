/** Row 8, first half: every bit of an entry, a sidecar and a small blob turned over; random ones in a large blob. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../cachers/bytes.js'
import { withFolder } from './harness/folders.js'
import { flipped, Patient, ways } from './harness/patient.js'
import { Random } from './harness/random.js'
import { bySize, type Counts, must, mustBe, mustEqual, type RunOptions } from './harness/row.js'

export async function run({ size, seed }: RunOptions): Promise<Counts> {
  const smallBytes = bySize(size, { small: 100, full: 4096, mutant: 20 })
  const largeBytes = bySize(size, { small: 5 << 20, full: 64 << 20, mutant: 3 << 20 })
  const largeFlips = bySize(size, { small: 150, full: 10_000, mutant: 10 })
  return withFolder(async (parent) => {
    const small = await Patient.make(path.join(parent, 'small'), `flips/${seed}`, smallBytes)
    const blob = await flipBlob(small)
    const entry = await flipEntry(small, size === 'mutant' ? 40 : 1)
    const sidecar = await flipSidecar(small, bySize(size, { small: 3, full: 1, mutant: 400 }))
    const large = await Patient.make(path.join(parent, 'large'), `flips/${seed}/large`, largeBytes)
    const { detected, harmless } = await flipLarge(large, largeFlips, new Random(seed))
    return {
      'bits of a blob': blob,
      'bits of an entry': entry,
      'bits of a sidecar': sidecar,
      'flips in a large blob': detected,
      'reads beside a flip': harmless,
      undetected: 0,
      'wrong values': 0,
    }
  })
}

async function flipBlob(patient: Patient): Promise<number> {
  const bits = patient.value.byteLength * 8
  for (let bit = 0; bit < bits; bit++) {
    const what = `bit ${bit} of a blob`
    patient.restore(patient.blob, flipped(patient.value, bit))
    await patient.mustMiss(ways[bit % ways.length]!, what)
    if (bit % 101 === 0) await patient.heal(what)
    else if (bit % 103 === 0) await patient.recompute(what)
    else patient.restore(patient.blob, patient.value)
    if (bit % 4096 === 0) patient.emptyQuarantine()
  }
  return bits
}

async function flipEntry(patient: Patient, stride: number): Promise<number> {
  const { store, key } = patient
  const good = fs.readFileSync(patient.entry)
  let flips = 0
  // The frame always bit by bit.
  for (let bit = 0; bit < good.byteLength * 8; bit += bit < 8 * 64 ? 1 : stride) {
    const what = `bit ${bit} of an entry (byte ${JSON.stringify(String.fromCharCode(good[bit >> 3]!))})`
    patient.restore(patient.entry, flipped(good, bit))
    const found = store.readEntry(key)
    must(!found.hit, `damage was not seen: ${what}`)
    mustEqual(found.reason, 'damaged', what)
    if (flips % 101 === 0) await patient.heal(what)
    else if (flips % 103 === 0) await patient.recompute(what)
    patient.restore(patient.entry, good)
    flips += 1
    if (flips % 4096 === 0) patient.emptyQuarantine()
  }
  mustBe(await store.load(key, BytesCacher), patient.value, 'the value under its own entry')
  return flips
}

/** A sidecar is for people: damage to it changes no value, and the next save rewrites it. */
async function flipSidecar(patient: Patient, stride: number): Promise<number> {
  const good = fs.readFileSync(patient.sidecar)
  let flips = 0
  for (let bit = 0; bit < good.byteLength * 8; bit += stride) {
    patient.restore(patient.sidecar, flipped(good, bit))
    const value = await patient.store.load(patient.key, BytesCacher)
    mustBe(value, patient.value, `bit ${bit} of a sidecar`)
    if (flips % 97 === 0) await patient.heal(`bit ${bit} of a sidecar`)
    flips += 1
  }
  patient.restore(patient.sidecar, Buffer.of())
  await patient.heal('an empty sidecar')
  const { digest } = JSON.parse(fs.readFileSync(patient.sidecar, 'utf8')) as { digest: string }
  mustEqual(digest, (await patient.store.entry(patient.key))?.artifacts[0]?.digest, 'the sidecar that was rewritten')
  return flips
}

/** Reads the part around each flip, which must miss, and a part elsewhere, which must be right or miss. */
async function flipLarge(
  patient: Patient,
  flips: number,
  random: Random,
): Promise<{ detected: number; harmless: number }> {
  const { store, info, blob, value } = patient
  const quarantine = path.join(store.folder, 'quarantine')
  let harmless = 0
  for (let n = 0; n < flips; n++) {
    const bit = random.int(value.byteLength * 8)
    const at = bit >> 3
    const what = `bit ${bit} of a large blob`
    poke(blob, at, value[at]! ^ (1 << (bit & 7)))
    const [from, to] = elsewhere(at, info.chunk, value.byteLength, random)
    const beside = await store.blobs.read(info, { start: from, end: to })
    if (beside !== undefined) {
      mustBe(beside, value.subarray(from, to), `${what}, bytes ${from} to ${to}`)
      harmless += 1
    }
    if (n % 100 === 99) await patient.mustMiss(ways[n % ways.length]!, what)
    else {
      const start = Math.max(0, at - random.int(2 << 20))
      const end = Math.min(value.byteLength, at + 1 + random.int(2 << 20))
      const got = await store.blobs.read(info, { start, end })
      must(got === undefined, `damage was not seen: ${what}, bytes ${start} to ${end}`)
    }
    // Put right by hand: the same file goes back, so that a large one is not written ten thousand times.
    const aside = fs.readdirSync(quarantine).find((name) => name.startsWith(info.sha256))
    must(aside !== undefined, `${what}: nothing in quarantine`)
    fs.renameSync(path.join(quarantine, aside), blob)
    poke(blob, at, value[at]!)
  }
  mustBe((await store.blobs.get(info.sha256)) ?? Buffer.of(), value, 'the large blob, put right')
  return { detected: flips, harmless }
}

/** A range whose chunks do not hold `at`. */
function elsewhere(at: number, chunk: number, bytes: number, random: Random): [from: number, to: number] {
  const mine = Math.floor(at / chunk)
  const chunks = Math.ceil(bytes / chunk)
  const other = (mine + 1 + random.int(chunks - 1)) % chunks
  const from = other * chunk + random.int(chunk / 2)
  return [Math.min(from, bytes - 1), Math.min(bytes, (other + 1) * chunk)]
}

function poke(file: string, at: number, byte: number): void {
  fs.chmodSync(file, 0o644)
  const fd = fs.openSync(file, 'r+')
  fs.writeSync(fd, Buffer.of(byte), 0, 1, at)
  fs.closeSync(fd)
}
