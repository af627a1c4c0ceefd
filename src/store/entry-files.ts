/** Where entries lie, how one is read, and how a bad one is moved out of the way. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { CurioError } from '../errors.js'
import { keyPath } from '../identity/path.js'
import { type Entry, type Found, maxEntryBytes, parseEntry } from './entry.js'
import type { StoreEvents } from './events.js'
import * as io from './io.js'

/** Folders read before other work of the process gets a turn. */
const atOnce = 100

/** What stands at an entry's place, and its bytes unless it is a link or far too large. */
export type Read = Found & { readonly bytes: Uint8Array | undefined }

/** The `artifacts/` folder of a store. */
export class EntryFiles {
  readonly #root: string

  constructor(
    readonly folder: string,
    readonly modes: io.Modes,
    readonly events: StoreEvents,
  ) {
    this.#root = path.join(folder, 'artifacts')
  }

  /** The folder of a key, whether it exists or not. */
  dirOf(key: string): string {
    return path.join(this.folder, keyPath(key))
  }

  fileOf(key: string): string {
    return path.join(this.dirOf(key), 'entry.json')
  }

  /** Reads the entry in a key's folder; undefined when there is none. */
  read(dir: string): Read | undefined {
    const file = `${dir}${path.sep}entry.json`
    const bytes = io.readSmall(file, maxEntryBytes)
    if (bytes === undefined) return undefined
    if (bytes instanceof Uint8Array) return { ...parseEntry(bytes), bytes }
    if (fs.lstatSync(file, { throwIfNoEntry: false })?.isDirectory()) {
      throw io.ioError('read', file, new Error('it is a folder: move it away'))
    }
    return { state: 'damaged', reason: `it is a ${bytes} file`, bytes: undefined }
  }

  /**
   * Moves an entry into quarantine, and back when another writer had already replaced what was read.
   *
   * @returns false when it could not be moved: no right to, or no space.
   */
  setAside(file: string, read: Uint8Array | undefined): boolean {
    const aside = path.join(this.folder, 'quarantine', `entry-${io.tempName().slice(-32)}.json`)
    try {
      io.ensureDir(path.dirname(aside), this.modes.dir, false)
      fs.renameSync(file, aside)
      const moved = io.readSmall(aside, maxEntryBytes)
      const same =
        moved instanceof Uint8Array ? read !== undefined && Buffer.compare(moved, read) === 0 : read === undefined
      if (!same && !io.publish(aside, file)) io.remove(aside)
      return true
    } catch (error) {
      if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
      return io.errnoOf(error) === 'ENOENT'
    }
  }

  /** Folders that hold an `entry.json`, below those parts of `prefix` that are whole. */
  async *dirs(prefix = '', signal?: AbortSignal): AsyncGenerator<string> {
    const whole = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    let start = this.#root
    try {
      // Looked up as what they are in a key that goes on: parts before the last.
      if (whole !== '') start = path.dirname(this.dirOf(`${whole}x`))
    } catch (error) {
      if (CurioError.is(error, 'ERR_INVALID_NAME')) return
      throw error
    }
    for await (const { dir, names } of walk(start, signal)) {
      if (names.some((name) => name.name === 'entry.json' && !name.isDirectory())) yield dir
    }
  }

  /** Folders of items, of whatever key. */
  async *itemDirs(signal?: AbortSignal): AsyncGenerator<string> {
    for await (const { dir, names } of walk(this.#root, signal)) {
      if (path.basename(dir) === 'items' && names.some((name) => name.name.endsWith('.seg'))) yield dir
    }
  }

  /** Whether an entry lies where its key says; a copy of its folder elsewhere is not an entry of the store. */
  isAtHome(entry: Entry, dir: string): boolean {
    try {
      return this.dirOf(entry.key) === dir
    } catch (error) {
      if (CurioError.is(error, 'ERR_INVALID_NAME')) return false
      throw error
    }
  }

  /** One entry that another user keeps to himself must not hide all others. */
  #readable(dir: string): Read | undefined {
    try {
      return this.read(dir)
    } catch (error) {
      if (CurioError.is(error, 'ERR_PERMISSION')) return undefined
      throw error
    }
  }

  /** Every readable entry whose key text starts with `prefix`, folder by folder. */
  async *list(prefix = '', signal?: AbortSignal): AsyncGenerator<Entry> {
    for await (const dir of this.dirs(prefix, signal)) {
      const found = this.#readable(dir)
      if (found?.state !== 'entry' || !found.entry.key.startsWith(prefix)) continue
      if (this.isAtHome(found.entry, dir)) yield found.entry
    }
  }
}

/** Reads folders synchronously, three times as fast as by promises (measured), and lets others run now and then. */
async function* walk(
  root: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ readonly dir: string; readonly names: readonly fs.Dirent[] }> {
  const ahead = [root]
  for (let done = 0; ahead.length > 0; done++) {
    signal?.throwIfAborted()
    if (done % atOnce === atOnce - 1) await setImmediate()
    const dir = ahead.pop()!
    const names = namesIn(dir)
    yield { dir, names }
    const below = names.filter((name) => name.isDirectory()).map((name) => name.name)
    for (const name of below.sort().reverse()) ahead.push(path.join(dir, name))
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
