import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { JsonCacher } from '../../cachers/json.js'
import { MsgpackCacher } from '../../cachers/msgpack.js'
import { TextCacher } from '../../cachers/text.js'
import type { Store } from '../../src/artifact/store.js'
import { elementsOf, membersOf } from '../../src/cli/canonical-parts.js'
import { differences, neighbours, parseKeyText } from '../../src/cli/why.js'
import { canonical, OrderedMap } from '../../src/identity/canonical.js'
import { type Digest, sha256 } from '../../src/identity/digest.js'
import type { Entry } from '../../src/store/entry.js'
import { signHolder } from '../../src/store/holder.js'
import { commitStage, type Fake, Place } from './helpers.js'

let place: Place
let store: Store
beforeEach(async () => {
  place?.remove()
  place = new Place()
  store = await place.open()
})
afterAll(() => place.remove())

const out = { loss: [new JsonCacher(), { loss: 1 }] } as const
const commit = (fake: Partial<Fake>) => commitStage(store, { outputs: out, ...fake })
const hash = (text: string): Digest => sha256(text)
const at = (minute: number) => `2024-01-01T00:${String(minute).padStart(2, '0')}:00.000Z`

/** Differences as `part.field: was → is`, those that do not count in brackets. */
async function diff(was: Partial<Fake>, is: Partial<Fake>): Promise<string[]> {
  return differences(await commit(was), await commit(is)).map(({ part, field, was: a, is: b, counts, note }) => {
    const text = `${part}${field && `.${field}`}: ${a} → ${b}${note === undefined ? '' : ` (${note})`}`
    return counts ? text : `[${text}]`
  })
}

describe('what two entries differ in', () => {
  it('parameters, field by field', async () => {
    expect(
      await diff({ params: { lr: 0.1, seed: 1, name: 'a' } }, { params: { lr: 0.2, seed: 1, extra: null } }),
    ).toEqual(['params.extra: undefined → null', 'params.lr: 0.1 → 0.2', 'params.name: "a" → undefined'])
  })

  it('a value that was left out for being the default', async () => {
    expect(await diff({ params: { lr: 0.1 }, defaulted: ['lr'] }, { params: { lr: 0.2 } })).toEqual([
      'params.lr: 0.1 → 0.2 (was the default)',
    ])
    expect(await diff({ id: 'b', params: { lr: 0.1 } }, { id: 'b', params: { lr: 0.2 }, defaulted: ['lr'] })).toEqual([
      'params.lr: 0.1 → 0.2 (is the default)',
    ])
  })

  it('the same value that was the default then and is not now', async () => {
    expect(await diff({ params: { lr: 0.1 }, defaulted: ['lr'] }, { params: { lr: 0.1 } })).toEqual([
      'params.lr: 0.1 → 0.1 (it was the default then, and is not now)',
    ])
  })

  it('two defaults of two times, which do not count', async () => {
    expect(
      await diff({ params: { lr: 0.1, s: 1 }, defaulted: ['lr'] }, { params: { lr: 0.2, s: 2 }, defaulted: ['lr'] }),
    ).toEqual([
      'params.s: 1 → 2',
      '[params.lr: 0.1 → 0.2 (each was the default at its time, so neither is in the key)]',
    ])
  })

  it('members of an object that is all default in one and not in the other', async () => {
    expect(
      await diff(
        { params: { optim: { decay: 0, name: 'sgd', 'odd key': { x: 1 } } }, defaulted: ['optim'] },
        { params: { 'optim.decay': 0.5, 'optim.name': 'sgd', 'optim."odd key".x': 1 }, defaulted: ['optim.name'] },
      ),
    ).toEqual([
      'params.optim."odd key".x: 1 → 1 (it was the default then, and is not now)',
      'params.optim.decay: 0 → 0.5 (was the default)',
    ])
  })

  it('inputs, with who made them', async () => {
    const a = { artifact: hash('a') }
    const b = { artifact: hash('b') }
    expect(
      await diff(
        { inputs: { x: { ...a, from: 'draw,1/s=1-k' }, y: { value: hash('v') }, same: a } },
        { inputs: { x: { ...b, from: 'draw,1/s=2-k' }, z: { value: hash('v') }, same: a } },
      ),
    ).toEqual([
      `inputs.x: artifact ${a.artifact} → artifact ${b.artifact} (made by draw,1/s=1-k then, by draw,1/s=2-k now)`,
      `inputs.y: value ${hash('v')} → undefined`,
      `inputs.z: undefined → value ${hash('v')}`,
    ])
  })

  it('outputs and their cachers, version', async () => {
    expect(
      await diff(
        { version: '1', outputs: { loss: [new JsonCacher(), 1], log: [new TextCacher(), ''] } },
        { version: '2', outputs: { loss: [new MsgpackCacher(), 1] } },
      ),
    ).toEqual(['version: 1 → 2', 'outputs.log: ["text",{}] → undefined', 'outputs.loss: ["json",{}] → ["msgpack",{}]'])
  })

  it('code, which counts only where the stage asked for that', async () => {
    const [a, b] = [hash('a'), hash('b')]
    expect(
      await diff({ params: { s: 1 }, code: { source: 'a' } }, { params: { s: 2 }, code: { source: 'b' } }),
    ).toEqual(['params.s: 1 → 2', `[code: ${a} → ${b}]`])
    expect(await diff({ code: { source: 'a', counts: true } }, { code: { source: 'b', counts: true } })).toEqual([
      `code: ${a} → ${b}`,
    ])
    expect(await diff({ id: 'i', code: { source: 'a' } }, { id: 'i', code: { source: 'a', counts: true } })).toEqual([
      `code: ${a} → ${a} (the code counts now, and did not then)`,
    ])
    expect(
      await diff(
        { id: 'j', params: { s: 1 }, code: { source: 'a' } },
        { id: 'j', params: { s: 2 }, code: { source: 'b', tag: 'tsc' } },
      ),
    ).toContain(`[code: ${a} → ${b} (written by tsx, then by tsc)]`)
  })

  it('ignored fields, which never count', async () => {
    expect(
      await diff({ params: { s: 1 }, ignored: { workers: 1 } }, { params: { s: 2 }, ignored: { workers: 8 } }),
    ).toEqual(['params.s: 1 → 2', '[ignored.workers: 1 → 8]'])
  })

  it('the whole material, when nothing that is known explains it', async () => {
    const entry = await commit({ params: { s: 1 } })
    const material = '["curio-key-7","something new"]'
    const other: Entry = { ...entry, material, hash: sha256(material) }
    expect(differences(entry, other)).toMatchObject([
      { part: 'material', was: entry.material, is: material, counts: true },
    ])
    expect(differences(entry, entry)).toEqual([])
  })
})

