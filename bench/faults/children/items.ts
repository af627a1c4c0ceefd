/** A writer of items that is killed at any moment: says what it did once it was acknowledged, and what it is about to delete. */
import { BytesCacher } from '../../../cachers/bytes.js'
import { Store } from '../../../src/artifact/store.js'
import { argument, say } from '../harness/in-child.js'
import { Random } from '../harness/random.js'
import { itemBytes } from '../harness/values.js'

export interface ItemsArgument {
  readonly folder: string
  readonly durability: 'artifact' | 'cache'
  readonly writer: string
}

const { folder, durability, writer } = argument<ItemsArgument>()
const random = new Random(writer)
const store = await Store.open({ folder, durability })
const items = store.items<Uint8Array>('items', { cacher: BytesCacher })
say('ready')
for (let n = 0; ; n++) {
  // Large ones make writes that take long: a kill in the middle of one leaves a torn tail.
  const isLarge = random.next() < 0.4
  const count = isLarge ? 40 : 1 + random.int(500)
  const shared = Array.from({ length: random.int(10) }, () => random.int(5000))
  const own = Array.from({ length: count }, (_, i) => `${writer}/${isLarge ? 'L' : ''}${n}/${i}`)
  const keys = [...own, ...shared.map((i) => `shared/${i}`)]
  await items.setMany(keys.map((key) => [key, itemBytes(key)] as const))
  say(`put ${isLarge ? 'L' : ''}${n} ${count} ${shared.join(',')}`)
  if (random.next() < 0.5) {
    const gone = own[0]!
    say(`deleting ${gone}`)
    await items.delete(gone)
    say(`deleted ${gone}`)
  }
  if (random.next() < 0.1) await store.close()
}
