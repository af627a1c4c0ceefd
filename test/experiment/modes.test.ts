import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import { Config, Experiment, lazy, stage } from '../../src/index.js'
import { blobFiles, failure, flip, listing, NumberCacher, newStore, quiet, tempDir } from './helpers.js'

class Params extends Config({ a: z.int().default(1), b: z.int().default(0) }) {}

/** A line of three stages that notes what runs; the name tells the tests apart. */
function line(name: string, jitter = () => 0) {
  const ran: string[] = []
  const parity = stage(
    { params: Params.pick('a'), outputs: { even: NumberCacher }, name: `${name}/parity` },
    async ({ params }) => {
      ran.push('parity')
      return { even: (params.a % 2) + jitter() }
    },
  )
  const double = stage(
    { inputs: [parity], params: Params.pick(), outputs: { twice: NumberCacher }, name: `${name}/double` },
    async (_r, { even }) => {
      ran.push('double')
      return { twice: even * 2 }
    },
  )
  const show = stage(
    { inputs: [double], params: Params.pick('b'), outputs: { text: JsonCacher }, name: `${name}/show` },
    async ({ params }, { twice }) => {
      ran.push('show')
      return { text: `${twice}+${params.b}` }
    },
  )
  const take = (): string[] => ran.splice(0)
  return { stages: [parity, double, show] as const, take }
}

describe('early cut-off', () => {
  it('an upstream result that comes out the same stops the wave', async () => {
    const { stages, take } = line('cutoff')
    const experiment = await quiet()
    await experiment.run(new Params({ a: 1 }), stages)
    expect(take()).toEqual(['parity', 'double', 'show'])
    await experiment.run(new Params({ a: 3 }), stages)
    expect(take()).toEqual(['parity'])
    await experiment.run(new Params({ a: 4 }), stages)
    expect(take()).toEqual(['parity', 'double', 'show'])
    await experiment.run(new Params({ a: 4, b: 1 }), stages)
    expect(take()).toEqual(['show'])
  })
})

describe('force', () => {
  it('of a run computes every stage again', async () => {
    const { stages, take } = line('force-all')
    const experiment = await quiet()
    await experiment.run(new Params({}), stages)
    take()
    const record = await experiment.run(new Params({}), stages, { mode: 'force' })
    expect([take(), record.stages.map((run) => run.how)]).toEqual([
      ['parity', 'double', 'show'],
      ['computed', 'computed', 'computed'],
    ])
  })

  it('of one stage reruns what is downstream exactly when it comes out different', async () => {
    let extra = 0
    const { stages, take } = line('force-one', () => extra)
    const experiment = await quiet()
    await experiment.run(new Params({}), stages)
    take()
    await experiment.run(new Params({}), stages, { force: ['parity'] })
    expect(take()).toEqual(['parity'])
    extra = 1
    const record = await experiment.run(new Params({}), stages, { force: [stages[0]] })
    expect(take()).toEqual(['parity', 'double', 'show'])
    expect(await record.get('text')).toBe('4+0')
    await experiment.run(new Params({}), stages)
    expect(take()).toEqual([])
  })

  it('is done once per run: a second record, and a second look, find what it made', async () => {
    const { stages, take } = line('force-token')
    const experiment = await quiet()
    const record = experiment.record(new Params({}), { mode: 'force' })
    const [parity] = stages
    await parity(record)
    await parity(record)
    await parity(record.copy(new Params({})))
    expect(take()).toEqual(['parity'])
    await experiment.run(new Params({}), [parity], { mode: 'force', token: 'a' })
    await experiment.run(new Params({}), [parity], { mode: 'force', token: 'a' })
    await experiment.run(new Params({}), [parity], { mode: 'force', token: 'b' })
    expect(take()).toEqual(['parity', 'parity'])
  })

  it('leaves handles given out earlier on what they were given out for', async () => {
    let extra = 0
    const make = stage({ outputs: { v: lazy(NumberCacher) }, name: 'force-pinned' }, async () => ({ v: extra++ }))
    const experiment = await quiet()
    const before = (await experiment.run(undefined, [make])).lazy('v')
    const after = (await experiment.run(undefined, [make], { mode: 'force' })).lazy('v')
    expect([await before.load(), await after.load()]).toEqual([0, 1])
    expect(fs.readFileSync(before.path, 'utf8')).toBe('0')
    expect(fs.readFileSync(after.path, 'utf8')).toBe('1')
  })

  it('of a name that no stage of the run has is refused, with the nearest', async () => {
    const { stages } = line('force-typo')
    const error = await failure((await quiet()).run(new Params({}), stages, { force: ['partiy'] }))
    expect(error).toMatchObject({ code: 'ERR_DECLARATION', hint: 'did you mean parity?' })
  })
})

