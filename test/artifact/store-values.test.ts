import * as fs from 'node:fs'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { BytesCacher } from '../../cachers/bytes.js'
import { JsonCacher } from '../../cachers/json.js'
import { TensorCacher } from '../../cachers/tensor.js'
import { TextCacher } from '../../cachers/text.js'
import { CurioError, type Lazy, NondeterminismError, registerCacher, Store } from '../../src/index.js'
import { child, failure, listing, NumberCacher, newStore, program, tempDir } from '../experiment/helpers.js'

describe('store.save', () => {
  it('stores a value under a name, and says what it is', async () => {
    const store = await newStore()
    const saved = await store.save('demo/seed=1/metrics', JsonCacher, { accuracy: 0.93 })
    expect(saved).toMatchObject({
      key: 'demo/seed=1/metrics',
      bytes: 23,
      outcome: 'created',
      files: [{ role: 'value.json', bytes: 23 }],
    })
    expect(saved.metadata).toMatchObject({ curio: 'sidecar', name: 'value', cacher: 'json', digest: saved.digest })
    expect(await store.load('demo/seed=1/metrics')).toEqual({ accuracy: 0.93 })
    expect(fs.readFileSync(`${store.dirOf('demo/seed=1/metrics')}/value.json`, 'utf8')).toBe(
      '{\n  "accuracy": 0.93\n}\n',
    )
  })

  it('keeps the first value of a name, replaces it by force, and refuses another when it must be deterministic', async () => {
    const store = await newStore()
    await store.save('n', new NumberCacher(), 1)
    expect((await store.save('n', NumberCacher, 1)).outcome).toBe('same')
    const kept = await store.save('n', NumberCacher, 2)
    expect([kept.outcome, await store.load('n', NumberCacher)]).toEqual(['kept', 1])
    expect(await failure(store.save('n', NumberCacher, 2, { deterministic: true }))).toBeInstanceOf(NondeterminismError)
    expect((await store.save('n', NumberCacher, 2, { mode: 'force' })).outcome).toBe('replaced')
    expect(await store.load('n', NumberCacher)).toBe(2)
  })

  it('a name may be kept by another cacher later only by force', async () => {
    const store = await newStore()
    await store.save('v', TextCacher, 'text')
    expect((await store.save('v', JsonCacher, 'text')).outcome).toBe('kept')
    expect((await failure(store.load('v', JsonCacher))).message).toContain('was saved by text, not by json')
    await store.save('v', JsonCacher, 'text', { mode: 'force' })
    expect(await store.load('v', JsonCacher)).toBe('text')
  })

  it('refuses names that are none, and an unknown option of opening', async () => {
    const store = await newStore()
    for (const name of ['', '..', 'a/../b', '/a', 'a//b', 'a/', '\ud800']) {
      expect(await failure(store.save(name, TextCacher, 'x')), name).toMatchObject({ code: 'ERR_INVALID_NAME' })
      expect(await failure(store.load(name)), name).toMatchObject({ code: 'ERR_INVALID_NAME' })
    }
    expect(await failure(Store.open({ folder: store.folder, read_only: true } as never))).toMatchObject({
      hint: 'did you mean readOnly?',
    })
  })

  it('refuses a value that is itself a cacher: no folder of anybody’s is taken for it', async () => {
    const dir = tempDir()
    const inline = JsonCacher(`${dir}/x.json`)
    await inline.save([1])
    const store = await newStore()
    expect(await failure(store.save('v', JsonCacher, inline))).toMatchObject({ code: 'ERR_CACHER_SAVE' })
    expect(await store.has('v')).toBe(false)
  })

  it('writes nothing into a store that was opened read-only', async () => {
    const store = await newStore()
    await store.save('v', TextCacher, 'x')
    const closed = await newStore({ folder: store.folder, readOnly: true })
    const before = listing(store.folder)
    expect(await failure(closed.save('v', TextCacher, 'y', { mode: 'force' }))).toMatchObject({ code: 'ERR_READ_ONLY' })
    expect([await closed.load('v'), await closed.has('v')]).toEqual(['x', true])
    expect(listing(store.folder)).toEqual(before)
  })
})

