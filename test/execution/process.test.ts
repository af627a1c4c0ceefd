/** Whole programs: how they end, what is left of them, what happens when they are killed. */
import { execFile, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { toArray } from 'curio'
import { describe, expect, it } from 'vitest'
import { child, failure, program } from '../experiment/helpers.js'
import { startChild } from '../helpers/child.js'
import { Rough, Squarer } from './fixtures/work.js'
import { computedIn, isAlive, place, until } from './helpers.js'

const programUrl = new URL('./fixtures/program.ts', import.meta.url)

describe.each(['threadpool', 'processpool', 'local'] as const)('a program that uses cluster %s', (cluster) => {
  it('ends by itself as soon as its work is done, and nothing of it is left', async () => {
    const { notes, folder } = place()
    const one = startChild(programUrl, ['squares', cluster, folder, notes])
    const said = await one.says('done')
    const at = performance.now()
    const { code, stderr } = await one.ended
    expect(performance.now() - at).toBeLessThan(1900)
    expect([code, stderr]).toEqual([0, ''])
    const pids = said.split(' ').slice(1).map(Number)
    expect(pids.length).toBeGreaterThan(0)
    await until(() => !pids.some(isAlive))
    expect(
      fs.readdirSync(path.join(folder, 'claims'), { recursive: true }).filter((name) => /-\d+-/.test(String(name))),
    ).toEqual([])
    // What the workers wrote was sealed.
    const files = fs.readdirSync(folder, { recursive: true }).map(String)
    await until(() => {
      const now = fs.readdirSync(folder, { recursive: true }).map(String)
      return now.filter((name) => name.endsWith('.seg')).every((name) => now.includes(name.replace(/seg$/, 'idx')))
    })
    expect(files.some((name) => name.endsWith('.seg'))).toBe(true)
  })
  it('takes its workers with it when it is killed, and another goes on with what it had', async () => {
    const { notes, folder, computed } = place()
    const one = startChild(programUrl, ['hang', cluster, folder, notes])
    await until(() => computed().includes('hang'), 20_000)
    const workers = await workersOf(one.pid)
    one.kill('SIGKILL')
    await one.ended
    await until(() => !workers.some(isAlive))
    fs.writeFileSync(path.join(notes, 'no-hang'), '')
    const xp = new Rough({ notes, infra: { folder } })
    expect(await toArray(xp.process(['sleep 10', 'hang']))).toEqual(['SLEEP 10', 'HANG'])
    // The other chunk may have been at work, too.
    expect(computed().filter((item) => item === 'hang')).toHaveLength(2)
    expect(computed().length).toBeLessThanOrEqual(4)
  })
  it('has the output of its workers', async () => {
    const { notes, folder } = place()
    const { stdout, stderr } = await child(fileURLToPath(programUrl), ['say', cluster, folder, notes])
    const jobs = path.join(folder, 'jobs')
    const logs = (name: string): string =>
      fs.existsSync(jobs)
        ? fs
            .readdirSync(jobs)
            .map((id) => fs.readFileSync(path.join(jobs, id, name), 'utf8'))
            .join('')
        : ''
    expect((cluster === 'local' ? logs('stdout.log') : stdout).match(/out hello/g)).toHaveLength(1)
    expect((cluster === 'local' ? logs('stderr.log') : stderr).match(/err hello/g)).toHaveLength(1)
  })
  it('is told when a worker runs out of memory, and the others are done', async () => {
    const { notes, folder, computed } = place()
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--max-old-space-size=120', '--import', 'tsx', fileURLToPath(programUrl), 'fill', cluster, folder, notes],
      { maxBuffer: 1 << 26 },
    )
    expect(stdout).toMatch(/JobError: .*(ended with exit code 1|was ended by SIGABRT)/)
    expect(stdout).toMatch(/memory/)
    expect(computed()).toEqual(['b', 'c', 'fill', 'fill'])
  })
})

it.each(['threadpool', 'processpool'])(
  'workers see the folder and environment that the program has now: %s',
  async (cluster) => {
    const { notes, folder } = place()
    for (const name of ['one', 'two']) {
      fs.mkdirSync(path.join(notes, name))
      fs.writeFileSync(path.join(notes, name, 'around.txt'), name)
    }
    const { stdout } = await child(fileURLToPath(programUrl), ['around', cluster, folder, notes])
    expect(stdout).toBe('one one one\ntwo two two\n')
  },
)

it('a program that keeps its results in memory only needs no store', async () => {
  const { notes, computed } = place()
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--import', 'tsx', fileURLToPath(programUrl), 'ram', 'cached', '', notes],
  ])
  expect(stdout).toBe('true\n')
  expect(computed()).toEqual(['task'])
})

it('an experiment at the top of a module that a worker imports is refused, and waits for nothing', async () => {
  const { notes, folder } = place()
  const text = `
    import { Config, Experiment, stage, TaskInfra, task } from 'curio'
    export class Inner extends Config({ infra: TaskInfra() }) {
      @task() async run() { return 1 }
    }
    const outer = stage({ outputs: { one: null } }, async function outerStage() {
      return { one: await new Inner({ infra: { folder: '${folder}', cluster: 'processpool' } }).run() }
    })
    await new Experiment({ name: 'top', store: '${folder}', progress: false }).run(undefined, [outer])`
  const error = await failure(child(program(text), [], { NOTES: notes }))
  expect(error.message).toContain('stage outerStage starts work when it is imported')
})

