import * as fs from 'node:fs'
import * as path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Digest, sha256 } from '../../src/identity/digest.js'
import { nameKey } from '../../src/identity/key.js'
import { entryText } from '../../src/store/entry.js'
import { patchFs } from '../helpers/faults.js'
import { BareStore, entryOf, load, save, someStageKey } from '../helpers/stores.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { namesBelow, temporariesBelow } from '../helpers/tree.js'

let dir: TempDir
let store: BareStore

beforeEach(async () => {
  dir = tempDir()
  store = await BareStore.open({ folder: dir.path, durability: 'cache' })
  return () => dir[Symbol.asyncDispose]()
})

const keys = async (prefix?: string): Promise<string[]> => {
  const all: string[] = []
  for await (const entry of store.list(prefix === undefined ? {} : { prefix })) all.push(entry.key)
  return all.sort()
}
const has = (content: string) => store.blobs.sizeNow(sha256(content)) !== undefined

describe('a list', () => {
  test('names what starts with a prefix, whole parts or not', async () => {
    const names = ['a', 'ab', 'a/b', 'a/bc', 'a/b/c', 'A/b', 'a b/c', 'z']
    for (const name of names) await save(store, name, name)
    const prefixes = ['', 'a', 'a/', 'a/b', 'a/b/', 'A', 'A/', 'a b/', 'a b', 'zz', 'é/', 'a/b/c', 'a/b/c/']
    for (const prefix of prefixes)
      expect(await keys(prefix)).toEqual(names.filter((name) => name.startsWith(prefix)).sort())
  })

  test('knows keys of stages by their text, and keys below them', async () => {
    const key = someStageKey({ Name: '"Foo"' })
    await store.commit(key, await entryOf(store, key, 'A'))
    await save(store, `${key.text}/below`, 'B')
    expect(key.text).toContain('Name=-Foo-')
    expect(await keys('pkg/train.fit,1/')).toEqual([key.text, `${key.text}/below`])
    expect(await keys(`${key.text}/`)).toEqual([`${key.text}/below`])
    expect(await keys(key.text)).toEqual([key.text, `${key.text}/below`])
  })

  test.each(['/', 'a//', '../', './', '\ud800/', `${'x/'.repeat(600)}`])(
    'of %j is empty, not an error',
    async (prefix) => {
      await save(store, 'a', 'a')
      expect(await keys(prefix)).toEqual([])
    },
  )

  test('passes over what is damaged, newer, a copy of another’s folder, or not curio’s', async () => {
    await save(store, 'good', 'A')
    await save(store, 'bad', 'B')
    fs.rmSync(path.join(store.dirOf('bad'), 'entry.json'))
    fs.writeFileSync(path.join(store.dirOf('bad'), 'entry.json'), 'garbage')
    fs.cpSync(store.dirOf('good'), dir.join('artifacts', 'backup'), { recursive: true, verbatimSymlinks: true })
    fs.mkdirSync(dir.join('artifacts', 'mine', 'entry.json'), { recursive: true })
    fs.writeFileSync(dir.join('artifacts', 'loose'), '')
    fs.symlinkSync(store.dirOf('good'), dir.join('artifacts', 'linked'))
    expect(await keys()).toEqual(['good'])
  })

  test('can be stopped', async () => {
    for (const name of ['a', 'b', 'c']) await save(store, name, name)
    const stop = new AbortController()
    const reading = (async () => {
      for await (const _ of store.list({ signal: stop.signal })) stop.abort()
    })()
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
    for await (const _ of store.list()) break
  })

  test('of an empty store is empty', async () => {
    expect(await keys()).toEqual([])
  })
})

