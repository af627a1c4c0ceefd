import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KeyCollisionError, NondeterminismError, ReadOnlyError, StoreIOError } from '../../src/errors.js'
import { sha256 } from '../../src/identity/digest.js'
import { type Key, nameKey } from '../../src/identity/key.js'
import { type Entry, entryText } from '../../src/store/entry.js'
import { failing, patchFs, systemError } from '../helpers/faults.js'
import { BareStore, entryOf, load, save, someStageKey } from '../helpers/stores.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { namesBelow, snapshot, temporariesBelow } from '../helpers/tree.js'

let dir: TempDir
let store: BareStore
const key = nameKey('demo/a')

beforeEach(async () => {
  dir = tempDir()
  store = await BareStore.open({ folder: dir.path, durability: 'cache' })
  return () => dir[Symbol.asyncDispose]()
})

const commit = async (content: string, options: Parameters<BareStore['commit']>[2] = {}, of: Key = key, by = store) =>
  by.commit(of, await entryOf(by, of, content), options)
const file = (name = 'demo/a') => path.join(store.dirOf(name), 'entry.json')
const quarantined = () => (fs.existsSync(dir.join('quarantine')) ? fs.readdirSync(dir.join('quarantine')) : [])

function overwrite(at: string, content: string | Uint8Array): void {
  fs.rmSync(at, { force: true })
  fs.writeFileSync(at, content)
}

/** An entry framed with another format, its hash right. */
function framed(format: number, body: string): string {
  return `{"curio":"entry","format":${format},"sha256":"${sha256(`${format}:${body}`)}","entry":${body}}\n`
}

