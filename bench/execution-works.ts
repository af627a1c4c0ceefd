/** What bench/execution.ts runs, on curio's side. */
import { Config, MapInfra, map, Step, TaskInfra, task } from 'curio'
import { TensorCacher } from 'curio/cachers'
import { z } from 'zod'

export class MapInts extends Config({ coeff: z.number().default(2), infra: MapInfra() }) {
  @map({ itemUid: String })
  async *process(items: Iterable<number>): AsyncGenerator<number> {
    for (const x of items) yield x * this.coeff
  }
}

export class StepInts extends Step({ coeff: z.number().default(2) }) {
  compute(x: number): number {
    return x * this.coeff
  }
}

export class MapArrays extends Config({ infra: MapInfra() }) {
  @map({ itemUid: String, cacher: TensorCacher })
  async *process(items: Iterable<number>): AsyncGenerator<{ data: Float32Array; shape: number[] }> {
    for (const x of items) yield { data: new Float32Array(1024).fill(x), shape: [32, 32] }
  }
}

export class OneTask extends Config({ x: z.number(), infra: TaskInfra() }) {
  @task()
  async run(): Promise<Uint8Array> {
    return new Uint8Array(64 << 20).fill(this.x)
  }
}

export class SmallTask extends Config({ x: z.number(), infra: TaskInfra() }) {
  @task()
  async run(): Promise<number> {
    return this.x * 2
  }
}