describe('the nearest entries', () => {
  it('are those with the fewest differences that count, of the same stage, the newest first', async () => {
    const far = await commit({ params: { a: 1, b: 1, c: 1 }, created: at(9) })
    const older = await commit({ params: { a: 1, b: 2, c: 3 }, ignored: {}, created: at(1) })
    const newer = await commit({ params: { a: 2, b: 2, c: 2 }, ignored: { w: 1 }, created: at(2) })
    await commit({ id: 'other', params: { a: 1, b: 2, c: 2 }, created: at(3) })
    const mine = await commit({ params: { a: 1, b: 2, c: 2 }, created: at(4) })
    const all: Entry[] = []
    for await (const entry of store.list()) all.push(entry)
    expect(neighbours(mine, all, 9).map(({ entry }) => entry.key)).toEqual([newer.key, older.key, far.key])
    expect(neighbours(mine, all, 1)).toHaveLength(1)
  })
})

describe('the text of a key', () => {
  it('tells id, version and labels', () => {
    expect(parseKeyText('lib/a.fit,2/lr=0.1,name=a,b,x=y=z-abcdefghij234567')).toEqual({
      id: 'lib/a.fit',
      version: '2',
      labels: new Map([
        ['lr', '0.1'],
        ['name', 'a,b'],
        ['x', 'y=z'],
      ]),
      cut: false,
    })
    expect(parseKeyText('a,1/default-abcdefghij234567')).toMatchObject({ labels: new Map() })
    expect(parseKeyText('a,1/lr=0.1,long=abc...12-abcdefghij234567')).toMatchObject({
      labels: new Map([['lr', '0.1']]),
      cut: true,
    })
    expect(parseKeyText('demo/x')).toBeUndefined()
  })
})

