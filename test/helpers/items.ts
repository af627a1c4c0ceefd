/** Items as another process sees and writes them: a space of its own on the same folder. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { StoreEvents } from '../../src/store/events.js'
import { ItemSpace } from '../../src/store/items/space.js'

export interface OtherProcess {
  readonly space: ItemSpace
  /** The name of its writer. */
  readonly writer: string
  /** The text that stands under a key. */
  text(key: string): string | undefined
  put(key: string, text: string, force?: boolean): boolean
}

/** @param dir the folder of the segments; it need not be there yet. `loadChecksums` must have been awaited. */
export function otherProcess(dir: string): OtherProcess {
  const space = new ItemSpace(dir, { modes: { dir: 0o755, file: 0o444 }, events: new StoreEvents(dir) })
  return {
    space,
    writer: space.writerName,
    text: (key) => {
      const record = space.get(key)
      return record === undefined ? undefined : Buffer.from(record.payload).toString()
    },
    put: (key, text, force = false) =>
      space.put([{ key, kind: 'value', codec: 'text@1', payload: Buffer.from(text), force }])[0]!,
  }
}

/** Paths of a folder's segments, the oldest first. */
export function segmentsOf(dir: string): string[] {
  const files = fs.readdirSync(dir).filter((name) => name.endsWith('.seg'))
  const born = (file: string) => fs.statSync(file, { bigint: true }).birthtimeNs
  return files.map((name) => path.join(dir, name)).sort((a, b) => Number(born(a) - born(b)))
}
