/** Type tests of stages in the object form: compiled by `npm run typecheck`, never run. */
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import { JsonCacher, MsgpackCacher, TensorCacher, TextCacher } from '../../cachers/index.js'
import {
  aggregate,
  Codec,
  Config,
  type Experiment,
  type Lazy,
  lazy,
  type OutputsOfAll,
  type Stage,
  type StageContext,
  type StageRecord,
  stage,
} from '../../src/index.js'

class NumberCacher extends Codec<number> {
  encode = String
  decode = Number
}
class Params extends Config({ lr: z.number().default(0.1), seed: z.int(), note: z.string().optional() }) {}
class Other extends Config({ other: z.int() }) {}
class More extends Params.extend({ extra: z.boolean() }) {}

declare const experiment: Experiment
const params = new Params({ seed: 1 })

const load = stage(
  { params: Params.pick('seed'), outputs: { rows: JsonCacher<number[]>, count: NumberCacher } },
  async function load(record) {
    expectTypeOf(record).toExtend<StageContext>()
    expectTypeOf(record.params.seed).toEqualTypeOf<number>()
    // @ts-expect-error lr is not declared
    record.params.lr
    return { rows: [record.params.seed], count: 1 }
  },
)

const train = stage(
  {
    params: Params,
    inputs: [load],
    outputs: { weights: lazy(TensorCacher), raw: lazy(TextCacher, { resolve: false }), any: MsgpackCacher },
  },
  async function train(record, { rows, count }) {
    expectTypeOf(rows).toEqualTypeOf<number[]>()
    expectTypeOf(count).toEqualTypeOf<number>()
    expectTypeOf(record.params.note).toEqualTypeOf<string | undefined>()
    return { weights: { data: new Float32Array(2), shape: [2] }, raw: 'text', any: new Map([[1, 'a']]) }
  },
)

const use = stage(
  { params: Params.pick(), inputs: [train], outputs: { done: JsonCacher } },
  async function use(_record, { weights, raw, any }) {
    expectTypeOf(raw).toEqualTypeOf<Lazy<string>>()
    expectTypeOf(weights.shape).toExtend<readonly number[]>()
    expectTypeOf(any).toEqualTypeOf<Map<number, string>>()
    // @ts-expect-error a Lazy has no then
    raw.then
    return { done: { ok: true } }
  },
)

export async function runs(): Promise<void> {
  const record = await experiment.run(params, [load, train, use])
  expectTypeOf(record).toExtend<StageRecord<Params>>()
  expectTypeOf(await record.get('rows')).toEqualTypeOf<number[]>()
  expectTypeOf(await record.get('raw')).toEqualTypeOf<Lazy<string>>()
  expectTypeOf(record.lazy('raw')).toEqualTypeOf<Lazy<string>>()
  expectTypeOf(record.lazy('count')).toEqualTypeOf<Lazy<number>>()
  expectTypeOf(await record.get('done')).toEqualTypeOf<{ ok: boolean }>()
  expectTypeOf<OutputsOfAll<[typeof load]>>().toExtend<{ rows: number[]; count: number }>()
  // @ts-expect-error there is no such output
  await record.get('row')

  // @ts-expect-error train needs rows, and load comes after it
  await experiment.run(params, [train, load])
  // @ts-expect-error train is missing
  await experiment.run(params, [load, use])
  // @ts-expect-error Other has no seed
  await experiment.run(new Other({ other: 1 }), [load])
  // @ts-expect-error no parameters at all
  await experiment.run(undefined, [load])
  // @ts-expect-error a function is no stage
  await experiment.run(params, [load, () => 1])
  await experiment.run(new More({ seed: 1, extra: true }), [load, train])
  await experiment.run(params, [])
}

