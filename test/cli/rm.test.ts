import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TextCacher } from '../../cachers/text.js'
import { Store } from '../../src/artifact/store.js'
import { commitStage, Place } from './helpers.js'

let place: Place
let store: Store
beforeEach(async () => {
  place = new Place()
  store = await place.open()
  await store.save('demo/a', TextCacher, 'only a')
  await store.save('demo/b', TextCacher, 'shared')
  await store.save('demo2/c', TextCacher, 'shared')
})
afterEach(() => {
  vi.restoreAllMocks()
  place.remove()
})

async function keys(): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of store.list()) found.push(key)
  return found.sort()
}

describe('curio rm', () => {
  it('elsewhere than on a terminal needs --yes: without it it says what would go, exits with 2 and changes nothing', async () => {
    const ran = await place.curio('rm', 'demo/a')
    expect(ran).toMatchObject({ code: 2, out: 'would remove 1 entry, which frees 6 B\n       6 B  demo/a\n' })
    expect(ran.err).toContain('nothing was removed: 1 entry and 6 B would go\n  → add --yes')
    expect(await keys()).toEqual(['demo/a', 'demo/b', 'demo2/c'])
    expect(JSON.parse((await place.curio('rm', 'demo/a', '--json')).err)).toMatchObject({ exitCode: 2 })
  })

  it('on a terminal removes one entry at once, and more only with --yes', async () => {
    expect((await place.curioWith({ tty: true }, 'rm', 'demo/')).code).toBe(2)
    expect((await place.curioWith({ tty: true }, 'rm', 'demo/a')).code).toBe(0)
    expect(await keys()).toEqual(['demo/b', 'demo2/c'])
  })

  it('removes the entry, its views, its folder and the bytes only it needs', async () => {
    const a = await store.entry('demo/a')
    const b = await store.entry('demo/b')
    expect(await place.curio('rm', 'demo/a', '--yes')).toMatchObject({
      code: 0,
      out: expect.stringContaining('6 B freed'),
    })
    expect(fs.existsSync(store.dirOf('demo/a'))).toBe(false)
    expect(fs.existsSync(store.blobs.path(a!.artifacts[0]!.files![0]!.sha256))).toBe(false)
    const shared = await place.curio('rm', 'demo/b', '--yes')
    expect(shared.out).toContain('which frees 0 B')
    expect(fs.existsSync(store.blobs.path(b!.artifacts[0]!.files![0]!.sha256))).toBe(true)
    expect(await store.load('demo2/c')).toBe('shared')
    expect((await place.curio('verify')).code).toBe(0)
  })

  it('a prefix ends in / or *; bytes that only the entries under it share go too', async () => {
    const below = await place.curio('rm', 'demo/', '--yes')
    expect(below).toMatchObject({ code: 0, out: expect.stringContaining('removing 2 entries, which frees 6 B') })
    expect(await keys()).toEqual(['demo2/c'])
    await store.save('demo/b', TextCacher, 'shared')
    expect((await place.curio('rm', 'demo*', '--yes')).out).toContain('removing 2 entries, which frees 6 B')
    expect(await keys()).toEqual([])
    expect(fs.readdirSync(path.join(place.folder, 'artifacts'))).toEqual([])
  })

  it('a key that is none, but has keys below it, is not taken for a prefix', async () => {
    const ran = await place.curio('rm', 'demo', '--yes')
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('2 keys lie below it: to remove them, write demo/')
    expect((await place.curio('rm', 'emo/a', '--yes')).code).toBe(1)
    expect((await place.curio('rm', 'nope*', '--yes')).code).toBe(1)
    expect((await place.curio('rm', '/', '--yes')).code).toBe(1)
    expect((await place.curio('rm', '', '--yes')).code).toBe(2)
    expect(await keys()).toHaveLength(3)
  })

  it('--evict frees the bytes and keeps the entries', async () => {
    const { out } = await place.curio('rm', 'demo*', '--evict', '--yes')
    expect(out).toContain('evicting the bytes of 3 entries, which frees 12 B')
    expect(out).toContain('12 B freed')
    expect(await keys()).toHaveLength(3)
    expect(await store.has('demo/a')).toBe(false)
  })

  it('leaves files of the user’s own, says so, and removes them with --all', async () => {
    const dir = store.dirOf('demo/a')
    const outside = path.join(place.dir, 'outside')
    fs.mkdirSync(outside)
    fs.writeFileSync(path.join(outside, 'precious'), 'x')
    fs.mkdirSync(path.join(dir, 'checkpoints/empty'), { recursive: true })
    fs.writeFileSync(path.join(dir, 'checkpoints/1.pt'), 'weights')
    fs.symlinkSync(outside, path.join(dir, 'elsewhere'))
    const first = await place.curio('rm', 'demo/a', '--yes')
    expect(first.out).toMatch(/2 files of your own \(\S+ B\) in their folders stay; --all removes them too/)
    expect(fs.readdirSync(dir).sort()).toEqual(['checkpoints', 'elsewhere'])
    await store.save('demo/a', TextCacher, 'only a')
    await store.save('demo/a/below', TextCacher, 'a key of its own')
    const second = await place.curio('rm', 'demo/a', '--all', '--yes')
    expect(second.out).toContain('  demo/a/checkpoints/1.pt\n  demo/a/elsewhere\n')
    expect(fs.readdirSync(dir)).toEqual(['below'])
    expect(fs.readFileSync(path.join(outside, 'precious'), 'utf8')).toBe('x')
    expect(await store.load('demo/a/below')).toBe('a key of its own')
  })

  it('never goes through a folder on the way that is a link', async () => {
    const outside = path.join(place.dir, 'outside')
    fs.renameSync(path.join(place.folder, 'artifacts/demo'), outside)
    fs.writeFileSync(path.join(outside, 'a/precious'), 'x')
    fs.symlinkSync(outside, path.join(place.folder, 'artifacts/demo'))
    for (const text of ['demo/', 'demo/a']) {
      const ran = await place.curio('rm', text, '--all', '--yes')
      expect(ran).toMatchObject({ code: 3, err: expect.stringContaining('a folder on the way is a link') })
    }
    await place.curio('rm', '*', '--all', '--yes')
    expect(fs.readFileSync(path.join(outside, 'a/precious'), 'utf8')).toBe('x')
    expect(fs.existsSync(path.join(outside, 'a/entry.json'))).toBe(true)
  })

  it('--dry-run only says what would be done', async () => {
    const ran = await place.curio('rm', 'demo*', '--dry-run')
    expect(ran).toMatchObject({ code: 0, err: '' })
    expect(ran.out).toContain('would remove 3 entries, which frees 12 B')
    expect(await keys()).toHaveLength(3)
    expect(JSON.parse((await place.curio('rm', 'demo*', '--dry-run', '--json')).out)).toEqual({
      store: place.folder,
      keys: ['demo/a', 'demo/b', 'demo2/c'],
      evict: false,
      bytes: 12,
      yours: { files: 0, bytes: 0, removed: false },
      done: false,
    })
  })

  it('keeps what an entry needs that this version cannot read', async () => {
    const entry = await store.entry('demo2/c')
    const file = path.join(store.dirOf('demo2/c'), 'entry.json')
    const digest = entry!.artifacts[0]!.files![0]!.sha256
    fs.chmodSync(file, 0o600)
    fs.writeFileSync(file, `{"some":"later format","sha256":"${digest}"}\n`)
    await place.curio('rm', 'demo/b', '--yes')
    expect(fs.existsSync(store.blobs.path(digest))).toBe(true)
  })

  it('reads the store’s entries a few times, however many go', async () => {
    for (let i = 0; i < 40; i++)
      await commitStage(store, { params: { i }, outputs: { x: [new TextCacher(), `text ${i}`] } })
    const passes = vi.spyOn(Store.prototype, 'entryDirs')
    expect((await place.curio('rm', 'train,1/', '--yes')).out).toContain('40 entries')
    expect(passes.mock.calls.length).toBeLessThanOrEqual(6)
    expect(await keys()).toHaveLength(3)
  })
})
