import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import { Config, DefaultChangedError, stage, UndeclaredInputError } from '../../src/index.js'
import { failure, NumberCacher, quiet } from './helpers.js'

class Params extends Config({ a: z.int().default(1), b: z.int().default(2), c: z.int().default(3) }) {
  note = 'mine'
  get sum(): number {
    return this.a + this.b
  }
  times(n: number): number {
    return this.a * n
  }
}

describe('what a stage declares to read', () => {
  it('is all its body sees: reading another parameter throws and names the one to add', async () => {
    const peek = stage(
      { params: Params.pick('a'), outputs: { n: NumberCacher }, name: 'peek' },
      async ({ params }) => ({
        n: (params as Params).b,
      }),
    )
    const error = await failure((await quiet()).run(new Params({}), [peek]))
    expect(error).toBeInstanceOf(UndeclaredInputError)
    expect(error).toMatchObject({ stage: 'peek', field: 'b', declared: ['a'] })
    expect(error.message).toMatch(/stage peek reads params\.b but declares only a\n.*add 'b' to the stage's params/)
  })

  it('decides alone what reruns it', async () => {
    let n = 0
    const some = stage(
      { params: Params.pick('a', 'b'), outputs: { n: NumberCacher }, name: 'some' },
      async ({ params }) => {
        n += 1
        return { n: params.a + params.b }
      },
    )
    const experiment = await quiet()
    await experiment.run(new Params({}), [some])
    await experiment.run(new Params({ c: 9 }), [some])
    expect(n).toBe(1)
    await experiment.run(new Params({ b: 9 }), [some])
    expect(n).toBe(2)
  })

  it('inputs are guarded the same way, and the message speaks of inputs', async () => {
    const make = stage({ outputs: { x: NumberCacher, y: NumberCacher }, name: 'guard/make' }, async () => ({
      x: 1,
      y: 2,
    }))
    const take = stage(
      { inputs: ['x'], outputs: { n: NumberCacher }, name: 'guard/take' },
      async (_record, inputs) => ({
        n: (inputs as unknown as { y: number }).y,
      }),
    )
    const error = await failure((await quiet()).run(undefined, [make, take]))
    expect(error).toMatchObject({ code: 'ERR_UNDECLARED_INPUT', field: 'y' })
    expect(error.message).toMatch(/stage guard\/take|stage take/)
    expect(error.message).toContain('reads input y but declares only x')
    expect(error.hint).toContain("add 'y' to the stage's inputs")
  })

  it('methods and getters of the whole class work in the body, and see what is declared', async () => {
    const whole = stage({ params: Params, outputs: { n: JsonCacher }, name: 'whole' }, async ({ params }) => ({
      n: [params.sum, params.times(10), params instanceof Params],
    }))
    const record = await (await quiet()).run(new Params({ a: 4 }), [whole])
    expect(await record.get('n')).toEqual([6, 40, true])
  })

  it('a field of the object that is no parameter does not count, so it cannot be read', async () => {
    const whole = stage({ params: Params, outputs: { n: JsonCacher }, name: 'own-field' }, async ({ params }) => ({
      n: params.note,
    }))
    expect(await failure((await quiet()).run(new Params({}), [whole]))).toMatchObject({
      code: 'ERR_UNDECLARED_INPUT',
      field: 'note',
    })
    const any = stage({ outputs: { n: JsonCacher }, name: 'own-field-any' }, async ({ params }) => ({ n: params.note }))
    expect(await failure((await quiet()).run(new Params({}), [any]))).toMatchObject({
      code: 'ERR_UNDECLARED_INPUT',
      field: 'note',
    })
  })

  it('the guarded parameters can be awaited, printed, spread and compared, and not written to', async () => {
    const plain = stage({ params: Params.pick('a'), outputs: { n: JsonCacher }, name: 'plain' }, async ({ params }) => {
      const same = await (params as unknown as Promise<{ a: number }>)
      expect(() => Object.assign(params, { a: 2 })).toThrow(TypeError)
      return { n: [JSON.stringify(params), `${Object.keys({ ...same })}`, String(params)] }
    })
    const record = await (await quiet()).run(new Params({}), [plain])
    expect(await record.get('n')).toEqual(['{"a":1}', 'a', '[object Object]'])
  })

  it('a record of another class, or none, is refused before anything runs', async () => {
    class Other extends Config({ a: z.int() }) {}
    const some = stage({ params: Params.pick('a'), outputs: { n: NumberCacher }, name: 'class' }, async () => ({
      n: 1,
    }))
    const experiment = await quiet()
    // @ts-expect-error no parameters
    expect((await failure(experiment.run(undefined, [some]))).message).toContain(
      'reads parameters of class Params, the record has none',
    )
    expect((await failure(experiment.run(new Other({ a: 1 }), [some]))).message).toContain('the record has Other')
    expect((await failure(experiment.run({ a: 1 }, [some]))).message).toContain('the record has a plain object')
  })

  it('a subclass with more parameters is fine, and finds the results of its base', async () => {
    class More extends Params.extend({ d: z.int().default(0) }) {}
    const whole = stage({ params: Params, outputs: { n: NumberCacher }, name: 'subclass' }, async ({ params }) => ({
      n: params.a,
    }))
    const experiment = await quiet()
    const one = await experiment.run(new Params({ a: 5 }), [whole])
    const two = await experiment.run(new More({ a: 5, d: 7 }), [whole])
    expect(two.stages[0]).toMatchObject({ key: one.stages[0]!.key, how: 'loaded' })
  })
})

describe('a default that changed', () => {
  /** One stage in three states of its source, as three versions of a program would have it. */
  function program(version: 1 | 2 | 3) {
    const base = { need: z.int(), optim: z.object({ lr: z.number().default(0.1) }).prefault({}) }
    const shape =
      version === 1
        ? { ...base, k: z.int().default(1) }
        : { ...base, k: z.int().default(2), added: z.string().default('x') }
    class P extends Config(
      version === 3 ? { ...shape, optim: z.object({ lr: z.number().default(0.2) }).prefault({}) } : shape,
    ) {}
    const run = stage({ params: P, outputs: { n: NumberCacher }, name: 'default' }, async ({ params }) => ({
      n: params.k,
    }))
    return { P, run }
  }

  it('is an error on the hit it would have given, which names the field, both values and ways out that work', async () => {
    const experiment = await quiet()
    const [old, now] = [program(1), program(2)]
    await experiment.run(new old.P({ need: 1 }), [old.run])
    const error = await failure(experiment.run(new now.P({ need: 1 }), [now.run]))
    expect(error).toBeInstanceOf(DefaultChangedError)
    expect(error).toMatchObject({ field: 'k', was: '1', is: '2' })
    expect(error.message).toContain('was stored when the default of k was 1; it is 2 now')
    // Said explicitly, the old value is a key of its own, the new one is the default: neither is a wrong hit.
    expect((await experiment.run(new now.P({ need: 1, k: 1 }), [now.run])).stages[0]!.how).toBe('computed')
    expect(await failure(experiment.run(new now.P({ need: 1, k: 2 }), [now.run]))).toBeInstanceOf(DefaultChangedError)
    expect(error.hint).not.toContain('pass k')
    // One way out: force.
    const forced = await experiment.run(new now.P({ need: 1 }), [now.run], { mode: 'force' })
    expect(await forced.get('n')).toBe(2)
    expect((await experiment.run(new now.P({ need: 1 }), [now.run])).stages[0]!.how).toBe('loaded')
  })

  it('does not matter where the field was given, or where it is new', async () => {
    const experiment = await quiet()
    const [old, now] = [program(1), program(2)]
    await experiment.run(new old.P({ need: 1, k: 5 }), [old.run])
    expect((await experiment.run(new now.P({ need: 1, k: 5 }), [now.run])).stages[0]!.how).toBe('loaded')
  })

  it('in a nested object is found too, and named by its path', async () => {
    const experiment = await quiet()
    const [old, now] = [program(2), program(3)]
    await experiment.run(new old.P({ need: 1, optim: {} }), [old.run])
    const error = await failure(experiment.run(new now.P({ need: 1, optim: {} }), [now.run]))
    expect(error.message).toMatch(/the default of optim(\.lr)? was/)
  })

  it('is an error in read-only mode too', async () => {
    const experiment = await quiet()
    const [old, now] = [program(1), program(2)]
    await experiment.run(new old.P({ need: 1 }), [old.run])
    expect(await failure(experiment.run(new now.P({ need: 1 }), [now.run], { mode: 'read-only' }))).toBeInstanceOf(
      DefaultChangedError,
    )
  })
})
