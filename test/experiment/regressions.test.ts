import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import { MsgpackCacher } from '../../cachers/msgpack.js'
import { TextCacher } from '../../cachers/text.js'
import { Cacheable, Config, lazy, OrderedMap, stage } from '../../src/index.js'
import { failure, filesIn, NumberCacher, newStore, program, quiet, root } from './helpers.js'

/** A stage that hands its call-time input on, and counts its runs. */
let ran = 0
const echo = stage({ inputs: ['x'], outputs: { y: MsgpackCacher }, name: 'regressions/echo' }, async (_r, { x }) => {
  ran += 1
  return { y: x }
})

async function echoAll(values: readonly unknown[]): Promise<{ keys: string[]; values: unknown[] }> {
  const experiment = await quiet()
  const keys: string[] = []
  const back: unknown[] = []
  for (const x of values) {
    const record = await echo(experiment.record(), { x })
    keys.push(record.stages[0]!.key)
    back.push(await record.get('y'))
  }
  return { keys, values: back }
}

describe('curifactory 5.1', () => {
  class P extends Config({ p: z.int().default(0) }) {}

  it('1: two records through one lazy stage each resolve to their own file', async () => {
    const make = stage({ params: P, outputs: { v: lazy(NumberCacher) }, name: '5.1/1' }, async ({ params }) => ({
      v: params.p,
    }))
    const experiment = await quiet()
    const [one, two] = [await experiment.run(new P({ p: 11 }), [make]), await experiment.run(new P({ p: 12 }), [make])]
    expect([await one.get('v'), await two.get('v'), await one.get('v')]).toEqual([11, 12, 11])
    expect([one, two].map((record) => fs.readFileSync(record.lazy('v').path, 'utf8'))).toEqual(['11', '12'])
  })

  it('3: a new version computes again beside the old result, and every entry holds the hash of its source', async () => {
    const make = (version: string) =>
      stage({ outputs: { v: TextCacher }, name: '5.1/3', version }, async () => ({ v: 'text' }))
    const store = await newStore()
    const experiment = await quiet(store)
    const keys = []
    for (const version of ['1', '2', '1']) {
      const { stages } = await experiment.run(undefined, [make(version)])
      keys.push(stages[0]!.how)
      expect((await store.entry(stages[0]!.key))!.code).toMatchObject({
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        tag: 'vitest',
      })
    }
    expect(keys).toEqual(['computed', 'computed', 'loaded'])
  })

  it('4: call-time inputs, values set by hand and the parents of a copy are in the key', async () => {
    const source = stage({ params: P, outputs: { src: TextCacher }, name: '5.1/4a' }, async ({ params }) => ({
      src: params.p === 0 ? 'A' : 'B',
    }))
    const mark = stage(
      { params: P.pick(), inputs: [source], outputs: { m: TextCacher }, name: '5.1/4b' },
      async (_r, { src }) => ({ m: `${src}m` }),
    )
    const experiment = await quiet()
    const a = await source(experiment.record(new P({ p: 0 })))
    const b = await source(experiment.record(new P({ p: 1 })))
    const params = new P({ p: 7 })
    expect([await (await mark(a.copy(params))).get('m'), await (await mark(b.copy(params))).get('m')]).toEqual([
      'Am',
      'Bm',
    ])
    expect([
      await (await mark(a.copy(), { src: 'k1' })).get('m'),
      await (await mark(a.copy(), { src: 'k2' })).get('m'),
    ]).toEqual(['k1m', 'k2m'])
    expect([
      await (await mark(a.copy().set('src', 'h1'))).get('m'),
      await (await mark(a.copy().set('src', 'h2'))).get('m'),
    ]).toEqual(['h1m', 'h2m'])
  })

  it('5: one stage twice in one record does not collide with itself', async () => {
    const grow = stage({ inputs: ['x'], outputs: { x: NumberCacher }, name: '5.1/5' }, async (_r, { x }) => ({
      x: x + 1,
    }))
    const record = (await quiet()).record().set('x', 0)
    expect(await (await grow(await grow(record))).get('x')).toBe(2)
    expect(new Set(record.stages.map(({ key }) => key)).size).toBe(2)
  })

  it('6: names and values do not run together, nesting counts, and order of keys does not', async () => {
    const any = stage({ outputs: { n: NumberCacher }, name: '5.1/6' }, async () => ({ n: 1 }))
    const experiment = await quiet()
    const keyOf = async (params: object) => (await experiment.run(params, [any])).stages[0]!.key
    const distinct: object[] = [
      { x: 12 },
      { x1: 2 },
      { x: '12' },
      { x: 12n },
      { x: [12] },
      { train: { s: 1 }, test: { s: 2 } },
      { train: { s: 2 }, test: { s: 1 } },
      { a: { b: 1 }, c: 2 },
      { a: { b: 1, c: 2 } },
      { 'a.b': 1, c: 2 },
      {},
      { x: {} },
      { x: '1,y=2' },
      { x: 1, y: 2 },
    ]
    const keys = await Promise.all(distinct.map(keyOf))
    expect(new Set(keys).size).toBe(distinct.length)
    expect(await keyOf({ test: { s: 2 }, train: { s: 1 } })).toBe(keys[5])
    expect(await failure(keyOf({ f: () => 1 }))).toMatchObject({ code: 'ERR_NOT_ENCODABLE', path: 'params.f' })
    expect(await failure(keyOf({ deep: [new (class Weights {})()] }))).toMatchObject({ path: 'params.deep[0]' })
  })

  it('7: what is downstream of parameterless stages is keyed by what they made', async () => {
    let word = 'one'
    const make = stage({ outputs: { word: TextCacher }, name: '5.1/7a' }, async () => ({ word }))
    const use = stage({ inputs: [make], outputs: { shout: TextCacher }, name: '5.1/7b' }, async (_r, { word: w }) => ({
      shout: `${w}!`,
    }))
    const experiment = await quiet()
    await experiment.run(undefined, [make, use])
    word = 'two'
    const record = await experiment.run(undefined, [make, use], { force: [make] })
    expect([record.stages[1]!.how, await record.get('shout')]).toEqual(['computed', 'two!'])
  })

  it('8: a save that throws half way leaves nothing that counts as a result', async () => {
    let fail = true
    class Half extends Cacheable<string> {
      override readonly extension = '.half'
      save(value: string): void {
        fs.writeFileSync(this.getPath(), value.slice(0, 2))
        if (fail) throw new Error('half way')
        fs.writeFileSync(this.getPath(), value)
      }
      load(): string {
        return fs.readFileSync(this.getPath(), 'utf8')
      }
    }
    const make = stage({ outputs: { first: TextCacher, v: Half }, name: '5.1/8' }, async () => ({
      first: 'ok',
      v: 'whole',
    }))
    const store = await newStore()
    const experiment = await quiet(store)
    expect((await failure(experiment.run(undefined, [make]))).message).toContain('Half cannot save: half way')
    expect(filesIn(store.folder).filter((name) => name.includes('entry.json'))).toEqual([])
    fail = false
    const record = await experiment.run(undefined, [make])
    expect([record.stages[0]!.how, await record.get('v')]).toEqual(['computed', 'whole'])
  })

  it('8: a process killed in the middle of save leaves nothing that counts, and the next one computes', async () => {
    const { folder } = await newStore()
    const file = program(`
      import * as fs from 'node:fs'
      import { Cacheable, Experiment, stage } from 'curio'
      class Slow extends Cacheable {
        extension = '.slow'
        async save(value) {
          fs.writeFileSync(this.getPath(), value.slice(0, 2))
          if (process.argv[3] === 'hang') {
            process.stdout.write('half\\n')
            await new Promise((done) => setTimeout(done, 60_000))
          }
          fs.writeFileSync(this.getPath(), value)
        }
        load() { return fs.readFileSync(this.getPath(), 'utf8') }
      }
      const make = stage({ outputs: { v: Slow }, name: 'killed' }, async () => ({ v: 'whole' }))
      const record = await new Experiment({ name: 'x', store: process.argv[2], progress: false }).run(undefined, [make])
      console.log(record.stages[0].how, await record.get('v'))
    `)
    const start = (how: string) =>
      spawn(process.execPath, ['--import', path.join(root, 'node_modules/tsx/dist/loader.mjs'), file, folder, how], {
        cwd: root,
      })
    const hung = start('hang')
    await once(hung.stdout, 'data')
    hung.kill('SIGKILL')
    await once(hung, 'exit')
    expect(filesIn(folder).filter((name) => name.includes('entry.json'))).toEqual([])
    const next = start('go')
    const [printed] = (await once(next.stdout, 'data')) as [Buffer]
    expect(printed.toString()).toBe('computed whole\n')
    await once(next, 'exit')
  })

  it('9: a missing or corrupt sidecar is still a hit, and never an error', async () => {
    const make = stage({ outputs: { v: TextCacher }, name: '5.1/9' }, async () => ({ v: 'x' }))
    const store = await newStore()
    const experiment = await quiet(store)
    const record = await experiment.run(undefined, [make])
    const sidecar = path.join(store.dirOf(record.stages[0]!.key), 'v.meta.json')
    for (const text of [undefined, '{"curio":', '']) {
      if (text === undefined) fs.rmSync(sidecar)
      else fs.writeFileSync(sidecar, text)
      const again = await experiment.run(undefined, [make])
      expect([again.stages[0]!.how, again.lazy('v').metadata.name, await again.get('v')]).toEqual(['loaded', 'v', 'x'])
    }
  })

  it('10: a first and a cached run give the same value, or the value is refused', async () => {
    const values: [unknown, boolean][] = [
      [{ a: [1, 'x', null, { b: false }] }, true],
      [new Map([[1, 'a']]), false],
      [new Set([1]), false],
      [new Date(0), false],
      [{ a: undefined }, false],
      [[Number.NaN], false],
    ]
    for (const [i, [value, fits]] of values.entries()) {
      const keep = stage({ outputs: { v: JsonCacher }, name: `5.1/10/${i}` }, async () => ({ v: value }))
      const experiment = await quiet()
      if (!fits) {
        expect(await failure(experiment.run(undefined, [keep]))).toMatchObject({ code: 'ERR_CACHER_SAVE' })
        continue
      }
      const first = await (await experiment.run(undefined, [keep])).get('v')
      expect(first).toEqual(value)
      expect(await (await experiment.run(undefined, [keep])).get('v')).toEqual(first)
    }
    const any = stage({ outputs: { v: null }, name: '5.1/10/any' }, async () => ({
      v: [new Map([[1, 'a']]), new Date(0), undefined],
    }))
    const experiment = await quiet()
    const first = await (await experiment.run(undefined, [any])).get('v')
    expect(await (await experiment.run(undefined, [any])).get('v')).toEqual(first)
    expect(first).toEqual([new Map([[1, 'a']]), new Date(0), undefined])
  })

  it('12: a call-time input may be any plain value, null and undefined too', async () => {
    const { keys, values } = await echoAll([null, undefined, 0, 'text', [1], { records: [1] }])
    expect(values).toEqual([null, undefined, 0, 'text', [1], { records: [1] }])
    expect(new Set(keys).size).toBe(6)
  })
})

