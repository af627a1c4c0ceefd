/** 1 GiB and 4 GiB: hashing overlapped with writing, checked loading into fresh memory, memory of a streaming put. */
import { execFileSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Store } from 'curio'
import { TensorCacher } from 'curio/cachers'
import { discard, type Figure, folder, inTurns, ratio, timed } from './measure.js'

const gib = 2 ** 30
const bytes = Number(process.env.CURIO_BENCH_BYTES ?? gib)
const rounds = 5
const block = 8 << 20

function fill(): Uint8Array {
  const seed = randomFillSync(Buffer.alloc(1 << 20))
  const data = Buffer.allocUnsafeSlow(bytes)
  for (let at = 0; at < bytes; at += seed.byteLength) {
    seed.copy(data, at)
    data.writeDoubleLE(at, Math.min(at, bytes - 8))
  }
  return data
}

function hashOnly(data: Uint8Array): void {
  const hash = createHash('sha256')
  for (let at = 0; at < data.byteLength; at += block) hash.update(data.subarray(at, at + block))
  hash.digest()
}

function writeOnly(dir: string, data: Uint8Array): void {
  const fd = fs.openSync(path.join(dir, 'bare'), 'w')
  for (let at = 0; at < data.byteLength; ) at += fs.writeSync(fd, data, at, Math.min(block, data.byteLength - at))
  fs.closeSync(fd)
}

function readBare(file: string): Uint8Array {
  const fd = fs.openSync(file, 'r')
  const into = Buffer.allocUnsafeSlow(fs.fstatSync(fd).size)
  for (let at = 0; at < into.byteLength; ) at += fs.readSync(fd, into, at, Math.min(into.byteLength - at, gib), at)
  fs.closeSync(fd)
  return into
}

export async function run(): Promise<Figure[]> {
  const data = fill()
  const put = await inTurns(rounds, {
    hash: () => timed(() => hashOnly(data)),
    write: async () => {
      const dir = folder()
      const ms = await timed(() => writeOnly(dir, data))
      discard(dir)
      return ms
    },
    put: async () => {
      const dir = folder()
      const store = await Store.open({ folder: dir, durability: 'cache' })
      const ms = await timed(() => store.blobs.put(data))
      discard(dir)
      return ms
    },
  })
  const dir = folder()
  const store = await Store.open({ folder: dir, durability: 'cache' })
  const floats = new Float64Array(data.buffer as ArrayBuffer, data.byteOffset, bytes / 8)
  await store.save('large', TensorCacher, { data: floats, shape: [bytes / 8 / 128, 128] })
  const file = store.blobs.path((await store.entry('large'))!.artifacts[0]!.files![0]!.sha256)
  const load = await inTurns(rounds, {
    bare: () => timed(() => readBare(file)),
    load: () => timed(() => store.load('large', TensorCacher)),
  })
  discard(dir)
  const s = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
  const figures: Figure[] = [
    { what: `SHA-256 of ${bytes / gib} GiB`, value: s(put.hash!) },
    { what: 'bare write', value: s(put.write!) },
    { what: 'blobs.put, cache', value: s(put.put!) },
    ratio('blobs.put / the slower of hashing and writing', put.put! / Math.max(put.hash!, put.write!), '<=', 1.5),
    { what: 'bare read into fresh memory', value: s(load.bare!) },
    { what: 'load of a tensor, every chunk checked', value: s(load.load!) },
    ratio('checked load / bare read', load.load! / load.bare!, '<=', 1.3),
  ]
  const peak = Number(
    execFileSync(process.execPath, [
      '--import',
      'tsx',
      fileURLToPath(new URL('./large-stream.ts', import.meta.url)),
      folder(),
    ]).toString(),
  )
  figures.push({
    what: 'peak memory of a streaming put of 4 GiB',
    value: `${(peak / 2 ** 20).toFixed(0)} MiB`,
    target: '<= 250 MiB',
    met: peak <= 250 * 2 ** 20,
  })
  return figures
}
