import { spawnSync } from 'node:child_process'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Chain, Store } from 'curio'
import { rowsOf } from 'curio/cachers'
import { describe, expect, it } from 'vitest'
import { Scores } from '../../docs/examples/neuralset/experiment.js'
import { Bigrams } from '../../docs/examples/neuralset/extractor.js'
import { runGrid } from '../../docs/examples/neuralset/grid.js'
import { Between, type Event, Movies } from '../../docs/examples/neuralset/study.js'
import { tempDir } from '../experiment/helpers.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = path.join(root, 'node_modules/vega-datasets/data/movies.json')

const study = (folder: string, timelines: string[]) =>
  new Chain({
    steps: [new Movies({ path: file, timelines, infra: { backend: 'cached', folder } }), new Between({ from: 90 })],
  })

describe("the example in neuralset's shape", () => {
  it('reads each timeline once, whichever studies want it', async () => {
    const folder = path.join(tempDir(), 'store')
    const [few, more] = [study(folder, ['G']), study(folder, ['G', 'PG'])]
    const first = await rowsOf<Event>(await few.run())
    const second = await rowsOf<Event>(await more.run())
    expect(second.slice(0, first.length)).toEqual(first)
    expect(new Set(second.map(({ timeline }) => timeline))).toEqual(new Set(['G', 'PG']))
    const movies = more.at(0) as unknown as Movies
    expect((await movies.infraTimelines.cacheDict()).size).toBe(2)
  })

  it('trains each point of a grid once, one field at a time or all combinations', async () => {
    const folder = path.join(tempDir(), 'store')
    const xp = () =>
      new Scores({
        events: study(folder, ['G', 'PG']),
        extractor: new Bigrams({ infra: { folder } }),
        epochs: 2,
        infra: { folder },
      })
    const grid = { lr: [0.1, 0.5], 'extractor.size': [16, 64] }
    const planned = await runGrid(xp(), grid, { dryRun: true })
    expect(planned.map(({ status }) => status)).toEqual(Array(4).fill('not submitted'))
    const rows = await runGrid(xp(), grid)
    expect(rows.map(({ lr, 'extractor.size': size }) => [lr, size])).toEqual([
      [0.1, undefined],
      [0.5, undefined],
      [undefined, 16],
      [undefined, 64],
    ])
    for (const { tested, error } of rows) expect([tested, Number(error) < 3]).toEqual([75, true])
    const { counts } = (await Store.open(folder)).events
    const before = counts.committed
    expect(await runGrid(xp(), grid)).toEqual(rows)
    expect(counts.committed).toBe(before)
    expect(await runGrid(xp(), grid, { cartesian: true })).toHaveLength(4)
    // A default that is said is the same point: of four, three were there.
    expect(counts.committed! - before!).toBe(1)
  })

  it('runs by its command', () => {
    const main = path.join(root, 'docs/examples/neuralset/main.ts')
    const ran = spawnSync(process.execPath, ['--import', 'tsx', main, path.join(tempDir(), 'store')], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(ran.status, ran.stderr).toBe(0)
    expect(ran.stdout).toMatch(/not submitted[\s\S]*baseline/)
  })
})
