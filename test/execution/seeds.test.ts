import * as fs from 'node:fs'
import * as path from 'node:path'
import { toArray } from 'curio'
import { beforeEach, describe, expect, it } from 'vitest'
import { failure, tempDir } from '../experiment/helpers.js'
import {
  ConvCfg,
  Extractor,
  MyModel,
  MyTask,
  myFunc,
  Parent,
  ParentOfTask,
  ran,
  Squarer,
  Study,
  Train,
  Trainer,
  TransformerCfg,
  TutorialMap,
  TutorialTask,
} from './fixtures/seeds.js'

let folder = ''

beforeEach(() => {
  ran.length = 0
  folder = path.join(tempDir(), 'cache')
})

describe('000: caching and cluster execution', () => {
  it('a map gives [1, 4, 9], with and without a folder, here and by the way of a job', async () => {
    expect(await toArray(new Squarer({}).process([1, 2, 3]))).toEqual([1, 4, 9])
    expect(await toArray(new Squarer({ infra: { folder } }).process([1, 2, 3]))).toEqual([1, 4, 9])
    expect(await toArray(new Squarer({ infra: { folder } }).process([1, 2, 3]))).toEqual([1, 4, 9])
    expect(ran).toHaveLength(6)
    const many = new Squarer({ coeff: 2, infra: { folder, cluster: 'debug', maxJobs: 64 } })
    expect((await toArray(many.process(Array.from({ length: 200 }, (_, i) => i)))).at(-1)).toBe(199 ** 2 * 2)
  })

  it('a training gives its loss once', async () => {
    expect(await new Train({ lr: 1e-3, infra: { folder } }).run()).toEqual({ loss: 0.42 / 1e-3 })
    expect(await new Train({ lr: 1e-3, infra: { folder } }).run()).toEqual({ loss: 420 })
    expect(ran).toEqual(['train 0.001'])
  })

  it('a sweep: each configuration is a job', async () => {
    const xp = new Train({ infra: { folder } })
    const jobs = await xp.infra.jobArray((array) => {
      for (const lr of [1e-4, 1e-3, 1e-2]) array.push(xp.clone({ lr }))
    })
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual([{ loss: 4200 }, { loss: 420 }, { loss: 42 }])
  })

  it('a folder on one infra is that of the other: the whole is kept, and each part', async () => {
    const study = new Study({ name: 'Allen2022', infra: { folder } })
    expect(study.infraTimelines.folder).toBe(folder)
    const events = ['Allen2022 1', 'Allen2022 2', 'Allen2022 3']
    expect([await study.run(), await study.run()]).toEqual([events, events])
    expect(await toArray(new Study({ name: 'Allen2022', infra: { folder } }).load([3, 4]))).toEqual([
      'Allen2022 3',
      'Allen2022 4',
    ])
    expect(ran).toEqual(['timeline 1', 'timeline 2', 'timeline 3', 'timeline 4'])
    expect(new Study({ name: 'x', infra: { folder }, infraTimelines: { folder: null } }).infraTimelines.folder).toBe(
      undefined,
    )
  })

  it('an extractor prepares all in one pass and reads one by one', async () => {
    const extractor = new Extractor({ infra: { folder } })
    await extractor.prepare([{ text: 'ab' }, { text: 'cd' }])
    expect(await extractor.vector({ text: 'cd' })).toEqual(Float32Array.of(99, 100))
    expect(await new Extractor({ infra: { folder } }).vector({ text: 'ab' })).toEqual(Float32Array.of(97, 98))
    expect(ran).toEqual(['load the model'])
    expect([...(await extractor.infra.cacheDict()).keys()]).toEqual(['ab', 'cd'])
  })

  it('modes: force computes again, read-only never', async () => {
    await new Train({ infra: { folder } }).run()
    await new Train({ infra: { folder, mode: 'force' } }).run()
    expect(ran).toHaveLength(2)
    expect(await new Train({ infra: { folder, mode: 'read-only' } }).run()).toEqual({ loss: 420 })
    expect((await failure(new Train({ lr: 1, infra: { folder, mode: 'read-only' } }).run())).code).toBe('ERR_READ_ONLY')
  })

  it('uidFolder is a folder, iterCached gives what is there', async () => {
    const xp = new Train({ infra: { folder } })
    await xp.run()
    expect(fs.existsSync(path.join(await xp.infra.uidFolder(), 'uid.yaml'))).toBe(true)
    const found: number[] = []
    for await (const one of xp.infra.iterCached<Train>()) found.push(one.lr)
    expect(found).toEqual([1e-3])
  })
})

