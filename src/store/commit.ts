/** The commit of an entry: one exclusive link, and the table of what meets one that is there (docs/format.md). */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CurioError, KeyCollisionError, NondeterminismError } from '../errors.js'
import { isDigest } from '../identity/digest.js'
import type { Key } from '../identity/key.js'
import { type Entry, entryText } from './entry.js'
import type { Read } from './entry-files.js'
import * as io from './io.js'
import type { EntryStore } from './store.js'
import { succeed } from './succession.js'

/** What a commit did (docs/format.md, "Commit"). With `kept` and `same` the stored entry is the one to use. */
export interface Committed {
  readonly outcome: 'created' | 'same' | 'kept' | 'healed' | 'replaced' | 'newer'
  readonly entry: Entry
}

export interface CommitOptions {
  /** Replace whatever is there. Default false. */
  readonly force?: boolean
  /** Throw when another result is already stored. Default false. */
  readonly deterministic?: boolean
  /** Called when a blob vanished between put and commit; should put it again. */
  readonly restore?: () => Promise<void>
}

const maxAttempts = 8
const maxRestores = 2
const maxRemembered = 100_000

/** Commits entries of one store. */
export class Committer {
  /** Folders above keys' folders that were seen to be folders, and those whose names were made durable. */
  readonly #solid = new Set<string>()
  readonly #named = new Set<string>()

  constructor(readonly store: EntryStore) {}

  async commit(key: Key, entry: Entry, options: CommitOptions): Promise<Committed> {
    const { store } = this
    const dir = store.dirOf(key.text)
    const text = entryText(entry)
    let first: Committed | undefined
    let restores = 0
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const force = options.force === true && first === undefined
      const done = await this.#attempt(key, entry, text, dir, { ...options, force })
      if (done === undefined) continue
      if (done.outcome === 'newer') return done
      if (store.durability === 'artifact') await this.#makeDurable(done, dir)
      // A clean-up may have taken a blob between its put and this entry.
      if (options.restore !== undefined && !(await this.#isPresent(done.entry))) {
        if (restores === maxRestores) {
          throw io.ioError(
            'commit',
            path.join(dir, 'entry.json'),
            new Error('its blobs vanish as fast as they are put'),
          )
        }
        restores += 1
        first ??= done
        await options.restore()
        continue
      }
      if (!(await this.#isPresent(done.entry))) {
        throw io.ioError(
          'commit',
          path.join(dir, 'entry.json'),
          new Error('a clean-up took the bytes of what was being stored'),
        )
      }
      store.events.emit({ kind: 'committed', key: key.text })
      await store.refreshViews(done.entry)
      return first !== undefined && done.outcome === 'same' ? { ...done, outcome: first.outcome } : done
    }
    throw io.ioError('commit', path.join(dir, 'entry.json'), new Error('it keeps changing or vanishing'))
  }

  async #attempt(
    key: Key,
    entry: Entry,
    text: string,
    dir: string,
    options: CommitOptions,
  ): Promise<Committed | undefined> {
    const { modes, durability } = this.store
    const final = path.join(dir, 'entry.json')
    let temp: string | undefined
    try {
      this.#ensureKeyDir(dir)
      temp = io.writeTemp(dir, text, modes.file, durability === 'artifact')
      const done = await this.#place(key, entry, temp, final, options)
      if (done === undefined || !['created', 'healed', 'replaced'].includes(done.outcome)) io.remove(temp)
      return done
    } catch (error) {
      if (temp !== undefined) io.remove(temp)
      // Somebody tidied the folder away between its making and the entry.
      if (io.errnoOf(error) === 'ENOENT') return undefined
      throw CurioError.is(error) ? error : io.ioError('write', final, error)
    }
  }