describe('store.load, lazy, has and entry', () => {
  it('say what is absent, and where', async () => {
    const store = await newStore()
    const error = await failure(store.load('demo/none'))
    expect(error).toMatchObject({ code: 'ERR_NOT_FOUND' })
    expect(error.message).toContain(`cannot find key demo/none at ${store.folder}`)
    expect(() => store.lazy('demo/none')).toThrow('cannot find key demo/none')
    expect([await store.has('demo/none'), await store.entry('demo/none')]).toEqual([false, undefined])
  })

  it('a handle reads the entry, and bytes only when it is loaded', async () => {
    const store = await newStore()
    await store.save('v', TensorCacher, { data: new Float32Array([1, 2, 3, 4]), shape: [2, 2] })
    const handle = store.lazy('v', TensorCacher)
    expect(store.events.counts['blob-read']).toBeUndefined()
    expect(handle).toMatchObject({ name: 'value', cacher: 'tensor', preview: 'tensor [2, 2]' })
    expect((await handle.slice(1, 2)).data).toEqual(new Float32Array([3, 4]))
    expectTypeOf(store.lazy<number>).returns.toEqualTypeOf<Lazy<number>>()
    await store.save('n', NumberCacher, 1)
    expectTypeOf(await store.load('n', NumberCacher)).toEqualTypeOf<number>()
  })

  it('an evicted value is not there, its entry is; a forgotten one is gone', async () => {
    const store = await newStore()
    await store.save('v', TextCacher, 'hello')
    expect(await store.evict('v')).toBe(5)
    expect([await store.has('v'), (await store.entry('v'))?.key]).toEqual([false, 'v'])
    expect(await failure(store.load('v'))).toMatchObject({ code: 'ERR_NOT_FOUND' })
    expect((await store.save('v', TextCacher, 'hello')).outcome).toBe('same')
    expect(await store.load('v')).toBe('hello')
    await store.forget('v')
    expect(await store.entry('v')).toBeUndefined()
  })

  it('one of several artifacts is chosen by name', async () => {
    const { stage } = await import('../../src/index.js')
    const { quiet } = await import('../experiment/helpers.js')
    const store = await newStore()
    const two = stage({ outputs: { a: TextCacher, b: TextCacher }, name: 'store-values/two' }, async () => ({
      a: 'A',
      b: 'B',
    }))
    const { key } = (await (await quiet(store)).run(undefined, [two])).stages[0]!
    expect(await store.load(key, { name: 'b' })).toBe('B')
    expect((await failure(store.load(key))).message).toMatch(/holds 2 artifacts\n.*pass \{ name \} with one of a, b/)
    expect((await failure(store.load(key, { name: 'c' }))).message).toContain('has no artifact c')
  })

  it('a cacher nobody registered here is an error that says how to register it, and can be passed instead', async () => {
    const { folder } = await newStore()
    const file = program(`
      import { Codec, Store } from 'curio'
      class Private extends Codec { extension = '.p'; encode(v) { return v } decode(b) { return Buffer.from(b).toString() } }
      await (await Store.open(process.argv[2])).save('v', Private, 'secret')
    `)
    await child(file, [folder])
    const store = await Store.open(folder)
    const error = await failure(store.load('v'))
    expect(error).toMatchObject({ code: 'ERR_UNKNOWN_CACHER', cacher: 'Private' })
    expect(error.hint).toContain('registerCacher')
    const same = class Private extends TextCacher {}
    expect(await store.load('v', same)).toBe('secret')
    registerCacher(same)
    expect(await store.load('v')).toBe('secret')
  })

  it('list gives the entries below a prefix', async () => {
    const store = await newStore()
    for (const key of ['a/1', 'a/2', 'ab/1', 'b/Upper']) await store.save(key, BytesCacher, new Uint8Array([1]))
    const keys = async (prefix?: string): Promise<string[]> => {
      const found: string[] = []
      for await (const entry of store.list(prefix === undefined ? {} : { prefix })) found.push(entry.key)
      return found.sort()
    }
    expect(await keys()).toEqual(['a/1', 'a/2', 'ab/1', 'b/Upper'])
    expect([await keys('a'), await keys('a/'), await keys('b/U'), await keys('zz')]).toEqual([
      ['a/1', 'a/2', 'ab/1'],
      ['a/1', 'a/2'],
      ['b/Upper'],
      [],
    ])
  })

  it('the same folder gives the same store, also through a link', async () => {
    const store = await newStore()
    const link = `${tempDir()}/link`
    fs.symlinkSync(store.folder, link)
    expect(await Store.open({ folder: link, durability: 'cache' })).toBe(store)
    expect(CurioError.is(await failure(Store.open(`${store.folder}/curio.json`)), 'ERR_STORE_OPEN')).toBe(true)
  })
})
