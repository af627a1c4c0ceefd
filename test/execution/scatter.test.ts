/** Fan-out over branches (row 91): a step that runs another one, in a field, over many values, and gathers. */
import * as path from 'node:path'
import { serialize } from 'node:v8'
import { Chain, exported, register, toYaml } from 'curio'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { StepInfra } from '../../src/execution/step-infra.js'
import { tempDir } from '../experiment/helpers.js'
import { Add } from './fixtures/pipeline.js'
import { LoadTimeline, ran, Study } from './fixtures/study.js'

beforeEach(() => {
  ran.length = 0
})
const newFolder = (): string => path.join(tempDir(), 'store')

const study = (folder: string, subjects: readonly number[], backend = 'cached', more: object = {}) =>
  new Study({
    subjects: [...subjects],
    timeline: new LoadTimeline({ path: '/data', infra: { backend } }),
    infra: { backend: 'cached', folder, ...more },
  })

describe('91: fan-out over branches', () => {
  it.each(['cached', 'debug'])('each branch is kept, and a subset uses what is there (%s)', async (backend) => {
    const folder = newFolder()
    const whole = study(folder, [1, 2, 3], backend)
    expect(await whole.run()).toEqual([
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
      [3, 0],
      [3, 1],
    ])
    expect(ran).toEqual(['gather', 'load 1.0', 'load 1.1', 'load 2.0', 'load 2.1', 'load 3.0', 'load 3.1'])
    await whole.run()
    expect(ran).toHaveLength(7)
    ran.length = 0
    expect(await study(folder, [3, 1], backend).run()).toEqual([
      [3, 0],
      [3, 1],
      [1, 0],
      [1, 1],
    ])
    expect(ran).toEqual(['gather'])
    await study(folder, [4, 1], backend).run()
    expect(ran).toEqual(['gather', 'gather', 'load 4.0', 'load 4.1'])
  })

  it('the folder of the whole is that of the branches, unless they have one', async () => {
    const folder = newFolder()
    expect(study(folder, [1]).timeline.infra.folder).toBe(folder)
    const other = newFolder()
    const timeline = new LoadTimeline({ path: '/data', infra: { folder: other } })
    expect(new Study({ subjects: [1], timeline, infra: { folder } }).timeline.infra.folder).toBe(other)
    const chain = new Chain({
      steps: [study(folder, [1]).clone({ infra: { folder: undefined } })],
      infra: { folder: other },
    })
    expect((chain.at(0) as Study).timeline.infra.folder).toBe(other)
  })

  it('a branch that fails is kept with its error, the others with their results', async () => {
    const folder = newFolder()
    await expect(study(folder, [1, 13, 2]).run()).rejects.toThrow('no such subject')
    const { timeline } = study(folder, [1])
    const statuses = [1, 13, 2].map((subject) => timeline.lookup({ subject, session: 0 }).status())
    expect(await Promise.all(statuses)).toEqual(['completed', 'failed', 'not submitted'])
    await expect(study(folder, [2]).run()).resolves.toEqual([
      [2, 0],
      [2, 1],
    ])
  })

  it('what a job gets does not grow with the number of branches', async () => {
    const sizes: number[] = []
    const assign = StepInfra.prototype.assign
    const spy = vi.spyOn(StepInfra.prototype, 'assign').mockImplementation(function (this: StepInfra, ...args) {
      const made = assign.apply(this, args)
      sizes.push(serialize({ ...made, key: '', where: '' }).byteLength)
      return made
    })
    for (const n of [10, 500]) {
      const subjects = Array.from({ length: n }, (_, i) => i + 100)
      const timeline = new LoadTimeline({ path: '/data', infra: { backend: 'debug', maxJobs: 2 } })
      await new Study({
        subjects,
        sessions: 1,
        timeline,
        infra: { backend: 'cached', folder: path.join(newFolder()) },
      }).run()
    }
    spy.mockRestore()
    expect(new Set(sizes.map((size) => Math.round(size / 50))).size).toBe(1)
  })

  it('goes to a worker whole, with steps that were named only here', async () => {
    register(LoadTimeline, Study)
    const folder = newFolder()
    const chain = new Chain({
      steps: [
        { type: 'Study', subjects: [1, 2], sessions: 1, timeline: [{ type: 'LoadTimeline', path: '/data', scale: 3 }] },
      ],
      infra: { backend: 'debug', folder },
    })
    expect(await chain.run()).toEqual([
      [3, 0],
      [6, 0],
    ])
    const read = await Chain.fromYaml(await toYaml(chain))
    expect(await exported(read)).toEqual(await exported(chain))
    expect(await read.run()).toEqual(await chain.run())
    expect(ran).toEqual(['gather', 'load 1.0', 'load 2.0'])
  })

  it('a step of another kind is refused where it is used', () => {
    expect(() => new Study({ subjects: [1], timeline: 3 as never })).toThrow(/timeline: is no step/)
    expect(new Study({ subjects: [1], timeline: new Add() as never }).timeline.show()).toBe('Add')
  })
})
