import * as fs from 'node:fs'
import * as path from 'node:path'
import { Store, toArray } from 'curio'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadChecksums } from '../../src/store/checksum.js'
import { adopting, Claims } from '../../src/store/claims.js'
import { failure, tempDir } from '../experiment/helpers.js'
import { type Child, startChild } from '../helpers/child.js'
import { failing, patchFs, systemError } from '../helpers/faults.js'
import { Counted, Square } from './fixtures/maps.js'

const program = new URL('./fixtures/child.ts', import.meta.url)
const claimer = new URL('./fixtures/claims-child.ts', import.meta.url)
const modes = { dir: 0o755, file: 0o644 }
let folder = ''
let made: Claims[] = []
let children: Child[] = []

beforeAll(loadChecksums)
beforeEach(() => {
  folder = path.join(tempDir(), 'store')
})
afterEach(async () => {
  for (const claims of made) claims.close()
  made = []
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(children.map((child) => child.ended))
  children = []
})

/** Claims as another copy of curio would have them: with a file of its own. */
function claimsOf(staleMs = 120_000, onLost?: (reason: string) => void): Claims {
  const claims = new Claims(folder, 'space', { modes, staleMs, ...(onLost === undefined ? {} : { onLost }) })
  made.push(claims)
  return claims
}

function start(url: URL, args: readonly string[]): Child {
  const child = startChild(url, args)
  children.push(child)
  return child
}

/** How often each item was computed, by all processes. */
function computed(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of fs.readdirSync(path.dirname(folder)).filter((one) => one.startsWith('ran-'))) {
    for (const item of fs
      .readFileSync(path.join(path.dirname(folder), name), 'utf8')
      .trim()
      .split('\n')) {
      counts.set(item, (counts.get(item) ?? 0) + 1)
    }
  }
  return counts
}

function claimFiles(): string[] {
  const dir = path.join(folder, 'claims')
  if (!fs.existsSync(dir)) return []
  return fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => path.join(item.parentPath, item.name))
}

/** Starts them, and lets all begin when each is ready. */
async function together(calls: readonly (readonly string[])[]): Promise<readonly Child[]> {
  const all = calls.map((args) => start(program, ['count', folder, ...args]))
  await Promise.all(all.map((child) => child.says('ready')))
  for (const child of all) child.tell('go')
  return all
}

const sum = (from: number, to: number): number => to * (to - 1) - from * (from - 1)

