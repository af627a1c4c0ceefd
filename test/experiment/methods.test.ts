import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import {
  Config,
  identity,
  ignored,
  inputFile,
  isLazy,
  lazy,
  type Stage,
  type StageContext,
  stage,
  stageOf,
} from '../../src/index.js'
import { failure, NumberCacher, newStore, quiet, tempDir } from './helpers.js'

const source = stage({ outputs: { x: NumberCacher }, name: 'methods/source' }, async () => ({ x: 3 }))
let ran: string[] = []

class Scale {
  private readonly secret: number
  helper = () => 1
  constructor(
    readonly factor: number,
    secret = 0,
  ) {
    this.secret = secret
  }

  @stage({ inputs: [source], outputs: { scaled: NumberCacher } })
  async scale(_record: StageContext, { x }: { x: number }) {
    ran.push('scale')
    return { scaled: x * this.factor + this.secret }
  }

  @stage({ inputs: ['scaled'], outputs: ['a', 'b'], cachers: [NumberCacher, JsonCacher] })
  async split(_record: StageContext, { scaled }: { scaled: number }) {
    return [scaled, [scaled]] as const
  }

  @stage({ inputs: ['scaled'], outputs: ['one'], cachers: [NumberCacher] })
  one(_record: StageContext, { scaled }: { scaled: number }) {
    return scaled
  }

  @stage({ outputs: { n: NumberCacher } })
  static async count() {
    ran.push('count')
    return { n: 7 }
  }
}

class Inherits extends Scale {}
class Overrides extends Scale {
  @stage({ inputs: [source], outputs: { scaled: NumberCacher } })
  override async scale(_record: StageContext, { x }: { x: number }) {
    ran.push('override')
    return { scaled: -x * this.factor }
  }
}

