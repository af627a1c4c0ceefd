/** Row 13: processes whose clocks are hours and years off take nothing from the living, and no result for an older one. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { loadChecksums } from '../../src/store/checksum.js'
import type { FlightOrder, FlyerArgument } from './children/flyer.js'
import type { MapOrder, MapperArgument } from './children/mapper.js'
import { Child } from './harness/child.js'
import { withWrongClocks } from './harness/clock.js'
import { withFolder } from './harness/folders.js'
import { modelRound } from './harness/model.js'
import { bytesFor, Random, sha256Hex } from './harness/random.js'
import { bySize, type Counts, must, mustEqual, type RunOptions } from './harness/row.js'

const hour = 3600_000
const day = 24 * hour
/** The right time, hours and days off, beyond 2038, before 1970, and where no computer should be. */
const off = [0, hour, -hour, day, -day, 12 * 365 * day, -60 * 365 * day, 400 * 365 * day]
const staleMs = 2000

export async function run({ size, seed }: RunOptions): Promise<Counts> {
  const rounds = bySize(size, { small: 1, full: 20, mutant: 1 })
  const items = bySize(size, { small: 600, full: 4000, mutant: 100 })
  const locks = bySize(size, { small: 1, full: 10, mutant: 1 })
  const models = bySize(size, { small: 40, full: 10_000, mutant: 5 })
  const crowded = bySize(size, { small: 4, full: off.length, mutant: 3 })
  await loadChecksums()
  await withFolder((parent) => mapped(parent, rounds, items, crowded, seed))
  await withFolder((parent) => locked(parent, locks, crowded, seed))
  const random = new Random(seed)
  let steps = 0
  for (let round = 0; round < models; round++) {
    steps += await withWrongClocks(
      () => random.pick(off),
      () => withFolder((folder) => modelRound(folder, new Random(`${seed} ${round}`), 60, true)),
    )
  }
  return {
    processes: crowded,
    'items of all': rounds * items,
    'computed twice': 0,
    'locks held beside wrong clocks': locks * crowded,
    'sequences like one Map': models,
    steps,
    'wrong values': 0,
  }
}

/** Half of the processes say that they are on other hosts, where the system allows it: there only the claims tell that they live. */
function otherHost(name: string): { wrapper?: readonly string[] } {
  const user = process.getuid?.() === 0 ? '-u' : '-ru'
  const wrapper = ['unshare', user, 'sh', '-c', 'hostname "$1" && shift && exec "$@"', 'sh', name]
  try {
    execFileSync(wrapper[0]!, [...wrapper.slice(1), 'true'], { stdio: 'ignore' })
    return { wrapper }
  } catch {
    return {}
  }
}

/** All want the same items: each is computed once. */
async function mapped(parent: string, rounds: number, items: number, processes: number, seed: number): Promise<void> {
  const [folder, notes] = [path.join(parent, 'store'), path.join(parent, 'notes')]
  fs.mkdirSync(notes)
  const children = await Promise.all(
    off.slice(0, processes).map((clockOffMs, i) => {
      const argument: MapperArgument = { folder, notes, clockOffMs }
      return Child.start('mapper', argument, i % 2 === 1 ? otherHost(`host-${i}`) : {})
    }),
  )
  for (const child of children) mustEqual(await child.said(), 'ready', 'the first word of a mapper')
  for (let round = 0; round < rounds; round++) {
    const name = `${seed}-${round}`
    await Promise.all(
      children.map(async (child, i) => {
        child.send({ name, from: 0, to: items, isBackwards: i % 3 === 1, ms: 0 } satisfies MapOrder)
        mustEqual(Number(await child.said()), items, `WRONG VALUE: right results of ${name}`)
      }),
    )
  }
  for (const child of children) await child.finish()
  const lines = fs
    .readdirSync(notes)
    .flatMap((file) => fs.readFileSync(path.join(notes, file), 'utf8').split('\n').slice(0, -1))
  mustEqual(new Set(lines).size, rounds * items, 'items that were computed')
  mustEqual(lines.length, rounds * items, 'computations, with nobody killed')
}

/** One computes for longer than its lock may go unrefreshed, its clock wrong or theirs who wait: nobody takes it over. */
async function locked(parent: string, rounds: number, processes: number, seed: number): Promise<void> {
  const folder = path.join(parent, 'store')
  const log = path.join(parent, 'computed.log')
  fs.writeFileSync(log, '')
  const start = async (clockOffMs: number): Promise<Child> => {
    const argument: FlyerArgument = { folder, log, lockStaleMs: staleMs, clockOffMs }
    const child = await Child.start('flyer', argument)
    mustEqual(await child.said(), 'ready', 'the first word of a flyer')
    return child
  }
  const children = await Promise.all(off.slice(0, processes).map(start))
  const computations = (key: string): number =>
    fs
      .readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`${key} `)).length
  for (let round = 0; round < rounds; round++) {
    // Each of them holds one, and waits for those of all others.
    const keys = children.map((_, i) => `clocks/${seed}/${round}/${i}`)
    const order = (key: string): FlightOrder => ({ key, ms: 2 * staleMs, blocks: false })
    for (const [i, child] of children.entries()) {
      child.send(order(keys[i]!))
      for (;;) if ((JSON.parse(await child.said()) as { computing?: string }).computing === keys[i]) break
    }
    for (const [i, child] of children.entries()) {
      for (const key of keys) if (key !== keys[i]) child.send(order(key))
    }
    // What a child says comes in any order; the last of all is heard when every key was.
    await Promise.all(children.map(async (child) => Promise.all(keys.map(() => landed(child)))))
    for (const key of keys) mustEqual(computations(key), 1, `computations of ${key}, beside wrong clocks`)
  }
  for (const child of children) await child.finish()

  async function landed(child: Child): Promise<void> {
    const line = JSON.parse(await child.said()) as Record<string, string>
    must(line.uncaught === undefined, `an error nobody caught: ${line.uncaught}`)
    must(line.key !== undefined, `computed beside the holder: ${line.computing}`)
    mustEqual(line.sha256, sha256Hex(bytesFor(line.key, 3000)), `WRONG VALUE of ${line.key}`)
  }
}