  /** Gives the entry its name, by the table. Undefined: what was there has changed, or gone; look again. */
  async #place(
    key: Key,
    mine: Entry,
    temp: string,
    final: string,
    options: CommitOptions,
  ): Promise<Committed | undefined> {
    const { store } = this
    if (options.force !== true && io.publish(temp, final)) return { outcome: 'created', entry: mine }
    const found = store.readRaw(key.text)
    if (found === undefined) {
      return options.force === true && io.publish(temp, final) ? { outcome: 'created', entry: mine } : undefined
    }
    if (found.state === 'newer') {
      store.noteNewer(key.text)
      return { outcome: 'newer', entry: mine }
    }
    if (found.state === 'damaged') {
      store.events.emit({ kind: 'entry-damaged', key: key.text })
      return this.#healed(key, mine, temp, final, found)
    }
    const stored = found.entry
    if (stored.hash !== key.hash || stored.material !== key.material) {
      throw new KeyCollisionError(key.text, final, stored.material)
    }
    const [before, now] = [digests(stored), digests(mine)]
    if (options.force === true) {
      if (options.deterministic === true && before !== now) throw new NondeterminismError(key.text, before, now)
      io.replace(temp, final)
      store.events.emit({ kind: 'replaced', key: key.text, stored: before, computed: now })
      return { outcome: 'replaced', entry: mine }
    }
    if (before === now) return { outcome: 'same', entry: stored }
    if (!(await this.#isWhole(stored))) {
      if (options.deterministic === true) throw new NondeterminismError(key.text, before, now)
      return this.#healed(key, mine, temp, final, found)
    }
    store.events.emit({ kind: 'nondeterminism', key: key.text, stored: before, computed: now })
    if (options.deterministic === true) throw new NondeterminismError(key.text, before, now)
    return { outcome: 'kept', entry: stored }
  }

  #healed(key: Key, mine: Entry, temp: string, final: string, found: Read): Committed | undefined {
    if (found.bytes !== undefined) {
      if (!succeed(this.store, key, temp, final, found.bytes)) return undefined
    } else {
      const moved = this.store.setEntryAside(final, found.bytes)
      // Where nothing can be set aside, what is of no use is replaced.
      if (!moved) io.replace(temp, final)
      else if (!io.publish(temp, final)) return undefined
    }
    this.store.events.emit({ kind: 'healed', what: key.text })
    return { outcome: 'healed', entry: mine }
  }

  /** Whether every blob of an entry is there and good: read and hashed, for a loser is about to be sent its values. */
  async #isWhole(entry: Entry): Promise<boolean> {
    for (const artifact of entry.artifacts) {
      const files = await this.store.filesOf(artifact)
      if (files === undefined) return false
      for (const file of files) {
        if (this.store.blobs.sizeNow(file.sha256) !== file.bytes) return false
        if (!(await this.store.blobs.verify(file.sha256))) return false
      }
    }
    return true
  }

  async #isPresent(entry: Entry): Promise<boolean> {
    for (const artifact of entry.artifacts) {
      if (!(await this.store.present(artifact))) return false
    }
    return true
  }

  /** Makes a key's folder. A view that took the name of a part gives way; anybody's own link or file does not. */
  #ensureKeyDir(dir: string): void {
    const { folder, modes } = this.store
    let at = folder
    for (const part of path.relative(folder, dir).split(path.sep)) {
      at = path.join(at, part)
      if (this.#solid.has(at)) continue
      if (at === dir && io.makeDir(dir, modes.dir)) return
      const stat = fs.lstatSync(at, { throwIfNoEntry: false })
      if (stat === undefined) break
      if (stat.isSymbolicLink() && this.#leadsToBlob(at)) io.remove(at)
      else if (stat.isSymbolicLink()) {
        throw io.ioError('write', dir, new Error(`${at} is a link: someone redirects this part of the store`))
      } else if (!stat.isDirectory()) {
        throw io.ioError('write', dir, new Error(`${at} is not a folder: move it away`))
      } else if (at !== dir) remember(this.#solid, at)
    }
    try {
      io.ensureDir(dir, modes.dir, false)
    } catch (error) {
      this.#solid.clear()
      throw error
    }
  }

  #leadsToBlob(link: string): boolean {
    const target = path.resolve(path.dirname(link), fs.readlinkSync(link))
    const name = path.basename(target)
    return isDigest(name) && target === this.store.blobs.path(name)
  }

  /** What is acknowledged survives loss of power, whoever wrote it, and whoever made the folders above it. */
  async #makeDurable({ outcome, entry }: Committed, dir: string): Promise<void> {
    const { store } = this
    if (outcome === 'same' || outcome === 'kept') io.syncFile(path.join(dir, 'entry.json'))
    if (outcome === 'kept') for (const digest of await store.blobsOf(entry)) store.blobs.sync(digest)
    io.syncDir(dir)
    io.syncDir(path.dirname(dir))
    for (let at = path.dirname(dir); at.length > store.folder.length && !this.#named.has(at); at = path.dirname(at)) {
      io.syncDir(path.dirname(at))
      remember(this.#named, at)
    }
  }
}

function remember(set: Set<string>, item: string): void {
  if (set.size >= maxRemembered) set.clear()
  set.add(item)
}

function digests(entry: Entry): string {
  return entry.artifacts.map((artifact) => `${artifact.name}=${artifact.digest}`).join(',')
}