export async function oneByOne(): Promise<void> {
  const first = await load(experiment.record(params))
  const second = await train(first)
  expectTypeOf(await second.get('count')).toEqualTypeOf<number>()
  // @ts-expect-error the record has no rows yet
  await train(experiment.record(params))
  // rows and count given at the call need not be in the record
  await train(experiment.record(params), { rows: [1], count: 1 })
  // @ts-expect-error count is missing in both
  await train(experiment.record(params), { rows: [1] })
  // @ts-expect-error rows are numbers
  await train(first, { rows: ['x'] })
  // @ts-expect-error there is no such input
  await train(first, { row: [1] })
  // @ts-expect-error a record of other parameters
  await load(experiment.record(new Other({ other: 1 })))
  expectTypeOf(await (await load(first.copy(new Params({ seed: 2 })))).get('rows')).toEqualTypeOf<number[]>()
  expectTypeOf(await first.set('prior', 'x').get('prior')).toEqualTypeOf<string>()
  expectTypeOf(await first.set('rows', 'now text').get('rows')).toEqualTypeOf<string>()
}

export function outputs(): void {
  // @ts-expect-error NumberCacher saves numbers
  stage({ outputs: { n: NumberCacher } }, async () => ({ n: 'text' }))
  // @ts-expect-error one output too few
  stage({ outputs: { n: NumberCacher, t: TextCacher } }, async () => ({ n: 1 }))
  // @ts-expect-error lazy or not, the cacher says what it takes
  stage({ outputs: { n: lazy(NumberCacher) } }, async () => ({ n: 'text' }))
  // @ts-expect-error a cacher is a class or an instance of one
  stage({ outputs: { n: 'json' } }, async () => ({ n: 1 }))
  // @ts-expect-error there is no such option
  stage({ outputs: { n: NumberCacher }, cache: true }, async () => ({ n: 1 }))
  // @ts-expect-error no such field
  stage({ params: Params.pick('sed'), outputs: { n: NumberCacher } }, async () => ({ n: 1 }))
  // @ts-expect-error a zod object is no Config class
  stage({ params: z.object({}), outputs: { n: NumberCacher } }, async () => ({ n: 1 }))
  // @ts-expect-error there is no such mode
  stage({ outputs: { n: NumberCacher }, mode: 'retry' }, async () => ({ n: 1 }))

  const chosen = stage({ outputs: { any: null, lazily: lazy() } }, async function chosen() {
    return { any: { a: 1 }, lazily: 'text' }
  })
  expectTypeOf(chosen).toEqualTypeOf<Stage<unknown, object, { any: { a: number }; lazily: string }>>()
}

/** Inputs by name have the type that is written down; those with a default may be missing. */
export async function byName(): Promise<void> {
  const add = stage(
    { inputs: [load, 'offset'], outputs: { sum: NumberCacher }, defaults: { offset: 0 } },
    async function add(_record, { count, offset }: { count: number; offset: number }) {
      return { sum: count + offset }
    },
  )
  await experiment.run(params, [load, add])
  await add(await load(experiment.record(params)), { offset: 3 })

  const maybe = stage(
    { inputs: [load], outputs: { n: NumberCacher }, defaults: { count: null } },
    async function maybe(_record, { count, rows }) {
      expectTypeOf(count).toEqualTypeOf<number | null>()
      expectTypeOf(rows).toEqualTypeOf<number[]>()
      return { n: count ?? 0 }
    },
  )
  await maybe(experiment.record(params).set('rows', [1]))
  // @ts-expect-error rows has no default
  await maybe(experiment.record(params))
}

const over = aggregate(
  { each: Params.pick('lr'), inputs: [load], outputs: { table: JsonCacher<number[]> } },
  async (_record, records) => {
    expectTypeOf(records[0]!.params).toEqualTypeOf<Readonly<Pick<Params, 'lr'>>>()
    expectTypeOf(await records[0]!.get('count')).toEqualTypeOf<number>()
    // @ts-expect-error no such input
    records[0]!.get('nothing')
    return { table: [1] }
  },
)
// @ts-expect-error an aggregate is called with records; it cannot run in a list of stages
experiment.run(params, [load, over])
// @ts-expect-error records of another class
over({} as StageRecord, [{} as StageRecord<Other>])
expectTypeOf(experiment.run([params, params], [load])).resolves.toExtend<StageRecord<Params>[]>()
expectTypeOf(over({} as StageRecord, []).then((made) => made.get('table'))).resolves.toEqualTypeOf<number[]>()
