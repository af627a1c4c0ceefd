import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type AnyConfigClass, Config, type Identified, identity, ignored, stage } from '../../src/index.js'
import { NumberCacher, newStore, quiet } from './helpers.js'

/** A stage of one name that reads all of a configuration, whatever its class. */
const reading = (params: object) =>
  stage({ params: params.constructor as AnyConfigClass, outputs: { n: NumberCacher }, name: 'hashing' }, async () => ({
    n: 1,
  }))

async function keyOf(params: object): Promise<string> {
  const record = await reading(params)((await quiet()).record(params))
  return record.stages[0]!.key
}

describe('curifactory, section 2: hashing', () => {
  it('row 40: the order of fields does not count; swapped values and other names do', async () => {
    class AB extends Config({ a: z.int(), b: z.int() }) {}
    class BA extends Config({ b: z.int(), a: z.int() }) {}
    class AC extends Config({ a: z.int(), c: z.int() }) {}
    const key = await keyOf(new AB({ a: 1, b: 2 }))
    expect(await keyOf(new BA({ b: 2, a: 1 }))).toBe(key)
    expect(await keyOf(new AB({ a: 2, b: 1 }))).not.toBe(key)
    expect(await keyOf(new AC({ a: 1, c: 2 }))).not.toBe(key)
  })

  it('row 41 (differently): null is a value; what does not count are defaults and ignored fields', async () => {
    class Old extends Config({ a: z.int() }) {}
    class New extends Config({
      a: z.int(),
      note: z.string().nullable().optional(),
      limit: z.int().nullable().default(null),
      workers: ignored(z.int().default(2)),
    }) {}
    const key = await keyOf(new Old({ a: 1 }))
    expect(await keyOf(new New({ a: 1 }))).toBe(key)
    expect(await keyOf(new New({ a: 1, limit: null, workers: 7 }))).toBe(key)
    expect(await keyOf(new New({ a: 1, note: null }))).not.toBe(key)
    expect(await keyOf(new New({ a: 1, limit: 0 }))).not.toBe(key)
  })

  it('row 42: an object states its own identity, and nested configurations count with what they themselves ignore', async () => {
    class Version implements Identified {
      readonly cache = new Map()
      constructor(readonly text: string) {}
      [identity](): readonly [string, unknown] {
        return ['hashing/Version', this.text.split('.')[0]]
      }
    }
    class Own extends Config({ v: z.instanceof(Version) }) {}
    const key = await keyOf(new Own({ v: new Version('1.2') }))
    expect(await keyOf(new Own({ v: new Version('1.3') }))).toBe(key)
    expect(await keyOf(new Own({ v: new Version('2.0') }))).not.toBe(key)

    class Optim extends Config({ lr: z.number().default(0.1), log: ignored(z.string().default('')) }) {}
    class Outer extends Config({ optim: Optim, name: z.string() }) {}
    const nested = await keyOf(new Outer({ name: 'n', optim: { lr: 1 } }))
    expect(await keyOf(new Outer({ name: 'n', optim: { lr: 1, log: 'x' } }))).toBe(nested)
    expect(await keyOf(new Outer({ name: 'n', optim: new Optim({ lr: 1 }) }))).toBe(nested)
    expect(await keyOf(new Outer({ name: 'n', optim: { lr: 2 } }))).not.toBe(nested)
  })

  it('row 43: the entry shows how each parameter counted, and the values of the ignored ones', async () => {
    class Inner extends Config({ x: z.int().default(3), gpu: ignored(z.int().default(0)) }) {}
    class Outer extends Config({
      a: z.int().default(1),
      b: z.int().default(2),
      inner: Inner,
      workers: ignored(z.object({ n: z.int() }).default({ n: 4 })),
    }) {}
    const store = await newStore()
    const params = new Outer({ b: 5, inner: { gpu: 1 } })
    const record = await reading(params)((await quiet(store)).record(params))
    const entry = await store.entry(record.stages[0]!.key)
    expect(entry).toMatchObject({
      params: { a: '1', b: '5', 'inner.x': '3' },
      defaults: { a: '1', 'inner.x': '3' },
      ignored: { 'inner.gpu': '1', workers: '{"n":4}' },
    })
    expect(record.stages[0]!.key).toContain('b=5')
  })
})
