/** Frames: flights-3m of vega-datasets (3,000,000 rows, 5 columns) beside the libraries alone; and a slice of a large tensor. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Store } from 'curio'
import { TensorCacher } from 'curio/cachers'
import { prepare, works } from './frames-works.js'
import { discard, type Figure, folder, inTurns, median, ratio, timed } from './measure.js'

const rounds = 5
const gib = Number(process.env.CURIO_BENCH_BYTES ?? 2 ** 30)

/** A work in a process of its own, where no other one's memory is in its way. */
class Child {
  peak = 0
  private readonly process: ChildProcess
  private readonly lines: AsyncIterator<string>

  constructor(name: string, dir: string) {
    const file = fileURLToPath(new URL('./frames-child.ts', import.meta.url))
    this.process = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', file, name, dir], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.lines = createInterface(this.process.stdout!)[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    const { value, done } = await this.lines.next()
    if (done === true) throw new Error('a child of the bench ended early')
    return value
  }

  async run(): Promise<number> {
    this.process.stdin!.write('\n')
    const [ms, peak] = (await this.line()).split(' ').map(Number) as [number, number]
    this.peak = peak
    return ms
  }

  async end(): Promise<void> {
    this.process.stdin!.end()
    await once(this.process, 'exit')
  }
}

/** Milliseconds of a slice of 1,000 rows of a tensor, through a Lazy. */
async function tensorSlice(dir: string): Promise<number> {
  const store = await Store.open({ folder: path.join(dir, 'store'), durability: 'cache' })
  const seed = randomFillSync(new Float64Array(1 << 17))
  const data = new Float64Array(gib / 8)
  for (let at = 0; at < data.length; at += seed.length) data.set(seed.subarray(0, data.length - at), at)
  const rows = data.length / 128
  await store.save('tensor', TensorCacher, { data, shape: [rows, 128] })
  const times: number[] = []
  for (let i = 0; i < 21; i++) {
    const start = Math.floor(((rows - 1000) * i) / 21)
    times.push(await timed(() => store.lazy('tensor').slice(start, start + 1000)))
  }
  return median(times)
}

export async function run(): Promise<Figure[]> {
  const dir = folder()
  await prepare(dir)
  const children = new Map<string, Child>()
  for (const name of Object.keys(works)) {
    const child = new Child(name, dir)
    await child.line()
    await child.run()
    children.set(name, child)
  }
  const variants = [...children].map(([name, child]) => [name, () => child.run()] as const)
  const ms = await inTurns(rounds, Object.fromEntries(variants))
  const { peak: idle } = children.get('nothing')!
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)
  const figures: Figure[] = []
  for (const [name, child] of children) {
    await child.end()
    if (name === 'nothing') continue
    figures.push({ what: name, value: `${ms[name]!.toFixed(1)} ms, peak memory ${mib(child.peak - idle)} MiB` })
  }
  const of = (what: string, beside: string): number => ms[what]! / ms[beside]!
  const slice = await tensorSlice(dir)
  discard(dir)
  return [
    ...figures,
    ratio('parquet save / parquet-wasm', of('parquet save', 'parquet save, parquet-wasm'), '<=', 1.15),
    ratio('parquet load / parquet-wasm', of('parquet load', 'parquet load, parquet-wasm'), '<=', 1.15),
    ratio('hyparquet / parquet load', of('parquet load, hyparquet', 'parquet load'), '>=', 1),
    ratio('one column / whole load, from a store', of('parquet column, store', 'parquet load, store'), '<=', 0.25),
    ratio('arrow load from a store / tableFromIPC', of('arrow load, store', 'arrow load, apache-arrow'), '<=', 1.1),
    ratio('csv load / csv-parse without types', of('csv load', 'csv load, csv-parse'), '<=', 1),
    { what: `1,000 rows of ${gib / 2 ** 30} GiB`, value: `${slice.toFixed(2)} ms`, target: '<= 5 ms', met: slice <= 5 },
  ]
}
