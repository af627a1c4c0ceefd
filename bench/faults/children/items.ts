/**
 * A writer of items that is killed at any moment, or dies by its own hand in the middle of a call: says what it did once it was
 * acknowledged, and what it is about to delete.
 */
import * as path from 'node:path'
import { BytesCacher } from '../../../cachers/bytes.js'
import { Store } from '../../../src/artifact/store.js'
import { type Call, watch } from '../harness/hooks.js'
import { argument, say } from '../harness/in-child.js'
import { Random } from '../harness/random.js'
import { itemBytes } from '../harness/values.js'

export interface ItemsArgument {
  readonly folder: string
  readonly durability: 'artifact' | 'cache'
  readonly writer: string
  /** Dies at so many calls that change the disk from when it is ready; a write is done in part. Default: it does not. */
  readonly dieAt?: number
}

const { folder, durability, writer, dieAt } = argument<ItemsArgument>()
const random = new Random(writer)
const store = await Store.open({ folder, durability })
const items = store.items<Uint8Array>('items', { cacher: BytesCacher })
say('ready')
if (dieAt !== undefined) dieAtCall(dieAt)
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

function dieAtCall(call: number): void {
  let left = call
  const die = (): void => {
    process.kill(process.pid, 'SIGKILL')
    // Nothing more is done, though the signal may take a moment.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
  let isTorn = false
  watch(path.join(folder, 'artifacts'), {
    before({ op, bytes }: Call): number | undefined {
      if (--left > 0) return undefined
      if (op !== 'write') die()
      isTorn = true
      return random.int(bytes!.byteLength)
    },
    after: () => isTorn && die(),
  })
}
