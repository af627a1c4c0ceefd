/** Ways to get a wrong value out of steps and chains. */
import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { Chain, CurioError, OrderedMap, Step } from 'curio'
import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { root, tempDir } from '../experiment/helpers.js'
import {
  Add,
  Around,
  Base,
  Broken,
  Counter,
  Derived,
  Flaky,
  Ids,
  Impure,
  Kind,
  Load,
  Maker,
  Mult,
  OrThree,
  Reuses,
  ran,
  Same,
  Slow,
  Sorted,
  Stamp,
  Twin,
  Unnamed,
} from './fixtures/pipeline.js'
import { Twin as OtherTwin } from './fixtures/twin.js'

beforeEach(() => {
  ran.length = 0
})
const newFolder = (): string => path.join(tempDir(), 'store')
const cached = (folder: string) => ({ backend: 'cached', folder }) as const

const long = 'x'.repeat(300)
/** All different. W2 to W5 of exca's defects are among them. */
const different: readonly unknown[] = [
  0,
  -0,
  1,
  1n,
  '1',
  '"1"',
  Number.NaN,
  'NaN',
  null,
  'null',
  undefined,
  'undefined',
  true,
  'true',
  false,
  '',
  '""',
  [],
  {},
  '[]',
  '{}',
  '()',
  new Set(),
  new Map(),
  new OrderedMap(),
  [[]],
  [{}],
  [''],
  [null],
  [undefined],
  { a: undefined },
  [1, 2],
  ['1', 2],
  [[1], 2],
  [1, [2]],
  '1,2',
  new Set([1, 2]),
  { 0: 1, 1: 2 },
  new Date(0),
  new Date(1),
  0n,
  '1970-01-01T00:00:00.000Z',
  Infinity,
  -Infinity,
  new Int32Array(4),
  new Float32Array(4),
  new Float64Array(2),
  new Uint8Array(16),
  new Uint8ClampedArray(16),
  new Float32Array(5),
  new ArrayBuffer(16),
  new DataView(new ArrayBuffer(16)),
  { data: new Float32Array(4), shape: [4] },
  { data: new Float32Array(4), shape: [2, 2] },
  ['x'.repeat(130), 'a,str:b', 'c', 'd'],
  ['x'.repeat(130), 'a', 'b', 'c,str:d'],
  long,
  `${long}a`,
  `${long}b`,
  `a${long}`,
  [long],
  [`${long}a`],
  `"${long}"`,
  new Uint8Array(300),
  new Uint8Array(301),
  'é',
  'e\u0301',
  '\ud800',
  '\ud801',
  '\ufffd',
  ' ',
  '\t',
  '\0',
  /a/,
  /a/g,
  new URL('http://a/'),
  'http://a/',
  { '': 1 },
  { a: { b: 1 } },
  { 'a.b': 1 },
]

