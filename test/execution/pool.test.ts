import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Chain, toArray } from 'curio'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { child, failure, listing } from '../experiment/helpers.js'
import { Dies, hidden, Nested, Rough, Squarer, Sums, Tally, Waiting, Where } from './fixtures/work.js'
import { computedIn, place, until } from './helpers.js'

const clusters = ['threadpool', 'processpool'] as const
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 100)

afterEach(() => {
  vi.restoreAllMocks()
})

describe.each([null, 'threadpool', 'processpool', 'debug', 'local'] as const)('a map with cluster %s', (cluster) => {
  it.each([true, false])('computes each item once and finds it again, with keepInRam %s', async (keepInRam) => {
    const { notes, folder, computed } = place()
    const make = (): Squarer =>
      new Squarer({ notes, infra: { folder, cluster, keepInRam, maxWorkers: 2, minItemsPerJob: 2 } })
    const xp = make()
    expect(await toArray(xp.process([1, 2, 2, 3]))).toEqual([1, 4, 4, 9])
    expect(computed()).toEqual(['1', '2', '3'])
    expect(await toArray(xp.process([3, 1]))).toEqual([9, 1])
    expect(await toArray(make().process([2, 3, 1]))).toEqual([4, 9, 1])
    expect(computed()).toEqual(['1', '2', '3'])
    expect(await toArray(make().process([]))).toEqual([])
  })
  it('computes anew for each object that is forced, and once for each', async () => {
    const { notes, folder, computed } = place()
    const make = (): Squarer => new Squarer({ notes, infra: { folder, cluster, mode: 'force' } })
    for (let round = 1; round <= 3; round++) {
      const forced = make()
      for (let i = 0; i < 2; i++) expect(await toArray(forced.process([1, 2]))).toEqual([1, 4])
      expect(computed()).toHaveLength(round * 2)
    }
  })
  it('computes anew what its items need of one another, for each object that is forced', async () => {
    const { notes, folder, computed } = place()
    for (let round = 1; round <= 3; round++) {
      const forced = new Sums({ notes, infra: { folder, cluster, mode: 'force' } })
      expect(await toArray(forced.process([4]))).toEqual([10])
      expect(computed()).toEqual(['1', '2', '3', '4'].flatMap((n) => Array(round).fill(n)))
    }
  })
})

describe.each(['cached', 'threadpool', 'processpool', 'debug', 'local'] as const)(
  'a chain with backend %s',
  (backend) => {
    it('computes anew what comes after a step that is forced, on every object', async () => {
      const { notes, folder, computed } = place()
      const make = (mode: 'cached' | 'force' = 'cached') =>
        new Chain({
          steps: [
            new Tally({ notes, name: 'first', infra: { backend: 'cached', folder, mode } }),
            new Tally({ notes, name: 'last', infra: { backend, folder } }),
          ],
        })
      expect(await make().run(1)).toBe(3)
      for (let round = 2; round <= 3; round++) {
        const forced = make('force')
        for (let i = 0; i < 2; i++) expect(await forced.run(1)).toBe(3)
        expect(computed()).toEqual(['first', 'last'].flatMap((name) => Array(round).fill(name)))
      }
    })
  },
)

