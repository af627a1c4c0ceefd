/** Row 2: writers of items killed by SIGKILL while they append, delete and seal, beside a reader that never fails. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BytesCacher } from '../../cachers/bytes.js'
import { Store } from '../../src/artifact/store.js'
import { StoreEvents } from '../../src/store/events.js'
import { SegmentReader } from '../../src/store/items/segment-reader.js'
import { ItemSpace } from '../../src/store/items/space.js'
import type { ItemsArgument } from './children/items.js'
import { Child } from './harness/child.js'
import { withFolder } from './harness/folders.js'
import { Random } from './harness/random.js'
import { bySize, type Counts, must, mustBe, mustEqual, type RunOptions } from './harness/row.js'
import { itemBytes } from './harness/values.js'

const writers = 4

export async function run({ size, seed, print }: RunOptions): Promise<Counts> {
  const kills = bySize(size, { small: 24, full: 5000, mutant: 8 })
  const perRound = bySize(size, { small: 12, full: 50, mutant: 8 })
  const total: Counts = { kills: 0, acknowledged: 0, deleted: 0, 'torn tails': 0, 'sealed segments': 0, lost: 0 }
  for (let round = 0; round * perRound < kills; round++) {
    const counts = await withFolder((folder) => killRound(path.join(folder, 'store'), perRound, seed + round, round))
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count
    if (size === 'full')
      print(`  ${total.kills} kills, ${total.acknowledged} acknowledged, ${total['torn tails']} torn`)
  }
  return total
}

async function killRound(folder: string, kills: number, seed: number, round: number): Promise<Counts> {
  const durability = round % 2 === 0 ? 'artifact' : 'cache'
  const random = new Random(seed)
  const there = new Set<string>()
  const gone = new Set<string>()
  let unsure = new Set<string>()
  let started = 0
  // Sees the segments grow, and every death.
  const reader = await Store.open({ folder, durability: 'cache' })
  const seen = reader.items<Uint8Array>('items', { cacher: BytesCacher })
  const slot = async (): Promise<void> => {
    while (started < kills) {
      const writer = `w${seed}-${started++}`
      // Half of them are killed from outside, and half die in the middle of a call: else torn tails would be rare.
      const dieAt = started % 2 === 0 ? { dieAt: 1 + random.int(24) } : {}
      const child = await Child.start('items', { folder, durability, writer, ...dieAt } satisfies ItemsArgument)
      mustEqual(await child.said(), 'ready', 'the first word of a writer')
      if (dieAt.dieAt === undefined) {
        await sleep(random.next() * 300)
        child.kill()
      }
      const own: string[] = []
      for (const line of await child.rest()) {
        const [what, a, count, shared] = line.split(' ') as [string, string, string, string]
        if (what === 'deleting') unsure.add(a)
        else if (what === 'deleted') gone.add(a)
        else {
          for (let i = 0; i < Number(count); i++) own.push(`${writer}/${a}/${i}`)
          for (const i of shared.split(',')) if (i !== '') there.add(`shared/${i}`)
        }
      }
      mustEqual((await child.exit).signal, 'SIGKILL', 'how a writer ended')
      for (const key of own) there.add(key)
      seen.refresh()
      const values = await seen.getMany(own)
      for (const [i, key] of own.entries()) {
        if (!unsure.has(key)) must(values[i] !== undefined, `LOST: ${key} was acknowledged`)
        if (values[i] !== undefined) mustBe(values[i], itemBytes(key), key)
      }
    }
  }
  await Promise.all(Array.from({ length: writers }, slot))
  for (const key of gone) there.delete(key)
  unsure = new Set([...unsure].filter((key) => !gone.has(key)))

  seen.refresh()
  const dir = path.join(reader.dirOf('items'), 'items')
  const late = new ItemSpace(dir, { modes: reader.modes, events: new StoreEvents(folder) })
  const keys = [...there].filter((key) => !unsure.has(key))
  for (const records of [seen.lookup(keys), late.getMany(keys)]) {
    for (const [i, record] of records.entries()) {
      must(record !== undefined, `LOST: ${keys[i]} was acknowledged`)
      mustBe(record.payload, itemBytes(keys[i]!), keys[i]!)
    }
  }
  for (const record of late.getMany([...gone])) must(record === undefined, `${record?.key} was deleted, and is back`)
  // Whoever writes next is not troubled by what the dead have left.
  mustEqual(await seen.set('next', itemBytes('next')), true, 'a value put after all that')
  late.refresh()
  mustEqual(late.size, seen.size, 'size here and there')
  late.close()
  await reader.close()
  return {
    kills,
    acknowledged: keys.length,
    deleted: gone.size,
    'torn tails': fs.readdirSync(dir).filter((name) => name.endsWith('.seg') && isTorn(path.join(dir, name))).length,
    'sealed segments': fs.readdirSync(dir).filter((name) => name.endsWith('.idx')).length,
  }
}

function isTorn(file: string): boolean {
  const reader = new SegmentReader(file, '')
  const length = reader.length() ?? 0
  reader.scan(
    length,
    () => undefined,
    () => undefined,
  )
  reader.close()
  return reader.scanned < length
}
