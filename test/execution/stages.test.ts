import * as fs from 'node:fs'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { blobFiles, failure, flip } from '../experiment/helpers.js'
import { place, until } from './helpers.js'

afterAll(() => {
  delete process.env.CURIO_TEST_CLUSTER
})

/** The fixture's stages as they are declared for a cluster, and an experiment in a new folder. */
async function ground(cluster: string) {
  process.env.CURIO_TEST_CLUSTER = cluster
  vi.resetModules()
  const stages = await import('./fixtures/stages.js')
  const { Experiment } = await import('curio')
  const { notes, folder, computed } = place()
  const make = (): InstanceType<typeof Experiment> => new Experiment({ name: 'far', store: folder, progress: false })
  return { stages, notes, folder, computed, make, experiment: make() }
}

describe.each(['threadpool', 'processpool', 'local', 'debug'])('a stage with cluster %s', (cluster) => {
  it('is computed once, by a worker, under the key that it has here, with all that it reads and writes', async () => {
    const { stages, notes, computed, make, experiment, folder } = await ground(cluster)
    const { pipeline, Params } = stages
    const record = await experiment.run(new Params({ notes }), pipeline)
    expect(await record.get('line')).toBe('of 3: 12')
    expect((await record.get('where')) === process.pid).toBe(cluster === 'threadpool' || cluster === 'debug')
    expect(computed()).toEqual(['load', 'report', 'train'])
    expect(record.stages.map(({ how }) => how)).toEqual(['computed', 'computed', 'computed'])
    const again = await make().run(new Params({ notes }), pipeline)
    expect(again.stages.map(({ how }) => how)).toEqual(['loaded', 'loaded', 'loaded'])
    expect(again.stages.map(({ key }) => key)).toEqual(record.stages.map(({ key }) => key))
    expect(computed()).toHaveLength(3)

    const store = await experiment.store()
    const entry = await store.entry(record.stages[1]!.key)
    expect(entry?.provenance).toMatchObject({ experiment: 'far', stagesBefore: ['loadStage'] })
    expect(entry?.artifacts.map(({ name }) => name)).toContain('_files')

    await make().run(new Params({ notes, by: 5 }), pipeline)
    expect(computed()).toEqual(['load', 'report', 'report', 'train', 'train'])
    // What runs here finds what ran there.
    const here = await ground('cached')
    const same = new here.stages.Params({ notes })
    const found = await new (await import('curio')).Experiment({ name: 'here', store: folder, progress: false }).run(
      same,
      here.stages.pipeline,
      { mode: 'read-only' },
    )
    expect(await found.get('line')).toBe('of 3: 12')
  })
  it('is computed again when it is forced, each time once', async () => {
    const { stages, notes, computed, experiment } = await ground(cluster)
    for (let round = 1; round <= 3; round++) {
      const record = await experiment.run(new stages.Params({ notes }), stages.pipeline, { force: [stages.train] })
      expect(record.stages[1]!.how).toBe('computed')
      expect(computed().filter((name) => name === 'train')).toHaveLength(round)
    }
  })
  it('that throws is named, with where it threw, and keeps nothing', async () => {
    const { stages, notes, computed, experiment } = await ground(cluster)
    for (let round = 1; round <= 2; round++) {
      const error = await failure(experiment.run(new stages.Params({ notes }), [stages.fails]))
      expect(error).toMatchObject({ code: 'ERR_JOB', message: expect.stringMatching(/fails.*RangeError: unlucky/s) })
      expect((error as { details?: { remoteStack?: string } }).details?.remoteStack).toContain('stages.ts')
      expect((error as { computing?: string }).computing).toContain('stage failsStage')
      expect(computed()).toHaveLength(round)
    }
  })
})

