/** Many small results: what one costs to put and to look up, how fast others' are seen, what a million take. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { Store } from 'curio'
import { JsonCacher, TensorCacher } from 'curio/cachers'
import { loadChecksums } from '../src/store/checksum.js'
import { StoreEvents } from '../src/store/events.js'
import { ItemSpace } from '../src/store/items/space.js'
import { discard, type Figure, folder, inTurns, timed } from './measure.js'

const count = Number(process.env.CURIO_BENCH_COUNT ?? 10_000)
const million = Number(process.env.CURIO_BENCH_MANY ?? 1_000_000)
const rounds = 5
/** Looked up in one call: as many as a caller would hold at once. */
const atOnce = 1000

const keysOf = (n: number, from = 0): string[] => Array.from({ length: n }, (_, i) => `item=${from + i}`)

function below(what: string, value: number, unit: string, limit?: number): Figure {
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0
  const text = `${value.toFixed(digits)} ${unit}`
  return limit === undefined
    ? { what, value: text }
    : { what, value: text, target: `<= ${limit} ${unit}`, met: value <= limit }
}

/** As another process sees a folder. */
function spaceOn(dir: string): ItemSpace {
  return new ItemSpace(dir, { modes: { dir: 0o755, file: 0o444 }, events: new StoreEvents(dir) })
}

async function values(
  what: string,
  cacher: typeof JsonCacher | typeof TensorCacher,
  valueAt: (i: number) => unknown,
  limit: { put?: number; read: number },
): Promise<Figure[]> {
  const keys = keysOf(count)
  const made: { at: string; dir: string; store: Store }[] = []
  const times = await inTurns(rounds, {
    put: async () => {
      const at = folder()
      const store = await Store.open(at)
      const items = store.items('bench', { cacher: cacher as never })
      const ms = await timed(async () => {
        await items.setMany(keys.map((key, i) => [key, valueAt(i)] as const))
        await store.close()
      })
      made.push({ at, dir: path.join(store.dirOf('bench'), 'items'), store })
      return ms
    },
    bytes: () => {
      const { dir } = made.at(-1)!
      return timed(() => {
        for (const name of fs.readdirSync(dir)) fs.readFileSync(path.join(dir, name))
      })
    },
    lookup: () => {
      const { store } = made.at(-1)!
      const items = store.items('bench', { cacher: cacher as never })
      return timed(() => {
        for (let at = 0; at < count; at += atOnce) items.lookup(keys.slice(at, at + atOnce))
      })
    },
    read: async () => {
      const { at, store } = made.at(-1)!
      const items = store.items('bench', { cacher: cacher as never })
      const ms = await timed(async () => {
        for (let at = 0; at < count; at += atOnce) {
          for (const record of items.lookup(keys.slice(at, at + atOnce))) {
            const value = items.codec.decode(record!)
            if (value instanceof Promise) await value
          }
        }
      })
      discard(at)
      return ms
    },
  })
  const us = (name: string): number => (times[name]! * 1000) / count
  return [
    below(`${what}: set ${count} in one call, sealed and synced, each`, us('put'), 'µs', limit.put),
    below(
      `${what}: look up ${atOnce} in one call, each (reading the files: ${us('bytes').toFixed(2)} µs)`,
      us('lookup'),
      'µs',
    ),
    below(`${what}: look up and decode, each`, us('read'), 'µs', limit.read),
  ]
}

/** Fills a folder as one process would; returns its files. */
function fill(dir: string, n: number): string[] {
  const space = spaceOn(dir)
  const payload = Buffer.from('12345678\n')
  for (let from = 0; from < n; from += 50_000) {
    space.put(keysOf(Math.min(50_000, n - from), from).map((key) => ({ key, kind: 'value', codec: 'json@1', payload })))
  }
  space.close()
  return fs.readdirSync(dir)
}

async function opening(n: number, limitMs: number, appendMs?: number, bytesEach?: number): Promise<Figure[]> {
  const at = folder()
  const dir = path.join(at, 'items')
  const files = fill(dir, n)
  let space = spaceOn(dir)
  const other = spaceOn(dir)
  other.put([{ key: 'other', kind: 'value', codec: 'json@1', payload: Buffer.from('0') }])
  let appended = 0
  const times = await inTurns(rounds, {
    open: () => {
      space = spaceOn(dir)
      return timed(() => space.size)
    },
    append: () => {
      other.put([{ key: `other ${appended++}`, kind: 'value', codec: 'json@1', payload: Buffer.from('0') }])
      return timed(() => space.refresh())
    },
    look: () => timed(() => space.refresh()),
    single: () =>
      timed(() => {
        for (let i = 0; i < 1000; i++) space.get(`item=${(i * 7919) % n}`)
      }),
  })
  const figures = [
    below(`open ${n} items`, times.open!, 'ms', limitMs),
    below(`${n} items, and one more of another process: seen in`, times.append!, 'ms', appendMs),
    below(`${n} items, and nothing new: seen in`, times.look! * 1000, 'µs'),
    below(`${n} items: look up one at random`, times.single!, 'µs'),
    below(`${n} items: memory, each`, space.tableBytes / n, 'B', bytesEach),
    { what: `${n} items: files`, value: `${files.length}` },
  ]
  other.close()
  space.close()
  discard(at)
  return figures
}

export async function run(): Promise<Figure[]> {
  await loadChecksums()
  const tensor = (i: number) => ({ data: new Float32Array(1024).fill(i), shape: [32, 32], dtype: 'float32' })
  return [
    ...(await values('integers', JsonCacher, (i) => i, { put: 30, read: 3 })),
    ...(await values('32×32 float32', TensorCacher, tensor, { put: 60, read: 6 })),
    ...(await opening(million / 10, 40, 1)),
    ...(await opening(million, 400, 1, 64)),
  ]
}
