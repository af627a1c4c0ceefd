import * as fs from 'node:fs'
import * as path from 'node:path'
import { StoreIOError } from '../errors.js'
import { clockOf } from './clean.js'
import * as io from './io.js'
import { aliveness } from './process.js'
import type { EntryStore } from './store.js'
import type { Problem } from './verify.js'

const dayMs = 24 * 3600_000
const pattern = /^\.tmp-(\w+)-(\d+)-([0-9a-f]{8})-[0-9a-f]{32}$/

/** Files that a killed writer left: its process is gone, or they are older than a day by the file system's own clock. */
export function temporaries(store: EntryStore, repair: boolean): Problem[] {
  const problems: Problem[] = []
  let now: number | undefined
  const visit = (dir: string, depth: number): void => {
    for (const name of namesIn(dir)) {
      const file = path.join(dir, name.name)
      if (name.isDirectory()) {
        if (depth > 0) visit(file, depth - 1)
        continue
      }
      const match = pattern.exec(name.name)
      if (match === null) continue
      const stat = fs.lstatSync(file, { throwIfNoEntry: false })
      if (stat === undefined) continue
      const state = aliveness(match[1]!, match[3]!, Number(match[2]))
      if (state === 'unknown') now ??= nowIn(store)
      if (state !== 'dead' && (state !== 'unknown' || now! - stat.mtimeMs < dayMs)) continue
      problems.push({
        kind: 'temporary',
        where: file,
        detail: `${stat.size} bytes left by pid ${match[2]} on ${match[1]}`,
        repaired: repair && removed(file),
      })
    }
  }
  visit(store.folder, 0)
  visit(path.join(store.folder, 'blobs'), 1)
  visit(path.join(store.folder, 'locks'), 0)
  visit(path.join(store.folder, 'artifacts'), 64)
  visit(path.join(store.folder, 'views'), 8)
  return problems
}

function nowIn(store: EntryStore): number {
  return store.readOnly ? Date.now() : (clockOf(store) ?? Date.now())
}

/** A file that is not ours to remove stays, and is reported again. */
function removed(file: string): boolean {
  try {
    io.remove(file)
    return true
  } catch (error) {
    if (error instanceof StoreIOError) return false
    throw error
  }
}

function namesIn(dir: string): fs.Dirent[] {
  try {
    return fs.readdirSync(dir, { withFileTypes: true })
  } catch (error) {
    if (io.isAbsent(error)) return []
    throw io.ioError('list', dir, error)
  }
}
