/** What the bench of pools computes, where workers can import it. */
import { Config, MapInfra, map } from 'curio'
import { z } from 'zod'

/** Some milliseconds of arithmetic. */
export function spin(seed: number): number {
  let x = seed % 1000
  for (let i = 0; i < 300_000; i++) x = (x * 1103515245 + 12345) % 2147483648
  return x
}

export class Spin extends Config({ round: z.number(), infra: MapInfra() }) {
  @map({ itemUid: String })
  async *values(seeds: Iterable<number>): AsyncGenerator<number> {
    for (const seed of seeds) yield spin(seed)
  }
}
