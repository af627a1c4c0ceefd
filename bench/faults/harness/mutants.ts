/** Guards of the store, each taken out by one textual change, and a row of the table that must notice. */
import type { Patch } from './program.js'
import type { Size } from './row.js'

export interface Mutant {
  /** The guard that is missing. */
  readonly name: string
  readonly patches: readonly Patch[]
  readonly row: string
  /** Made at full size only, because it takes its time. */
  readonly slow: boolean
  /** The size of the row that notices. */
  readonly size: Size
}

type Change = readonly [find: string, replace: string]

/** A guard in one file. `more`: what has to change with it, in the same file. */
function guard(file: string) {
  return (name: string, row: string, find: string, replace: string, ...more: readonly Change[]): Mutant => {
    const changes: readonly Change[] = [[find, replace], ...more]
    const patches = changes.map(([find, replace]) => ({ file: `src/${file}.ts`, find, replace }))
    return { name, row, patches, slow: false, size: 'mutant' }
  }
}

function slow(mutant: Mutant, size: Size = 'mutant'): Mutant {
  return { ...mutant, slow: true, size }
}

const blobs = guard('store/folder-blobs')
const files = guard('store/blob-files')
const io = guard('store/io')
const commit = guard('store/commit')
const store = guard('store/store')
const flights = guard('store/flights')
const entry = guard('store/entry')
const lock = guard('store/lock')
const succession = guard('store/succession')

const reading: readonly Mutant[] = [
  blobs('SHA-256 on get', '8a', 'return sha256(small) === digest ? small :', 'return digest ? small :'),
  blobs('XXH64 on read', '8a', 'if (chunkHashes(bytes, info.chunk) !== info.xxh64)', 'if (info.xxh64 === "")'),
  guard('store/ranges')(
    'XXH64 of a range',
    '8a',
    'if (hex(hasher.digest()) !== info.xxh64.slice(index * 16, index * 16 + 16))',
    'if (hex(hasher.digest()) === "")',
  ),
  entry('SHA-256 of an entry', '8a', 'if (hash !== match[2])', 'if (match[2] === "")'),
  entry(
    'the format under the hash of an entry',
    '8a',
    'if (hash !== match[2])',
    'if (sha256(bytes.subarray(start, bytes.byteLength - 2)) !== match[2])',
    ['{formatVersion}:$', '{""}$'],
  ),
  blobs(
    'hash of a path handed out',
    '8a',
    "const found = this.#files.look(digest, bytes)\n    if (found === 'damaged') this.#files.damaged",
    "const found = 'good' as string\n    if (found === 'damaged') this.#files.damaged",
  ),
  store(
    'blobs looked for before a hit',
    '9a',
    'if (!(await this.present(artifact))) return',
    'if (this.id === "") return',
  ),
  store(
    'size looked at before a hit',
    '9a',
    'this.blobs.sizeNow(file.sha256) === file.bytes',
    'this.blobs.sizeNow(file.sha256) !== undefined',
  ),
  store(
    'full key compared on a hit',
    '20',
    'entry.hash !== key.hash || entry.material !== key.material',
    'entry.key !== key.text',
  ),
  io('no read through a link', '12b', 'O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0)', 'O_RDONLY'),
  slow(
    io(
      'no waiting for a pipe',
      '12b',
      '(fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)',
      '(fs.constants.O_NOFOLLOW ?? 0)',
    ),
  ),
]

