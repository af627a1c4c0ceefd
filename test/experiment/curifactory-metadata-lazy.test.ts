import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import { TextCacher } from '../../cachers/text.js'
import { Cacheable, Config, Experiment, isLazy, Lazy, lazy, stage } from '../../src/index.js'
import { failure, listing, NumberCacher, newStore, quiet } from './helpers.js'

class Params extends Config({ a: z.int().default(1) }) {}

class Noted extends Cacheable<number> {
  override readonly extension = '.noted'
  save(value: number): void {
    this.extraMetadata.best = 13
    this.extraMetadata.more = { list: [1, 2] }
    fs.writeFileSync(this.getPath(), String(value))
  }
  load(): number {
    expect(this.extraMetadata).toEqual({ best: 13, more: { list: [1, 2] } })
    expect(this.metadata).toMatchObject({ name: 'x', cacher: 'Noted' })
    return Number(fs.readFileSync(this.getPath(), 'utf8'))
  }
}

const sidecarOf = (dir: string, name: string): Record<string, unknown> =>
  JSON.parse(fs.readFileSync(path.join(dir, `${name}.meta.json`), 'utf8')) as Record<string, unknown>

describe('curifactory, section 2: metadata', () => {
  const first = stage({ params: Params, outputs: { raw: JsonCacher }, name: 'meta/first' }, async () => ({ raw: [1] }))
  const second = stage(
    { params: Params, inputs: [first], outputs: { x: Noted, y: TextCacher }, name: 'meta/second' },
    async ({ params }) => ({ x: params.a, y: 'hello' }),
  )

  it('row 19: each artifact of an executed stage has a sidecar that says what it is and where it came from', async () => {
    const store = await newStore()
    const experiment = new Experiment({ name: 'demo', store, progress: false })
    const record = await experiment.run(new Params({ a: 2 }), [first, second])
    const { key } = record.stages[1]!
    for (const name of ['x', 'y']) {
      const about = sidecarOf(store.dirOf(key), name)
      expect(about).toMatchObject({
        curio: 'sidecar',
        name,
        key,
        id: 'meta/second',
        version: '1',
        cacher: name === 'x' ? 'Noted' : 'text',
        params: { a: '2' },
        inputs: { raw: { artifact: record.lazy('raw').digest, from: record.stages[0]!.key } },
        provenance: {
          experiment: 'demo',
          stage: 'second',
          stagesBefore: ['first'],
          node: process.version,
          pid: process.pid,
        },
      })
      expect(about.digest).toBe(record.lazy(name as 'x').digest)
      expect(about.files).toHaveLength(1)
      expect(about.preview).toBe(name === 'x' ? 'number 2' : 'string of 5: "hello"')
      expect((about.provenance as { seconds: number }).seconds).toBeGreaterThanOrEqual(0)
    }
  })

  it('row 20: a hit leaves the sidecar as its producer wrote it', async () => {
    const store = await newStore()
    const record = await (await quiet(store)).run(new Params({}), [first, second])
    const before = listing(store.dirOf(record.stages[1]!.key))
    await new Experiment({ name: 'another', store, progress: false }).run(new Params({}), [first, second])
    expect(listing(store.dirOf(record.stages[1]!.key))).toEqual(before)
  })

  it('row 21: extra metadata set in save is in the sidecar, and there before load in a later run', async () => {
    const store = await newStore()
    await (await quiet(store)).run(new Params({}), [first, second])
    const record = await (await quiet(store)).run(new Params({}), [first, second])
    expect(record.stages[1]!.how).toBe('loaded')
    expect(record.lazy('x').metadata.extra).toEqual({ best: 13, more: { list: [1, 2] } })
    expect(sidecarOf(store.dirOf(record.stages[1]!.key), 'x').extra).toEqual({ best: 13, more: { list: [1, 2] } })
    expect(await record.get('x')).toBe(1)
  })

  it('row 22 (differently): a read-only store is the dry run; values come, and no byte is written', async () => {
    const store = await newStore()
    await (await quiet(store)).run(new Params({}), [first])
    const before = listing(store.folder)
    const dry = await newStore({ folder: store.folder, readOnly: true })
    const record = await (await quiet(dry)).run(new Params({}), [first, second])
    expect(record.stages.map((run) => run.how)).toEqual(['loaded', 'uncached'])
    expect([await record.get('x'), await record.get('y')]).toEqual([1, 'hello'])
    expect(listing(store.folder)).toEqual(before)
  })

  it('row 23: metadata can be loaded by an artifact path alone', async () => {
    const store = await newStore()
    const record = await (await quiet(store)).run(new Params({}), [first, second])
    const cacher = TextCacher(path.join(store.dirOf(record.stages[1]!.key), 'y.txt'))
    expect(await cacher.loadMetadata()).toMatchObject({ name: 'y', cacher: 'text', id: 'meta/second' })
    expect(await cacher.load()).toBe('hello')
  })
})

