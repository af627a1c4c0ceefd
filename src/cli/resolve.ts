/** From what people type to a key. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CurioError, NotFoundError, nearest } from '../errors.js'
import { keyPath } from '../identity/path.js'
import type { Entry } from '../store/entry.js'
import type { EntryStore } from '../store/store.js'
import { type Listed, listAll, readAt } from './entries.js'
import { clean, count } from './text.js'

/** What stands at exactly this key, read without changing anything; undefined when nothing does, or no key can be called so. */
export function readExactly(store: EntryStore, text: string): Listed | undefined {
  let dir: string
  try {
    dir = store.dirOf(text)
  } catch (error) {
    if (CurioError.is(error, 'ERR_INVALID_NAME')) return undefined
    throw error
  }
  const found = readAt(store, dir)
  return found?.entry !== undefined && found.entry.key !== text ? undefined : found
}

/** What stands in the folder of a path, as a shell completes it: the folder of a key, or a file in it. */
function readByPath(store: EntryStore, text: string, cwd: string): Listed | undefined {
  for (const base of [cwd, store.folder]) {
    const at = path.resolve(base, text)
    if (!fs.existsSync(at)) continue
    // The folder's own real path, never that of the file: a view is a link to a blob.
    const folder = fs.statSync(at).isDirectory() ? at : path.dirname(at)
    const real = fs.realpathSync(folder)
    if (!real.startsWith(path.join(store.folder, 'artifacts') + path.sep)) continue
    const found = readAt(store, real)
    if (found !== undefined) return found
  }
  return undefined
}

/** What a suggestion may cost: an edit distance for each of so many keys, of text no longer than this. */
const compared = 20_000
const longest = 300

/** Several entries fit what was typed. */
export class AmbiguousError extends CurioError {
  override readonly code = 'ERR_AMBIGUOUS'
  constructor(
    readonly given: string,
    readonly matches: readonly string[],
  ) {
    const shown = matches.slice(0, 10).map((key) => `\n  ${clean(key)}`)
    const more = matches.length > shown.length ? `\n  … and ${matches.length - shown.length} more` : ''
    super(`${clean(given)} fits ${count(matches.length, 'key')}:${shown.join('')}${more}`, {
      hint: 'type more of the one you mean; the 16 characters at its end are enough',
    })
  }
}

/**
 * Nothing fits what was typed: names the nearest key.
 *
 * @throws {InvalidNameError} when it could be no key at all.
 */
export function notStored(store: EntryStore, text: string, keys: readonly string[]): NotFoundError {
  keyPath(text)
  const near = text.length <= longest ? nearest(text, keys.slice(0, compared)) : undefined
  return new NotFoundError(`key ${clean(text)}`, store.folder, {
    hint:
      near !== undefined
        ? `did you mean ${clean(near)}?`
        : keys.length === 0
          ? 'the store is empty'
          : 'see `curio ls`, and `curio why` for what is nearest to it',
  })
}

/** The key of `key#artifact`, as `du` and `cat` write it; a key may have a `#` of its own. */
export function withoutArtifact(store: EntryStore, text: string): string {
  const at = text.lastIndexOf('#')
  return at <= 0 || readExactly(store, text) !== undefined ? text : text.slice(0, at)
}

/**
 * The entry for what was typed: the exact key, a path in its folder, or a part that only one key has.
 *
 * @throws {AmbiguousError} when several keys have that part.
 * @throws {NotFoundError} when none has it, or when the entry is damaged or of a newer format.
 */
export async function resolveEntry(store: EntryStore, text: string, cwd: string): Promise<Entry> {
  const found = readExactly(store, text) ?? readByPath(store, text, cwd)
  if (found !== undefined) return usable(store, found)
  const all = await listAll(store)
  const keys = all.flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  const matches = text === '' ? [] : keys.filter((entry) => entry.key.includes(text))
  if (matches.length === 1) return matches[0]!
  if (matches.length > 1)
    throw new AmbiguousError(
      text,
      matches.map((entry) => entry.key),
    )
  const broken = all.find(({ entry, place }) => entry === undefined && place.includes(text) && text !== '')
  if (broken !== undefined) return usable(store, broken)
  throw notStored(
    store,
    text,
    keys.map((entry) => entry.key),
  )
}

function usable(store: EntryStore, found: Listed): Entry {
  if (found.entry !== undefined) return found.entry
  const { state, reason } = found.problem
  throw new NotFoundError(`a readable entry in ${found.place} (${clean(reason)})`, store.folder, {
    hint:
      state === 'damaged'
        ? '`curio verify --repair` sets the damaged entry aside; run the stage again'
        : 'use a newer version of curio',
  })
}
