/** Type tests of cachers of frames: compiled by `npm run typecheck`, never run. */
import type * as arrow from 'apache-arrow'
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import { ArrowCacher } from '../../cachers/arrow.js'
import { Config, type Experiment, type Lazy, lazy, Store, stage } from '../../src/index.js'

const schema = z.object({
  carrier: z.string(),
  delay: z.number().nullable(),
  id: z.bigint(),
  late: z.boolean().optional(),
  at: z.date(),
  tags: z.array(z.string()),
  bytes: z.instanceof(Uint8Array),
  anything: z.unknown(),
})

interface Flight {
  carrier: string
  delay: number
}
declare const flights: Flight[]

export async function loaded(): Promise<void> {
  const plain = await ArrowCacher('flights.arrow').load()
  expectTypeOf(plain).toEqualTypeOf<arrow.Table>()

  for (const typed of [
    await ArrowCacher('flights.arrow', { schema }).load(),
    await new ArrowCacher({ path: 'flights.arrow', schema }).load(),
  ]) {
    expectTypeOf(typed.getChild('carrier')!.get(0)).toEqualTypeOf<string | null>()
    expectTypeOf(typed.getChild('delay')!.get(0)).toEqualTypeOf<number | null>()
    expectTypeOf(typed.getChild('id')!.get(0)).toEqualTypeOf<bigint | null>()
    expectTypeOf(typed.getChild('late')!.get(0)).toEqualTypeOf<boolean | null>()
    expectTypeOf(typed.getChild('at')!.get(0)).toEqualTypeOf<number | null>()
    expectTypeOf(typed.getChild('tags')!.get(0)).toEqualTypeOf<arrow.Vector<arrow.Utf8> | null>()
    expectTypeOf(typed.getChild('bytes')!.get(0)).toEqualTypeOf<Uint8Array | null>()
    // @ts-expect-error there is no such column
    typed.getChild('delays')
  }
}

export async function saved(table: arrow.Table): Promise<void> {
  const cacher = ArrowCacher('flights.arrow')
  await cacher.save(table)
  await cacher.save(flights)
  await cacher.save([{ a: 1, b: [null, 'x'] }])
  await cacher.save([])
  await cacher.save({ a: [1, 2], b: Float32Array.of(1, 2) })
  await cacher.save({ toArrowIPC: () => new Uint8Array() })
  await cacher.save({ writeIPC: () => Buffer.alloc(0) })
  // @ts-expect-error a number is no frame
  await cacher.save(3)
  // @ts-expect-error rows are objects
  await cacher.save([1])

  const checked = ArrowCacher({ schema: z.object({ carrier: z.string(), delay: z.number() }) })
  await checked.save(flights)
  // @ts-expect-error delay is a number
  await checked.save([{ carrier: 'AA', delay: '3' }])
  // @ts-expect-error a schema is one of rows, which are objects
  ArrowCacher({ schema: z.string() })
  // @ts-expect-error there is no such option
  ArrowCacher({ shema: schema })
}

class Params extends Config({ seed: z.int().default(0) }) {}
declare const experiment: Experiment

const load = stage(
  { params: Params, outputs: { flights: ArrowCacher({ schema }), plain: ArrowCacher, later: lazy(ArrowCacher) } },
  async function load() {
    const row = {
      carrier: 'AA',
      delay: null,
      id: 1n,
      at: new Date(),
      tags: ['x'],
      bytes: new Uint8Array(1),
      anything: undefined,
    }
    return { flights: [row], plain: flights, later: { a: [1] } }
  },
)

const use = stage({ inputs: [load], outputs: { mean: null } }, async function use(_record, { flights, plain }) {
  expectTypeOf(flights.getChild('delay')!.get(0)).toEqualTypeOf<number | null>()
  expectTypeOf(plain).toEqualTypeOf<arrow.Table>()
  return { mean: 1 }
})

export async function lazily(): Promise<void> {
  const record = await experiment.run(new Params({}), [load, use])
  expectTypeOf(record.lazy('later')).toEqualTypeOf<Lazy<arrow.Table>>()
  expectTypeOf(await record.lazy('later').rows(0, 10, ['a'])).toEqualTypeOf<arrow.Table>()
  const store = await Store.open('./.curio')
  expectTypeOf(await store.load('flights', ArrowCacher)).toEqualTypeOf<arrow.Table>()
}
