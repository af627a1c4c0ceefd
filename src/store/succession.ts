/**
 * Replacing an entry that is of no use, by compare and swap. Whoever wants to replace these very bytes proposes its own entry
 * under a name made of them, by an exclusive link; the first proposal stands, and everybody carries it out. So one of them wins,
 * also when it is killed half-way, and at no moment is the entry's name free for somebody else.
 */
import * as path from 'node:path'
import { CurioError } from '../errors.js'
import { sha256 } from '../identity/digest.js'
import type { Key } from '../identity/key.js'
import { maxEntryBytes, parseEntry } from './entry.js'
import * as io from './io.js'
import type { EntryStore } from './store.js'

/**
 * Replaces `read`, the bytes at `final`, by the entry in `temp` or by one that was proposed earlier; `temp` may be gone afterwards.
 *
 * @returns whether the entry in `temp` stands. If not, what stands has changed: look again.
 */
export function succeed(store: EntryStore, key: Key, temp: string, final: string, read: Uint8Array): boolean {
  const durable = store.durability === 'artifact'
  const mine = io.readSmall(temp, maxEntryBytes)
  const quarantine = path.join(store.folder, 'quarantine')
  const next = path.join(quarantine, `next-${sha256(`${key.hash} ${sha256(read)}`).slice(0, 32)}.json`)
  try {
    io.ensureDir(quarantine, store.modes.dir, false)
    if (!io.publish(temp, next)) io.remove(temp)
  } catch (error) {
    if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
    // Where nothing can be proposed, what is of no use is replaced.
    io.replace(temp, final)
    return true
  }
  const chosen = io.readSmall(next, maxEntryBytes)
  if (isSame(io.readSmall(final, maxEntryBytes), read) && chosen instanceof Uint8Array && isFor(key, chosen)) {
    keep(quarantine, read, store.modes)
    io.replace(io.writeTemp(path.dirname(final), chosen, store.modes.file, durable), final)
  }
  io.remove(next)
  // Another, who may not sync what it writes, may have carried it out.
  if (durable) io.syncFile(final)
  return isSame(io.readSmall(final, maxEntryBytes), mine)
}

function isFor(key: Key, bytes: Uint8Array): boolean {
  const found = parseEntry(bytes)
  return found.state === 'entry' && found.entry.hash === key.hash && found.entry.material === key.material
}

/** A copy of what is replaced, for people. Best effort. */
function keep(quarantine: string, read: Uint8Array, modes: io.Modes): void {
  try {
    const name = io.tempName()
    io.replace(
      io.writeTemp(quarantine, read, modes.file, false),
      path.join(quarantine, `entry-${name.slice(-32)}.json`),
    )
  } catch (error) {
    if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
  }
}

function isSame(a: ReturnType<typeof io.readSmall>, b: ReturnType<typeof io.readSmall>): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0
}
