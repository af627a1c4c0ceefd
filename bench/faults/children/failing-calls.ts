/** Every call that changes the disk fails in turn, the k-th of its kind, with each of several errors. */
import * as path from 'node:path'
import { BytesCacher } from '../../../cachers/bytes.js'
import { Store } from '../../../src/artifact/store.js'
import { CurioError } from '../../../src/errors.js'
import { type Call, type Op, watch } from '../harness/hooks.js'
import { argument, say } from '../harness/in-child.js'
import { bytesFor } from '../harness/random.js'
import { type Counts, must, mustEqual } from '../harness/row.js'
import { mustBeClean, mustHold, openDescriptors, tryObtain, trySave } from '../harness/space.js'

export interface FailingArgument {
  readonly folder: string
  readonly errors: readonly string[]
  /** What to save; in pieces takes the path of large blobs, whatever the size. */
  readonly values: readonly { readonly bytes: number; readonly streamed: boolean }[]
}

const ops: Op[] = [
  'open',
  'write',
  'fdatasync',
  'fsync',
  'close',
  'chmod',
  'link',
  'symlink',
  'rename',
  'mkdir',
  'append',
]
const noSpace = new Set(['ENOSPC', 'EDQUOT'])
const { folder, errors, values } = argument<FailingArgument>()
const counts: Counts = { cases: 0, refused: 0, 'stored all the same': 0, 'obtained uncached': 0, 'short writes': 0 }

let n = 0
for (const { bytes, streamed } of values) {
  for (const op of ops) {
    for (const error of errors) {
      for (const through of ['save', 'obtain'] as const) {
        let k = 1
        while (await oneCase({ bytes, streamed, op, error, through, k })) k += 1
      }
    }
  }
  await shortWrites(bytes, streamed)
}
say(JSON.stringify(counts))

interface Case {
  readonly bytes: number
  readonly streamed: boolean
  readonly op: Op
  readonly error: string
  readonly through: 'save' | 'obtain'
  readonly k: number
}

/** False when there was no k-th call: all have failed in turn. */
async function oneCase({ bytes, streamed, op, error, through, k }: Case): Promise<boolean> {
  const what = `${through} of ${bytes} bytes${streamed ? ' in pieces' : ''}, ${error} at ${op} ${k}`
  const store = await Store.open(path.join(folder, `store-${n++}`))
  await store.save('old/1', BytesCacher, bytesFor('old/1', 5000))
  const descriptors = openDescriptors()
  let calls = 0
  let where = ''
  const unwatch = watch(store.folder, {
    before(call: Call): undefined {
      // What cleans up, and reading, is not part of this plan.
      if (call.op !== op || ((op === 'open' || op === 'close') && call.creates !== true)) return
      calls += 1
      if (calls !== k) return
      where = path.relative(store.folder, call.to ?? call.path).replace(/[0-9a-f]{32,}/, '…')
      throw Object.assign(new Error(`${error}: made up, ${op}`), { code: error, errno: -1, syscall: op })
    },
  })
  let said: boolean
  try {
    said =
      through === 'save'
        ? await trySave(store, 'new', bytes, streamed, what)
        : await tryObtain(store, 'new', bytes, what)
  } finally {
    unwatch()
  }
  if (calls < k) return false
  const full = `${what} (${where})`
  counts.cases! += 1
  counts[said ? 'stored all the same' : through === 'save' ? 'refused' : 'obtained uncached']! += 1
  mustEqual(openDescriptors(), descriptors, `${full}: open files`)
  await mustBeClean(store, ['old/1'], 5000, full)
  await mustHold(store, 'new', bytes, said, full)
  must(await tryObtain(store, 'new', bytes, `${full}, then well`), `${full}: it does not work again`)
  await mustHold(store, 'new', bytes, true, `${full}, then well`)
  return true
}

/** A write may take fewer bytes than it was given, also none of the last: that is no error, and no short file. */
async function shortWrites(bytes: number, streamed: boolean): Promise<void> {
  const store = await Store.open(path.join(folder, `store-${n++}`))
  const unwatch = watch(store.folder, {
    before: (call) => {
      if (call.op !== 'write' || call.bytes!.byteLength < 2) return undefined
      counts['short writes']! += 1
      return Math.ceil(call.bytes!.byteLength / 2)
    },
  })
  try {
    must(await trySave(store, 'new', bytes, streamed, 'short writes'), 'short writes were an error')
  } finally {
    unwatch()
  }
  await mustBeClean(store, [], 0, `short writes of ${bytes} bytes`)
  await mustHold(store, 'new', bytes, true, `short writes of ${bytes} bytes`)
}

/** The errors of a full disk must be told apart from others. */
const full = await Store.open(path.join(folder, 'last'))
for (const error of noSpace) {
  const unwatch = watch(full.folder, {
    before: (call) => {
      if (call.op === 'write') throw Object.assign(new Error(error), { code: error })
      return undefined
    },
  })
  const told = await full.save('new', BytesCacher, Buffer.alloc(10)).catch((reason: unknown) => reason)
  unwatch()
  must(CurioError.is(told, 'ERR_NO_SPACE'), `${error} is told as ${String(told)}`)
}
