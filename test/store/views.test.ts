import * as fs from 'node:fs'
import * as path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { tail } from '../../src/identity/digest.js'
import { nameKey } from '../../src/identity/key.js'
import type { Entry } from '../../src/store/entry.js'
import { leadsTo, sidecarText } from '../../src/store/views.js'
import { artifactOf, BareStore, entryOf, load, save, someStageKey } from '../helpers/stores.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { namesBelow, snapshot } from '../helpers/tree.js'

let dir: TempDir
let store: BareStore
let folder: string

beforeEach(async () => {
  dir = tempDir()
  store = await BareStore.open({ folder: dir.join('store'), durability: 'cache' })
  folder = store.dirOf('demo/a')
  return () => dir[Symbol.asyncDispose]()
})

const link = (name: string) => path.join(folder, name)
const isLink = (file: string) => fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false

describe('after a commit', () => {
  test('the key’s folder holds the entry, a sidecar and a relative link to each file', async () => {
    const { entry } = await save(store, 'demo/a', { 'value.txt': 'A', 'value.d/part.0': 'B', notes: 'C' })
    expect(namesBelow(folder)).toEqual([
      'entry.json',
      'notes',
      'value.d/',
      'value.d/part.0',
      'value.meta.json',
      'value.txt',
    ])
    expect(fs.readFileSync(link('value.txt'), 'utf8')).toBe('A')
    expect(fs.readFileSync(link('value.d/part.0'), 'utf8')).toBe('B')
    expect(fs.readlinkSync(link('value.d/part.0'))).toMatch(/^(\.\.\/){4}blobs\/[0-9a-f]{2}\/[0-9a-f]{64}$/)
    expect(leadsTo(link('value.txt'), store.folder, entry.artifacts[0]!.files![0]!.sha256)).toBe(true)
    const sidecar = JSON.parse(fs.readFileSync(link('value.meta.json'), 'utf8')) as Record<string, unknown>
    expect(sidecar).toMatchObject({ curio: 'sidecar', format: 1, name: 'value', key: 'demo/a', hash: entry.hash })
    expect(sidecar).not.toHaveProperty('artifacts')
  })

  test('the links still lead there when the store is moved', async () => {
    await save(store, 'demo/a', 'A')
    fs.renameSync(store.folder, dir.join('moved'))
    expect(fs.readFileSync(dir.join('moved', 'artifacts', 'demo', 'a', 'value.txt'), 'utf8')).toBe('A')
  })

  test('names with dots, in keys and in extensions, are views like any other', async () => {
    const key = nameKey('demo/v1.0/data.tar')
    const artifact = await artifactOf(store, 'value', { 'value.tar.gz': 'A' })
    await store.commit(key, { ...(await entryOf(store, key, 'x')), artifacts: [artifact] })
    expect(namesBelow(store.dirOf(key.text))).toEqual(['entry.json', 'value.meta.json', 'value.tar.gz'])
    expect(artifact.extension).toBe('.tar.gz')
  })

  test('of an artifact of many files the first hundred have links', async () => {
    const content = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`value.d/${i}`, `${i}`]))
    await save(store, 'demo/a', content)
    expect(fs.readdirSync(link('value.d'))).toHaveLength(100)
  })
})

describe('a view that is', () => {
  let entry: Entry
  beforeEach(async () => {
    entry = (await save(store, 'demo/a', 'A')).entry
  })
  const sidecar = () => fs.readFileSync(link('value.meta.json'), 'utf8')

  test.each<[string, () => void]>([
    ['missing', () => fs.rmSync(link('value.meta.json'))],
    ['empty', () => fs.writeFileSync(link('value.meta.json'), '')],
    ['cut short', () => fs.truncateSync(link('value.meta.json'), 40)],
    ['full of zeros', () => fs.writeFileSync(link('value.meta.json'), Buffer.alloc(500))],
    ['of another entry', () => fs.writeFileSync(link('value.meta.json'), sidecar().replace('demo/a', 'demo/b'))],
    [
      'damaged in its first word',
      () => fs.writeFileSync(link('value.meta.json'), sidecar().replace('"curio"', '"cuqio"')),
    ],
  ])('%s is written again: the sidecar', async (_, harm) => {
    harm()
    await store.refreshViews(entry)
    expect(sidecar()).toBe(sidecarText(entry, entry.artifacts[0]!))
  })

  test('missing or leads elsewhere is written again: the link', async () => {
    fs.rmSync(link('value.txt'))
    await store.refreshViews(entry)
    expect(fs.readFileSync(link('value.txt'), 'utf8')).toBe('A')
    fs.rmSync(link('value.txt'))
    fs.symlinkSync('nowhere', link('value.txt'))
    await store.refreshViews(entry)
    expect(fs.readFileSync(link('value.txt'), 'utf8')).toBe('A')
  })

  test('as it should be is not touched', async () => {
    const before = snapshot(store.folder)
    await store.refreshViews(entry)
    expect(snapshot(store.folder)).toEqual(before)
  })
})

