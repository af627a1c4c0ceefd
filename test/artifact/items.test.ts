import { Store } from 'curio'
import { FileReferenceCacher, JsonCacher, MsgpackCacher, TensorCacher, TextCacher } from 'curio/cachers'
import { describe, expect, test } from 'vitest'
import { tempDir } from '../helpers/temp.js'

describe('store.items', () => {
  test('is like a Map: get, has, set, delete, size, keys, entries', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<number>('squares/v=1', { cacher: JsonCacher })
    expect([await items.get('3'), items.has('3'), items.size]).toEqual([undefined, false, 0])
    expect(await items.set('3', 9)).toBe(true)
    expect(
      await items.setMany([
        ['4', 16],
        ['3', 0],
        ['5', 25],
        ['5', 0],
      ]),
    ).toEqual([true, false, true, false])
    expect(await items.getMany(['5', 'x', '3'])).toEqual([25, undefined, 9])
    expect([...items.keys()]).toEqual(['3', '4', '5'])
    expect(await items.delete('4')).toBe(true)
    expect([items.has('4'), items.size]).toEqual([false, 2])
    const entries: [string, number][] = []
    for await (const entry of items) entries.push(entry)
    expect(entries).toEqual([
      ['3', 9],
      ['5', 25],
    ])
  })

  test('chooses a cacher for each value, and finds it by its name', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items('mixed')
    const values = {
      text: 'é',
      json: { a: [1] },
      map: new Map([[1, new Date(0)]]),
      bytes: Uint8Array.of(1, 2),
      tensor: { data: Float32Array.of(1, 2, 3), shape: [3], dtype: 'float32' },
    }
    await items.setMany(Object.entries(values))
    await store.close()
    for (const [key, value] of Object.entries(values)) expect(await store.items('mixed').get(key)).toEqual(value)
  })

  test('arrays are aligned views of bytes of their own', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items('arrays', { cacher: TensorCacher as never })
    await items.setMany(
      Array.from({ length: 9 }, (_, i) => [`k${'x'.repeat(i)}`, { data: Float64Array.of(i), shape: [1] }] as const),
    )
    const [one, two] = (await items.getMany(['k', 'kx'])) as { data: Float64Array }[]
    expect([one!.data[0], two!.data[0]]).toEqual([0, 1])
    expect(one!.data.buffer).not.toBe(two!.data.buffer)
    expect(one!.data.byteLength).toBeLessThan(one!.data.buffer.byteLength)
  })

  test('large values are blobs, which a clean-up of something else spares', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const large = 'x'.repeat(3 << 20)
    await store.save('same', TextCacher, large)
    const items = store.items<string>('large', { cacher: TextCacher })
    await items.set('a', large)
    await store.evict('same')
    expect(await items.get('a')).toBe(large)
    await store.forget('same')
    expect(await items.get('a')).toBe(large)
    const { blobs } = store
    for await (const { sha256 } of blobs.list()) await blobs.delete(sha256)
    expect(await items.get('a')).toBeUndefined()
  })

  test('a value its cacher cannot take is refused, and nothing is stored', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items('refused', { cacher: JsonCacher })
    await expect(
      items.setMany([
        ['a', 1],
        ['b', new Date()],
      ]),
    ).rejects.toThrow(/use MsgpackCacher/)
    expect(items.size).toBe(0)
    // Nobody would ask, at each look, whether the file is still what it was.
    expect(() => store.items('refused', { cacher: FileReferenceCacher as never })).toThrow(/outside the store/)
    expect(() => store.items('refused', { cachr: MsgpackCacher } as never)).toThrow(/did you mean cacher/)
  })
})