describe('a stage in a worker', () => {
  it('gets what was set by hand, given at the call, or is a default', async () => {
    const { stages, experiment } = await ground('processpool')
    const record = experiment.record({ x: 7 })
    await stages.given(record, { a: new Float32Array([1, 2]) })
    expect(await record.get('seen' as never)).toEqual([[1, 2], [['k', 1]], 7])
    const other = experiment
      .record({ x: 7 })
      .set('a', { deep: ['y'], $curio: { module: '/nowhere', exported: 'x', input: {} } })
    await stages.given(other as never, { b: new Map([['z', 2]]) } as never)
    expect(await (other as { get(name: string): Promise<unknown> }).get('seen')).toEqual([
      { deep: ['y'], $curio: { module: '/nowhere', exported: 'x', input: {} } },
      [['z', 2]],
      7,
    ])
  })
  it('gets a handle that was given to it', async () => {
    const { stages, experiment } = await ground('processpool')
    const { TextCacher } = await import('curio/cachers')
    const store = await experiment.store()
    await store.save('notes/one', TextCacher, 'a text')
    const handle = store.lazy('notes/one')
    const record = experiment.record()
    await stages.handed(record, { handle } as never)
    expect(await (record as { get(name: string): Promise<unknown> }).get('got')).toBe('a text')
  })
  it('reads an input by the cacher that the stage which makes it has named', async () => {
    const { stages, experiment } = await ground('processpool')
    const record = await experiment.run(undefined, [stages.scaled, stages.readsScaled])
    expect(await record.get('twice')).toBe(80)
    // Nobody need export it.
    expect(await (await experiment.run(undefined, stages.withHidden)).get('hid')).toBe(40)
    const two = await experiment.run(undefined, [stages.chars, stages.words, stages.readsWords])
    expect(await two.get('seen')).toBe(40)
  })
  it('is a method of a configuration, or of a class; no other object can be sent', async () => {
    const { stages, notes, experiment, computed } = await ground('processpool')
    const { stageOf } = await import('curio')
    const method = new stages.Method({ notes, k: 6 })
    expect(await method.times(experiment.record(), { x: 7 })).toEqual({ product: 42 })
    expect(await method.times(experiment.record(), { x: 7 })).toEqual({ product: 42 })
    expect(computed()).toEqual(['times'])
    expect(await stages.Method.square(experiment.record(), { x: 3 })).toEqual({ square: 9 })
    const error = await failure(stageOf(new stages.NoConfig(), 'one')(experiment.record()))
    expect(error).toMatchObject({ code: 'ERR_DECLARATION', hint: expect.stringContaining('extends Config') })
  })
  it('can be an aggregate', async () => {
    const { stages, notes, experiment } = await ground('processpool')
    const sets = [1, 2].map((by) => new stages.Params({ notes, by }))
    const records = await experiment.run(sets, stages.pipeline)
    const record = await stages.total(experiment.record(), records as never)
    const { rows, pid } = (await (record as unknown as { get(name: string): Promise<unknown> }).get('table')) as {
      rows: [number, number][]
      pid: number
    }
    expect(rows.sort()).toEqual([
      [1, 6],
      [2, 12],
    ])
    expect(pid).not.toBe(process.pid)
  })
  it('must come to the same key there', async () => {
    const { stages, experiment } = await ground('processpool')
    const error = await failure(experiment.run(undefined, [stages.shifty]))
    expect(error.message).toMatch(/shifty.* became .*shifty.* in the worker/)
  })
  it('is refused when a file that it refers to changes meanwhile', async () => {
    const { stages, notes, experiment } = await ground('processpool')
    const file = `${notes}/file`
    fs.writeFileSync(file, 'AAAA')
    fs.writeFileSync(`${notes}/next`, 'BBBB')
    const run = async () => {
      const record = await stages.refers(experiment.record(), { path: file } as never)
      return (await stages.readsFile(record as never)) as unknown as { get(name: string): Promise<unknown> }
    }
    expect((await failure(run())).message).toMatch(/file/)
    expect(await (await run()).get('text')).toBe('BBBB')
    fs.writeFileSync(file, 'AAAA')
    expect(await (await run()).get('text')).toBe('AAAA')
  })
  it('that cannot be kept is computed here after all; what was there before is never its result', async () => {
    const { stages, notes, experiment } = await ground('processpool')
    const [file, at] = [`${notes}/file`, `${notes}/world`]
    fs.writeFileSync(file, '')
    fs.writeFileSync(at, 'old')
    const run = async (options = {}) => {
      const params = new stages.WorldParams({ file, ignored: notes })
      return (await experiment.run(params, [stages.world], options)).get('now')
    }
    expect(await run()).toBe('old')
    fs.writeFileSync(at, 'new')
    expect(await run()).toBe('old')
    fs.writeFileSync(`${notes}/spoil`, '')
    expect(await run({ mode: 'force' })).toBe('new')
  })
  it('that throws what cannot be printed is named all the same', async () => {
    const { stages, notes, computed, experiment } = await ground('processpool')
    const error = await failure(experiment.run(new stages.Params({ notes }), [stages.odd]))
    expect(error.message).toContain('[Object: null prototype]')
    expect(computed()).toEqual(['odd'])
  })
  it('has its result made again from what it read, whatever has taken its place in the record', async () => {
    const { stages, notes, experiment } = await ground('processpool')
    const record = await experiment.run(new stages.Params({ notes }), stages.pipeline)
    const model = record.lazy('model')
    record.set('rows', [100])
    await (await experiment.store()).evict(record.stages[1]!.key)
    expect(await model.load()).toEqual({ sum: 12, text: 'of 3' })
  })
  it('is ended when its run is', async () => {
    const { stages, notes, computed, experiment } = await ground('processpool')
    const abort = new AbortController()
    const run = failure(experiment.run(new stages.Params({ notes }), [stages.hangs], { signal: abort.signal }))
    await until(() => computed().length === 1)
    abort.abort()
    expect((await run).name).toBe('AbortError')
  })
  it('has its inputs made again when their bytes are found bad there', async () => {
    const { stages, notes, computed, experiment } = await ground('processpool')
    const record = await experiment.run(new stages.Params({ notes }), stages.pipeline.slice(0, 1) as never)
    const [file] = await blobFiles(await experiment.store(), record.stages[0]!.key, 'text')
    flip(file!)
    await stages.train(record as never)
    expect(await (record as { get(name: string): Promise<unknown> }).get('model')).toEqual({ sum: 12, text: 'of 3' })
    expect(computed()).toEqual(['load', 'load', 'train'])
    expect(fs.existsSync(file!)).toBe(true)
  })
  it('is computed here, which is said, when no worker could read an input', async () => {
    const { stages, notes, experiment } = await ground('processpool')
    const warned: string[] = []
    const hear = (warning: Error): void => void warned.push(warning.message)
    process.on('warning', hear)
    const { Store } = await import('curio')
    const { TextCacher } = await import('curio/cachers')
    const other = await Store.open({ folder: `${notes}/other` })
    await other.save('notes/one', TextCacher, 'far')
    const record = experiment.record()
    await stages.handed(record, { handle: other.lazy('notes/one') } as never)
    expect(await (record as { get(name: string): Promise<unknown> }).get('got')).toBe('far')
    // What is stored is loaded, and nothing is said.
    await stages.handed(experiment.record(), { handle: other.lazy('notes/one') } as never)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', hear)
    expect(warned.filter((text) => /handle is not in the store.*computed here/.test(text))).toHaveLength(1)
  })
})

it('options that are of the experiment or the stage are refused in its infra, at once', async () => {
  const { stage } = await import('curio')
  expect(() => stage({ name: 'x/y', outputs: { y: null }, infra: { folder: 'z' } as never }, () => ({ y: 1 }))).toThrow(
    /infra of stage x\/y.*folder: no such option/,
  )
  expect(() => stage({ name: 'x/z', outputs: { y: null }, infra: { cluster: 'treadpool' } }, () => ({ y: 1 }))).toThrow(
    /did you mean threadpool/,
  )
})
