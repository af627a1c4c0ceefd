/** An extractor turns events into arrays: one for each text, computed once, in one batch. */
import { Config, MapInfra, map, sha256, toArray } from 'curio'
import { TensorCacher } from 'curio/cachers'
import { z } from 'zod'
import type { Event } from './study.js'

/** How often each pair of letters stands in a text, hashed into `size` numbers that sum to one. */
export class Bigrams extends Config({ size: z.int().positive().default(64), infra: MapInfra({ version: '1' }) }) {
  @map({ itemUid: sha256, cacher: TensorCacher({ dtype: 'float32' }) })
  async *vectors(texts: Iterable<string>): AsyncGenerator<{ data: Float32Array; shape: readonly number[] }> {
    for (const text of texts) {
      const data = new Float32Array(this.size)
      const letters = ` ${text.toLowerCase()} `
      for (let i = 1; i < letters.length; i++) {
        data[(letters.charCodeAt(i - 1) * 31 + letters.charCodeAt(i)) % this.size]! += 1 / (letters.length - 1)
      }
      yield { data, shape: [this.size] }
    }
  }

  /** Computes what is missing for all events, in one go: the calls that follow only read. */
  async prepare(events: readonly Event[]): Promise<void> {
    for await (const _ of this.vectors(events.map(({ text }) => text)));
  }

  /** The vector of one event. */
  async get(event: Event): Promise<Float32Array> {
    const [vector] = await toArray(this.vectors([event.text]))
    return vector!.data
  }
}
