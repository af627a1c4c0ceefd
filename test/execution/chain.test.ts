import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { Chain, exported, register, Step, toYaml } from 'curio'
import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { root, tempDir } from '../experiment/helpers.js'
import { Add as OtherAdd } from './fixtures/other-add.js'
import { Add, AddSummary, Around, Events, Load, Mult, ran, Seeded } from './fixtures/pipeline.js'

beforeEach(() => {
  ran.length = 0
})
const newFolder = (): string => path.join(tempDir(), 'store')
register(Add, Mult, Load, Around, AddSummary, Events)

describe('a chain', () => {
  const chain = new Chain({ steps: { load: new Load({ from: 2 }), add: new Add({ value: 3 }), mult: new Mult() } })

  it('has its steps by place, by name, and some of them as a chain', async () => {
    expect(chain.length).toBe(3)
    expect([chain.at(0), chain.at('add'), chain.at(-1)].map((step) => step.show())).toEqual([
      'Load(from=2)',
      'Add(value=3)',
      'Mult',
    ])
    expect(chain.slice(0, 2).show()).toBe('Chain\n  load: Load(from=2)\n  add: Add(value=3)')
    expect(chain.slice('add').show()).toBe('Chain\n  add: Add(value=3)\n  mult: Mult')
    expect(await chain.slice('add', -1).run(1)).toBe(4)
    expect(await chain.slice(1).run(1)).toBe(8)
    expect(() => chain.at('sub')).toThrow(/no step sub[\s\S]*load, add, mult/)
    expect(() => chain.at(3)).toThrow(/no step 3/)
    expect(() => chain.slice('sub')).toThrow(/no step sub/)
    expect(() => chain.slice(1, 1)).toThrow(/there are none/)
    const list = new Chain({ steps: [new Add(), new Mult()] })
    expect(list.slice(-1).show()).toBe('Chain\n  Mult')
    expect(() => list.at('add')).toThrow(/it has 2, from 0 on/)
  })

  it('is changed by a clone in any of its steps, or has one replaced', async () => {
    expect(await chain.clone({ 'steps.add.value': 5 }).run()).toBe(14)
    expect(await chain.clone({ steps: { add: { value: 6 } } }).run()).toBe(16)
    expect(await chain.clone({ 'steps.mult': new Add({ value: 100 }) }).run()).toBe(105)
    const data = { '=replace=': true, type: 'Add', value: 1000 }
    expect(await chain.clone({ 'steps.mult': data }).run()).toBe(1005)
    expect(() => chain.clone({ 'steps.add.valu': 5 })).toThrow(/valu: no such field; did you mean value/)
    expect(await chain.run()).toBe(10)
    expect(await new Chain(chain).run()).toBe(10)
  })

  it('is shown as a tree, with where its results are', () => {
    const folder = newFolder()
    const shown = new Chain({
      steps: { a: new Add({ infra: { folder, backend: 'debug' } }), rest: [new Mult({ coeff: 3 })] },
      infra: { keepInRam: true },
    }).show()
    expect(shown).toBe(`Chain  [cached: in memory]\n  a: Add  [debug: ${folder}]\n  rest: Chain\n    Mult(coeff=3)`)
  })

  it('gives its folder to the steps that keep results and have none, however deep', async () => {
    const [folder, other] = [newFolder(), newFolder()]
    const made = new Chain({
      steps: {
        a: new Add({ infra: { backend: 'cached' } }),
        b: [new Mult({ infra: { backend: 'cached', folder: other } }), new Mult({ infra: { keepInRam: true } })],
        c: new Add(),
        d: new Seeded({ infra: null }),
      },
      infra: { folder },
    })
    const folders = [made.at('a'), ...[0, 1].map((i) => (made.at('b') as Chain).at(i))].map(({ infra }) => infra.folder)
    expect(folders).toEqual([folder, other, folder])
    expect([made.at('c').infra.keeps, made.at('d').infra.keeps, made.at('d').infra.folder]).toEqual([
      false,
      false,
      undefined,
    ])
    expect(await made.run(1)).toBe(9)
    expect(await made.at('a').hasCache(1)).toBe(true)
    // What is taken out of it keeps the folder.
    expect(await made.slice(0, 2).run(1)).toBe(8)
    expect(ran).toEqual(['add 1', 'mult 2', 'mult 4', 'add 8'])
  })

  it('forgets the result of its last step, and those before on demand', async () => {
    const folder = newFolder()
    const infra = { backend: 'cached', folder } as const
    const made = new Chain({ steps: [new Add({ infra }), new Mult({ infra }), new Add()], infra })
    await made.run(1)
    expect(await made.lookup(1).result()).toBe(5)
    await made.clearCache(1)
    expect([await made.hasCache(1), await made.slice(0, 2).hasCache(1)]).toEqual([false, true])
    await made.lookup(1).clearCache({ recursive: true })
    expect([await made.slice(0, 2).hasCache(1), await made.slice(0, 1).hasCache(1)]).toEqual([false, false])
    // Without an infra of its own, its results are those that its last step keeps.
    const bare = new Chain({ steps: [new Add(), new Mult({ infra })] })
    await bare.run(1)
    expect([await bare.hasCache(1), await bare.lookup(1).result()]).toEqual([true, 4])
    expect(await new Chain({ steps: [new Add(), new Mult()] }).hasCache(1)).toBe(false)
  })

  it('is one job where it has a backend: its steps run in that', async () => {
    const folder = newFolder()
    const made = new Chain({
      steps: [new Add({ infra: { backend: 'debug' } }), new Mult({ infra: { backend: 'slurm' } })],
      infra: { backend: 'debug', folder },
    })
    expect(await made.runMany([1, 2]).toArray()).toEqual([4, 6])
    expect(await made.at(0).hasCache(2)).toBe(true)
    expect(ran).toEqual(['add 1', 'mult 2', 'add 2', 'mult 3'])
  })

  it('has what is forced before a job computed once, not once in each', async () => {
    const folder = newFolder()
    const infra = { folder, backend: 'cached' } as const
    const steps = (mode: 'cached' | 'force') =>
      [new Add({ infra: { ...infra, mode } }), new Mult({ infra: { folder, backend: 'debug', maxJobs: 4 } })] as const
    await new Chain({ steps: steps('cached') }).runMany([1, 2, 3, 4]).toArray()
    ran.length = 0
    const forced = new Chain({ steps: steps('force') })
    for (let i = 0; i < 2; i++) expect(await forced.runMany([1, 2, 3, 4]).toArray()).toEqual([4, 6, 8, 10])
    expect(ran.sort()).toEqual(['add 1', 'add 2', 'add 3', 'add 4', 'mult 2', 'mult 3', 'mult 4', 'mult 5'])
  })
})