describe('two programs with pools', () => {
  it.each(['processpool', 'threadpool'])(
    'that need overlapping items, 10,000 each, compute each once: %s',
    async (cluster) => {
      const { notes, folder } = place()
      const one = (from: number): Promise<readonly string[]> =>
        ended(['range', cluster, folder, notes, String(from), '10000'])
      await Promise.all([one(100), one(5100)])
      const all = computedIn(notes)
      expect(new Set(all).size).toBe(15_000)
      expect(all).toHaveLength(15_000)
      const values = await toArray(new Squarer({ infra: { folder, mode: 'read-only' } }).process([100, 15_099]))
      expect(values).toEqual([10_000, 15_099 ** 2])
    },
  )
  it('compute again at most the chunks that were at work when one was killed', async () => {
    const { notes, folder } = place()
    const first = startChild(programUrl, ['slow', 'processpool', folder, notes, '300'])
    const second = startChild(programUrl, ['slow', 'processpool', folder, notes, '300'])
    await until(() => computedIn(notes).length > 40, 30_000)
    first.kill('SIGKILL')
    await first.ended
    const { code, stderr } = await second.ended
    expect([code, stderr]).toEqual([0, ''])
    const all = computedIn(notes)
    expect(new Set(all).size).toBe(300)
    expect(all.length).toBeLessThanOrEqual(300 + 2 * 50)
  })
})

describe('a module that starts work when it is imported', () => {
  const text = (start: string, cluster: string) => `
    import * as fs from 'node:fs'
    import { Config, TaskInfra, task } from 'curio'
    fs.appendFileSync(process.env.NOTES + '/imported', 'x')
    export class Work extends Config({ infra: TaskInfra() }) {
      @task() async run() { return 1 }
    }
    const xp = new Work({ infra: { folder: process.env.NOTES + '/store', cluster: '${cluster}' } })
    ${start}
  `
  const bombs = {
    'at its top level': 'console.log(await xp.run())',
    'without waiting for it': 'xp.run().then(console.log)',
    'in a timer':
      "setTimeout(async () => console.log(await xp.run()), 20); if (!process.argv[1].endsWith('program.ts')) await new Promise((resolve) => setTimeout(resolve, 500))",
    inline:
      "if (process.argv[1].endsWith('program.ts')) console.log(await xp.run()); else await new Work({ infra: { folder: process.env.NOTES + '/store2' } }).run()",
  }
  it.each(Object.entries(bombs))('is refused by its workers, quickly: %s', async (_, start) => {
    for (const cluster of ['processpool', 'threadpool', 'local']) {
      const { notes } = place()
      const started = performance.now()
      const error = await failure(child(program(text(start, cluster)), [], { NOTES: notes }))
      expect(error.message).toContain('Work.run starts work when it is imported')
      expect(error.message).toContain('isMain(import.meta)')
      expect(performance.now() - started).toBeLessThan(30_000)
      // The program, and one worker, or one that tried again.
      expect(fs.readFileSync(path.join(notes, 'imported'), 'utf8').length).toBeLessThanOrEqual(3)
    }
  })
  it('may do so behind isMain', async () => {
    for (const cluster of ['processpool', 'threadpool', 'local', 'debug']) {
      const { notes } = place()
      const guarded = text('if (isMain(import.meta)) console.log(await xp.run())', cluster).replace(
        'import { Config',
        'import { isMain, Config',
      )
      expect((await child(program(guarded), [], { NOTES: notes })).stdout).toBe('1\n')
    }
  })
})

describe('a module', () => {
  it('may wait at its top level', async () => {
    const { notes, folder } = place()
    const file = program(
      `
      import { Config, TaskInfra, task } from 'curio'
      const value = await new Promise((resolve) => setTimeout(() => resolve(41), 20))
      export class Late extends Config({ infra: TaskInfra() }) {
        @task() async run() { return value + 1 }
      }
    `,
      'late.ts',
    )
    const main = program(
      `
      import { Late } from './late.ts'
      for (const cluster of ['threadpool', 'processpool']) console.log(await new Late({ infra: { folder: process.argv[2] + cluster, cluster } }).run())
    `,
      'main.ts',
      path.dirname(file),
    )
    expect((await child(main, [folder], { NOTES: notes })).stdout).toBe('42\n42\n')
  })
  it('that fails in the worker is named, with its stack', async () => {
    const { notes, folder } = place()
    const file = program(
      `
      import { isMain, Config, TaskInfra, task } from 'curio'
      export class Broken extends Config({ infra: TaskInfra() }) {
        @task() async run() { return 1 }
      }
      if (!isMain(import.meta)) throw new RangeError('not here')
      for (const cluster of ['threadpool', 'processpool', 'local']) {
        await new Broken({ infra: { folder: process.argv[2] + cluster, cluster } }).run().catch((error) => {
          console.log(error.code, error.message.includes('RangeError: not here'), error.details.remoteStack.includes('program.ts'))
        })
      }
    `,
    )
    expect((await child(file, [folder], { NOTES: notes })).stdout).toBe('ERR_JOB true true\n'.repeat(3))
  })
})

function ended(args: readonly string[]): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const one = startChild(programUrl, args)
    one.ended.then(({ code, signal, stderr }) =>
      code === 0 ? resolve(one.lines) : reject(new Error(`${code ?? signal}: ${stderr}`)),
    )
  })
}

/** The processes that a process has started. */
async function workersOf(pid: number): Promise<number[]> {
  const ps = spawn('ps', ['-o', 'pid=', '--ppid', String(pid)], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  for await (const chunk of ps.stdout) text += String(chunk)
  return text.trim().split(/\s+/).filter(Boolean).map(Number)
}
