/** What travels to a worker: how much it is, what it may be, and that it comes to the same computation. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { type CurrentJob, Store, toArray } from 'curio'
import { describe, expect, it, vi } from 'vitest'
import type { Assignment } from '../../src/execution/assignment.js'
import { runJob, writeJob } from '../../src/execution/backends/job-folder.js'
import { perform } from '../../src/execution/perform.js'
import { pack, travelling, unpack } from '../../src/execution/travel.js'
import { failure } from '../experiment/helpers.js'
import { runChild, startChild } from '../helpers/child.js'
import { Leaves, Point, Points, Squarer, Typed, Waiting, Where } from './fixtures/work.js'
import { place } from './helpers.js'

const job = { id: 'test' }
const program = new URL('./fixtures/program.ts', import.meta.url)

/** What a task would send. */
async function assigned(folder: string): Promise<Assignment> {
  const xp = new Where({ infra: { folder } })
  const { key } = await xp.infra.recipe()
  return {
    where: key.text,
    config: travelling(xp, () => false),
    field: 'infra',
    isStep: false,
    folder,
    mode: 'cached',
    key: key.hash,
  }
}

describe('what travels', () => {
  it('is the module, the name and the input: small, and without results', async () => {
    const { folder } = place()
    const bytes = await pack(await assigned(folder))
    expect(bytes.length).toBeLessThan(800)
    const { module, exported } = await unpack(bytes)
    expect([path.basename(module), exported]).toEqual(['work.ts', 'Where'])
  })
  it('does not grow for a chunk with the items of other chunks', async () => {
    const sizes: number[] = []
    for (const count of [40, 4000]) {
      const { folder } = place()
      const xp = new Squarer({
        infra: { folder, cluster: 'local', maxJobs: count / 20, maxWorkers: 1, keepInRam: false },
      })
      const iterator = xp.process(Array.from({ length: count }, (_, i) => i + 1000))[Symbol.asyncIterator]()
      await iterator.next()
      await iterator.return?.(undefined)
      const [first] = fs.readdirSync(path.join(folder, 'jobs'))
      sizes.push(fs.statSync(path.join(folder, 'jobs', first!, 'payload.msgpack')).size)
    }
    expect(sizes[1]).toBeLessThanOrEqual(sizes[0]! * 1.1)
  })
  it.each(['debug', 'threadpool', 'local'] as const)(
    'has typed arrays, dates, maps, sets and registered classes: %s',
    async (cluster) => {
      const { folder } = place()
      const input = {
        weights: new Float32Array([1.5, 2.5]),
        when: new Date(5),
        names: new Map([['a', 1]]),
        seen: new Set(['x']),
        big: 2n ** 70n,
      }
      const inline = await new Typed({ ...input, infra: null }).run()
      expect(await new Typed({ ...input, infra: { folder, cluster } }).run()).toEqual(inline)
      const points = [new Point(1, 2), new Point(3, 4)]
      expect(await toArray(new Points({ infra: { folder, cluster } }).lengths(points))).toEqual([Math.sqrt(5), 5])
    },
  )
  it('is refused with its path when it is no data, before it is sent', async () => {
    const { folder } = place()
    class Stranger extends Point {}
    const error = await failure(
      toArray(new Points({ infra: { folder, cluster: 'local' } }).lengths([new Stranger(1, 1), new Point(1, 2)])),
    )
    expect(error).toMatchObject({ code: 'ERR_DECLARATION' })
    expect(error.message).toMatch(/cannot be sent to a worker: .*\[0\]\.value/)
    // At most the other chunk.
    expect(
      fs.existsSync(path.join(folder, 'jobs')) ? fs.readdirSync(path.join(folder, 'jobs')).length : 0,
    ).toBeLessThan(2)
  })
  it('is refused when it comes to another key in the worker', async () => {
    const { folder } = place()
    const assignment = await assigned(folder)
    const outcome = await perform(
      await pack({ ...assignment, config: { ...assignment.config, input: { say: 'else' } } }),
      { job },
    )
    expect(outcome).toMatchObject({ ok: false, isStored: false, name: 'DeclarationError' })
    expect((outcome as { message: string }).message).toContain('became')
    expect(await new Where({ infra: { folder } }).infra.status()).toBe('not submitted')
  })
  it('is refused when its module is no file', async () => {
    const { folder } = place()
    const assignment = await assigned(folder)
    const lost = { ...assignment, config: { ...assignment.config, module: '/does/not/exist.js' } }
    const outcome = await perform(await pack(lost), { job })
    expect(outcome).toMatchObject({ ok: false, isStored: false })
    class Lost extends Where.extend({}) {
      static readonly module = 'file:///does/not/exist.ts'
    }
    const error = await failure(new Lost({ infra: { folder, cluster: 'local' } }).run())
    expect(error.message).toContain('its module /does/not/exist.ts is no file')
  })
})

