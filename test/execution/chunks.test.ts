import { describe, expect, it } from 'vitest'
import { Gate } from '../../src/execution/backends/gate.js'
import { lanes } from '../../src/execution/backends/lanes.js'
import { chunksOf, poolChunksOf } from '../../src/execution/chunks.js'

const sizes = (n: number, maxJobs: number | null, min: number): number[] =>
  chunksOf(
    Array.from({ length: n }, (_, i) => i),
    maxJobs,
    min,
  ).map((chunk) => chunk.length)

describe('chunks', () => {
  it.each([
    [13, 2, 5, [7, 6]],
    [13, null, 5, [5, 5, 3]],
    [12, 5, 4, [4, 4, 4]],
    [3, 128, 1, [1, 1, 1]],
    [3, null, 10, [3]],
    [0, 4, 1, []],
  ])('of %i items, at most %s jobs and at least %i items each, are of %j', (n, maxJobs, min, expected) => {
    expect(sizes(n, maxJobs, min)).toEqual(expected)
  })
  it('keep every item once, in order', () => {
    const items = Array.from({ length: 101 }, (_, i) => i)
    for (const most of [1, 2, 7, 100, 200, null]) expect(chunksOf(items, most, 3).flat()).toEqual(items)
  })
})

describe('chunks of a pool', () => {
  const pooled = (n: number, workers: number, maxJobs: number | null, min: number): number[] =>
    poolChunksOf(
      Array.from({ length: n }, (_, i) => i),
      workers,
      maxJobs,
      min,
    ).map((chunk) => chunk.length)
  it('get smaller, so that the workers end together; three for each worker', () => {
    expect(pooled(120, 2, 128, 1)).toEqual([30, 30, 20, 20, 11, 9])
    expect(pooled(10_000, 2, null, 1)).toEqual([2500, 2500, 1650, 1650, 851, 849])
  })
  it('are no more than maxJobs, and none of fewer items than there shall be, but the last', () => {
    expect(pooled(120, 2, 4, 1)).toEqual([30, 30, 30, 30])
    expect(pooled(13, 4, 2, 5)).toEqual([7, 6])
    expect(pooled(3, 2, 128, 1)).toEqual([1, 1, 1])
    for (const min of [1, 7, 20])
      expect(
        pooled(120, 2, null, min)
          .slice(0, -1)
          .every((size) => size >= min),
      ).toBe(true)
  })
  it('keep every item once, in order', () => {
    for (let n = 0; n < 200; n += 7) {
      const items = Array.from({ length: n }, (_, i) => i)
      for (const workers of [1, 2, 3, 8]) {
        const chunks = poolChunksOf(items, workers, 128, 1)
        expect(chunks.flat()).toEqual(items)
        expect(chunks.length).toBeLessThanOrEqual(3 * workers)
        expect(chunks.every((chunk) => chunk.length > 0)).toBe(true)
      }
    }
  })
})

const ok = { ok: true } as const
const tick = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('lanes', () => {
  it('run as many at a time as they are wide, and tell of each once', async () => {
    let [now, most] = [0, 0]
    const seen: number[] = []
    const run = async (): Promise<typeof ok> => {
      most = Math.max(most, ++now)
      await tick()
      now -= 1
      return ok
    }
    for await (const { index } of lanes(20, 3, run, undefined)) seen.push(index)
    expect(most).toBe(3)
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })
  it('hold back while nobody asks', async () => {
    let started = 0
    const all = lanes(
      1000,
      2,
      async () => {
        started += 1
        return ok
      },
      undefined,
    )
    await all.next()
    await tick(20)
    expect(started).toBeLessThan(12)
    await all.return(undefined)
  })
  it('stop what runs when they are ended early, and wait for it', async () => {
    let stopped = 0
    const all = lanes(
      10,
      3,
      async (index, signal) => {
        if (index === 0) return ok
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        await tick(10)
        stopped += 1
        return ok
      },
      undefined,
    )
    await all.next()
    await all.return(undefined)
    expect(stopped).toBe(3)
  })
  it('throw what the abort gave', async () => {
    const abort = new AbortController()
    const all = lanes(3, 1, async () => ok, abort.signal)
    await all.next()
    abort.abort(new Error('enough'))
    await expect(all.next()).rejects.toThrow('enough')
  })
  it('throw the first failure, after the others have ended', async () => {
    const all = lanes(
      2,
      2,
      async (index) => {
        await tick(index * 5)
        if (index === 0) throw new Error('no')
        return ok
      },
      undefined,
    )
    await expect(all.next()).rejects.toThrow('no')
  })
})

describe('a gate', () => {
  it('lets in no more than the widest of those who ask, first come first served', async () => {
    const gate = new Gate()
    let [now, most] = [0, 0]
    const order: number[] = []
    const one = (limit: number, name: number): Promise<void> =>
      gate.pass(limit, async () => {
        order.push(name)
        most = Math.max(most, ++now)
        await tick()
        now -= 1
      })
    await Promise.all([one(2, 1), one(2, 2), one(2, 3), one(1, 4), one(2, 5)])
    expect(most).toBe(2)
    expect(order).toEqual([1, 2, 3, 4, 5])
  })
})
