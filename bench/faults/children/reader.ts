/** Reads keys that others are about to save, over and over: a value or nothing, and never nothing after a value. */
import { BytesCacher } from '../../../cachers/bytes.js'
import { Store } from '../../../src/artifact/store.js'
import type { BlobInfo } from '../../../src/store/checksum.js'
import { argument, commands, say } from '../harness/in-child.js'
import { bytesFor } from '../harness/random.js'

export interface ReadOrder {
  readonly keys: readonly string[]
  readonly bytes: number
  /** How often each of the keys is to be read in all its ways. */
  readonly reads: number
}

export interface ReadCounts {
  reads: number
  early: number
  wrong: number
  vanished: number
}

const store = await Store.open({ ...argument<{ folder: string }>(), durability: 'cache' })
const counts: ReadCounts = { reads: 0, early: 0, wrong: 0, vanished: 0 }
say('ready')
for await (const { keys, bytes, reads } of commands<ReadOrder>()) {
  const todo = keys.map((key) => ({ key, expected: bytesFor(key, bytes), info: undefined as BlobInfo | undefined }))
  for (let done = 0; done < reads; done++) {
    for (const one of todo) await readOnce(one)
    // Lets the pipe speak; what the others do needs no help.
    if (done % 50 === 0) await new Promise(setImmediate)
  }
  say('done')
}
say(JSON.stringify(counts))

async function readOnce(one: { key: string; expected: Buffer; info: BlobInfo | undefined }): Promise<void> {
  counts.reads += 1
  if (one.info === undefined) {
    const entry = await store.entry(one.key)
    if (entry === undefined) {
      counts.early += 1
      return
    }
    one.info = entry.artifacts[0]!.files![0]!
    check(await store.load(one.key, BytesCacher).catch(() => undefined), one.expected)
    return
  }
  const way = counts.reads % 8
  if (way === 0) check(await store.load(one.key, BytesCacher).catch(() => undefined), one.expected)
  else if (way < 3) check(await store.blobs.get(one.info.sha256), one.expected)
  else check(await store.blobs.read(one.info), one.expected)
}

function check(got: Uint8Array | undefined, expected: Buffer): void {
  if (got === undefined) counts.vanished += 1
  else if (Buffer.compare(got, expected) !== 0) counts.wrong += 1
}
