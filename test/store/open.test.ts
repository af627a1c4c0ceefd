import * as fs from 'node:fs'
import { describe, expect, test } from 'vitest'
import { StoreOpenError } from '../../src/errors.js'
import { startChild } from '../helpers/child.js'
import { patchFs } from '../helpers/faults.js'
import { BareStore, load, save } from '../helpers/stores.js'
import { tempDir } from '../helpers/temp.js'
import { namesBelow, snapshot } from '../helpers/tree.js'

const child = new URL('./child.ts', import.meta.url)
const marker = '{"format":1,"digest":"sha256","id":"00000000-0000-4000-8000-000000000000","features":[]}\n'

async function refused(options: Parameters<typeof BareStore.open>[0]): Promise<StoreOpenError> {
  try {
    await BareStore.open(options)
  } catch (error) {
    expect(error).toBeInstanceOf(StoreOpenError)
    return error as StoreOpenError
  }
  return expect.fail('it was opened')
}

describe('a folder', () => {
  test('that is absent is made a store', async () => {
    await using dir = tempDir()
    const store = await BareStore.open(dir.join('new'))
    expect(store.folder).toBe(dir.join('new'))
    expect(namesBelow(store.folder)).toEqual(['curio.json'])
    expect(fs.readFileSync(dir.join('new', 'curio.json'), 'utf8')).toBe(
      `{"format":1,"digest":"sha256","id":"${store.id}","features":[]}\n`,
    )
    expect(store.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  test('that is empty is made a store', async () => {
    await using dir = tempDir()
    await BareStore.open(dir.path)
    expect(namesBelow(dir.path)).toEqual(['curio.json'])
  })

  test('that is a store stays as it is, whoever opens it', async () => {
    await using dir = tempDir()
    const { id } = await BareStore.open(dir.path)
    const before = snapshot(dir.path)
    for (const options of [{}, { durability: 'cache' }, { create: true }, { readOnly: true }] as const) {
      expect((await BareStore.open({ folder: dir.path, ...options })).id).toBe(id)
    }
    expect(snapshot(dir.path)).toEqual(before)
  })

  test('that is reached by a link is the same store', async () => {
    await using dir = tempDir()
    const { id } = await BareStore.open(dir.join('real'))
    fs.symlinkSync('real', dir.join('link'))
    const store = await BareStore.open(dir.join('link'))
    expect([store.id, store.folder]).toEqual([id, dir.join('real')])
  })

  test('that holds something else is refused, with two ways out', async () => {
    await using dir = tempDir()
    for (const name of ['a.txt', 'b.txt', 'c.txt', 'd.txt']) fs.writeFileSync(dir.join(name), '')
    const before = snapshot(dir.path)
    const error = await refused(dir.path)
    expect(error.message).toContain('a.txt, b.txt, c.txt, …')
    expect(error.hint).toContain(dir.join('.curio'))
    expect(error.hint).toContain('{ create: true }')
    expect(snapshot(dir.path)).toEqual(before)
    await BareStore.open({ folder: dir.path, create: true })
    expect(fs.readdirSync(dir.path).sort()).toEqual(['a.txt', 'b.txt', 'c.txt', 'curio.json', 'd.txt'])
    await BareStore.open(dir.path)
  })

  test('that holds nothing but what a killed creator left is empty', async () => {
    await using dir = tempDir()
    fs.writeFileSync(dir.join('.tmp-host-1-00000000-00000000000000000000000000000000'), '{"form')
    await BareStore.open(dir.path)
  })

  test('whose parent is missing is refused, and the parent not made', async () => {
    await using dir = tempDir()
    expect((await refused(dir.join('a', 'b'))).message).toContain(`its parent ${dir.join('a')} does not exist`)
    expect(fs.readdirSync(dir.path)).toEqual([])
  })

  test('that is a file, or lies below one, or is a link to nowhere, is refused', async () => {
    await using dir = tempDir()
    fs.writeFileSync(dir.join('file'), '')
    fs.symlinkSync('nowhere', dir.join('link'))
    expect((await refused(dir.join('file'))).message).toContain('it is a file')
    expect((await refused(dir.join('link'))).message).toContain('leads nowhere')
    await expect(BareStore.open(dir.join('file', 'below'))).rejects.toMatchObject({
      code: 'ERR_STORE_IO',
      errno: 'ENOTDIR',
    })
    expect(fs.readdirSync(dir.path).sort()).toEqual(['file', 'link'])
  })
})

describe('curio.json', () => {
  test.each<[string, string, string, string]>([
    [
      'a newer format',
      marker.replace('1', '2'),
      'format 2; this version of curio knows format 1',
      'newer version of curio',
    ],
    ['a newer format of another shape', '{"format":3}', 'format 3', 'newer version of curio'],
    ['another digest', marker.replace('sha256', 'blake3'), 'digest "blake3"', ''],
    ['an unknown feature', marker.replace('[]', '["packs"]'), 'it uses packs', 'newer version of curio'],
    ['features of no kind', marker.replace('[]', '7'), '(unreadable)', ''],
    ['no format', '{}', 'is damaged', 'restore it'],
    ['a format that is none', marker.replace('1', '"1"'), 'is damaged', 'restore it'],
    ['format 0', marker.replace('1', '0'), 'is damaged', 'restore it'],
    ['no id', '{"format":1,"digest":"sha256","features":[]}', 'is damaged', 'restore it'],
    ['half of it', marker.slice(0, 30), 'is damaged', 'restore it'],
    ['nothing in it', '', 'is damaged', 'restore it'],
    ['null', 'null', 'is damaged', 'restore it'],
    ['a list', '[1]', 'is damaged', 'restore it'],
    ['zeros', '\0'.repeat(80), 'is damaged', 'restore it'],
  ])('with %s is refused, and nothing is changed', async (_, text, reason, hint) => {
    await using dir = tempDir()
    fs.writeFileSync(dir.join('curio.json'), text)
    const before = snapshot(dir.path)
    for (const options of [{}, { create: true }, { readOnly: true }]) {
      const error = await refused({ folder: dir.path, ...options })
      expect(error.message).toContain(reason)
      expect(error.hint ?? '').toContain(hint)
    }
    expect(snapshot(dir.path)).toEqual(before)
  })

  test('that is a folder or a link is refused', async () => {
    await using dir = tempDir()
    fs.mkdirSync(dir.join('a', 'curio.json'), { recursive: true })
    expect((await refused(dir.join('a'))).message).toContain('curio.json is not a regular file')
    fs.mkdirSync(dir.join('b'))
    fs.writeFileSync(dir.join('elsewhere'), marker)
    fs.symlinkSync('../elsewhere', dir.join('b', 'curio.json'))
    expect((await refused(dir.join('b'))).message).toContain('curio.json is not a regular file')
  })

  test('as docs/format.md has it, with fields of later versions, is accepted', async () => {
    await using dir = tempDir()
    fs.writeFileSync(dir.join('curio.json'), marker.replace('}', ',"more":{"a":1}}'))
    expect((await BareStore.open(dir.path)).id).toBe('00000000-0000-4000-8000-000000000000')
  })

  test('is not all: a name in features/ counts too, half-made ones do not', async () => {
    await using dir = tempDir()
    await BareStore.open(dir.path)
    fs.mkdirSync(dir.join('features'))
    fs.writeFileSync(dir.join('features', '.tmp-host-1-00000000-00'), '')
    await BareStore.open(dir.path)
    fs.writeFileSync(dir.join('features', 'segments'), '')
    expect((await refused(dir.path)).message).toContain('it uses segments')
  })
})

describe('read-only', () => {
  test('an absent or empty folder is refused, and stays so', async () => {
    await using dir = tempDir()
    expect((await refused({ folder: dir.join('new'), readOnly: true })).message).toContain('readOnly creates nothing')
    expect((await refused({ folder: dir.path, readOnly: true })).message).toContain('readOnly creates nothing')
    expect((await refused({ folder: dir.path, readOnly: true, create: true })).message).toContain(
      'readOnly creates nothing',
    )
    expect(fs.readdirSync(dir.path)).toEqual([])
  })

  test('opening, reading, listing, verifying and missing write nothing at all', async () => {
    await using dir = tempDir()
    const writer = await BareStore.open(dir.path)
    await save(writer, 'demo/a', 'A')
    await save(writer, 'demo/b', 'B')
    fs.rmSync(`${writer.dirOf('demo/b')}/value.txt`)
    fs.writeFileSync(`${writer.dirOf('demo/b')}/entry.json`, 'damaged')
    const before = snapshot(dir.path)
    const store = await BareStore.open({ folder: dir.path, readOnly: true })
    expect(await load(store, 'demo/a')).toBe('A')
    expect(await load(store, 'demo/b')).toBeUndefined()
    expect(await load(store, 'demo/c')).toBeUndefined()
    for await (const entry of store.list()) await store.refreshViews(entry)
    const { problems } = await store.verify({ repair: true })
    expect(problems.map((problem) => [problem.kind, problem.repaired])).toEqual([['entry-damaged', false]])
    await expect(save(store, 'demo/d', 'D')).rejects.toMatchObject({ code: 'ERR_READ_ONLY' })
    await expect(store.evict('demo/a')).rejects.toMatchObject({ code: 'ERR_READ_ONLY' })
    await expect(store.forget('demo/a')).rejects.toMatchObject({ code: 'ERR_READ_ONLY' })
    expect(snapshot(dir.path)).toEqual(before)
  })
})

describe('a folder that anyone may write to', () => {
  test('is refused unless it is trusted, or sticky', async () => {
    await using dir = tempDir()
    fs.mkdirSync(dir.join('store'))
    fs.chmodSync(dir.join('store'), 0o777)
    const error = await refused(dir.join('store'))
    expect(error.message).toContain('mode 777')
    expect(error.hint).toContain(`chmod o-w ${dir.join('store')}`)
    expect(error.hint).toContain('trustWorldWritable')
    expect(fs.readdirSync(dir.join('store'))).toEqual([])
    await BareStore.open({ folder: dir.join('store'), trustWorldWritable: true })
    await refused(dir.join('store'))
    await refused({ folder: dir.join('store'), readOnly: true })
    fs.chmodSync(dir.join('store'), 0o1777)
    await BareStore.open(dir.join('store'))
  })

  test('and is trusted gives its rights to the folders in it, for other users to go on', async () => {
    await using dir = tempDir()
    fs.mkdirSync(dir.join('store'))
    fs.chmodSync(dir.join('store'), 0o777)
    const store = await BareStore.open({ folder: dir.join('store'), trustWorldWritable: true })
    await save(store, 'demo/a', 'A')
    for (const name of ['blobs', 'artifacts', 'artifacts/demo', 'artifacts/demo/a']) {
      expect((fs.statSync(dir.join('store', name)).mode & 0o7777).toString(8)).toBe('777')
    }
  })
})

describe('rights', () => {
  test.each<[number, number, string, string]>([
    [0o755, 0o022, '755', '444'],
    [0o755, 0o077, '755', '444'],
    [0o755, 0o000, '755', '444'],
    [0o700, 0o000, '700', '400'],
    [0o750, 0o022, '750', '440'],
    [0o770, 0o077, '770', '440'],
    [0o2775, 0o022, '2775', '444'],
    [0o2770, 0o077, '2770', '440'],
    [0o1777, 0o022, '775', '444'],
  ])('of a store in a folder of mode %o are the folder’s, with umask %o', async (mode, umask, dirs, files) => {
    await using dir = tempDir()
    fs.mkdirSync(dir.join('store'))
    fs.chmodSync(dir.join('store'), mode)
    const before = process.umask(umask)
    try {
      const store = await BareStore.open(dir.join('store'))
      await save(store, 'demo/a', { 'value.bin': 'A', 'value/more': 'B' })
    } finally {
      process.umask(before)
    }
    for (const name of namesBelow(dir.join('store'))) {
      const stat = fs.lstatSync(dir.join('store', name))
      if (stat.isSymbolicLink()) continue
      const wanted = stat.isDirectory() ? dirs : name.endsWith('.meta.json') ? `6${files.slice(1)}` : files
      expect(`${name} ${(stat.mode & 0o7777).toString(8)}`).toBe(`${name} ${wanted}`)
    }
  })

  test('of a new store are the umask’s, but never anybody’s; a group’s parent passes its bit on', async () => {
    await using dir = tempDir()
    const before = process.umask(0)
    try {
      await BareStore.open(dir.join('open'))
      fs.mkdirSync(dir.join('group'))
      fs.chmodSync(dir.join('group'), 0o2775)
      await BareStore.open(dir.join('group', 'store'))
      process.umask(0o077)
      await BareStore.open(dir.join('private'))
    } finally {
      process.umask(before)
    }
    const modes = ['open', 'group/store', 'private'].map((name) =>
      (fs.statSync(dir.join(name)).mode & 0o7777).toString(8),
    )
    expect(modes).toEqual(['775', '2775', '700'])
  })
})

test('of five creators at once one creates, and all open the same store', async () => {
  await using dir = tempDir()
  const children = Array.from({ length: 5 }, () => startChild(child, ['open', dir.join('store'), dir.join('go')]))
  await Promise.all(children.map((one) => one.says('ready')))
  fs.writeFileSync(dir.join('go'), '')
  const ids = await Promise.all(children.map((one) => one.says('id ')))
  expect(new Set(ids).size).toBe(1)
  expect(namesBelow(dir.join('store'))).toEqual(['curio.json'])
})

test('a folder that another creator makes between two looks at it is opened like any other', async () => {
  await using dir = tempDir()
  const folder = dir.join('store')
  const real = fs.lstatSync
  const lstatSync = ((file: fs.PathLike, options: fs.StatSyncOptions) => {
    if (file === folder && !fs.existsSync(folder)) fs.mkdirSync(folder)
    return real(file, options)
  }) as typeof fs.lstatSync
  using _ = patchFs({ lstatSync })
  expect((await BareStore.open(folder)).folder).toBe(folder)
})

test('options that do not exist are refused, with the nearest that does', async () => {
  await using dir = tempDir()
  const open = (options: object) => BareStore.open({ folder: dir.join('store'), ...options })
  await expect(open({ readonly: true })).rejects.toMatchObject({ hint: 'did you mean readOnly?' })
  await expect(open({ durability: 'artefact' })).rejects.toThrow(/durability "artefact" is unknown/)
  await expect(BareStore.open('')).rejects.toThrow(/needs a folder/)
  expect(fs.existsSync(dir.join('store'))).toBe(false)
})
