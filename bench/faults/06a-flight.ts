/** Row 6, first half: many processes want one result; the one that computes it is well, killed, stopped, or too busy to answer. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FlightOrder, FlyerArgument } from './children/flyer.js'
import { Child } from './harness/child.js'
import { withFolder } from './harness/folders.js'
import { startAll } from './harness/race.js'
import { bytesFor, Random, sha256Hex } from './harness/random.js'
import { bySize, type Counts, median, must, mustEqual, type RunOptions } from './harness/row.js'
import { survey } from './harness/survey.js'

const staleMs = 2000

interface Said {
  readonly computing?: string
  readonly key?: string
  readonly how?: string
  readonly sha256?: string
  readonly uncaught?: string
}

export async function run({ size, seed }: RunOptions): Promise<Counts> {
  const processes = bySize(size, { small: 5, full: 64, mutant: 4 })
  const healthy = bySize(size, { small: 10, full: 300, mutant: 4 })
  const killed = bySize(size, { small: 4, full: 150, mutant: 2 })
  const slow = bySize(size, { small: 2, full: 25, mutant: 0 })
  return withFolder(async (parent) => {
    const flight = new Flight(parent, seed)
    const [first] = await Promise.all([
      flight.healthy(processes, healthy).then(() => flight.killed(processes, killed)),
      flight.stopped(slow),
      flight.blocked(slow),
    ])
    const { torn, dangling } = survey(flight.folder)
    mustEqual([torn, dangling].flat().length, 0, 'files that should not be there')
    return {
      processes,
      healthy,
      'holders killed': killed,
      'median computations after a kill': first,
      'holders stopped': slow,
      'holders blocked': slow,
      'values checked': flight.values,
      'uncaught errors': 0,
    }
  })
}

class Flight {
  readonly folder: string
  values = 0
  readonly #log: string
  readonly #random: Random

  constructor(
    parent: string,
    readonly seed: number,
  ) {
    this.folder = path.join(parent, 'store')
    this.#log = path.join(parent, 'computed.log')
    fs.writeFileSync(this.#log, '')
    this.#random = new Random(seed)
  }

  get #arguments(): FlyerArgument {
    return { folder: this.folder, log: this.#log, lockStaleMs: staleMs }
  }

  /** Nobody dies: one computation a key. */
  async healthy(processes: number, rounds: number): Promise<void> {
    const children = await startAll('flyer', processes, this.#arguments)
    for (let round = 0; round < rounds; round++) {
      const key = `healthy/${this.seed}/${round}`
      for (const child of children) child.send({ key, ms: 20, blocks: false } satisfies FlightOrder)
      await Promise.all(children.map((child) => this.#landed(child, key)))
      mustEqual(this.#computations(key), 1, `computations of ${key} with nobody killed`)
    }
    for (const child of children) await child.finish()
  }

  /** The one that computes is killed in the middle; returns the median number of computations, the dead one's included. */
  async killed(processes: number, rounds: number): Promise<number> {
    const counts: number[] = []
    let children = await startAll('flyer', processes, this.#arguments)
    for (let round = 0; round < rounds; round++) {
      const key = `killed/${this.seed}/${round}`
      for (const child of children) child.send({ key, ms: 60, blocks: false } satisfies FlightOrder)
      const pid = await this.#computing(key)
      const victim = children.find((child) => child.pid === pid)
      must(victim !== undefined, `process ${pid} computes ${key}`)
      await sleep(this.#random.int(40))
      victim.kill()
      await victim.exit
      const others = children.filter((child) => child !== victim)
      await Promise.all(others.map((child) => this.#landed(child, key)))
      counts.push(this.#computations(key))
      const substitute = await Child.start('flyer', this.#arguments)
      mustEqual(await substitute.said(), 'ready', 'the first word of a flyer')
      children = [...others, substitute]
    }
    for (const child of children) await child.finish()
    const middle = median(counts)
    must(middle <= 2, () => `median computations after a kill: ${middle} of ${counts.join(', ')}`)
    return middle
  }

  /** The holder is stopped for three times the time after which its lock is stale, and goes on afterwards. */
  async stopped(rounds: number): Promise<void> {
    await this.#late(`stopped/${this.seed}`, rounds, { ms: 300, blocks: false }, async (holder) => {
      holder.kill('SIGSTOP')
      await sleep(3 * staleMs)
      holder.kill('SIGCONT')
    })
  }

  /** The holder's event loop is blocked for as long: it cannot refresh its lock, but it lives, so others wait for it. */
  async blocked(rounds: number): Promise<void> {
    const prefix = `blocked/${this.seed}`
    await this.#late(prefix, rounds, { ms: 3 * staleMs, blocks: true }, async () => undefined)
    for (let round = 0; round < rounds; round++) {
      mustEqual(this.#computations(`${prefix}/${round}`), 1, 'computations beside a holder that is only busy')
    }
  }

  async #late(
    prefix: string,
    rounds: number,
    how: Omit<FlightOrder, 'key'>,
    trouble: (holder: Child) => Promise<void>,
  ): Promise<void> {
    if (rounds === 0) return
    const waiters = await startAll('flyer', 2, this.#arguments)
    const holders = await startAll('flyer', rounds, this.#arguments)
    await Promise.all(
      holders.map(async (holder, round) => {
        const key = `${prefix}/${round}`
        holder.send({ key, ...how })
        mustEqual((JSON.parse(await holder.said()) as Said).computing, key, 'what the holder does')
        for (const waiter of waiters) waiter.send({ key, ms: 20, blocks: false } satisfies FlightOrder)
        await trouble(holder)
        await this.#landed(holder, key)
      }),
    )
    for (const child of [...holders, ...waiters]) {
      for (const line of await child.finish()) this.#check(JSON.parse(line) as Said)
    }
  }

  /** Waits until a child has the value. */
  async #landed(child: Child, key: string): Promise<void> {
    for (;;) {
      const said = JSON.parse(await child.said()) as Said
      this.#check(said)
      if (said.key === key) return
    }
  }

  #check({ key, how, sha256, uncaught }: Said): void {
    must(uncaught === undefined, `an error nobody caught: ${uncaught}`)
    if (key === undefined) return
    this.values += 1
    must(how === 'computed' || how === 'loaded', `${key} was ${how}`)
    mustEqual(sha256, sha256Hex(bytesFor(key, 3000)), `WRONG VALUE of ${key}`)
  }

  /** Waits until a process computes; its id. */
  async #computing(key: string): Promise<number> {
    for (;;) {
      const pid = this.#processes(key)[0]
      if (pid !== undefined) return pid
      await sleep(2)
    }
  }

  #computations(key: string): number {
    return this.#processes(key).length
  }

  /** Who computed, in order. */
  #processes(key: string): number[] {
    const lines = fs.readFileSync(this.#log, 'utf8').split('\n').slice(0, -1)
    return lines.filter((line) => line.startsWith(`${key} `)).map((line) => Number(line.slice(key.length + 1)))
  }
}
