/** One of many processes that want the same result at once, through the path that stages use. */
import * as fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { BytesCacher } from '../../../cachers/bytes.js'
import { obtain } from '../../../src/artifact/once.js'
import { Store } from '../../../src/artifact/store.js'
import { nameKey } from '../../../src/identity/key.js'
import { wrongClock } from '../harness/clock.js'
import { argument, commands, say } from '../harness/in-child.js'
import { bytesFor, sha256Hex } from '../harness/random.js'

export interface FlyerArgument {
  readonly folder: string
  /** One line per computation that began is appended here. */
  readonly log: string
  readonly lockStaleMs: number
  /** How far this process's clock is from the right time. Default 0. */
  readonly clockOffMs?: number
}

export interface FlightOrder {
  readonly key: string
  /** How long the computation takes. */
  readonly ms: number
  /** Blocks the event loop meanwhile, as a computation in plain JavaScript does. */
  readonly blocks: boolean
}

const { folder, log, lockStaleMs, clockOffMs = 0 } = argument<FlyerArgument>()
if (clockOffMs !== 0) wrongClock(clockOffMs)
const store = await Store.open({ folder, lockStaleMs, durability: 'cache' })
process.on('uncaughtException', (error) => {
  say(JSON.stringify({ uncaught: String(error) }))
  process.exit(3)
})
say('ready')

async function fly({ key, ms, blocks }: FlightOrder): Promise<void> {
  const result = await obtain(store, {
    key: nameKey(key),
    outputs: new Map([['value', new BytesCacher()]]),
    mode: 'cached',
    compute: async () => {
      fs.appendFileSync(log, `${key} ${process.pid}\n`)
      say(JSON.stringify({ computing: key }))
      if (blocks) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
      else await sleep(ms)
      return { values: new Map([['value', bytesFor(key, 3000)]]) }
    },
    describe: () => ({ provenance: {} }),
  })
  const value = (await result.handles.get('value')!.load()) as Uint8Array
  say(JSON.stringify({ key, how: result.how, sha256: sha256Hex(value) }))
}

const flights: Promise<void>[] = []
for await (const order of commands<FlightOrder>()) flights.push(fly(order))
await Promise.all(flights)
