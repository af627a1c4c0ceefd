import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import { TextCacher } from '../../cachers/text.js'
import { Config, lazy, NondeterminismError, stage } from '../../src/index.js'
import { blobFiles, failure, flip, NumberCacher, newStore, quiet } from './helpers.js'

class Params extends Config({ a: z.int().default(1) }) {}

/** Two stages that note what runs; `salt` makes the first come out different. */
function pair(name: string) {
  const ran: string[] = []
  const state = { salt: '' }
  const first = stage(
    { params: Params, outputs: { plain: TextCacher, big: lazy(TextCacher) }, name: `${name}/first` },
    async ({ params }) => {
      ran.push('first')
      return { plain: `p${params.a}${state.salt}`, big: `b${params.a}${state.salt}` }
    },
  )
  const second = stage(
    { inputs: [first], params: Params.pick(), outputs: { both: TextCacher }, name: `${name}/second` },
    async (_r, { plain, big }) => {
      ran.push('second')
      return { both: `${plain}-${big}` }
    },
  )
  return { first, second, state, ran, take: () => ran.splice(0) }
}

async function firstRun(name: string) {
  const store = await newStore()
  const experiment = await quiet(store)
  const line = pair(name)
  const record = await experiment.run(new Params({}), [line.first, line.second])
  line.take()
  const keys = record.stages.map((run) => run.key)
  const run = () => experiment.run(new Params({}), [line.first, line.second])
  return { store, experiment, record, run, key: keys[0]!, lower: keys[1]!, ...line }
}

const damages: [string, (file: string) => void][] = [
  ['deleted', (file) => fs.rmSync(file)],
  [
    'cut short',
    (file) => {
      fs.chmodSync(file, 0o644)
      fs.truncateSync(file, 1)
    },
  ],
]

test('bytes that are evicted after the run was over, and its signal aborted, are computed again all the same', async () => {
  const { store, experiment, first, take } = await firstRun('damage/aborted')
  const stop = new AbortController()
  const record = await experiment.run(new Params({ a: 7 }), [first], { signal: stop.signal })
  stop.abort()
  take()
  await store.evict(record.stages[0]!.key)
  expect(await record.get('plain')).toBe('p7')
  expect(take()).toEqual(['first'])
})

describe('bytes that are gone or short', () => {
  describe.each(['plain', 'big'] as const)('of output %s', (output) => {
    it.each(damages)(
      '%s: the stage runs again, the store is healed, and downstream is not touched',
      async (_name, damage) => {
        const { store, run, key, take } = await firstRun(`damage/${output}/${_name}`)
        damage((await blobFiles(store, key, output))[0]!)
        const record = await run()
        expect(take()).toEqual(['first'])
        expect(record.stages.map(({ how }) => how)).toEqual(['computed', 'loaded'])
        expect(await record.get(output)).toBe(`${output[0]}1`)
        await run()
        expect(take()).toEqual([])
        expect((await store.verify()).problems).toEqual([])
      },
    )
  })

  it('and come out different: what is downstream gets another key and runs too', async () => {
    const { store, run, key, lower, take, state } = await firstRun('damage/rekeyed')
    fs.rmSync((await blobFiles(store, key, 'plain'))[0]!)
    state.salt = 'x'
    const record = await run()
    expect(take()).toEqual(['first', 'second'])
    expect(record.stages[1]!.key).not.toBe(lower)
    expect([await record.get('plain'), await record.get('big'), await record.get('both')]).toEqual([
      'p1x',
      'b1x',
      'p1x-b1x',
    ])
    expect(store.events.counts.healed).toBeGreaterThanOrEqual(1)
  })

  it('evicted is the same: the entry stays, and loading is a miss', async () => {
    const { store, run, key, take } = await firstRun('damage/evicted')
    expect(await store.evict(key)).toBe(4)
    expect([await store.has(key), (await store.entry(key))?.key]).toEqual([false, key])
    const record = await run()
    expect([take(), await record.get('big')]).toEqual([['first'], 'b1'])
  })
})

