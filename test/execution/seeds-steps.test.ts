/** The code blocks on steps and chains of two source documents, translated, with their own results: seeds 000 and 003. */
import * as path from 'node:path'
import { Chain, CurioError, register, Store } from 'curio'
import { beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import { tempDir } from '../experiment/helpers.js'
import {
  AddOne,
  AddSummary,
  Allen2022MassiveSample,
  Double,
  Embed,
  EmbedArray,
  Multiply,
  QueryEvents,
  ran,
} from './fixtures/seeds-steps.js'

let cache = ''
beforeEach(() => {
  ran.length = 0
  cache = path.join(tempDir(), 'cache')
})

describe('seed 000: caching and execution', () => {
  it('a step without infra runs every time, with one it reads from disk the second time', async () => {
    expect(await new Double({ x: 5 }).run()).toBe(10)
    expect(await new Double({ x: 5 }).run()).toBe(10)
    for (let i = 0; i < 2; i++) {
      expect(await new Double({ x: 5, infra: { backend: 'Cached', folder: cache } }).run()).toBe(10)
    }
    expect(ran).toEqual(['Double 5', 'Double 5', 'Double 5'])
  })

  it('a chain resumes from the latest result that is kept: when a step changes, only it runs again', async () => {
    const infra = { backend: 'Cached', folder: cache } as const
    const chain = new Chain({ steps: [new Double({ x: 5, infra }), new AddOne({ infra })] })
    expect(await chain.run()).toBe(11)
    expect(await chain.run()).toBe(11)
    expect(ran).toEqual(['Double 5', 'AddOne 10'])
    const changed = new Chain({
      steps: [new Double({ x: 5, infra }), new AddOne({ infra: { ...infra, version: '2' } })],
    })
    expect(await changed.run()).toBe(11)
    expect(ran).toEqual(['Double 5', 'AddOne 10', 'AddOne 10'])
  })

  it('steps by name, some with an infra of their own, some run as jobs', async () => {
    register(Allen2022MassiveSample, AddSummary, QueryEvents)
    const steps = [
      { name: 'Allen2022MassiveSample', path: '/data', infra: { backend: 'Cached', folder: cache } },
      {
        name: 'AddSummary',
        modelName: 'meta-llama/Llama-3.2-3B-Instruct',
        infra: { backend: 'SubmititDebug', folder: cache, gpusPerNode: 1 },
      },
      { name: 'QueryEvents', below: 12 },
    ]
    const expected = [3, 11].map((timeline) => ({
      timeline,
      text: `a picture of ${timeline} dogs (Llama-3.2-3B-Instruct)`,
    }))
    expect(await new Chain({ steps }).run()).toEqual(expected)
    expect(await new Chain({ steps }).run()).toEqual(expected)
    expect(ran).toEqual(['study', 'summary', 'query', 'query'])
  })

  it('an infra on the chain: all of it is one job', async () => {
    const chain = new Chain({
      from: [Allen2022MassiveSample, AddSummary, QueryEvents],
      steps: [
        { name: 'Allen2022MassiveSample', path: '/data', infra: { backend: 'Cached', folder: cache } },
        { name: 'AddSummary', modelName: 'llama' },
        { name: 'QueryEvents', below: 12 },
      ],
      infra: { backend: 'SubmititDebug', folder: cache, gpusPerNode: 1 },
    })
    const before = await chain.run()
    expect(await chain.run()).toEqual(before)
    expect(ran).toEqual(['study', 'summary', 'query'])
    // The study has its results in a place of its own.
    expect(await chain.at(0).hasCache()).toBe(true)
    expect(await chain.at(1).hasCache([])).toBe(false)
  })

  it('a result can be asked for, and cleared', async () => {
    const step = new Double({ x: 5, infra: { backend: 'Cached', folder: cache } })
    expect(await step.hasCache()).toBe(false)
    await step.run()
    expect(await step.hasCache()).toBe(true)
    await step.clearCache()
    expect(await step.hasCache()).toBe(false)
    await expect(step.clone({ infra: { mode: 'read-only' } }).run()).rejects.toThrow(/mode is read-only/)
    await step.run()
    await step.clone({ infra: { mode: 'force' } }).run()
    expect(ran).toHaveLength(3)
  })
})

describe('seed 003: many inputs', () => {
  const infra = () => ({ backend: 'Cached', folder: cache }) as const

  it('run and runMany', async () => {
    const step = new Multiply({ coeff: 2, infra: infra() })
    expect(await step.run(5)).toBe(10)
    const seen: number[] = []
    for await (const r of step.runMany([1, 2, 3])) seen.push(r)
    expect(seen).toEqual([2, 4, 6])
    expectTypeOf(seen).toEqualTypeOf<number[]>()
    expect(await step.runMany([3, 4]).toArray()).toEqual([6, 8])
    expect(ran).toEqual(['Multiply 5', 'Multiply 1', 'Multiply 2', 'Multiply 3', 'Multiply 4'])
  })

  it('itemUid: identity by a hash of the content, asked of the first step alone', async () => {
    const chain = new Chain({ steps: [new EmbedArray(), new Multiply({ coeff: 2, infra: infra() })] })
    const value = new Float32Array([1, 2, 3])
    expect(await chain.run(value)).toBe(12)
    expect(await chain.run(value.slice())).toBe(12)
    expect(ran).toEqual(['array 3', 'Multiply 6'])
    expect(chain.lookup(value).uid).toBe(new EmbedArray().itemUid(value))
  })

  it('computeBatch: set up once a call, one result a value', async () => {
    const step = new Embed({ modelPath: 'gpt', infra: infra() })
    expect(await step.runMany(['a', 'bc']).toArray()).toEqual([new Float32Array([1, 3]), new Float32Array([2, 3])])
    expect(await step.run('def')).toEqual(new Float32Array([3, 3]))
    expect(ran).toEqual(['load gpt', 'embed a', 'embed bc', 'load gpt', 'embed def'])
  })

  it('distribution: as many jobs as maxJobs and minItemsPerJob say', async () => {
    const step = new Embed({
      modelPath: 'gpt',
      infra: { backend: 'debug', folder: cache, maxJobs: 16, minItemsPerJob: 4, gpusPerNode: 1 },
    })
    const words = Array.from({ length: 10 }, (_, i) => 'x'.repeat(i + 1))
    const got: number[] = []
    for await (const embedding of step.runMany(words)) got.push(embedding[0]!)
    expect(got).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    // In this process: the module is the one that is here.
    expect(ran.filter((line) => line.startsWith('load'))).toHaveLength(3)
    ran.length = 0
    expect((await step.runMany([...words].reverse()).toArray()).map(([n]) => n)).toEqual(got.reverse())
    expect(ran).toEqual([])
  })
})

describe('seed 003: what is stable', () => {
  const infra = () => ({ backend: 'Cached', folder: cache }) as const
  const step = () => new Multiply({ coeff: 2, infra: infra() })

  it('there is one entry for each step and uid', async () => {
    await step().runMany([1, 2, 2, 3]).toArray()
    const store = await Store.open(cache)
    const entries: string[] = []
    for await (const { key } of store.list()) entries.push(key)
    expect(entries).toHaveLength(1)
    expect([...store.items(entries[0]!).keys()].sort()).toEqual(['1', '2', '3'])
  })

  it('results come in the order of the inputs', async () => {
    await step().runMany([3, 1]).toArray()
    expect(await step().runMany([1, 2, 3, 0]).toArray()).toEqual([2, 4, 6, 0])
  })

  it('three equal inputs have three results, computed once', async () => {
    expect(await step().runMany([7, 7, 7]).toArray()).toEqual([14, 14, 14])
    expect(ran).toEqual(['Multiply 7'])
  })

  it('a value alone and among others shares an entry', async () => {
    await step().run(7)
    expect(await step().runMany([7]).toArray()).toEqual([14])
    expect(ran).toEqual(['Multiply 7'])
  })

  it('a batch is streamed, and what came before a failure stays', async () => {
    const embed = new Embed({ modelPath: 'm', infra: infra() })
    await expect(embed.runMany(['a', 'b', 'bad', 'c']).toArray()).rejects.toThrow(RangeError)
    expect(ran).toEqual(['load m', 'embed a', 'embed b', 'embed bad'])
    expect(await embed.hasCache('b')).toBe(true)
    expect(await embed.hasCache('c')).toBe(false)
  })

  it('errors are kept, until they are cleared or tried again', async () => {
    const embed = new Embed({ modelPath: 'm', infra: infra() })
    await expect(embed.run('bad')).rejects.toThrow(RangeError)
    const error: unknown = await embed.run('bad').catch((thrown: unknown) => thrown)
    expect(CurioError.is(error, 'ERR_CACHED')).toBe(true)
    await embed.clearCache('bad')
    await expect(embed.run('bad')).rejects.toThrow(RangeError)
    await expect(embed.clone({ infra: { mode: 'retry' } }).run('bad')).rejects.toThrow(RangeError)
    expect(ran.filter((line) => line === 'embed bad')).toHaveLength(3)
  })

  it('a chain has each step submit its own batch; with an infra of its own it is one job', async () => {
    const steps = (maxJobs: number) => ({
      first: new Embed({ modelPath: 'm', infra: { backend: 'debug', folder: cache, maxJobs } }),
      second: new EmbedArray({ infra: { backend: 'debug', folder: cache, maxJobs: 2 } }),
    })
    const words = ['a', 'bc', 'def', 'ghij']
    const chain = new Chain({ steps: steps(4) })
    expect(await chain.runMany(words).toArray()).toEqual([2, 3, 4, 5])
    expect(ran.filter((line) => line.startsWith('load'))).toHaveLength(4)
    ran.length = 0
    const one = new Chain({ steps: steps(4), infra: { backend: 'debug', folder: path.join(cache, 'one'), maxJobs: 1 } })
    expect(await one.runMany(['k', 'lm', 'n']).toArray()).toEqual([2, 3, 2])
    expect(ran.filter((line) => line.startsWith('load'))).toHaveLength(1)
  })
})
