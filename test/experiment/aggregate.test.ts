import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { JsonCacher, MsgpackCacher } from '../../cachers/index.js'
import {
  type AggregateRecord,
  aggregate,
  Config,
  DeclarationError,
  lazy,
  MissingInputError,
  type StageContext,
  stage,
  UndeclaredInputError,
} from '../../src/index.js'
import { newStore, quiet } from './helpers.js'

class Params extends Config({ base: z.int().default(1), lr: z.number().default(0.5), note: z.string().default('') }) {}

/** Stages that count how often their bodies run. */
function pipeline(prefix: string) {
  const ran = { load: 0, train: 0, compare: 0 }
  const load = stage(
    { params: Params.pick('base'), outputs: { data: lazy(JsonCacher) }, name: `${prefix}/load` },
    async ({ params }) => {
      ran.load += 1
      return { data: [params.base, params.base + 1] }
    },
  )
  const train = stage(
    { params: Params.pick('lr'), inputs: [load], outputs: { score: JsonCacher }, name: `${prefix}/train` },
    async ({ params }, { data }) => {
      ran.train += 1
      return { score: params.lr * (data as number[])[1]! }
    },
  )
  const compare = aggregate(
    {
      each: Params.pick('base', 'lr'),
      inputs: [train],
      outputs: { table: JsonCacher },
      name: `${prefix}/compare`,
    },
    async function compare(_record, records) {
      ran.compare += 1
      const rows = await Promise.all(
        records.map(async (one) => ({ ...one.params, score: one.has('score') ? await one.get('score') : null })),
      )
      return { table: rows }
    },
  )
  return { ran, load, train, compare }
}

const sets = (...lrs: number[]): Params[] => lrs.map((lr) => new Params({ lr }))

describe('a run over a list of parameter sets', () => {
  it('gives a record for each, in the order of the list, and does what they share once', async () => {
    const { ran, load, train } = pipeline('sweep')
    const experiment = await quiet()
    const records = await experiment.run(sets(1, 2, 3), [load, train])
    expectTypeOf(await records[0]!.get('score')).toEqualTypeOf<number>()
    expect(await Promise.all(records.map((record) => record.get('score')))).toEqual([2, 4, 6])
    expect(ran).toEqual({ load: 1, train: 3, compare: 0 })
    expect(records.map((record) => record.stages.map(({ how }) => how))).toEqual([
      ['computed', 'computed'],
      ['loaded', 'computed'],
      ['loaded', 'computed'],
    ])
    expect(await experiment.run([] as Params[], [load, train])).toEqual([])
  })

  it('forces what they share once, too', async () => {
    const { ran, load, train } = pipeline('sweep-force')
    const experiment = await quiet()
    await experiment.run(sets(1, 2), [load, train])
    await experiment.run(sets(1, 2), [load, train], { mode: 'force' })
    expect(ran).toEqual({ load: 2, train: 4, compare: 0 })
  })

  it('keeps what was done before a set that fails', async () => {
    const experiment = await quiet()
    let ran = 0
    const picky = stage({ params: Params, outputs: { n: JsonCacher }, name: 'sweep/picky' }, async ({ params }) => {
      ran += 1
      if (params.lr === 2) throw new RangeError('not two')
      return { n: params.lr }
    })
    const failure: unknown = await experiment.run(sets(1, 2, 3), [picky]).catch((error: unknown) => error)
    expect(failure).toMatchObject({ message: 'not two', computing: expect.stringMatching(/^stage picky, .*lr=2/) })
    expect(await (await experiment.run(sets(1)[0]!, [picky])).get('n')).toBe(1)
    expect(ran).toBe(2)
  })
})