describe('several processes (rows 74 to 76, W13)', () => {
  it('74: two with overlapping ten thousand items compute each once, and both get all results', async () => {
    await Store.open(folder)
    const all = await together([
      ['0', '10000', '0', 'forwards', 'wait'],
      ['5000', '15000', '0', 'backwards', 'wait'],
    ])
    expect([await all[0]!.says('sum'), await all[1]!.says('sum')]).toEqual([
      `sum ${sum(0, 10_000)}`,
      `sum ${sum(5000, 15_000)}`,
    ])
    await Promise.all(all.map((child) => child.ended))
    const counts = computed()
    expect(counts.size).toBe(15_000)
    expect([...counts].filter(([, count]) => count !== 1)).toEqual([])
    expect(claimFiles()).toEqual([])
  })

  it('74: eight with the same items compute each once', async () => {
    await Store.open(folder)
    const all = await together(
      Array.from({ length: 8 }, (_, i) => ['0', '2000', '0', i % 2 === 0 ? 'forwards' : 'backwards', 'wait']),
    )
    for (const child of all) expect(await child.says('sum')).toBe(`sum ${sum(0, 2000)}`)
    await Promise.all(all.map((child) => child.ended))
    const counts = computed()
    expect(counts.size).toBe(2000)
    expect([...counts].filter(([, count]) => count !== 1)).toEqual([])
    expect(claimFiles()).toEqual([])
  })

  it('76: what a killed one had claimed is taken over at once, and at most one group is computed again', async () => {
    const owner = start(program, ['count', folder, '0', '400', '4'])
    await owner.says('ready')
    while (computed().size < 40) await new Promise((resolve) => setTimeout(resolve, 5))
    const other = start(program, ['count', folder, '0', '400', '1'])
    await other.says('ready')
    owner.kill('SIGKILL')
    await owner.ended
    expect(await other.says('sum')).toBe(`sum ${sum(0, 400)}`)
    const counts = computed()
    expect(counts.size).toBe(400)
    const again = [...counts.values()].filter((count) => count > 1).length
    expect(again).toBeLessThanOrEqual(4)
    await other.ended
    expect(claimFiles()).toEqual([])
  })

  it('76: one that is stopped holds what it has until it counts as dead', async () => {
    const owner = start(claimer, ['hold', folder, 'a', 'b'])
    await owner.says('mine a,b')
    const claims = claimsOf(600)
    const first = await claims.take(['a', 'c'])
    expect([first.mine, first.held]).toEqual([['c'], ['a']])
    owner.kill('SIGSTOP')
    const began = performance.now()
    while (!(await first.wait()));
    expect(performance.now() - began).toBeGreaterThan(300)
    first.release()
    expect((await claims.take(['a'])).mine).toEqual(['a'])
    owner.kill('SIGCONT')
  })

  it('a holder that is gone leaves nothing: its file is removed by the next', async () => {
    const owner = start(claimer, ['hold', folder, 'a'])
    await owner.says('mine a')
    owner.kill('SIGKILL')
    await owner.ended
    expect(claimFiles()).toHaveLength(1)
    const claims = claimsOf()
    const claim = await claims.take(['a'])
    expect(claim.mine).toEqual(['a'])
    claim.release()
    claims.close()
    expect(claimFiles()).toEqual([])
    expect(fs.existsSync(path.join(folder, 'claims', 'space'))).toBe(false)
  })

  it('no two ever hold one key at a time, whoever draws when', async () => {
    fs.mkdirSync(folder)
    const all = [1, 2, 3, 4].map((seed) => start(claimer, ['race', folder, '250', String(seed)]))
    await Promise.all(all.map((child) => child.says('ready')))
    for (const child of all) child.tell('go')
    for (const child of all) {
      expect((await child.ended).stderr).toBe('')
      expect(child.lines.filter((line) => line.startsWith('twice'))).toEqual([])
      expect(Number((await child.says('held')).split(' ')[1])).toBeGreaterThan(100)
    }
    expect(claimFiles()).toEqual([])
  })

  it('results of another process are given out as they come, not when it has let go', async () => {
    const owner = start(program, ['count', folder, '0', '60', '50'])
    await owner.says('ready')
    while (computed().size < 3) await new Promise((resolve) => setTimeout(resolve, 5))
    const notes = path.join(path.dirname(folder), 'ran-here')
    const began = performance.now()
    for await (const y of new Counted({ notes, infra: { folder } }).process([0, 1, 2, 3, 4])) if (y === 6) break
    expect(performance.now() - began).toBeLessThan(2500)
    expect(fs.existsSync(notes)).toBe(false)
  })

  it('what a reader that does something else has claimed is computed all the same', async () => {
    const owner = start(program, ['hold', folder])
    await owner.says('has 2')
    const notes = path.join(path.dirname(folder), 'ran-here')
    expect(await toArray(new Counted({ notes, infra: { folder } }).process([4, 3, 2, 1]))).toEqual([8, 6, 4, 2])
    expect(fs.existsSync(notes)).toBe(false)
    expect(computed().size).toBe(4)
  })
})

