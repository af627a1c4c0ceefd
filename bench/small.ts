/** 4 KiB × 10,000 beside cacache and plain node:fs. */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import cacache from 'cacache'
import { type Digest, Store, sha256 } from 'curio'
import { BytesCacher } from 'curio/cachers'
import { discard, type Figure, folder, inTurns, ratio, timed } from './measure.js'

const count = Number(process.env.CURIO_BENCH_COUNT ?? 10_000)
const rounds = 5
const atOnce = 16

function blobsOf(round: number): Buffer[] {
  const seed = randomBytes(4092)
  return Array.from({ length: count }, (_, i) => {
    const bytes = Buffer.alloc(4096)
    seed.copy(bytes, 4)
    bytes.writeUInt32LE(i + round * count)
    return bytes
  })
}

/** Bare temp-write-rename into 256 shards, as careful as a file can be put without a store. */
function bareWrite(dir: string, blobs: readonly Buffer[], durable: boolean): void {
  for (let i = 0; i < 256; i++) fs.mkdirSync(path.join(dir, i.toString(16).padStart(2, '0')))
  for (const [i, bytes] of blobs.entries()) {
    const shard = path.join(dir, (i % 256).toString(16).padStart(2, '0'))
    const temp = path.join(shard, `.tmp-${i}`)
    const fd = fs.openSync(temp, 'wx')
    fs.writeSync(fd, bytes)
    if (durable) fs.fdatasyncSync(fd)
    fs.closeSync(fd)
    fs.renameSync(temp, path.join(shard, String(i)))
  }
}

async function cacachePut(dir: string, blobs: readonly Buffer[]): Promise<void> {
  for (let at = 0; at < blobs.length; at += atOnce) {
    await Promise.all(blobs.slice(at, at + atOnce).map((bytes, i) => cacache.put(dir, `k${at + i}`, bytes)))
  }
}

async function level(durability: 'cache' | 'artifact', amount: number): Promise<Figure[]> {
  const durable = durability === 'artifact'
  const us = (ms: number): number => (ms * 1000) / amount
  let reading: { dir: string; digests: Digest[]; store: Store; cacheDir: string; keys: number } | undefined
  const times = await inTurns(rounds, {
    bare: async (round) => {
      const [dir, blobs] = [folder(), blobsOf(round).slice(0, amount)]
      const ms = await timed(() => bareWrite(dir, blobs, durable))
      discard(dir)
      return ms
    },
    put: async (round) => {
      const [dir, blobs] = [folder(), blobsOf(round).slice(0, amount)]
      const store = await Store.open({ folder: dir, durability })
      const ms = await timed(async () => {
        for (const bytes of blobs) await store.blobs.put(bytes)
      })
      if (reading?.store === undefined)
        reading = { dir, digests: blobs.map((bytes) => sha256(bytes)), store, cacheDir: '', keys: amount }
      else discard(dir)
      return ms
    },
    save: async (round) => {
      const [dir, blobs] = [folder(), blobsOf(round).slice(0, amount)]
      const store = await Store.open({ folder: dir, durability })
      const ms = await timed(async () => {
        for (const [i, bytes] of blobs.entries()) await store.save(`bench/i=${i}`, BytesCacher, bytes)
      })
      discard(dir)
      return ms
    },
    ...(durable
      ? {}
      : {
          cacachePut: async (round: number) => {
            const [dir, blobs] = [folder(), blobsOf(round).slice(0, amount)]
            const ms = await timed(() => cacachePut(dir, blobs))
            if (reading !== undefined && reading.cacheDir === '') reading.cacheDir = dir
            else discard(dir)
            return ms
          },
        }),
  })
  const figures: Figure[] = [
    {
      what: `${durability}: bare temp-write-rename${durable ? ' with fdatasync' : ''}, 256 folders`,
      value: `${us(times.bare!).toFixed(0)} us`,
    },
    { what: `${durability}: blobs.put`, value: `${us(times.put!).toFixed(0)} us` },
    { what: `${durability}: save into new uid folders`, value: `${us(times.save!).toFixed(0)} us` },
    ratio(`${durability}: blobs.put / bare`, times.put! / times.bare!, '<=', 1.6),
  ]
  if (durable) return figures
  figures.push(
    { what: `cacache.put, ${atOnce} at once`, value: `${us(times.cacachePut!).toFixed(0)} us` },
    ratio('cacache.put / blobs.put', times.cacachePut! / times.put!, '>=', 5),
    ratio('cacache.put / save', times.cacachePut! / times.save!, '>=', 2),
  )
  const from = reading!
  const fresh = await Store.open({ folder: from.dir, durability })
  const read = await inTurns(rounds, {
    bare: () =>
      timed(() => {
        for (const digest of from.digests) fs.readFileSync(fresh.blobs.path(digest))
      }),
    get: () =>
      timed(async () => {
        for (const digest of from.digests) if ((await fresh.blobs.get(digest)) === undefined) throw new Error('lost')
      }),
    cacacheGet: () =>
      timed(async () => {
        for (let i = 0; i < amount; i++) await cacache.get(from.cacheDir, `k${i}`)
      }),
  })
  figures.push(
    { what: 'bare readFileSync', value: `${us(read.bare!).toFixed(1)} us` },
    { what: 'blobs.get, SHA-256 checked', value: `${us(read.get!).toFixed(1)} us` },
    { what: 'cacache.get', value: `${us(read.cacacheGet!).toFixed(1)} us` },
    ratio('cacache.get / blobs.get', read.cacacheGet! / read.get!, '>=', 8),
    ratio('blobs.get / readFileSync', read.get! / read.bare!, '<=', 2),
  )
  return figures
}

export async function run(): Promise<Figure[]> {
  return [...(await level('cache', count)), ...(await level('artifact', Math.min(count, 2000)))]
}