describe('values', () => {
  it('that differ have results of their own, alone, in a batch and in a chain', async () => {
    const folder = newFolder()
    const uids = new Set(different.map((value) => new Same().lookup(value).uid))
    expect(uids.size).toBe(different.length)
    expect(Math.max(...[...uids].map((uid) => uid.length))).toBeLessThanOrEqual(256)
    const kinds = different.map((value) => new Kind().compute(value))
    ran.length = 0
    const infra = { ...cached(folder), keepInRam: false }
    expect(await new Kind({ infra }).runMany(different).toArray()).toEqual(kinds)
    for (const [i, value] of different.entries()) expect(await new Kind({ infra }).run(value)).toBe(kinds[i])
    expect(ran).toHaveLength(different.length)
    const chain = new Chain({ steps: [new Same(), new Kind({ infra })] })
    expect(await chain.runMany([...different].reverse()).toArray()).toEqual([...kinds].reverse())
  })

  it('whose uids are given, and long, are told apart by all of them', async () => {
    const folder = newFolder()
    const ids = [`${long}a1`, `${long}b2`, `c3${long}`, 'short'].map((id) => ({ id }))
    const step = new Ids({ infra: cached(folder) })
    expect(await step.runMany(ids).toArray()).toEqual(['xa1', 'xb2', 'xxx', 'ort'])
    expect(await step.runMany([...ids].reverse()).toArray()).toEqual(['ort', 'xxx', 'xb2', 'xa1'])
    expect(ran).toHaveLength(4)
    const { uid } = step.lookup(ids[0]!)
    expect(step.lookup({ id: uid }).uid).toBe(uid)
    expect(step.lookup({ id: 'short' }).uid).toBe('short')
    expect(await step.run({ id: '' })).toBe('')
    expect(await step.lookup({ id: '' }).result()).toBe('')
    expect(() => step.lookup({ id: '()' })).toThrow(/itemUid of Ids gave \(\)/)
    expect(() => step.lookup({ id: 3 as never })).toThrow(/itemUid of Ids gave 3/)
  })

  it('that nobody keeps need no identity', async () => {
    const call = () => 1
    expect(await new Same().run(call)).toBe(call)
    expect(await new Chain({ steps: [new Same(), new Same()] }).run(call)).toBe(call)
    await expect(new Same({ infra: cached(newFolder()) }).runMany([call]).toArray()).rejects.toThrow(/is a function/)
  })

  it('are what they were when they were asked for, though the caller changes them', async () => {
    const folder = newFolder()
    const list = [3, 1]
    const running = new Sorted({ infra: cached(folder) }).run(list)
    list.push(2)
    const error = await running.then(
      (value) => value,
      (thrown: unknown) => thrown,
    )
    if (CurioError.is(error)) expect(error.message).toMatch(/is not what it was/)
    else expect(error).toEqual([1, 3])
    const again = new Sorted({ infra: cached(folder) })
    expect(await again.run([3, 1])).toEqual([1, 3])
    expect(await again.run([3, 1, 2])).toEqual([1, 2, 3])
  })

  it('are not changed by a step that changes what it is given', async () => {
    const folder = newFolder()
    const list = [3, 1, 2]
    const step = new Sorted({ infra: cached(folder) })
    expect(await step.run(list)).toEqual([1, 2, 3])
    expect(list).toEqual([3, 1, 2])
    expect(await step.hasCache([3, 1, 2])).toBe(true)
    expect(await step.hasCache([1, 2, 3])).toBe(false)
  })

  it('with a uid that is another one each time are refused', async () => {
    const step = new Impure({ infra: cached(newFolder()) })
    await expect(step.run([1])).rejects.toThrow(/is not what it was when it was asked for/)
  })
})

describe('results', () => {
  it('that a caller changes are not changed for the next one', async () => {
    for (const infra of [cached(newFolder()), { keepInRam: true }, { ...cached(newFolder()), keepInRam: false }]) {
      const step = new Sorted({ infra })
      const [a, b] = await step
        .runMany([
          [2, 1],
          [2, 1],
        ])
        .toArray()
      a!.push(9)
      expect(b).toEqual([1, 2])
      ;(await step.run([2, 1])).push(9)
      expect(await step.run([2, 1])).toEqual([1, 2])
    }
  })

  it('that are given in one object again and again are those of their time', async () => {
    const folder = newFolder()
    for (let i = 0; i < 2; i++) {
      const got = await new Reuses({ infra: cached(folder) }).runMany([1, 2, 3]).toArray()
      expect(got.map(([x]) => x)).toEqual([1, 2, 3])
    }
  })

  it('of code that breaks the rules are not kept in memory either, however many came before', async () => {
    for (const infra of [{ ...cached(newFolder()), keepInRam: true }, { keepInRam: true }, cached(newFolder())]) {
      for (const how of ['fewer', 'doubled', 'more', 'stops'] as const) {
        const step = new Broken({ how, at: 900, infra })
        const values = Array.from({ length: 1000 }, (_, i) => i)
        const error = (await step
          .runMany(values)
          .toArray()
          .catch((thrown: unknown) => thrown)) as Error
        expect(CurioError.is(error, 'ERR_BATCH_PROTOCOL')).toBe(true)
        const there = await Promise.all([0, 1, 300, 898, 901, 999].map((x) => step.hasCache(x)))
        expect([how, ...there]).toEqual([how, false, false, false, false, false, false])
      }
    }
  })

  it('once forced are what all later calls give', async () => {
    const folder = newFolder()
    const step = (mode: 'cached' | 'force') => new Stamp({ infra: { ...cached(folder), mode } })
    expect(await step('cached').run(1)).toBe('1/1')
    const forced = step('force')
    const both = await Promise.all([forced.run(1), forced.run(1), forced.run(1)])
    const last = await step('cached').run(1)
    expect(await forced.run(1)).toBe(last)
    expect(both).toContain(last)
    expect(last).not.toBe('1/1')
  })

  it('take the place of errors', async () => {
    const folder = newFolder()
    const step = new Flaky({ infra: cached(folder) })
    await expect(step.run(1)).rejects.toThrow('once')
    await expect(step.run(1)).rejects.toThrow('once')
    expect(await step.clone({ infra: { mode: 'retry' } }).run(1)).toBe(1)
    expect(await step.run(1)).toBe(1)
    expect(await step.lookup(1).status()).toBe('completed')
  })
})

