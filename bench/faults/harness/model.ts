/** Items of several processes beside one Map that says what must be there. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { ItemSpace } from '../../../src/store/items/space.js'
import { flipped } from './patient.js'
import type { Random } from './random.js'
import { must, mustEqual } from './row.js'
import { item, spaceAt } from './segment-patient.js'

/**
 * One sequence: processes come, put, replace, delete, keep errors, seal, crash, look, and lose indexes.
 *
 * @param isWhole false: bits turn over too, after which a value may be absent, but never another.
 *
 * @returns how many steps there were.
 */
export async function modelRound(folder: string, random: Random, steps: number, isWhole: boolean): Promise<number> {
  const dir = path.join(folder, 'items')
  const model = new Map<string, string>()
  const errors = new Set<string>()
  /** What may be absent, for something was damaged since it was put. */
  const doubtful = new Set<string>()
  const damaged = new Set<string>()
  /**
   * Whether an index went after damage: who has seen a damaged record in it knows that something stood there, and goes on taking it for
   * lost; who comes later cannot know, and what he writes may rank below it.
   */
  let isForked = false
  let spaces = [spaceAt(dir), spaceAt(dir), spaceAt(dir)]
  let history = ''
  const check = (space: ItemSpace, key: string): void => {
    const record = space.get(key)
    const value = record?.kind === 'value' ? Buffer.from(record.payload).toString('latin1') : undefined
    if (value === undefined && doubtful.has(key)) return
    must(value === model.get(key), () => `WRONG VALUE of ${key}: ${value}, not ${model.get(key)}, after${history}`)
    if (record?.kind === 'error') must(errors.has(key), () => `an error of ${key} that is none, after${history}`)
  }
  for (let step = 0; step < steps; step++) {
    const who = random.pick(spaces)
    const key = `k${random.int(10)}`
    const value = `${step} ${'x'.repeat(random.int(60))}`
    const what = random.int(isWhole ? 10 : 11)
    history += ` ${what}:${key}@${spaces.indexOf(who)}`
    switch (what) {
      case 0:
      case 1: {
        const isStored = who.put([item(key, value)])[0]!
        // Where the value there was damaged, either may have happened.
        if (!doubtful.has(key)) mustEqual(isStored, !model.has(key), `storing ${key} after${history}`)
        if (isStored) written(key, value)
        break
      }
      case 2:
        mustEqual(who.put([item(key, value, true)])[0], true, `forcing ${key} after${history}`)
        written(key, value)
        break
      case 3: {
        const isDeleted = who.delete(key)
        if (!doubtful.has(key))
          mustEqual(isDeleted, model.has(key) || errors.has(key), `deleting ${key} after${history}`)
        model.delete(key)
        errors.delete(key)
        doubtful.delete(key)
        break
      }
      case 4: {
        const error = { key, kind: 'error' as const, codec: 'json@1', payload: Buffer.from('{}') }
        const isStored = who.put([error])[0]!
        if (!doubtful.has(key))
          mustEqual(isStored, !model.has(key) && !errors.has(key), `an error of ${key} after${history}`)
        if (isStored) {
          written(key, undefined)
          errors.add(key)
        }
        break
      }
      case 5:
        who.close()
        break
      case 6:
        // One goes without a word, as by a kill; another comes.
        spaces = [...spaces.filter((one) => one !== who), spaceAt(dir)]
        break
      case 7: {
        const [index] = fs.existsSync(dir) ? fs.readdirSync(dir).filter((name) => name.endsWith('.idx')) : []
        if (index !== undefined) {
          fs.rmSync(path.join(dir, index))
          isForked ||= damaged.size > 0
        }
        break
      }
      case 10:
        if (!damage()) break
        for (const one of [...model.keys(), ...errors]) doubtful.add(one)
        // Whoever has read it before has it in memory as it was, and may go on giving what another replaces.
        spaces = spaces.map(() => spaceAt(dir))
        break
      default:
        who.refresh()
        check(who, key)
        if (isWhole) mustEqual(who.size, model.size, `the size after${history}`)
    }
  }
  for (const one of [...spaces, spaceAt(dir)]) {
    one.refresh()
    for (let i = 0; i < 10; i++) check(one, `k${i}`)
    if (isWhole) {
      mustEqual([...one.keys()].sort().join(), [...model.keys()].sort().join(), `the keys after${history}`)
    }
    one.close()
  }
  return steps

  function written(key: string, value: string | undefined): void {
    errors.delete(key)
    if (!isForked) doubtful.delete(key)
    if (value === undefined) model.delete(key)
    else model.set(key, value)
  }

  /** Turns a bit of some file over; false: there is none. One bit of each: what is deleted is said twice in a file, not more often. */
  function damage(): boolean {
    const files = (fs.existsSync(dir) ? fs.readdirSync(dir).sort() : []).filter((name) => !damaged.has(name))
    if (files.length === 0) return false
    const name = random.pick(files)
    damaged.add(name)
    const file = path.join(dir, name)
    const bytes = fs.readFileSync(file)
    if (bytes.byteLength === 0) return false
    fs.writeFileSync(file, flipped(bytes, random.int(bytes.byteLength * 8)))
    return true
  }
}