describe('steps as data', () => {
  it('name their class by the field that the class says', async () => {
    const chain = new Chain({
      steps: [
        { name: 'Events', path: '/data' },
        { name: 'AddSummary', model: 'llama' },
      ],
    })
    expect(await chain.run()).toEqual(['events of /data', 'summary by llama'])
    const data = await exported(chain, { excludeDefaults: true })
    expect(data).toEqual({
      steps: [
        { name: 'Events', path: '/data' },
        { model: 'llama', name: 'AddSummary' },
      ],
    })
    expect(await Chain.fromYaml(await toYaml(chain)).then((read) => read.run())).toEqual(await chain.run())
    const nested = new Chain({
      steps: [
        { name: 'Events', path: '/data' },
        { name: 'Chain', steps: [{ name: 'AddSummary', model: 'm' }] },
      ],
    })
    expect(await nested.run()).toEqual(['events of /data', 'summary by m'])
    expect(() => new Chain({ steps: [{ type: 'Events', path: '/data' }] })).toThrow(/there is no step "Events"|is no/)
    expect(() => new Chain({ steps: [{ type: 'Add', name: 'Events' }] })).toThrow(/is both type: Add and name: Events/)
  })

  it('may name classes that are given for this chain alone', async () => {
    const chain = new Chain({ steps: [{ type: 'Add', value: 5 }, [{ type: 'Add' }]], from: [OtherAdd] })
    expect(await chain.run(1)).toBe(-5)
    expect(() => register(OtherAdd)).toThrow(/two steps are called Add/)
    expect(() => register(Date as never)).toThrow(/Date is no class of steps/)
    expect(() => new Chain({ steps: [{ type: 'X' }], from: ['Add' as never] })).toThrow(/is no class of steps/)
    expect(() => new Chain({ steps: [{ type: 'Nothing' }], from: [OtherAdd] })).toThrow(
      /steps\.0: there is no step "Nothing"/,
    )
  })

  it('stand in any field that takes a step: a list or an object of them is a chain', async () => {
    expect(await new Around({ body: { type: 'Add' }, times: 3 }).run(1)).toBe(4)
    expect(await new Around({ body: [{ type: 'Add' }, new Mult()], times: 2 }).run(1)).toBe(10)
    const named = new Around({ body: { a: { type: 'Add' }, b: [{ type: 'Mult' }] } })
    expect(await named.clone({ 'body.steps.a.value': 9 }).run(1)).toBe(20)
    expect(named.show()).toBe('Around(body="Chain(…)")')
    expect(() => new Around({ body: { type: 'Add', valu: 1 } })).toThrow(
      'Around refuses its input: body.valu: no such field',
    )
    expect(() => new Around({ body: [] })).toThrow(/body: there are none|body/)
  })

  it('have no class that was not named: nothing is imported for it', () => {
    expect(() => new Chain({ steps: [{ type: '__proto__' }] })).toThrow(/there is no step/)
    expect(() => new Chain({ steps: [{ type: 'Step' }] })).toThrow(/there is no step/)
    expect(() => Chain.fromJson('{"steps":[{"type":"constructor"}]}')).toThrow(/there is no step/)
    expect(() => Chain.fromJson('{"steps":{"__proto__":{"type":"Add"}}}')).toThrow(/no name of a field/)
  })
})

