import * as fs from 'node:fs'
import * as path from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { TensorCacher } from '../../cachers/tensor.js'
import { TextCacher } from '../../cachers/text.js'
import { Cacheable, canonical, isLazy, type Lazy, lazy, type Store, stage } from '../../src/index.js'
import { blobFiles, failure, flip, newStore, quiet } from '../experiment/helpers.js'

/** Many files below one folder, and no main one. */
class Tree extends Cacheable<number> {
  save(count: number): void {
    for (let i = 0; i < count; i++) fs.writeFileSync(path.join(this.getDir(), `f${i}`), 'same')
  }
  load(): number {
    return fs.readdirSync(this.getDir()).length
  }
}

let declared = 0
async function handleOf(store: Store, cacher: Parameters<typeof lazy>[0], value: unknown): Promise<Lazy> {
  const make = stage({ outputs: { v: lazy(cacher) }, name: `lazy/${declared++}` }, async () => ({ v: value as never }))
  const record = await (await quiet(store)).run(undefined, [make])
  return record.lazy('v')
}

describe('a handle', () => {
  it('is no promise, so an async function may return it, and it can be printed', async () => {
    const handle = await (async () => handleOf(await newStore(), TextCacher, 'x'))()
    expect('then' in handle).toBe(false)
    expect(isLazy(handle)).toBe(true)
    expect(inspect(handle)).not.toContain('Promise')
    for (const other of [null, undefined, {}, { load() {}, slice() {} }, 'x']) expect(isLazy(other)).toBe(false)
  })

  it('gives a fresh value each time', async () => {
    const handle = await handleOf(await newStore(), TensorCacher, { data: new Int16Array([1, 2]), shape: [2] })
    const [one, two] = [(await handle.load()) as { data: Int16Array }, (await handle.load()) as { data: Int16Array }]
    one.data[0] = 9
    expect(two.data[0]).toBe(1)
  })

  it('stands for its artifact in a canonical text', async () => {
    const store = await newStore()
    const [a, b, c] = [
      await handleOf(store, TextCacher, 'x'),
      await handleOf(store, TextCacher, 'x'),
      await handleOf(store, TextCacher, 'y'),
    ]
    expect(a.digest).toBe(b.digest)
    expect(canonical({ model: a })).toBe(`{"model":Id<"curio/artifact","${a.digest}">}`)
    expect(canonical(a)).toBe(canonical(b))
    expect(canonical(a)).not.toBe(canonical(c))
  })

  it('has a read-only file with the right name for a program, which is the link beside the entry', async () => {
    const store = await newStore()
    const handle = await handleOf(store, TextCacher({ extension: '.svg' }), '<svg/>')
    expect(path.basename(handle.path)).toBe('v.svg')
    expect(handle.path.startsWith(store.folder)).toBe(true)
    expect(fs.readFileSync(handle.path, 'utf8')).toBe('<svg/>')
    expect(fs.statSync(handle.path).mode & 0o222).toBe(0)
    expect(await handle.toPath()).toBe(handle.path)
  })

  it('whose link is missing or was turned elsewhere gives another file with the right bytes', async () => {
    const store = await newStore()
    const handle = await handleOf(store, TextCacher, 'right')
    const view = handle.path
    fs.rmSync(view)
    fs.symlinkSync('/etc/hostname', view)
    expect(handle.path).not.toBe(view)
    expect(fs.readFileSync(handle.path, 'utf8')).toBe('right')
    expect(path.basename(handle.path)).toBe('v.txt')
  })

  it('of a folder of files has the folder as its path', async () => {
    const handle = await handleOf(await newStore(), Tree, 3)
    expect(fs.readdirSync(handle.path).sort()).toEqual(['f0', 'f1', 'f2'])
    expect(await handle.load()).toBe(3)
  })

  it('of more than a thousand files has its list in a blob, and its path by toPath', async () => {
    const store = await newStore()
    const handle = await handleOf(store, Tree, 1001)
    expect(() => handle.path).toThrow(/cannot be handed out as a path at once\n.*toPath/)
    expect(fs.readdirSync(await handle.toPath())).toHaveLength(1001)
    expect(await handle.load()).toBe(1001)
    expect(handle.bytes).toBe(4 * 1001)
  })

  it('whose format cannot be read in part says so', async () => {
    const handle = await handleOf(await newStore(), TextCacher, 'text')
    expect(await failure(handle.slice(0, 1))).toMatchObject({ code: 'ERR_CACHER_LOAD', hint: 'load() it whole' })
  })

  it('of a stage computes its bytes again when they are gone; one of a name cannot, and says so', async () => {
    const store = await newStore()
    const handle = await handleOf(store, TextCacher, 'again')
    const { key } = handle.metadata as { key: string }
    await store.evict(key)
    expect(await handle.load()).toBe('again')
    await store.evict(key)
    expect(fs.readFileSync(await handle.toPath(), 'utf8')).toBe('again')
    flip((await blobFiles(store, key, 'v'))[0]!)
    expect(await Promise.all([handle.load(), handle.load()])).toEqual(['again', 'again'])
    await store.save('name', TextCacher, 'once')
    const named = store.lazy('name')
    await store.evict('name')
    expect(await failure(named.load())).toMatchObject({
      code: 'ERR_NOT_FOUND',
      hint: expect.stringContaining('evicted'),
    })
  })

  it('stops loading when it is told to', async () => {
    const handle = await handleOf(await newStore(), TextCacher, 'x')
    expect((await failure(handle.load(AbortSignal.abort()))).name).toBe('AbortError')
  })
})