describe('read-only', () => {
  it('loads what is there, never computes, and writes nothing at all', async () => {
    const { stages, take } = line('read-only')
    const store = await newStore()
    const experiment = await quiet(store)
    const first = await experiment.run(new Params({}), stages)
    take()
    for (const run of first.stages) {
      const dir = store.dirOf(run.key)
      for (const name of fs.readdirSync(dir)) if (name !== 'entry.json') fs.rmSync(path.join(dir, name))
    }
    const before = listing(store.folder)
    const record = await experiment.run(new Params({}), stages, { mode: 'read-only' })
    expect(record.stages.map((run) => run.how)).toEqual(['loaded', 'loaded', 'loaded'])
    expect(await record.get('text')).toBe('2+0')
    expect(await failure(experiment.run(new Params({ a: 2 }), stages, { mode: 'read-only' }))).toMatchObject({
      code: 'ERR_READ_ONLY',
    })
    expect(take()).toEqual([])
    expect(listing(store.folder)).toEqual(before)
  })

  it('leaves damage where it is: a bad entry is a miss, a bad blob an error, and neither is moved', async () => {
    const { stages } = line('read-only-damage')
    const store = await newStore()
    const experiment = await quiet(store)
    const first = await experiment.run(new Params({}), stages)
    flip((await blobFiles(store, first.stages[2]!.key, 'text'))[0]!)
    flip(path.join(store.dirOf(first.stages[0]!.key), 'entry.json'), 200)
    const before = listing(store.folder)
    expect(await failure(experiment.run(new Params({}), stages, { mode: 'read-only' }))).toMatchObject({
      code: 'ERR_READ_ONLY',
    })
    const record = experiment.record(new Params({}), { mode: 'read-only' }).set('twice', 2)
    const shown = await failure(stages[2](record as never, { twice: 3 }))
    expect(shown).toMatchObject({ code: 'ERR_READ_ONLY' })
    expect(listing(store.folder)).toEqual(before)
  })

  it('does not make a store where there is none', async () => {
    const { stages } = line('read-only-absent')
    const folder = path.join(tempDir(), 'none')
    const experiment = new Experiment({ name: 'x', store: folder, progress: false })
    expect(await failure(experiment.run(new Params({}), stages, { mode: 'read-only' }))).toMatchObject({
      code: 'ERR_STORE_OPEN',
    })
    expect(fs.existsSync(folder)).toBe(false)
    const record = await experiment.run(new Params({}), stages)
    expect(record.stages).toHaveLength(3)
  })

  it('does not write the copy at an overwritePath', async () => {
    const target = path.join(tempDir(), 'copy.num')
    const make = stage(
      { outputs: { v: new NumberCacher({ overwritePath: target }) }, name: 'read-only-copy' },
      async () => ({ v: 1 }),
    )
    const experiment = await quiet()
    await experiment.run(undefined, [make])
    fs.rmSync(target)
    await experiment.run(undefined, [make], { mode: 'read-only' })
    expect(fs.existsSync(target)).toBe(false)
  })
})

describe('which mode goes before which', () => {
  let n = 0
  const own = (mode: 'cached' | 'force' | 'read-only') =>
    stage({ outputs: { v: NumberCacher }, name: 'precedence', mode }, async () => ({ v: ++n }))
  const how = async (store: Awaited<ReturnType<typeof newStore>>, mode: Parameters<typeof own>[0], options = {}) => {
    const before = n
    const outcome = await (await quiet(store)).run(undefined, [own(mode)], options).then(
      () => (n === before ? 'loaded' : 'computed'),
      (error: { code: string }) => error.code,
    )
    return outcome
  }

  it('the stage’s own where the run says nothing; then the run’s; then a force of that stage; read-only before all', async () => {
    const store = await newStore()
    expect(await how(store, 'read-only')).toBe('ERR_READ_ONLY')
    expect(await how(store, 'cached')).toBe('computed')
    expect(await how(store, 'force')).toBe('computed')
    expect(await how(store, 'force', { mode: 'cached' })).toBe('loaded')
    expect(await how(store, 'read-only', { mode: 'force' })).toBe('computed')
    expect(await how(store, 'cached', { mode: 'cached', force: ['precedence'] })).toBe('computed')
    expect(await how(store, 'force', { mode: 'read-only', force: ['precedence'] })).toBe('loaded')
  })

  it('an unknown mode, lazy or option is refused with the known ones', async () => {
    const experiment = await quiet()
    expect(() => experiment.record(undefined, { mode: 'forced' as never })).toThrow(
      "use 'cached', 'force' or 'read-only'",
    )
    expect(() => experiment.record(undefined, { lazy: true as never })).toThrow("use 'declared', 'all' or 'none'")
    expect(() => experiment.record(undefined, { forse: [] } as never)).toThrow('did you mean force?')
    expect(() => own('retry' as never)).toThrow("use 'cached', 'force' or 'read-only'")
    expect(() => new Experiment({ name: 'x', folder: '.' } as never)).toThrow('Experiment has no option "folder"')
  })
})
