import * as fs from 'node:fs'
import * as path from 'node:path'
import { inspect } from 'node:util'
import { CurioError, Store, withSignal } from 'curio'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { madeFrom } from '../../src/identity/config.js'
import { failure, listing, tempDir } from '../experiment/helpers.js'
import { runChild, startChild } from '../helpers/child.js'
import { failing } from '../helpers/faults.js'
import {
  Base,
  Big,
  ByFunction,
  ByList,
  ByMethod,
  ByMethodLess,
  ByWrong,
  Checkpoints,
  Inherits,
  Keeps,
  Nowhere,
  Overrides,
  ran,
  Several,
  Slow,
  Sum,
} from './fixtures/tasks.js'

const program = new URL('./fixtures/child.ts', import.meta.url)
let folder = ''

beforeEach(() => {
  ran.length = 0
  folder = path.join(tempDir(), 'store')
})

function keyOf(config: { infra: { recipe(): Promise<{ key: { text: string } }> } }): Promise<string> {
  return config.infra.recipe().then(({ key }) => key.text)
}

describe('what a task is known by (rows 2, 8, 9, 18, 19, 20)', () => {
  it('2: an ignored field changes neither uid nor folder, and the result is reused', async () => {
    const few = new Sum({ x: 1, workers: 2, infra: { folder } })
    const many = new Sum({ x: 1, workers: 64, infra: { folder } })
    expect(await few.infra.uidFolder()).toBe(await many.infra.uidFolder())
    expect([await few.run(), await many.run()]).toEqual([2, 2])
    expect(ran).toEqual([1])
  })

  it.each([
    ['a list', ByList],
    ['the name of a method', ByMethod],
  ])('8: a field excluded by %s does not count', async (_, Class) => {
    expect(await new Class({ x: 1, infra: { folder } }).run()).toBe('1 on cpu')
    expect(await new Class({ x: 1, device: 'gpu', infra: { folder } }).run()).toBe('1 on cpu')
    expect(ran).toEqual([1])
  })

  it('8: a function of the configuration excludes', async () => {
    expect(await new ByFunction({ x: 11, infra: { folder } }).run()).toBe('11 on cpu')
    expect(await new ByFunction({ x: 11, device: 'gpu', infra: { folder } }).run()).toBe('11 on cpu')
    expect(await new ByFunction({ x: 1, infra: { folder } }).run()).toBe('1 on cpu')
    expect(await new ByFunction({ x: 1, device: 'gpu', infra: { folder } }).run()).toBe('1 on gpu')
  })

  it('8: a subclass may exclude something else where that is named by a method', async () => {
    expect(await new ByMethodLess({ x: 1, infra: { folder } }).run()).toBe('1 on cpu')
    expect(await new ByMethodLess({ x: 1, device: 'gpu', infra: { folder } }).run()).toBe('1 on gpu')
  })

  it('9: excluding what is no field is an error that names the nearest', async () => {
    const error = await failure(new ByWrong({ x: 1, infra: { folder } }).run())
    expect(error.code).toBe('ERR_DECLARATION')
    expect(error.message).toContain('devise')
  })

  it('18: an inherited method keeps results by the subclass, one called by super by its own class', async () => {
    expect(await keyOf(new Inherits({ infra: { folder } }))).toMatch(/tasks\.Inherits\.run,1\//)
    expect(await new Overrides({ infra: { folder } }).run()).toBe(101)
    expect(ran).toEqual(['overrides', 'base'])
    const made = fs.readdirSync(path.join(folder, 'artifacts'), { recursive: true }).map(String)
    expect(made.some((name) => name.includes('Base-run,1'))).toBe(true)
    expect(made.some((name) => name.includes('Overrides-run,1'))).toBe(true)
    expect(await new Base({ infra: { folder } }).run()).toBe(1)
    expect(ran).toEqual(['overrides', 'base'])
  })

  it('19: where and how it runs does not change the uid', async () => {
    const plain = await keyOf(new Sum({ x: 1 }))
    for (const infra of [
      { folder },
      { cluster: 'local' },
      { cpusPerTask: 8 },
      { mode: 'force' as const },
      { memGb: 3 },
    ]) {
      expect(await keyOf(new Sum({ x: 1, infra }))).toBe(plain)
    }
  })

  it('20: another version is another folder', async () => {
    const first = new Sum({ x: 1, infra: { folder } })
    const second = new Sum({ x: 1, infra: { folder, version: '2' } })
    expect([await first.run(), await second.run()]).toEqual([2, 2])
    expect(ran).toEqual([1, 1])
    expect(await second.infra.uidFolder()).toContain('Sum-run,2')
  })

  it('several infras: a folder of one is that of the others, and each has its own version', async () => {
    const xp = new Several({ x: 3, infra: { folder } })
    expect([await xp.one(), await xp.other()]).toEqual([3, -3])
    expect(await xp.infra.uidFolder()).toContain('Several-one,1')
    expect(await xp.infraOther.uidFolder()).toContain('Several-other,7')
  })

  it('W5: a configuration that holds NaN finds its result', async () => {
    const when = new Date(0)
    await new Keeps({ when, token: 'a', not: Number.NaN, infra: { folder } }).run()
    await new Keeps({ when, token: 'b', not: Number.NaN, infra: { folder } }).run()
    expect(ran).toEqual(['a'])
  })
})

describe('configurations with an infra (rows 26 to 31)', () => {
  it('26: an unknown field fails before anything runs, with its path and the nearest name', () => {
    expect(() => new Sum({ x: 1, z: 2 } as never)).toThrow(/z: no such field/)
    expect(() => new Sum({ x: 1, infra: { gpus_per_node: 1 } } as never)).toThrow(
      /infra\.gpus_per_node: no such option; did you mean gpusPerNode/,
    )
    expect(() => new Sum({ x: 1, infra: { cluster: 'slrum' } })).toThrow(/infra\.cluster: "slrum".*did you mean slurm/)
    expect(() => new Sum({ x: 1, infra: { timeoutMin: -1 } })).toThrow(/infra\.timeoutMin/)
  })

  it('27: a field cannot be set, and the error says how to get another value', async () => {
    const xp = new Sum({ x: 1 })
    expect(() => {
      ;(xp as { x: number }).x = 2
    }).toThrow(/config\.clone\(\{ x: … \}\)/)
  })

  it('28: a clone differs by the diff alone and keeps what does not count', async () => {
    const xp = new Sum({ x: 1, workers: 9, infra: { folder, memGb: 3 } })
    const other = xp.clone({ x: 5, 'infra.mode': 'force' })
    expect([other.x, other.y, other.workers]).toEqual([5, 1, 9])
    expect([other.infra.mode, other.infra.options.memGb, other.infra.folder]).toEqual(['force', 3, folder])
    expect([xp.x, xp.infra.mode]).toEqual([1, 'cached'])
  })

  it('29: containers of a clone are its own, and cannot be changed', () => {
    const xp = new Sum({ x: 1, list: [1, 2] })
    const other = xp.clone({ x: 2 })
    expect(() => (other.list as number[]).push(3)).toThrow(TypeError)
    expect(xp.list).toEqual([1, 2])
  })

  it('30: an infra that is given to two configurations is copied for each', async () => {
    const first = new Sum({ x: 1, infra: { folder } })
    const second = new Sum({ x: 2, infra: first.infra })
    expect(second.infra).not.toBe(first.infra)
    expect([await first.run(), await second.run()]).toEqual([2, 3])
    expect([await first.infra.status(), await second.infra.status()]).toEqual(['completed', 'completed'])
    expect(await first.infra.uidFolder()).not.toBe(await second.infra.uidFolder())
  })

  it('31: what the class says of its infra stays when the user says something else', () => {
    const { options } = new Sum({ x: 1, infra: { folder, memGb: 4 } }).infra
    expect([options.cpusPerTask, options.memGb, options.folder]).toEqual([2, 4, folder])
    expect(new Sum({ x: 1, infra: { cpusPerTask: 8 } }).infra.options.cpusPerTask).toBe(8)
  })
})

describe('results of tasks (rows 33 to 39)', () => {
  it('33: a second call, of this object or a new one, computes nothing', async () => {
    const xp = new Sum({ x: 1, infra: { folder } })
    expect([await xp.run(), await xp.run(), await new Sum({ x: 1, infra: { folder } }).run()]).toEqual([2, 2, 2])
    expect(ran).toEqual([1])
  })

  it('34: nothing is there before the first call, whatever is asked; after it the files are', async () => {
    const xp = new Sum({ x: 1, infra: { folder } })
    expect(await xp.infra.status()).toBe('not submitted')
    const dir = await xp.infra.uidFolder()
    await xp.infra.clearJob()
    for await (const _ of xp.infra.iterCached()) throw new Error('there is none')
    expect(fs.existsSync(folder)).toBe(false)
    await xp.run()
    expect(await xp.infra.uidFolder()).toBe(dir)
    expect(fs.readdirSync(dir).sort()).toEqual([
      'config.yaml',
      'entry.json',
      'full-uid.yaml',
      'result.json',
      'result.meta.json',
      'uid.yaml',
    ])
  })

  it('35: read-only computes nothing, and says so', async () => {
    const xp = new Sum({ x: 1, infra: { folder, mode: 'read-only' } })
    expect((await failure(xp.run())).code).toBe('ERR_READ_ONLY')
    await new Sum({ x: 1, infra: { folder } }).run()
    expect(await xp.run()).toBe(2)
    expect((await failure(new Sum({ x: 2, infra: { folder, mode: 'read-only' } }).run())).code).toBe('ERR_READ_ONLY')
    expect(ran).toEqual([1])
  })

  it('W10: read-only makes no file and no folder', async () => {
    const absent = new Sum({ x: 1, infra: { folder, mode: 'read-only' } })
    await failure(absent.run())
    expect(await absent.infra.status()).toBe('not submitted')
    expect(fs.existsSync(folder)).toBe(false)
    await new Sum({ x: 1, infra: { folder } }).run()
    const before = listing(folder)
    expect(await new Sum({ x: 1, infra: { folder, mode: 'read-only' } }).run()).toBe(2)
    await failure(new Sum({ x: 2, infra: { folder, mode: 'read-only' } }).run())
    for await (const _ of absent.infra.iterCached());
    expect(listing(folder)).toEqual(before)
  })

  it('36: force computes once for each object', async () => {
    await new Sum({ x: 1, infra: { folder } }).run()
    const xp = new Sum({ x: 1, infra: { folder, mode: 'force' } })
    expect([await xp.run(), await xp.run(), await xp.run()]).toEqual([2, 2, 2])
    expect(ran).toEqual([1, 1])
    await new Sum({ x: 1, infra: { folder, mode: 'force' } }).run()
    expect(ran).toEqual([1, 1, 1])
  })

  it('37: an error is raised again without running, and computed again by retry', async () => {
    const xp = new Sum({ x: -1, infra: { folder } })
    await expect(xp.run()).rejects.toBeInstanceOf(RangeError)
    const again = await failure(new Sum({ x: -1, infra: { folder } }).run())
    expect(again.code).toBe('ERR_CACHED')
    expect(ran).toEqual([-1])
    await expect(new Sum({ x: -1, infra: { folder, mode: 'retry' } }).run()).rejects.toBeInstanceOf(RangeError)
    expect(ran).toEqual([-1, -1])
    await new Sum({ x: 1, infra: { folder } }).run()
    expect(await new Sum({ x: 1, infra: { folder, mode: 'retry' } }).run()).toBe(2)
    expect(ran).toEqual([-1, -1, 1])
  })

  it('37: a forced run that fails leaves the result that was there', async () => {
    const flag = path.join(tempDir(), 'flag')
    process.env.CURIO_TEST_FAIL = flag
    const { Fails } = await import('./fixtures/fails.js')
    expect(await new Fails({ infra: { folder } }).run()).toBe('well')
    fs.writeFileSync(flag, '')
    await expect(new Fails({ infra: { folder, mode: 'force' } }).run()).rejects.toThrow('told to fail')
    expect(await new Fails({ infra: { folder } }).run()).toBe('well')
  })

  it('87: an error that was kept says where, when, and how to try again', async () => {
    const first = await failure(new Sum({ x: -1, infra: { folder } }).run())
    expect((first as { computing?: string }).computing).toMatch(/Sum\.run,1\/x=-1/)
    const again = await failure(new Sum({ x: -1, infra: { folder } }).run())
    expect(again.message).toMatch(/RangeError: negative: -1\n {2}in .*Sum\.run,1\/x=-1-\w+, at 20/)
    expect(again.hint).toContain("mode: 'retry'")
    expect((again.cause as Error).name).toBe('RangeError')
    expect((again.cause as Error).stack).toContain('fixtures/tasks.ts')
  })

  it('38: status says how far it is, and runs nothing', async () => {
    const xp = new Slow({ ms: 50, infra: { folder } })
    expect(await xp.infra.status()).toBe('not submitted')
    const job = xp.infra.job()
    while (ran.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    expect(await xp.infra.status()).toBe('running')
    expect(await new Slow({ ms: 50, infra: { folder } }).infra.status()).toBe('running')
    await job.result()
    expect(await xp.infra.status()).toBe('completed')
    const bad = new Sum({ x: -1, infra: { folder } })
    await failure(bad.run())
    expect(await bad.infra.status()).toBe('failed')
    expect(ran).toEqual([50, -1])
  })

  it("38, W6: another process's work is running, until it ends", async () => {
    const child = startChild(program, ['slow', folder, '600'])
    await child.says('computing')
    const xp = new Slow({ ms: 600, infra: { folder } })
    expect(await xp.infra.status()).toBe('running')
    await child.ended
    expect(await xp.infra.status()).toBe('completed')
    const killed = startChild(program, ['slow', folder, '60000'])
    await killed.says('computing')
    killed.kill('SIGKILL')
    await killed.ended
    expect(await new Slow({ ms: 60_000, infra: { folder } }).infra.status()).toBe('not submitted')
  })

  it('81: what is cleared while it is computed is stored when it is done, but for a job, which is cancelled', async () => {
    const started = async (): Promise<void> => vi.waitFor(() => expect(ran).toHaveLength(1), 20_000)
    const xp = new Slow({ ms: 600, infra: { folder } })
    const running = xp.run()
    await started()
    await xp.infra.clearJob()
    expect(await running).toBe(true)
    expect(await xp.infra.status()).toBe('completed')
    await xp.infra.clearJob()
    ran.length = 0
    const job = xp.infra.job()
    await started()
    await xp.infra.clearJob()
    expect((await failure(job.result())).name).toBe('AbortError')
    expect(await xp.infra.status()).toBe('not submitted')
  })

  it('W9: status reads no value', async () => {
    const xp = new Big({ bytes: 40 << 20, infra: { folder } })
    await xp.run()
    const store = await Store.open(folder)
    const before = store.events.counts['blob-read'] ?? 0
    using read = failing('readSync', 'NONE', Number.MAX_SAFE_INTEGER)
    expect(await new Big({ bytes: 40 << 20, infra: { folder } }).infra.status()).toBe('completed')
    expect(store.events.counts['blob-read'] ?? 0).toBe(before)
    // Its entry, the store's own file and who holds its lock.
    expect(read.calls()).toBeLessThan(10)
  })

  it('W8: two processes with one task compute it once', async () => {
    const [one, two] = await Promise.all([
      runChild(program, ['slow', folder, '300']),
      runChild(program, ['slow', folder, '300']),
    ])
    expect([...one, ...two].filter((line) => line === 'computing')).toHaveLength(1)
    expect([...one, ...two].filter((line) => line === 'got true')).toHaveLength(2)
  })

  it('W8: many calls in one process compute it once', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => new Slow({ ms: 20, infra: { folder } }).run()))
    expect(all).toEqual(new Array(20).fill(true))
    expect(ran).toEqual([20])
  })

  it('39: what is kept in memory is read from there, each time another copy', async () => {
    const xp = new Big({ bytes: 4000, infra: { folder, keepInRam: true } })
    const first = await xp.run()
    fs.rmSync(path.join(folder, 'blobs'), { recursive: true })
    first.fill(7)
    const second = await xp.run()
    expect([second.length, second[0]]).toEqual([1000, 1])
    second.fill(8)
    expect((await xp.run())[0]).toBe(1)
    expect(ran).toEqual([4000])
    expect(madeFrom(xp)).toEqual({ bytes: 4000, infra: { folder, keepInRam: true } })
  })

  it('39: without a folder results are kept in memory all the same, up to so many bytes', async () => {
    const xp = new Big({ bytes: 4000, infra: { keepInRam: true } })
    const first = await xp.run()
    first.fill(7)
    expect((await xp.run())[0]).toBe(1)
    expect(ran).toEqual([4000])
    const large = new Big({ bytes: 8000, infra: { keepInRam: 4000 } })
    await large.run()
    await large.run()
    expect(ran).toEqual([4000, 8000, 8000])
  })
})

