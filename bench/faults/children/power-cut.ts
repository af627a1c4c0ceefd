/** Records every call of some saves, then looks at every state a disk may be in when the power goes between two of them. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../../cachers/bytes.js'
import { Store } from '../../../src/artifact/store.js'
import { CurioError } from '../../../src/errors.js'
import { Disk, type Loss } from '../harness/disk.js'
import { overwrite, removeFolder } from '../harness/folders.js'
import { type Call, watch } from '../harness/hooks.js'
import { argument, say } from '../harness/in-child.js'
import { bytesFor, Random } from '../harness/random.js'
import { type Counts, must, mustBe } from '../harness/row.js'
import { survey } from '../harness/survey.js'

export interface PowerCutArgument {
  readonly folder: string
  readonly seed: number
  /** How many chance states after each call. */
  readonly chances: number
  /** Looks after every n-th call, and whenever something was acknowledged. */
  readonly stride: number
}

/** A call, or what stood when the program was told that a save is done. */
type Step = { readonly call: Call } | { readonly acknowledged: readonly [key: string, values: readonly string[]] }

const { folder, seed, chances, stride } = argument<PowerCutArgument>()
const random = new Random(seed)
const valueFor = (name: string) => bytesFor(name, 3000)
const counts: Counts = { calls: 0, states: 0, 'values found': 0, misses: 0 }

for (const durability of ['artifact', 'cache'] as const) {
  const recorded = path.join(folder, durability)
  const steps = await record(recorded, durability)
  counts.calls! += steps.filter((step) => 'call' in step).length
  await replay(recorded, steps, durability === 'artifact')
}
say(JSON.stringify(counts))

/** The saves: new, the same once more, the same bytes under another key, in pieces, over what was lost, forced. */
async function record(at: string, durability: 'artifact' | 'cache'): Promise<Step[]> {
  const steps: Step[] = []
  fs.mkdirSync(at)
  const unwatch = watch(at, { after: (call) => void steps.push({ call: snapshot(call) }) })
  const store = await Store.open({ folder: at, durability })
  const save = async (key: string, value: string, mode: 'cached' | 'force' = 'cached') => {
    const others = mode === 'force' ? [value, ...(stands.get(key) ?? [])] : [value]
    if (mode === 'force') steps.push({ acknowledged: [key, others] })
    await store.save(key, BytesCacher, value === 'pieces' ? pieces(valueFor(value)) : valueFor(value), { mode })
    stands.set(key, [value])
    steps.push({ acknowledged: [key, [value]] })
  }
  const stands = new Map<string, readonly string[]>()
  await save('one', 'first')
  await save('one', 'first')
  await save('deep/down/two', 'first')
  await save('three', 'pieces')
  // The bytes of `three` go bad while everything runs: another result takes its place.
  const [file] = (await store.entry('three'))!.artifacts[0]!.files!
  steps.push({ acknowledged: ['three', []] })
  overwrite(store.blobs.path(file!.sha256), Buffer.alloc(10))
  await save('three', 'second')
  await save('one', 'third', 'force')
  unwatch()
  return steps
}

/** A stream takes the path of large blobs. */
async function* pieces(value: Uint8Array): AsyncGenerator<Uint8Array> {
  yield value.subarray(0, 1000)
  yield value.subarray(1000)
}

/** Buffers are used again by those who wrote them. */
function snapshot(call: Call): Call {
  return call.bytes === undefined ? call : { ...call, bytes: Buffer.from(call.bytes) }
}

async function replay(recorded: string, steps: readonly Step[], durable: boolean): Promise<void> {
  const disk = new Disk(recorded)
  const acknowledged = new Map<string, readonly string[]>()
  const losses: Loss[] = ['all', 'none', 'names', 'zeros', ...Array.from({ length: chances }, () => 'some' as const)]
  for (const [n, step] of steps.entries()) {
    if ('acknowledged' in step) acknowledged.set(...step.acknowledged)
    else disk.apply(step.call)
    for (const loss of losses) {
      // A killed program loses nothing that it wrote; cheap to look at, so more often.
      if ('call' in step && n % (loss === 'all' ? Math.min(stride, 4) : stride) !== 0) continue
      // A folder of its own: a process remembers what it has seen of a store.
      const at = path.join(folder, `state-${counts.states}`)
      disk.restore(at, loss, random)
      const what = `${durable ? 'artifact' : 'cache'}, call ${n} (${'call' in step ? step.call.op : 'acknowledged'}), ${loss} kept`
      await examine(at, acknowledged, durable || loss === 'all', loss === 'all', what)
      removeFolder(at)
      counts.states! += 1
    }
  }
}

/** What was acknowledged must be there (`sure`), nothing may be wrong, and everything can be saved again. */
async function examine(
  at: string,
  acknowledged: ReadonlyMap<string, readonly string[]>,
  sure: boolean,
  intact: boolean,
  what: string,
): Promise<void> {
  let store: Store
  try {
    store = await Store.open({ folder: at, durability: 'cache' })
  } catch (error) {
    must(acknowledged.size === 0 || !sure, `${what}: the store does not open: ${(error as Error).message}`)
    must(CurioError.is(error, 'ERR_STORE_OPEN'), `${what}: ${(error as Error).stack}`)
    return
  }
  if (intact) {
    // `three` loses its bytes by the plan, not by the cut.
    const dangling = survey(at).dangling.filter(
      (place) => acknowledged.get('three')?.length !== 0 || !place.includes('three'),
    )
    must(dangling.length === 0, () => `${what}: entries without their blobs: ${dangling.join(', ')}`)
  }
  const again = random.int(3)
  for (const [i, key] of ['one', 'deep/down/two', 'three'].entries()) {
    const allowed = acknowledged.get(key) ?? []
    const got = await store.load(key, BytesCacher).catch((error: unknown) => {
      must(CurioError.is(error, 'ERR_NOT_FOUND'), `${what}: ${key}: ${(error as Error).stack}`)
      return undefined
    })
    if (got === undefined) {
      must(!sure || allowed.length === 0, `${what}: LOST: ${key} was acknowledged`)
      counts.misses! += 1
    } else {
      const known = ['first', 'pieces', 'second', 'third'].filter((name) => Buffer.compare(got, valueFor(name)) === 0)
      must(known.length === 1, `${what}: WRONG VALUE: ${key} has ${got.byteLength} bytes that nobody put`)
      if (sure && allowed.length > 0)
        must(allowed.includes(known[0]!), `${what}: ${key} is ${known[0]}, not ${allowed}`)
      counts['values found']! += 1
    }
    if (i !== again) continue
    const { outcome } = await store.save(key, BytesCacher, valueFor('second'))
    const expected = outcome === 'kept' ? got : valueFor('second')
    mustBe(await store.load(key, BytesCacher), expected ?? Buffer.of(), `${what}: ${key}, saved again (${outcome})`)
  }
}
