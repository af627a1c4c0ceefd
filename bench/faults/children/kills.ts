/** A writer that is killed at any moment: saves one value after the other and says each key after `save` returned. */
import { BytesCacher } from '../../../cachers/bytes.js'
import { Store } from '../../../src/artifact/store.js'
import { argument, say } from '../harness/in-child.js'
import { Random } from '../harness/random.js'
import { valueFor } from '../harness/values.js'

export interface KillsArgument {
  readonly folder: string
  readonly durability: 'artifact' | 'cache'
  readonly writer: string
}

const { folder, durability, writer } = argument<KillsArgument>()
const random = new Random(writer)
// Every fourth is killed while it opens, or even makes, the store; the others when they are at full speed.
const opensLate = random.next() < 0.25
if (opensLate) say('ready')
const store = await Store.open({ folder, durability })
if (!opensLate) {
  await store.save(`small/warm/${writer}`, BytesCacher, valueFor(`small/warm/${writer}`))
  say('ready')
}
for (let n = 0; ; n++) {
  const kind = random.next()
  // Shared keys meet other writers of the same bytes; large ones go through the asynchronous path.
  const key =
    kind < 0.1
      ? `big/${writer}/${n}`
      : kind < 0.4
        ? `shared/${random.int(1000)}`
        : `small/${writer.slice(-1)}/${writer}-${n}`
  const value = valueFor(key)
  await store.save(key, BytesCacher, kind < 0.05 ? pieces(value) : value)
  say(key)
}

async function* pieces(value: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < value.byteLength; at += 300_000) yield value.subarray(at, at + 300_000)
}
