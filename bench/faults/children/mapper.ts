/** One of many processes that want results of overlapping items, through a map. */
import * as fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { MapInfra, map } from '../../../src/execution/map.js'
import { Config } from '../../../src/identity/config.js'
import { ignored } from '../../../src/identity/marks.js'
import { wrongClock } from '../harness/clock.js'
import { argument, commands, say } from '../harness/in-child.js'

export interface MapperArgument {
  readonly folder: string
  /** One line per item whose computation began is appended to a file of this process in here. */
  readonly notes: string
  /** How far this process's clock is from the right time. Default 0. */
  readonly clockOffMs?: number
}

/** The items of one call; when it comes to its end, the child says how many results were as they should be. */
export interface MapOrder {
  /** Results of another name are others. */
  readonly name: string
  readonly from: number
  readonly to: number
  /** From the last to the first. */
  readonly isBackwards: boolean
  /** For each item; 0: none at all. */
  readonly ms: number
}

const { folder, notes, clockOffMs = 0 } = argument<MapperArgument>()
if (clockOffMs !== 0) wrongClock(clockOffMs)
const log = fs.openSync(`${notes}/${process.pid}`, 'a')

class Mapped extends Config({ name: z.string(), ms: ignored(z.number()), infra: MapInfra() }) {
  @map({ itemUid: String })
  async *results(items: Iterable<number>): AsyncGenerator<string> {
    for (const item of items) {
      fs.writeSync(log, `${this.name} ${item}\n`)
      if (this.ms > 0) await sleep(this.ms)
      yield `${item} of ${this.name}`
    }
  }
}

say('ready')
for await (const { name, from, to, isBackwards, ms } of commands<MapOrder>()) {
  const items = Array.from({ length: to - from }, (_, i) => (isBackwards ? to - 1 - i : from + i))
  let right = 0
  let n = 0
  for await (const result of new Mapped({ name, ms, infra: { folder, keepInRam: false } }).results(items)) {
    if (result === `${items[n++]} of ${name}`) right += 1
  }
  say(String(right))
}