describe('canonical text is taken apart', () => {
  it('at the commas that stand in no string and no bracket', () => {
    const values = [
      1,
      'a,b"]',
      { x: [1, 2] },
      new Map([
        [1, 2],
        [3, 4],
      ]),
      new Set(['>', '<']),
      new OrderedMap([['a', 1]]),
      Uint8Array.of(1),
      new Date(0),
    ]
    expect(elementsOf(canonical(values))).toEqual(values.map((value) => canonical(value)))
    expect(elementsOf('[]')).toEqual([])
    expect(elementsOf('{"a":1}')).toBeUndefined()
    expect(elementsOf('[1]]')).toBeUndefined()
  })

  it('into members by name', () => {
    const value = { 'a"b': 1, b: { c: ',' }, [Symbol.iterator as never]: 1 } as Record<string, unknown>
    delete value[Symbol.iterator as never]
    expect(membersOf(canonical(value))).toEqual(
      new Map([
        ['a"b', '1'],
        ['b', '{"c":","}'],
      ]),
    )
    const identified = {
      k: { [Symbol.for('curio.identity')]: () => ['kind', { m: new Map([[1, 2]]), x: 1 }] as const },
      z: 1,
    }
    expect([...membersOf(canonical(identified))!.keys()]).toEqual(['k', 'z'])
    expect(membersOf('{}')).toEqual(new Map())
    expect(membersOf('[1]')).toBeUndefined()
  })
})

describe('curio why', () => {
  it('a stored key: it is a hit, and what kept it from being loaded from the nearest entry before it', async () => {
    await commit({ params: { lr: 0.1, seed: 1 }, created: at(1) })
    const is = await commit({ params: { lr: 0.2, seed: 1, name: 'x' }, defaulted: ['name'], created: at(2) })
    await commit({ params: { lr: 0.2, seed: 2 }, created: at(3) })
    const { out: text, code } = await place.curio('why', is.key)
    expect(code).toBe(0)
    expect(text).toContain(`${is.key}\na hit: stored and complete, made `)
    expect(text).toContain('nearest of 2 other entries: train,1/lr=0.1,seed=1-')
    expect(text).toMatch(/params\.lr +was 0\.1, is 0\.2\n/)
    expect(text).toContain('not in the key, being the defaults: name = "x"')
  })

  it('an id stands for the newest entry of that stage, --nearest for more neighbours', async () => {
    for (const [i, lr] of [0.1, 0.2, 0.3].entries()) await commit({ params: { lr }, created: at(i) })
    const { out: text } = await place.curio('why', 'train', '--nearest', '2')
    expect(text).toContain('(the newest of 3 that fit train)')
    expect(text).toMatch(/^train,1\/lr=0\.3-/)
    expect(text).toMatch(/was 0\.2, is 0\.3[\s\S]*was 0\.1, is 0\.3/)
    expect((await place.curio('why', 'train,1')).out).toMatch(/^train,1\/lr=0\.3-/)
  })

  it('a part of a key that fits several stages lists them', async () => {
    await commit({ id: 'train' })
    await commit({ id: 'trainer' })
    await store.save('training', TextCacher, '')
    const ran = await place.curio('why', 'trai')
    expect(ran).toMatchObject({ code: 1, out: '' })
    expect(ran.err).toContain('trai fits 3 keys')
  })

  it('an evicted entry is a miss, and which files are gone is said', async () => {
    const entry = await commit({ params: { lr: 0.1 } })
    await store.evict(entry.key)
    const { out: text, code } = await place.curio('why', 'train')
    expect(code).toBe(1)
    expect(text).toContain('a miss: its entry is stored, made ')
    expect(text).toContain('but 1 file is gone (evicted, or lost)\n  gone     loss: loss.json  ')
    expect(text).toContain('no other entry of train is stored')
  })

  it('a blob whose bytes are not what was put is a miss; nothing is moved', async () => {
    const entry = await commit({ params: { lr: 0.1 } })
    const blob = store.blobs.path(entry.artifacts[0]!.files![0]!.sha256)
    fs.chmodSync(blob, 0o600)
    fs.writeFileSync(blob, fs.readFileSync(blob, 'utf8').replace('1', '2'))
    const { out: text, code } = await place.curio('why', 'train')
    expect(code).toBe(1)
    expect(text).toContain('but 1 file is damaged\n  damaged  loss: loss.json')
    expect(fs.existsSync(blob)).toBe(true)
  })

  it('a damaged entry is a miss, compared by the text of its key', async () => {
    await commit({ params: { lr: 0.1 } })
    const bad = await commit({ params: { lr: 0.2 } })
    const file = path.join(store.dirOf(bad.key), 'entry.json')
    fs.chmodSync(file, 0o600)
    fs.truncateSync(file, 100)
    const { out: text, code } = await place.curio('why', bad.key)
    expect(code).toBe(1)
    expect(text).toContain('a miss: its entry is damaged (')
    expect(text).toMatch(/lr +was 0\.1, is 0\.2/)
    expect(fs.existsSync(file)).toBe(true)
  })

  it('a key that is not stored is compared by what its text tells', async () => {
    await commit({ params: { lr: 0.1, seed: 1 } })
    await commit({ params: { lr: 0.5, seed: 7 } })
    const { out: text, code } = await place.curio('why', 'train,2/lr=0.2,seed=1-aaaaaaaaaaaaaaaa')
    expect(code).toBe(1)
    expect(text).toContain('a miss: no entry is stored under this key')
    expect(text).toContain('nearest of 2 other entries: train,1/lr=0.1,seed=1-')
    expect(text).toMatch(/version +was 1, is 2\n +lr +was 0\.1, is 0\.2\n/)
    expect((await place.curio('why', 'train,1/lr=0.1,seed=1-aaaaaaaaaaaaaaaa')).out).toContain(
      'the difference is in what a key does not show',
    )
    expect((await place.curio('why', 'trian,1/lr=0.1,seed=1-aaaaaaaaaaaaaaaa')).out).toMatch(/id +was train, is trian/)
  })

  it('text that is like nothing stored exits with 1 and names the nearest stage or key', async () => {
    await commit({})
    await store.save('notes', TextCacher, '')
    expect(await place.curio('why', 'trian')).toMatchObject({
      code: 1,
      err: expect.stringContaining('curio why train'),
    })
    expect(await place.curio('why', 'nates')).toMatchObject({
      code: 1,
      err: expect.stringContaining('did you mean notes?'),
    })
  })

  it('says who computes it right now', async () => {
    const entry = await commit({})
    const lock = path.join(store.folder, 'locks', entry.hash.slice(0, 32))
    fs.mkdirSync(`${lock}.lock`, { recursive: true })
    signHolder(lock)
    expect((await place.curio('why', entry.key)).out).toContain(`pid ${process.pid} on `)
  })

  it('--json gives state, missing files and every difference', async () => {
    const was = await commit({ params: { lr: 0.1 }, created: at(1) })
    const is = await commit({ params: { lr: 0.2, s: 1 }, defaulted: ['s'], created: at(2) })
    const { out: text, code } = await place.curio('why', is.key, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(text)).toEqual({
      query: is.key,
      key: is.key,
      state: 'hit',
      reason: null,
      missing: [],
      damaged: [],
      lock: null,
      others: 1,
      droppedDefaults: { s: '1' },
      neighbours: [
        {
          key: was.key,
          created: at(1),
          differences: [
            { part: 'params', field: 'lr', was: '0.1', is: '0.2', counts: true, note: null },
            { part: 'params', field: 's', was: null, is: '1', counts: false, note: 'is the default' },
          ],
        },
      ],
    })
  })
})

