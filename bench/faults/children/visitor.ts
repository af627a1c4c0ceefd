/** Does what it is told with a store, as another user or with another umask, and says how each thing ended. */
import * as fs from 'node:fs'
import { BytesCacher } from '../../../cachers/bytes.js'
import { obtain } from '../../../src/artifact/once.js'
import { Store } from '../../../src/artifact/store.js'
import { CurioError } from '../../../src/errors.js'
import { nameKey } from '../../../src/identity/key.js'
import { argument, say } from '../harness/in-child.js'
import { bytesFor } from '../harness/random.js'

export interface Visit {
  readonly folder: string
  readonly umask?: number
  readonly readOnly?: boolean
  readonly trustWorldWritable?: boolean
  /** Verb and key; the value follows from the key. */
  readonly todo: readonly (readonly ['save' | 'load' | 'has' | 'obtain' | 'list' | 'verify', string])[]
}

/** How one thing ended: `ok`, `miss`, `wrong`, or an error's code; `obtain` says how. */
export type Ended = string

const { folder, umask, todo, ...options } = argument<Visit>()
if (umask !== undefined) process.umask(umask)

let store: Store
const ended: Ended[] = []
const opened = await attempt(async () => {
  store = await Store.open({ folder, durability: 'cache', ...options })
  return 'ok'
})
if (opened === 'ok') for (const [verb, key] of todo) ended.push(await attempt(() => act(verb, key)))
say(JSON.stringify([opened, ...ended]))

async function act(verb: Visit['todo'][number][0], key: string): Promise<string> {
  const value = bytesFor(key, 2000)
  const check = (got: unknown) => (Buffer.compare(got as Uint8Array, value) === 0 ? 'ok' : 'wrong')
  if (verb === 'load') return check(await store.load(key, BytesCacher))
  if (verb === 'has') return (await store.has(key)) ? 'ok' : 'miss'
  if (verb === 'list') return String(await count(store.list()))
  if (verb === 'verify') return `${(await store.verify()).problems.length} problems`
  if (verb === 'save') return (await store.save(key, BytesCacher, value)).outcome
  const result = await obtain(store, {
    key: nameKey(key),
    outputs: new Map([['value', new BytesCacher()]]),
    mode: 'cached',
    compute: async () => ({ values: new Map([['value', value]]) }),
    describe: () => ({ provenance: {} }),
  })
  const right = check(await result.handles.get('value')!.load())
  return right === 'ok' ? result.how : right
}

async function count(items: AsyncIterable<unknown>): Promise<number> {
  let n = 0
  for await (const _ of items) n += 1
  return n
}

async function attempt(action: () => Promise<string>): Promise<string> {
  try {
    return await action()
  } catch (error) {
    if (CurioError.is(error)) return error.code === 'ERR_NOT_FOUND' ? 'miss' : error.code
    fs.writeSync(2, `${(error as Error).stack}\n`)
    return `not typed: ${(error as Error).message}`
  }
}