const writing: readonly Mutant[] = [
  files('a look at what is there', '9a', "if (hashed.sha256 !== digest) return 'damaged'", ''),
  files('replacing a bad blob', '9a', 'this.#setAside(info.sha256)\n    io.replace(temp, final)', 'io.remove(temp)'),
  io('exclusive link', '4', 'fs.linkSync(temp, final)\n', 'fs.renameSync(temp, final)\n'),
  blobs(
    'a temporary, then a link',
    '10b',
    'const temp = io.writeTemp(dir, data, modes.file, durable)\n      try {',
    'const temp = io.writeTemp(dir, data, modes.file, durable)\n      fs.writeFileSync(this.path(digest), data.subarray(0, 9))\n      try {',
  ),
  io('writing until all bytes are out', '10b', 'at < bytes.byteLength; ) {', 'at === 0; ) {'),
  io('removing the temporary of a failed write', '10b', 'closeQuietly(fd)\n    remove(file)', 'closeQuietly(fd)'),
  io(
    'no space is an error of its own',
    '10b',
    "case 'EDQUOT':\n      return new NoSpaceError(",
    "case 'EDQUOT':\n      return new StoreIOError(",
  ),
  lock(
    'a lock that fails is no error',
    '10b',
    'if (absent >= maxAbsent) return this.#without(key, error.message)',
    'throw error',
  ),
  guard('artifact/store')(
    'blobs before their entry',
    '3',
    'const packed = await pack(this.blobs, plainName',
    'const packed = await pack(new MemoryBlobs(), plainName',
    [
      "import { sidecar } from '../store/views.js'",
      "import { MemoryBlobs } from '../store/memory-blobs.js'\nimport { sidecar } from '../store/views.js'",
    ],
  ),
  io('bytes synced', '3', 'if (durable) fs.fdatasyncSync(fd)', ''),
  slow(blobs('bytes of large blobs synced', '3', 'if (this.#options.durable) await handle.datasync().catch(fail)', '')),
  files('names of blobs synced', '3', 'if (durable) io.syncDir(path.dirname(final))\n        events', 'events'),
  slow(commit('names of entries synced', '3', 'io.syncDir(dir)\n', '')),
  slow(commit('names of folders synced', '3', 'io.syncDir(path.dirname(at))', '')),
  io('modes set in spite of the umask', '12a', 'setMode(() => fs.fchmodSync(fd!, mode))', ''),
  slow(io('modes of folders set in spite of the umask', '12a', 'setMode(() => fs.chmodSync(dir, mode))', '')),
  files('no shard that is a link', '12b', 'if (!fs.lstatSync(dir).isDirectory())', 'if (dir === "")'),
  commit('no key folder that is a link', '12b', 'else if (stat.isSymbolicLink()) {', 'else if (dir === "") {', [
    '} else if (!stat.isDirectory()) {',
    '} else if (stat.isFile()) {',
  ]),
  guard('store/open')('no folder that anyone may write to', '12b', '(mode & 0o002) !== 0 &&', '(mode & 0o002) > 2 &&'),
  files('digests matched before they become paths', '20', 'if (!isDigest(digest))', 'if (digest === undefined)'),
  slow(
    guard('identity/path')(
      'names that differ by case',
      '20',
      '(isUid || text === text.toLowerCase())',
      '(isUid || text !== "")',
    ),
  ),
  guard('identity/path')('no way up', '20', " || part === '.' || part === '..')\n", ')\n'),
]

const beside: readonly Mutant[] = [
  slow(
    commit(
      'full key compared by a commit',
      '20',
      'if (stored.hash !== key.hash || stored.material !== key.material)',
      'if (stored.key !== key.text)',
    ),
  ),
  guard('store/entry-files')(
    'what was moved compared with what was read',
    '5b',
    'if (!same && !io.publish(aside, file))',
    'if (!same && aside === "")',
  ),
  files('a good blob put back', '5b', 'if (hashNow(aside)?.sha256 === digest)', 'if (aside === "")'),
  succession(
    'a last look before an entry is replaced',
    '5b',
    'isSame(io.readSmall(final, maxEntryBytes), read) &&',
    '',
  ),
  succession('one successor for all', '5b', 'const chosen = io.readSmall(next, maxEntryBytes)', 'const chosen = mine'),
  commit(
    'blobs looked for after the commit',
    '5b',
    'if (!(await this.store.present(artifact))) return',
    'if (artifact.name === "") return',
  ),
  flights(
    'the lock',
    '6a',
    ': this.#lock.run(key.text, key.hash, look, async () => (await look()) ?? inner(), signal)',
    ': inner()',
  ),
  slow(flights('a second look under the lock', '6a', 'async () => (await look()) ?? inner()', 'inner')),
  slow(
    guard('store/temporaries')(
      'temporaries of the living spared',
      '1',
      "if (state !== 'dead' && (",
      "if (state === 'dead' && (",
    ),
  ),
  slow(
    lock(
      'a lost lock is only an event',
      '6a',
      "onCompromised: (error) => this.events.emit({ kind: 'lock-lost', key, reason: error.message }),",
      '',
    ),
    'small',
  ),
  slow(lock('a busy holder is waited for', '6a', "return state === 'alive'", "return state === 'dead'"), 'small'),
]

const ofItems: readonly Mutant[] = [
  guard('store/items/record')(
    'the checksum of a record',
    '8b',
    'return bytes.readUInt32LE(at) === sumLow() && bytes.readUInt32LE(at + 4) === sumHigh() ? length : undefined',
    'return length',
  ),
  guard('store/items/index-file')(
    'SHA-256 of an index',
    '8b',
    "if (!createHash('sha256').update(buffer.subarray(0, end)).digest().equals(buffer.subarray(end))) return undefined",
    '',
  ),
  guard('store/items/index-file')('the length that an index is for', '9b', ' || sealedBytes < segmentBytes', '', [
    "if (sealedBytes > segmentBytes) return 'cut'",
    '',
  ]),
  guard('store/items/space')(
    'a deletion said twice',
    '8b',
    'this.#append([1, 2].map((more)',
    'this.#append([1].map((more)',
  ),
  guard('store/items/segment-writer')(
    'no empty segment left by a full disk',
    '10a',
    'if (start === 0) fs.unlinkSync(this.file)',
    '',
  ),
  guard('store/claims')(
    'the claims of others',
    '6b',
    'for (const hash of other.hashes) if (wanted.has(hash)) lost.add(hash)',
    '',
  ),
  guard('store/items/table')(
    'a later generation before an earlier time',
    '13',
    'if (a.generation !== b.generation) return a.generation > b.generation',
    '',
  ),
]

export const mutants: readonly Mutant[] = [...reading, ...writing, ...beside, ...ofItems]