describe('the user’s own file', () => {
  test.each<[string, string, string]>([
    ['of an artifact’s name', 'value.txt', 'mine'],
    ['of a sidecar’s name', 'value.meta.json', '{"name":"mine"}'],
    ['of a sidecar’s name, and no JSON', 'value.meta.json', 'mine: yes\n'],
  ])('%s is never replaced, nor removed with the entry', async (_, name, content) => {
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(link(name), content)
    const { entry } = await save(store, 'demo/a', 'A')
    await store.refreshViews(entry)
    expect(await load(store, 'demo/a')).toBe('A')
    await store.forget('demo/a')
    expect(namesBelow(folder)).toEqual([name])
    expect(fs.readFileSync(link(name), 'utf8')).toBe(content)
  })

  test('and folder beside the views stay when the entry goes', async () => {
    await save(store, 'demo/a', { 'value.d/part': 'A' })
    fs.mkdirSync(link('checkpoints'))
    fs.writeFileSync(link('checkpoints/1'), '')
    fs.writeFileSync(link('value.d/mine'), '')
    await store.forget('demo/a')
    expect(namesBelow(folder)).toEqual(['checkpoints/', 'checkpoints/1', 'value.d/', 'value.d/mine'])
  })

  test('behind a link of the user’s is out of reach', async () => {
    fs.mkdirSync(dir.join('elsewhere'))
    fs.mkdirSync(folder, { recursive: true })
    fs.symlinkSync(dir.join('elsewhere'), link('value.d'))
    const { entry } = await save(store, 'demo/a', { 'value.d/part': 'A' })
    await store.refreshViews(entry)
    expect(fs.readdirSync(dir.join('elsewhere'))).toEqual([])
    await store.forget('demo/a')
    expect(isLink(link('value.d'))).toBe(true)
  })

  test('that took one name costs the other views nothing', async () => {
    fs.mkdirSync(link('value.meta.json'), { recursive: true })
    await save(store, 'demo/a', 'A')
    expect(isLink(link('value.txt'))).toBe(true)
  })
})

describe('a file whose name means something in a key’s folder has no view:', () => {
  test.each([
    'entry.json',
    'Entry.JSON',
    'error.json',
    'items/x',
    'config.yaml',
    'uid.yaml',
    'full-uid.yaml',
    'job',
    'code/x.py',
    'other.meta.json',
    'sub/entry.json',
    'sub/deeper/entry.json',
    'entry.sig',
  ])('%s', async (role) => {
    const names = [...new Set(['value.txt', role])]
    await save(store, 'demo/a', Object.fromEntries(names.map((name) => [name, `of ${name}`])))
    expect(namesBelow(folder).filter((name) => !name.endsWith('/'))).toEqual([
      'entry.json',
      'value.meta.json',
      'value.txt',
    ])
    expect(await load(store, 'demo/a', role)).toBe(`of ${role}`)
    expect((await store.verify()).problems).toEqual([])
    await save(store, 'demo/a/sub', 'below')
    expect(await load(store, 'demo/a/sub')).toBe('below')
  })
})

test('keys that differ only by case have folders of their own, on every system', async () => {
  const names = ['demo/model', 'demo/Model', 'demo/MODEL']
  for (const name of names) await save(store, name, name)
  for (const name of names) expect(await load(store, name)).toBe(name)
  const folders = fs.readdirSync(store.dirOf('demo/model').replace(/model$/, ''))
  expect(new Set(folders.map((name) => name.toLowerCase())).size).toBe(3)
})

describe('the further link that a cacher asked for', () => {
  const withView = async (view: object, key = nameKey('demo/a')) => {
    const entry = await entryOf(store, key, 'A')
    return store.commit(key, { ...entry, artifacts: [{ ...entry.artifacts[0]!, view }] })
  }
  const views = () => namesBelow(path.join(store.folder, 'views')).filter((name) => !name.endsWith('/'))

  test('bears its prefix, the name and the tail of the key, in its folder', async () => {
    await withView({ subdir: '01_raw/flights', prefix: 'us' })
    expect(views()).toEqual([`01_raw/flights/us_value-${tail(nameKey('demo/a').hash)}.txt`])
    const key = someStageKey()
    await withView({ prefix: 'p' }, key)
    expect(views()).toContain(`p_value-${key.text.slice(-16)}.txt`)
    expect(fs.readFileSync(path.join(store.folder, 'views', views()[0]!), 'utf8')).toBe('A')
  })

  test('is one for each key, though keys end alike', async () => {
    for (const name of ['one/the-very-same-end', 'two/the-very-same-end'])
      await withView({ subdir: 'x' }, nameKey(name))
    expect(views()).toHaveLength(2)
  })

  test('cannot leave views/', async () => {
    for (const subdir of ['../../out', '/etc', '..', 'a/../../../out', '.'])
      await withView({ subdir, prefix: '../../x' }, nameKey(`k/${subdir.length}`))
    expect(views()).toHaveLength(5)
    expect(fs.readdirSync(dir.path)).toEqual(['store'])
    expect(fs.readdirSync(store.folder).sort()).toEqual(['artifacts', 'blobs', 'curio.json', 'touch', 'views'])
  })

  test('goes with the entry', async () => {
    await withView({ subdir: 'x', prefix: 'y' })
    expect(views()).toHaveLength(1)
    await store.forget('demo/a')
    expect(views()).toEqual([])
  })
})
