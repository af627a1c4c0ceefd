import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { FileReferenceCacher } from '../../cachers/file-reference.js'
import { JsonCacher } from '../../cachers/json.js'
import { Cacheable, Config, ignored, stage } from '../../src/index.js'
import { blobFiles, failure, NumberCacher, newStore, quiet, tempDir } from './helpers.js'

class Params extends Config({ a: z.int().default(0), b: z.int().default(0), workers: ignored(z.int().default(1)) }) {}

let calls = 0
const two = stage({ params: Params, outputs: { sum: NumberCacher, pair: JsonCacher } }, async function two(record) {
  calls += 1
  return { sum: record.params.a + record.params.b, pair: [record.params.a, record.params.b] }
})

describe('curifactory, section 2: caching', () => {
  it('row 1: equal params run the body once, and the second record holds the loaded value', async () => {
    const experiment = await quiet()
    calls = 0
    await experiment.run(new Params({ a: 1, b: 2 }), [two])
    const record = await experiment.run(new Params({ a: 1, b: 2 }), [two])
    expect(calls).toBe(1)
    expect(await record.get('pair')).toEqual([1, 2])
    expect(record.stages[0]!.how).toBe('loaded')
  })

  it.each(['sum', 'pair'] as const)(
    'row 2: with the bytes of %s deleted the stage runs again, and all outputs are there',
    async (name) => {
      const store = await newStore()
      const experiment = await quiet(store)
      const first = await experiment.run(new Params({ a: 3 }), [two])
      for (const file of await blobFiles(store, first.stages[0]!.key, name)) fs.rmSync(file)
      calls = 0
      const second = await experiment.run(new Params({ a: 3 }), [two])
      expect(calls).toBe(1)
      expect(await second.get('sum')).toBe(3)
      expect(await store.has(second.stages[0]!.key)).toBe(true)
      await experiment.run(new Params({ a: 3 }), [two])
      expect(calls).toBe(1)
    },
  )

  it('row 3: parameters that count share nothing, parameters that do not count share everything', async () => {
    const experiment = await quiet()
    calls = 0
    const one = await experiment.run(new Params({ a: 1 }), [two])
    const other = await experiment.run(new Params({ a: 2 }), [two])
    const same = await experiment.run(new Params({ a: 1, workers: 8 }), [two])
    expect(calls).toBe(2)
    expect(other.stages[0]!.key).not.toBe(one.stages[0]!.key)
    expect(same.stages[0]!.key).toBe(one.stages[0]!.key)
  })

  it('row 4: force by the run, by name and by stage runs the body again and replaces what is stored', async () => {
    const store = await newStore()
    const experiment = await quiet(store)
    let n = 0
    const counter = stage({ outputs: { n: NumberCacher }, name: 'row4' }, async () => ({ n: ++n }))
    const run = async (options = {}) => (await experiment.run(undefined, [counter], options)).get('n')
    expect(await run()).toBe(1)
    expect(await run({ mode: 'force' })).toBe(2)
    expect(await run({ force: ['row4'] })).toBe(3)
    expect(await run({ force: [counter] })).toBe(4)
    expect(await run()).toBe(4)
    expect(store.events.counts.replaced).toBe(3)
  })

  it('row 5 (differently): a second experiment reuses the results of the first, with a prefix and without', async () => {
    const store = await newStore()
    calls = 0
    const first = await (await quiet(store)).run(new Params({ a: 5 }), [two])
    const second = await (await quiet(store)).run(new Params({ a: 5 }), [two])
    expect(calls).toBe(1)
    expect(second.stages[0]!.key).toBe(first.stages[0]!.key)
  })

  it('row 6: subdir and prefix name one more link in views/, and leave the key and the place alone', async () => {
    const store = await newStore()
    const make = (cacher: InstanceType<typeof NumberCacher>) =>
      stage({ outputs: { data: cacher }, name: 'row6' }, async () => ({ data: 7 }))
    const record = await (await quiet(store)).run(undefined, [
      make(new NumberCacher({ subdir: '01_raw', prefix: 'common' })),
    ])
    const key = record.stages[0]!.key
    const [view, ...more] = fs.readdirSync(path.join(store.folder, 'views/01_raw'))
    expect(view).toBe(`common_data-${key.slice(-16)}.num`)
    expect(more).toEqual([])
    expect(fs.readFileSync(path.join(store.folder, 'views/01_raw', view!), 'utf8')).toBe('7')
    expect(fs.existsSync(path.join(store.dirOf(key), 'data.meta.json'))).toBe(true)
    const plain = await (await quiet(store)).run(undefined, [make(new NumberCacher())])
    expect(plain.stages[0]).toMatchObject({ key, how: 'loaded' })
  })

  it('row 7: a suffix takes the place of the extension, in a stage and inline', async () => {
    class TwoFiles extends Cacheable<number> {
      override readonly extension = '.pkl'
      save(value: number): void {
        fs.writeFileSync(this.getPath(), String(value))
        fs.writeFileSync(this.getPath('_x.json'), '{}')
      }
      load(): number {
        expect(path.basename(this.getPath('_x.json'))).toBe('model_x.json')
        return Number(fs.readFileSync(this.getPath(), 'utf8'))
      }
    }
    const fit = stage({ outputs: { model: TwoFiles }, name: 'row7' }, async () => ({ model: 4 }))
    const store = await newStore()
    const record = await (await quiet(store)).run(undefined, [fit])
    expect(await record.get('model')).toBe(4)
    const names = fs.readdirSync(store.dirOf(record.stages[0]!.key))
    expect(names.sort()).toEqual(['entry.json', 'model.meta.json', 'model.pkl', 'model_x.json'])
    expect(new TwoFiles('/data/model.pkl').getPath('_x.json')).toBe('/data/model_x.json')
  })

  it('row 8 (differently): the sidecar of an exact path is <stem>.meta.json', async () => {
    const dir = tempDir()
    const cacher = JsonCacher(path.join(dir, 'metrics.json'))
    await cacher.save({ accuracy: 1 })
    await cacher.saveMetadata()
    expect(fs.readdirSync(dir).sort()).toEqual(['metrics.json', 'metrics.meta.json'])
  })

  it('row 9 (differently): an overwritePath is taken as it stands; braces in it are no template', async () => {
    const dir = tempDir()
    const target = path.join(dir, '{params.a}.num')
    const give = stage({ outputs: { v: new NumberCacher({ overwritePath: target }) }, name: 'row9' }, async () => ({
      v: 9,
    }))
    await (await quiet()).run(undefined, [give])
    expect(fs.readFileSync(target, 'utf8')).toBe('9')
  })

  it('row 10: one cacher instance in two stages and two records is copied for each use, and earlier handles keep their file', async () => {
    const shared = new NumberCacher()
    const a = stage({ params: Params.pick('a'), outputs: { x: shared }, name: 'row10a' }, async ({ params }) => ({
      x: params.a,
    }))
    const b = stage({ params: Params.pick('a'), outputs: { y: shared }, name: 'row10b' }, async ({ params }) => ({
      y: -params.a,
    }))
    const experiment = await quiet()
    const one = await experiment.run(new Params({ a: 1 }), [a, b])
    const path1 = one.lazy('x').path
    const two = await experiment.run(new Params({ a: 2 }), [a, b])
    expect(one.lazy('x').path).toBe(path1)
    expect(fs.readFileSync(path1, 'utf8')).toBe('1')
    expect([await one.get('x'), await one.get('y'), await two.get('x'), await two.get('y')]).toEqual([1, -1, 2, -2])
    expect(() => shared.getPath()).toThrow('no path')
  })

  it('row 11: an inline cacher on a path saves, loads, checks and reads metadata without a record', async () => {
    const file = path.join(tempDir(), 'm.num')
    const cacher = new NumberCacher(file)
    expect(await cacher.check()).toBe(false)
    expect(await cacher.loadMetadata()).toBeUndefined()
    await cacher.save(1)
    await cacher.save(2)
    await cacher.saveMetadata()
    expect(await cacher.check()).toBe(true)
    expect(await new NumberCacher(file).load()).toBe(2)
    expect(await new NumberCacher(file).loadMetadata()).toMatchObject({ name: 'm', cacher: 'NumberCacher' })
  })

  it('row 12: an inline cacher without a path says so, and how to give it one', () => {
    expect(() => new NumberCacher().getPath()).toThrow(/NumberCacher has no path\n.*NumberCacher\('results\/x\.num'\)/)
  })

  it('row 13: a file reference is a hit while every file is there as it was, and recomputed when one is not', async () => {
    const dir = tempDir()
    const files = ['a.txt', 'b.txt'].map((name) => path.join(dir, name))
    let n = 0
    const refer = stage({ outputs: { files: FileReferenceCacher }, name: 'row13' }, async () => {
      n += 1
      for (const file of files) fs.writeFileSync(file, 'made')
      return { files }
    })
    const experiment = await quiet()
    await experiment.run(undefined, [refer])
    const record = await experiment.run(undefined, [refer])
    expect([n, await record.get('files')]).toEqual([1, files])
    fs.rmSync(files[1]!)
    await experiment.run(undefined, [refer])
    expect([n, fs.existsSync(files[1]!)]).toEqual([2, true])
    fs.writeFileSync(files[0]!, 'MADE')
    await experiment.run(undefined, [refer])
    expect(n).toBe(3)
  })

  it('row 14: a stage that answers with a cacher on another path than the one it was given fails, and nothing is stored', async () => {
    const store = await newStore()
    const dir = tempDir()
    const elsewhere = new NumberCacher(path.join(dir, 'mine.num'))
    await elsewhere.save(1)
    fs.writeFileSync(path.join(dir, 'secret.txt'), 'not yours')
    const wrong = stage({ outputs: { n: NumberCacher }, name: 'row14' }, async () => ({ n: elsewhere as never }))
    expect(await failure((await quiet(store)).run(undefined, [wrong]))).toMatchObject({ code: 'ERR_CACHER_SAVE' })
    const unwritten = stage({ outputs: { n: NumberCacher }, name: 'row14b' }, async ({ cachers }) => ({
      n: cachers.n as never,
    }))
    expect(await failure((await quiet(store)).run(undefined, [unwritten]))).toMatchObject({ code: 'ERR_CACHER_SAVE' })
    const swapped = stage({ outputs: { n: NumberCacher, m: NumberCacher }, name: 'row14c' }, async ({ cachers }) => {
      await (cachers.m as unknown as NumberCacher).save(5)
      return { n: cachers.m as never, m: 1 }
    })
    expect(await failure((await quiet(store)).run(undefined, [swapped]))).toMatchObject({ code: 'ERR_CACHER_SAVE' })
    const stored = []
    for await (const entry of store.list()) stored.push(entry.key)
    expect(stored).toEqual([])
  })

  it('row 15 (differently): an exact path that exists does not short-circuit a stage with other params', async () => {
    const target = path.join(tempDir(), 'same.num')
    const a = stage(
      { params: Params.pick('a'), outputs: { v: new NumberCacher({ overwritePath: target }) }, name: 'row15' },
      async ({ params }) => ({
        v: params.a,
      }),
    )
    const experiment = await quiet()
    await experiment.run(new Params({ a: 1 }), [a])
    const second = await experiment.run(new Params({ a: 2 }), [a])
    expect([second.stages[0]!.how, await second.get('v')]).toEqual(['computed', 2])
    expect(fs.readFileSync(target, 'utf8')).toBe('2')
  })

  it('row 16: everything below getDir() is stored and there again when it is loaded', async () => {
    class Tree extends Cacheable<Record<string, string>> {
      save(value: Record<string, string>): void {
        for (const [name, text] of Object.entries(value)) {
          const file = path.join(this.getDir(), name)
          fs.mkdirSync(path.dirname(file), { recursive: true })
          fs.writeFileSync(file, text)
        }
      }
      load(): Record<string, string> {
        const dir = this.getDir()
        const names = fs.readdirSync(dir, { recursive: true }).map(String)
        const files = names.filter((name) => fs.statSync(path.join(dir, name)).isFile()).sort()
        return Object.fromEntries(files.map((name) => [name, fs.readFileSync(path.join(dir, name), 'utf8')]))
      }
    }
    const value = { 'a.txt': '1', 'deep/er/b.txt': '2' }
    let n = 0
    const grow = stage({ outputs: { tree: Tree }, name: 'row16' }, async () => {
      n += 1
      return { tree: value }
    })
    const store = await newStore()
    const experiment = await quiet(store)
    await experiment.run(undefined, [grow])
    const record = await experiment.run(undefined, [grow])
    expect([n, await record.get('tree')]).toEqual([1, value])
    expect((await blobFiles(store, record.stages[0]!.key, 'tree')).length).toBe(2)
    expect(fs.readFileSync(path.join(record.lazy('tree').path, 'deep/er/b.txt'), 'utf8')).toBe('2')
  })

  it('row 17: no cachers at all in a list, or a wrong count, are refused when the stage is declared', () => {
    const body = async () => 1 as never
    expect(() => stage({ outputs: ['a'], cachers: [] as never, name: 'row17' }, body)).toThrow(
      /1 outputs and 0 cachers\n.*leave `cachers` out/,
    )
    expect(() => stage({ outputs: ['a', 'b'], cachers: [JsonCacher] as never, name: 'row17' }, body)).toThrow(
      '2 outputs and 1 cachers',
    )
  })

  it('row 18 (differently): a stage in a record without params is stored under its inputs and its name', async () => {
    let n = 0
    const none = stage({ outputs: { n: NumberCacher }, name: 'row18' }, async () => ({ n: ++n }))
    const experiment = await quiet()
    await experiment.run(undefined, [none])
    const record = await experiment.run(undefined, [none])
    expect([n, await record.get('n')]).toEqual([1, 1])
  })
})
