/** A map of arithmetic: in this process, in threads, in processes, and in bare tinypool. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { pathToFileURL } from 'node:url'
import { toArray } from 'curio'
import { Tinypool } from 'tinypool'
import { discard, type Figure, folder, inTurns, ratio, timed } from './measure.js'
import { Spin, spin } from './pools-work.js'

const workers = 2
const seeds = Array.from({ length: 240 }, (_, i) => i)

export async function run(): Promise<Figure[]> {
  const dir = folder()
  const bare = path.join(dir, 'spin.mjs')
  fs.writeFileSync(bare, `export default ${spin.toString()}`)
  const pool = (runtime: 'worker_threads' | 'child_process'): Tinypool =>
    new Tinypool({ filename: pathToFileURL(bare).href, runtime, minThreads: workers, maxThreads: workers })
  const pools = { threads: pool('worker_threads'), processes: pool('child_process') }

  let round = 0
  const ours = async (cluster: 'threadpool' | 'processpool' | null): Promise<number> => {
    const make = (): Spin =>
      new Spin({ round: ++round, infra: { folder: path.join(dir, 'store'), cluster, maxWorkers: workers } })
    // Workers that are there already, as tinypool's are.
    if (cluster !== null) await toArray(make().values(seeds.slice(0, 2)))
    const xp = make()
    return timed(() => toArray(xp.values(seeds)))
  }
  const theirs = (one: Tinypool): Promise<number> => timed(() => Promise.all(seeds.map((seed) => one.run(seed))))
  const ms = await inTurns(5, {
    inline: () => ours(null),
    threads: () => ours('threadpool'),
    'bare threads': () => theirs(pools.threads),
    processes: () => ours('processpool'),
    'bare processes': () => theirs(pools.processes),
  })
  await Promise.all(Object.values(pools).map((one) => one.destroy()))
  discard(dir)
  const of = (name: string): number => ms[name]!
  return [
    { what: `${seeds.length} items inline`, value: `${of('inline').toFixed(0)} ms` },
    ratio(`threads, ${workers} of them, against inline`, of('inline') / of('threads'), '>=', 1.6),
    ratio('threads against tinypool', of('bare threads') / of('threads'), '>=', 0.95),
    ratio(`processes, ${workers} of them, against inline`, of('inline') / of('processes'), '>=', 1.6),
    ratio('processes against tinypool', of('bare processes') / of('processes'), '>=', 0.95),
  ]
}
