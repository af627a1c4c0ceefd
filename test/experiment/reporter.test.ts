import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import { TextCacher } from '../../cachers/text.js'
import { Config, Experiment, lazy, type StageRun, type Store, type StoreEvent, stage } from '../../src/index.js'
import { failure, NumberCacher, newStore } from './helpers.js'

class Params extends Config({ a: z.int().default(1) }) {}
const small = stage({ params: Params, outputs: { list: JsonCacher }, name: 'reporter/small' }, async ({ params }) => ({
  list: [params.a],
}))
const big = stage(
  { inputs: [small], params: Params.pick(), outputs: { text: lazy(TextCacher) }, name: 'reporter/big' },
  async () => ({
    text: 'x'.repeat(5000),
  }),
)

/** What a run writes to stderr. */
async function stderrOf(action: () => Promise<unknown>): Promise<string[]> {
  const lines: string[] = []
  const write = vi.spyOn(process.stderr, 'write').mockImplementation(((text: string) => {
    lines.push(text)
    return true
  }) as never)
  try {
    await action()
  } finally {
    write.mockRestore()
  }
  return lines
}

async function eventsOf<T>(name: string, action: () => Promise<unknown>): Promise<T[]> {
  const events: T[] = []
  const listen = (event: unknown): number => events.push(event as T)
  subscribe(name, listen)
  try {
    await action()
  } finally {
    unsubscribe(name, listen)
  }
  return events
}

const loud = (store: Store) => new Experiment({ name: 'loud', store, progress: true })

describe('what a run says', () => {
  const { CURIO_PROGRESS } = process.env
  afterEach(() => {
    if (CURIO_PROGRESS === undefined) delete process.env.CURIO_PROGRESS
    else process.env.CURIO_PROGRESS = CURIO_PROGRESS
  })

  it('is a line a stage: its name, computed, loaded or lazy, the time, the size', async () => {
    const store = await newStore()
    const time = String.raw`[\d.]+ (ms|s)`
    const first = await stderrOf(() => loud(store).run(new Params({}), [small, big]))
    expect(first).toHaveLength(2)
    expect(first[0]).toMatch(new RegExp(String.raw`^ {2}small +computed +${time} +\d+ B\n$`))
    expect(first[1]).toMatch(new RegExp(String.raw`^ {2}big +computed +${time} +4\.9 KiB\n$`))
    const second = await stderrOf(() => loud(store).run(new Params({}), [small, big]))
    expect(second.map((line) => line.trim().split(/ +/)[1])).toEqual(['loaded', 'lazy'])
    const all = await stderrOf(() => loud(store).run(new Params({}), [small, big], { lazy: 'all' }))
    expect(all.map((line) => line.trim().split(/ +/)[1])).toEqual(['lazy', 'lazy'])
  })

  it('says uncached, and why', async () => {
    const store = await newStore()
    const dry = await newStore({ folder: store.folder, readOnly: true })
    const [line] = await stderrOf(() => loud(dry).run(new Params({}), [small]))
    expect(line).toMatch(/small +uncached .* the store is open read-only\n$/)
  })

  it('is nothing with progress false, for the experiment or the run, and with CURIO_PROGRESS=0', async () => {
    const store = await newStore()
    const silent = new Experiment({ name: 'silent', store, progress: false })
    expect(await stderrOf(() => silent.run(new Params({}), [small]))).toEqual([])
    expect(await stderrOf(() => loud(store).run(new Params({}), [small], { progress: false }))).toEqual([])
    process.env.CURIO_PROGRESS = '0'
    const plain = new Experiment({ name: 'plain', store })
    expect(await stderrOf(() => plain.run(new Params({}), [small]))).toEqual([])
    expect(await stderrOf(() => plain.run(new Params({}), [small], { progress: true }))).toHaveLength(1)
    delete process.env.CURIO_PROGRESS
    expect(await stderrOf(() => plain.run(new Params({}), [small]))).toHaveLength(1)
  })

  it('goes as data to the channel curio:stage, once a stage that ended, silent or not', async () => {
    const store = await newStore()
    const silent = new Experiment({ name: 'silent', store, progress: false })
    const fail = stage({ outputs: { n: NumberCacher }, name: 'reporter/fail' }, async (): Promise<{ n: number }> => {
      throw new Error('no')
    })
    const runs = await eventsOf<StageRun>('curio:stage', async () => {
      await silent.run(new Params({ a: 3 }), [small, big])
      await silent.run(new Params({ a: 3 }), [small, big])
      await failure(silent.run(new Params({ a: 3 }), [small, fail]))
    })
    expect(runs.map(({ stage: name, how }) => `${name} ${how}`)).toEqual([
      'small computed',
      'big computed',
      'small loaded',
      'big loaded',
      'small loaded',
    ])
    expect(runs[0]).toMatchObject({
      key: expect.stringContaining('reporter/small,1/a=3-'),
      lazy: false,
      savedSeconds: 0,
      bytes: 8,
    })
    expect(runs[3]!.savedSeconds).toBeGreaterThanOrEqual(0)
  })

  it('store events go to curio:store with the folder, and are counted', async () => {
    const store = await newStore()
    const silent = new Experiment({ name: 'silent', store, progress: false })
    const events = await eventsOf<StoreEvent & { folder: string }>('curio:store', () =>
      silent.run(new Params({}), [small, big]),
    )
    expect(new Set(events.map(({ folder }) => folder))).toEqual(new Set([store.folder]))
    const kinds = events.map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'committed')).toHaveLength(2)
    expect(kinds.filter((kind) => kind === 'blob-put')).toHaveLength(2)
    expect(store.events.counts).toMatchObject({ committed: 2, 'blob-put': 2 })
  })
})

describe('what a decision costs', () => {
  it('ten cached lazy stages are ten entry reads and no blob read', async () => {
    const store = await newStore()
    const stages = Array.from({ length: 10 }, (_, i) =>
      stage({ params: Params, outputs: { [`o${i}`]: lazy(TextCacher) }, name: `reporter/ten${i}` }, async () => ({
        [`o${i}`]: `v${i}`,
      })),
    )
    const experiment = new Experiment({ name: 'ten', store, progress: false })
    await experiment.run(new Params({}), stages as never)
    const before = { ...store.events.counts }
    const record = await experiment.run(new Params({}), stages as never)
    expect(record.stages.map(({ how }) => how)).toEqual(Array(10).fill('loaded'))
    const after = store.events.counts
    expect((after['entry-read'] ?? 0) - (before['entry-read'] ?? 0)).toBe(10)
    expect((after['blob-read'] ?? 0) - (before['blob-read'] ?? 0)).toBe(0)
    expect((after['blob-put'] ?? 0) - (before['blob-put'] ?? 0)).toBe(0)
  })

  it('a cold stage reads its entry’s place twice: before the lock and under it', async () => {
    const store = await newStore()
    const experiment = new Experiment({ name: 'cold', store, progress: false })
    await experiment.run(new Params({ a: 50 }), [small])
    expect(store.events.counts['entry-read'] ?? 0).toBe(0)
    expect(store.events.counts.committed).toBe(1)
  })
})