describe('cached configurations (row 40), their forms and files (row 44)', () => {
  it('40: each configuration with a result is made again', async () => {
    for (const x of [1, 2, 3]) await new Sum({ x, workers: x, infra: { folder } }).run()
    await failure(new Sum({ x: -1, infra: { folder } }).run())
    await new Sum({ x: 9, infra: { folder, version: '2' } }).run()
    ran.length = 0
    const found: Sum[] = []
    for await (const xp of new Sum({ x: 0, infra: { folder, mode: 'read-only' } }).infra.iterCached<Sum>())
      found.push(xp)
    expect(found.map(({ x, workers }) => [x, workers]).sort()).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    expect(found.every((xp) => xp instanceof Sum && xp.infra.mode === 'read-only')).toBe(true)
    expect((await Promise.all(found.map((xp) => xp.run()))).sort()).toEqual([2, 3, 4])
    expect(ran).toEqual([])
  })

  it('40: dates come back; secrets are those of who asks; what data cannot hold is named', async () => {
    const when = new Date('2026-01-01')
    await new Keeps({ when, token: 'first', infra: { folder } }).run()
    const asking = new Keeps({ when: new Date(0), token: 'mine', infra: { folder } })
    for await (const xp of asking.infra.iterCached<Keeps>()) expect([xp.when, xp.token]).toEqual([when, 'mine'])
    await new Keeps({ when, token: 'x', weights: new Float32Array(2), infra: { folder } }).run()
    const error = await failure(
      (async () => {
        for await (const _ of asking.infra.iterCached());
      })(),
    )
    expect(error.code).toBe('ERR_CONFIG')
    expect(error.message).toContain('weights')
  })

  it('no secret is in any file', async () => {
    await new Keeps({ when: new Date(0), token: 'open sesame', infra: { folder } }).run()
    const files = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((item) => item.isFile())
    for (const file of files) {
      expect(fs.readFileSync(path.join(file.parentPath, file.name)).includes('sesame'), file.name).toBe(false)
    }
  })

  it('config() gives all of it, what counts, and what the uid says', async () => {
    const xp = new ByList({ x: 1, device: 'gpu', infra: { folder, version: '3' } })
    expect(await xp.infra.config()).toEqual({ device: 'gpu', infra: { folder, version: '3' }, x: 1 })
    expect(await xp.infra.config({ uid: true })).toEqual({ infra: { version: '3' }, x: 1 })
    expect(await new Sum({ x: 1 }).infra.config({ uid: true })).toEqual({
      infra: { version: '1' },
      list: [],
      x: 1,
      y: 1,
    })
    expect(await new Sum({ x: 1 }).infra.config({ uid: true, excludeDefaults: true })).toEqual({ x: 1 })
  })

  it('44: the three are beside the result, are put back, and are not read', async () => {
    const xp = new Sum({ x: 1, workers: 7, infra: { folder } })
    await xp.run()
    const dir = await xp.infra.uidFolder()
    const read = (name: string): string => fs.readFileSync(path.join(dir, name), 'utf8')
    expect(read('uid.yaml')).toBe('x: 1\n')
    expect(read('full-uid.yaml')).toBe('infra:\n  version: "1"\nlist: []\nx: 1\ny: 1\n')
    expect(read('config.yaml')).toContain('workers: 7')
    fs.writeFileSync(path.join(dir, 'uid.yaml'), '{{ not yaml')
    expect(await new Sum({ x: 1, infra: { folder } }).run()).toBe(2)
    fs.rmSync(path.join(dir, 'uid.yaml'))
    expect(await new Sum({ x: 1, infra: { folder } }).run()).toBe(2)
    expect(read('uid.yaml')).toBe('x: 1\n')
    fs.writeFileSync(path.join(dir, 'uid.yaml'), '{{ not yaml')
    await new Sum({ x: 1, infra: { folder, mode: 'force' } }).run()
    expect(read('uid.yaml')).toBe('x: 1\n')
    expect(ran).toEqual([1, 1])
  })

  it('44: the place of another computation is not used: the value is returned, and nothing is overwritten', async () => {
    const mine = new Sum({ x: 1, infra: { folder } })
    const theirs = new Sum({ x: 2, infra: { folder } })
    await theirs.run()
    const [from, to] = [await theirs.infra.uidFolder(), await mine.infra.uidFolder()]
    fs.mkdirSync(to, { recursive: true })
    fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true })
    expect(await mine.run()).toBe(2)
    expect(await theirs.run()).toBe(3)
  })

  it('45: a result made under another default is an error that says field, old and new', async () => {
    const load = async (value: string): Promise<typeof import('./fixtures/defaults.js')> => {
      vi.resetModules()
      process.env.CURIO_TEST_DEFAULT = value
      return import('./fixtures/defaults.js')
    }
    const { Doubled: before } = await load('2')
    expect(await new before({ infra: { folder } }).run()).toBe(4)
    const { Doubled: after } = await load('3')
    const error = (await failure(new after({ infra: { folder } }).run())) as Error & Record<string, unknown>
    expect(error).toMatchObject({ code: 'ERR_DEFAULT_CHANGED', field: 'x', was: '2', is: '3' })
    expect(await new after({ x: 2, infra: { folder } }).run()).toBe(4)
    expect(await new after({ infra: { folder, mode: 'force' } }).run()).toBe(6)
    expect(await new after({ infra: { folder } }).run()).toBe(6)
  })
})

