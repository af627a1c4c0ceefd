/** What was computed anew is what everybody gets, and what was given out is his who has it. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Chain, Config, type ExecMode, MapInfra, map, Step, toArray } from 'curio'
import { BytesCacher, DirectoryCacher } from 'curio/cachers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { failure } from '../experiment/helpers.js'
import { failing, full, patchFs } from '../helpers/faults.js'
import { Told } from './fixtures/work.js'
import { place } from './helpers.js'

beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockReturnValue()
})
afterEach(() => vi.restoreAllMocks())

/** Two steps, the second in workers, and what each of them multiplies by. */
function pair(backend: string) {
  const { notes, folder, computed } = place()
  const folders = [`${folder}1`, `${folder}2`]
  const say = (first: string, last = '10'): void => {
    fs.writeFileSync(path.join(notes, 'first'), first)
    fs.writeFileSync(path.join(notes, 'last'), last)
  }
  const make = (mode: ExecMode, nested = false) => {
    const first = new Told({ notes, name: 'first', infra: { backend: 'cached', folder: folders[0], mode } })
    const last = new Told({ notes, name: 'last', infra: { backend, folder: folders[1], maxWorkers: 1 } })
    return new Chain({ steps: [nested ? new Chain({ steps: [first] }) : first, last] })
  }
  return { say, make, computed, folders }
}

describe.each(['processpool', 'threadpool', 'debug'])('what comes before a worker: %s', (backend) => {
  it('is what was computed last, however short a time ago', async () => {
    const { say, make } = pair(backend)
    say('1')
    expect(await make('cached').run(3)).toBe(30)
    for (const [n, by] of ['2', '3'].entries()) {
      say(by)
      expect(await make('force').run(3)).toBe((n + 2) * 30)
    }
    say('4')
    const chain = make('cached')
    await chain.lookup(3).clearCache({ recursive: true })
    expect(await chain.run(3)).toBe(120)
  })
  it('is what a retry gave', async () => {
    const { say, make } = pair(backend)
    say('-')
    expect((await failure(make('cached').run(3))).message).toContain('first fails')
    say('2')
    expect(await make('retry').run(3)).toBe(60)
  })
  it('is not computed where it is read-only', async () => {
    const { say, make, computed } = pair(backend)
    say('1')
    expect(await make('cached').run(3)).toBe(30)
    expect(await make('read-only').run(3)).toBe(30)
    expect((await failure(make('read-only').run(4))).message).toContain('mode is read-only')
    expect(computed()).toEqual(['first 3', 'last 3'])
  })
  it('is forced once, also in a chain of its own', async () => {
    const { say, make, computed } = pair(backend)
    say('1')
    expect(await make('cached', true).runMany([3, 4]).toArray()).toEqual([30, 40])
    say('2')
    expect(await make('force', true).runMany([3, 4]).toArray()).toEqual([60, 80])
    expect(computed().filter((one) => one.startsWith('first'))).toEqual(['first 3', 'first 3', 'first 4', 'first 4'])
  })
})

describe('what cannot be stored', () => {
  it.each(['force', 'retry'] as const)('is not taken for what was there, by a worker after it: %s', async (mode) => {
    const { say, make, folders } = pair('debug')
    say(mode === 'force' ? '1' : '-')
    await make('cached')
      .run(3)
      .catch(() => undefined)
    say('2')
    {
      using _ = full(folders[0]!)
      expect(await make(mode).run(3)).toBe(60)
    }
  })
  it('is not taken for what was there, when a forced configuration is asked again', async () => {
    const { notes, folder } = place()
    const make = (mode: ExecMode) => new Told({ notes, name: 'first', infra: { backend: 'cached', folder, mode } })
    fs.writeFileSync(path.join(notes, 'first'), '1')
    expect(await make('cached').run(3)).toBe(3)
    fs.writeFileSync(path.join(notes, 'first'), '2')
    using _ = full(folder)
    const step = make('force')
    expect([await step.run(3), await step.run(3), await step.runMany([3, 3]).toArray()]).toEqual([6, 6, [6, 6]])
  })
  it('is there for who asks for it late, and again', async () => {
    const { notes, folder } = place()
    fs.writeFileSync(path.join(notes, 'first'), '2')
    const step = new Told({ notes, name: 'first', infra: { backend: 'cached', folder, keepInRam: false } })
    await step.run(1000)
    const items = Array.from({ length: 600 }, (_, i) => i)
    const got: unknown[] = []
    const now = performance.now.bind(performance)
    using _ = full(folder)
    for await (const result of step.runMany([...items, ...items, ...items])) {
      got.push(result)
      if (got.length !== 1) continue
      // What nobody asks for is computed to its end meanwhile.
      await sleep(2500)
      vi.spyOn(performance, 'now').mockImplementation(() => now() + 61_000)
    }
    expect(got).toEqual([...items, ...items, ...items].map((i) => i * 2))
  })
})

