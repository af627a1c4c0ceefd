/** Row 1: writers killed by SIGKILL at any moment of opening, saving and putting. */
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BytesCacher } from '../../cachers/bytes.js'
import { Store } from '../../src/artifact/store.js'
import type { KillsArgument } from './children/kills.js'
import { Child } from './harness/child.js'
import { withFolder } from './harness/folders.js'
import { bytesFor, Random, sha256Hex } from './harness/random.js'
import { bySize, type Counts, must, mustBe, mustEqual, type RunOptions } from './harness/row.js'
import { survey } from './harness/survey.js'
import { valueFor } from './harness/values.js'

const writers = 8

export async function run({ size, seed, print }: RunOptions): Promise<Counts> {
  const kills = bySize(size, { small: 48, full: 10_000, mutant: 8 })
  const perRound = bySize(size, { small: 24, full: 500, mutant: 8 })
  const total: Counts = { kills: 0, acknowledged: 0, 'temporaries left': 0, 'committed unsaid': 0, torn: 0, lost: 0 }
  for (let round = 0; round * perRound < kills; round++) {
    const counts = await withFolder((folder) => killRound(path.join(folder, 'store'), perRound, seed + round, round))
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count
    if (size === 'full') print(`  ${total.kills} kills, ${total.acknowledged} acknowledged`)
  }
  await withFolder(liveWriterKeepsItsTemporary)
  return total
}

async function killRound(folder: string, kills: number, seed: number, round: number): Promise<Counts> {
  const durability = round % 2 === 0 ? 'artifact' : 'cache'
  const random = new Random(seed)
  const acknowledged = new Set<string>()
  let started = 0
  const slot = async (): Promise<void> => {
    while (started < kills) {
      const writer = `${seed}-${started++}`
      const child = await Child.start('kills', { folder, durability, writer } satisfies KillsArgument)
      mustEqual(await child.said(), 'ready', 'the first word of a writer')
      await sleep(random.next() ** 2 * 120)
      child.kill()
      for (const key of await child.rest()) acknowledged.add(key)
      mustEqual((await child.exit).signal, 'SIGKILL', 'how a writer ended')
    }
  }
  await Promise.all(Array.from({ length: writers }, slot))

  const before = survey(folder)
  must(before.torn.length === 0, () => `torn at a final name: ${before.torn.join(', ')}`)
  must(before.dangling.length === 0, () => `entries without their blobs: ${before.dangling.join(', ')}`)
  mustEqual(before.quarantined, 0, 'files in quarantine, though nothing was damaged')
  must(before.temporaries.length <= kills, () => `${before.temporaries.length} temporaries after ${kills} kills`)

  const store = await Store.open({ folder, durability: 'cache' })
  for (const key of acknowledged) {
    must(await store.has(key), `LOST: ${key} was acknowledged`)
    mustBe(await store.load(key, BytesCacher), valueFor(key), key)
  }
  const { problems } = await store.verify({ repair: true })
  const others = problems.filter((problem) => problem.kind !== 'temporary')
  must(others.length === 0, () => `verify found ${JSON.stringify(others.slice(0, 3))}`)
  const after = survey(folder)
  mustEqual(after.temporaries.length, 0, 'temporaries left after verify({ repair })')
  mustEqual(after.blobs, before.blobs, 'blobs after verify({ repair })')
  return {
    kills,
    acknowledged: acknowledged.size,
    'temporaries left': before.temporaries.length,
    'committed unsaid': before.entries - acknowledged.size,
  }
}

/** `verify({ repair })` beside a writer in the middle of a put: what a living process writes is no dead temporary. */
async function liveWriterKeepsItsTemporary(folder: string): Promise<void> {
  const child = await Child.start('pausing', { folder: path.join(folder, 'store') })
  mustEqual(await child.said(), 'waiting', 'a writer in the middle of a put')
  const store = await Store.open(path.join(folder, 'store'))
  const { problems } = await store.verify({ repair: true })
  mustEqual(problems.length, 0, 'problems beside a live writer')
  child.send('go on')
  const digest = await child
    .said()
    .catch((error: Error) => must(false, `a live writer lost its file: ${error.message}`))
  await child.finish()
  mustEqual(digest, sha256Hex(Buffer.concat([bytesFor('first', 2 << 20), bytesFor('second', 1000)])), 'its digest')
}