describe.each(clusters)('a %s', (cluster) => {
  it('keeps the error of an item, with its name and stack, and what was done elsewhere', async () => {
    const { notes, folder, computed } = place()
    const make = (mode: 'cached' | 'retry' = 'cached'): Squarer =>
      new Squarer({ notes, infra: { folder, cluster, mode, maxWorkers: 2, maxJobs: 2 } })
    const error = await failure(toArray(make().process([1, 2, 13, 4])))
    expect(error).toMatchObject({ code: 'ERR_CACHED', facts: { name: 'RangeError', message: 'unlucky' } })
    expect((error.cause as Error).stack).toContain('work.ts')
    expect(await toArray(make().process([1, 2]))).toEqual([1, 4])
    await failure(toArray(make().process([13])))
    expect(computed().filter((item) => item === '13')).toEqual(['13'])
    await failure(toArray(make('retry').process([13])))
    expect(computed().filter((item) => item === '13')).toEqual(['13', '13'])
  })
  it('computes a task in a worker, and gives its result from the store', async () => {
    const { notes, folder, computed } = place()
    const { pid, job } = await new Where({ notes, infra: { folder, cluster } }).run()
    expect(pid === process.pid).toBe(cluster === 'threadpool')
    expect(job?.id).toMatch(cluster === 'threadpool' ? /^thread-/ : /^process-/)
    expect((await new Where({ notes, infra: { folder, cluster } }).run()).pid).toBe(pid)
    expect(computed()).toEqual(['task'])
  })
  it('is shared by calls that go on at once', async () => {
    const { notes, folder, computed } = place()
    const make = (coeff: number): Squarer => new Squarer({ notes, coeff, infra: { folder, cluster, maxWorkers: 2 } })
    const all = await Promise.all([1, 2, 3].map((coeff) => toArray(make(coeff).process(range(40)))))
    for (const [i, values] of all.entries()) expect(values).toEqual(range(40).map((x) => x * x * (i + 1)))
    expect(computed()).toHaveLength(120)
  })
  it('computes an item once for two calls that need it at once', async () => {
    const { notes, folder, computed } = place()
    const make = (): Squarer => new Squarer({ notes, infra: { folder, cluster, maxWorkers: 2 } })
    const [one, two] = await Promise.all([
      toArray(make().process(range(60))),
      toArray(make().process(range(80).slice(20))),
    ])
    expect([one.length, two.length]).toEqual([60, 60])
    expect(computed()).toHaveLength(80)
  })
  it('goes on with the others when a worker dies, and tries again what it had', async () => {
    const { notes, folder, computed } = place()
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const xp = new Rough({ notes, infra: { folder, cluster, maxWorkers: 2, maxJobs: 2 } })
    const items = ['sleep 60 a', 'sleep 60 b', 'die-once x', 'c', 'd', 'e']
    expect(await toArray(xp.process(items))).toEqual(items.map((item) => item.toUpperCase()))
    // What was stored before it died was not computed again.
    expect(computed()).toEqual([...items, 'die-once x'].sort())
  })
  it('names how a worker died, with its last lines, after the others are done', async () => {
    const { notes, folder, computed } = place()
    const shown: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => shown.push(String(text)) > 0)
    const xp = new Rough({ notes, infra: { folder, cluster, maxWorkers: 2, maxJobs: 3 } })
    const error = await failure(toArray(xp.process(['exit 3', 'b', 'c'])))
    expect(error).toMatchObject({ code: 'ERR_JOB', details: { exitCode: 3 } })
    expect(error.message).toContain('exit code 3')
    expect(error.message).toContain('about to leave by exit 3')
    expect(shown.join('')).toContain('about to leave by exit 3')
    expect(computed()).toEqual(['b', 'c', 'exit 3', 'exit 3'])
    // Those that are done are there; nobody holds the one that is not.
    expect(await toArray(new Rough({ notes, infra: { folder } }).process(['b', 'c']))).toEqual(['B', 'C'])
  })
  it('names the items that were not done when a worker died: the first of them, and how many', async () => {
    const { notes, folder } = place()
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const infra = { folder, cluster, maxWorkers: 2, maxJobs: 1 }
    const few = await failure(toArray(new Rough({ notes, infra }).process(['sleep 60 a', 'exit 3', 'c'])))
    expect(few.message).toMatch(/tried again; not done: exit 3, c\n/)
    const many = await failure(toArray(new Rough({ notes, infra }).process(['exit 4', ...range(20).map(String)])))
    expect(many.message).toMatch(/; not done: exit 4, 100, .*, 108, … \(21\)\n/)
    const step = new Dies({ infra: { folder, backend: cluster } })
    expect((await failure(step.run({ id: 5 }))).message).toContain('; not done: {"id":5}\n')
  })
  it('throws how a worker died, and not the error of the time before, where items are tried again', async () => {
    const { notes, folder } = place()
    const go = (mode: 'cached' | 'retry' = 'cached') =>
      toArray(new Rough({ notes, infra: { folder, cluster, mode } }).process(['fail-then-exit']))
    const before = { code: 'ERR_CACHED', facts: { message: 'the first time' } }
    expect(await failure(go())).toMatchObject(before)
    expect(await failure(go('retry'))).toMatchObject({ code: 'ERR_JOB', details: { exitCode: 9 } })
    expect(await failure(go())).toMatchObject(before)
  })
  it('names an error that nobody caught, which ends the worker', async () => {
    const { notes, folder } = place()
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const xp = new Rough({ notes, infra: { folder, cluster, maxWorkers: 2 } })
    const error = await failure(toArray(xp.process(['throw-later', 'b'])))
    expect(error.message).toContain('exit code 1')
    expect(error.message).toContain('TypeError: out of nowhere')
  })
  it.each(['hang', 'spin'])('ends a worker that does not listen when the call is ended: %s', async (what) => {
    const { notes, folder, computed } = place()
    const xp = new Rough({ notes, infra: { folder, cluster, maxWorkers: 2, maxJobs: 2 } })
    const started = performance.now()
    for await (const value of xp.process(['a', what])) {
      expect(value).toBe('A')
      while (!computed().includes(what)) await new Promise((resolve) => setTimeout(resolve, 5))
      break
    }
    expect(performance.now() - started).toBeLessThan(15_000)
    expect(await toArray(new Rough({ notes, infra: { folder, cluster } }).process(['a', 'b']))).toEqual(['A', 'B'])
  })
  it('may itself need other items of the same map', async () => {
    const { notes, folder } = place()
    const xp = new Nested({ notes, infra: { folder, cluster, maxWorkers: 2 } })
    expect(await toArray(xp.process([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]))).toEqual([
      ...[144, 89, 55, 34, 21, 13, 8, 5, 3, 2, 1, 1],
    ])
  })
  it('computes a single missing item in a worker too, so that what it does there ends no program', async () => {
    const { notes, folder, computed } = place()
    const make = (): Rough => new Rough({ notes, infra: { folder, cluster } })
    for (let i = 0; i < 2; i++)
      expect(await failure(toArray(make().process(['exit 7'])))).toMatchObject({ code: 'ERR_JOB' })
    expect(computed()).toHaveLength(4)
    expect(await toArray(make().process(['a']))).toEqual(['A'])
  })
  it('names a class that no worker can import', async () => {
    const { folder } = place()
    const error = await failure(hidden({ folder, cluster }).run())
    expect(error).toMatchObject({ code: 'ERR_JOB' })
    expect(error.message).toMatch(/DeclarationError: .*work\.ts does not export Hidden/)
  })
  it('gives back as it is what breaks the rules', async () => {
    const { notes, folder } = place()
    const xp = new Rough({ notes, infra: { folder, cluster, maxJobs: 1 } })
    const error = await failure(toArray(xp.process(['a', 'skip', 'b'])))
    expect(error.message).toContain('BatchProtocolError')
    expect(await (await xp.infra.cacheDict()).size).toBe(0)
  })
})

