/** One of many processes that save under the same keys at once. Says what became of each save, and counts at the end. */
import { BytesCacher } from '../../../cachers/bytes.js'
import { Store } from '../../../src/artifact/store.js'
import { argument, commands, say } from '../harness/in-child.js'
import { bytesFor, sha256Hex } from '../harness/random.js'

/** Keys to save, each with the name its bytes follow from. */
export interface RaceOrder {
  readonly saves: readonly { readonly key: string; readonly value: string; readonly bytes: number }[]
}

export interface RaceResult {
  readonly key: string
  readonly outcome: string
  /** SHA-256 of the bytes that `save` says are stored. */
  readonly stored: string
  /** SHA-256 of the bytes that a load right afterwards gave. */
  readonly loaded: string
}

const store = await Store.open({ ...argument<{ folder: string }>(), durability: 'cache' })
say('ready')
for await (const { saves } of commands<RaceOrder>()) {
  for (const { key, value, bytes } of saves) {
    const { outcome, files } = await store.save(key, BytesCacher, bytesFor(value, bytes))
    const loaded = await store.load(key, BytesCacher).then(sha256Hex, (error: Error) => error.message)
    say(JSON.stringify({ key, outcome, stored: files[0]!.sha256, loaded } satisfies RaceResult))
  }
  say('done')
}
say(JSON.stringify(store.events.counts))
