import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { type AnyConfigClass, Config, DeclarationError, exported, ignored, oneOf } from '../../src/index.js'
import { countedOf, keyOf } from './helpers.js'

class Conv extends Config({
  name: z.literal('conv').default('conv'),
  layers: z.int().default(12),
  kernel: z.int().default(5),
}) {
  build(): string {
    return `conv ${this.layers}`
  }
}
class Transformer extends Config({
  name: z.literal('transformer').default('transformer'),
  layers: z.int().default(12),
  heads: z.int().default(8),
}) {
  build(): string {
    return `transformer ${this.heads}`
  }
}
const model = () => oneOf('name', [Conv, Transformer])

class Trainer extends Config({ model: model(), lr: z.number().default(1) }) {}

describe('a field of one of several classes', () => {
  it('is of the class that its discriminator says, and takes only that class’s fields', () => {
    const trainer = new Trainer({ model: { name: 'transformer', heads: 2 } })
    expect(trainer.model).toBeInstanceOf(Transformer)
    expect(trainer.model.build()).toBe('transformer 2')
    if (trainer.model.name === 'conv') expectTypeOf(trainer.model.kernel).toEqualTypeOf<number>()
    else expectTypeOf(trainer.model.heads).toEqualTypeOf<number>()
    expect(() => new Trainer({ model: { name: 'transformer', kernel: 2 } as never })).toThrow(
      'Trainer refuses its input: model.kernel: no such field',
    )
    expect(() => new Trainer({ model: { name: 'conv', kernal: 2 } as never })).toThrow(
      'model.kernal: no such field; did you mean kernel?',
    )
  })

  it('takes an instance of one of them, or of a class that extends one', () => {
    class Wide extends Conv {}
    expect(new Trainer({ model: new Conv() }).model.build()).toBe('conv 12')
    expect(new Trainer({ model: new Wide() }).model).toBeInstanceOf(Wide)
    class Other extends Config({}) {}
    expect(() => new Trainer({ model: new Other() as never })).toThrow('model: a Other is none of conv, transformer')
  })

  it('names the known ones for an unknown or missing discriminator, and for what is no object', () => {
    const refused = (given: unknown) => () => new Trainer({ model: given as never })
    expect(refused({ name: 'convv' })).toThrow('model.name: "convv" is none of conv, transformer; did you mean conv?')
    expect(refused({ name: 3 })).toThrow('model.name: 3 is none of conv, transformer')
    expect(refused({ name: '__proto__' })).toThrow('is none of conv, transformer')
    expect(refused({ layers: 3 })).toThrow('model.name: missing, and says which: conv, transformer')
    for (const bad of [undefined, null, 'conv', [], 3]) {
      expect(refused(bad)).toThrow('model: expected an object with name: conv, transformer')
    }
  })

  it('can be optional, have a default, and stand in lists and records', async () => {
    class Many extends Config({
      maybe: model().optional(),
      standard: model().prefault({ name: 'conv', layers: 6 }),
      list: z.array(model()).default([]),
      table: z.record(z.string(), model()).default({}),
      pair: z.tuple([model(), z.int()]).optional(),
      map: z.map(z.string(), model()).optional(),
    }) {}
    const many = new Many({
      list: [{ name: 'conv' }, new Transformer()],
      table: { a: { name: 'transformer', heads: 1 } },
      pair: [{ name: 'conv' }, 1],
      map: new Map([['x', new Conv()]]),
    })
    expect([many.maybe, many.standard.layers, many.table.a!.build()]).toEqual([undefined, 6, 'transformer 1'])
    expect(many.list.map((one) => one.build())).toEqual(['conv 12', 'transformer 8'])
    expect(() => new Many({ list: [{ name: 'conv' }, { name: 'conv', layers: 'x' }] as never })).toThrow(
      /list\.1\.layers: /,
    )
    expect(() => new Many({ table: { a: { name: 'x' } } as never })).toThrow(/table\.a\.name: "x" is none of/)
    const key = (await keyOf(many)).hash
    expect((await keyOf(many.clone({ 'list.1.heads': 9 }))).hash).not.toBe(key)
    expect((await keyOf(many.clone({ 'table.a.heads': 9 }))).hash).not.toBe(key)
    expect((await keyOf(many.clone({ map: new Map([['x', new Transformer()]]) }))).hash).not.toBe(key)
    expect((await keyOf(many.clone({ pair: [{ name: 'transformer' }, 1] }))).hash).not.toBe(key)
    expect((await keyOf(many.clone())).hash).toBe(key)
    expect(await Many.fromJson(JSON.stringify(await exported(many)))).toEqual(many)
  })

  it('takes the class’s name where the class has no field for it', async () => {
    class Add extends Config({ by: z.int() }) {}
    class Multiply extends Config({ by: z.int().default(2) }) {}
    class Calculation extends Config({ steps: z.array(oneOf('type', [Add, Multiply])) }) {}
    const one = new Calculation({ steps: [{ type: 'Multiply' }, { type: 'Add', by: 1 }] })
    expect(one.steps[0]).toBeInstanceOf(Multiply)
    expect(await countedOf(one)).toEqual({
      steps: [
        { by: 2, type: 'Multiply' },
        { by: 1, type: 'Add' },
      ],
    })
    expect(await exported(one)).toEqual({
      steps: [
        { by: 2, type: 'Multiply' },
        { by: 1, type: 'Add' },
      ],
    })
    expect(() => new Calculation({ steps: [{ type: 'Multiplyy' }] as never })).toThrow(
      /steps\.0\.type: .*did you mean Multiply/,
    )
    const clone = one.clone({ 'steps.0.by': 3, 'steps.1.type': 'Multiply' })
    expect(clone.steps).toEqual([new Multiply({ by: 3 }), new Multiply()])
  })

  it('knows classes that are added later, and its own', () => {
    class Leaf extends Config({ n: z.int() }) {}
    const known: AnyConfigClass[] = [Leaf]
    class Tree extends Config({ children: z.array(oneOf('type', () => known)) }) {}
    known.push(Tree)
    const tree = new Tree({
      children: [
        { type: 'Leaf', n: 1 },
        { type: 'Tree', children: [{ type: 'Leaf', n: 2 }] },
      ],
    })
    expect(tree.children[1]).toBeInstanceOf(Tree)
    expect(() => new Tree({ children: [{ type: 'Tree', children: [{ type: 'Leaf', n: 'x' }] }] })).toThrow(
      /children\.0\.children\.0\.n: /,
    )
  })

  it('is refused where nothing tells the classes apart', () => {
    class Same extends Config({ name: z.literal('conv').default('conv') }) {}
    expect(() => oneOf('name', [Conv, Same])).toThrow('Conv and Same are both name: conv')
    class Free extends Config({ name: z.string().default('free') }) {}
    class Bare extends Config({ name: z.literal('bare') }) {}
    for (const Class of [Free, Bare]) expect(() => oneOf('name', [Conv, Class])).toThrow(DeclarationError)
    expect(() => oneOf('name', [Conv, class extends Config({}) {}])).not.toThrow(TypeError)
    expect(() => oneOf('name', [z.string() as never])).toThrow('takes Config classes')
  })

  it('is what a union of classes must be: without a discriminator it is refused where it is declared', () => {
    const both = z.union([Conv.schema(), Transformer.schema()])
    for (const schema of [
      both,
      both.optional(),
      z.array(both),
      z.record(z.string(), both),
      Conv.schema().or(model().nullable()),
    ]) {
      expect(() => Config({ model: schema })).toThrow(
        /field model is one of several configurations, and nothing says which/,
      )
    }
    class Preset extends Config({ model: z.union([z.string(), Conv.schema()]) }) {}
    expect(new Preset({ model: 'small' }).model).toBe('small')
  })

  it('alone with a text is a union that has an identity', async () => {
    class Preset extends Config({ model: z.union([z.string(), Conv.schema()]) }) {}
    const keys = [{ model: 'conv' }, { model: { layers: 12 } }, { model: { layers: 3 } }].map(
      async (input) => (await keyOf(new Preset(input))).hash,
    )
    expect(new Set(await Promise.all(keys)).size).toBe(3)
  })
})