describe('evict', () => {
  test('deletes the bytes and keeps the entry: the next look-up is a miss, and a new commit brings them back', async () => {
    await save(store, 'a', { 'value.txt': 'A', more: 'AA' })
    expect(await store.evict('a')).toBe(3)
    expect([has('A'), has('AA')]).toEqual([false, false])
    expect(await store.lookup('a')).toMatchObject({ hit: false, reason: 'incomplete', entry: { key: 'a' } })
    expect(await keys()).toEqual(['a'])
    expect(await store.evict('a')).toBe(0)
    expect((await save(store, 'a', { 'value.txt': 'A', more: 'AA' })).outcome).toBe('same')
    expect(await load(store, 'a')).toBe('A')
  })

  test('leaves what another entry needs', async () => {
    await save(store, 'a', { 'value.txt': 'own', shared: 'both' })
    await save(store, 'b', { 'value.txt': 'both' })
    expect(await store.evict('a')).toBe(3)
    expect(await load(store, 'b')).toBe('both')
  })

  test('leaves what an entry of a later version, a misplaced one, or one that cannot be read may need', async () => {
    const body = JSON.stringify({ later: { blobs: [sha256('newer')] } })
    const plant = (name: string, text: string) => {
      fs.mkdirSync(store.dirOf(name), { recursive: true })
      fs.writeFileSync(path.join(store.dirOf(name), 'entry.json'), text)
    }
    plant('newer', `{"curio":"entry","format":2,"sha256":"${sha256(`2:${body}`)}","entry":${body}}\n`)
    plant('damaged', `half an entry with ${sha256('damaged')} in i`)
    await save(store, 'a', { 'value.txt': 'gone', 1: 'newer', 2: 'damaged', 3: 'misplaced' })
    await save(store, 'b', 'misplaced')
    fs.renameSync(store.dirOf('b'), dir.join('artifacts', 'moved'))
    expect(await store.evict('a')).toBe(4)
    expect(['gone', 'newer', 'damaged', 'misplaced'].map(has)).toEqual([false, true, true, true])
  })

  test('counts the list of a long list of files too', async () => {
    const entry = await entryOf(store, nameKey('long'), 'A')
    const { files, ...artifact } = entry.artifacts[0]!
    const list = await store.blobs.put(JSON.stringify(files))
    await store.commit(nameKey('long'), {
      ...entry,
      artifacts: [{ ...artifact, list: { bytes: list.bytes, sha256: list.sha256 } }],
    })
    expect((await store.lookup('long')).hit).toBe(true)
    await save(store, 'other', 'B')
    expect(await store.evict('other')).toBe(1)
    expect(has('A')).toBe(true)
    expect(await store.evict('long')).toBe(1 + list.bytes)
    expect(await store.lookup('long')).toMatchObject({ hit: false, reason: 'incomplete' })
  })

  test('of what is not there is undefined', async () => {
    expect(await store.evict('nothing')).toBeUndefined()
    expect(await store.forget('nothing')).toBeUndefined()
  })

  test('beside a writer that committed the same bytes between its look and its deletion: they stay', async () => {
    await save(store, 'a', 'shared')
    const { renameSync } = fs
    const text = entryText(await entryOf(store, nameKey('b'), 'shared'))
    let committed = false
    using _ = patchFs({
      renameSync(from, to) {
        // The writer put its blob long ago, linked its entry and found the blob there. Then it is taken out of sight.
        if (String(from).endsWith(sha256('shared')) && !committed) {
          committed = true
          fs.mkdirSync(store.dirOf('b'))
          fs.writeFileSync(path.join(store.dirOf('b'), 'entry.json'), text)
        }
        renameSync(from, to)
      },
    })
    expect(await store.evict('a')).toBe(0)
    expect(committed).toBe(true)
    expect(await load(store, 'b')).toBe('shared')
  })

  test('beside a writer that commits the same bytes after its second look: the writer puts them again', async () => {
    await save(store, 'a', 'shared')
    const entry = await entryOf(store, nameKey('b'), 'shared')
    const { unlinkSync } = fs
    let committed: Promise<unknown> | undefined
    {
      using _ = patchFs({
        unlinkSync(file) {
          if (committed === undefined && String(file).includes(`blobs${path.sep}`)) {
            const restore = async () => void (await store.blobs.put('shared'))
            committed = store.commit(nameKey('b'), entry, { restore })
          }
          unlinkSync(file)
        },
      })
      expect(await store.evict('a')).toBe(6)
      await committed
    }
    expect(await load(store, 'b')).toBe('shared')
  })

  test('while others put and commit what is being evicted loses nothing that was acknowledged', async () => {
    const writer = await BareStore.open({ folder: dir.path, durability: 'cache' })
    let writing = true
    const acked: string[] = []
    const writes = (async () => {
      for (let i = 0; i < 150; i++) {
        const key = nameKey(`w/${i}`)
        const content = `shared ${i % 3}`
        const restore = async () => void (await writer.blobs.put(content))
        await writer.commit(key, await entryOf(writer, key, content), { restore })
        acked.push(key.text)
      }
      writing = false
    })()
    for (let i = 0; writing; i++) {
      await save(store, `e/${i}`, `shared ${i % 3}`)
      await store[i % 2 === 0 ? 'evict' : 'forget'](`e/${i}`)
    }
    await writes
    for (const [i, key] of acked.entries()) expect(await load(store, key)).toBe(`shared ${i % 3}`)
    expect(temporariesBelow(dir.path)).toEqual([])
  })
})