describe('curifactory, section 2: Lazy', () => {
  it('row 24: the state holds a handle, get gives the value each time, lazy gives the handle', async () => {
    const make = stage({ outputs: { big: lazy(JsonCacher<number[]>) }, name: 'row24' }, async () => ({ big: [1, 2] }))
    const store = await newStore()
    const record = await (await quiet(store)).run(undefined, [make])
    const reads = () => store.events.counts['blob-read'] ?? 0
    expect(reads()).toBe(0)
    const one = await record.get('big')
    expect(one).toEqual([1, 2])
    expect(await record.get('big')).not.toBe(one)
    expect(reads()).toBe(2)
    const handle = record.lazy('big')
    expect(isLazy(handle)).toBe(true)
    expect(await handle.load()).toEqual([1, 2])
    expect('then' in handle).toBe(false)
  })

  it('row 25: with resolve false consumers get the handle, its path and its value', async () => {
    const make = stage({ outputs: { big: lazy(TextCacher, { resolve: false }) }, name: 'row25a' }, async () => ({
      big: 'abc',
    }))
    const use = stage({ inputs: [make], outputs: { n: NumberCacher }, name: 'row25b' }, async (_record, { big }) => {
      expectTypeOf(big).toEqualTypeOf<Lazy<string>>()
      expect(path.extname(big.path)).toBe('.txt')
      expect(fs.readFileSync(big.path, 'utf8')).toBe('abc')
      return { n: (await big.load()).length }
    })
    const record = await (await quiet()).run(undefined, [make, use])
    expect(await record.get('n')).toBe(3)
    expect(isLazy(await record.get('big'))).toBe(true)
  })

  it('row 26 (differently): a lazy output without a cacher is kept by msgpack', async () => {
    const make = stage({ outputs: ['small', Lazy('large')], name: 'row26' }, async () => [
      's',
      new Map([[1, { a: 2n }]]),
    ])
    const record = await (await quiet()).run(undefined, [make])
    expect(record.lazy('large').cacher).toBe('msgpack')
    expect(await record.get('large')).toEqual(new Map([[1, { a: 2n }]]))
  })

  it('row 27: lazy all makes every output lazy, without a cacher too; lazy none makes none', async () => {
    const make = stage({ outputs: { a: null, b: lazy() }, name: 'row27' }, async () => ({ a: { x: 1 }, b: [1] }))
    const experiment = await quiet()
    const all = await experiment.run(undefined, [make], { lazy: 'all' })
    expect(await all.get('a')).not.toBe(await all.get('a'))
    const none = await experiment.run(undefined, [make], { lazy: 'none' })
    expect(none.stages[0]!.how).toBe('loaded')
    expect(await none.get('b')).toBe(await none.get('b'))
    const declared = await experiment.run(undefined, [make])
    expect(await declared.get('a')).toBe(await declared.get('a'))
    expect(await declared.get('b')).not.toBe(await declared.get('b'))
  })

  it('row 27 (differently): resolve false stays a handle with lazy none, for that is what its consumers were written for', async () => {
    const make = stage({ outputs: { big: lazy(TextCacher, { resolve: false }) }, name: 'row27c' }, async () => ({
      big: 'abc',
    }))
    const use = stage({ inputs: [make], outputs: { n: NumberCacher }, name: 'row27d' }, async (_record, { big }) => ({
      n: (await big.load()).length,
    }))
    const record = await (await quiet()).run(undefined, [make, use], { lazy: 'none' })
    expect([isLazy(await record.get('big')), await record.get('n')]).toEqual([true, 3])
  })

  it('row 28: a cached lazy output is not read until an executing stage needs it, and its preview shows all the same', async () => {
    const make = stage({ outputs: { big: lazy(TextCacher) }, name: 'row28a' }, async () => ({ big: 'abc' }))
    const one = stage({ inputs: [make], outputs: { n: NumberCacher }, name: 'row28b' }, async (_record, { big }) => ({
      n: big.length,
    }))
    const other = stage({ inputs: [make], outputs: { m: NumberCacher }, name: 'row28c' }, async (_record, { big }) => ({
      m: -big.length,
    }))
    const store = await newStore()
    const experiment = await quiet(store)
    await experiment.run(undefined, [make, one])
    const reads = () => store.events.counts['blob-read'] ?? 0
    const before = reads()
    const cached = await experiment.run(undefined, [make, one])
    expect(reads()).toBe(before)
    expect(cached.lazy('big').preview).toBe('string of 3: "abc"')
    await experiment.run(undefined, [make, other])
    expect(reads()).toBe(before + 1)
  })

  it('a handle asked for a name the record lacks names the nearest', async () => {
    const make = stage({ outputs: { metrics: JsonCacher }, name: 'near' }, async () => ({ metrics: 1 }))
    const record = await (await quiet()).run(undefined, [make])
    expect(() => record.lazy('metrcs' as 'metrics')).toThrow('did you mean metrics?')
    expect((await failure(record.get('other' as 'metrics'))).message).toContain('it has metrics')
  })
})
