/** Type tests of unions of Config classes. */
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import { Config, exported, oneOf, type PlainData, toYaml } from '../../src/index.js'

class Conv extends Config({ name: z.literal('conv').default('conv'), kernel: z.int().default(5) }) {
  build(): string {
    return 'conv'
  }
}
class Transformer extends Config({ name: z.literal('transformer').default('transformer'), heads: z.int() }) {
  build(): string {
    return 'transformer'
  }
}
class Identity extends Config({}) {}
class Train extends Config({
  model: oneOf('name', [Conv, Transformer]),
  list: z.array(oneOf('name', [Conv, Transformer])).default([]),
  standard: oneOf('name', [Conv, Transformer]).prefault({ name: 'conv' }),
}) {}
class Steps extends Config({ steps: z.array(oneOf('type', [Conv, Identity])) }) {}

export async function types(): Promise<void> {
  const train = new Train({ model: { name: 'transformer', heads: 1 }, list: [{ name: 'conv' }, new Conv()] })
  expectTypeOf(train.model).toEqualTypeOf<Conv | Transformer>()
  expectTypeOf(train.list).toEqualTypeOf<(Conv | Transformer)[]>()
  expectTypeOf(train.standard.build()).toEqualTypeOf<string>()
  if (train.model.name === 'transformer') expectTypeOf(train.model.heads).toEqualTypeOf<number>()
  new Train({ model: new Transformer({ heads: 2 }) })
  new Steps({ steps: [{ type: 'Conv', kernel: 3 }, { type: 'Identity' }] })
  expectTypeOf(Train.fromYaml('')).toEqualTypeOf<Promise<Train>>()
  expectTypeOf(Train.fromJson('')).toEqualTypeOf<Train>()
  expectTypeOf(exported(train, { uid: true })).toEqualTypeOf<Promise<PlainData>>()
  expectTypeOf(toYaml(train)).toEqualTypeOf<Promise<string>>()

  // @ts-expect-error nothing says which
  new Train({ model: {} })
  // @ts-expect-error no such variant
  new Train({ model: { name: 'mlp' } })
  // @ts-expect-error heads is required
  new Train({ model: { name: 'transformer' } })
  // @ts-expect-error a field of the other
  new Train({ model: { name: 'transformer', heads: 1, kernel: 3 } })
  // @ts-expect-error none of them
  new Train({ model: new Identity() })
  // @ts-expect-error no class
  oneOf('name', [z.string()])
}
