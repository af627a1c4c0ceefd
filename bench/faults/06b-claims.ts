/** Row 6, second half: many processes want overlapping items of a map; all are well, or stopped for a while, or killed. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writerOf } from '../../src/store/claim-file.js'
import type { MapOrder, MapperArgument } from './children/mapper.js'
import { Child } from './harness/child.js'
import { withFolder } from './harness/folders.js'
import { startAll } from './harness/race.js'
import { Random } from './harness/random.js'
import { bySize, type Counts, must, mustEqual, type RunOptions } from './harness/row.js'

/** Results that are stored together: what a process may have computed and not stored yet. */
const group = 256

export async function run({ size, seed, print }: RunOptions): Promise<Counts> {
  const pairs = bySize(size, { small: 1, full: 20, mutant: 1 })
  const crowds = bySize(size, { small: 1, full: 20, mutant: 1 })
  const pauses = bySize(size, { small: 1, full: 100, mutant: 0 })
  const kills = bySize(size, { small: 4, full: 500, mutant: 0 })
  return withFolder(async (parent) => {
    const claims = new Claimed(parent, seed, size === 'full' ? print : () => undefined)
    const half = size === 'full' ? 5000 : 1000
    const healthy = await claims.pairs(pairs, half)
    const same = await claims.crowds(crowds, 8, size === 'full' ? 2000 : 400)
    await claims.paused(pauses)
    const repeated = await claims.killed(kills)
    // Those of the killed are removed by whoever wants items of the same map again.
    for (const pid of claims.left()) must(claims.dead.has(pid), `process ${pid} ended as it should and left its claims`)
    return {
      'items of two processes': healthy,
      'items of eight processes': same,
      'computed twice': 0,
      'stopped for a while': pauses,
      killed: kills,
      'computed again after a kill': repeated.all,
      'most after one kill': repeated.most,
      'results checked': claims.results,
    }
  })
}

class Claimed {
  results = 0
  readonly dead = new Set<number>()
  readonly #folder: string
  readonly #notes: string
  readonly #random: Random
  #names = 0

