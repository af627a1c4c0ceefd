/** `error.json` beside an entry: how the last computation of a key failed. Any success goes before it. */
import * as path from 'node:path'
import { CurioError, type ErrorFacts } from '../errors.js'
import type { Key } from '../identity/key.js'
import * as io from './io.js'
import type { EntryStore } from './store.js'

const maxBytes = 4 << 20
const version = 1

/** The error that is kept for a key; undefined when there is none, or it cannot be read as one of exactly this computation. */
export function readError(store: EntryStore, key: Key): ErrorFacts | undefined {
  const bytes = io.readSmall(fileOf(store, key), maxBytes)
  if (!(bytes instanceof Uint8Array)) return undefined
  try {
    const { error, material, version: found } = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>
    const facts = error as ErrorFacts
    const isOne = [facts.name, facts.message, facts.where, facts.when].every((text) => typeof text === 'string')
    return found === version && material === key.material && isOne ? facts : undefined
  } catch {
    // Torn or written by hand: the computation is run again.
    return undefined
  }
}

/**
 * Keeps an error, in place of an earlier one.
 *
 * @returns why it could not be kept, if so: what was computed failed for another reason, which is the one to report.
 */
export function writeError(store: EntryStore, key: Key, error: ErrorFacts): string | undefined {
  const dir = store.dirOf(key.text)
  const text = `${JSON.stringify({ version, key: key.text, material: key.material, error }, null, 2)}\n`
  try {
    io.ensureDir(dir, store.modes.dir, false)
    const temp = io.writeTemp(dir, Buffer.from(text), store.modes.file, false)
    io.replace(temp, fileOf(store, key))
    return undefined
  } catch (failure) {
    if (!CurioError.is(failure) && io.errnoOf(failure) === undefined) throw failure
    return (failure as Error).message
  }
}

export function clearError(store: EntryStore, key: Key): void {
  io.remove(fileOf(store, key))
}

function fileOf(store: EntryStore, key: Key): string {
  return path.join(store.dirOf(key.text), 'error.json')
}
