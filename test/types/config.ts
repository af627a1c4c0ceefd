/** Type tests of Config. */
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import { Config, type ConfigInstance, ignored, inputFile, type Picked } from '../../src/index.js'

class Optim extends Config({ lr: z.number().default(0.1), name: z.enum(['adam', 'sgd']) }) {
  describe(): string {
    return `${this.name} ${this.lr}`
  }
}
class Train extends Config({
  optim: Optim,
  maybe: Optim.schema().optional(),
  file: inputFile(),
  workers: ignored(z.int().default(1)),
  since: z.string().transform((text) => text.length),
}) {
  get rate(): number {
    return this.optim.lr
  }
}
class Longer extends Train.extend({ epochs: z.int(), workers: z.int().default(2) }) {
  override get rate(): number {
    return super.rate * this.epochs
  }
}
class AllDefaults extends Config({ a: z.int().default(1) }) {}

export function types(): void {
  const train = new Train({ optim: { name: 'adam' }, file: 'x', since: 'abc' })
  expectTypeOf(train.optim.describe()).toEqualTypeOf<string>()
  expectTypeOf(train.maybe?.describe()).toEqualTypeOf<string | undefined>()
  expectTypeOf(train.since).toEqualTypeOf<number>()
  expectTypeOf(train.file).toEqualTypeOf<string>()
  expectTypeOf(new Longer({ optim: train.optim, file: 'x', since: '', epochs: 1 }).optim.name).toEqualTypeOf<
    'adam' | 'sgd'
  >()
  expectTypeOf(new AllDefaults().a).toEqualTypeOf<number>()
  expectTypeOf(Train.pick('file')).toExtend<Picked<{ readonly file: string }>>()
  expectTypeOf(Train.schema().parse({}).rate).toEqualTypeOf<number>()
  expectTypeOf<ConfigInstance<{ a: z.ZodNumber }>>().toEqualTypeOf<Readonly<{ a: number }>>()

  // @ts-expect-error optim is required
  new Train({ file: 'x', since: '' })
  // @ts-expect-error since is text on the way in
  new Train({ optim: { name: 'adam' }, file: 'x', since: 3 })
  // @ts-expect-error no such field
  new Train({ optim: { name: 'adam' }, file: 'x', since: '', epochs: 1 })
  // @ts-expect-error no such field in the nested class
  new Train({ optim: { name: 'adam', rl: 1 }, file: 'x', since: '' })
  // @ts-expect-error read-only
  train.file = 'y'
  // @ts-expect-error no such field
  Train.pick('files')
  // @ts-expect-error neither a schema nor a class
  Config({ a: 1 })
}
