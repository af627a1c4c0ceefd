/** Two writers at the same file, one of them in the very moment that matters: told by the calls, not left to chance. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../../cachers/bytes.js'
import { Store } from '../../../src/artifact/store.js'
import { CurioError } from '../../../src/errors.js'
import { sha256 } from '../../../src/identity/digest.js'
import { overwrite } from '../harness/folders.js'
import { type Call, watch } from '../harness/hooks.js'
import { argument, say } from '../harness/in-child.js'
import { bytesFor } from '../harness/random.js'
import { must, mustBe, mustEqual } from '../harness/row.js'

const { folder } = argument<{ folder: string }>()
const store = await Store.open({ folder: path.join(folder, 'store'), durability: 'cache' })
const elsewhere = await Store.open({ folder: path.join(folder, 'elsewhere'), durability: 'cache' })
const [first, second] = [bytesFor('first', 2000), bytesFor('second', 2000)]

/** Runs with something done just before the first call that fits. */
async function meanwhile<T>(
  fits: (call: Call) => boolean,
  other: (call: Call) => void,
  action: () => Promise<T>,
): Promise<T> {
  let met = false
  const unwatch = watch(store.folder, {
    before(call): undefined {
      if (met || !fits(call)) return
      met = true
      other(call)
    },
  })
  try {
    return await action()
  } finally {
    unwatch()
    must(met, 'the moment never came')
  }
}

const toQuarantine = (call: Call) => call.op === 'rename' && call.to!.includes(`${path.sep}quarantine${path.sep}`)

const isProposal = (call: Call) => call.op === 'link' && path.basename(call.to!).startsWith('next-')

/** The entry of another's result, its blob put: as if it had been committed here. */
async function preparedEntry(key: string): Promise<Buffer> {
  await elsewhere.save(key, BytesCacher, second)
  await store.blobs.put(second)
  return fs.readFileSync(path.join(elsewhere.dirOf(key), 'entry.json'))
}

/** A reader finds a bad blob; before it moves it away, another has put it right. */
async function blobHealedMeanwhile(): Promise<void> {
  const { sha256 } = await store.blobs.put(first)
  overwrite(store.blobs.path(sha256), Buffer.alloc(2000))
  await meanwhile(
    toQuarantine,
    () => overwrite(store.blobs.path(sha256), first),
    () => store.blobs.get(sha256),
  )
  mustBe((await store.blobs.get(sha256)) ?? Buffer.of(), first, 'a blob that was healed under a reader')
}

/** A reader finds a bad entry; before it moves it away, another has committed. */
async function entryHealedMeanwhile(): Promise<void> {
  await store.save('read', BytesCacher, first)
  const file = path.join(store.dirOf('read'), 'entry.json')
  const good = await preparedEntry('read')
  overwrite(file, 'garbage')
  await meanwhile(
    toQuarantine,
    () => overwrite(file, good),
    async () => store.readEntry('read'),
  )
  mustBe(await store.load('read', BytesCacher), second, 'LOST: an entry committed under a reader')
}

/** A writer finds an entry of no use; before it replaces it, another has done so and was told that its result stands. */
async function replacedMeanwhile(): Promise<void> {
  for (const harm of ['blob', 'entry'] as const) {
    const key = `replaced/${harm}`
    const value = bytesFor(key, 2000)
    const { files } = await store.save(key, BytesCacher, value)
    const file = path.join(store.dirOf(key), 'entry.json')
    const good = await preparedEntry(key)
    if (harm === 'blob') fs.rmSync(store.blobs.path(files[0]!.sha256))
    else overwrite(file, 'garbage')
    const saved = await meanwhile(
      isProposal,
      () => overwrite(file, good),
      () => store.save(key, BytesCacher, bytesFor('late', 2000)),
    )
    mustEqual(saved.outcome, 'kept', `the late one, after the ${harm} was lost`)
    mustBe(await store.load(key, BytesCacher), second, `LOST: the one that was there first, after the ${harm} was lost`)
  }
}

/** A writer was killed after it had proposed its result, before it could carry it out: the next carries it out. */
async function proposedAndDead(): Promise<void> {
  const key = 'proposed'
  const { files } = await store.save(key, BytesCacher, first)
  fs.rmSync(store.blobs.path(files[0]!.sha256))
  const proposal = await preparedEntry(key)
  const saved = await meanwhile(
    isProposal,
    (call) => fs.writeFileSync(call.to!, proposal),
    () => store.save(key, BytesCacher, bytesFor('late', 2000)),
  )
  mustEqual(saved.outcome, 'kept', 'the one that came after a proposal')
  mustBe(await store.load(key, BytesCacher), second, 'the proposal of a writer that was killed')
}

/** A clean-up takes the blob between its put and its entry: it is put again before anybody is told, or nobody is told. */
async function blobTakenMeanwhile(): Promise<void> {
  const value = bytesFor('taken', 2000)
  const take = () => fs.rmSync(store.blobs.path(sha256(value)), { force: true })
  const isEntry = (call: Call) => call.op === 'link' && call.to!.endsWith('entry.json')
  const saved = await meanwhile(isEntry, take, () => store.save('taken', BytesCacher, value))
  mustEqual(saved.outcome, 'created', 'a save whose blob was taken')
  mustBe(await store.load('taken', BytesCacher), value, 'LOST: a value whose blob was taken')

  const unwatch = watch(store.folder, {
    before(call): undefined {
      if (isEntry(call)) take()
    },
  })
  const told = await store.save('taken/always', BytesCacher, value).catch((error: unknown) => error)
  unwatch()
  must(CurioError.is(told, 'ERR_STORE_IO'), 'LOST: a save was acknowledged whose blob was taken each time')
}

const scenarios = [blobHealedMeanwhile, entryHealedMeanwhile, replacedMeanwhile, proposedAndDead, blobTakenMeanwhile]
for (const scenario of scenarios) await scenario()
say(JSON.stringify({ interleavings: scenarios.length + 2, lost: 0 }))
