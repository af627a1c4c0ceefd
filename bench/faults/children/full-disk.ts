/** Runs in a mount of its own: a tmpfs that is filled to each of its last pages, or inodes, before a value is saved. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../../cachers/bytes.js'
import { Store } from '../../../src/artifact/store.js'
import { argument, say } from '../harness/in-child.js'
import { bytesFor } from '../harness/random.js'
import { type Counts, must } from '../harness/row.js'
import { fill, mustBeClean, mustHold, tryObtain, trySave } from '../harness/space.js'

export interface FullDiskArgument {
  readonly folder: string
  readonly what: 'pages' | 'inodes'
  /** From few to many free pages or inodes. */
  readonly steps: readonly number[]
  readonly bytes: number
  readonly streamed: boolean
}

const { folder, what, steps, bytes, streamed } = argument<FullDiskArgument>()
const filler = path.join(folder, 'filler')
const old = ['old/1', 'old/2', 'old/3']
const counts: Counts = { refused: 0, stored: 0, 'obtained uncached': 0 }

const store = await Store.open(path.join(folder, 'store'))
const kept = new Set<string>()
for (const key of old) kept.add((await store.save(key, BytesCacher, bytesFor(key, 5000))).files[0]!.sha256)

for (const [n, step] of steps.entries()) {
  const name = `with ${step} ${what} free`
  const key = `new/${n}`
  fill(filler, what, step)
  const saved = await trySave(store, key, bytes, streamed, name)
  counts[saved ? 'stored' : 'refused']! += 1
  if (step === 0) must(!saved, `${name}: a full disk took a value`)
  await mustBeClean(store, old, 5000, name)
  await mustHold(store, key, bytes, saved, name)
  // A stage needs the same space; twice, because a failure must not keep the second from running.
  await empty(key)
  fill(filler, what, step)
  for (const time of [1, 2]) {
    if (!(await tryObtain(store, key, bytes, `${name}, time ${time}`))) counts['obtained uncached']! += 1
  }
  await mustBeClean(store, old, 5000, name)
  await empty(key)
  must(await trySave(store, key, bytes, streamed, `${name}, then freed`), `${name}: it does not work again`)
  await mustHold(store, key, bytes, true, name)
  await empty(key)
}
say(JSON.stringify(counts))

/** Frees everything but the old values. */
async function empty(key: string): Promise<void> {
  fs.rmSync(filler, { recursive: true, force: true })
  await store.forget(key)
  for (const name of ['quarantine', 'touch']) fs.rmSync(path.join(store.folder, name), { recursive: true, force: true })
  for await (const { sha256 } of store.blobs.list()) {
    if (!kept.has(sha256)) await store.blobs.delete(sha256)
  }
}
