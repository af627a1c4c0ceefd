/** Identity and configurations as exca's own tests pin them, in this library's words. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  type AnyConfigClass,
  Config,
  ConfigError,
  DeclarationError,
  exported,
  type Identified,
  identity,
  ignored,
  NotEncodableError,
  OrderedMap,
  oneOf,
  toYaml,
} from '../../src/index.js'
import { countedOf, keyOf, uidOf } from './helpers.js'

const hashOf = async (config: object) => (await keyOf(config)).hash
const uid = { uid: true, excludeDefaults: true } as const

class Optim extends Config({ lr: z.number().default(0.1), name: z.string().default('adam') }) {}
class Train extends Config({
  epochs: z.int(),
  optim: Optim.schema().prefault({}),
  workers: ignored(z.int().default(4)),
  log: ignored(Optim.schema().prefault({})),
}) {}

describe('identity, rows 1 to 17', () => {
  it('1: configurations that differ only in fields equal to defaults have one uid', async () => {
    const base = await uidOf(new Train({ epochs: 1 }))
    expect(await uidOf(new Train({ epochs: 1, optim: { lr: 0.1 }, workers: 4 }))).toBe(base)
    expect(await uidOf(new Train({ epochs: 1, optim: new Optim({ name: 'adam' }) }))).toBe(base)
  })

  it('2: a field that is ignored changes neither uid nor folder', async () => {
    const [one, two] = [new Train({ epochs: 1 }), new Train({ epochs: 1, workers: 9 })]
    expect((await keyOf(two)).text).toBe((await keyOf(one)).text)
    expect(await exported(two, { uid: true })).toEqual({ epochs: 1, optim: { lr: 0.1, name: 'adam' } })
    class Quiet extends Train.extend({ epochs: ignored(Train.shape.epochs) }) {}
    expect(await hashOf(new Quiet({ epochs: 1 }))).toBe(await hashOf(new Quiet({ epochs: 2 })))
  })

  it('3: a whole sub-configuration that is ignored may change in any field', async () => {
    const [one, two] = [new Train({ epochs: 1 }), new Train({ epochs: 1, log: { lr: 9, name: 'sgd' } })]
    expect(await hashOf(two)).toBe(await hashOf(one))
    expect(await exported(two, { excludeDefaults: true })).toEqual({ epochs: 1, log: { lr: 9, name: 'sgd' } })
    expect(await exported(one, { excludeDefaults: true })).toEqual({ epochs: 1 })
    const { paramsIdentity } = await import('../../src/identity/params.js')
    const { ignored } = await paramsIdentity(Train.shape, two as never, Object.keys(Train.shape))
    expect(ignored).toEqual({ log: '{"lr":9,"name":"sgd"}', workers: '4' })
  })

  it('4 and 9: what counts is said by a mark on the field or by pick, which names a field that does not exist', () => {
    expect(() => Train.pick('epoch' as 'epochs')).toThrow(/Train has no field epoch\n.*did you mean epochs/)
  })

  it('5: a required field is always there, even an empty one', async () => {
    class Required extends Config({ optim: Optim, n: z.int() }) {}
    expect(await exported(new Required({ optim: {}, n: 0 }), uid)).toEqual({ n: 0, optim: {} })
    expect(await countedOf(new Required({ optim: {}, n: 0 }))).toEqual({ n: 0, optim: {} })
  })

  it('6: which variant it is is in the uid of the parent, the default one too, and not in that of the variant alone', async () => {
    class A extends Config({ kind: z.literal('a').default('a'), n: z.int().default(1) }) {}
    class B extends Config({ kind: z.literal('b').default('b'), n: z.int().default(1) }) {}
    class Parent extends Config({ sub: oneOf('kind', [A, B]).prefault({ kind: 'a' }) }) {}
    expect(await exported(new Parent(), uid)).toEqual({ sub: { kind: 'a' } })
    expect(await exported(new Parent({ sub: { kind: 'b', n: 2 } }), uid)).toEqual({ sub: { kind: 'b', n: 2 } })
    expect(await exported(new A(), uid)).toEqual({})
    expect(await uidOf(new Parent())).not.toBe(await uidOf(new Parent({ sub: { kind: 'b' } })))
    expect(() => Config({ sub: z.union([A.schema(), B.schema()]) })).toThrow(DeclarationError)
  })

  it('7: back at the defaults of its class, a field with a customised default still shows the difference', async () => {
    class Custom extends Config({ optim: Optim.schema().prefault({ lr: 0.5, name: 'sgd' }) }) {}
    class Instance extends Config({ optim: Optim.schema().default(new Optim({ lr: 0.5, name: 'sgd' })) }) {}
    for (const Class of [Custom, Instance as unknown as typeof Custom]) {
      const [standard, back, half] = [new Class(), new Class({ optim: {} }), new Class({ optim: { lr: 0.5 } })]
      expect(await exported(standard, uid)).toEqual({})
      expect(await exported(back, uid)).toEqual({ optim: {} })
      expect(await exported(half, uid)).toEqual({ optim: { lr: 0.5 } })
      for (const one of [standard, back, half]) {
        expect(Class.fromJson(JSON.stringify(await exported(one, uid)))).toEqual(one)
      }
      expect(new Set(await Promise.all([standard, back, half].map(hashOf))).size).toBe(3)
    }
  })

  it('10: the order of an ordered map counts, that of a plain object or map does not', async () => {
    class Maps extends Config({ x: z.unknown() }) {}
    const pairs: [string, number][] = [
      ['b', 1],
      ['a', 2],
    ]
    const turned = pairs.toReversed()
    const both = async (make: (entries: [string, number][]) => unknown) =>
      (await hashOf(new Maps({ x: make(pairs) }))) === (await hashOf(new Maps({ x: make(turned) })))
    expect(await both(Object.fromEntries)).toBe(true)
    expect(await both((entries) => new Map(entries))).toBe(true)
    expect(await both((entries) => new OrderedMap(entries))).toBe(false)
    const ordered = new Maps({ x: new OrderedMap(pairs) })
    for (const again of [ordered.clone(), await Maps.fromYaml(await toYaml(ordered))]) {
      expect([...(again.x as Map<string, number>)]).toEqual(pairs)
      expect(await hashOf(again)).toBe(await hashOf(ordered))
    }
  })

  it('11: a set built in any order is the same, and no list', async () => {
    class Sets extends Config({ x: z.unknown() }) {}
    const [one, two, list] = [new Set([1, 'a']), new Set(['a', 1]), [1, 'a']].map((x) => hashOf(new Sets({ x })))
    expect(await one).toBe(await two)
    expect(await list).not.toBe(await one)
  })

  it('12: equal readable texts with other names or types have other hashes', async () => {
    class One extends Config({ x: z.unknown() }) {}
    class Two extends Config({ x: z.unknown(), y: z.unknown() }) {}
    const pairs: [object, object][] = [
      [new One({ x: 1 }), new One({ x: '1' })],
      [new One({ x: '1,y=2' }), new Two({ x: 1, y: 2 })],
      [new One({ x: { a: '1/2' } }), new One({ x: { a: '1 2' } })],
    ]
    for (const [a, b] of pairs) {
      const [left, right] = [await uidOf(a), await uidOf(b)]
      expect(left.slice(0, -16)).toBe(right.slice(0, -16))
      expect(left).not.toBe(right)
    }
  })

  it('13: a number and an exact decimal of the same text differ; two exact ones of one value agree', async () => {
    class Decimal implements Identified {
      constructor(
        readonly units: bigint,
        readonly scale: bigint,
      ) {}
      [identity]() {
        let { units, scale } = this
        while (units % 10n === 0n && scale % 10n === 0n) [units, scale] = [units / 10n, scale / 10n]
        return ['test.Decimal', [units, scale]] as const
      }
    }
    class One extends Config({ x: z.unknown() }) {}
    const [number, text] = [await uidOf(new One({ x: 1.1 })), await uidOf(new One({ x: '1.1' }))]
    expect([number.slice(0, -16), number === text]).toEqual([text.slice(0, -16), false])
    const [exact, same] = [new Decimal(11n, 10n), new Decimal(110n, 100n)].map((x) => hashOf(new One({ x })))
    expect(await exact).toBe(await same)
    expect(await exact).not.toBe(await hashOf(new One({ x: 1.1 })))
  })

  it('14: a uid is bounded, good for any file system and glob, short entries first, and says how much was cut', async () => {
    const long = { b: 'x*?[a-z]/\\\n'.repeat(100), z: 1, a: [1, 2], c: { d: '~'.repeat(1000) } }
    class Long extends Config({ b: z.string(), z: z.int(), a: z.array(z.int()), c: z.object({ d: z.string() }) }) {}
    const text = await uidOf(new Long(long))
    expect(text).toMatch(/^z=1,c=-d-,a=-1,2-,b=[A-Za-z0-9._=,()-]*\.\.\.\d+-[a-z2-7]{16}$/)
    expect(text.length).toBeLessThanOrEqual(97)
  })

  it('15: a configuration that says nothing is called default, and has a hash', async () => {
    expect(await uidOf(new Optim())).toMatch(/^default-[a-z2-7]{16}$/)
  })

  it('16: what has no identity is refused with its path', async () => {
    class Any extends Config({ x: z.unknown() }) {}
    const error = await keyOf(new Any({ x: { f: [() => 1] } })).catch((one: unknown) => one)
    expect(error).toBeInstanceOf(NotEncodableError)
    expect((error as NotEncodableError).path).toBe('x.f[0]')
  })

  it('17: known configurations have these uids', async () => {
    class Conv extends Config({ type: z.literal('conv').default('conv'), layers: z.int().default(12) }) {}
    class Golden extends Config({
      param1: z.int().default(12),
      optim: Optim.schema().prefault({}),
      model: oneOf('type', [Conv]).optional(),
      list: z.array(Optim.schema()).default([]),
      table: z.record(z.string(), z.unknown()).default({}),
    }) {}
    const golden = new Golden({
      param1: 13,
      optim: { lr: 0.01 },
      model: { type: 'conv', layers: 3 },
      list: [{}],
      table: { b: new Date(0), a: 12n },
    })
    expect((await keyOf(golden)).material).toBe(
      '["curio-key-1","pkg/module.Class.method","1",{"list":[{"lr":0.1,"name":"adam"}],"model":{"layers":3,"type":"conv"},' +
        '"optim":{"lr":0.01},"param1":13,"table":{"a":12n,"b":Date(0)}},{},{}]',
    )
    expect(await uidOf(golden)).toMatchInlineSnapshot(
      `"param1=13,optim=-lr-0.01-,list=-lr-0.1,-name-adam-,table=-a-12n,-b-Date(0)...29-dg6grzq6mm53xs55"`,
    )
    expect(await uidOf(new Golden({ param1: 13 }))).toMatchInlineSnapshot(`"param1=13-p5dewq4wa76owqrj"`)
  })
})

describe('handling of configurations, rows 22 to 32 and 92', () => {
  it('22: a dotted and a nested change give the same configuration', () => {
    const train = new Train({ epochs: 1 })
    const dotted = train.clone({ 'optim.lr': 3, 'optim.name': 'sgd' })
    expect(dotted).toEqual(train.clone({ optim: { lr: 3, name: 'sgd' } }))
    expect(dotted).toEqual(train.clone({ 'optim.lr': 3, optim: { name: 'sgd' } }))
  })

  it('22: what is wrong with a change is said of the whole, at its dotted place', () => {
    const train = new Train({ epochs: 1, optim: new Optim() })
    expect(() => train.clone({ 'optim.lr': 'x' })).toThrow(/^Train refuses its input: optim\.lr: /)
    expect(() => Train.fromArgs(['--epochs=1', '--optim.lr=x'])).toThrow(/^Train refuses its input: optim\.lr: /)
    class List extends Config({ all: z.array(Optim.schema()) }) {}
    const list = new List({ all: [new Optim(), {}] })
    for (const i of [0, 1]) {
      const name = `all.${i}.lrr`
      expect(() => list.clone({ [name]: 1 })).toThrow(
        `List refuses its input: ${name}: no such field; did you mean lr?`,
      )
    }
  })

  it('23: a change with the replace mark wipes what was there, another is merged', () => {
    const train = new Train({ epochs: 1, optim: { lr: 3, name: 'sgd' } })
    expect(train.clone({ optim: { lr: 4 } }).optim).toEqual(new Optim({ lr: 4, name: 'sgd' }))
    expect(train.clone({ optim: { '=replace=': true, lr: 4 } }).optim).toEqual(new Optim({ lr: 4 }))
  })

  it('24: as YAML and back it is an equal object with the same uid', async () => {
    const train = new Train({ epochs: 1, optim: { lr: 1e-9 }, workers: 2 })
    const again = await Train.fromYaml(await toYaml(train))
    expect(again).toEqual(train)
    expect(await uidOf(again)).toBe(await uidOf(train))
  })

  it('25: a command line makes a nested configuration', () => {
    expect(Train.fromArgs(['--epochs=3', '--optim.lr=0.5', '--optim.name=12'])).toEqual(
      new Train({ epochs: 3, optim: { lr: 0.5, name: '12' } }),
    )
  })

  it('26: an unknown field fails at once, with its path and the nearest known one', () => {
    expect(() => new Train({ epochs: 1, optim: { lrr: 1 } as never })).toThrow(
      'Train refuses its input: optim.lrr: no such field; did you mean lr?',
    )
  })

  it('27: a field cannot be set, and the error says how to have another value', () => {
    const train = new Train({ epochs: 1 }) as { epochs: number; optim: { lr: number } } & Train
    expect(() => Object.assign(train, { epochs: 2 })).toThrow(
      /epochs of a Train cannot be set.*\n.*config\.clone\(\{ epochs: … \}\)/,
    )
    expect(() => Object.assign(train.optim, { lr: 2 })).toThrow(ConfigError)
    expect(train.epochs).toBe(1)
    class Mine extends Train {
      note = 'mine'
    }
    expect(Object.assign(new Mine({ epochs: 1 }), { note: 'yours' }).note).toBe('yours')
  })

  it('28: a clone differs in what was asked, ignored values and all else kept', async () => {
    const train = new Train({ epochs: 1, workers: 9, log: { lr: 2 } })
    await uidOf(train)
    const clone = train.clone({ epochs: 2 })
    expect([clone.epochs, clone.workers, clone.log.lr]).toEqual([2, 9, 2])
    class Maybe extends Config({ num: Optim.schema().nullable().prefault({ lr: 12 }) }) {}
    const none = new Maybe().clone({ num: null })
    expect([none.num, none.clone({ num: { lr: 10 } }).num]).toEqual([null, new Optim({ lr: 10 })])
  })

  it('29: containers of a clone are its own, and of nobody to change', () => {
    class Holder extends Config({ list: z.array(z.array(z.int())) }) {}
    const mine = [[1]]
    const holder = new Holder({ list: mine })
    const clone = holder.clone({ 'list.0.0': 2 })
    mine[0]![0] = 7
    expect([holder.list, clone.list]).toEqual([[[1]], [[2]]])
    expect(() => clone.list[0]!.push(3)).toThrow(TypeError)
  })

  it('32: twelve levels with ten thousand fields can be cloned, keyed, written and read', {
    // What takes time by the square, or worse, takes minutes.
    timeout: 120_000,
  }, async () => {
    const shape: Record<string, z.ZodType> = {}
    for (let k = 0; k < 5; k++)
      Object.assign(shape, { [`int${k}`]: z.int().default(k), [`str${k}`]: z.string().default(`${k}`) })
    let Level: AnyConfigClass = Config(shape)
    for (let level = 0; level < 11; level++) {
      Level = class extends Config({ ...shape }) {}
      shape[`level${level}`] = Level.schema().prefault({})
    }
    class Deep extends Config({ x: Config(shape).schema().prefault({}) }) {}
    const deep = new Deep().clone({
      'x.level10.level9.level8.level7.level6.level5.level4.level3.level2.level1.level0.int0': 7,
    })
    const text = await toYaml(deep)
    expect(text.split('\n').length).toBeGreaterThan(10_000)
    expect(await uidOf(await Deep.fromYaml(text))).toBe(await uidOf(deep))
    expect(JSON.stringify(await exported(deep, uid))).toHaveLength(
      '{"x":}'.length + 10 * '{"level9":}'.length + '{"level10":{"int0":7}}'.length,
    )
  })

  it('92: an error in a list gives a short path', () => {
    class Chain extends Config({ steps: z.array(z.object({ coef: z.number() })) }) {}
    expect(() => new Chain({ steps: [{ coef: 'x' as never }] })).toThrow(/^Chain refuses its input: steps\.0\.coef: /)
  })

  it('a configuration may hold others of its own class', async () => {
    class Tree extends Config({ n: z.int(), left: z.lazy((): z.ZodType => Tree.schema().optional()) }) {}
    const tree = new Tree({ n: 1, left: { n: 2, left: { n: 3 } } })
    expect(tree.left).toBeInstanceOf(Tree)
    expect(() => new Tree({ n: 1, left: { n: 2, lef: {} } })).toThrow('left.lef: no such field; did you mean left?')
    expect(await countedOf(tree)).toEqual({ n: 1, left: { n: 2, left: { n: 3 } } })
    const clone = tree.clone({ 'left.left.n': 4 })
    expect(await hashOf(clone)).not.toBe(await hashOf(tree))
    expect(await Tree.fromYaml(await toYaml(clone))).toEqual(clone)
  })
})
