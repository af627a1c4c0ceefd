import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import { TextCacher } from '../../cachers/text.js'
import { Config, isLazy, lazy, stage } from '../../src/index.js'
import { failure, NumberCacher, newStore, quiet } from './helpers.js'

class Params extends Config({ a: z.int().default(1) }) {}

const make = stage(
  {
    params: Params,
    outputs: {
      list: JsonCacher<number[]>,
      big: lazy(JsonCacher<number[]>),
      text: lazy(TextCacher, { resolve: false }),
    },
    name: 'record/make',
  },
  async ({ params }) => ({ list: [params.a], big: [params.a, params.a], text: `${params.a}` }),
)

describe('a record', () => {
  it('gives one copy of a value that is not lazy, a fresh one of a lazy one, and the handle of an unresolved one', async () => {
    const store = await newStore()
    const record = await (await quiet(store)).run(new Params({}), [make])
    const reads = () => store.events.counts['blob-read'] ?? 0
    expect(await record.get('list')).toBe(await record.get('list'))
    expect(reads()).toBe(1)
    expect(await record.get('big')).not.toBe(await record.get('big'))
    expect(reads()).toBe(3)
    expect(isLazy(await record.get('text'))).toBe(true)
    expect(reads()).toBe(3)
    const [one, two] = await Promise.all([record.get('list'), record.get('list')])
    expect(one).toBe(two)
  })

  it('keeps what the user changed in his copy from the stages that read it', async () => {
    const sum = stage({ inputs: ['list'], outputs: { n: NumberCacher }, name: 'record/sum' }, async (_r, { list }) => {
      list.push(100)
      return { n: (list as number[]).reduce((a, b) => a + b, 0) }
    })
    const again = stage(
      { inputs: ['list'], outputs: { m: NumberCacher }, name: 'record/again' },
      async (_r, { list }) => ({ m: list.length }),
    )
    const record = await (await quiet()).run(new Params({}), [make])
    ;(await record.get('list')).push(7)
    const after = await again(await sum(record))
    expect([await after.get('n'), await after.get('m')]).toEqual([101, 1])
  })

  it('hands out a handle with the digest, size, cacher, preview and metadata, without reading', async () => {
    const store = await newStore()
    const record = await (await quiet(store)).run(new Params({ a: 3 }), [make])
    const handle = record.lazy('big')
    expect(handle).toMatchObject({ name: 'big', cacher: 'json', preview: 'array of 2' })
    expect(handle.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(handle.bytes).toBe(Buffer.byteLength(JSON.stringify([3, 3], null, 2)) + 1)
    expect(handle.metadata).toMatchObject({ name: 'big', params: { a: '3' } })
    expect(store.events.counts['blob-read']).toBeUndefined()
  })

  it('counts a value set by hand by its content', async () => {
    let n = 0
    const use = stage(
      { inputs: ['prior'], outputs: { out: JsonCacher }, name: 'record/use' },
      async (_r, { prior }) => {
        n += 1
        return { out: prior }
      },
    )
    const experiment = await quiet()
    const run = (prior: unknown) => use(experiment.record().set('prior', prior))
    await run({ a: 1, b: [2] })
    await run({ b: [2], a: 1 })
    expect(n).toBe(1)
    await run({ a: 1, b: [3] })
    expect(n).toBe(2)
    expect(await failure(run(() => 1))).toMatchObject({ code: 'ERR_NOT_ENCODABLE', path: 'prior' })
    expect((await failure(run({ f: class A {} }))).message).toContain('make it the output of a stage')
    const record = experiment.record().set('x', 1)
    expect(() => record.lazy('x')).toThrow('was set by hand and is no artifact')
  })

  it('refuses a body that changes a value set by hand, given at the call or a default', async () => {
    const grow = stage(
      { inputs: ['items'], outputs: { n: NumberCacher }, defaults: { items: [] }, name: 'record/grow' },
      async (_r, { items }) => {
        items.push(1)
        return { n: items.length }
      },
    )
    const experiment = await quiet()
    for (const run of [
      () => grow(experiment.record().set('items', [1])),
      () => grow(experiment.record(), { items: [1] }),
      () => grow(experiment.record()),
    ]) {
      expect((await failure(run())).message).toContain('changed items in place')
    }
  })

  it('a handle set by hand reaches the stage as a handle, and is not taken for the value', async () => {
    const kind = stage({ inputs: ['big'], outputs: { k: TextCacher }, name: 'record/kind' }, async (_r, { big }) => ({
      k: isLazy(big) ? 'handle' : 'value',
    }))
    const experiment = await quiet()
    const record = await experiment.run(new Params({}), [make])
    const byHand = await kind(experiment.record().set('big', record.lazy('big')))
    expect([await byHand.get('k'), await (await kind(record)).get('k')]).toEqual(['handle', 'value'])
  })

  it('a copy shares what is upstream, and goes its own way from there', async () => {
    let n = 0
    const scale = stage(
      { params: Params, inputs: [make], outputs: { s: NumberCacher }, name: 'record/scale' },
      async ({ params }, { list }) => {
        n += 1
        return { s: list[0]! * params.a }
      },
    )
    const experiment = await quiet()
    const data = await make(experiment.record(new Params({ a: 2 })))
    const scaled = await Promise.all([1, 2, 3].map(async (a) => (await scale(data.copy(new Params({ a })))).get('s')))
    expect([n, scaled]).toEqual([3, [2, 4, 6]])
    expect(data.names()).toEqual(['list', 'big', 'text'])
    expect(data.copy().stages).toEqual([])
  })

  it('a later stage may put another value under a name, and what read the earlier one keeps its key', async () => {
    const one = stage({ outputs: { v: NumberCacher }, name: 'record/v1' }, async () => ({ v: 1 }))
    const two = stage({ inputs: ['v'], outputs: { v: NumberCacher }, name: 'record/v2' }, async (_r, { v }) => ({
      v: v + 1,
    }))
    const experiment = await quiet()
    const first = await experiment.run(undefined, [one, two])
    expect(await first.get('v')).toBe(2)
    const second = await experiment.run(undefined, [one, two])
    expect(second.stages.map((run) => run.how)).toEqual(['loaded', 'loaded'])
    expect(second.stages.map((run) => run.key)).toEqual(first.stages.map((run) => run.key))
  })

  it('tells what ran in it, in order and how', async () => {
    const experiment = await quiet()
    await experiment.run(new Params({}), [make])
    const record = await experiment.run(new Params({}), [make])
    expect(record.stages).toEqual([
      {
        stage: 'make',
        key: expect.stringContaining('record/make,1/'),
        how: 'loaded',
        lazy: false,
        seconds: expect.any(Number),
        savedSeconds: expect.any(Number),
        bytes: expect.any(Number),
      },
    ])
    expect(record.stages[0]!.savedSeconds).toBeGreaterThan(0)
    expect([record.has('list'), record.has('nothing')]).toEqual([true, false])
    expect(record.experiment.name).toBe('test')
  })
})

describe('several runs in one process', () => {
  it('of one key at once compute once, and all get the value', async () => {
    let n = 0
    const slow = stage({ params: Params, outputs: { v: NumberCacher }, name: 'record/slow' }, async ({ params }) => {
      n += 1
      await new Promise((done) => setTimeout(done, 20))
      return { v: params.a }
    })
    const store = await newStore()
    const values = await Promise.all(
      Array.from({ length: 8 }, async () => (await (await quiet(store)).run(new Params({ a: 9 }), [slow])).get('v')),
    )
    expect([n, values]).toEqual([1, Array(8).fill(9)])
  })

  it('share a failure’s retry: each asks again, and the next may succeed', async () => {
    let n = 0
    const flaky = stage({ outputs: { v: NumberCacher }, name: 'record/flaky' }, async () => {
      n += 1
      await new Promise((done) => setTimeout(done, 5))
      if (n === 1) throw new Error('first')
      return { v: n }
    })
    const store = await newStore()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 3 }, async () => (await quiet(store)).run(undefined, [flaky])),
    )
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(n).toBe(2)
  })

  it('an aborted run stops before the next stage, with the reason, and stores nothing half', async () => {
    const controller = new AbortController()
    const ran: string[] = []
    const one = stage({ outputs: { a: NumberCacher }, name: 'record/abort1' }, async ({ signal }) => {
      ran.push('one')
      controller.abort(new Error('enough'))
      expect(signal!.aborted).toBe(true)
      return { a: 1 }
    })
    const two = stage({ outputs: { b: NumberCacher }, name: 'record/abort2' }, async () => {
      ran.push('two')
      return { b: 1 }
    })
    const store = await newStore()
    const error = await failure((await quiet(store)).run(undefined, [one, two], { signal: controller.signal }))
    expect([error.message, ran]).toEqual(['enough', ['one']])
    const aborted = AbortSignal.abort()
    expect((await failure((await quiet(store)).run(undefined, [two], { signal: aborted }))).name).toBe('AbortError')
  })
})