describe('recipes', () => {
  it('of chains with one tail and different heads differ', async () => {
    const folder = newFolder()
    const tail = new Mult({ infra: cached(folder) })
    expect(await new Chain({ steps: [new Add(), tail] }).run(1)).toBe(4)
    expect(await new Chain({ steps: [new Add({ value: 2 }), tail] }).run(1)).toBe(6)
    expect(await new Chain({ steps: [new Add(), new Add(), tail] }).run(1)).toBe(6)
    expect(await new Chain({ steps: [new Mult(), tail] }).run(1)).toBe(4)
    expect(await tail.run(1)).toBe(2)
    expect(await new Chain({ steps: [new Load({ from: 1 }), tail] }).run()).toBe(2)
  })

  it('of nested chains are those of the flat one, and of another grouping of fields are not', async () => {
    const folder = newFolder()
    const infra = cached(folder)
    const flat = new Chain({ steps: [new Add(), new Mult(), new Add({ value: 5 })], infra })
    expect(await flat.run(1)).toBe(9)
    const nested = [
      new Chain({ steps: [[new Add(), new Mult()], new Add({ value: 5 })], infra }),
      new Chain({ steps: { a: new Add(), b: { c: new Mult(), d: new Add({ value: 5 }) } }, infra }),
      new Chain({ steps: [new Chain({ steps: [new Add(), new Mult(), new Add({ value: 5 })] })], infra }),
    ]
    for (const one of nested) expect(await one.run(1)).toBe(9)
    expect(ran).toHaveLength(3)
  })

  it('of steps with steps in fields tell all of these', async () => {
    const folder = newFolder()
    const infra = cached(folder)
    const around = (body: never): Promise<number> => new Around({ body, infra }).run(10) as Promise<number>
    const bodies: [unknown, number][] = [
      [new Add(), 11],
      [new Add({ value: 2 }), 12],
      [new Mult({ coeff: 2 }), 20],
      [[new Add(), new Mult()], 22],
      [[new Mult(), new Add()], 21],
      [[new Add(), new Add()], 12],
      [new Twin(), 11],
      [new OtherTwin(), 9],
      [new Base(), 11],
      [new Derived(), 9],
      [new Add({ infra: { version: '2' } }), 11],
      [new Around({ body: new Add({ value: 7 }) }), 17],
      [new Around({ body: new Add({ value: 8 }) }), 18],
    ]
    for (const [body, result] of bodies) expect(await around(body as never)).toBe(result)
    const keys = new Set<string>()
    for (const [body] of bodies) keys.add(await new Around({ body: body as never, infra }).infra.uidFolder())
    expect(keys.size).toBe(bodies.length)
    // Where it keeps its results, and how it is written, does not count.
    const same = [
      new Add({ infra: cached(newFolder()) }),
      [new Add()][0],
      new Add({ value: 1, infra: { mode: 'force' } }),
    ]
    for (const body of same) expect(keys).toContain(await new Around({ body: body as never, infra }).infra.uidFolder())
    const chained = await new Around({ body: [new Add(), new Mult()], infra }).infra.uidFolder()
    const named = await new Around({ body: { x: [new Add()], y: new Mult() } as never, infra }).infra.uidFolder()
    expect(named).toBe(chained)
  })

  it('of classes of one name in two modules differ, as do those of a class and one that overrides what it calls', async () => {
    const folder = newFolder()
    const infra = cached(folder)
    expect([await new Twin({ infra }).run(5), await new OtherTwin({ infra }).run(5)]).toEqual([6, 4])
    expect([await new Base({ infra }).run(5), await new Derived({ infra }).run(5)]).toEqual([6, 4])
    await expect(new Unnamed({ infra }).run(5)).rejects.toThrow(/says nowhere in which module it is/)
  })

  it('do not see what was set on an object, so it is refused: before the first call, between calls, in a chain', async () => {
    const infra = cached(newFolder())
    const before = new Counter({ infra })
    before.count = 3
    await expect(before.run(1)).rejects.toThrow(/count was set on the object/)
    expect(() => new Chain({ steps: [before] })).toThrow(/count was set on the object/)
    const between = new Counter({ infra })
    expect(await between.run(1)).toBe(1)
    between.count = 3
    await expect(between.run(2)).rejects.toThrow(/count was set on the object/)
    const add = new Add({ infra })
    expect(await add.run(1)).toBe(2)
    Object.assign(add, { compute: (x: number) => x * 1000 })
    await expect(add.run(2)).rejects.toThrow(/compute was set on the object/)
    expect(await new Add({ infra }).run(2)).toBe(3)
  })

  it('see a default that has changed in a step before, though nothing upstream is run', async () => {
    const folder = newFolder()
    const script = (value: number): string => `
import { Chain, Step } from 'curio'
import { z } from 'zod'
class First extends Step({ value: z.number().default(${value}) }) { compute(x: number) { return x + this.value } }
class Second extends Step({}) { compute(x: number) { return x * 2 } }
try {
  console.log(await new Chain({ steps: [new First(), new Second()], infra: { folder: ${JSON.stringify(folder)} } }).run(1))
} catch (error) { console.log((error as Error).message) }
`
    const dir = path.join(root, 'test/execution', `changed-${process.pid}`)
    fs.mkdirSync(dir)
    try {
      const run = async (value: number): Promise<string> => {
        fs.writeFileSync(path.join(dir, 'x.ts'), script(value))
        const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', path.join(dir, 'x.ts')], {
          cwd: root,
        })
        return stdout.trim()
      }
      expect(await run(1)).toBe('4')
      expect(await run(1)).toBe('4')
      expect(await run(2)).toMatch(/before:value.*was 1.*is 2|before:value/)
    } finally {
      fs.rmSync(dir, { recursive: true })
    }
  }, 60_000)
})

