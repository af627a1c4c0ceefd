/** A writer in the middle of a put: stops after the first piece until it is told to go on. */
import { Store } from '../../../src/artifact/store.js'
import { argument, commands, say } from '../harness/in-child.js'
import { bytesFor } from '../harness/random.js'

const { folder } = argument<{ folder: string }>()
const store = await Store.open(folder)
const orders = commands<string>()

async function* pieces(): AsyncGenerator<Uint8Array> {
  yield bytesFor('first', 2 << 20)
  say('waiting')
  await orders.next()
  yield bytesFor('second', 1000)
}

say((await store.blobs.put(pieces())).sha256)