describe('exca 3.1', () => {
  it('W2: empty values are different values', async () => {
    const empty = [
      [],
      {},
      '',
      new Set(),
      new Map(),
      null,
      undefined,
      0,
      false,
      new Uint8Array(),
      [[]],
      [''],
      new OrderedMap(),
    ]
    const { keys, values } = await echoAll(empty.slice(0, -1))
    expect(new Set(keys).size).toBe(empty.length - 1)
    expect(values).toEqual(empty.slice(0, -1))
  })

  it('W3: text that imitates the encoding is not taken for it', async () => {
    const x = 'x'.repeat(130)
    const { keys } = await echoAll([
      [x, 'a,str:b', 'c', 'd'],
      [x, 'a', 'b', 'c,str:d'],
      [x, 'a","b', 'c', 'd'],
      [x, 'a', 'b","c', 'd'],
      ['["a"]'],
      [['a']],
      'undefined',
      undefined,
      '1n',
      1n,
    ])
    expect(new Set(keys).size).toBe(10)
  })

  it('W4: arrays of one shape and other dtypes differ, and the whole hash is compared on a hit', async () => {
    const arrays = [
      new Int32Array(4),
      new Float32Array(4),
      new Uint32Array(4),
      new Uint8Array(16),
      new Float64Array(2),
      new BigInt64Array(2),
    ]
    const { keys } = await echoAll(arrays)
    expect(new Set(keys).size).toBe(arrays.length)
    const store = await newStore()
    const record = await echo((await quiet(store)).record(), { x: 1 })
    const entry = (await store.entry(record.stages[0]!.key))!
    expect(entry.hash).toMatch(/^[0-9a-f]{64}$/)
    expect(entry.material).toContain('"curio-key-1"')
    expect(() => store.readEntry({ text: entry.key, hash: entry.hash, material: `${entry.material} ` })).toThrow(
      'another computation is stored',
    )
  })

  it('W5: NaN finds its result again; a set, a list and a map are three values', async () => {
    ran = 0
    const experiment = await quiet()
    for (let i = 0; i < 2; i++) await echo(experiment.record(), { x: [Number.NaN, 0 / 0] })
    expect(ran).toBe(1)
    const { keys } = await echoAll([new Set([1, 2]), [1, 2], new Map([[1, 2]]), new Set([2, 1]), new Map([[2, 1]])])
    expect(new Set(keys).size).toBe(4)
    expect(keys[3]).toBe(keys[0])
  })
})
