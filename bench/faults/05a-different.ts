/** Row 5: many processes save different bytes under the same key; then the winner's bytes are lost, and they do so again. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../cachers/bytes.js'
import { Store } from '../../src/artifact/store.js'
import type { RaceResult } from './children/racer.js'
import { overwrite, withFolder } from './harness/folders.js'
import { finishAll, race, startAll } from './harness/race.js'
import { Random, sha256Hex } from './harness/random.js'
import { bySize, type Counts, must, mustEqual, type RunOptions } from './harness/row.js'
import { survey } from './harness/survey.js'

export async function run({ size, seed }: RunOptions): Promise<Counts> {
  const processes = bySize(size, { small: 6, full: 64 })
  const rounds = bySize(size, { small: 30, full: 200 })
  const perBatch = 10
  const random = new Random(seed)
  const counts: Counts = { processes, rounds, kept: 0, 'counted as nondeterminism': 0, 'winners lost': 0, healed: 0 }
  return withFolder(async (parent) => {
    const folder = path.join(parent, 'store')
    const racers = await startAll('racer', processes, { folder })
    const store = await Store.open({ folder, durability: 'cache' })
    const batch = (keys: readonly string[], phase: number) =>
      race(racers, (racer) => ({
        saves: keys.map((key) => ({ key, value: `${key} by ${racer} in ${phase}`, bytes: 2000 })),
      }))
    for (let first = 0; first < rounds; first += perBatch) {
      const keys = Array.from({ length: perBatch }, (_, i) => `race/${seed}/${first + i}`)
      for (const [key, all] of await batch(keys, 1)) {
        const winner = oneWinner(key, all, ['created'])
        mustEqual(sha256Hex(await store.load(key, BytesCacher)), winner, `what ${key} holds after the race`)
        counts.kept! += all.length - 1
        lose(store, winner, random)
        counts['winners lost']! += 1
      }
      for (const [key, all] of await batch(keys, 2)) {
        const winner = oneWinner(key, all, ['healed', 'created'])
        mustEqual(sha256Hex(await store.load(key, BytesCacher)), winner, `what ${key} holds after it was healed`)
        counts.healed! += 1
      }
    }
    const events = await finishAll(racers)
    counts['counted as nondeterminism'] = events.nondeterminism ?? 0
    mustEqual(events.nondeterminism, 2 * rounds * (processes - 1), 'nondeterminism events')
    // What nobody had to read may still lie damaged at its name; nothing refers to it, and `verify` sees to it.
    await store.verify({ repair: true })
    const { torn, dangling, temporaries } = survey(folder)
    mustEqual([torn, dangling, temporaries].flat().length, 0, 'files that should not be there')
    return counts
  })
}

/** Checks that one racer's bytes stand and that everybody was told so; returns their SHA-256. */
function oneWinner(key: string, all: readonly RaceResult[], winning: readonly string[]): string {
  const told = () =>
    JSON.stringify(all.map(({ outcome, stored, loaded }) => [outcome, stored.slice(0, 6), loaded.slice(0, 6)]))
  const winners = all.filter(({ outcome }) => winning.includes(outcome))
  must(winners.length === 1, () => `${key} has ${winners.length} winners: ${told()}`)
  must(
    all.every((one) => one === winners[0] || one.outcome === 'kept'),
    () => `a loser of ${key} was not told: ${told()}`,
  )
  const { stored } = winners[0]!
  must(
    all.every((one) => one.stored === stored && one.loaded === stored),
    () => `${key} has several values: ${told()}`,
  )
  return stored
}

/** Loses or damages a blob in one of the ways disks have. */
function lose(store: Store, digest: string, random: Random): void {
  const file = store.blobs.path(digest as never)
  const way = random.int(4)
  if (way === 0) fs.unlinkSync(file)
  else if (way === 1) overwrite(file, '')
  else if (way === 2) overwrite(file, Buffer.alloc(2000))
  else overwrite(file, fs.readFileSync(file).fill(random.int(256), 0, 1 + random.int(1999)))
}