  constructor(
    parent: string,
    readonly seed: number,
    readonly print: (line: string) => void,
  ) {
    this.#folder = path.join(parent, 'store')
    this.#notes = path.join(parent, 'notes')
    fs.mkdirSync(this.#notes)
    this.#random = new Random(seed)
  }

  get #argument(): MapperArgument {
    return { folder: this.#folder, notes: this.#notes }
  }

  /** Two processes, of whose items half are the same. */
  async pairs(rounds: number, half: number): Promise<number> {
    const children = await startAll('mapper', 2, this.#argument)
    for (let round = 0; round < rounds; round++) {
      const name = this.#name()
      await Promise.all([
        this.#ask(children[0]!, { name, from: 0, to: 2 * half, isBackwards: false, ms: 0 }),
        this.#ask(children[1]!, { name, from: half, to: 3 * half, isBackwards: round % 2 === 0, ms: 0 }),
      ])
      this.#eachOnce(name, 3 * half)
      this.print(`  ${round + 1} rounds of two processes`)
    }
    for (const child of children) await child.finish()
    return rounds * 3 * half
  }

  async crowds(rounds: number, processes: number, items: number): Promise<number> {
    const children = await startAll('mapper', processes, this.#argument)
    for (let round = 0; round < rounds; round++) {
      const name = this.#name()
      await Promise.all(
        children.map((child, i) => this.#ask(child, { name, from: 0, to: items, isBackwards: i % 2 === 1, ms: 0 })),
      )
      this.#eachOnce(name, items)
    }
    for (const child of children) await child.finish()
    return rounds * items
  }

  /** Now one is stopped, now another, for longer than is waited for one that draws its number; nobody takes it for dead. */
  async paused(pauses: number): Promise<void> {
    const children = await startAll('mapper', 3, this.#argument)
    let left = pauses
    while (left > 0) {
      const name = this.#name()
      const items = 3000
      let isOver = false
      const asked = Promise.all(
        children.map((child, i) => this.#ask(child, { name, from: 0, to: items, isBackwards: i % 2 === 1, ms: 0 })),
      ).finally(() => {
        isOver = true
      })
      // At the moment in which the claims are made, and in any other.
      for (let n = 0; n < 3 && !isOver && left > 0; n++) {
        await sleep(this.#random.int(n === 0 ? 20 : 300))
        const child = this.#random.pick(children)
        child.kill('SIGSTOP')
        await sleep(1200)
        child.kill('SIGCONT')
        left -= 1
      }
      await asked
      this.#eachOnce(name, items)
    }
    for (const child of children) await child.finish()
  }

  /** Any of them is killed at any moment, and another comes in its place. */
  async killed(kills: number): Promise<{ all: number; most: number }> {
    const processes = 4
    const items = 1000
    let children = await startAll('mapper', processes, this.#argument)
    let [all, most, done] = [0, 0, 0]
    while (done < kills) {
      const name = this.#name()
      const order = (): MapOrder => ({
        name,
        from: 0,
        to: items,
        isBackwards: this.#random.int(2) === 0,
        // Some that fill a group at once, and some that are stored one by one.
        ms: this.#random.int(3),
      })
      const dead: number[] = []
      const asked = new Map(children.map((child) => [child, this.#ask(child, order())]))
      for (let n = 0; n < 6 && done < kills; n++) {
        await sleep(this.#random.int(200))
        const victim = this.#random.pick(children)
        victim.kill()
        dead.push(victim.pid)
        this.dead.add(victim.pid)
        await victim.exit
        await asked.get(victim)!.catch(() => undefined)
        asked.delete(victim)
        const substitute = await Child.start('mapper', this.#argument)
        mustEqual(await substitute.said(), 'ready', 'the first word of a mapper')
        asked.set(substitute, this.#ask(substitute, order()))
        children = [...children.filter((child) => child !== victim), substitute]
        done += 1
      }
      await Promise.all(asked.values())
      const { extra, byDead } = this.#repeated(name, items, dead)
      must(
        extra === byDead.reduce((sum, one) => sum + one, 0),
        () => `${name}: ${extra} items again, of the dead ${byDead}`,
      )
      for (const one of byDead) must(one <= group, () => `${name}: ${one} items were computed again after one kill`)
      all += extra
      most = Math.max(most, ...byDead)
      this.print(`  ${done} killed, ${all} items computed again`)
    }
    for (const child of children) await child.finish()
    return { all, most }
  }

  /** Whose claims are left. */
  left(): number[] {
    const names = fs.readdirSync(path.join(this.#folder, 'claims'), { recursive: true, withFileTypes: true })
    return names.filter((one) => one.isFile()).map(({ name }) => writerOf(name)!.pid)
  }

  #name(): string {
    return `${this.seed}-${++this.#names}`
  }

  async #ask(child: Child, order: MapOrder): Promise<void> {
    child.send(order)
    const right = Number(await child.said())
    mustEqual(right, order.to - order.from, `WRONG VALUE: right results of ${order.name}`)
    this.results += right
  }

  #eachOnce(name: string, items: number): void {
    const counts = this.#computations(name)
    mustEqual(counts.size, items, `items of ${name} that were computed`)
    const twice = [...counts].filter(([, pids]) => pids.length > 1)
    must(twice.length === 0, () => `${name}: computed more than once with nobody killed: ${twice.slice(0, 5)}`)
  }

  /** Computations beyond one for each item; and how many of those of each dead process were done again. */
  #repeated(name: string, items: number, dead: readonly number[]): { extra: number; byDead: number[] } {
    const counts = this.#computations(name)
    mustEqual(counts.size, items, `items of ${name} that were computed`)
    let extra = 0
    const byDead = dead.map(() => 0)
    for (const pids of counts.values()) {
      extra += pids.length - 1
      // All but the last were in vain.
      for (const pid of pids.filter((one) => dead.includes(one)).slice(0, pids.length - 1)) {
        byDead[dead.indexOf(pid)]! += 1
      }
    }
    return { extra, byDead }
  }

  /** Who computed each item. */
  #computations(name: string): Map<string, number[]> {
    const counts = new Map<string, number[]>()
    for (const pid of fs.readdirSync(this.#notes)) {
      for (const line of fs.readFileSync(path.join(this.#notes, pid), 'utf8').split('\n')) {
        const [of, item] = line.split(' ')
        if (of === name) counts.set(item!, [...(counts.get(item!) ?? []), Number(pid)])
      }
    }
    return counts
  }
}