describe('@stage on a method', () => {
  it('is a stage by stageOf, and the object’s own fields count, private ones too, functions not', async () => {
    const experiment = await quiet()
    ran = []
    const run = async (object: Scale) =>
      (await experiment.run(undefined, [source, stageOf(object, 'scale')])).get('scaled')
    expect(await run(new Scale(2))).toBe(6)
    expect(await run(new Scale(2))).toBe(6)
    expect(await run(new Scale(3))).toBe(9)
    expect(await run(new Scale(2, 1))).toBe(7)
    expect(ran).toEqual(['scale', 'scale', 'scale'])
  })

  it('keeps its type: record and inputs in, outputs out, and the same caching', async () => {
    const store = await newStore()
    const experiment = await quiet(store)
    ran = []
    const object = new Scale(2)
    const record = await source(experiment.record())
    const out = await object.scale(record as never, { x: 3 })
    expectTypeOf(out).toEqualTypeOf<{ scaled: number }>()
    expect(out).toEqual({ scaled: 6 })
    expect(await object.scale(record as never, { x: 3 })).toEqual({ scaled: 6 })
    expect(ran).toEqual(['scale'])
    expect(await object.split(record as never, { scaled: 6 })).toEqual([6, [6]])
    expect(await object.one(record as never, { scaled: 6 })).toBe(6)
    const typed = stageOf(object, 'scale')
    expectTypeOf(typed).toExtend<Stage<unknown, { x: number }, { scaled: number }>>()
    expect([typed.stageName, typed.inputNames, typed.outputNames]).toEqual(['scale', ['x'], ['scaled']])
  })

  it('is named by module, its object’s class and method, for an inherited method may call what a subclass overrides', async () => {
    const experiment = await quiet()
    ran = []
    const keyOf = async (object: Scale) =>
      (await experiment.run(undefined, [source, stageOf(object, 'scale')])).stages[1]!.key
    const base = await keyOf(new Scale(2))
    expect(base).toMatch(/^curio\/test\/experiment\/methods\.test\.Scale\.scale,1\//)
    expect(await keyOf(new Inherits(2))).toContain('.Inherits.scale,1/')
    expect(await keyOf(new Overrides(2))).toContain('.Overrides.scale,1/')
    expect(ran).toEqual(['scale', 'scale', 'override'])
  })

  it('called by super keeps its own class’s name, and results of base and subclass are not taken for each other', async () => {
    class Base {
      step() {
        return 1
      }
      @stage({ outputs: { n: NumberCacher } })
      async fit(_record: StageContext) {
        return { n: this.step() }
      }
    }
    class Sub extends Base {
      override step() {
        return 2
      }
      override async fit(record: StageContext) {
        return super.fit(record)
      }
    }
    const store = await newStore()
    const experiment = await quiet(store)
    expect(await new Base().fit(experiment.record() as never)).toEqual({ n: 1 })
    expect(await new Sub().fit(experiment.record() as never)).toEqual({ n: 2 })
    const keys: string[] = []
    for await (const entry of store.list()) keys.push(entry.key.split('.').slice(-2).join('.').split(',')[0]!)
    expect(keys).toEqual(['Base.fit', 'Base.fit'])
    const inherit = (step: number) =>
      class Same extends Base {
        override step() {
          return step
        }
      }
    await new (inherit(1))().fit(experiment.record() as never)
    expect(await failure(new (inherit(3))().fit(experiment.record() as never))).toMatchObject({
      code: 'ERR_DECLARATION',
    })
  })

  it('works on a static method', async () => {
    const experiment = await quiet()
    ran = []
    const first = await experiment.run(undefined, [stageOf(Scale, 'count')])
    const second = await experiment.run(undefined, [stageOf(Scale, 'count')])
    expect([ran, await second.get('n')]).toEqual([['count'], 7])
    expect(first.stages[0]!.key).toContain('Scale.count,1/')
  })

  it('works on a #private method, called from inside', async () => {
    class Hidden {
      constructor(readonly k: number) {}
      @stage({ outputs: { n: NumberCacher } })
      async #inner(_record: StageContext) {
        ran.push('inner')
        return { n: this.k }
      }
      run(record: StageContext) {
        return this.#inner(record)
      }
    }
    ran = []
    const experiment = await quiet()
    expect(await new Hidden(4).run(experiment.record() as never)).toEqual({ n: 4 })
    expect(await new Hidden(4).run(experiment.record() as never)).toEqual({ n: 4 })
    expect(await new Hidden(5).run(experiment.record() as never)).toEqual({ n: 5 })
    expect(ran).toEqual(['inner', 'inner'])
  })

  it('on a Config counts what the configuration counts: no defaults, no ignored fields, files by content', async () => {
    const file = path.join(tempDir(), 'data.txt')
    fs.writeFileSync(file, '10')
    class Model extends Config({ k: z.int().default(1), data: inputFile(), workers: ignored(z.int().default(1)) }) {
      @stage({ outputs: { n: NumberCacher } })
      async fit(_record: StageContext) {
        ran.push('fit')
        return { n: this.k * Number(fs.readFileSync(this.data, 'utf8')) }
      }
    }
    const store = await newStore()
    const experiment = await quiet(store)
    ran = []
    const run = async (model: Model) => (await experiment.run(undefined, [stageOf(model, 'fit')])).get('n')
    expect(await run(new Model({ data: file }))).toBe(10)
    expect(await run(new Model({ data: file, k: 1, workers: 9 }))).toBe(10)
    expect(ran).toEqual(['fit'])
    fs.writeFileSync(file, '20')
    expect(await run(new Model({ data: file }))).toBe(20)
    expect(await run(new Model({ data: file, k: 2 }))).toBe(40)
    const record = await experiment.run(undefined, [stageOf(new Model({ data: file }), 'fit')])
    expect(await store.entry(record.stages[0]!.key)).toMatchObject({
      ignored: { 'this.workers': '1' },
      defaults: { 'this.k': '1' },
    })
  })

  it('counts what the object says of itself, where it says something', async () => {
    class Told {
      constructor(
        readonly counts: number,
        readonly not: () => number,
      ) {}
      [identity](): readonly [string, unknown] {
        return ['methods/Told', this.counts]
      }
      @stage({ outputs: { n: NumberCacher } })
      async tell(_record: StageContext) {
        return { n: this.not() }
      }
    }
    const experiment = await quiet()
    const run = async (object: Told) => (await experiment.run(undefined, [stageOf(object, 'tell')])).get('n')
    expect(await run(new Told(1, () => 1))).toBe(1)
    expect(await run(new Told(1, () => 2))).toBe(1)
    expect(await run(new Told(2, () => 2))).toBe(2)
  })

  it('refuses a field that has no identity by its path, and a #private field it reads', async () => {
    class Connected {
      client = new (class Client {})()
      @stage({ outputs: { n: NumberCacher } })
      async fetch(_record: StageContext) {
        return { n: 1 }
      }
    }
    const experiment = await quiet()
    expect(await failure(experiment.run(undefined, [stageOf(new Connected(), 'fetch')]))).toMatchObject({
      code: 'ERR_NOT_ENCODABLE',
      path: 'this.client',
    })
    class Closed {
      #k: number
      constructor(k: number) {
        this.#k = k
      }
      #twice() {
        return 2
      }
      @stage({ outputs: { n: NumberCacher } })
      async read(_record: StageContext) {
        return { n: this.#k }
      }
      @stage({ outputs: { n: NumberCacher } })
      async fine(_record: StageContext) {
        return { n: this.#twice() }
      }
    }
    const refused = () => stageOf(new Closed(1), 'read')
    expect(refused).toThrow(/reads a #private field/)
    expect(await (await experiment.run(undefined, [stageOf(new Closed(1), 'fine')])).get('n')).toBe(2)
  })

  it('whose body changes the object is an error: a run that finds its outputs would not', async () => {
    class Counting {
      calls = 0
      @stage({ outputs: { n: NumberCacher } })
      async count(_record: StageContext) {
        this.calls += 1
        return { n: 1 }
      }
    }
    const error = await failure((await quiet()).run(undefined, [stageOf(new Counting(), 'count')]))
    expect(error.message).toContain('changed this in place')
  })

  it('that is not decorated, and a decorator that is not on a method, are refused', () => {
    expect(() => stageOf(new Scale(1), 'helper' as never)).toThrow('helper is not decorated by @stage')
    const decorate = stage({ outputs: { n: NumberCacher } }) as unknown as (value: unknown, context: unknown) => unknown
    expect(() => decorate(undefined, { kind: 'field', name: 'n' })).toThrow(
      '@stage decorates methods; use `field = stage(',
    )
    expect(() => decorate(() => 1, undefined)).toThrow('@stage decorates methods')
  })

  it('a class made anew in a function is refused, for its closure is in no key', async () => {
    const make = (k: number) =>
      class Made {
        @stage({ outputs: { n: NumberCacher } })
        async make(_record: StageContext) {
          return { n: k }
        }
      }
    const experiment = await quiet()
    await experiment.run(undefined, [stageOf(new (make(1))(), 'make')])
    expect(() => stageOf(new (make(2))(), 'make')).toThrow(/is declared twice at/)
  })
})

describe('a lazy output of a method', () => {
  it('comes loaded from a call, as the method’s type says, and as a handle from the record', async () => {
    class Big {
      @stage({ outputs: { big: lazy(JsonCacher, { resolve: false }) } })
      async make(_record: StageContext) {
        return { big: [1, 2] }
      }
    }
    const record = (await quiet()).record()
    expect(await new Big().make(record as never)).toEqual({ big: [1, 2] })
    expect(isLazy(await record.get('big' as never))).toBe(true)
  })
})

describe('a stage as a field', () => {
  it('is fully typed and a stage like any other', async () => {
    class Pipeline {
      static readonly k = 2
      readonly fit = stage(
        { inputs: [source], outputs: { y: NumberCacher }, name: 'methods/field' },
        async (_record, { x }) => ({
          y: x * Pipeline.k,
        }),
      )
    }
    const { fit } = new Pipeline()
    const record = await (await quiet()).run(undefined, [source, new Pipeline().fit])
    expectTypeOf(await record.get('y')).toEqualTypeOf<number>()
    expect([await record.get('y'), fit.stageName]).toEqual([6, 'field'])
  })
})
