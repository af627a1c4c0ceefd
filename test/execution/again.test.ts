/** What one call leaves for the next, when something was lost, broken, slow or changed in between. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Chain, Config, MapInfra, map, Step, toArray, withInfra } from 'curio'
import { describe, expect, it, vi } from 'vitest'
import { failure } from '../experiment/helpers.js'
import { failing, full, patchFs, systemError } from '../helpers/faults.js'
import { Broken, Counting, Folders, Rough, Squarer, Tally } from './fixtures/work.js'
import { place } from './helpers.js'

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
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

/** Takes away, or damages, the bytes of one file of an item. Gives what puts them back. */
function lose(folder: string, item: number, left?: string): () => void {
  const text = `${item} 0`
  const blobs = fs.readdirSync(path.join(folder, 'blobs'), { recursive: true, withFileTypes: true })
  for (const blob of blobs) {
    const file = path.join(blob.parentPath, blob.name)
    if (!blob.isFile() || fs.readFileSync(file, 'utf8') !== text) continue
    fs.rmSync(file)
    if (left !== undefined) fs.writeFileSync(file, left)
    return () => fs.writeFileSync(file, text)
  }
  throw new Error(`no blob of item ${item}`)
}

describe('items whose bytes are gone', () => {
  it('are computed again: of many files too, and later in a call that computes others', async () => {
    const { notes, folder, computed } = place()
    const make = (): Folders => new Folders({ notes, infra: { folder, keepInRam: false } })
    await toArray(make().process(range(521)))
    lose(folder, 0)
    await toArray(make().process([0]))
    await toArray(make().process([0]))
    expect(computed()).toHaveLength(522)

    const xp = make()
    await (await xp.infra.cacheDict()).delete('1')
    lose(folder, 260)
    // That is seen only when it is read.
    lose(folder, 520, '052 0')
    const all = await toArray(xp.process(range(521)))
    expect(computed()).toEqual([...range(521), 0, 1, 260, 520].map(String).sort())
    expect(fs.readFileSync(path.join(all[520]!.path, 'f7'), 'utf8')).toBe('520 7')
    await toArray(make().process(range(521)))
    expect(computed()).toHaveLength(525)
  }, 180_000)
  it.each(['debug', 'threadpool'])('are computed again by a worker: %s', async (cluster) => {
    const { notes, folder, computed } = place()
    const go = (): Promise<unknown> => toArray(new Folders({ notes, infra: { folder, cluster } }).process([0]))
    await go()
    lose(folder, 0)
    await go()
    await go()
    expect(computed()).toEqual(['0', '0'])
  })
  it('are there again when their bytes are, for who found them gone too', async () => {
    const { notes, folder, computed } = place()
    await toArray(new Folders({ notes, infra: { folder, keepInRam: false } }).process([0]))
    const putBack = lose(folder, 0)
    const reader = new Folders({ notes, infra: { folder, keepInRam: false, mode: 'read-only' } })
    expect((await failure(toArray(reader.process([0])))).message).toContain('item 0: it is not stored')
    putBack()
    expect((await toArray(reader.process([0])))[0]!.files).toHaveLength(1001)
    expect(computed()).toEqual(['0'])
  })
  it('are computed again, or said to be missing, where what is damaged cannot be moved out of the way', async () => {
    const { notes, folder, computed } = place()
    const make = (mode: 'cached' | 'read-only'): Folders =>
      new Folders({ notes, infra: { folder, keepInRam: false, mode } })
    await toArray(make('cached').process([1, 2]))
    const putBack = lose(folder, 2, '2 x')
    {
      using _ = failing('renameSync', 'EACCES')
      vi.spyOn(process, 'emitWarning').mockReturnValue()
      expect((await failure(toArray(make('read-only').process([1, 2])))).message).toContain('item 2: it is not stored')
      const [, two] = await toArray(make('cached').process([1, 2]))
      expect(fs.readFileSync(path.join(two!.path, 'f0'), 'utf8')).toBe('2 0')
      expect(computed()).toEqual(['1', '2', '2'])
    }
    putBack()
    expect(await toArray(make('read-only').process([1, 2]))).toHaveLength(2)
  })
  it('are given out from memory when the disk is full', async () => {
    const { notes, folder, computed } = place()
    const xp = new Folders({ notes, infra: { folder } })
    await toArray(xp.process([1]))
    {
      using _ = failing('writeSync', 'ENOSPC')
      vi.spyOn(process, 'emitWarning').mockReturnValue()
      const [, two] = await toArray(xp.process([1, 2, 1]))
      expect(two!.files).toEqual(['f0'])
    }
    expect(computed()).toEqual(['1', '2'])
  })
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

it('a job that cannot be written down says where, and leaves nothing', async () => {
  const { folder } = place()
  const go = (): Promise<number[]> => toArray(new Squarer({ infra: { folder, cluster: 'local' } }).process([2]))
  await (await new Squarer({ infra: { folder } }).infra.cacheDict()).set('1', 1)
  const full = patchFs({
    writeFileSync() {
      throw systemError('ENOSPC')
    },
  })
  try {
    const { message } = await failure(go())
    expect(message).toContain(`cannot write a job in ${path.join(folder, 'jobs')}`)
    expect(message).toContain('free some space')
    expect(fs.readdirSync(path.join(folder, 'jobs'))).toEqual([])
  } finally {
    full[Symbol.dispose]()
  }
  expect(await go()).toEqual([4])
})

it('a step that cannot store does not keep those after it from their workers', async () => {
  const { notes, folder } = place()
  const [first, last] = [`${folder}1`, `${folder}2`]
  const step = new Tally({ notes, name: 'first', infra: { folder: first, backend: 'cached', keepInRam: false } })
  const chain = new Chain({
    steps: [step, new Tally({ notes, name: 'last', infra: { folder: last, backend: 'debug' } })],
  })
  await step.run(100)
  const warnings: string[] = []
  vi.spyOn(process, 'emitWarning').mockImplementation((text) => void warnings.push(String(text)))
  {
    using _ = full(first)
    expect(await chain.runMany([1, 2]).toArray()).toEqual([3, 4])
    expect(await step.run(5)).toBe(6)
  }
  vi.restoreAllMocks()
  expect(warnings.join()).toContain('not kept')
  expect(await chain.runMany([1, 2]).toArray()).toEqual([3, 4])
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
