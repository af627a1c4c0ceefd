/** What one call leaves for the next, when something was lost, broken, slow or changed in between. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Config, MapInfra, map, Step, toArray, withInfra } from 'curio'
import { type Directory, DirectoryCacher } from 'curio/cachers'
import { describe, expect, it } from 'vitest'
import { failure } from '../experiment/helpers.js'
import { failing } from '../helpers/faults.js'
import { Broken, Counting, Rough, Squarer } from './fixtures/work.js'
import { place } from './helpers.js'

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
const made: number[] = []

/** Folders; of every 260th item one with more files than an entry holds. */
class Folders extends Config({ infra: MapInfra() }) {
  @map({ itemUid: String, cacher: DirectoryCacher })
  async *process(items: Iterable<number>): AsyncGenerator<Directory> {
    for (const item of items) {
      made.push(item)
      const files = range(item % 260 === 0 ? 1001 : 1).map((i) => [`f${i}`, `${item} ${i}`])
      yield { files: Object.fromEntries(files) } as unknown as Directory
    }
  }
}

class Objects extends Config({ infra: MapInfra() }) {
  @map<object | string>({ itemUid: String })
  async *process(items: Iterable<object | string>): AsyncGenerator<string> {
    for (const item of items) yield JSON.stringify(item)
  }
}

class Slow extends Config({ infra: MapInfra() }) {
  @map({ itemUid: String })
  async *process(items: Iterable<number>): AsyncGenerator<number> {
    for (const item of items) {
      await sleep(item)
      yield item
    }
  }
}

class Plus extends Step({}) {
  compute(x: number): number {
    return x + 1
  }
}

const first = withInfra({ version: '1' }, async function onceNamed({ a }: { a: number }) {
  return `first ${a}`
})
const second = withInfra({ name: 'again/named', version: '2' }, async ({ a }: { a: number }) => `second ${a}`)
const third = withInfra({ name: 'again/named', version: '3' }, async ({ a }: { a: number }) => `third ${a}`)

/** Takes away the bytes of one file of an item. */
async function lose(folder: string, item: number): Promise<void> {
  const [folderOf] = await toArray(new Folders({ infra: { folder, keepInRam: false } }).process([item]))
  const text = `${item} 0`
  expect(fs.readFileSync(path.join(folderOf!.path, 'f0'), 'utf8')).toBe(text)
  const blobs = fs.readdirSync(path.join(folder, 'blobs'), { recursive: true, withFileTypes: true })
  for (const blob of blobs) {
    const file = path.join(blob.parentPath, blob.name)
    if (blob.isFile() && fs.readFileSync(file, 'utf8') === text) fs.rmSync(file)
  }
}

describe('items whose bytes are gone', () => {
  it('are computed again: of many files too, and later in a call that computes others', async () => {
    const { folder } = place()
    const make = (): Folders => new Folders({ infra: { folder, keepInRam: false } })
    await toArray(make().process(range(521)))
    await lose(folder, 0)
    made.length = 0
    await toArray(make().process([0]))
    await toArray(make().process([0]))
    expect(made).toEqual([0])

    const xp = make()
    await (await xp.infra.cacheDict()).delete('1')
    await lose(folder, 260)
    await lose(folder, 520)
    made.length = 0
    const all = await toArray(xp.process(range(521)))
    expect(made).toEqual([1, 260, 520])
    expect(fs.readFileSync(path.join(all[520]!.path, 'f7'), 'utf8')).toBe('520 7')
    await toArray(make().process(range(521)))
    expect(made).toHaveLength(3)
  }, 60_000)
})

describe('a computation that broke the rules', () => {
  it.each([
    [null, 'force'],
    [null, 'cached'],
    ['threadpool', 'force'],
    ['debug', 'force'],
  ] as const)('leaves nothing: cluster %s, mode %s', async (cluster, mode) => {
    const { notes, folder } = place()
    const file = path.join(notes, 'broken')
    const go = (how: 'force' | 'cached'): Promise<number[]> =>
      toArray(new Broken({ notes, infra: { folder, cluster, mode: how, maxWorkers: 2 } }).process(range(600)))
    if (mode === 'force') await go('cached')
    fs.writeFileSync(file, '')
    expect((await failure(go(mode))).message).toContain('more results than its')
    fs.rmSync(file)
    expect(await go('cached')).toEqual(range(600))
  })
})

it('a worker that could not store says why, and does not hold it against the next call', async () => {
  const { folder } = place()
  const go = (items: number[]): Promise<number[]> =>
    toArray(new Squarer({ infra: { folder, cluster: 'debug', keepInRam: false } }).process(items))
  await go([1])
  {
    using _ = failing('writeSync', 'ENOSPC')
    expect((await failure(go([2]))).message).toContain('ENOSPC')
  }
  expect(await go([2])).toEqual([4])
})

it.each([null, 'threadpool', 'processpool', 'debug'])(
  'each call has a configuration of its own: cluster %s',
  async (cluster) => {
    const { folder } = place()
    const infra = { folder, cluster, maxWorkers: 1, maxJobs: 1 }
    const calls = [[1, 2], [3, 4], [5]]
    const all: number[][] = []
    for (const items of calls) all.push(await toArray(new Counting({ infra }).process(items)))
    expect(all).toEqual([[1, 2], [1, 2], [1]])
  },
)

describe('a quick item before a slow one', () => {
  it('is given out, and stored, before that is done', async () => {
    const { folder } = place()
    const began = performance.now()
    for await (const item of new Slow({ infra: { folder } }).process([0, 1500])) {
      if (item !== 0) continue
      expect(performance.now() - began).toBeLessThan(1000)
      expect(await toArray(new Slow({ infra: { folder, mode: 'read-only' } }).process([0]))).toEqual([0])
    }
  })
  it('is stored by a worker before that is done', async () => {
    const { notes, folder } = place()
    const infra = { folder, cluster: 'debug', maxJobs: 1 }
    const all = toArray(new Rough({ notes, infra }).process(['a', 'sleep 1500']))
    await sleep(700)
    expect(await toArray(new Rough({ notes, infra: { folder, mode: 'read-only' } }).process(['a']))).toEqual(['A'])
    expect(await all).toEqual(['A', 'SLEEP 1500'])
  })
  it('leaving the loop ends what is under way', async () => {
    const { folder } = place()
    for await (const item of new Slow({ infra: { folder } }).process([0, 200, 1e6])) if (item === 0) break
    expect(await toArray(new Slow({ infra: { folder, mode: 'read-only' } }).process([0]))).toEqual([0])
  })
})

it('a version that other code was declared with is refused', async () => {
  const { folder } = place()
  expect(await first({ a: 5 }, { folder, version: '2' })).toBe('first 5')
  expect(() => second({ a: 5 }, { folder, version: '3' })).toThrow(
    /again\/named is declared with version 3 at .*again\.test\.ts/,
  )
  expect(await third({ a: 5 }, { folder })).toBe('third 5')
})

it('items that text does not tell apart are refused', async () => {
  const { folder } = place()
  const error = await failure(toArray(new Objects({ infra: { folder } }).process([{ a: 1 }, { a: 2 }])))
  expect(error.message).toContain('itemUid of process gave [object Object]')
  expect(await toArray(new Objects({ infra: { folder } }).process(['[object Object]']))).toHaveLength(1)
  expect(() => new Plus({}).runMany(5 as never)).toThrow('Plus.runMany takes a list of values, not number')
})