describe('declarations', () => {
  it('that would hide a method, or what says which step it is, are refused', () => {
    expect(() => Step({ run: z.number() })).toThrow(/cannot have a field called run/)
    expect(() => Step({ type: z.string() })).toThrow(/cannot have a field called type[\s\S]*discriminator/)
    expect(() => Step({ name: z.string() }, { discriminator: 'name' })).toThrow(/called name/)
  })

  it('a step may have fields called parts, steps, length or at', async () => {
    class Parts extends Step({ parts: z.array(z.string()), steps: z.int(), length: z.int(), at: z.int() }) {
      compute(x: number): number {
        return x + this.parts.length + this.steps + this.length + this.at
      }
    }
    expect(await new Parts({ parts: ['a'], steps: 10, length: 100, at: 1000 }).run(1)).toBe(1112)
  })

  it('of what a step takes are kept to', async () => {
    expect([await new OrThree().run(), await new OrThree().run(4), await new OrThree().run(undefined)]).toEqual([
      30, 40, 30,
    ])
    const infra = { keepInRam: true }
    expect([await new OrThree({ infra }).run(), await new OrThree({ infra }).run(4)]).toEqual([30, 40])
    const run = (step: object, ...args: unknown[]) =>
      (step as { run(...all: unknown[]): Promise<unknown> }).run(...args)
    await expect(run(new Load(), 1)).rejects.toThrow(/Load takes no input/)
    await expect(run(new Add())).rejects.toThrow(/Add needs an input/)
    await expect(run(new Add(), 1, 2)).rejects.toThrow(/takes one input, not 2/)
    expect(() => new Chain({ steps: [new Add(), new Load()] as never })).toThrow(
      /Load takes no input, and does not come/,
    )
    expect(() => new Chain({ steps: [new Add(), [new Load()]] })).toThrow(/Load takes no input/)
    expect(await new Same().run(null)).toBe(null)
    expect(await new Same({ infra: cached(newFolder()) }).run(undefined)).toBe(undefined)
  })
})