describe('curifactory, section 2: aggregates', () => {
  it('row 36: an aggregate sees the named parameters and inputs of each record; one without an input says so', async () => {
    const { load, train, compare } = pipeline('row36')
    const experiment = await quiet()
    const records = await experiment.run(sets(1, 2), [load, train])
    const only = await experiment.run(new Params({ lr: 9 }), [load])
    const result = await compare(experiment.record(), [...records, only])
    expectTypeOf(await result.get('table')).toEqualTypeOf<{ score: number | null; base: number; lr: number }[]>()
    const table = await result.get('table')
    expect(table.toSorted((a, b) => a.lr - b.lr)).toEqual([
      { base: 1, lr: 1, score: 2 },
      { base: 1, lr: 2, score: 4 },
      { base: 1, lr: 9, score: null },
    ])
    expect(await (await compare(experiment.record(), [])).get('table')).toEqual([])
    const strict = aggregate(
      { each: Params.pick('lr'), inputs: [train], outputs: { n: null }, name: 'row36/strict' },
      async (_record, list) => ({ n: (await Promise.all(list.map((one) => one.get('score')))).length }),
    )
    await expect(strict(experiment.record(), [only])).rejects.toThrow(MissingInputError)
  })

  it('row 37 (differently): the records are named at the call; there is no list of all records anywhere', async () => {
    const { train, load, compare } = pipeline('row37')
    const experiment = await quiet()
    await expect((compare as unknown as (record: unknown) => Promise<unknown>)(experiment.record())).rejects.toThrow(
      /^aggregate compare takes a record of its own and a list of records/,
    )
    const alone = await (compare as unknown as (records: unknown) => Promise<unknown>)([]).catch((error) => error)
    expect(alone).toBeInstanceOf(DeclarationError)
    expect((alone as DeclarationError).message).toMatch(
      /^aggregate compare takes a record of its own and a list of records[\s\S]*compare\(experiment\.record\(\), /,
    )
    await expect(compare(experiment.record(), [1] as never)).rejects.toThrow(/element 0 is none/)
    await expect(experiment.run(new Params({}), [load, train, compare] as never)).rejects.toThrow(
      /compare is an aggregate, which no single record can run/,
    )
  })

  it('row 38 (differently): what is made of an aggregate is keyed by what it made', async () => {
    const { ran, load, train, compare } = pipeline('row38')
    const experiment = await quiet()
    const records = await experiment.run(sets(1, 2), [load, train])
    let best = 0
    const winner = stage(
      { inputs: [compare], outputs: { lr: JsonCacher }, name: 'row38/winner' },
      (_record, inputs) => {
        best += 1
        return { lr: Math.max(...inputs.table.map((row) => row.lr)) }
      },
    )
    const first = await winner(await compare(experiment.record(), records))
    expect(await first.get('lr')).toBe(2)
    const again = await winner(await compare(experiment.record(), records.toReversed()))
    expect(again.stages.map(({ how }) => how)).toEqual(['loaded', 'loaded'])
    expect([ran.compare, best]).toEqual([1, 1])
  })

  it('row 39 (differently): it counts by its own parameters and by what it reads of the records, whoever they are', async () => {
    const { ran, load, train, compare } = pipeline('row39')
    const store = await newStore()
    const experiment = await quiet(store)
    const records = await experiment.run(sets(1, 2), [load, train])
    await compare(experiment.record(), records)
    // Another parameter that neither it nor what it reads depends on.
    const noted = await experiment.run([new Params({ lr: 2, note: 'x' }), new Params({ lr: 1 })], [load, train])
    await compare(experiment.record(), noted)
    expect(ran.compare).toBe(1)
    await compare(experiment.record(), records.slice(1))
    await compare(experiment.record(), [...records, records[1]!])
    expect(ran.compare).toBe(3)
    await compare(experiment.record(undefined as never, { mode: 'force' }), records)
    expect(ran.compare).toBe(4)
    await compare(experiment.record(), records)
    expect(ran.compare).toBe(4)
    await expect(
      compare(experiment.record(undefined as never, { mode: 'read-only' }), records.slice(0, 1)),
    ).rejects.toThrow(/read-only/)
  })
})

describe('an aggregate', () => {
  it('gets its records in one order, whatever the order at the call', async () => {
    const { load, train } = pipeline('order')
    const orders: number[][] = []
    const list = aggregate(
      { each: Params.pick('lr'), inputs: [train], outputs: { n: null }, name: 'order/list' },
      (_record, records) => {
        orders.push(records.map((one) => one.params.lr))
        return { n: 1 }
      },
    )
    for (const order of [sets(3, 1, 2), sets(2, 3, 1)]) {
      const experiment = await quiet()
      await list(experiment.record(), await experiment.run(order, [load, train]))
    }
    expect(orders[0]).toEqual(orders[1])
  })

  it('sees nothing that it does not declare', async () => {
    const { load, train } = pipeline('undeclared')
    const experiment = await quiet()
    const records = await experiment.run(sets(1), [load, train])
    const peek = (name: string, look: (one: AggregateRecord<never, never>) => unknown) =>
      aggregate(
        { each: Params.pick('lr'), inputs: [train], outputs: { n: null }, name: `undeclared/${name}` },
        async (_record, [one]) => ({ n: await look(one as never) }),
      )(experiment.record(), records)
    await expect(peek('param', (one) => (one.params as Params).base)).rejects.toThrow(UndeclaredInputError)
    await expect(
      peek('input', (one) => (one as never as AggregateRecord<never, { data: 1 }>).get('data')),
    ).rejects.toThrow(UndeclaredInputError)
    await expect(
      peek('has', (one) => (one as never as AggregateRecord<never, { data: 1 }>).has('data')),
    ).rejects.toThrow(UndeclaredInputError)
  })

  it('reads large inputs one at a time, by their handles', async () => {
    const { load, train } = pipeline('lazily')
    const experiment = await quiet()
    const records = await experiment.run([new Params({ base: 3 }), new Params({ base: 5 })], [load, train])
    const total = aggregate(
      { each: Params.pick(), inputs: [load], outputs: { sum: JsonCacher }, name: 'lazily/total' },
      async (_record, list) => {
        let sum = 0
        for (const one of list) sum += (await one.lazy('data').load())[0]!
        return { sum }
      },
    )
    expect(await (await total(experiment.record(), records)).get('sum')).toBe(8)
    const [byHand] = [experiment.record(new Params({})).set('data', [1])]
    await expect(total(experiment.record(), [byHand])).rejects.toThrow(/set by hand/)
  })

  it('says in its entry which artifacts of which records it was made of', async () => {
    const { load, train, compare } = pipeline('entry')
    const store = await newStore()
    const experiment = await quiet(store)
    const records = await experiment.run(sets(1, 2), [load, train])
    const result = await compare(experiment.record(), records)
    const entry = await store.entry(result.stages[0]!.key)
    expect(Object.keys(entry!.inputs!)).toEqual(['records', 'records[0].score', 'records[1].score'])
    const keys = records.map((record) => record.stages[1]!.key)
    expect(new Set([0, 1].map((i) => (entry!.inputs![`records[${i}].score`] as { from: string }).from))).toEqual(
      new Set(keys),
    )
  })

  it('has the positional form and parameters of its own', async () => {
    const { load, train } = pipeline('positional')
    class Own extends Config({ top: z.int() }) {}
    const best = aggregate(
      {
        params: Own,
        each: Params.pick('lr'),
        inputs: [train],
        outputs: ['best', 'count'],
        cachers: [MsgpackCacher, JsonCacher],
        name: 'positional/best',
      },
      async ({ params }, records) => {
        const scores = await Promise.all(records.map((one) => one.get('score')))
        return [scores.toSorted((a, b) => b - a).slice(0, params.top), scores.length] as [number[], number]
      },
    )
    const experiment = await quiet()
    const records = await experiment.run(sets(1, 2, 3), [load, train])
    const result = await best(experiment.record(new Own({ top: 2 })), records)
    expect([await result.get('best'), await result.get('count')]).toEqual([[6, 4], 3])
    const other = await best(experiment.record(new Own({ top: 1 })), records)
    expect(await other.get('best')).toEqual([6])
  })

  it('may be a method', async () => {
    const { load, train } = pipeline('method')
    let ran = 0
    class Report {
      constructor(readonly factor: number) {}
      @aggregate({ each: Params.pick('lr'), inputs: [train], outputs: { total: JsonCacher }, name: 'method/total' })
      async total(_record: StageContext, records: readonly AggregateRecord<{ lr: number }, { score: number }>[]) {
        ran += 1
        let total = 0
        for (const one of records) total += (await one.get('score')) * this.factor
        return { total }
      }
    }
    const experiment = await quiet()
    const records = await experiment.run(sets(1, 2), [load, train])
    const report = new Report(10)
    expect(await report.total(experiment.record(), records as never)).toEqual({ total: 60 })
    expect(await report.total(experiment.record(), records as never)).toEqual({ total: 60 })
    expect(await new Report(2).total(experiment.record(), records as never)).toEqual({ total: 12 })
    expect(ran).toBe(2)
  })

  it('refuses options that cannot be', () => {
    const declare = (options: object) => () =>
      aggregate({ outputs: { n: null }, ...options } as never, () => ({ n: 1 }) as never)
    expect(declare({ name: 'bad/each', each: {} })).toThrow(/params must be a Config class/)
    expect(declare({ name: 'bad/defaults', defaults: {} })).toThrow(DeclarationError)
    expect(declare({ name: 'bad/eech', eech: Params })).toThrow(/eech/)
  })

  it('over fifty parameter sets gives a table that is an artifact, and changes only where a set does', async () => {
    const { ran, load, train, compare } = pipeline('fifty')
    const store = await newStore()
    const experiment = await quiet(store)
    const fifty = Array.from({ length: 50 }, (_, i) => new Params({ base: i % 5, lr: 1 + Math.floor(i / 5) }))
    const records = await experiment.run(fifty, [load, train])
    const table = await (await compare(experiment.record(), records)).get('table')
    expect(table).toHaveLength(50)
    expect(table).toContainEqual({ base: 4, lr: 10, score: 50 })
    expect(ran).toEqual({ load: 5, train: 50, compare: 1 })
    const more = await experiment.run([...fifty, new Params({ base: 0, lr: 11 })], [load, train])
    expect(await (await compare(experiment.record(), more)).get('table')).toHaveLength(51)
    expect(ran).toEqual({ load: 5, train: 51, compare: 2 })
  })

  it('that does not say which parameters it reads counts them all, whatever their class', async () => {
    class A extends Config({ x: z.int().default(1) }) {}
    class B extends Config({ x: z.int().default(2) }) {}
    class C extends Config({ y: z.int().default(5) }) {}
    const experiment = await quiet()
    const [a, b] = [experiment.record(new A({})), experiment.record(new B({}))]
    const sum = aggregate({ outputs: { all: JsonCacher }, name: 'undeclared/sum' }, async (_record, records) => ({
      all: records.map((one) => one.params.x as number).toSorted(),
    }))
    const of = async (...records: (typeof a | typeof b)[]) => (await sum(experiment.record(), records)).get('all')
    expect([await of(a, b), await of(b, b), await of(b, a)]).toEqual([
      [1, 2],
      [2, 2],
      [1, 2],
    ])
    const one = stage({ outputs: { seen: JsonCacher }, name: 'undeclared/one' }, async ({ params }) => ({
      seen: { ...params } as object,
    }))
    const seen = async (params: object) => (await one(experiment.record(params))).get('seen')
    expect([await seen({}), await seen(new B({})), await seen(new C({}))]).toEqual([{}, { x: 2 }, { y: 5 }])
  })
})
