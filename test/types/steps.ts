/** Type tests of steps and chains. */
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import {
  type AnyStep,
  anyStep,
  Chain,
  Step,
  type StepArguments,
  type StepLookup,
  type StepResult,
  type StepValue,
} from '../../src/index.js'

class Load extends Step({ path: z.string() }) {
  async compute(): Promise<string[]> {
    return [this.path]
  }
}
class Count extends Step({}) {
  compute(lines: readonly string[]): number {
    return lines.length
  }
}
class Scale extends Step({ by: z.number().default(2) }) {
  compute(value: number): number {
    return value * this.by
  }
}
class Maybe extends Step({}) {
  compute(value?: number): string {
    return String(value)
  }
}
class Embed extends Step({ model: z.string() }) {
  override itemUid(text: string): string {
    return text
  }
  async *computeBatch(texts: AsyncIterable<string>): AsyncGenerator<Float32Array> {
    for await (const text of texts) yield new Float32Array(text.length)
  }
}
class Study extends Step({ body: anyStep<[timeline: number], string>(), timelines: z.array(z.int()) }) {
  async compute(): Promise<string[]> {
    return this.body.runMany(this.timelines).toArray()
  }
}
class Wider extends Scale.extend({ more: z.string() }) {}

export async function types(): Promise<void> {
  const scale = new Scale()
  expectTypeOf(scale.by).toEqualTypeOf<number>()
  expectTypeOf(scale.run(1)).toEqualTypeOf<Promise<number>>()
  expectTypeOf(await scale.runMany([1]).toArray()).toEqualTypeOf<number[]>()
  expectTypeOf(scale.lookup(1)).toEqualTypeOf<StepLookup<number>>()
  expectTypeOf(await scale.hasCache(1)).toEqualTypeOf<boolean>()
  expectTypeOf(scale.clone({ by: 3 })).toEqualTypeOf<Scale>()
  expectTypeOf(new Load({ path: '.' }).run()).toEqualTypeOf<Promise<string[]>>()
  expectTypeOf(new Embed({ model: 'm' }).run('a')).toEqualTypeOf<Promise<Float32Array>>()
  expectTypeOf(new Wider({ more: 'x' }).run(1)).toEqualTypeOf<Promise<number>>()
  expectTypeOf<StepArguments<Maybe>>().toEqualTypeOf<[value?: number]>()
  expectTypeOf<StepValue<Scale>>().toEqualTypeOf<number>()
  expectTypeOf<StepResult<Load>>().toEqualTypeOf<string[]>()
  expectTypeOf(new Maybe().run()).toEqualTypeOf<Promise<string>>()

  // @ts-expect-error no input
  new Load({ path: '.' }).run(1)
  // @ts-expect-error an input is needed
  scale.run()
  // @ts-expect-error of another kind
  scale.run('1')
  // @ts-expect-error of another kind
  scale.runMany(['1'])
  // @ts-expect-error of another kind
  scale.lookup('1')
  // @ts-expect-error a generator takes no values
  new Load({ path: '.' }).runMany([1])
  // @ts-expect-error no such option
  new Scale({ infra: { folder: '.', gpus_per_node: 1 } })

  const chain = new Chain({ steps: [new Load({ path: '.' }), new Count(), scale], infra: { folder: '.' } })
  expectTypeOf(chain.run()).toEqualTypeOf<Promise<number>>()
  expectTypeOf(chain.lookup()).toEqualTypeOf<StepLookup<number>>()
  expectTypeOf(new Chain({ steps: [chain, new Maybe()] }).run()).toEqualTypeOf<Promise<string>>()
  expectTypeOf(new Chain({ steps: [new Embed({ model: 'm' })] }).runMany(['a']).toArray()).toEqualTypeOf<
    Promise<Float32Array[]>
  >()
  expectTypeOf(chain.clone({ 'steps.2.by': 3 })).toEqualTypeOf<typeof chain>()

  // @ts-expect-error text is no list
  new Chain({ steps: [new Maybe(), new Count()] })
  new Chain({
    steps: [
      new Load({ path: '.' }),
      // @ts-expect-error it takes numbers, and gets lists of text: said at this element
      new Scale(),
      new Maybe(),
    ],
  })
  new Chain({
    steps: [
      new Count(),
      // @ts-expect-error it takes nothing
      new Load({ path: '.' }),
    ],
  })
  // @ts-expect-error a chain that begins with a generator takes no input
  chain.run(1)

  const data = new Chain({ steps: [{ type: 'Load', path: '.' }, [{ type: 'Count' }, scale]] })
  expectTypeOf(data.run()).toEqualTypeOf<Promise<unknown>>()
  expectTypeOf(data.runMany([1, 'a'])).toExtend<AsyncIterable<unknown>>()
  expectTypeOf(
    new Chain({ steps: { load: new Load({ path: '.' }), rest: [new Count()] } }).at('load'),
  ).toExtend<AnyStep>()
  new Chain({ steps: [data, scale] })

  const study = new Study({ body: [new Scale(), { type: 'Maybe' }], timelines: [1] })
  expectTypeOf(study.body.run(1)).toEqualTypeOf<Promise<string>>()
  expectTypeOf(study.run()).toEqualTypeOf<Promise<string[]>>()
}