describe('committing', () => {
  test('where nothing is there creates the entry', async () => {
    const { outcome, entry } = await commit('A')
    expect(outcome).toBe('created')
    expect(await load(store, 'demo/a')).toBe('A')
    expect(await load(store, key)).toBe('A')
    expect(fs.readFileSync(file(), 'utf8')).toBe(entryText(entry))
    expect(store.events.counts).toMatchObject({ committed: 1 })
    expect(fs.statSync(file()).mode & 0o222).toBe(0)
  })

  test('the same again succeeds, and leaves the entry as it was', async () => {
    await commit('A')
    const { ino } = fs.statSync(file())
    expect((await commit('A')).outcome).toBe('same')
    expect((await commit('A', { deterministic: true })).outcome).toBe('same')
    expect(fs.statSync(file()).ino).toBe(ino)
  })

  test('something else keeps what is there: the caller gets its values, and it is counted', async () => {
    await commit('A')
    const { outcome, entry } = await commit('B')
    expect(outcome).toBe('kept')
    expect(entry.artifacts[0]?.files?.[0]?.sha256).toBe(sha256('A'))
    expect(await load(store, key)).toBe('A')
    expect(store.events.counts.nondeterminism).toBe(1)
  })

  test('something else is an error where the result was promised to be deterministic', async () => {
    await commit('A')
    await expect(commit('B', { deterministic: true })).rejects.toThrow(NondeterminismError)
    expect(await load(store, key)).toBe('A')
    expect(temporariesBelow(dir.path)).toEqual([])
  })

  test.each<[string, (blob: string) => void]>([
    ['missing', (blob) => fs.rmSync(blob)],
    ['damaged', (blob) => overwrite(blob, 'X')],
    ['cut short', (blob) => overwrite(blob, '')],
    [
      'a folder',
      (blob) => {
        fs.rmSync(blob)
        fs.mkdirSync(blob)
      },
    ],
  ])('something else over an entry whose blob is %s heals it', async (_, harm) => {
    const { entry } = await commit('A')
    harm(store.blobs.path(entry.artifacts[0]!.files![0]!.sha256))
    const healer = await BareStore.open({ folder: dir.path, durability: 'cache' })
    await expect(commit('B', { deterministic: true }, key, healer)).rejects.toThrow(NondeterminismError)
    expect((await commit('B', {}, key, healer)).outcome).toBe('healed')
    expect(await load(store, key)).toBe('B')
    expect(store.events.counts).toMatchObject({ healed: 1 })
    expect(quarantined().filter((name) => name.startsWith('entry-'))).toHaveLength(1)
  })

  test('the same over an entry whose blob is bad heals the blob', async () => {
    const { entry } = await commit('A')
    overwrite(store.blobs.path(entry.artifacts[0]!.files![0]!.sha256), 'X')
    expect((await commit('A')).outcome).toBe('same')
    expect(await load(store, key)).toBe('A')
  })

  test.each<[string, () => string | Uint8Array]>([
    ['nothing', () => ''],
    ['half of it', () => fs.readFileSync(file()).subarray(0, 200)],
    ['zeros', () => Buffer.alloc(700)],
    ['other JSON', () => '{"a":1}\n'],
    ['a wrong hash', () => fs.readFileSync(file(), 'utf8').replace(/"sha256":"./, '"sha256":"_')],
    ['a body that is no entry', () => framed(1, '{"key":"demo/a"}')],
    ['more than 16 MiB', () => Buffer.alloc((16 << 20) + 1, 'x')],
  ])('over %s sets it aside and creates the entry', async (_, make) => {
    await commit('A')
    overwrite(file(), make())
    expect((await commit('B')).outcome).toBe('healed')
    expect(await load(store, key)).toBe('B')
    expect(quarantined()).toEqual([expect.stringMatching(/^entry-[0-9a-f]{32}\.json$/)])
    expect(store.events.counts['entry-damaged']).toBe(1)
  })

  test('over a link sets the link aside, and never writes where it leads', async () => {
    fs.mkdirSync(path.dirname(file()), { recursive: true })
    fs.writeFileSync(dir.join('elsewhere'), 'somebody’s')
    fs.symlinkSync(dir.join('elsewhere'), file())
    expect((await commit('A')).outcome).toBe('healed')
    expect(fs.lstatSync(file()).isFile()).toBe(true)
    expect(fs.readFileSync(dir.join('elsewhere'), 'utf8')).toBe('somebody’s')
  })

  test('over a folder of that name is an error that says so', async () => {
    fs.mkdirSync(file(), { recursive: true })
    await expect(commit('A')).rejects.toThrow(/it is a folder: move it away/)
  })

  test.each([false, true])('over an entry of a newer format leaves it alone, force or not (%s)', async (force) => {
    fs.mkdirSync(path.dirname(file()), { recursive: true })
    fs.writeFileSync(file(), framed(2, '{"anything":"of a later version"}'))
    const before = fs.readFileSync(file())
    expect(await store.lookup(key)).toEqual({ hit: false, reason: 'newer' })
    const { outcome, entry } = await commit('A', { force })
    expect([outcome, entry.artifacts[0]?.files?.[0]?.sha256]).toEqual(['newer', sha256('A')])
    expect((await commit('A', { force })).outcome).toBe('newer')
    expect(fs.readFileSync(file())).toEqual(before)
    expect(store.events.counts['newer-entry']).toBe(1)
    expect(temporariesBelow(dir.path)).toEqual([])
  })

  test('a newer format with a wrong hash is damage like any other', async () => {
    fs.mkdirSync(path.dirname(file()), { recursive: true })
    fs.writeFileSync(file(), framed(2, '{"a":1}').replace('"a":1', '"a":2'))
    expect((await commit('A')).outcome).toBe('healed')
  })

  test.each([false, true])(
    'over another computation is a collision, and nothing is overwritten, force or not (%s)',
    async (force) => {
      const other = someStageKey()
      // By hand, what chance would need 2^40 tries for: the key of a name whose text is that of a stage.
      const collides: Key = { ...nameKey(other.text), text: other.text }
      await commit('stage', {}, other)
      await expect(commit('name', { force }, collides)).rejects.toThrow(KeyCollisionError)
      expect(() => store.readEntry(collides)).toThrow(KeyCollisionError)
      await expect(store.lookup(collides)).rejects.toThrow(/nothing was overwritten/)
      expect(await load(store, other)).toBe('stage')
      expect(temporariesBelow(dir.path)).toEqual([])
    },
  )

  test('a hash that is the same is not enough: the material counts too', async () => {
    await commit('A')
    const forged: Key = { ...key, material: '["curio-name-1","demo/b"]' }
    expect(() => store.readEntry(forged)).toThrow(KeyCollisionError)
  })

  test('by force replaces what is there, whatever it is', async () => {
    await commit('A')
    expect((await commit('B', { force: true })).outcome).toBe('replaced')
    expect(await load(store, key)).toBe('B')
    overwrite(file(), 'garbage')
    expect(['created', 'healed']).toContain((await commit('C', { force: true })).outcome)
    expect(await load(store, key)).toBe('C')
    expect((await commit('D', { force: true }, nameKey('demo/new'))).outcome).toBe('created')
    expect(store.events.counts.replaced).toBe(1)
  })

  test('into a store that was opened read-only is refused', async () => {
    const reader = await BareStore.open({ folder: dir.path, readOnly: true })
    await expect(reader.commit(key, await entryOf(store, key, 'A'))).rejects.toThrow(ReadOnlyError)
  })

  test('an entry of more than 16 MiB is refused before anything is written', async () => {
    const entry = await entryOf(store, key, 'A')
    const before = namesBelow(dir.path)
    await expect(store.commit(key, { ...entry, provenance: { x: 'é'.repeat(9 << 20) } })).rejects.toThrow(
      /more than 16777216 bytes/,
    )
    expect(namesBelow(dir.path)).toEqual(before)
  })
})

describe('a blob that goes away between its put and the entry', () => {
  test('is put again, and the commit is what it was', async () => {
    for (const options of [{}, { force: true }]) {
      const name = nameKey(`demo/${JSON.stringify(options)}`)
      const entry = await entryOf(store, name, 'A')
      await store.blobs.delete(sha256('A'))
      let restored = 0
      const restore = async () => {
        restored += 1
        await store.blobs.put('A')
      }
      expect((await store.commit(name, entry, { ...options, restore })).outcome).toBe('created')
      expect(restored).toBe(1)
      expect(await load(store, name)).toBe('A')
    }
  })

  test('and again does not hold a commit up for ever, nor is it acknowledged', async () => {
    const entry = await entryOf(store, key, 'A')
    await store.blobs.delete(sha256('A'))
    let restored = 0
    const restore = async () => {
      restored += 1
    }
    await expect(store.commit(key, entry, { restore })).rejects.toThrow(StoreIOError)
    expect(restored).toBe(2)
    expect(await store.lookup(key)).toMatchObject({ hit: false, reason: 'incomplete' })
  })

  test('of the entry that was to be kept is healed with mine', async () => {
    await commit('A')
    const entry = await entryOf(store, key, 'B')
    let looks = 0
    const { lstatSync } = fs
    using _ = patchFs({
      lstatSync: ((at: fs.PathLike, options: fs.StatSyncOptions) => {
        // Good when the table was asked; gone when it was looked for once more.
        if (String(at).endsWith(sha256('A')) && ++looks === 2) fs.rmSync(at, { force: true })
        return lstatSync(at, options)
      }) as typeof fs.lstatSync,
    })
    const { outcome } = await store.commit(key, entry, { restore: async () => void (await store.blobs.put('B')) })
    expect(outcome).toBe('healed')
    expect(await load(store, key)).toBe('B')
  })
})

describe('two writers', () => {
  test('of whom one replaces an entry that the other is just setting aside: the newer one is put back', async () => {
    await commit('A')
    overwrite(file(), 'garbage')
    const good = entryText(await entryOf(store, key, 'B'))
    const { renameSync } = fs
    {
      using _ = patchFs({
        renameSync(from, to) {
          if (String(from) === file() && String(to).includes('quarantine')) overwrite(file(), good)
          renameSync(from, to)
        },
      })
      expect(await store.lookup(key)).toMatchObject({ hit: false, reason: 'damaged' })
    }
    expect(await load(store, key)).toBe('B')
    expect(quarantined()).toEqual([])
  })

  test('of whom one tidies empty folders away under the other: the commit succeeds', async () => {
    const { openSync } = fs
    let taken = 0
    using _ = patchFs({
      openSync(at, ...rest) {
        if (String(at).includes('artifacts') && String(at).includes('.tmp-') && taken++ < 3) {
          fs.rmSync(dir.join('artifacts'), { recursive: true, force: true })
        }
        return openSync(at, ...rest)
      },
    })
    expect((await commit('A')).outcome).toBe('created')
    expect(taken).toBeGreaterThan(3)
    expect(await load(store, key)).toBe('A')
  })

  test('of whom one removes entries as fast as the other commits them: an error of the store, after a bounded time', async () => {
    const { linkSync } = fs
    using _ = patchFs({
      linkSync(from, to) {
        if (String(to).endsWith('entry.json')) throw systemError('EEXIST')
        linkSync(from, to)
      },
    })
    await expect(commit('A')).rejects.toThrow(StoreIOError)
    expect(temporariesBelow(dir.path)).toEqual([])
  })

  test('thirty at once with different results: one wins, all others are told', async () => {
    const results = await Promise.all(Array.from({ length: 30 }, (_, i) => commit(`result ${i}`)))
    expect(results.filter(({ outcome }) => outcome === 'created')).toHaveLength(1)
    expect(results.filter(({ outcome }) => outcome === 'kept')).toHaveLength(29)
    expect(new Set(results.map(({ entry }) => entry.artifacts[0]?.digest)).size).toBe(1)
    expect(store.events.counts.nondeterminism).toBe(29)
  })
})

describe('a fault while an entry is committed', () => {
  const names = [
    'openSync',
    'writeSync',
    'fdatasyncSync',
    'closeSync',
    'linkSync',
    'mkdirSync',
    'fsyncSync',
    'renameSync',
    'unlinkSync',
  ] as const

  test.each(['EIO', 'ENOSPC'])(
    '%s at any call: a typed error or a success, never half an entry, and the next try is whole',
    async (code) => {
      let faults = 0
      for (const name of names) {
        for (let nth = 0; ; nth++) {
          await using folder = tempDir()
          const durable = await BareStore.open(folder.path)
          const entry = await entryOf(durable, key, 'A')
          let calls: number
          {
            using fault = failing(name, code, nth)
            try {
              await durable.commit(key, entry)
              expect(await load(durable, key), `${name} ${nth}`).toBe('A')
            } catch (error) {
              faults += 1
              expect(error, `${name} ${nth}`).toBeInstanceOf(StoreIOError)
            }
            calls = fault.calls()
          }
          if (name !== 'unlinkSync') expect(temporariesBelow(folder.path), `${name} ${nth}`).toEqual([])
          expect(['created', 'same']).toContain((await durable.commit(key, entry)).outcome)
          expect(await load(durable, key)).toBe('A')
          if (nth >= calls) break
        }
      }
      expect(faults).toBeGreaterThan(8)
    },
  )

  test('views that cannot be written cost nothing but the views', async () => {
    using _ = failing('symlinkSync', 'EPERM')
    using __ = failing('renameSync', 'EACCES')
    expect((await commit('A')).outcome).toBe('created')
    expect(await load(store, key)).toBe('A')
    expect(fs.readdirSync(store.dirOf('demo/a'))).not.toContain('value.txt')
  })

  test('where nothing can be set aside, what is damaged is replaced', async () => {
    await commit('A')
    overwrite(file(), 'garbage')
    fs.writeFileSync(dir.join('quarantine'), 'a file where the folder should be')
    expect(await store.lookup(key)).toMatchObject({ hit: false, reason: 'damaged' })
    expect((await commit('B')).outcome).toBe('healed')
    expect(await load(store, key)).toBe('B')
  })
})

describe('the durable level', () => {
  const syncs = async (action: (store: BareStore) => Promise<unknown>): Promise<[files: string[], dirs: string[]]> => {
    const durable = await BareStore.open(dir.path)
    const [files, dirs]: [string[], string[]] = [[], []]
    const { fdatasyncSync, fsyncSync } = fs
    const nameOf = (fd: number) => path.relative(dir.path, fs.readlinkSync(`/proc/self/fd/${fd}`)) || '.'
    using _ = patchFs({
      fdatasyncSync(fd) {
        files.push(
          nameOf(fd)
            .replace(/\.tmp-.*/, 'tmp')
            .replace(/[0-9a-f]{64}/, 'blob')
            .replace(/\/..\//, '/xx/'),
        )
        fdatasyncSync(fd)
      },
      fsyncSync(fd) {
        dirs.push(nameOf(fd).replace(/^blobs\/..$/, 'blobs/xx'))
        fsyncSync(fd)
      },
    })
    await action(durable)
    return [files, dirs]
  }

  test.skipIf(process.platform !== 'linux')(
    'syncs every file before its name, and every name up to the store',
    async () => {
      const [files, dirs] = await syncs((durable) => save(durable, 'demo/a', 'A'))
      expect(files).toEqual(['blobs/xx/tmp', 'artifacts/demo/a/tmp'])
      expect(dirs).toEqual(['blobs', '.', 'blobs/xx', 'artifacts/demo/a', 'artifacts/demo', 'artifacts', '.'])
    },
  )

  test.skipIf(process.platform !== 'linux')(
    'syncs what another put without, before it acknowledges the same',
    async () => {
      await save(store, 'demo/a', 'A')
      const [files, dirs] = await syncs((durable) => save(durable, 'demo/a', 'A'))
      expect(files).toEqual(['blobs/xx/blob', 'artifacts/demo/a/tmp', 'artifacts/demo/a/entry.json'])
      expect(dirs).toContain('artifacts/demo')
    },
  )

  test.skipIf(process.platform !== 'linux')('syncs the blobs of an entry it keeps', async () => {
    await save(store, 'demo/a', 'A')
    const [files] = await syncs((durable) => save(durable, 'demo/a', 'B'))
    expect(files).toEqual(['blobs/xx/tmp', 'artifacts/demo/a/tmp', 'artifacts/demo/a/entry.json', 'blobs/xx/blob'])
  })

  test.skipIf(process.platform !== 'linux')('syncs the name of a folder that another made', async () => {
    const durable = await BareStore.open(dir.path)
    await save(durable, 'demo/a', 'A')
    fs.mkdirSync(store.dirOf('demo/b'))
    const [, dirs] = await syncs(() => save(durable, 'demo/b', 'A'))
    expect(dirs).toEqual(['blobs/xx', 'artifacts/demo/b', 'artifacts/demo'])
  })

  test('the other level syncs nothing', async () => {
    using files = failing('fdatasyncSync', 'EIO')
    using dirs = failing('fsyncSync', 'EIO')
    await save(store, 'demo/a', 'A')
    await save(store, 'demo/a', 'B')
    expect([files.calls(), dirs.calls()]).toEqual([0, 0])
  })
})

describe('the folder of a key', () => {
  test('that a view has taken the name of is given to the key', async () => {
    await save(store, 'demo', { 'value.bin': 'main', 'value.d/part-0': 'part' })
    expect(fs.lstatSync(dir.join('artifacts', 'demo', 'value.bin')).isSymbolicLink()).toBe(true)
    await save(store, 'demo/value.bin', 'A')
    await save(store, 'demo/value.d/part-0/x', 'B')
    expect(await load(store, 'demo/value.bin')).toBe('A')
    expect(await load(store, 'demo/value.d/part-0/x')).toBe('B')
    expect(await load(store, 'demo', 'value.bin')).toBe('main')
    await save(store, 'demo', { 'value.bin': 'main', 'value.d/part-0': 'part' })
    expect(await load(store, 'demo/value.bin')).toBe('A')
  })

  test.each<[string, () => void, RegExp]>([
    ['a file of the user’s', () => fs.writeFileSync(dir.join('artifacts', 'x'), ''), /x is not a folder: move it away/],
    [
      'a link to elsewhere',
      () => fs.symlinkSync(dir.join('elsewhere'), dir.join('artifacts', 'x')),
      /someone redirects/,
    ],
    ['a link to nowhere', () => fs.symlinkSync('nowhere', dir.join('artifacts', 'x')), /someone redirects/],
    [
      'a link to what is only called like a blob',
      () => fs.symlinkSync(`/data/blobs/ab/${'ab'.repeat(32)}`, dir.join('artifacts', 'x')),
      /someone redirects/,
    ],
  ])('is not made through %s, at any depth', async (_, plant, reason) => {
    fs.mkdirSync(dir.join('elsewhere'))
    fs.mkdirSync(dir.join('artifacts'))
    plant()
    const before = snapshot(dir.join('artifacts'))
    for (const name of ['x', 'x/y', 'x/y/z']) await expect(save(store, name, 'A')).rejects.toThrow(reason)
    expect(snapshot(dir.join('artifacts'))).toEqual(before)
    expect(fs.readdirSync(dir.join('elsewhere'))).toEqual([])
  })
})

const entryWithMany = async (count: number): Promise<Entry> => {
  const base = await entryOf(store, key, 'A')
  const one = base.artifacts[0]!
  return { ...base, artifacts: Array.from({ length: count }, (_, i) => ({ ...one, name: `out${i}` })) }
}

test('an entry of many artifacts is one file, read once', async () => {
  await store.commit(key, await entryWithMany(50))
  const reader = await BareStore.open({ folder: dir.path, readOnly: true })
  const before = reader.events.counts['entry-read'] ?? 0
  expect((await reader.lookup(key)).hit).toBe(true)
  expect((reader.events.counts['entry-read'] ?? 0) - before).toBe(1)
})

afterEach(() => {
  if (fs.existsSync(dir.path)) expect(temporariesBelow(dir.path)).toEqual([])
})