describe('001: tutorial', () => {
  it('a task: calling it again loads, and is no new random number', async () => {
    const tutorial = new TutorialTask({ param: 1, infra: { folder } })
    const out = await tutorial.process()
    expect(out).toBeLessThan(1)
    expect(await tutorial.process()).toBe(out)
    expect(await new TutorialTask({ param: 1, infra: { folder } }).process()).toBe(out)
    expect(await new TutorialTask({ param: 2, infra: { folder } }).process()).not.toBe(out)
  })

  it('a map of arrays', async () => {
    const mapper = new TutorialMap({ infra: { cluster: null, folder, cpusPerTask: 1 } })
    const first = await toArray(mapper.process([1, 2, 3]))
    expect(first.map(({ shape }) => shape)).toEqual([
      [1, 12],
      [2, 12],
      [3, 12],
    ])
    expect(await toArray(new TutorialMap({ infra: { folder } }).process([3, 1]))).toEqual([first[2], first[0]])
  })

  it('a function: the second call is the same, as it is cached', async () => {
    const out = await myFunc({ a: 3, b: 4 }, { folder })
    const out2 = await myFunc({ a: 3, b: 4 }, { folder })
    expect(out2).toEqual(out)
    expect(out.shape).toEqual([3, 4])
    expect(ran).toEqual(['my_func 3 4'])
  })

  it('the configuration in its forms, and the files in the folder', async () => {
    const tutorial = new TutorialTask({ param: 13, infra: { folder } })
    await tutorial.process()
    expect(await tutorial.infra.config({ uid: false, excludeDefaults: true })).toEqual({
      infra: { folder, version: '1' },
      param: 13,
    })
    expect(await tutorial.infra.config({ uid: true, excludeDefaults: true })).toEqual({ param: 13 })
    const files = fs.readdirSync(await tutorial.infra.uidFolder())
    expect(files).toEqual(expect.arrayContaining(['config.yaml', 'full-uid.yaml', 'uid.yaml']))
  })

  it('a job has a result, is done, and can be cleared', async () => {
    const tutorial = new TutorialTask({ infra: { folder } })
    const job = tutorial.infra.job()
    const result = await job.result()
    expect([job.done(), tutorial.infra.job() === job]).toEqual([true, true])
    await tutorial.infra.clearJob()
    expect(await tutorial.infra.job().result()).not.toBe(result)
  })

  it('models are type-checked, and refuse what they do not know', () => {
    expect(new MyModel({ x: 12 })).toMatchObject({ x: 12, y: 'blublu' })
    expect(() => new MyModel({ x: 'wrong' } as never)).toThrow(/x: .*number/)
    expect(() => new MyModel({ x: 12, wrong_parameter: 12 } as never)).toThrow(/wrong_parameter: no such field/)
  })

  it('a configuration contains others, from data and from YAML', async () => {
    expect(new Parent({ data: { x: 12 } }).data.x).toBe(12)
    const parent = await Parent.fromYaml('data:\n  x: 12\n  y: whatever\n')
    expect(parent.data).toBeInstanceOf(MyModel)
    expect(parent.data.y).toBe('whatever')
  })
})

describe('002: explanation', () => {
  it('a configuration is validated before anything runs', () => {
    expect(new MyTask({ x: 12 }).x).toBe(12)
    expect(() => new MyTask({ x: 'blublu' } as never)).toThrow(/x: Invalid input: expected (number|int)/)
    expect(new ParentOfTask({ task: { x: 12 } }).task.x).toBe(12)
  })

  it.each(['null', 'debug'])('one from YAML runs where it says, cluster %s, and gives 24', async (cluster) => {
    const config = `
x: 12
y: whatever
infra:  # resource parameters
  cluster: ${cluster}
  folder: ${folder}
  cpusPerTask: 4
`
    const obj = await MyTask.fromYaml(config)
    expect(await obj.compute()).toBe(24)
    expect(await (await MyTask.fromYaml(config)).compute()).toBe(24)
    expect(await obj.infra.status()).toBe('completed')
    expect(new ParentOfTask({ task: { x: 12 } }).task.infra.options.cpusPerTask).toBe(undefined)
  })

  it('a configuration builds its model, and one of several says which', async () => {
    expect(new ConvCfg({ layers: 3 }).build()).toBe('conv of 3')
    const trainer = await Trainer.fromYaml(`
model:
  name: transformer  # specifies which model
  embeddings: 256  # only accepts transformer specific parameters
optimizer: SGD
`)
    expect(trainer.model).toBeInstanceOf(TransformerCfg)
    expect((await failure(Trainer.fromYaml('model: { name: conv, embeddings: 256 }'))).message).toContain(
      'model.embeddings',
    )
  })

  it('a grid is a loop: only the missing trainings are sent, each with a folder of its own for checkpoints', async () => {
    const trainer = await Trainer.fromYaml(`
model:
  name: transformer
  embeddings: 256
optimizer: SGD
infra:
  gpusPerNode: 8
  cpusPerTask: 80
  folder: ${folder}
`)
    await trainer.clone({ 'model.layers': 14 }).run()
    ran.length = 0
    const jobs = await trainer.infra.jobArray((array) => {
      for (const layers of [12, 14, 15]) array.push(trainer.clone({ 'model.layers': layers }))
    })
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual([
      'transformer of 12 × 256, from the start',
      'transformer of 14 × 256, from the start',
      'transformer of 15 × 256, from the start',
    ])
    expect(ran).toEqual(['transformer of 12 × 256', 'transformer of 15 × 256'])
    const again = trainer.clone({ 'model.layers': 15, 'infra.mode': 'force' })
    expect(await again.run()).toBe('transformer of 15 × 256, from epoch 1')
  })
})
