/** Type tests of the positional form: names and cachers paired by position. */
import { expectTypeOf } from 'vitest'
import { JsonCacher, TextCacher } from '../../cachers/index.js'
import { Codec, type Experiment, Lazy, type Lazy as LazyHandle, stage } from '../../src/index.js'

class NumberCacher extends Codec<number> {
  encode = String
  decode = Number
}
declare const experiment: Experiment

const two = stage({ outputs: ['count', Lazy('text')], cachers: [NumberCacher, TextCacher] }, async function two() {
  return [1, 'x'] as const
})
const one = stage({ outputs: ['all'], cachers: [JsonCacher<number[]>] }, async function one() {
  return [1, 2]
})
const handle = stage(
  { outputs: ['small', Lazy('big', { resolve: false })], cachers: [NumberCacher, TextCacher] },
  async function handle() {
    return [1, 'big']
  },
)
const bare = stage({ outputs: ['a', 'b'] }, async function bare() {
  return [1, 'x'] as const
})
const use = stage(
  { inputs: [two, 'more'], outputs: ['sum'] },
  async function use(_record, { count, text, more }: { count: number; text: string; more: number }) {
    return count + text.length + more
  },
)

export async function records(): Promise<void> {
  const record = await experiment.run(undefined, [two, one, handle, bare])
  expectTypeOf(await record.get('count')).toEqualTypeOf<number>()
  expectTypeOf(await record.get('text')).toEqualTypeOf<string>()
  expectTypeOf(await record.get('all')).toEqualTypeOf<number[]>()
  expectTypeOf(await record.get('big')).toEqualTypeOf<LazyHandle<string>>()
  expectTypeOf(await record.get('a')).toEqualTypeOf<1>()
  expectTypeOf(await record.get('b')).toEqualTypeOf<'x'>()
  // @ts-expect-error no such output
  await record.get('c')
  const summed = await use(record.set('more', 1))
  expectTypeOf(await summed.get('sum')).toEqualTypeOf<number>()
  // @ts-expect-error more is in nobody's outputs
  await experiment.run(undefined, [two, use])
}

export function refused(): void {
  // @ts-expect-error two outputs, one cacher
  stage({ outputs: ['a', 'b'], cachers: [NumberCacher] }, async () => [1, 2])
  // @ts-expect-error one output, two cachers
  stage({ outputs: ['a'], cachers: [NumberCacher, TextCacher] }, async () => 1)
  // @ts-expect-error the second is text
  stage({ outputs: ['a', 'b'], cachers: [NumberCacher, TextCacher] }, async () => [1, 2])
  // @ts-expect-error one value for two outputs
  stage({ outputs: ['a', 'b'], cachers: [NumberCacher, NumberCacher] }, async () => [1])
  // @ts-expect-error three values for two outputs
  stage({ outputs: ['a', 'b'], cachers: [NumberCacher, NumberCacher] }, async () => [1, 2, 3])
  // @ts-expect-error one output is returned bare
  stage({ outputs: ['a'], cachers: [NumberCacher] }, async () => [1])
  // @ts-expect-error an output is a name
  stage({ outputs: [1] }, async () => 1)
}
