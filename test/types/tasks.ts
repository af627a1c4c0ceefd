/** Type tests of tasks, maps and their infras. */
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import {
  Config,
  type Job,
  MapInfra,
  map,
  type PlainData,
  type Results,
  TaskInfra,
  task,
  toArray,
  withInfra,
  withSignal,
} from '../../src/index.js'

class Train extends Config({ lr: z.number().default(1), infra: TaskInfra<{ loss: number }>({ version: '1' }) }) {
  @task()
  async run(): Promise<{ loss: number }> {
    return { loss: this.lr }
  }
  // @ts-expect-error a task has no arguments
  @task()
  async wrong(by: number): Promise<number> {
    return by
  }
  // @ts-expect-error a task gives a promise
  @task()
  plain(): number {
    return this.lr
  }
  // @ts-expect-error no such option
  @task({ cachers: [] })
  async options(): Promise<number> {
    return 1
  }
}

class Squarer extends Config({ infra: MapInfra({ maxJobs: 3 }) }) {
  @map({ itemUid: String })
  async *process(items: Iterable<number>): AsyncGenerator<number> {
    for (const x of items) yield x ** 2
  }
  @map({ itemUid: (event: { id: number }) => String(event.id) })
  async *events(items: Iterable<{ id: number; text: string }>): AsyncGenerator<string> {
    for (const { text } of items) yield text
  }
  // @ts-expect-error an itemUid is needed
  @map({})
  async *without(items: Iterable<number>): AsyncGenerator<number> {
    yield* items
  }
  // @ts-expect-error an itemUid gives text
  @map({ itemUid: (x: number) => x })
  async *number(items: Iterable<number>): AsyncGenerator<number> {
    yield* items
  }
  // @ts-expect-error it must give results one after the other
  @map({ itemUid: String })
  async all(items: Iterable<number>): Promise<number[]> {
    return [...items]
  }
}

const slow = withInfra({ folder: './.curio', timeoutMin: 3 }, async function slow({ a, b }: { a: number; b: string }) {
  return { a, b }
})

export async function types(): Promise<void> {
  const xp = new Train({ lr: 1, infra: { folder: '/results', cluster: 'slurm', gpusPerNode: 1, mode: 'retry' } })
  expectTypeOf(xp.run()).toEqualTypeOf<Promise<{ loss: number }>>()
  expectTypeOf(xp.infra.job()).toEqualTypeOf<Job<{ loss: number }>>()
  expectTypeOf(xp.infra.job().result()).toEqualTypeOf<Promise<{ loss: number }>>()
  expectTypeOf(xp.infra.status()).resolves.toEqualTypeOf<'not submitted' | 'running' | 'completed' | 'failed'>()
  expectTypeOf(xp.infra.config({ uid: true })).toEqualTypeOf<Promise<PlainData>>()
  expectTypeOf(xp.clone({ lr: 2 })).toEqualTypeOf<Train>()
  for await (const one of xp.infra.iterCached<Train>()) expectTypeOf(one).toEqualTypeOf<Train>()
  expectTypeOf(toArray(new Squarer({}).process([1]))).toEqualTypeOf<Promise<number[]>>()
  expectTypeOf<Results<number>>().toExtend<AsyncIterable<number>>()
  expectTypeOf(slow({ a: 1, b: 'x' })).toEqualTypeOf<Promise<{ a: number; b: string }>>()
  expectTypeOf(withSignal(AbortSignal.abort(), () => xp.run())).toEqualTypeOf<Promise<{ loss: number }>>()
  new Train({ infra: xp.infra })
  new Train({ infra: null })
  new Squarer({ infra: { maxJobs: null, minItemsPerJob: 3, forbidSingleItemComputation: true } })
  slow({ a: 1, b: 'x' }, { mode: 'force' })

  // @ts-expect-error no such mode
  new Train({ infra: { mode: 'forced' } })
  // @ts-expect-error no such option
  new Train({ infra: { gpus_per_node: 1 } })
  // @ts-expect-error an option of maps
  new Train({ infra: { maxJobs: 3 } })
  // @ts-expect-error text
  new Train({ infra: { folder: 3 } })
  // @ts-expect-error no such option
  TaskInfra({ versions: '1' })
  // @ts-expect-error a number
  MapInfra({ maxJobs: '3' })
  // @ts-expect-error an argument is missing
  slow({ a: 1 })
  // @ts-expect-error of another type
  slow({ a: 1, b: 2 })
  // @ts-expect-error no such option
  withInfra({ foldr: 'x' }, async () => 1)
}
