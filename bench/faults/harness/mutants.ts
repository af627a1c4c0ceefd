/** Guards of the store, each taken out by one textual change, and a row of the table that must notice. */
import type { Patch } from './program.js'
import type { Size } from './row.js'

export interface Mutant {
  /** The guard that is missing. */
  readonly name: string
  readonly patches: readonly Patch[]
  readonly row: string
  /** Default `'mutant'`. A mutant that needs more than that is made at full size only. */
  readonly size?: Size
}

const blobs = 'src/store/folder-blobs.ts'
const io = 'src/store/io.ts'
const commit = 'src/store/commit.ts'
const store = 'src/store/store.ts'
const entry = 'src/store/entry.ts'
const paths = 'src/identity/path.ts'

function mutant(name: string, row: string, file: string, find: string, replace: string): Mutant {
  return { name, row, patches: [{ file, find, replace }] }
}

export const mutants: readonly Mutant[] = [
  // What is read.
  mutant(
    'SHA-256 on get',
    '8',
    blobs,
    'return sha256(small) === digest ? small :',
    'return small.length >= 0 ? small :',
  ),
  mutant('XXH64 on read', '8', blobs, 'if (chunkHashes(bytes, info.chunk) !== info.xxh64)', 'if (info.xxh64 === "")'),
  mutant(
    'XXH64 of a range',
    '8',
    'src/store/ranges.ts',
    'if (hex(hasher.digest()) !== info.xxh64.slice(index * 16, index * 16 + 16))',
    'if (hex(hasher.digest()) === "")',
  ),
  mutant('SHA-256 of an entry', '8', entry, 'if (sha256(hashed) !== match[2])', 'if (match[2] === "")'),
  mutant(
    'the format under the hash of an entry',
    '8',
    entry,
    'sha256(hashed) !== match[2]',
    'sha256(json) !== match[2]',
  ),
  mutant(
    'hash of a path handed out',
    '8',
    blobs,
    "const found = this.#look(digest, bytes)\n    if (found === 'damaged') this.#damaged",
    "const found = 'good' as string\n    if (found === 'damaged') this.#damaged",
  ),
  mutant(
    'blobs looked for before a hit',
    '9',
    store,
    'if (!(await this.present(artifact))) return',
    'if (this.readOnly && !this.id) return',
  ),
  mutant(
    'size looked at before a hit',
    '9',
    store,
    'this.blobs.sizeNow(file.sha256) === file.bytes',
    'this.blobs.sizeNow(file.sha256) !== undefined',
  ),
  mutant(
    'full key compared on a hit',
    '20',
    store,
    'entry.hash !== key.hash || entry.material !== key.material',
    'entry.key !== key.text',
  ),
  mutant(
    'full key compared by a commit',
    '20',
    commit,
    'if (stored.hash !== key.hash || stored.material !== key.material)',
    'if (stored.key !== key.text)',
  ),
  mutant('no read through a link', '12b', io, '(fs.constants.O_NOFOLLOW ?? 0)', '0'),
  mutant('no waiting for a pipe', '12b', io, '(fs.constants.O_NONBLOCK ?? 0)', '0'),
  // What is written.
  mutant(
    'a look at what is there before it counts as put',
    '9',
    blobs,
    "if (hashed.sha256 !== digest) return 'damaged'",
    '',
  ),
  mutant(
    'replacing a bad blob',
    '9',
    blobs,
    'this.#setAside(info.sha256)\n    io.replace(temp, final)',
    'io.remove(temp)',
  ),
  mutant('exclusive link', '4', io, 'fs.linkSync(temp, final)\n', 'fs.renameSync(temp, final)\n'),
  {
    name: 'a temporary, then a link',
    row: '10b',
    patches: [
      {
        file: blobs,
        find: 'const temp = io.writeTemp(dir, data, modes.file, durable)\n      try {\n        this.#publish(temp, info)',
        replace:
          'const temp = this.path(digest)\n      try {\n        fs.writeFileSync(fs.openSync(temp, "w"), data.subarray(0, 10))\n        this.#publish(io.writeTemp(dir, data, modes.file, durable), info)',
      },
    ],
  },
  mutant('writing until all bytes are out', '10b', io, 'at < bytes.byteLength; ) {', 'at === 0; ) {'),
  mutant(
    'removing the temporary of a failed write',
    '10b',
    io,
    'if (fd !== undefined) closeQuietly(fd)\n    remove(temp)',
    'if (fd !== undefined) closeQuietly(fd)',
  ),
  mutant(
    'no space is an error of its own',
    '10b',
    io,
    "case 'EDQUOT':\n      return new NoSpaceError(",
    "case 'EDQUOT':\n      return new StoreIOError(",
  ),
  mutant(
    'a lock that fails is no error',
    '10b',
    'src/store/lock.ts',
    'if (absent >= maxAbsent) return this.#without(key, error.message)',
    'throw error',
  ),
  {
    name: 'blobs before their entry',
    row: '3',
    patches: [
      {
        file: 'src/artifact/store.ts',
        find: 'const packed = await pack(this.blobs, plainName',
        replace: 'const packed = await pack(new MemoryBlobs(), plainName',
      },
      {
        file: 'src/artifact/store.ts',
        find: "import { sidecar } from '../store/views.js'",
        replace: "import { sidecar } from '../store/views.js'\nimport { MemoryBlobs } from '../store/memory-blobs.js'",
      },
    ],
  },
  mutant('bytes synced', '3', io, 'if (durable) fs.fdatasyncSync(fd)', ''),
  mutant(
    'bytes of large blobs synced',
    '3',
    blobs,
    'if (this.#options.durable) await handle.datasync().catch(fail)',
    '',
  ),
  mutant('names of blobs synced', '3', blobs, 'if (durable) io.syncDir(path.dirname(final))\n        events', 'events'),
  mutant('names of entries synced', '3', commit, 'io.syncDir(dir)\n', ''),
  mutant('names of folders synced', '3', commit, 'io.syncDir(path.dirname(at))', ''),
  mutant('modes set in spite of the umask', '12a', io, 'setMode(() => fs.fchmodSync(fd!, mode))', ''),
  mutant('modes of folders set in spite of the umask', '12a', io, 'setMode(() => fs.chmodSync(dir, mode))', ''),
  mutant('no shard that is a link', '12b', blobs, 'if (!fs.lstatSync(dir).isDirectory())', 'if (dir === "")'),
  mutant(
    'no key folder that is a link',
    '12b',
    commit,
    '} else if (!stat.isDirectory()) {',
    '} else if (!stat.isDirectory() && !stat.isSymbolicLink()) {',
  ),
  mutant(
    'no folder that anyone may write to',
    '12b',
    'src/store/open.ts',
    '(mode & 0o002) !== 0 &&',
    '(mode & 0o002) > 2 &&',
  ),
  mutant(
    'digests matched before they become paths',
    '20',
    blobs,
    'if (!isDigest(digest))',
    'if (digest === undefined)',
  ),
  mutant('names that differ by case', '20', paths, '(isUid || text === text.toLowerCase())', '(isUid || text !== "")'),
  mutant(
    'no way up',
    '20',
    paths,
    "part === '' || part === '.' || part === '..')\n  if (bad !== undefined) {",
    "part === '')\n  if (bad !== undefined) {",
  ),
  // Writers beside each other.
  mutant(
    'what was moved compared with what was read',
    '5b',
    'src/store/entry-files.ts',
    'if (!same && !io.publish(aside, file))',
    'if (!same && aside === "")',
  ),
  mutant('a good blob put back', '5b', blobs, 'if (hashNow(aside)?.sha256 === digest)', 'if (aside === "")'),
  mutant(
    'a last look before an entry is replaced',
    '5b',
    'src/store/succession.ts',
    'isSame(io.readSmall(final, maxEntryBytes), read) &&',
    '',
  ),
  mutant(
    'one successor for all',
    '5b',
    'src/store/succession.ts',
    'const chosen = io.readSmall(next, maxEntryBytes)',
    'const chosen = mine',
  ),
  mutant(
    'blobs looked for after the commit',
    '5b',
    commit,
    'options.restore !== undefined && !(await this.#isPresent(done.entry))',
    'options.restore !== undefined && restores > 99',
  ),
  mutant(
    'the lock',
    '6',
    store,
    ': this.#lock.run(key.text, key.hash, look, async () => (await look()) ?? compute(), signal)',
    ': compute()',
  ),
  mutant('a second look under the lock', '6', store, 'async () => (await look()) ?? compute()', 'compute'),
  mutant(
    'temporaries of the living spared',
    '1',
    'src/store/temporaries.ts',
    "if (state !== 'dead' && ",
    "if (state === 'dead' && ",
  ),
  {
    ...mutant(
      'a lost lock is only an event',
      '6',
      'src/store/lock.ts',
      "onCompromised: (error) => this.events.emit({ kind: 'lock-lost', key, reason: error.message }),",
      '',
    ),
    size: 'small',
  },
  {
    ...mutant(
      'a busy holder is waited for',
      '6',
      'src/store/lock.ts',
      "return state === 'alive'",
      "return state === 'dead'",
    ),
    size: 'small',
  },
]
