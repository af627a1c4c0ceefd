/** Everything a library of stages may export with inferred types; `compile.test.ts` writes its declarations against the built package. */
import {
  anyStep,
  Chain,
  Codec,
  Config,
  callable,
  Experiment,
  ignored,
  inputFile,
  Lazy,
  lazy,
  oneOf,
  type StageContext,
  Step,
  Store,
  secret,
  stage,
  stageOf,
} from 'curio'
import { BytesCacher, FileReferenceCacher, JsonCacher, MsgpackCacher, TensorCacher, TextCacher } from 'curio/cachers'
import { z } from 'zod'

export class Optim extends Config({ lr: z.number().default(0.1) }) {
  double() {
    return this.lr * 2
  }
}
export class Params extends Config({ file: inputFile(), optim: Optim, workers: ignored(z.int().default(1)) }) {}
export class Longer extends Params.extend({ epochs: z.int().default(1) }) {}
export class Plain extends Config({ name: z.literal('plain').default('plain') }) {}
export class Chosen extends Config({
  model: oneOf('name', [Plain, Optim]).optional(),
  token: secret(z.string().optional()),
}) {}
export const chosen = oneOf('name', [Plain, Optim])
export const schema = Optim.schema()
export const picked = Params.pick('file', 'optim')

// With declarations the class is written on its own: TypeScript cannot describe an anonymous class that has protected members.
class PointCacherClass extends Codec<{ x: number }> {
  encode = JSON.stringify
  decode = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as { x: number }
}
export const PointCacher = callable(PointCacherClass)

export const load = stage(
  {
    params: Params,
    outputs: { rows: JsonCacher<number[]>, raw: lazy(BytesCacher, { resolve: false }), point: PointCacher },
  },
  async function load() {
    return { rows: [1], raw: new Uint8Array(1), point: { x: 1 } }
  },
)
export const train = stage(
  {
    params: picked,
    inputs: [load, 'prior'],
    outputs: { model: MsgpackCacher, weights: lazy(TensorCacher), log: null, files: FileReferenceCacher },
    defaults: { prior: 0 },
  },
  async function train(_record, { rows, raw }) {
    return {
      model: new Map([[rows.length, await raw.load()]]),
      weights: { data: new Float32Array(1), shape: [1] },
      log: 'x',
      files: 'y',
    }
  },
)
export const pair = stage(
  { inputs: [train], outputs: ['small', Lazy('large'), Lazy('kept', { resolve: false })] },
  async function pair(_record, { log }) {
    return [log, 2, 'three'] as const
  },
)
export class Count extends Step({ from: z.int().default(0) }) {
  compute(text: string) {
    return this.from + text.length
  }
}
export class Embed extends Step({ model: z.string(), body: anyStep<[text: string], number>() }) {
  async *computeBatch(texts: AsyncIterable<string>) {
    for await (const text of texts) yield new Float32Array(await this.body.run(text))
  }
}
export const count = new Count()
export const chain = new Chain({ steps: [count, new Chain({ steps: [{ type: 'Count' }] })], infra: { folder: '.' } })
export const many = (values: string[]) => count.runMany(values)
export const kept = (value: string) => chain.lookup(value)
export class Model {
  @stage({ inputs: [load], outputs: { text: TextCacher } })
  async show(_record: StageContext, { rows }: { rows: number[] }) {
    return { text: String(rows) }
  }
}
export const show = stageOf(new Model(), 'show')
export const pipeline = [load, train, pair] as const
export const experiment = new Experiment({ name: 'x', store: '.curio' })
export const run = (params: Params) => experiment.run(params, pipeline)
export const record = (params: Params) => experiment.record(params)
export const oneByOne = async (params: Params) => train(await load(experiment.record(params)))
export const handles = async (params: Params) => {
  const done = await run(params)
  return {
    weights: done.lazy('weights'),
    raw: await done.get('raw'),
    model: await done.get('model'),
    stages: done.stages,
  }
}
export const store = () => Store.open('.curio')
export const saved = async () => (await store()).save('x', JsonCacher, 1)
export const entries = async () => (await store()).entry('x')
export const lookup = async () => (await store()).lookup('x')
export const blobs = async () => (await store()).blobs
export const verify = async () => (await store()).verify()