describe('forget', () => {
  test('touches nothing behind a link that someone put on the way', async () => {
    await save(store, 'real/a', 'A')
    fs.renameSync(dir.join('artifacts', 'real'), dir.join('elsewhere'))
    fs.symlinkSync(dir.join('elsewhere'), dir.join('artifacts', 'real'))
    await expect(store.forget('real/a')).rejects.toThrow(/a folder on the way is a link/)
    expect(fs.existsSync(dir.join('elsewhere', 'a', 'entry.json'))).toBe(true)
  })

  test('removes the entry, its views, its bytes and the folders that are empty then', async () => {
    await save(store, 'demo/deep/a', { 'value.txt': 'A', 'value.d/x': 'B' })
    await save(store, 'demo/b', 'C')
    expect(await store.forget('demo/deep/a')).toBe(2)
    expect(namesBelow(dir.join('artifacts'))).toEqual([
      'demo/',
      'demo/b/',
      'demo/b/entry.json',
      'demo/b/value.meta.json',
      'demo/b/value.txt',
    ])
    expect(await store.lookup('demo/deep/a')).toEqual({ hit: false, reason: 'absent' })
    expect(await load(store, 'demo/b')).toBe('C')
  })

  test('leaves the keys below it', async () => {
    await save(store, 'demo', 'A')
    await save(store, 'demo/below', 'B')
    await store.forget('demo')
    expect(await load(store, 'demo/below')).toBe('B')
  })

  test('of many costs one look at the store, and keeps what others need', async () => {
    for (let i = 0; i < 10; i++) await save(store, `many/${i}`, { 'value.txt': `${i}`, x: 'of all' })
    await save(store, 'other', 'of all')
    const names = Array.from({ length: 10 }, (_, i) => `many/${i}`)
    const entries = []
    for await (const entry of store.list({ prefix: 'many/' })) entries.push(entry)
    expect((await store.onlyNeededBy(entries)).size).toBe(10)
    expect(await store.evictMany([...names, 'nothing'])).toBe(10)
    expect(await store.forgetMany(names)).toBe(0)
    expect(await keys()).toEqual(['other'])
    expect(await load(store, 'other')).toBe('of all')
    expect(await store.forgetMany(['other'])).toBe(6)
  })
})

test('a list of 400 entries takes little time and memory', async () => {
  const entry = await entryOf(store, nameKey('x'), 'A')
  for (let i = 0; i < 400; i++) {
    const key = nameKey(`many/${i % 50}/${i}`)
    const at = store.dirOf(key.text)
    fs.mkdirSync(at, { recursive: true })
    fs.writeFileSync(
      path.join(at, 'entry.json'),
      entryText({ ...entry, key: key.text, hash: key.hash, material: key.material }),
    )
  }
  const before = process.memoryUsage().heapUsed
  const started = performance.now()
  let count = 0
  for await (const _ of store.list()) count += 1
  const ms = performance.now() - started
  console.log(
    `list: ${count} entries in ${ms.toFixed(0)} ms, ${((process.memoryUsage().heapUsed - before) / 2 ** 20).toFixed(0)} MiB`,
  )
  expect(count).toBe(400)
  expect(ms).toBeLessThan(5000)
})

test('a digest that is none never becomes part of a path', async () => {
  const bad = '../../../../tmp/x' as Digest
  expect(() => store.blobs.path(bad)).toThrow(/no SHA-256 digest/)
  expect(() => store.blobs.sizeNow(bad)).toThrow(/no SHA-256 digest/)
  expect(() => store.blobs.hide(bad)).toThrow(/no SHA-256 digest/)
})