describe('a flipped bit, which only reading can find', () => {
  it('in a lazy output is found when it is touched: computed again, healed, and counted', async () => {
    const { store, run, key, take } = await firstRun('damage/flip-lazy')
    flip((await blobFiles(store, key, 'big'))[0]!)
    const record = await run()
    expect(record.stages.map(({ how }) => how)).toEqual(['loaded', 'loaded'])
    expect(take()).toEqual([])
    expect(await record.get('big')).toBe('b1')
    expect(take()).toEqual(['first'])
    expect(store.events.counts['blob-damaged']).toBe(1)
    expect((await store.verify()).problems).toEqual([])
    expect(fs.readdirSync(path.join(store.folder, 'quarantine'))).toHaveLength(1)
  })

  it('in an output that is not lazy the same', async () => {
    const { store, run, key, take } = await firstRun('damage/flip-plain')
    flip((await blobFiles(store, key, 'plain'))[0]!)
    const record = await run()
    expect([await record.get('plain'), take()]).toEqual(['p1', ['first']])
    expect((await store.verify()).problems).toEqual([])
  })

  it('is found by path too, before a program is let at the file', async () => {
    const { store, run, key } = await firstRun('damage/flip-path')
    flip((await blobFiles(store, key, 'big'))[0]!)
    const handle = (await run()).lazy('big')
    expect(() => handle.path).toThrow(/cannot find the bytes/)
    expect(await handle.load()).toBe('b1')
    expect(fs.readFileSync(handle.path, 'utf8')).toBe('b1')
  })

  it('in an input of a stage that runs: computed again under it; the same, and the stage goes on', async () => {
    const { store, run, key, lower, take } = await firstRun('damage/flip-input')
    flip((await blobFiles(store, key, 'big'))[0]!)
    await store.forget(lower)
    const record = await run()
    expect(take()).toEqual(['first', 'second'])
    expect([record.stages[1]!.key, await record.get('both')]).toEqual([lower, 'p1-b1'])
  })

  it('in an input that comes out different: the stage is decided anew, under the key of what it really read', async () => {
    const { store, experiment, first, second, key, lower, take, state } = await firstRun('damage/flip-input-differs')
    flip((await blobFiles(store, key, 'big'))[0]!)
    await store.forget(lower)
    state.salt = 'y'
    const record = await experiment.run(new Params({}), [first, second])
    // Only `big` was bad. Both outputs are replaced by what came out together with it.
    expect(take()).toEqual(['first', 'second'])
    expect(record.stages[1]!.key).not.toBe(lower)
    const entry = await store.entry(record.stages[1]!.key)
    expect(entry!.inputs!.big).toMatchObject({ artifact: record.lazy('big').digest })
    expect(entry!.inputs!.plain).toMatchObject({ artifact: record.lazy('plain').digest })
    const [plain, big, both] = [await record.get('plain'), await record.get('big'), await record.get('both')]
    expect(both).toBe(`${plain}-${big}`)
    expect(big).toBe('b1y')
  })

  it('in an unresolved input that comes out different: the stage is decided again, before its body gets the handle', async () => {
    let salt = ''
    const ran: string[] = []
    const give = stage(
      { outputs: { big: lazy(TextCacher, { resolve: false }) }, name: 'damage/unresolved/give' },
      async () => ({ big: `v${salt}` }),
    )
    const take = stage(
      { inputs: [give], outputs: { seen: TextCacher }, name: 'damage/unresolved/take' },
      async (_r, { big }) => {
        const seen = await big.load()
        ran.push(seen)
        return { seen }
      },
    )
    const store = await newStore()
    const experiment = await quiet(store)
    const before = await experiment.run(undefined, [give])
    flip((await blobFiles(store, before.stages[0]!.key, 'big'))[0]!)
    salt = '2'
    const record = await experiment.run(undefined, [give, take])
    expect(ran).toEqual(['v2'])
    const entry = await store.entry(record.stages[1]!.key)
    expect(entry!.inputs!.big).toMatchObject({ artifact: record.lazy('big').digest })
    const again = await experiment.run(undefined, [give, take])
    expect([ran.length, again.stages[1]!.how, await again.get('seen')]).toEqual([1, 'loaded', 'v2'])
  })
})

describe('a damaged entry', () => {
  it.each([
    ['garbage', (file: string) => fs.writeFileSync(file, 'garbage')],
    ['empty', (file: string) => fs.writeFileSync(file, '')],
    ['cut short', (file: string) => fs.truncateSync(file, 100)],
    ['a flipped bit', (file: string) => flip(file, 300)],
  ])('%s: it is set aside, the stage runs again and the entry is whole', async (name, damage) => {
    const { store, run, key, take } = await firstRun(`damage/entry/${name}`)
    const file = path.join(store.dirOf(key), 'entry.json')
    fs.chmodSync(file, 0o644)
    damage(file)
    const record = await run()
    expect([take(), record.stages[0]!.how]).toEqual([['first'], 'computed'])
    expect(fs.readdirSync(path.join(store.folder, 'quarantine'))).toHaveLength(1)
    await run()
    expect(take()).toEqual([])
  })
})