describe('one process (rows 75, 77, 78)', () => {
  it('two calls at once compute each item once', async () => {
    const notes = path.join(path.dirname(folder), 'ran-here')
    const make = (): Counted => new Counted({ notes, ms: 1, infra: { folder } })
    const all = await Promise.all([
      toArray(make().process([1, 2, 3, 4, 5])),
      toArray(make().process([5, 4, 3, 2, 1])),
      toArray(make().process([3, 6])),
    ])
    expect(all).toEqual([
      [2, 4, 6, 8, 10],
      [10, 8, 6, 4, 2],
      [6, 12],
    ])
    expect([...computed().values()]).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('75: of a set of which another holds some, the rest is taken', async () => {
    const theirs = await claimsOf().take(['b'])
    const mine = await claimsOf().take(['a', 'b', 'c'])
    expect([mine.mine, mine.held]).toEqual([['a', 'c'], ['b']])
    expect(await mine.wait()).toBe(false)
    theirs.release()
    expect(await mine.wait()).toBe(true)
  })

  it('77: a failure lets go', async () => {
    await failure(toArray(new Square({ infra: { folder } }).process([1, 13, 2])))
    const began = performance.now()
    expect(await toArray(new Square({ infra: { folder } }).process([2, 3]))).toEqual([4, 9])
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('78: a call within another may use what that holds, and the outer claim stays', async () => {
    const claims = claimsOf()
    const outer = await claims.take(['a', 'b'])
    const inner = await outer.within(() => claims.take(['b', 'c']))
    expect([inner.mine, inner.held]).toEqual([['b', 'c'], []])
    inner.release()
    expect((await claims.take(['b'])).held).toEqual(['b'])
    expect((await claims.take(['c'])).mine).toEqual(['c'])
    expect((await claimsOf().take(['a', 'b'])).held).toEqual(['a', 'b'])
    outer.release()
    expect((await claims.take(['b'])).mine).toEqual(['b'])
  })

  it('78: a worker may use what was claimed for it', async () => {
    const claims = claimsOf()
    await claimsOf().take(['a'])
    const claim = await adopting('space', ['a'], () => claims.take(['a', 'b']))
    expect(claim.mine).toEqual(['a', 'b'])
  })

  it('a wait ends with its abort', async () => {
    const claims = claimsOf()
    await claims.take(['a'])
    const second = await claims.take(['a'])
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 20)
    expect((await failure(second.wait(stop.signal))).name).toBe('AbortError')
    expect((await failure(second.wait(AbortSignal.abort()))).name).toBe('AbortError')
  })

  it('letting go twice is letting go once', async () => {
    const claims = claimsOf()
    const first = await claims.take(['a'])
    first.release()
    const second = await claims.take(['a'])
    first.release()
    expect((await claimsOf().take(['a'])).held).toEqual(['a'])
    second.release()
  })

  it('nothing is left of many calls, and what is written meanwhile stays small', async () => {
    const claims = claimsOf()
    const long = await claims.take(['long'])
    const keys = Array.from({ length: 500 }, (_, i) => `key ${i}`)
    for (let i = 0; i < 1000; i++) (await claims.take(keys)).release()
    const bytes = claimFiles().reduce((total, file) => total + fs.statSync(file).size, 0)
    expect(bytes).toBeLessThan(3 << 20)
    expect((await claimsOf().take(['long'])).held).toEqual(['long'])
    long.release()
    for (const one of made) one.closeIfIdle()
    expect(claimFiles().length).toBeLessThanOrEqual(1)
  })
})

describe('when claims cannot be made (row 79)', () => {
  const items = Array.from({ length: 20 }, (_, i) => i)
  const expected = items.map((x) => x * 2)
  const run = (ms = 0): Promise<unknown[]> =>
    toArray(new Counted({ notes: path.join(path.dirname(folder), 'ran-here'), ms, infra: { folder } }).process(items))

  it.each([
    ['cannot be listed', { readdirSync: fs.readdirSync }],
    ['cannot be read', { readFileSync: fs.readFileSync }],
    ['cannot be written to', { openSync: fs.openSync }],
    ['cannot be made', { mkdirSync: fs.mkdirSync }],
    ['cannot be removed', { unlinkSync: fs.unlinkSync, rmdirSync: fs.rmdirSync, ftruncateSync: fs.ftruncateSync }],
  ])('a folder that %s costs nothing but the claim', async (_, functions) => {
    await Store.open(folder)
    const changes = Object.fromEntries(
      Object.entries(functions).map(([name, real]) => [
        name,
        (...args: unknown[]) => {
          if (String(args[0]).includes(`${path.sep}claims`) || name === 'ftruncateSync')
            throw systemError('EACCES', name)
          return (real as (...all: unknown[]) => unknown)(...args)
        },
      ]),
    )
    using _patched = patchFs(changes)
    expect(await run()).toEqual(expected)
  })

  it('a lost claim is counted', async () => {
    const store = await Store.open(folder)
    fs.writeFileSync(path.join(folder, 'claims'), 'a file in its place')
    expect(await run()).toEqual(expected)
    expect(store.events.counts['lock-lost']).toBe(1)
  })

  it('work goes on when the folder is removed meanwhile, and the next call claims again', async () => {
    await Store.open(folder)
    const running = run(10)
    await new Promise((resolve) => setTimeout(resolve, 60))
    fs.rmSync(path.join(folder, 'claims'), { recursive: true })
    const claims = claimsOf()
    expect(await running).toEqual(expected)
    const first = await claims.take(['a'])
    fs.rmSync(path.join(folder, 'claims'), { recursive: true })
    const second = await claims.take(['b'])
    expect((await claimsOf().take(['b'])).held).toEqual(['b'])
    first.release()
    second.release()
  })

  it('what stands in the folder and is no claim is passed over', async () => {
    const claims = claimsOf()
    const theirs = await claimsOf().take(['b'])
    const dir = path.join(folder, 'claims', 'space')
    const [file] = claimFiles()
    fs.writeFileSync(path.join(dir, 'notes.txt'), 'T 1 1 0000000000000000\n')
    fs.mkdirSync(path.join(dir, path.basename(file!).replace(/.{4}$/, 'aaaa')))
    fs.writeFileSync(
      path.join(dir, path.basename(file!).replace(/.{4}$/, 'bbbb')),
      Buffer.from('\xff\0T x y z\n\n \nR\nC\n'),
    )
    const claim = await claims.take(['a', 'b'])
    expect([claim.mine, claim.held]).toEqual([['a'], ['b']])
    theirs.release()
  })

  it('one that never draws its number is waited for a second at most', async () => {
    const claims = claimsOf()
    await claimsOf().take(['other'])
    const dir = path.join(folder, 'claims', 'space')
    fs.writeFileSync(path.join(dir, path.basename(claimFiles()[0]!).replace(/.{4}$/, 'aaaa')), 'C 1\n')
    const began = performance.now()
    expect((await claims.take(['a'])).mine).toEqual(['a'])
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it('a full disk: results are computed, and the file is whole', async () => {
    const lost: string[] = []
    const claims = claimsOf(120_000, (reason) => lost.push(reason))
    const first = await claims.take(['a'])
    {
      using _ = failing('writeSync', 'ENOSPC')
      const second = await claims.take(['b', 'c'])
      expect(second.mine).toEqual(['b', 'c'])
      second.release()
    }
    expect(lost).toHaveLength(1)
    const real = fs.writeSync as (...args: unknown[]) => number
    {
      // Half of it fits.
      using _ = patchFs({
        writeSync: ((fd: number, bytes: Buffer) =>
          real(fd, bytes.subarray(0, Math.ceil(bytes.byteLength / 2)))) as typeof fs.writeSync,
      })
      const third = await claims.take(['d', 'e'])
      expect(third.mine).toEqual(['d', 'e'])
      third.release()
    }
    expect(lost).toHaveLength(2)
    const other = await claimsOf().take(['a', 'b', 'd'])
    expect([other.mine, other.held]).toEqual([['b', 'd'], ['a']])
    first.release()
    expect((await claimsOf().take(['a'])).mine).toEqual(['a'])
  })
})