describe('arrays of jobs (rows 41 to 43)', () => {
  it('41: only what is missing is computed, one after the other', async () => {
    await new Sum({ x: 2, infra: { folder } }).run()
    ran.length = 0
    const xp = new Sum({ x: 0, infra: { folder } })
    const jobs = await xp.infra.jobArray((array) => {
      for (const x of [1, 2, 3]) array.push(xp.clone({ x }))
    })
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual([2, 3, 4])
    expect(ran).toEqual([1, 3])
  })

  it('41: one that fails does not stop the others', async () => {
    const xp = new Sum({ x: 0, infra: { folder } })
    const jobs = await xp.infra.jobArray((array) => array.push(xp.clone({ x: -5 }), xp.clone({ x: 6 })))
    expect(await jobs[0]!.exception()).toBeInstanceOf(RangeError)
    expect(await jobs[1]!.result()).toBe(7)
    expect(jobs.map((job) => job.status())).toEqual(['failed', 'completed'])
  })

  it('42: duplicates are an error that shows both, unless they are allowed: then it runs once', async () => {
    const xp = new Sum({ x: 0, infra: { folder } })
    const fill = (array: object[]): unknown =>
      array.push(xp.clone({ x: 1, workers: 5 }), xp.clone({ x: 1, workers: 6 }))
    const error = await failure(xp.infra.jobArray(fill))
    expect(error.code).toBe('ERR_DECLARATION')
    expect(error.hint).toMatch(/workers":6.*workers":5/)
    const jobs = await xp.infra.jobArray(fill, { allowRepeats: true })
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual([2, 2])
    expect(ran).toEqual([1])
  })

  it('42: what is printed of duplicates, and of any configuration, has no secrets', async () => {
    const xp = new Keeps({ when: new Date(0), token: 'open sesame', infra: { folder, keepInRam: true } })
    const error = await failure(xp.infra.jobArray((array) => array.push(xp, xp.clone({ token: 'sesame, open' }))))
    expect(error.hint).toMatch(/"token":"\*\*\*".*"token":"\*\*\*"/)
    for (const text of [error.message, error.hint, JSON.stringify(xp), inspect(xp)])
      expect(text).not.toContain('sesame')
    expect(inspect(xp, { breakLength: Infinity })).toContain(`infra: Task { folder: '${folder}', keepInRam: true }`)
    expect(JSON.parse(JSON.stringify(xp))).toMatchObject({ not: 0, infra: { folder, keepInRam: true } })
  })

  it('43: an empty array is an error, unless it is allowed', async () => {
    const { infra } = new Sum({ x: 0, infra: { folder } })
    expect((await failure(infra.jobArray(() => undefined))).hint).toContain('allowEmpty')
    expect(await infra.jobArray(() => undefined, { allowEmpty: true })).toEqual([])
  })

  it('what is no such configuration is refused', async () => {
    const { infra } = new Sum({ x: 0, infra: { folder } })
    expect((await failure(infra.jobArray((array) => array.push({})))).code).toBe('ERR_DECLARATION')
  })
})

