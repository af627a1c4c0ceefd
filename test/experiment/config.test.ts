import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { Config, ConfigError, DeclarationError, ignored, inputFile, isConfig } from '../../src/index.js'

class Optim extends Config({ lr: z.number().default(0.1), name: z.enum(['adam', 'sgd']).default('adam') }) {
  describe(): string {
    return `${this.name}@${this.lr}`
  }
}

class Train extends Config({
  epochs: z.int().positive(),
  optim: Optim,
  data: z.object({ rows: z.int().default(10), tags: z.array(z.string()).default([]) }).prefault({}),
}) {
  total = 0
  get steps(): number {
    return this.epochs * this.data.rows
  }
}

describe('Config', () => {
  it('parses its input once, fills defaults, and makes instances of nested classes', () => {
    const train = new Train({ epochs: 2, optim: {} })
    expect(train.data).toEqual({ rows: 10, tags: [] })
    expect(train.optim).toBeInstanceOf(Optim)
    expect(train.optim.describe()).toBe('adam@0.1')
    expect(train.steps).toBe(20)
    const own = new Optim({ lr: 1 })
    expect(new Train({ epochs: 1, optim: own }).optim).toBe(own)
    expect(isConfig(train)).toBe(true)
    expectTypeOf(train.epochs).toEqualTypeOf<number>()
    expectTypeOf(train.data.tags).toEqualTypeOf<string[]>()
  })

  it('refuses unknown fields at any depth and names the nearest known one', () => {
    const refused = (input: object) => () => new Train(input as never)
    expect(refused({ epoch: 1, epochs: 1, optim: {} })).toThrow('epoch: no such field; did you mean epochs?')
    expect(refused({ epochs: 1, optim: { lrr: 1 } })).toThrow('optim.lrr: no such field; did you mean lr?')
    expect(refused({ epochs: 1, optim: {}, data: { row: 1 } })).toThrow('data.row: no such field; did you mean rows?')
    class Many extends Config({
      list: z.array(z.object({ size: z.int() })),
      either: z.union([z.int(), z.object({ n: z.int() })]),
    }) {}
    expect(() => new Many({ list: [{ size: 1 }, { size: 1, sise: 2 } as never], either: 1 })).toThrow(
      'list.1.sise: no such field; did you mean size?',
    )
    class Loose extends Config({ more: z.looseObject({ a: z.int() }), any: z.record(z.string(), z.int()) }) {}
    expect(new Loose({ more: { a: 1, b: 2 }, any: { c: 3 } }).more).toEqual({ a: 1, b: 2 })
  })

  it('says everything that is wrong in one error, with the path', () => {
    let message = ''
    try {
      new Train({ epochs: -1, optim: { lr: 'x' }, extra: 1 } as never)
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError)
      message = (error as Error).message
    }
    expect(message).toMatch(/Train refuses its input/)
    for (const part of ['epochs: ', 'optim.lr: ', 'extra: no such field']) expect(message).toContain(part)
    expect(() => new Train(undefined as never)).toThrow('epochs')
    expect(() => new Train(null as never)).toThrow(ConfigError)
    expect(() => new Train([] as never)).toThrow(ConfigError)
  })

  it('is read-only and deeply frozen, but a subclass may have fields of its own', () => {
    const train = new Train({ epochs: 1, optim: {}, data: { tags: ['a'] } })
    expect(() => Object.assign(train, { epochs: 2 })).toThrow(ConfigError)
    expect(() => (train.data.tags as string[]).push('b')).toThrow(TypeError)
    expect(() => Object.assign(train.optim, { lr: 2 })).toThrow(ConfigError)
    train.total += 5
    expect(train.total).toBe(5)
    expect(Object.isExtensible(train)).toBe(true)
  })

  it('does not freeze what the caller gave it', () => {
    class Free extends Config({ any: z.unknown(), list: z.array(z.any()) }) {}
    const mine = { list: [{ a: 1 }], any: { b: { c: 1 } } }
    const free = new Free(mine)
    mine.any.b.c = 2
    mine.list[0]!.a = 2
    expect(free.any).toEqual({ b: { c: 1 } })
    expect(free.list).toEqual([{ a: 1 }])
    expect(Object.isFrozen(free.list[0])).toBe(true)
  })

  it('extend adds and replaces fields, inherits methods and getters, and again from a subclass of a subclass', () => {
    class Longer extends Train.extend({ warmup: z.int().default(3), epochs: z.int().default(7) }) {
      override get steps(): number {
        return super.steps + this.warmup
      }
    }
    class Longest extends Longer.extend({ tail: z.string() }) {}
    const longest = new Longest({ optim: {}, tail: 't' })
    expect([longest.steps, longest.epochs, longest.total, longest.tail]).toEqual([73, 7, 0, 't'])
    expect(longest).toBeInstanceOf(Train)
    expect(Object.keys(Longest.shape)).toEqual(['epochs', 'optim', 'data', 'warmup', 'tail'])
    expect(() => new Longest({ optim: {}, tail: 't', tial: 1 } as never)).toThrow('did you mean tail?')
    expectTypeOf(longest.warmup).toEqualTypeOf<number>()
    expect(() => new Train({ epochs: 1, optim: {}, warmup: 1 } as never)).toThrow('warmup: no such field')
  })

  it('a class without a call of its own is its base', () => {
    class Same extends Optim {}
    expect(new Same({ lr: 2 }).describe()).toBe('adam@2')
    class Holder extends Config({ optim: Optim }) {}
    expect(new Holder({ optim: new Same({}) }).optim).toBeInstanceOf(Same)
  })

  it('pick names fields of the class, and refuses others', () => {
    expect(Train.pick('epochs').fields).toEqual(['epochs'])
    expect(() => Train.pick('epoch' as 'epochs')).toThrow(/Train has no field epoch\n.*did you mean epochs\?/)
    expect(Train.pick().fields).toEqual([])
  })

  it('schema parses input into instances and passes instances on', () => {
    const schema = Train.schema()
    const train = schema.parse({ epochs: 1, optim: { lr: 3 } })
    expect(train).toBeInstanceOf(Train)
    expect(schema.parse(train)).toBe(train)
    const result = schema.safeParse({ epochs: 'x', optim: {}, more: 1 })
    expect(result.error?.issues.map((issue) => issue.path.join('.'))).toContain('epochs')
    expect(z.array(Optim.schema()).parse([{}, { lr: 1 }])[1]).toBeInstanceOf(Optim)
    class Maybe extends Config({
      optim: Optim.schema().optional(),
      both: Optim.schema().describe('two of them').nullable(),
    }) {}
    expect(new Maybe({ both: null }).optim).toBeUndefined()
    expect(new Maybe({ both: {} }).both).toBeInstanceOf(Optim)
  })

  it('reads an instance of its own class as input', () => {
    const train = new Train({ epochs: 1, optim: { lr: 4 } })
    expect(new Train(train)).toEqual(train)
    const optim = new Optim({ lr: 2, name: 'sgd' })
    expect(new Optim({ ...optim, lr: 4 }).describe()).toBe('sgd@4')
    class Wider extends Optim.extend({ more: z.int() }) {}
    expect(new Optim(new Wider({ lr: 3, more: 1 }))).toEqual(new Optim({ lr: 3 }))
    class Coded extends Config({ since: z.string().transform((text) => text.length) }) {}
    expect(new Coded(new Coded({ since: 'abc' }) as never).since).toBe(3)
  })

  it('refuses fields that cannot be, and what is neither schema nor class', () => {
    expect(() => Config({ 'a b': z.int() })).toThrow(DeclarationError)
    expect(() => Config(JSON.parse('{"__proto__": 1}') as never)).toThrow(DeclarationError)
    expect(() => Config({ constructor: z.int() } as never)).toThrow('cannot have a field called "constructor"')
    expect(() => Config({ lr: 0.1 } as never)).toThrow('field lr is neither a zod schema nor a Config class')
    expect(() => Train.extend({ more: 3 as never })).toThrow('field more is neither')
  })

  it('an input cannot bring a prototype along', () => {
    const evil = JSON.parse('{"epochs": 1, "optim": {}, "__proto__": {"polluted": true}}') as never
    expect(() => new Train(evil)).toThrow('__proto__: no such field')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  it('a refined, described or optional schema keeps what ignored and inputFile said of it', () => {
    // What they are is asked for where keys are made; here only that no schema is shared.
    const one = inputFile()
    expect(inputFile()).not.toBe(one)
    const int = z.int()
    expect(ignored(int)).not.toBe(int)
    expect(ignored(int).safeParse('x').success).toBe(false)
  })

  it('asks its check of every new configuration, nested and extended ones too', () => {
    class Range extends Config(
      { low: z.number(), high: z.number().default(1) },
      { check: ({ low, high }) => (low > high ? `low ${low} is above high ${high}` : undefined) },
    ) {}
    expect(new Range({ low: 0 }).high).toBe(1)
    expect(() => new Range({ low: 2 })).toThrow(new ConfigError('Range refuses its input: low 2 is above high 1'))
    class Plot extends Config({ x: Range }) {}
    expect(() => new Plot({ x: { low: 2 } })).toThrow('Plot refuses its input: x: low 2 is above high 1')
    class Even extends Range.extend(
      { step: z.number() },
      { check: ({ low, step }) => (low % step === 0 ? undefined : 'low is no step') },
    ) {}
    expect(() => new Even({ low: 3, high: 2, step: 1 })).toThrow('Even refuses its input: low 3 is above high 2')
    expect(() => new Even({ low: 1, high: 2, step: 2 })).toThrow('Even refuses its input: low is no step')
    expect(new Even({ low: 2, high: 2, step: 2 }).step).toBe(2)
    expect(() => Config({}, { chek: () => undefined } as never)).toThrow(DeclarationError)
    class Odd extends Config({}, { check: () => false as never }) {}
    expect(() => new Odd()).toThrow('the check of Odd returned boolean')
  })

  describe('clone', () => {
    class Net extends Config({ size: z.int().default(8), drop: z.number().default(0) }) {}
    class Run extends Config({
      net: Net.schema().prefault({ size: 16 }),
      layers: z.array(z.object({ size: z.int(), name: z.string().default('x') })).default([]),
      free: z.record(z.string(), z.number()).default({}),
      seed: z.string().transform((text) => Number(text)),
      workers: ignored(z.int().default(4)),
    }) {}
    const run = new Run({ seed: '3', layers: [{ size: 1 }, { size: 2 }], free: { a: 1, b: 2 }, workers: 9 })

    it('differs by a dotted or nested change, and by nothing else', () => {
      const other = run.clone({ 'net.drop': 0.5, layers: { 1: { size: 5 } }, 'layers.0.name': 'first' })
      expect(other).toBeInstanceOf(Run)
      expect(other.net).toEqual(new Net({ size: 16, drop: 0.5 }))
      expect(other.layers).toEqual([
        { size: 1, name: 'first' },
        { size: 5, name: 'x' },
      ])
      expect([other.seed, other.workers]).toEqual([3, 9])
      expect([run.net.drop, run.layers[1]!.size]).toEqual([0, 2])
      expect(run.clone()).toEqual(run)
      expect(other.clone({ net: { size: 1 } }).net).toEqual(new Net({ size: 1, drop: 0.5 }))
    })

    it('merges objects, or puts one in the place of what was there', () => {
      expect(run.clone({ free: { c: 3 } }).free).toEqual({ a: 1, b: 2, c: 3 })
      expect(run.clone({ free: { '=replace=': true, c: 3 } }).free).toEqual({ c: 3 })
      expect(run.clone({ net: new Net({ size: 3 }) }).net.size).toBe(3)
      class Outer extends Config({ inner: Run }) {}
      const outer = new Outer({ inner: run })
      expect(outer.clone({ 'inner.net.size': 2 }).inner.net.size).toBe(2)
      expect(outer.inner.net.size).toBe(16)
    })

    it('refuses what does not fit, and names that reach into prototypes', () => {
      expect(() => run.clone({ 'net.siz': 1 })).toThrow(/siz: no such field; did you mean size/)
      expect(() => run.clone({ 'layers.7.size': 1 })).toThrow(/7 is no place in a list of 2/)
      expect(() => run.clone({ '__proto__.x': 1 })).toThrow(ConfigError)
      expect(() => run.clone(JSON.parse('{"net": {"__proto__": {"x": 1}}}') as object as never)).toThrow(ConfigError)
    })
  })

  it('comes from a command line', () => {
    class Optim extends Config({ lr: z.number().default(0.1), name: z.string().default('adam') }) {}
    class Run extends Config({
      epochs: z.int(),
      label: z.string().default(''),
      verbose: z.boolean().default(false),
      tags: z.array(z.string()).default([]),
      optim: Optim.schema().prefault({ name: 'sgd' }),
    }) {}
    const run = Run.fromArgs(['--epochs=3', '--label=007', '--verbose', '--tags=["a"]', '--optim.lr=0.5'])
    expect({ ...run, optim: { ...run.optim } }).toEqual({
      epochs: 3,
      label: '007',
      verbose: true,
      tags: ['a'],
      optim: { lr: 0.5, name: 'sgd' },
    })
    expect(run.optim).toBeInstanceOf(Optim)
    expect(() => Run.fromArgs(['--epochs=3', '--epoch=3'])).toThrow(/did you mean epochs/)
    expect(() => Run.fromArgs(['epochs=3'])).toThrow(/is no --name=value/)
    expect(() => Run.fromArgs(['--epochs=x'])).toThrow(/epochs/)
    expect(() => Run.fromArgs(['--epochs=3', '--optim={"__proto__": 1}'])).toThrow(ConfigError)
  })
})