describe('a job whose process died', () => {
  const leaves = (notes: string, folder: string, cluster = 'local') => new Leaves({ notes, infra: { folder, cluster } })
  const elsewhere = (notes: string, folder: string) => runChild(program, ['status', 'local', folder, notes])

  it('38: has failed, for who started it, another object and another process, until it is cleared or done', async () => {
    const { folder, notes } = place()
    const xp = leaves(notes, folder)
    const job = xp.infra.job()
    expect((await failure(job.result())).message).toContain('exit code 5')
    expect([await xp.infra.status(), await leaves(notes, folder).infra.status()]).toEqual(['failed', 'failed'])
    expect(await elsewhere(notes, folder)).toEqual(['failed'])
    await xp.infra.clearJob()
    expect(await xp.infra.status()).toBe('not submitted')
    expect(await elsewhere(notes, folder)).toEqual(['not submitted'])
    await failure(leaves(notes, folder).run())
    expect(await xp.infra.status()).toBe('failed')
    fs.writeFileSync(path.join(notes, 'stay'), '')
    expect(await leaves(notes, folder).run()).toBe('stayed')
    expect(await xp.infra.status()).toBe('completed')
    await xp.infra.clearJob()
    expect(await xp.infra.status()).toBe('not submitted')
  })
  it('38: of a pool has failed for who asked for it as a job; nothing says so elsewhere', async () => {
    const { folder, notes } = place()
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const xp = leaves(notes, folder, 'processpool')
    await failure(xp.infra.job().result())
    vi.restoreAllMocks()
    expect([await xp.infra.status(), await leaves(notes, folder).infra.status()]).toEqual(['failed', 'not submitted'])
  })
  it('38: with its program has failed too; before, it runs', async () => {
    const { folder, notes, computed } = place()
    const one = startChild(program, ['wait', 'local', folder, notes])
    const status = () => new Waiting({ notes, infra: { folder, cluster: 'local' } }).infra.status()
    await vi.waitFor(async () => expect(await status()).toBe('running'), { timeout: 20_000, interval: 2 })
    while (!computed().includes('hang')) {
      expect(await status()).toBe('running')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    one.kill('SIGKILL')
    await one.ended
    await vi.waitFor(async () => expect(await status()).toBe('failed'), 20_000)
  })
})

describe('a job', () => {
  it('has its folder and what it wrote; other clusters have none', async () => {
    const { folder, notes } = place()
    const { infra } = new Where({ say: 'hi', infra: { folder, cluster: 'local' } })
    expect(await infra.job().paths()).toBe(undefined)
    const { job: mine } = (await infra.job().result()) as { job: CurrentJob }
    expect(await infra.job().paths()).toEqual({
      folder: path.join(fs.realpathSync(folder), 'jobs', mine.id),
      stdout: mine.stdout,
      stderr: mine.stderr,
    })
    expect([await infra.job().stdout(), await infra.job().stderr()]).toEqual(['out hi\n', 'err hi\n'])
    // Asked for again, by another object, it is that job that computed it.
    const again = new Where({ say: 'hi', infra: { folder, cluster: 'local' } }).infra.job()
    expect(await again.stdout()).toBe('out hi\n')
    const failed = new Leaves({ notes, infra: { folder, cluster: 'local' } }).infra.job()
    await failed.wait()
    expect(await failed.stderr()).toBe('about to leave\n')
    const inline = new Where({ say: 'hi', infra: { folder } }).infra.job()
    expect([await inline.paths(), await inline.stdout(), await inline.stderr()]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
  it('is told in the code that runs in it, with its logs; and a link beside the result leads to it', async () => {
    const { folder } = place()
    const xp = new Where({ say: 'hi', infra: { folder, cluster: 'local' } })
    const { job: mine, pid } = await xp.run()
    const dir = path.join(folder, 'jobs', mine!.id)
    expect(fs.readFileSync(mine!.stdout!, 'utf8')).toBe('out hi\n')
    expect(fs.readFileSync(mine!.stderr!, 'utf8')).toBe('err hi\n')
    expect(fs.realpathSync(path.join(await xp.infra.uidFolder(), 'job'))).toBe(fs.realpathSync(dir))
    expect(fs.statSync(dir).mode & 0o777).toBe(0o700)
    const state = JSON.parse(fs.readFileSync(path.join(dir, 'state.json'), 'utf8')) as object
    expect(state).toMatchObject({ version: 1, id: mine!.id, state: 'completed', pid, outcome: { ok: true } })
    expect(pid).not.toBe(process.pid)
  })
  it('has its logs where they are asked for', async () => {
    const { folder, notes } = place()
    const logs = path.join(notes, 'logs')
    const { job: mine } = await new Where({ infra: { folder, cluster: 'local', logs } }).run()
    expect(mine!.stdout).toBe(path.join(logs, mine!.id, 'stdout.log'))
  })
  it('that fails is named with its id, exit code, logs and last lines', async () => {
    const { folder, notes } = place()
    const { Rough } = await import('./fixtures/work.js')
    const error = await failure(
      toArray(new Rough({ notes, infra: { folder, cluster: 'local', maxJobs: 1 } }).process(['exit 5', 'b'])),
    )
    const { details } = error as unknown as { details: Record<string, string> }
    expect(details).toMatchObject({ exitCode: 5, lastLines: 'about to leave by exit 5' })
    expect(fs.existsSync(details.stderr!)).toBe(true)
    expect(error.message).toContain(details.id)
    expect(error.message).toContain(details.stderr)
    expect(fs.readdirSync(path.join(folder, 'jobs'))).toHaveLength(2)
  })
  it('that takes longer than it may is ended', async () => {
    const { folder, notes } = place()
    const { Rough } = await import('./fixtures/work.js')
    const xp = new Rough({ notes, infra: { folder, cluster: 'local', maxJobs: 1, timeoutMin: 0.05 } })
    const error = await failure(toArray(xp.process(['hang', 'b'])))
    expect(error.message).toContain('ran longer than its 0.05 minutes')
  })
  it('may take longer than a timer can be set to', async () => {
    const { folder, notes } = place()
    const { Rough } = await import('./fixtures/work.js')
    const xp = new Rough({ notes, infra: { folder, cluster: 'local', maxJobs: 1, timeoutMin: 43_200 } })
    expect(await toArray(xp.process(['sleep 100']))).toHaveLength(1)
  })
  it('does not do what was not submitted', async () => {
    const { folder, notes } = place()
    fs.mkdirSync(path.join(notes, 'jobs'))
    const written = writeJob(path.join(notes, 'jobs'), 'x', await pack(await assigned(folder)))
    const file = path.join(written.dir, 'payload.msgpack')
    fs.writeFileSync(
      file,
      fs.readFileSync(file).map((byte, i) => (i === 30 ? byte ^ 1 : byte)),
    )
    vi.spyOn(console, 'error').mockReturnValue()
    const outcome = await runJob(written.dir, written.digest, {})
    expect(outcome).toMatchObject({ ok: false, isStored: false })
    expect((outcome as { message: string }).message).toContain('not what was submitted')
    expect(fs.existsSync(folder)).toBe(false)
    vi.restoreAllMocks()
  })
  it('gets an id of its own each time', async () => {
    const { notes } = place()
    const ids = Array.from({ length: 50 }, () => writeJob(notes, 'x', new Uint8Array(1)).id)
    expect(new Set(ids).size).toBe(50)
  })
})

describe('claims', () => {
  it('are let go when the computation fails', async () => {
    const { folder } = place()
    const xp = new Squarer({ infra: { folder, cluster: 'debug' } })
    await failure(toArray(xp.process([12, 13])))
    const { hash } = (await xp.infra.recipe()).key
    const claim = await (await Store.open(folder)).claims(hash.slice(0, 32)).take(['12', '13'])
    expect([claim.mine, claim.held]).toEqual([['12', '13'], []])
    claim.release()
  })
  it('cannot stop a computation when their folder cannot be used', async () => {
    const { folder, notes, computed } = place()
    await Store.open(folder)
    fs.writeFileSync(path.join(folder, 'claims'), 'no folder')
    const xp = new Squarer({ notes, infra: { folder, cluster: 'threadpool' } })
    expect(await toArray(xp.process([2, 3, 4]))).toEqual([4, 9, 16])
    expect(computed()).toEqual(['2', '3', '4'])
  })
})