describe('what else a task does', () => {
  it('94: without a folder it runs each time; on a cluster it says that it needs one', async () => {
    const xp = new Sum({ x: 1 })
    expect([await xp.run(), await xp.run()]).toEqual([2, 2])
    expect(ran).toEqual([1, 1])
    for (const cluster of ['local', 'debug', 'processpool']) {
      expect((await failure(new Sum({ x: 1, infra: { cluster } }).run())).message).toContain('needs a folder')
    }
  })

  it('goes the way of a job on cluster debug, errors too', async () => {
    const infra = { folder, cluster: 'debug' }
    expect(await new Sum({ x: 1, infra }).run()).toBe(2)
    expect((await failure(new Sum({ x: -1, infra }).run())).code).toBe('ERR_CACHED')
    expect(await new Sum({ x: 1, infra: { folder } }).run()).toBe(2)
  })

  it('clearJob forgets result and error, and leaves what the user keeps there', async () => {
    const xp = new Sum({ x: 1, infra: { folder } })
    await xp.run()
    const mine = path.join(await xp.infra.uidFolder(), 'checkpoint.bin')
    fs.writeFileSync(mine, 'weights')
    await xp.infra.clearJob()
    expect(await xp.infra.status()).toBe('not submitted')
    expect(fs.readFileSync(mine, 'utf8')).toBe('weights')
    expect(await xp.run()).toBe(2)
    const bad = new Sum({ x: -1, infra: { folder } })
    await failure(bad.run())
    await bad.infra.clearJob()
    expect(await bad.infra.status()).toBe('not submitted')
    expect(ran).toEqual([1, 1, -1])
  })

  it('81: cut short in the middle of a clearing it is a result that is gone, never an old one', async () => {
    const xp = new Sum({ x: 1, infra: { folder } })
    await xp.run()
    fs.writeFileSync(path.join(await xp.infra.uidFolder(), 'error.json'), 'left over')
    const store = await Store.open(folder)
    await store.forget((await xp.infra.recipe()).key)
    expect(await xp.infra.status()).toBe('not submitted')
    expect(await xp.run()).toBe(2)
    expect(ran).toEqual([1, 1])
  })

  it('80: an error that another process keeps meanwhile is raised here, and retry computes', async () => {
    const child = startChild(program, ['fails', folder])
    await child.says('computing')
    const { Waits } = await import('./fixtures/fails.js')
    const error = await failure(new Waits({ infra: { folder } }).run())
    expect(error.code).toBe('ERR_CACHED')
    await child.ended
    process.env.CURIO_TEST_WELL = '1'
    expect(await new Waits({ infra: { folder, mode: 'retry' } }).run()).toBe('well')
    expect(await new Waits({ infra: { folder } }).run()).toBe('well')
  })

  it('an abort ends it, is no error to keep, and is seen by its code', async () => {
    const stop = new AbortController()
    const running = withSignal(stop.signal, () => new Slow({ ms: 60_000, infra: { folder } }).run())
    while (ran.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    stop.abort()
    expect((await failure(running)).name).toBe('AbortError')
    expect(await new Slow({ ms: 60_000, infra: { folder } }).infra.status()).toBe('not submitted')
    const job = new Slow({ ms: 60_000, infra: { folder } }).infra.job()
    await new Promise((resolve) => setTimeout(resolve, 20))
    job.cancel()
    expect(((await job.exception()) as Error).name).toBe('AbortError')
    expect(
      (await failure(withSignal(AbortSignal.abort(), () => new Sum({ x: 1, infra: { folder } }).run()))).name,
    ).toBe('AbortError')
    expect(ran).toEqual([60_000, 60_000])
  })

  it('a disk that is full costs the cache, not the result, and is said once', async () => {
    await new Sum({ x: 0, infra: { folder } }).run()
    const warnings: string[] = []
    const onWarning = (warning: Error): unknown => warnings.push(warning.message)
    process.on('warning', onWarning)
    {
      using _ = failing('writeSync', 'ENOSPC')
      expect(await new Sum({ x: 1, infra: { folder } }).run()).toBe(2)
      expect(await new Sum({ x: 2, infra: { folder } }).run()).toBe(3)
      await expect(new Sum({ x: -1, infra: { folder } }).run()).rejects.toBeInstanceOf(RangeError)
    }
    await new Promise(setImmediate)
    process.off('warning', onWarning)
    expect(warnings.filter((text) => text.includes('the result is not kept'))).toHaveLength(1)
    expect(warnings.filter((text) => text.includes('the error is not kept'))).toHaveLength(1)
    expect(await new Sum({ x: 1, infra: { folder } }).infra.status()).toBe('not submitted')
  })

  it('uidFolder is for what it keeps beside its result', async () => {
    const dir = await new Checkpoints({ x: 1, infra: { folder } }).run()
    expect(fs.statSync(dir).isDirectory()).toBe(true)
    expect(dir).toBe(await new Checkpoints({ x: 1, infra: { folder } }).infra.uidFolder())
  })

  it('an infra that no method goes by says so', async () => {
    const error = await failure(new Nowhere({ infra: { folder } }).infra.uidFolder())
    expect(CurioError.is(error, 'ERR_DECLARATION')).toBe(true)
  })
})