class Reuses extends Config({ infra: MapInfra() }) {
  @map({ itemUid: String, cacher: BytesCacher })
  async *process(items: Iterable<number>): AsyncGenerator<Uint8Array> {
    const bytes = new Uint8Array(4)
    for (const item of items) {
      bytes.fill(item)
      yield bytes
    }
  }
}

const shared = new Uint8Array([7, 7])
class Shares extends Step({}) {
  compute(_: number): Uint8Array {
    return shared
  }
}

class Several extends Config({ infra: MapInfra() }) {
  static ran = 0
  @map({ itemUid: String, cacher: DirectoryCacher })
  async *process(items: Iterable<number>): AsyncGenerator<{ readonly path: string }> {
    for (const item of items) {
      Several.ran += 1
      yield { files: { name: `${item}` } } as never
    }
  }
}

describe('bytes', () => {
  it('that the code uses again are kept as they were', async () => {
    const { folder } = place()
    for (const _ of ['computed', 'stored']) {
      const all = await toArray(new Reuses({ infra: { folder } }).process([1, 2, 3]))
      expect(all.map((one) => [...one])).toEqual([1, 2, 3].map((n) => [n, n, n, n]))
    }
  })
  it('are his who got them, not the code of the step', async () => {
    const { folder } = place()
    const step = new Shares({ infra: { backend: 'cached', folder } })
    for (let n = 0; n < 2; n++) (await step.run(n)).fill(9)
    expect([...shared, ...(await step.run(0))]).toEqual([7, 7, 7, 7])
  })
  it.each([true, false])('of one result that is given twice are two, stored or not: %s', async (isStored) => {
    const { folder } = place()
    const infra = isStored ? { folder } : { keepInRam: true }
    if (isStored) await toArray(new Reuses({ infra }).process([5]))
    using _ = isStored ? failing('writeSync', 'ENOSPC') : patchFs({})
    const all = await toArray(new Reuses({ infra }).process([1, 1, 2, 1]))
    for (const [i, one] of all.entries()) one.fill(90 + i)
    expect(all.map((one) => one[0])).toEqual([90, 91, 92, 93])
  })
})

it('results of several files are kept in memory too', async () => {
  const xp = new Several({ infra: { keepInRam: true } })
  for (let n = 0; n < 2; n++) {
    const all = await toArray(xp.process([1, 2]))
    expect(all.map(({ path: dir }) => fs.readFileSync(path.join(dir, 'name'), 'utf8'))).toEqual(['1', '2'])
  }
  expect(Several.ran).toBe(2)
})

it('what cannot be encoded says of which item it is', async () => {
  const { folder } = place()
  class Odd extends Config({ infra: MapInfra() }) {
    @map({ itemUid: String })
    async *process(items: Iterable<number>): AsyncGenerator<unknown> {
      for (const item of items) yield item === 2 ? { a: () => 1 } : item
    }
  }
  const error = await failure(toArray(new Odd({ infra: { folder } }).process([1, 2, 3])))
  expect(error).toMatchObject({ code: 'ERR_CACHER_SAVE', computing: expect.stringMatching(/Odd\.process.*, item 2$/) })
})