describe('what says which class it is', () => {
  it('always counts in the configuration that has the field, and never in the variant on its own', async () => {
    class Defaults extends Config({ model: model().prefault({ name: 'conv' }) }) {}
    expect(await countedOf(new Defaults())).toEqual({ model: { name: 'conv' } })
    expect(await countedOf(new Defaults({ model: { name: 'transformer' } }))).toEqual({
      model: { name: 'transformer' },
    })
    expect(await countedOf(new Conv())).toEqual({})
    expect(await countedOf(new Conv({ layers: 3 }))).toEqual({ layers: 3 })
    expect(await countedOf(new Defaults({ model: new Conv({ layers: 3 }) }))).toEqual({
      model: { layers: 3, name: 'conv' },
    })
  })

  it('keeps apart variants whose fields are the same', async () => {
    class A extends Config({ n: z.int().default(1) }) {}
    class B extends Config({ n: z.int().default(1) }) {}
    class Holder extends Config({ x: oneOf('kind', [A, B]) }) {}
    expect((await keyOf(new Holder({ x: { kind: 'A' } }))).hash).not.toBe(
      (await keyOf(new Holder({ x: { kind: 'B' } }))).hash,
    )
    expect(await exported(new Holder({ x: { kind: 'B' } }), { uid: true, excludeDefaults: true })).toEqual({
      x: { kind: 'B' },
    })
  })

  it('a class that is not in the list is another, even with the fields of one that is', async () => {
    class Wide extends Conv {}
    const [plain, wide] = [new Trainer({ model: new Conv() }), new Trainer({ model: new Wide() })]
    expect((await keyOf(wide)).hash).not.toBe((await keyOf(plain)).hash)
    const data = JSON.stringify(await exported(wide))
    expect(data).toContain('"$class":"Wide"')
    expect(() => Trainer.fromJson(data)).toThrow('model.$class: no such field')
  })

  it('of a customised default leaves the difference to the class’s own defaults in the key', async () => {
    class Custom extends Config({ model: model().prefault({ name: 'conv', layers: 6 }) }) {}
    const counted = [new Custom(), new Custom({ model: { name: 'conv', layers: 12 } })].map(countedOf)
    expect(await Promise.all(counted)).toEqual([{ model: { layers: 6, name: 'conv' } }, { model: { name: 'conv' } }])
  })

  it('can be changed by a clone or a command line, and takes nothing of the other class along', () => {
    const base = new Trainer({ model: new Conv({ layers: 3, kernel: 1 }) })
    expect(base.clone({ 'model.kernel': 2 }).model).toEqual(new Conv({ layers: 3, kernel: 2 }))
    expect(base.clone({ 'model.name': 'conv', 'model.layers': 4 }).model).toEqual(new Conv({ layers: 4, kernel: 1 }))
    for (const from of [base, new Trainer({ model: { name: 'conv', layers: 3 } })]) {
      expect(from.clone({ 'model.name': 'transformer', 'model.heads': 2 }).model).toEqual(new Transformer({ heads: 2 }))
    }
    expect(() => base.clone({ 'model.name': 'nope' })).toThrow(/name/)
    class Defaults extends Config({
      model: model().prefault({ name: 'conv', layers: 6 }),
      level: ignored(z.int().default(1)),
    }) {}
    expect(Defaults.fromArgs(['--model.name=transformer', '--model.heads=4', '--level=2']).model).toEqual(
      new Transformer({ heads: 4 }),
    )
    expect(Defaults.fromArgs(['--model.kernel=4']).model).toEqual(new Conv({ layers: 6, kernel: 4 }))
  })
})
