/** Frames: flights-3m of vega-datasets (3,000,000 rows, 5 columns) beside the libraries alone; and a slice of a large tensor. */
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Table, tableFromIPC, tableToIPC } from 'apache-arrow'
import { parse } from 'csv-parse/sync'
import { Store } from 'curio'
import { ArrowCacher, CsvCacher, ParquetCacher, TensorCacher } from 'curio/cachers'
import { parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { Compression, readParquet, Table as WasmTable, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm'
import { discard, type Figure, folder, inTurns, median, ratio, timed } from './measure.js'

const rounds = 5
const csvRows = 200_000
const gib = Number(process.env.CURIO_BENCH_BYTES ?? 2 ** 30)

const flights = fileURLToPath(new URL('../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url))

/** What is measured, each by the library alone and by curio; in turns, and for their memory each in a process of its own. */
export interface Work {
  run(): Promise<unknown> | unknown
  /** Before each run, not measured: starts what the other side has running all the time. */
  before?(): Promise<unknown>
}

/** A folder with the flights in every format, and a store that holds them. */
export async function prepare(dir: string): Promise<void> {
  const table = (await ParquetCacher(flights).load()) as Table
  const store = await Store.open({ folder: path.join(dir, 'store'), durability: 'cache', create: true })
  await store.save('parquet', ParquetCacher, table)
  await store.save('arrow', ArrowCacher, table)
  await CsvCacher(path.join(dir, 'flights.csv')).save(table.slice(0, csvRows))
  for (const format of ['parquet', 'arrow'])
    fs.copyFileSync(store.lazy(format).path, path.join(dir, `flights.${format}`))
}

export const works: Readonly<Record<string, (dir: string) => Work | Promise<Work>>> = {
  nothing: () => ({ run: () => undefined }),
  'parquet save': async (dir) => {
    const table = await given(dir)
    return { run: () => ParquetCacher(path.join(dir, 'saved.parquet')).save(table), before: startThread }
  },
  'parquet save, parquet-wasm': async (dir) => {
    const table = await given(dir)
    return {
      run() {
        const properties = new WriterPropertiesBuilder().setCompression(Compression.ZSTD).build()
        const bytes = writeParquet(WasmTable.fromIPCStream(tableToIPC(table, 'stream')), properties)
        fs.writeFileSync(path.join(dir, 'bare.parquet'), bytes)
      },
    }
  },
  'parquet load': (dir) => ({
    run: () => ParquetCacher(path.join(dir, 'flights.parquet')).load(),
    before: startThread,
  }),
  'parquet load, thread and all': (dir) => ({
    run: () => ParquetCacher(path.join(dir, 'flights.parquet')).load(),
    before: () => new Promise((resolve) => setTimeout(resolve, 1500)),
  }),
  'parquet load, parquet-wasm': (dir) => ({
    run() {
      const bytes = fs.readFileSync(path.join(dir, 'flights.parquet'))
      return tableFromIPC(readParquet(bytes, { batchSize: 65_536 }).intoIPCStream())
    },
  }),
  'parquet load, hyparquet': (dir) => ({
    run() {
      const { buffer, byteOffset, byteLength } = fs.readFileSync(path.join(dir, 'flights.parquet'))
      const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer
      const columns: unknown[] = []
      return parquetRead({ file, compressors, onChunk: (chunk) => columns.push(chunk) })
    },
  }),
  'parquet load, store': (dir) => fromStore(dir, (store) => store.lazy('parquet').load()),
  'parquet column, store': (dir) => fromStore(dir, (store) => store.lazy('parquet').columns(['delay'])),
  'parquet rows, store': (dir) => fromStore(dir, (store) => store.lazy('parquet').rows(1_500_000, 1_501_000)),
  'arrow load, store': (dir) => fromStore(dir, (store) => store.lazy('arrow').load()),
  'arrow load, apache-arrow': (dir) => ({
    run: () => tableFromIPC(fs.readFileSync(path.join(dir, 'flights.arrow'))),
  }),
  'csv load': (dir) => ({ run: () => CsvCacher(path.join(dir, 'flights.csv')).load() }),
  'csv load, csv-parse': (dir) => ({
    run: () => parse(fs.readFileSync(path.join(dir, 'flights.csv')), { columns: true }),
  }),
}

async function given(dir: string): Promise<Table> {
  return tableFromIPC(await fs.promises.readFile(path.join(dir, 'flights.arrow')))
}

async function fromStore(dir: string, run: (store: Store) => Promise<unknown>): Promise<Work> {
  const store = await Store.open({ folder: path.join(dir, 'store'), durability: 'cache' })
  return { run: () => run(store), before: startThread }
}

/** parquet-wasm alone was loaded with this file; curio's thread ends when it has nothing to do for a second. */
async function startThread(): Promise<void> {
  await ParquetCacher().decode((await ParquetCacher().encode([{ a: 1 }])) as Uint8Array)
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
  const timedWorks = Object.keys(works).filter((name) => name !== 'nothing')
  const ready = new Map<string, Work>()
  for (const name of timedWorks) ready.set(name, await works[name]!(dir))
  const measure = (name: string) => async () => {
    await ready.get(name)!.before?.()
    return timed(() => ready.get(name)!.run())
  }
  const ms = await inTurns(rounds, Object.fromEntries(timedWorks.map((name) => [name, measure(name)])))
  const figures: Figure[] = timedWorks.map((name) => ({ what: name, value: `${ms[name]!.toFixed(1)} ms` }))
  const of = (what: string, beside: string): number => ms[what]! / ms[beside]!
  const slice = await tensorSlice(dir)
  figures.push(
    ratio('parquet save / parquet-wasm', of('parquet save', 'parquet save, parquet-wasm'), '<=', 1.15),
    ratio('parquet load / parquet-wasm', of('parquet load', 'parquet load, parquet-wasm'), '<=', 1.15),
    ratio('hyparquet / parquet load', of('parquet load, hyparquet', 'parquet load'), '>=', 1),
    ratio('one column / whole load, from a store', of('parquet column, store', 'parquet load, store'), '<=', 0.25),
    ratio('arrow load from a store / tableFromIPC', of('arrow load, store', 'arrow load, apache-arrow'), '<=', 1.1),
    ratio('csv load / csv-parse without types', of('csv load', 'csv load, csv-parse'), '<=', 1),
    { what: `1,000 rows of ${gib / 2 ** 30} GiB`, value: `${slice.toFixed(2)} ms`, target: '<= 5 ms', met: slice <= 5 },
  )
  const child = fileURLToPath(new URL('./frames-peak.ts', import.meta.url))
  const peak = (name: string): number =>
    Number(execFileSync(process.execPath, ['--import', 'tsx', child, name, dir], { encoding: 'utf8' })) / 2 ** 20
  const idle = peak('nothing')
  for (const name of timedWorks) {
    figures.push({
      what: `peak memory: ${name}`,
      value: `${(peak(name) - idle).toFixed(0)} MiB above ${idle.toFixed(0)}`,
    })
  }
  discard(dir)
  return figures
}
