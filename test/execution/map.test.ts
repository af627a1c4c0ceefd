import * as fs from 'node:fs'
import * as path from 'node:path'
import { map, Store, toArray, withSignal } from 'curio'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { shortUid } from '../../src/execution/uid.js'
import { failure, listing, tempDir } from '../experiment/helpers.js'
import { failing, patchFs, systemError } from '../helpers/faults.js'
import { Arrays, Batched, Below, Broken, Counted, Excluding, Indexed, ran, Square, Texts } from './fixtures/maps.js'

let folder = ''

beforeEach(() => {
  ran.length = 0
  folder = path.join(tempDir(), 'store')
})

/** How an array of results fails. */
function failingWith(results: AsyncIterable<unknown>): Promise<Error & { code?: string; hint?: string }> {
  return failure(toArray(results))
}

async function keysIn(config: { infra: { cacheDict(): Promise<{ keys(): Iterable<string> }> } }): Promise<string[]> {
  return [...(await config.infra.cacheDict()).keys()].sort()
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

describe('items (rows 21, 50 to 54, 57)', () => {
  it('50: outputs come in input order, each distinct item computed once', async () => {
    expect(await toArray(new Square({ infra: { folder } }).process([3, 1, 2, 2, 1]))).toEqual([9, 1, 4, 4, 1])
    expect(ran).toEqual([3, 1, 2])
  })

  it.each([
    ['memory and folder', { keepInRam: true }, true],
    ['folder', { keepInRam: false }, true],
    ['memory', { keepInRam: true }, false],
  ])('50, 56: the same with %s', async (_, options, hasFolder) => {
    const xp = new Square({ infra: { ...options, ...(hasFolder ? { folder } : {}) } })
    expect(await toArray(xp.process([1, 2, 2, 3]))).toEqual([1, 4, 4, 9])
    expect(await toArray(xp.process([3, 4, 1]))).toEqual([9, 16, 1])
    expect(ran).toEqual([1, 2, 3, 4])
  })

  it('without folder and memory it is the plain method', async () => {
    const xp = new Square({})
    expect([await toArray(xp.process([1, 2, 2])), await toArray(xp.process([1]))]).toEqual([[1, 4, 4], [1]])
    expect(ran).toEqual([1, 2, 2, 1])
  })

  it('51: only what is missing is computed', async () => {
    await toArray(new Square({ infra: { folder } }).process([2, 4]))
    expect(await toArray(new Square({ infra: { folder } }).process([1, 2, 3, 4, 5]))).toEqual([1, 4, 9, 16, 25])
    expect(ran).toEqual([2, 4, 1, 3, 5])
  })

  it('53: no items are no results, and no folder is made', async () => {
    expect(await toArray(new Square({ infra: { folder } }).process([]))).toEqual([])
    expect(ran).toEqual([])
  })

  it('54: what was to be prepared together is not computed alone', async () => {
    const xp = new Square({ infra: { folder, forbidSingleItemComputation: true } })
    expect((await failingWith(xp.process([1]))).hint).toContain('forbidSingleItemComputation')
    expect(ran).toEqual([])
    expect(await toArray(xp.process([1, 2]))).toEqual([1, 4])
    expect(await toArray(xp.process([1]))).toEqual([1])
    expect(await toArray(xp.process([1, 3]))).toEqual([1, 9])
  })

  it('57: hits read no index again, and misses look at the folder a few times, however many items', async () => {
    await toArray(new Square({ infra: { folder } }).process(range(3000).map((x) => x + 100)))
    const xp = new Square({ bad: -1, infra: { folder, keepInRam: false } })
    await toArray(xp.process([100]))
    const { readdirSync } = fs
    let looks = 0
    using _ = patchFs({
      readdirSync: ((...args: Parameters<typeof readdirSync>) => {
        if (String(args[0]).endsWith('items')) looks += 1
        return readdirSync(...args)
      }) as typeof readdirSync,
    })
    for (let i = 0; i < 20; i++) await toArray(xp.process([100 + i]))
    expect(looks).toBeLessThanOrEqual(1)
    looks = 0
    await toArray(xp.process(range(50)))
    expect(looks).toBeLessThanOrEqual(8)
  })

  it('W1: ten thousand cold items cost four times what a quarter of them costs, about', async () => {
    const time = async (n: number, bad: number): Promise<number> => {
      const began = performance.now()
      await toArray(new Square({ bad, coeff: n, infra: { folder } }).process(range(n)))
      return performance.now() - began
    }
    await time(500, -1)
    const few = await time(2500, -1)
    const many = await time(10_000, -1)
    expect(many).toBeLessThan(few * 10 + 200)
  })

  it('21: a long uid is cut to the longest, told apart by a hash, and not cut again', async () => {
    const long = 'x'.repeat(1000)
    for (const max of [100, 256]) {
      const short = shortUid(`${long}a`, max)
      expect(short.length).toBeLessThanOrEqual(max)
      expect(shortUid(short, max)).toBe(short)
      expect(shortUid(`${long}b`, max)).not.toBe(short)
      expect(shortUid(`a${long}`, max)).not.toBe(shortUid(`b${long}`, max))
    }
    expect(shortUid('short', 100)).toBe('short')
    expect(shortUid(`${'x'.repeat(20)}${'😀'.repeat(100)}`, 101).isWellFormed()).toBe(true)
    expect(() => map({ itemUid: String, itemUidMaxLength: 99 })).toThrow('must be 100 or more')
    const xp = new Texts({ infra: { folder } })
    expect(await toArray(xp.process([`${long}a`, `${long}bc`]))).toEqual([1001, 1002])
    expect(await toArray(new Texts({ infra: { folder } }).process([`${long}bc`, `${long}a`]))).toEqual([1002, 1001])
    expect(ran).toHaveLength(2)
  })

  it('W3: uids that look like parts of others are others', async () => {
    const crafted = [
      '',
      'a',
      'a,b',
      'a","b',
      'a\nb',
      'a\0b',
      '{a=1}',
      '{a:1}',
      '../a',
      '__proto__',
      'constructor',
      'é',
      'e\u0301',
    ]
    const xp = new Texts({ infra: { folder } })
    await toArray(xp.process(crafted))
    expect(await toArray(new Texts({ infra: { folder } }).process([...crafted].reverse()))).toEqual(
      crafted.map((text) => text.length).reverse(),
    )
    expect(ran).toEqual(crafted)
    expect((await failingWith(xp.process(['\ud800']))).code).toBe('ERR_INVALID_NAME')
  })

  it('8: an excluded field does not count for maps either', async () => {
    expect(await toArray(new Excluding({ x: 2, infra: { folder } }).process([1]))).toEqual(['2 on cpu'])
    expect(await toArray(new Excluding({ x: 2, device: 'gpu', infra: { folder } }).process([1]))).toEqual(['2 on cpu'])
  })

  it('45: items that were made under another default are an error, in mode force too', async () => {
    const load = async (value: string): Promise<typeof import('./fixtures/defaults.js')> => {
      vi.resetModules()
      process.env.CURIO_TEST_DEFAULT = value
      return import('./fixtures/defaults.js')
    }
    const { Scaled: before } = await load('2')
    expect(await toArray(new before({ infra: { folder } }).process([1, 2]))).toEqual([2, 4])
    const { Scaled: after } = await load('3')
    for (const mode of ['cached', 'force'] as const) {
      const error = (await failingWith(new after({ infra: { folder, mode } }).process([1]))) as Error &
        Record<string, unknown>
      expect(error).toMatchObject({ code: 'ERR_DEFAULT_CHANGED', field: 'x', was: '2', is: '3' })
    }
    expect(await toArray(new after({ infra: { folder, version: '2' } }).process([1]))).toEqual([3])
  })

  it('88: one item alone and among others is one result', async () => {
    const xp = new Square({ infra: { folder } })
    expect(await toArray(xp.process([5]))).toEqual([25])
    expect(await toArray(new Square({ infra: { folder } }).process([4, 5, 6]))).toEqual([16, 25, 36])
    expect(await toArray(new Square({ infra: { folder } }).process([6]))).toEqual([36])
    expect(ran).toEqual([5, 4, 6])
  })

  it('items may come from any iterable, with or without await, and be read by their numbers', async () => {
    async function* later(): AsyncGenerator<number> {
      yield* [1, 2]
    }
    const xp = new Square({ infra: { folder } })
    expect(await toArray(xp.process(new Set([1, 2])))).toEqual([1, 4])
    expect(await toArray(xp.process(later() as never))).toEqual([1, 4])
    expect(await toArray(new Indexed({ infra: { folder } }).process([1, 2]))).toEqual([3, 6])
    expect(() => xp.process(5 as never)).toThrow(/takes a list of items, not number/)
    expect(() => (xp.process as (...args: unknown[]) => unknown).call(xp, [1], [2])).toThrow(/not 2 arguments/)
  })

  it('results that are asked for several at a time come in order, each once', async () => {
    const results = new Square({ infra: { folder } }).process(range(12))[Symbol.asyncIterator]()
    const all = await Promise.all(range(13).map(() => results.next()))
    expect(all.map(({ value }) => value as unknown)).toEqual([...range(12).map((x) => x ** 2), undefined])
  })

  it('34: asking makes nothing, whatever is asked', async () => {
    const { infra } = new Square({ infra: { folder } })
    const dir = await infra.uidFolder()
    for await (const _ of infra.iterCached()) throw new Error('there is none')
    expect(fs.existsSync(folder)).toBe(false)
    await toArray(new Square({ infra: { folder } }).process([1]))
    expect(fs.existsSync(path.join(dir, 'entry.json'))).toBe(true)
  })

  it('81: what is deleted while it is computed is stored when it is done', async () => {
    const xp = new Counted({ notes: path.join(path.dirname(folder), 'notes'), ms: 600, infra: { folder } })
    const dict = await xp.infra.cacheDict()
    const running = toArray(xp.process([1]))
    await vi.waitFor(() => expect(fs.existsSync(xp.notes)).toBe(true), 20_000)
    expect(await dict.delete('1')).toBe(false)
    expect(await running).toEqual([2])
    expect([await dict.get('1'), await toArray(xp.process([1]))]).toEqual([2, [2]])
  })

  it('two configurations keep apart', async () => {
    await toArray(new Square({ coeff: 1, infra: { folder } }).process([2]))
    expect(await toArray(new Square({ coeff: 3, infra: { folder } }).process([2]))).toEqual([12])
    const found: number[] = []
    for await (const xp of new Square({ infra: { folder } }).infra.iterCached<Square>()) found.push(xp.coeff)
    expect(found.sort()).toEqual([1, 3])
    expect(fs.readdirSync(await new Square({ coeff: 3, infra: { folder } }).infra.uidFolder())).toContain('config.yaml')
  })
})

describe('errors of items (rows 52, 86, 87, W11)', () => {
  it('86: what was done before a failure stays, nothing runs after it, and retry computes the rest', async () => {
    const xp = new Square({ infra: { folder } })
    await expect(toArray(xp.process([1, 2, 13, 3, 4]))).rejects.toBeInstanceOf(RangeError)
    expect(ran).toEqual([1, 2, 13])
    expect(await keysIn(xp)).toEqual(['1', '2'])
    const fixed = new Square({ bad: -1, infra: { folder, mode: 'retry' } })
    expect(await toArray(fixed.process([1, 2, 13, 3, 4]))).toEqual([1, 4, 169, 9, 16])
    expect(ran).toEqual([1, 2, 13, 13, 3, 4])
    expect(await toArray(new Square({ infra: { folder } }).process([13]))).toEqual([169])
  })

  it('W11: an error is kept for its item, and raised without running', async () => {
    await failingWith(new Square({ infra: { folder } }).process([1, 13]))
    const error = await failingWith(new Square({ infra: { folder } }).process([13]))
    expect(error.code).toBe('ERR_CACHED')
    expect(ran).toEqual([1, 13])
    expect(await toArray(new Square({ infra: { folder } }).process([1]))).toEqual([1])
    // Nothing after it is computed: the call ends there.
    await failingWith(new Square({ infra: { folder } }).process([1, 13, 5]))
    expect(ran).toEqual([1, 13])
    const again = new Square({ infra: { folder, mode: 'retry' } })
    await expect(toArray(again.process([13]))).rejects.toBeInstanceOf(RangeError)
    expect(ran).toEqual([1, 13, 13])
  })

  it('87: it says which item, and when it is raised again how to try again', async () => {
    const first = await failingWith(new Square({ infra: { folder } }).process([1, 13]))
    expect((first as { computing?: string }).computing).toMatch(/Square\.process,1\/.*, item 13$/)
    const again = await failingWith(new Square({ infra: { folder } }).process([13]))
    expect(again.message).toMatch(/RangeError: unlucky\n {2}in .*Square\.process.*item 13, at 20/)
    expect(again.hint).toContain("mode: 'retry'")
    const batch = await failingWith(new Batched({ infra: { folder } }).process([11, 12, 13]))
    expect((batch as { computing?: string }).computing).toMatch(/item 11, 12, 13$/)
    const plain = await failingWith(new Square({}).process([13]))
    expect((plain as { computing?: string }).computing).toContain('item 13')
  })

  it('a forced item that fails leaves the result that was there', async () => {
    await toArray(new Square({ bad: -1, infra: { folder } }).process([13]))
    await failingWith(new Square({ infra: { folder, mode: 'force' } }).process([13]))
    expect(await toArray(new Square({ infra: { folder } }).process([13]))).toEqual([169])
  })

  it.each([
    ['fewer', /gave 2 results for 3 items/],
    ['slow fewer', /gave 2 results for 3 items/],
    ['more', /gave more results than its 3 items/],
    ['slow more', /gave more results than its 3 items/],
    ['none', undefined],
    ['early', /gave a result before it took item 2/],
    ['twice', /gave a result before it took item 2/],
  ])('52: a method that gives %s is refused, and nothing of that call is kept', async (how, message) => {
    for (const keepInRam of [true, false]) {
      const xp = new Broken({ how, infra: { folder: `${folder}-${keepInRam}`, keepInRam } })
      if (message === undefined) {
        expect(await toArray(xp.process([1, 2, 3]))).toEqual([10, 20, 30])
        continue
      }
      const error = await failingWith(xp.process([1, 2, 3]))
      expect(error.code).toBe('ERR_BATCH_PROTOCOL')
      expect(error.message).toMatch(message)
      expect(await keysIn(xp)).toEqual([])
      ran.length = 0
      await failingWith(xp.process([1, 2, 3]))
      expect(ran.length).toBeGreaterThan(0)
    }
    if (message !== undefined)
      expect((await failingWith(new Broken({ how }).process([1, 2, 3]))).code).toBe('ERR_BATCH_PROTOCOL')
  })

  it('52: what others have computed stays when a call breaks the rules', async () => {
    const well = new Broken({ how: 'slow fewer', infra: { folder } })
    expect(await toArray(well.process([1, 2]))).toEqual([10, 20])
    await failingWith(new Broken({ how: 'slow fewer', infra: { folder } }).process([1, 2, 4, 3]))
    expect(await keysIn(well)).toEqual(['1', '2'])
  })
})

describe('modes of maps (rows 35 to 37, W10)', () => {
  it('36: force computes each item once for each object, and is cached afterwards', async () => {
    await toArray(new Square({ infra: { folder } }).process([1, 2]))
    ran.length = 0
    const xp = new Square({ infra: { folder, mode: 'force' } })
    expect(await toArray(xp.process([1, 2, 1]))).toEqual([1, 4, 1])
    expect(await toArray(xp.process([2, 3]))).toEqual([4, 9])
    expect(await toArray(xp.process([1, 2, 3]))).toEqual([1, 4, 9])
    expect(ran).toEqual([1, 2, 3])
    expect(await toArray(new Square({ coeff: 1, infra: { folder } }).process([3]))).toEqual([9])
    expect(ran).toEqual([1, 2, 3])
  })

  it('36: two forced calls at once compute each item once', async () => {
    const notes = path.join(tempDir(), 'notes')
    const make = (): Counted => new Counted({ notes, ms: 5, infra: { folder, mode: 'force' } })
    await toArray(make().process([1, 2, 3]))
    fs.rmSync(notes)
    const [one, two] = await Promise.all([toArray(make().process([1, 2, 3])), toArray(make().process([3, 2, 1]))])
    expect([one, two]).toEqual([
      [2, 4, 6],
      [6, 4, 2],
    ])
    expect(fs.readFileSync(notes, 'utf8').trim().split('\n').sort()).toEqual(['1', '2', '3'])
  })

  it('35, W10: read-only computes nothing and makes no file or folder', async () => {
    const xp = new Square({ infra: { folder, mode: 'read-only' } })
    expect((await failingWith(xp.process([1]))).code).toBe('ERR_READ_ONLY')
    expect(fs.existsSync(folder)).toBe(false)
    await toArray(new Square({ infra: { folder } }).process([1, 2]))
    await (await Store.open(folder)).close()
    const before = listing(folder)
    expect(await toArray(new Square({ infra: { folder, mode: 'read-only' } }).process([2, 1]))).toEqual([4, 1])
    const error = await failingWith(new Square({ infra: { folder, mode: 'read-only' } }).process([1, 3, 4]))
    expect(error.message).toMatch(/item 3: it is not stored \(nor are 1 others\)/)
    expect((await failingWith(new Square({ infra: { mode: 'read-only' } }).process([1]))).code).toBe('ERR_READ_ONLY')
    expect(listing(folder)).toEqual(before)
    expect(ran).toEqual([1, 2])
  })

  it('read-only raises an error that was kept', async () => {
    await failingWith(new Square({ infra: { folder } }).process([13]))
    expect((await failingWith(new Square({ infra: { folder, mode: 'read-only' } }).process([13]))).code).toBe(
      'ERR_CACHED',
    )
  })
})

describe('results in memory', () => {
  it.each([['with'], ['without']])('are the caller’s own, %s a folder: changing one changes nothing', async (how) => {
    const xp = new Arrays({ infra: { keepInRam: true, ...(how === 'with' ? { folder } : {}) } })
    for (let i = 0; i < 4; i++) {
      const [first, second] = await toArray(xp.process([1, 1]))
      expect([first![0], second![0]]).toEqual([1, 1])
      first!.fill(9)
      second!.fill(8)
    }
    expect(await toArray(new Arrays({ infra: { folder } }).process([1]))).toEqual([new Float32Array(4).fill(1)])
    expect(ran).toEqual(how === 'with' ? [1] : [1, 1])
  })

  it('are read without the folder', async () => {
    const xp = new Arrays({ infra: { folder } })
    await toArray(xp.process([1, 2]))
    await toArray(xp.process([2, 1]))
    using _ = failing('readSync', 'EIO')
    expect((await toArray(xp.process([2, 1]))).map((array) => array[0])).toEqual([2, 1])
  })

  it('are at most so many bytes: the longest unused go first', async () => {
    const xp = new Arrays({ size: 1000, infra: { keepInRam: 14_000 } })
    await toArray(xp.process([1, 2, 3]))
    await toArray(xp.process([1]))
    await toArray(xp.process([4]))
    ran.length = 0
    await toArray(xp.process([1]))
    expect(ran).toEqual([])
    await toArray(xp.process([2]))
    expect(ran).toEqual([2])
  })

  it('large ones are kept too without a folder', async () => {
    const xp = new Arrays({ size: 1 << 20, infra: { keepInRam: true } })
    await toArray(xp.process([1]))
    expect((await toArray(xp.process([1])))[0]![7]).toBe(1)
    expect(ran).toEqual([1])
  })

  it('go when they are deleted from, or set in, the dict of results', async () => {
    const xp = new Square({ infra: { folder } })
    await toArray(xp.process([2, 3]))
    const dict = await xp.infra.cacheDict()
    expect([dict.size, dict.has('2'), await dict.get('3')]).toEqual([2, true, 9])
    await dict.delete('2')
    await dict.set('3', 99, { mode: 'force' })
    expect(await toArray(xp.process([2, 3]))).toEqual([4, 99])
    expect(ran).toEqual([2, 3, 2])
  })
})

it('what is put into the dict of results first is found by who asks what has been computed', async () => {
  const xp = new Square({ infra: { folder } })
  await (await xp.infra.cacheDict()).set('3', 99)
  expect(await toArray(new Square({ infra: { folder } }).process([3]))).toEqual([99])
  let found = 0
  for await (const one of xp.infra.iterCached()) found += Number(one instanceof Square)
  expect(found).toBe(1)
  expect(ran).toEqual([])
})

describe('calls that end early', () => {
  it('by break: what was done is kept, nothing more runs, and others may compute at once', async () => {
    const notes = path.join(tempDir(), 'notes')
    const xp = new Counted({ notes, ms: 8, infra: { folder } })
    for await (const y of xp.process(range(50))) if (y === 4) break
    const done = fs.readFileSync(notes, 'utf8').trim().split('\n').length
    expect(done).toBeLessThan(10)
    const began = performance.now()
    expect((await toArray(xp.process(range(10)))).at(-1)).toBe(18)
    expect(performance.now() - began).toBeLessThan(5000)
    const all = fs.readFileSync(notes, 'utf8').trim().split('\n')
    expect(all.length).toBeLessThanOrEqual(12)
  })

  it('by an abort: it is an AbortError, what was done is kept, no error is', async () => {
    const notes = path.join(tempDir(), 'notes')
    const stop = new AbortController()
    const xp = new Counted({ notes, ms: 10, infra: { folder } })
    const running = withSignal(stop.signal, () => xp.process(range(1000)))
    let seen = 0
    const error = await failure(
      (async () => {
        for await (const _ of running) if (++seen === 3) stop.abort()
      })(),
    )
    expect(error.name).toBe('AbortError')
    expect(seen).toBeLessThan(10)
    const kept = await keysIn(xp)
    expect(kept.length).toBeGreaterThanOrEqual(3)
    expect(await toArray(new Counted({ notes, infra: { folder, mode: 'read-only' } }).process([0, 1, 2]))).toEqual([
      0, 2, 4,
    ])
    expect(await toArray(new Counted({ notes, infra: { folder } }).process([5, 6]))).toEqual([10, 12])
    const plain = withSignal(AbortSignal.timeout(30), () => new Counted({ notes, ms: 10 }).process(range(1000)))
    expect((await failingWith(plain)).name).toMatch(/AbortError|TimeoutError/)
  })

  it('another call that needs what a slow reader has claimed gets it', async () => {
    const notes = path.join(tempDir(), 'notes')
    const xp = new Counted({ notes, ms: 8, infra: { folder } })
    const seen: number[][] = []
    for await (const y of xp.process([1, 2, 3, 4])) seen.push([y, ...(await toArray(xp.process([4, 3])))])
    expect(seen).toEqual([
      [2, 8, 6],
      [4, 8, 6],
      [6, 8, 6],
      [8, 8, 6],
    ])
    expect(fs.readFileSync(notes, 'utf8').trim().split('\n')).toEqual(['1', '2', '3', '4'])
  })

  it('an item may ask for others of its own call', async () => {
    const xp = new Below({ infra: { folder } })
    expect(await toArray(xp.process([0, 1, 2, 3]))).toEqual([0, 1, 3, 6])
    expect(await toArray(new Below({ infra: { folder: `${folder}2` } }).process([3, 2, 1, 0]))).toEqual([6, 3, 1, 0])
  })
})

describe('a store that cannot keep', () => {
  it.each([
    ['writeSync', 'ENOSPC'],
    ['mkdirSync', 'EROFS'],
    ['openSync', 'EACCES'],
  ] as const)('%s gives %s: results are returned, and that is said once', async (name, code) => {
    const xp = new Square({ infra: { folder, keepInRam: false } })
    await toArray(xp.process([100]))
    const store = await Store.open(folder)
    const before = store.events.counts['put-failed'] ?? 0
    const warnings: string[] = []
    const onWarning = (warning: Error): unknown => warnings.push(warning.message)
    process.on('warning', onWarning)
    const real = Reflect.get(fs, name) as (...args: unknown[]) => unknown
    {
      using _ = patchFs({
        [name]: (...args: unknown[]) => {
          // What is only read can still be.
          if (name === 'openSync' && !String(args[1]).includes('a') && !String(args[1]).includes('w'))
            return real(...args)
          throw systemError(code, name)
        },
      })
      const fresh = new Square({ coeff: 7, infra: { folder, keepInRam: false } })
      expect(await toArray(fresh.process([1, 2, 2, 3]))).toEqual([7, 28, 28, 63])
      expect(await toArray(fresh.process([1]))).toEqual([7])
      await expect(toArray(fresh.process([13]))).rejects.toBeInstanceOf(RangeError)
      expect((await toArray(new Arrays({ size: 1 << 20, infra: { folder } }).process([1, 1])))[1]![5]).toBe(1)
    }
    await new Promise(setImmediate)
    process.off('warning', onWarning)
    expect((store.events.counts['put-failed'] ?? 0) - before).toBeGreaterThan(0)
    expect(warnings.filter((text) => /Square.process: results are not kept/.test(text)).length).toBeLessThanOrEqual(1)
  })
})

describe('on cluster debug', () => {
  it('results are the same as here, partial ones and errors too', async () => {
    const infra = { folder, cluster: 'debug', maxJobs: 2 }
    expect(await toArray(new Square({ infra }).process([1, 2, 2, 3]))).toEqual([1, 4, 4, 9])
    const error = await failingWith(new Square({ infra: { ...infra, maxJobs: 1 } }).process([5, 13, 6]))
    expect(error.message).toContain('unlucky')
    expect(await toArray(new Square({ infra: { folder, mode: 'read-only' } }).process([1, 5]))).toEqual([1, 25])
    expect((await failingWith(new Square({ infra: { folder } }).process([13]))).code).toBe('ERR_CACHED')
  })
})
