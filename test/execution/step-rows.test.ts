/** Rows of section 2 of exca's acceptance list, for steps and chains. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { Chain, CurioError, exported, register, Store, toYaml } from 'curio'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { ItemSpace } from '../../src/store/items/space.js'
import { tempDir } from '../experiment/helpers.js'
import { Add, Around, Broken, Load, Mult, ran, Seeded, Slow, Whole } from './fixtures/pipeline.js'

beforeEach(() => {
  ran.length = 0
})
const newFolder = (): string => path.join(tempDir(), 'store')
const cached = (folder: string) => ({ backend: 'cached', folder }) as const

async function errorOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not throw')
}

describe('identity of steps', () => {
  it('1, 19: defaults and execution settings do not count', async () => {
    const folder = newFolder()
    expect(await new Add({ infra: cached(folder) }).run(1)).toBe(2)
    const other = new Add({ value: 1, infra: { folder, keepInRam: true, maxJobs: 2, cpusPerTask: 3, mode: 'retry' } })
    expect(await other.run(1)).toBe(2)
    expect(ran).toEqual(['add 1'])
  })

  it('20: a new version has results of its own', async () => {
    const folder = newFolder()
    await new Add({ infra: cached(folder) }).run(1)
    await new Add({ infra: { ...cached(folder), version: '2' } }).run(1)
    expect(ran).toHaveLength(2)
  })

  it('20: a new version of a step has the steps after it computed anew', async () => {
    const folder = newFolder()
    const chain = (version: string) =>
      new Chain({ steps: [new Add({ infra: { version } }), new Mult({ infra: cached(folder) })] })
    await chain('1').run(1)
    await chain('1').run(1)
    expect(ran).toEqual(['add 1', 'mult 2'])
    await chain('2').run(1)
    expect(ran).toHaveLength(4)
  })

  it('20: a chain has no version of its own', () => {
    expect(() => new Chain({ steps: [new Add()], infra: { version: '2' } })).toThrow(/no version.*\n.*whose code/)
  })

  it('26, 92: what is wrong with a pipeline is said with a short path', () => {
    register(Add, Mult, Load, Around)
    const wrong = (steps: unknown): string => {
      try {
        new Chain({ steps: steps as [] })
      } catch (error) {
        return (error as Error).message
      }
      return ''
    }
    expect(wrong([{ type: 'Mult', coef: 2 }])).toBe(
      'Chain refuses its input: steps.0.coef: no such field; did you mean coeff?',
    )
    expect(wrong([new Add(), [{ type: 'Mult', coeff: 'x' }]])).toMatch(/steps\.1\.0\.coeff: Invalid input/)
    expect(wrong({ load: { type: 'Load' }, all: { one: { type: 'Mult', coef: 2 } } })).toMatch(/steps\.all\.one\.coef:/)
    expect(wrong([{ type: 'Around', body: { type: 'Mult', coef: 2 } }])).toMatch(/steps\.0\.body\.coef:/)
    expect(wrong([{ type: 'Around', body: [{ type: 'Mult', coef: 2 }] }])).toMatch(/steps\.0\.body\.0\.coef:/)
    expect(wrong([{ type: 'Mul' }])).toMatch(/steps\.0: there is no step "Mul"; did you mean Mult\?/)
    expect(wrong([{ coeff: 2 }])).toMatch(/steps\.0: does not say which step it is/)
    expect(wrong([])).toMatch(/there are none/)
    expect(wrong([3])).toMatch(/steps\.0: is no step/)
    expect(wrong(new Add())).toMatch(/steps: is no list of steps/)
  })

  it('27, 28: a step cannot be changed, and a clone differs in what it is told', () => {
    const chain = new Chain({ steps: { add: new Add(), rest: [new Mult(), new Add({ value: 7 })] } })
    expect(() => {
      ;(chain.at('add') as { value?: number }).value = 3
    }).toThrow(/cannot be set/)
    const other = chain.clone({ 'steps.add.value': 5, 'steps.rest.steps.1.value': 6 })
    expect(other.show()).toBe('Chain\n  add: Add(value=5)\n  rest: Chain\n    Mult\n    Add(value=6)')
    expect(chain.show()).toBe('Chain\n  add: Add\n  rest: Chain\n    Mult\n    Add(value=7)')
  })

  it('30: an infra that is given to two steps, and a step that is put into two chains, are copied', async () => {
    const [a, b] = [newFolder(), newFolder()]
    const { infra } = new Add({ infra: { backend: 'cached' } })
    const step = new Add({ infra })
    expect(step.infra).not.toBe(infra)
    const first = new Chain({ steps: [step], infra: { folder: a } })
    const second = new Chain({ steps: [step], infra: { folder: b } })
    expect([first.at(0).infra.folder, second.at(0).infra.folder, step.infra.folder]).toEqual([a, b, undefined])
    expect(await first.run(1)).toBe(2)
    expect(await second.run(1)).toBe(2)
    expect(ran).toEqual(['add 1', 'add 1'])
  })

  it('31: options that the class has for its infra stay when a folder is given', () => {
    const { options } = new Seeded({ infra: { folder: './x' } }).infra
    expect(options).toMatchObject({ cluster: 'processpool', maxJobs: 3, cpusPerTask: 2, folder: './x' })
    expect(new Seeded({ infra: null }).infra.keeps).toBe(false)
  })
})

describe('results of steps', () => {
  it('33, 34: are computed once, and nothing is made before', async () => {
    const folder = newFolder()
    const step = new Add({ infra: cached(folder) })
    expect(await step.lookup(1).status()).toBe('not submitted')
    expect(await step.run(1)).toBe(2)
    expect(await new Add({ infra: cached(folder) }).run(1)).toBe(2)
    expect(ran).toEqual(['add 1'])
    expect(fs.existsSync(path.join((await step.lookup(1).folder())!, 'entry.json'))).toBe(true)
  })

  it('34: before the first result no folder is made by asking', async () => {
    const folder = newFolder()
    for (const mode of ['cached', 'read-only'] as const) {
      const step = new Add({ infra: { ...cached(folder), mode } })
      expect([await step.hasCache(1), await step.lookup(1).status()]).toEqual([false, 'not submitted'])
      await expect(step.lookup(1).result()).rejects.toThrow(/cannot find a result/)
      await step.clearCache(1)
      expect(await step.lookup(1).folder()).toBe(await step.infra.uidFolder())
      expect(fs.existsSync(folder)).toBe(false)
    }
    const step = new Add({ infra: { ...cached(folder), mode: 'read-only' } })
    await expect(step.run(1)).rejects.toThrow(/read-only/)
    expect(fs.existsSync(folder)).toBe(false)
    expect(ran).toEqual([])
  })

  it('35: in mode read-only nothing runs, and nothing is written', async () => {
    const folder = newFolder()
    await new Add({ infra: cached(folder) }).run(1)
    const before = fs.readdirSync(folder, { recursive: true }).sort()
    const step = new Add({ infra: { ...cached(folder), mode: 'read-only' } })
    expect(await step.run(1)).toBe(2)
    expect((await errorOf(step.run(2))).message).toMatch(/Add,1.*item 2: it is not stored/)
    expect(ran).toEqual(['add 1'])
    expect(fs.readdirSync(folder, { recursive: true }).sort()).toEqual(before)
  })

  it('36: what is forced is computed once on one object', async () => {
    const folder = newFolder()
    await new Add({ infra: cached(folder) }).runMany([1, 2]).toArray()
    const forced = new Add({ infra: { ...cached(folder), mode: 'force' } })
    for (let i = 0; i < 3; i++) expect(await forced.run(1)).toBe(2)
    expect(await forced.runMany([1, 2, 2]).toArray()).toEqual([2, 3, 3])
    expect(ran).toEqual(['add 1', 'add 2', 'add 1', 'add 2'])
  })

  it('37: an error is met again without running, is tried again on demand, and a result is not', async () => {
    const folder = newFolder()
    const step = (mode: 'cached' | 'retry' = 'cached') => new Add({ infra: { ...cached(folder), mode } })
    await expect(step().run(13)).rejects.toThrow(RangeError)
    const again = await errorOf(step().run(13))
    expect(again.message).toMatch(/unlucky/)
    expect(CurioError.is(again, 'ERR_CACHED')).toBe(true)
    expect(ran).toEqual(['add 13'])
    await expect(step('retry').run(13)).rejects.toThrow(RangeError)
    await step('retry').run(1)
    await step('retry').run(1)
    expect(ran).toEqual(['add 13', 'add 13', 'add 1'])
  })

  it('38: how far a value is can be asked without running anything', async () => {
    const folder = newFolder()
    const step = new Slow({ ms: 600, infra: cached(folder) })
    expect(await step.lookup(1).status()).toBe('not submitted')
    const running = step.run(1)
    await vi.waitFor(() => expect(ran).toEqual(['slow 1']), 20_000)
    expect(await step.lookup(1).status()).toBe('running')
    expect(await new Slow({ ms: 600, infra: cached(folder) }).lookup(1).status()).toBe('running')
    await running
    expect(await step.lookup(1).status()).toBe('completed')
    const failing = new Add({ infra: cached(folder) })
    await failing.run(13).catch(() => undefined)
    expect(await failing.lookup(13).status()).toBe('failed')
    await expect(failing.lookup(13).result()).rejects.toThrow(/unlucky/)
    await expect(failing.lookup(14).result()).rejects.toThrow(/cannot find a result for 14/)
    expect(ran).toEqual(['slow 1', 'add 13'])
  })

  it('39: kept in memory they are not read from disk, and without a folder they are kept there alone', async () => {
    const folder = newFolder()
    const step = new Add({ infra: { ...cached(folder), keepInRam: true } })
    await step.run(1)
    const spy = vi.spyOn(ItemSpace.prototype, 'getMany')
    for (let i = 0; i < 5; i++) expect(await step.run(1)).toBe(2)
    expect(spy).not.toHaveBeenCalled()
    spy.mockRestore()
    const memory = new Add({ infra: { keepInRam: true } })
    expect(await memory.runMany([1, 1]).toArray()).toEqual([2, 2])
    expect(await memory.run(1)).toBe(2)
    expect([await memory.hasCache(1), await memory.hasCache(2)]).toEqual([true, false])
    expect(ran).toEqual(['add 1', 'add 1'])
  })

  it('40: each step of a class with results of its own is made again, once; those of chains are not taken for its own', async () => {
    const folder = newFolder()
    const infra = { ...cached(folder), maxJobs: 7 }
    const found = async (step: Mult): Promise<number[]> => {
      const all: Mult[] = []
      for await (const one of step.infra.iterCached<Mult>()) all.push(one)
      expect(all.every((one) => one instanceof Mult && one.infra.folder === folder)).toBe(true)
      const before = ran.length
      for (const one of all) expect(await one.run(10)).toBe(10 * one.coeff)
      expect(ran.length).toBe(before)
      return all.map(({ coeff }) => coeff).sort()
    }
    const asking = new Mult({ infra })
    expect(await found(asking)).toEqual([])
    expect(fs.existsSync(folder)).toBe(false)
    for (const coeff of [2, 3]) await new Mult({ coeff, infra }).run(10)
    await new Mult({ coeff: 4, infra: { ...infra, version: '2' } }).run(10)
    await new Mult({ coeff: 6, infra }).run(10)
    await new Mult({ coeff: 6, infra }).clearCache(10)
    for (const coeff of [3, 5]) await new Chain({ steps: [new Add(), new Mult({ coeff })], infra }).run(10)
    expect(await found(asking)).toEqual([2, 3])
    const { steps } = new Chain({ steps: [new Mult({ infra: { maxJobs: 7 } }), new Add()], infra }) as unknown as {
      steps: [Mult]
    }
    expect(await found(steps[0])).toEqual([2, 3])
  })

  it('40: chains cannot be made again from their results, and say so', async () => {
    const chain = new Chain({ steps: [new Add(), new Mult()], infra: cached(newFolder()) })
    await chain.run(1)
    const error = await errorOf(chain.infra.iterCached().next())
    expect(error.message).toMatch(/a chain cannot be made again from its results.*\n.*toYaml\(chain\)/)
    expect(CurioError.is(error, 'ERR_DECLARATION')).toBe(true)
  })

  it('50, 51, 53: come in the order of the values, each computed once', async () => {
    const folder = newFolder()
    const step = new Add({ infra: cached(folder) })
    expect(await step.runMany([]).toArray()).toEqual([])
    expect(fs.existsSync(folder)).toBe(true)
    expect(await step.runMany([1, 2, 2, 3]).toArray()).toEqual([2, 3, 3, 4])
    expect(await step.runMany([5, 3, 1, 5, 4]).toArray()).toEqual([6, 4, 2, 6, 5])
    expect(ran).toEqual(['add 1', 'add 2', 'add 3', 'add 5', 'add 4'])
  })

  it.each([
    ['fewer', /took 5 values and gave 4|gave a result before it took|took/],
    ['more', /gave more results than its 5 values/],
    ['early', /gave a result before it took value 1/],
    ['none', /took 5 values and gave 0 results/],
    ['stops', /took 3 values and gave 2 results/],
    ['doubled', /gave a result before it took value 3/],
  ] as const)('52: code that gives %s is refused, and none of it is kept', async (how, message) => {
    const folder = newFolder()
    for (const infra of [{}, cached(folder), { ...cached(folder), keepInRam: true }, { keepInRam: true }]) {
      const step = new Broken({ how, infra })
      const error = await errorOf(step.runMany([1, 2, 3, 4, 5]).toArray())
      expect(CurioError.is(error, 'ERR_BATCH_PROTOCOL')).toBe(true)
      expect(error.message).toMatch(message)
      for (const x of [1, 2, 3, 4, 5]) expect(await step.hasCache(x)).toBe(false)
      // In a chain the next step would take one value's result for another's.
      const chain = new Chain({ steps: [step, new Add({ infra })] })
      expect(CurioError.is(await errorOf(chain.runMany([1, 2, 3, 4, 5]).toArray()), 'ERR_BATCH_PROTOCOL')).toBe(true)
      for (const x of [1, 2, 3, 4, 5]) expect(await chain.hasCache(x)).toBe(false)
    }
  })

  it('54: a single missing item can be refused', async () => {
    const step = new Add({ infra: { ...cached(newFolder()), forbidSingleItemComputation: true } })
    await expect(step.run(1)).rejects.toThrow(/would compute item 1 alone/)
    await step.runMany([1, 2]).toArray()
    expect(await step.run(1)).toBe(2)
  })

  it.each([
    ['cached', true],
    ['cached', false],
    ['debug', true],
    ['debug', false],
    [undefined, true],
  ] as const)(
    '56: are the same, and computed as often, with backend %s and in memory %s',
    async (backend, keepInRam) => {
      const place = backend === undefined ? {} : { backend, folder: newFolder(), maxJobs: 2 }
      const step = new Add({ infra: { ...place, keepInRam } })
      expect(await step.runMany([3, 1, 2, 3]).toArray()).toEqual([4, 2, 3, 4])
      expect(await step.run(2)).toBe(3)
      expect(await step.runMany([5, 1]).toArray()).toEqual([6, 2])
      await expect(step.run(13)).rejects.toThrow(/unlucky/)
      await expect(step.run(13)).rejects.toThrow(/unlucky/)
      const tries = backend === undefined ? 2 : 1
      expect([...ran].sort()).toEqual(['add 1', ...Array<string>(tries).fill('add 13'), 'add 2', 'add 3', 'add 5'])
    },
  )

  it('57, W1: ten thousand new values are written in step with their number, and looked up together', async () => {
    const folder = newFolder()
    const count = async (n: number): Promise<number> => {
      const spies = (['refresh', 'getMany', 'put'] as const).map((name) => vi.spyOn(ItemSpace.prototype, name))
      const step = new Add({ value: n, infra: { ...cached(folder), keepInRam: false } })
      const values = Array.from({ length: n }, (_, i) => i + 1000)
      expect((await step.runMany(values).toArray()).at(-1)).toBe(n + 999 + n)
      const calls = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0)
      for (const spy of spies) spy.mockRestore()
      return calls
    }
    const [small, large] = [await count(1000), await count(10_000)]
    expect(large).toBeLessThan(20 * small)
    expect(large).toBeLessThan(5000)
    const spy = vi.spyOn(ItemSpace.prototype, 'getMany')
    const again = new Add({ value: 10_000, infra: { ...cached(folder), keepInRam: false } })
    await again.runMany(Array.from({ length: 10_000 }, (_, i) => i + 1000)).toArray()
    expect(spy.mock.calls.length).toBeLessThan(50)
    spy.mockRestore()
  }, 60_000)
})

describe('coordination', () => {
  it('80: what another one stored while we waited is met: an error too, unless it is to be tried again', async () => {
    const folder = newFolder()
    const step = (mode: 'cached' | 'retry') => new Add({ infra: { ...cached(folder), mode, keepInRam: false } })
    const [first, second] = [step('cached').run(13), step('cached').run(13)]
    await expect(first).rejects.toThrow('unlucky')
    await expect(second).rejects.toThrow('unlucky')
    expect(ran).toEqual(['add 13'])
    await Promise.all([step('retry').run(13), step('retry').run(13)].map((one) => one.catch(() => undefined)))
    expect(ran.length).toBeGreaterThan(1)
  })

  it('81: a value and its error are one record: clearing it leaves neither', async () => {
    const folder = newFolder()
    const step = new Add({ infra: cached(folder) })
    await step.run(13).catch(() => undefined)
    await step.clearCache(13)
    expect(await step.lookup(13).status()).toBe('not submitted')
    await step.run(1)
    const failing = vi.spyOn(ItemSpace.prototype, 'delete').mockImplementation(() => {
      throw new Error('disk')
    })
    await expect(step.clearCache(1)).rejects.toThrow('disk')
    failing.mockRestore()
    expect(await step.run(1)).toBe(2)
    expect(ran).toEqual(['add 13', 'add 1'])
  })

  it('81: what is cleared while it is computed is stored when it is done', async () => {
    const folder = newFolder()
    const step = new Slow({ ms: 600, infra: { ...cached(folder), keepInRam: true } })
    const running = step.run(1)
    await vi.waitFor(() => expect(ran).toEqual(['slow 1']), 20_000)
    await step.clearCache(1)
    expect(await step.lookup(1).status()).toBe('running')
    expect(await running).toBe(1)
    expect([await step.hasCache(1), await step.run(1)]).toEqual([true, 1])
    await step.clearCache(1)
    expect(await step.hasCache(1)).toBe(false)
    expect(ran).toEqual(['slow 1'])
  })

  it('W6, W8: two calls at one time compute a value once', async () => {
    const folder = newFolder()
    const steps = [1, 2, 3].map(() => new Slow({ infra: cached(folder) }))
    expect(await Promise.all(steps.map((step) => step.runMany([1, 2]).toArray()))).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ])
    expect(ran).toEqual(['slow 1', 'slow 2'])
  })
})

describe('pipelines', () => {
  const chainOf = (folder: string, more: object = {}) =>
    new Chain({
      steps: [new Add({ infra: { ...cached(folder), ...more } }), new Mult({ infra: cached(folder) })],
    })

  it('82: when the last step has its result, none before it runs', async () => {
    const folder = newFolder()
    const chain = new Chain({ steps: [new Add(), new Mult({ infra: cached(folder) })] })
    expect(await chain.run(1)).toBe(4)
    expect(await chain.run(1)).toBe(4)
    expect(ran).toEqual(['add 1', 'mult 2'])
  })

  it('83: what two chains begin with is computed once', async () => {
    const folder = newFolder()
    expect(await chainOf(folder).run(1)).toBe(4)
    const longer = new Chain({
      steps: [new Add({ infra: cached(folder) }), new Mult({ infra: cached(folder) }), new Add()],
    })
    expect(await longer.run(1)).toBe(5)
    expect(await new Add({ infra: cached(folder) }).run(1)).toBe(2)
    expect(ran).toEqual(['add 1', 'mult 2', 'add 4'])
  })

  it('84: a forced step and those after it are computed once more, those before it are not', async () => {
    const folder = newFolder()
    const steps = (mode: 'cached' | 'force') =>
      [
        new Add({ infra: cached(folder) }),
        new Mult({ infra: { ...cached(folder), mode } }),
        new Add({ value: 5, infra: cached(folder) }),
      ] as const
    await new Chain({ steps: steps('cached') }).run(1)
    ran.length = 0
    const forced = new Chain({ steps: steps('force') })
    expect(await forced.run(1)).toBe(9)
    expect(await forced.run(1)).toBe(9)
    expect(ran).toEqual(['mult 2', 'add 4'])
  })

  it('84: a forced chain is its last step forced', async () => {
    const folder = newFolder()
    await chainOf(folder).run(1)
    ran.length = 0
    const forced = new Chain({
      steps: [new Add({ infra: cached(folder) }), new Mult({ infra: cached(folder) })],
      infra: { ...cached(folder), mode: 'force' },
    })
    expect(await forced.run(1)).toBe(4)
    expect(await forced.run(1)).toBe(4)
    expect(ran).toEqual(['mult 2'])
  })

  it('84: a chain that tries again has its last step try again', async () => {
    const folder = newFolder()
    const steps = () => [new Add({ value: 100 }), new Mult({ infra: cached(folder) })] as const
    await new Chain({ steps: steps() }).run(13).catch(() => undefined)
    expect(ran).toEqual(['add 13'])
    await new Chain({ steps: steps(), infra: cached(folder) }).run(13).catch(() => undefined)
    expect(ran).toEqual(['add 13'])
    await new Chain({ steps: steps(), infra: { ...cached(folder), mode: 'retry' } }).run(13).catch(() => undefined)
    expect(ran).toEqual(['add 13', 'add 13'])
  })

  it('85: read-only after forced is an error', async () => {
    const folder = newFolder()
    const chain = new Chain({
      steps: [
        new Add({ infra: { ...cached(folder), mode: 'force' } }),
        new Mult({ infra: { ...cached(folder), mode: 'read-only' } }),
      ],
    })
    expect((await errorOf(Promise.resolve().then(() => chain.run(1)))).message).toMatch(
      /Mult is read-only, and comes after a step that is forced/,
    )
    expect(ran).toEqual([])
  })

  it('86: what was done before a failure stays, nothing runs after it, and only the rest is tried again', async () => {
    const folder = newFolder()
    const step = new Add({ infra: cached(folder) })
    const seen: number[] = []
    const all = (async () => {
      for await (const y of step.runMany([1, 2, 13, 4])) seen.push(y)
    })()
    expect((await errorOf(all)).message).toBe('unlucky')
    expect(seen).toEqual([2, 3])
    expect(ran).toEqual(['add 1', 'add 2', 'add 13'])
    await errorOf(step.clone({ 'infra.mode': 'retry' }).runMany([1, 2, 13, 4]).toArray())
    expect(ran).toEqual(['add 1', 'add 2', 'add 13', 'add 13'])
  })

  it('86: an error in a step that keeps nothing is kept by the one after it that does', async () => {
    const folder = newFolder()
    const chain = new Chain({ steps: [new Add(), new Mult({ infra: cached(folder) })] })
    await expect(chain.runMany([1, 13, 2]).toArray()).rejects.toThrow(RangeError)
    expect(await chain.lookup(13).status()).toBe('failed')
    expect(await chain.lookup(2).status()).toBe('not submitted')
    await expect(chain.run(13)).rejects.toThrow(/unlucky[\s\S]*retry/)
    expect(await chain.run(1)).toBe(4)
    expect(ran).toEqual(['add 1', 'mult 2', 'add 13'])
  })

  it('87: an error says which step and which item it was, and when it is met again how to retry', async () => {
    const folder = newFolder()
    const chain = new Chain({ steps: [new Add({ value: 100 }), new Mult()], infra: cached(folder) })
    const error = await errorOf(chain.run(13))
    expect(error).toMatchObject({ message: 'unlucky', computing: 'Add.compute' })
    const again = (await errorOf(chain.run(13))) as Error & { where?: string }
    expect(again.message).toMatch(/RangeError: unlucky[\s\S]*Mult,1.*, item 13[\s\S]*retry/)
    const batch = new Whole({ infra: cached(folder) })
    await errorOf(batch.runMany([1, 13, 3]).toArray())
    expect((await errorOf(batch.run(3))).message).toMatch(/item 13, 3/)
    expect(await batch.run(1)).toBe(1.5)
  })

  it('88: a value alone and among others has one entry', async () => {
    const folder = newFolder()
    const chain = chainOf(folder)
    await chain.run(1)
    expect(await chain.runMany([1, 2]).toArray()).toEqual([4, 6])
    expect(ran).toEqual(['add 1', 'mult 2', 'add 2', 'mult 3'])
  })

  it('89: through steps that keep nothing values flow one by one', async () => {
    const chain = new Chain({ steps: [new Add(), new Mult(), new Add({ value: 0 })] })
    let given = 0
    const values = (function* () {
      for (; given < 1_000_000; given++) yield given + 100
    })()
    const seen: number[] = []
    for await (const y of chain.runMany(values)) {
      seen.push(y)
      if (seen.length === 3) break
    }
    expect(seen).toEqual([202, 204, 206])
    expect(given).toBeLessThan(4)
    expect(ran.slice(0, 6)).toEqual(['add 100', 'mult 101', 'add 202', 'add 101', 'mult 102', 'add 204'])
  })

  it('90: each variant has its own results; one that fails does not stop the others', async () => {
    const folder = newFolder()
    const base = new Chain({ steps: { add: new Add(), mult: new Mult() }, infra: cached(folder) })
    const variants = [1, 2, 3].map((coeff) => base.clone({ 'steps.mult.coeff': coeff, 'steps.add.value': 112 - coeff }))
    const done = await Promise.allSettled(variants.map((variant) => variant.run(2)))
    expect(done.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    expect(await Promise.all(variants.map((variant) => variant.lookup(2).status()))).toEqual([
      'failed',
      'completed',
      'completed',
    ])
  })

  it('93: a pipeline as YAML or JSON is the one in code', async () => {
    register(Add, Mult, Load, Around)
    const folder = newFolder()
    const code = new Chain({
      steps: {
        load: new Load({ from: 4 }),
        rest: [new Add(), new Around({ body: [new Mult(), new Mult({ coeff: 5 })] })],
      },
      infra: cached(folder),
    })
    const yaml = await toYaml(code)
    const read = await Chain.fromYaml(yaml)
    expect(await toYaml(read)).toBe(yaml)
    expect(await code.run()).toBe(50)
    expect(await read.run()).toBe(50)
    expect(await Chain.fromJson(JSON.stringify(await exported(code))).run()).toBe(50)
    expect(ran).toEqual(['load 4', 'add 4', 'mult 5', 'mult 10'])
    const byHand = await Chain.fromYaml(`
steps:
  load: { type: Load, from: 4 }
  rest:
    - type: Add
    - type: Around
      body: [{ type: Mult }, { type: Mult, coeff: 5 }]
infra: { folder: ${JSON.stringify(folder)} }
`)
    expect(await byHand.run()).toBe(50)
    expect(ran).toHaveLength(4)
  })

  it('94: an infra without a folder says so', async () => {
    await expect(new Add({ infra: { backend: 'cached' } }).run(1)).rejects.toThrow(/has an infra and no folder/)
    await expect(new Seeded().run(1)).rejects.toThrow(/needs a folder/)
    await expect(new Chain({ steps: [new Add({ infra: { backend: 'cached' } })] }).run(1)).rejects.toThrow(/no folder/)
    expect(await new Add({ infra: null }).run(1)).toBe(2)
    expect(await new Add({ infra: {} }).run(1)).toBe(2)
  })

  it('opens the store of its folder, and no other', async () => {
    const folder = newFolder()
    await new Add({ infra: cached(folder) }).run(1)
    const store = await Store.open(folder)
    const keys: string[] = []
    for await (const entry of store.list()) keys.push(entry.key)
    expect(keys).toHaveLength(1)
    expect(keys[0]).toMatch(/pipeline\.Add,1\//)
  })
})