describe('ends that come early', () => {
  it('an abort is no error of the step: it is not kept, and what was done is', async () => {
    const folder = newFolder()
    for (const infra of [cached(folder), {}]) {
      const stop = new AbortController()
      const step = new Slow({ ms: 5, infra })
      const seen: number[] = []
      const run = (async () => {
        for await (const y of step.runMany([1, 2, 3, 4, 5, 6], { signal: stop.signal })) {
          seen.push(y)
          if (seen.length === 2) stop.abort()
        }
      })()
      await expect(run).rejects.toThrow(/abort/i)
      expect(seen.length).toBeLessThan(6)
    }
    const { status } = { status: (x: number) => new Slow({ ms: 5, infra: cached(folder) }).lookup(x).status() }
    expect([await status(1), await status(6)]).toEqual(['completed', 'not submitted'])
    expect(await new Slow({ ms: 5, infra: cached(folder) }).runMany([1, 2, 3, 4, 5, 6]).toArray()).toHaveLength(6)
  })

  it('values that cannot be given to the end leave what came before', async () => {
    const folder = newFolder()
    const step = new Add({ infra: cached(folder) })
    const values = (async function* () {
      yield 1
      throw new Error('no more')
    })()
    await expect(step.runMany(values).toArray()).rejects.toThrow('no more')
    expect(await step.runMany([1]).toArray()).toEqual([2])
  })

  it('whoever stops asking stops the computing', async () => {
    const step = new Slow({ ms: 1, infra: cached(newFolder()) })
    for await (const y of step.runMany(Array.from({ length: 1000 }, (_, i) => i))) if (y === 3) break
    const { length } = ran
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(ran.length).toBe(length)
    expect(length).toBeLessThan(100)
    expect(await step.run(1)).toBe(1)
  })

  it('a result that no cacher can hold is an error with its name, and nothing is kept', async () => {
    const step = new Maker({ infra: cached(newFolder()) })
    await expect(step.run(1)).rejects.toThrow(/function/)
    expect(await step.lookup(1).status()).toBe('not submitted')
  })
})

describe('many at a time', () => {
  it('calls that overlap compute each value once, and each gets its own', async () => {
    const folder = newFolder()
    const values = Array.from({ length: 300 }, (_, i) => i + 200)
    const infra = { ...cached(folder), keepInRam: false }
    const all = await Promise.all(
      [0, 1, 2, 3].map((k) =>
        new Chain({ steps: [new Slow({ ms: 0 }), new Mult({ infra })] })
          .runMany(values.slice(k * 50, k * 50 + 150).sort(() => (k % 2 === 0 ? 1 : -1)))
          .toArray(),
      ),
    )
    for (const [k, got] of all.entries()) {
      expect([...got].sort((a, b) => a - b)).toEqual(values.slice(k * 50, k * 50 + 150).map((x) => x * 2))
    }
    expect(new Set(ran.filter((line) => line.startsWith('slow'))).size).toBe(300)
    expect(ran).toHaveLength(600)
  })
})