describe('a sidecar', () => {
  it.each([
    ['missing', (file: string) => fs.rmSync(file)],
    ['corrupt', (file: string) => fs.writeFileSync(file, '{"curio":"sidec')],
    ['empty', (file: string) => fs.writeFileSync(file, '')],
  ])('%s is still a hit, and repaired by the next process that looks', async (name, damage) => {
    const { store, experiment, first, key, take } = await firstRun(`damage/sidecar/${name}`)
    const file = path.join(store.dirOf(key), 'big.meta.json')
    const text = fs.readFileSync(file, 'utf8')
    damage(file)
    const record = await experiment.run(new Params({}), [first])
    expect([record.stages[0]!.how, take(), await record.get('big')]).toEqual(['loaded', [], 'b1'])
    await store.refreshViews((await store.entry(key))!)
    expect(fs.readFileSync(file, 'utf8')).toBe(text)
  })
})

describe('determinism', () => {
  it('a stage that says it is deterministic fails when a forced run comes out different, and the stored result stands', async () => {
    let n = 0
    const roll = stage(
      { outputs: { n: NumberCacher }, name: 'damage/deterministic', deterministic: true },
      async () => ({ n: n++ }),
    )
    const store = await newStore()
    const experiment = await quiet(store)
    await experiment.run(undefined, [roll])
    const error = await failure(experiment.run(undefined, [roll], { mode: 'force' }))
    expect(error).toBeInstanceOf(NondeterminismError)
    expect(await (await experiment.run(undefined, [roll])).get('n')).toBe(0)
    n = 0
    expect((await experiment.run(undefined, [roll], { mode: 'force' })).stages[0]!.how).toBe('computed')
  })

  it('one that does not say so keeps the first result when two race, and notes it', async () => {
    const store = await newStore()
    let other: (() => Promise<void>) | undefined
    let n = 0
    const race = stage({ outputs: { n: NumberCacher }, name: 'damage/race' }, async () => {
      n += 1
      const mine = n
      await other?.()
      return { n: mine }
    })
    // Another process commits while this one computes: played by a copy of its entry.
    const elsewhere = await newStore()
    const made = await (await quiet(elsewhere)).run(undefined, [race])
    other = async () => {
      fs.cpSync(path.join(elsewhere.folder, 'artifacts'), path.join(store.folder, 'artifacts'), {
        recursive: true,
        dereference: false,
      })
      fs.cpSync(path.join(elsewhere.folder, 'blobs'), path.join(store.folder, 'blobs'), { recursive: true })
    }
    const record = await (await quiet(store)).run(undefined, [race])
    expect(record.stages[0]).toMatchObject({
      key: made.stages[0]!.key,
      how: 'computed',
      note: expect.stringContaining('came out different'),
    })
    expect([n, await record.get('n')]).toEqual([2, 1])
    expect(store.events.counts.nondeterminism).toBe(1)
  })
})

describe('another computation under the same key', () => {
  it('is not overwritten: the value is returned uncached, with the reason', async () => {
    const store = await newStore()
    const experiment = await quiet(store)
    const mine = stage({ outputs: { n: NumberCacher }, name: 'damage/collision' }, async () => ({ n: 1 }))
    const record = await experiment.run(undefined, [mine])
    const { key } = record.stages[0]!
    const entry = (await store.entry(key))!
    const { canonical, sha256 } = await import('../../src/index.js')
    const material = canonical(['curio-key-1', 'another', '1', {}, {}, {}])
    fs.rmSync(path.join(store.dirOf(key), 'entry.json'))
    await store.commit({ text: key, hash: sha256(material), material }, { ...entry, hash: sha256(material), material })
    const again = await experiment.run(undefined, [mine])
    expect(again.stages[0]).toMatchObject({
      how: 'uncached',
      note: expect.stringContaining('another computation is stored under'),
    })
    expect(await again.get('n')).toBe(1)
    expect((await store.entry(key))!.material).toBe(material)
    expect(await failure(experiment.run(undefined, [mine], { mode: 'read-only' }))).toMatchObject({
      code: 'ERR_READ_ONLY',
    })
  })
})

describe('a file where the store expects a folder', () => {
  it('does not fail the run', async () => {
    const store = await newStore()
    fs.writeFileSync(path.join(store.folder, 'artifacts'), 'in the way')
    const make = stage({ outputs: { n: JsonCacher }, name: 'damage/in-the-way' }, async () => ({ n: [1] }))
    const record = await (await quiet(store)).run(undefined, [make])
    expect([record.stages[0]!.how, await record.get('n')]).toEqual(['uncached', [1]])
  })
})
