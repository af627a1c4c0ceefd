import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nameKey } from '../../src/identity/key.js'
import { holderOf } from '../../src/store/holder.js'
import { type Child, startChild } from '../helpers/child.js'
import { failing } from '../helpers/faults.js'
import { BareStore, entryOf, load, save } from '../helpers/stores.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { temporariesBelow } from '../helpers/tree.js'

const url = new URL('./child.ts', import.meta.url)
const key = nameKey('demo/a')
let dir: TempDir
let store: BareStore
let children: Child[] = []

beforeEach(async () => {
  dir = tempDir()
  store = await BareStore.open({ folder: dir.path, durability: 'cache' })
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(children.map((child) => child.ended))
  children = []
  await dir[Symbol.asyncDispose]()
})

const look = () => load(store, key)

/** What a stage does, in this process: counts its computations. */
function stage(work: () => Promise<void> = async () => {}) {
  let computed = 0
  const run = async (signal?: AbortSignal, by = store): Promise<string> =>
    by.once(
      key,
      look,
      async () => {
        computed += 1
        await work()
        await by.commit(key, await entryOf(by, key, `result ${computed}`))
        return (await look())!
      },
      signal,
    )
  return { run, computed: () => computed }
}

function start(ms: number, how: 'sleep' | 'block' = 'sleep', staleMs?: number): Child {
  const child = startChild(url, [
    'once',
    dir.path,
    key.text,
    `${ms}`,
    how,
    ...(staleMs === undefined ? [] : [`${staleMs}`]),
  ])
  children.push(child)
  return child
}

const computedBy = (all: readonly Child[]) => all.filter((child) => child.lines.includes('computing')).length
const lockFile = () => path.join(dir.path, 'locks', key.hash.slice(0, 32))

describe('in one process', () => {
  test('twenty calls at once compute once, and all get the result', async () => {
    const { run, computed } = stage(() => sleep(20))
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => run())))).toEqual(new Set(['result 1']))
    expect(computed()).toBe(1)
  })

  test('two stores on one folder share what is being computed', async () => {
    const other = await BareStore.open({ folder: dir.path, durability: 'artifact' })
    const { run, computed } = stage(() => sleep(20))
    expect(await Promise.all([run(), run(undefined, other)])).toEqual(['result 1', 'result 1'])
    expect(computed()).toBe(1)
  })

  test('different keys do not wait for each other', async () => {
    const other = nameKey('demo/b')
    let release = () => {}
    const held = store.once(key, look, () => new Promise<string>((resolve) => (release = () => resolve('a'))))
    expect(
      await store.once(
        other,
        () => load(store, other),
        async () => 'b',
      ),
    ).toBe('b')
    release()
    expect(await held).toBe('a')
  })

  test('when the first call is aborted the next one computes', async () => {
    const stop = new AbortController()
    const { run, computed } = stage(async () => {
      if (computed() > 1) return
      stop.abort()
      stop.signal.throwIfAborted()
    })
    const [first, second, third] = await Promise.allSettled([run(stop.signal), run(), run()])
    expect(first).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } })
    expect(second).toEqual({ status: 'fulfilled', value: 'result 2' })
    expect(third).toEqual({ status: 'fulfilled', value: 'result 2' })
    expect(computed()).toBe(2)
  })

  test('when the first call fails the next one computes, and gets its own error', async () => {
    let calls = 0
    const run = () =>
      store.once(key, look, async (): Promise<string> => {
        throw new Error(`failure ${++calls}`)
      })
    const results = await Promise.allSettled([run(), run(), run()])
    expect(results.map((result) => (result as PromiseRejectedResult).reason.message)).toEqual([
      'failure 1',
      'failure 2',
      'failure 3',
    ])
  })

  test('one that waits can be aborted, and the one that computes goes on', async () => {
    const stop = new AbortController()
    const { run, computed } = stage(() => sleep(100))
    const first = run()
    await sleep(10)
    const second = run(stop.signal)
    stop.abort()
    await expect(second).rejects.toMatchObject({ name: 'AbortError' })
    expect(await first).toBe('result 1')
    expect(computed()).toBe(1)
  })

  test('never two at a time, whoever fails', async () => {
    let [running, most] = [0, 0]
    const run = (i: number) =>
      store.once(key, look, async (): Promise<string> => {
        running += 1
        most = Math.max(most, running)
        await sleep(2)
        running -= 1
        if (i % 2 === 0) throw new Error('fails')
        return 'not stored'
      })
    await Promise.allSettled(Array.from({ length: 10 }, (_, i) => run(i)))
    expect(most).toBe(1)
  })

  test('a lock leaves nothing behind', async () => {
    await stage().run()
    expect(fs.readdirSync(dir.join('locks'))).toEqual([])
  })

  test('what is there already is not computed', async () => {
    await save(store, key.text, 'stored')
    const { run, computed } = stage()
    expect(await run()).toBe('stored')
    expect(computed()).toBe(0)
  })
})