describe('a processpool', () => {
  it('names a signal that ended a worker', async () => {
    const { notes, folder } = place()
    const xp = new Rough({ notes, infra: { folder, cluster: 'processpool', maxWorkers: 2 } })
    const error = await failure(toArray(xp.process(['kill', 'b'])))
    expect(error).toMatchObject({ code: 'ERR_JOB', details: { signal: 'SIGKILL' } })
    expect(error.message).toContain('was ended by SIGKILL')
  })
  it('uses threads where processes cannot be started, and says so', async () => {
    const { notes, folder } = place()
    const { stdout, stderr } = await child(fileURLToPath(new URL('./fixtures/program.ts', import.meta.url)), [
      ...['no-processes', 'processpool', folder, notes],
    ])
    expect(stdout).toBe('in this process\n')
    expect(stderr.match(/processpool: a worker cannot be started: .*threads do the work/g)).toHaveLength(1)
  })
})

describe('a threadpool', () => {
  it('leaves nothing held by a thread that was ended in the middle of other work', async () => {
    const { notes, folder } = place()
    const job = new Waiting({ notes, infra: { folder, cluster: 'threadpool' } }).infra.job()
    await until(() => computedIn(notes).includes('hang'))
    job.cancel()
    expect((await failure(job.result())).name).toBe('AbortError')
    const started = performance.now()
    fs.writeFileSync(`${notes}/no-hang`, '')
    expect(await toArray(new Rough({ notes, infra: { folder } }).process(['hang']))).toEqual(['HANG'])
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

describe.each([...clusters, 'local'] as const)('a task with cluster %s', (cluster) => {
  it('is ended when its job is cancelled, and can be run again', async () => {
    const { notes, folder } = place()
    const xp = new Waiting({ notes, infra: { folder, cluster } })
    const job = xp.infra.job()
    await until(() => computedIn(notes).includes('hang'))
    expect(await xp.infra.status()).toBe('running')
    job.cancel()
    expect((await failure(job.result())).name).toBe('AbortError')
    fs.writeFileSync(`${notes}/no-hang`, '')
    expect(await new Waiting({ notes, infra: { folder, cluster } }).run()).toEqual(['HANG'])
  })
})

describe('mode read-only', () => {
  it('starts no worker and writes nothing', async () => {
    const { notes, folder, computed } = place()
    await toArray(new Squarer({ notes, infra: { folder } }).process([1, 2]))
    const before = listing(folder)
    const xp = new Squarer({ notes, infra: { folder, cluster: 'processpool', mode: 'read-only' } })
    expect(await toArray(xp.process([2, 1]))).toEqual([4, 1])
    expect((await failure(toArray(xp.process([5, 6])))).message).toContain('read-only')
    expect(listing(folder)).toEqual(before)
    expect(computed()).toEqual(['1', '2'])
  })
})

describe('a cluster that is not there', () => {
  it('is refused by its name', async () => {
    const { folder } = place()
    const error = await failure(new Where({ infra: { folder, cluster: 'slurm' } }).run())
    expect(error.message).toContain('this version has no backend slurm')
  })
})