describe('with the stages of this package', () => {
  it('a changed parameter, a changed nested default and a changed upstream result are told apart', async () => {
    const { z } = await import('zod')
    const { Config, Experiment, stage } = await import('../../src/index.js')
    class Params extends Config({
      seed: z.int().default(0),
      optim: z.object({ name: z.string().default('sgd'), decay: z.number().default(0) }).prefault({}),
    }) {}
    const draw = stage({ name: 'draw', params: Params.pick('seed'), outputs: { n: JsonCacher } }, async (record) => ({
      n: record.params.seed,
    }))
    const fit = stage(
      { name: 'fit', params: Params, inputs: [draw], outputs: { loss: JsonCacher } },
      async (_, { n }) => ({
        loss: n,
      }),
    )
    const experiment = new Experiment({ name: 'why', store: place.folder, progress: false })
    await experiment.run(new Params({ seed: 1 }), [draw, fit])
    await experiment.run(new Params({ seed: 2, optim: { decay: 0.5 } }), [draw, fit])
    const { out: text, code } = await place.curio('why', 'fit')
    expect(code).toBe(0)
    expect(text).toMatch(/params\.optim\.decay +was 0, is 0\.5 +\(was the default\)/)
    expect(text).toMatch(/params\.seed +was 1, is 2/)
    expect(text).toMatch(
      /inputs\.n +was artifact \w+, is artifact \w+\n +\(made by draw,1\/seed=1-\w+ then, by draw,1\/seed=2-\w+ now\)/,
    )
    expect(text).toContain('not in the key, being the defaults: optim.name = "sgd"')
  })
})
