/** What frames.ts measures: each format by curio, and by the library alone. Packages load where they are used, so that memory is each one's own. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Table } from 'apache-arrow'
import { Store } from 'curio'
import { ArrowCacher, CsvCacher, ParquetCacher } from 'curio/cachers'

const flights = fileURLToPath(new URL('../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url))
const csvRows = 200_000

export interface Work {
  run(): Promise<unknown> | unknown
  /** Before each run, not measured. Default: the same, for whatever is used twice has been loaded, compiled and given its memory. */
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
    return { run: () => ParquetCacher(path.join(dir, 'saved.parquet')).save(table) }
  },
  'parquet save, parquet-wasm': async (dir) => {
    const table = await given(dir)
    const { tableToIPC } = await import('apache-arrow')
    const wasm = await import('parquet-wasm')
    return {
      run() {
        const properties = new wasm.WriterPropertiesBuilder().setCompression(wasm.Compression.ZSTD).build()
        const bytes = wasm.writeParquet(wasm.Table.fromIPCStream(tableToIPC(table, 'stream')), properties)
        fs.writeFileSync(path.join(dir, 'bare.parquet'), bytes)
      },
    }
  },
  'parquet load': (dir) => ({
    run: () => ParquetCacher(path.join(dir, 'flights.parquet')).load(),
  }),
  'parquet load, after a pause': (dir) => ({
    run: () => ParquetCacher(path.join(dir, 'flights.parquet')).load(),
    // The thread is gone by then.
    before: () => setTimeout(1500),
  }),
  'parquet load, parquet-wasm': async (dir) => {
    const { tableFromIPC } = await import('apache-arrow')
    const { readParquet } = await import('parquet-wasm')
    return {
      run() {
        const bytes = fs.readFileSync(path.join(dir, 'flights.parquet'))
        return tableFromIPC(readParquet(bytes, { batchSize: 65_536 }).intoIPCStream())
      },
    }
  },
  'parquet load, hyparquet': async (dir) => {
    const { parquetRead } = await import('hyparquet')
    const { compressors } = await import('hyparquet-compressors')
    return {
      run() {
        const { buffer, byteOffset, byteLength } = fs.readFileSync(path.join(dir, 'flights.parquet'))
        const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer
        const columns: unknown[] = []
        return parquetRead({ file, compressors, onChunk: (chunk) => columns.push(chunk) })
      },
    }
  },
  'parquet load, store': (dir) => fromStore(dir, (store) => store.lazy('parquet').load()),
  'parquet column, store': (dir) => fromStore(dir, (store) => store.lazy('parquet').columns(['delay'])),
  'parquet rows, store': (dir) => fromStore(dir, (store) => store.lazy('parquet').rows(1_500_000, 1_501_000)),
  'arrow load, store': (dir) => fromStore(dir, (store) => store.lazy('arrow').load()),
  'arrow load, apache-arrow': async (dir) => {
    const { tableFromIPC } = await import('apache-arrow')
    return { run: () => tableFromIPC(fs.readFileSync(path.join(dir, 'flights.arrow'))) }
  },
  'csv load': (dir) => ({ run: () => CsvCacher(path.join(dir, 'flights.csv')).load() }),
  'csv load, csv-parse': async (dir) => {
    const { parse } = await import('csv-parse/sync')
    return { run: () => parse(fs.readFileSync(path.join(dir, 'flights.csv')), { columns: true }) }
  },
}

async function given(dir: string): Promise<Table> {
  const { tableFromIPC } = await import('apache-arrow')
  return tableFromIPC(fs.readFileSync(path.join(dir, 'flights.arrow')))
}

async function fromStore(dir: string, run: (store: Store) => Promise<unknown>): Promise<Work> {
  const store = await Store.open({ folder: path.join(dir, 'store'), durability: 'cache' })
  return { run: () => run(store) }
}