describe('two processes', () => {
  it('that run one chain over values that overlap compute each once', async () => {
    const folder = newFolder()
    fs.mkdirSync(folder)
    const log = path.join(tempDir(), 'log')
    fs.writeFileSync(log, '')
    const file = path.join(root, 'test/execution/fixtures/two-processes.ts')
    const run = async (from: number): Promise<number[]> => {
      const args = ['--import', 'tsx', file, folder, log, String(from)]
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
      return JSON.parse(stdout) as number[]
    }
    const [a, b] = await Promise.all([run(0), run(200)])
    expect(a).toEqual(Array.from({ length: 600 }, (_, i) => i * 2 + 1))
    expect(b).toEqual(Array.from({ length: 600 }, (_, i) => (i + 200) * 2 + 1))
    const lines = fs.readFileSync(log, 'utf8').trim().split('\n')
    expect(lines).toHaveLength(800)
    expect(new Set(lines).size).toBe(800)
  }, 60_000)
})

describe('a class of steps', () => {
  it('may check its fields together, and have a cacher', async () => {
    const Ordered = Step(
      { low: z.number(), high: z.number() },
      { check: ({ low, high }) => (low > high ? 'low > high' : undefined) },
    )
    class Range extends Ordered {
      compute(): number {
        return this.high - this.low
      }
    }
    expect(await new Range({ low: 1, high: 3 }).run()).toBe(2)
    expect(() => new Range({ low: 3, high: 1 })).toThrow(/low > high/)
    expect(() => new Chain({ steps: [{ type: 'Range', low: 3, high: 1 }], from: [Range] })).toThrow(
      /steps\.0: low > high/,
    )
  })

  it('keeps the order of steps that have names, in YAML and JSON too', async () => {
    const named = new Chain({ steps: { z: new Load({ from: 2 }), m: new Mult(), a: new Add({ value: 10 }) } })
    const result = await named.run()
    expect(await (await Chain.fromYaml(await toYaml(named))).run()).toBe(result)
    expect(await (await Chain.fromJson(JSON.stringify(await exported(named)))).run()).toBe(result)
  })
})
