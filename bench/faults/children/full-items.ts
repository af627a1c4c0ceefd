/** Runs in a mount of its own: a tmpfs that is filled to each of its last pages, or inodes, before items are put. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { BytesCacher } from '../../../cachers/bytes.js'
import type { Items } from '../../../src/artifact/items.js'
import { Store } from '../../../src/artifact/store.js'
import { CurioError } from '../../../src/errors.js'
import { MapInfra, map } from '../../../src/execution/map.js'
import { Config } from '../../../src/identity/config.js'
import { argument, say } from '../harness/in-child.js'
import { bytesFor } from '../harness/random.js'
import { type Counts, must, mustBe, mustEqual } from '../harness/row.js'
import { spaceAt } from '../harness/segment-patient.js'
import { fill } from '../harness/space.js'
import { survey } from '../harness/survey.js'

export interface FullItemsArgument {
  readonly folder: string
  readonly what: 'pages' | 'inodes'
  /** From few to many free pages or inodes. */
  readonly steps: readonly number[]
  /** How many items are put at once, and of how many bytes each. */
  readonly count: number
  readonly bytes: number
}

class Mapped extends Config({ step: z.number(), bytes: z.number(), infra: MapInfra() }) {
  @map({ itemUid: String, cacher: BytesCacher })
  async *results(items: Iterable<number>): AsyncGenerator<Uint8Array> {
    for (const item of items) {
      ran.push(item)
      // Longer than results are gathered, so that some are stored before others.
      await sleep(6)
      yield bytesFor(`${this.step} ${item}`, this.bytes)
    }
  }
}

/** The items that were computed. */
let ran: number[] = []

const { folder, what, steps, count, bytes } = argument<FullItemsArgument>()
const filler = path.join(folder, 'filler')
const at = path.join(folder, 'store')
const counts: Counts = { 'items refused': 0, 'items stored': 0, 'not deleted': 0, 'results not kept': 0 }
const there = new Set<string>()

let store = await Store.open({ folder: at })
let items: Items<Uint8Array> = store.items<Uint8Array>('items', { cacher: BytesCacher })
const segments = path.join(store.dirOf('items'), 'items')
await put(['old/1', 'old/2', 'gone/1'], 'at first')
for (const [n, step] of steps.entries()) {
  const name = `with ${step} ${what} free`
  const keys = Array.from({ length: count }, (_, i) => `new/${n}/${i}`)
  fill(filler, what, step)
  const isStored = await tried(() => put(keys, name))
  counts[isStored ? 'items stored' : 'items refused']! += count
  // Every second time the same process goes on, with a segment it has begun.
  for (let again = 0; !isStored && again < 20; again++) await tried(() => put([`again/${n}/${again}`], name))
  // What fits into the page or the file that is begun may be taken.
  if (step === 0 && what === 'pages' && count * bytes > 4096) must(!isStored, `${name}: a full disk took items`)
  await mustHold(keys, isStored, name)
  // Whether a deletion is acknowledged or refused, what it says is so.
  const isDeleted = await tried(async () => {
    await items.delete('gone/1')
    there.delete('gone/1')
  })
  if (!isDeleted) counts['not deleted']! += 1
  await mustHold([], true, name)
  // A map gives its results whether they can be kept or not, and keeps them when there is room again.
  const wanted = [1, 2, 3, 4, 5]
  await mapped(n, wanted, name)
  await store.close()
  fs.rmSync(filler, { recursive: true })
  if ((await mapped(n, wanted, `${name}, then freed`)).length > 0) counts['results not kept']! += 1
  mustEqual((await mapped(n, wanted, `${name}, then once more`)).length, 0, `${name}: results that were not kept`)
  if (n % 2 === 0) {
    store = await Store.open({ folder: at })
    items = store.items<Uint8Array>('items', { cacher: BytesCacher })
  }
  await put(keys, `${name}, then freed`)
  await mustHold(keys, true, `${name}, then freed`)
  await items.delete('gone/1')
  there.delete('gone/1')
  await put(['gone/1'], name)
  await store.close()
  mustBeTidy(name)
  for (const key of [...keys, ...[...there].filter((one) => one.startsWith('again/'))]) {
    await items.delete(key)
    there.delete(key)
  }
  await tidied()
}
say(JSON.stringify(counts))

async function put(keys: readonly string[], name: string): Promise<void> {
  const stored = await items.setMany(keys.map((key) => [key, bytesFor(key, bytes)] as const))
  for (const [i, key] of keys.entries()) {
    if (!stored[i]) must(there.has(key), `${name}: ${key} was there already`)
    there.add(key)
  }
}

/** False when it was refused, as the disk is full. */
async function tried(action: () => Promise<void>): Promise<boolean> {
  try {
    await action()
    return true
  } catch (error) {
    if (CurioError.is(error, 'ERR_NO_SPACE')) return false
    throw error
  }
}

/** What was acknowledged is there, for this process and for others; what was refused is not. */
async function mustHold(keys: readonly string[], isStored: boolean, name: string): Promise<void> {
  const other = spaceAt(segments)
  const all = [...there]
  const records = other.getMany(all)
  for (const [i, value] of (await items.getMany(all)).entries()) {
    must(value !== undefined && records[i] !== undefined, `${name}: LOST: ${all[i]} was acknowledged`)
    mustBe(value, bytesFor(all[i]!, bytes), `${name}: ${all[i]}`)
    mustBe(records[i].payload, value, `${name}: ${all[i]} elsewhere`)
  }
  if (!isStored) {
    for (const key of keys) must(!items.has(key) && other.get(key) === undefined, `${name}: ${key} was refused`)
  }
  other.close()
}

/** No empty segment, no temporary, no claim is left. */
function mustBeTidy(name: string): void {
  const { torn, dangling, temporaries } = survey(at)
  mustEqual([...torn, ...dangling, ...temporaries].join(), '', `${name}: left behind`)
  const empty = fs.readdirSync(segments).filter((one) => fs.statSync(path.join(segments, one)).size === 0)
  mustEqual(empty.join(), '', `${name}: empty files`)
}

/** @returns which items were computed for it. */
async function mapped(step: number, wanted: readonly number[], name: string): Promise<readonly number[]> {
  const config = new Mapped({ step, bytes, infra: { folder: at, keepInRam: false } })
  ran = []
  let n = 0
  for await (const value of config.results(wanted)) {
    mustBe(value, bytesFor(`${step} ${wanted[n++]}`, bytes), `${name}: what a map gave`)
  }
  mustEqual(n, wanted.length, `${name}: results of a map`)
  mustEqual(new Set(ran).size, ran.length, `${name}: computed twice`)
  return ran
}

/** Everything into one segment anew, so that the disk holds the next step too. */
async function tidied(): Promise<void> {
  const kept = [...there]
  await store.close()
  fs.rmSync(segments, { recursive: true })
  fs.rmSync(path.join(at, 'artifacts', 'children'), { recursive: true })
  there.clear()
  await put(kept, 'anew')
}
