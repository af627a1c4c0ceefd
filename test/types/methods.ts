/** Type tests of `@stage` on methods and of `stageOf`. */
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import { JsonCacher, TextCacher } from '../../cachers/index.js'
import { Codec, Config, type Experiment, type Stage, type StageContext, stage, stageOf } from '../../src/index.js'

class NumberCacher extends Codec<number> {
  encode = String
  decode = Number
}
class Params extends Config({ lr: z.number() }) {}
declare const experiment: Experiment

const source = stage({ outputs: { x: NumberCacher } }, async function source() {
  return { x: 1 }
})

class Model {
  factor = 2

  @stage({ params: Params, inputs: [source], outputs: { y: NumberCacher } })
  async scale(record: StageContext<Params>, { x }: { x: number }) {
    return { y: x * this.factor * record.params.lr }
  }

  @stage({ outputs: ['a', 'b'], cachers: [NumberCacher, TextCacher] })
  async pair(_record: StageContext) {
    return [1, 'x'] as const
  }

  fit = stage({ inputs: [source], outputs: { z: JsonCacher }, name: 'fit' }, async (_record, { x }) => ({ z: [x] }))

  // @ts-expect-error y is a number
  @stage({ outputs: { y: NumberCacher } })
  async wrong(_record: StageContext) {
    return { y: 'text' }
  }

  // @ts-expect-error y is missing
  @stage({ outputs: { x: NumberCacher, y: NumberCacher } })
  async less(_record: StageContext) {
    return { x: 1 }
  }

  // @ts-expect-error the record has other parameters
  @stage({ params: Params, outputs: { y: NumberCacher } })
  async parameters(_record: StageContext<{ other: string }>) {
    return { y: 1 }
  }

  // @ts-expect-error a field cannot be decorated
  @stage({ outputs: { y: NumberCacher } })
  field = 1

  // @ts-expect-error a getter cannot be decorated
  @stage({ outputs: { y: NumberCacher } })
  get getter() {
    return 1
  }

  plain(): number {
    return 1
  }
}

// @ts-expect-error a class cannot be decorated
@stage({ outputs: { y: NumberCacher } })
export class Whole {}

export async function uses(model: Model): Promise<void> {
  expectTypeOf(stageOf(model, 'scale')).toExtend<Stage<Params, { x: number }, { y: number }>>()
  const record = await experiment.run(new Params({ lr: 1 }), [source, stageOf(model, 'scale'), model.fit])
  expectTypeOf(await record.get('y')).toEqualTypeOf<number>()
  expectTypeOf(await record.get('z')).toEqualTypeOf<number[]>()
  // @ts-expect-error scale needs x
  await experiment.run(new Params({ lr: 1 }), [stageOf(model, 'scale')])
  const positional = await experiment.run(undefined, [stageOf(model, 'pair')])
  expectTypeOf(positional.get('a')).resolves.toBeAny()
  // @ts-expect-error no such method
  stageOf(model, 'nothing')
}
