import * as fs from 'node:fs'
import * as path from 'node:path'
import { Store } from 'curio'
import { describe, expect, it } from 'vitest'
import { Squarer } from '../execution/fixtures/local.js'
import { tempDir } from '../experiment/helpers.js'
import { Place } from './helpers.js'

const results = async (folder: string): Promise<{ key: string; segments: string[] }> => {
  const store = await Store.open(folder)
  const entries = []
  for await (const entry of store.list()) entries.push(entry)
  const { key } = entries[0]!
  const dir = path.join(store.dirOf(key), 'items')
  return { key, segments: fs.existsSync(dir) ? fs.readdirSync(dir).map((name) => path.join(dir, name)) : [] }
}

it('what forgets the results of a map removes its items, and they are computed again', async () => {
  const folder = path.join(tempDir(), 'store')
  const squarer = new Squarer({ coeff: 5, infra: { folder } })
  expect(await (squarer.process([1, 2]) as unknown as { toArray(): Promise<number[]> }).toArray()).toEqual([5, 20])
  const { key, segments } = await results(folder)
  expect(segments.length).toBeGreaterThan(0)
  const store = await Store.open(folder)
  await store.forget(key)
  expect(fs.existsSync(store.dirOf(key))).toBe(false)
  expect((await new Squarer({ coeff: 5, infra: { folder } }).infra.cacheDict()).size).toBe(0)
})

it('verify names the folder of damaged items', async () => {
  const folder = path.join(tempDir(), 'store')
  const squarer = new Squarer({ coeff: 7, infra: { folder } })
  for await (const _ of squarer.process([1, 2, 3]));
  const { segments } = await results(folder)
  const store = await Store.open(folder)
  expect((await store.verify()).problems).toEqual([])
  const file = segments.find((name) => name.endsWith('.seg'))!
  const bytes = fs.readFileSync(file)
  bytes[16 + 60]! ^= 1
  fs.chmodSync(file, 0o644)
  fs.writeFileSync(file, bytes)
  const { problems } = await store.verify()
  expect(problems).toMatchObject([
    { kind: 'item-damaged', where: path.dirname(file), detail: expect.stringMatching(/^damaged in 1 place: /) },
  ])
})

describe('damage in a sealed segment', () => {
  const sealed = async (): Promise<{ place: Place; file: string }> => {
    const place = new Place()
    const squarer = new Squarer({ infra: { folder: place.folder } })
    for await (const _ of squarer.process([1, 2, 3]));
    await (await Store.open(place.folder)).close()
    const { segments } = await results(place.folder)
    expect(segments.map((name) => path.extname(name)).sort()).toEqual(['.idx', '.seg'])
    expect((await place.curio('verify')).code).toBe(0)
    const file = segments.find((name) => name.endsWith('.seg'))!
    fs.chmodSync(file, 0o644)
    return { place, file }
  }
  const found = [1, expect.stringMatching(/1 folder with damaged items\n.*items: damaged in 1 place: /)]
  // The first bytes, and of the first record its checksum, its header, its payload and its key.
  it.each([0, 12, 16, 16 + 20, 16 + 56, 16 + 57])('is found by curio verify at byte %i', async (at) => {
    const { place, file } = await sealed()
    const bytes = fs.readFileSync(file)
    bytes[at]! ^= 1
    fs.writeFileSync(file, bytes)
    const { code, out } = await place.curio('verify')
    expect([code, out]).toEqual(found)
  })
  it.each([8, 30, 64, 100, 208, 100_000])('is found by curio verify where its last %i bytes are gone', async (cut) => {
    const { place, file } = await sealed()
    fs.truncateSync(file, Math.max(0, fs.statSync(file).size - cut))
    const { code, out } = await place.curio('verify')
    expect([code, out]).toEqual(found)
  })
})