describe('where no lock can be had', () => {
  const stories: [string, () => Disposable | undefined][] = [
    ['the folder of locks is a file', () => void fs.writeFileSync(dir.join('locks'), '')],
    ['the disk is full', () => failing('mkdirSync', 'ENOSPC', 0)],
    ['the folder cannot be made', () => failing('mkdirSync', 'EACCES', 0)],
    ['the holder cannot be noted', () => failing('renameSync', 'ENOSPC', 0)],
  ]
  test.each(stories)('because %s, it is computed without, and said', async (_, plant) => {
    const { run, computed } = stage()
    {
      using _fault = plant()
      expect(await run()).toBe('result 1')
    }
    expect(computed()).toBe(1)
    if (_ !== 'the holder cannot be noted') expect(store.events.counts['lock-lost']).toBe(1)
    expect(temporariesBelow(dir.path)).toEqual([])
  })

  test('a folder of locks that vanishes is made again', async () => {
    await stage().run()
    fs.rmSync(dir.join('locks'), { recursive: true })
    await store.forget(key.text)
    await stage().run()
    expect(store.events.counts['lock-lost']).toBeUndefined()
  })

  test('it is not waited for longer than was asked', async () => {
    const child = start(60_000)
    await child.says('computing')
    const impatient = await BareStore.open({ folder: dir.path, durability: 'cache', lockWaitMs: 50 })
    const { run, computed } = stage()
    expect(await run(undefined, impatient)).toBe('result 1')
    expect(computed()).toBe(1)
    expect(impatient.events.counts['lock-lost']).toBe(1)
  })
})

describe('among processes', () => {
  test('eight that start together compute once, and all get the result', async () => {
    const all = Array.from({ length: 8 }, () => start(100))
    const values = await Promise.all(all.map((child) => child.says('value ')))
    expect(new Set(values).size).toBe(1)
    expect(computedBy(all)).toBe(1)
    for (const child of all) expect((await child.ended).code).toBe(0)
    expect(fs.readdirSync(dir.join('locks'))).toEqual([])
    console.log(`single flight: ${all.length} processes, ${computedBy(all)} computation`)
  })

  test('a waiter of this process takes what the other stored, and can be aborted', async () => {
    const child = start(400)
    await child.says('computing')
    const stop = new AbortController()
    const { run, computed } = stage()
    const aborted = run(stop.signal)
    setTimeout(() => stop.abort(), 20)
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
    expect(await run()).toBe(`made by ${child.pid}`)
    expect(computed()).toBe(0)
  })

  test('a holder that is killed is followed at once, by one of many', async () => {
    const holder = start(60_000)
    await holder.says('computing')
    expect(holderOf(lockFile())?.pid).toBe(holder.pid)
    const waiters = Array.from({ length: 4 }, () => start(50))
    await Promise.all(waiters.map((child) => child.says('ready')))
    const killed = performance.now()
    holder.kill('SIGKILL')
    const values = await Promise.all(waiters.map((child) => child.says('value ')))
    expect(new Set(values).size).toBe(1)
    const computed = computedBy(waiters)
    console.log(
      `single flight: holder killed, ${waiters.length} waiters, ${computed} computation(s), ${(performance.now() - killed).toFixed(0)} ms`,
    )
    expect(computed).toBeLessThanOrEqual(2)
    expect(fs.readdirSync(dir.join('locks'))).toEqual([])
  })

  test('a note that a killed holder left behind does not harm the next holder', async () => {
    const holder = start(60_000)
    await holder.says('computing')
    holder.kill('SIGKILL')
    await holder.ended
    // As after process.exit: the lock is gone, the note is not.
    fs.rmdirSync(`${lockFile()}.lock`)
    expect(fs.existsSync(`${lockFile()}.json`)).toBe(true)
    expect(holderOf(lockFile())).toBeUndefined()
    const all = Array.from({ length: 2 }, () => start(200))
    await Promise.all(all.map((child) => child.says('value ')))
    expect(computedBy(all)).toBe(1)
  })

  test('a holder whose event loop is blocked for longer than a lock lives keeps its lock', async () => {
    const holder = start(3500, 'block', 2000)
    await holder.says('computing')
    const waiter = start(0, 'sleep', 2000)
    const [mine, theirs] = await Promise.all([holder.says('value '), waiter.says('value ')])
    expect(theirs).toBe(mine)
    expect(computedBy([holder, waiter])).toBe(1)
    expect((await holder.ended).code).toBe(0)
  })

  test('a holder that is stopped loses its lock in time, and finds the other’s result when it goes on', async () => {
    const holder = start(500, 'sleep', 2000)
    await holder.says('computing')
    holder.kill('SIGSTOP')
    const waiter = start(0, 'sleep', 2000)
    const value = await waiter.says('value ')
    expect(value).toBe(`value made by ${waiter.pid}`)
    holder.kill('SIGCONT')
    expect(await holder.says('value ')).toBe(value)
    const { code, stderr } = await holder.ended
    expect([code, stderr]).toEqual([0, ''])
  })
})
