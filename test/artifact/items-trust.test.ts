/** What a user of `store.items` may rely on when others write, delete and damage beside him. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { Store } from 'curio'
import { BytesCacher, JsonCacher, TextCacher } from 'curio/cachers'
import { beforeAll, describe, expect, test } from 'vitest'
import { errorIn } from '../../src/artifact/item-codec.js'
import { loadChecksums } from '../../src/store/checksum.js'
import { patchFs } from '../helpers/faults.js'
import { otherProcess, segmentsOf } from '../helpers/items.js'
import { tempDir } from '../helpers/temp.js'

beforeAll(loadChecksums)

/** Longer than an answer may be old. */
const second = () => new Promise((resolve) => setTimeout(resolve, 1050))
const flip = (file: string, at: number) => {
  const bytes = fs.readFileSync(file)
  bytes[at]! ^= 1
  fs.chmodSync(file, 0o644)
  fs.writeFileSync(file, bytes)
}

describe('store.items', () => {
  test('gives values of their own: changing one changes no other', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<Uint8Array>('bytes', { cacher: BytesCacher })
    await items.setMany([
      ['a', Buffer.alloc(100, 1)],
      ['b', Buffer.alloc(100, 2)],
    ])
    const [same, twin] = [(await items.get('a'))!, (await items.get('a'))!]
    same.fill(9)
    expect(twin[0]).toBe(1)
    const [first] = await items.getMany(['a', 'b'])
    first!.fill(9)
    expect((await items.get('a'))![0]).toBe(1)
    const again = (await items.get('a'))!
    again.fill(9)
    for await (const [, value] of items) value.fill(9)
    expect((await items.getMany(['a', 'b'])).map((value) => value![0])).toEqual([1, 2])
    expect(first!.buffer).not.toBe(again.buffer)
  })

  test('a damaged deletion does not bring the value back, nor a damaged later value an older one', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<string>('x', { cacher: TextCacher })
    await items.setMany([
      ['deleted', 'old'],
      ['forced', 'old'],
    ])
    await store.close()
    await items.delete('deleted')
    await items.set('forced', 'new', { mode: 'force' })
    await store.close()
    const folder = path.join(store.dirOf('x'), 'items')
    // The second segment holds what came later. Any one of its records may be the damaged one.
    const [, later] = segmentsOf(folder)
    const bytes = fs.readFileSync(later!)
    for (let at = 16; at < bytes.byteLength; at += 8) {
      for (const indexed of [true, false]) {
        const copy = dir.join(`copy-${at}-${indexed}`)
        fs.cpSync(folder, copy, { recursive: true })
        const file = path.join(copy, path.basename(later!))
        if (!indexed) fs.rmSync(file.replace('.seg', '.idx'))
        flip(file, at)
        const other = otherProcess(copy)
        expect(other.text('deleted')).toBeUndefined()
        expect(['new', undefined]).toContain(other.text('forced'))
        other.put('deleted', 'newer')
        other.put('forced', 'newer')
        other.space.close()
        for (const one of [other, otherProcess(copy)]) {
          expect(one.text('deleted')).toBe('newer')
          expect(['new', 'newer']).toContain(one.text('forced'))
        }
      }
    }
  })

  test('what another process put a moment ago stays, and set says so', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<string>('x', { cacher: TextCacher })
    const other = otherProcess(path.join(store.dirOf('x'), 'items'))
    expect(items.has('k')).toBe(false)
    other.put('k', 'theirs')
    expect(await items.set('k', 'mine')).toBe(false)
    expect(await items.get('k')).toBe('theirs')
    expect(other.text('k')).toBe('theirs')
  })

  test('of two that put at the same moment one is told that its value does not stand', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<string>('x', { cacher: TextCacher })
    const other = otherProcess(path.join(store.dirOf('x'), 'items'))
    await items.set('first', '')
    const real = fs.writeSync
    let theirs: boolean | undefined
    {
      // Between this process's look and its write, the other looks and writes.
      using _ = patchFs({
        writeSync: ((...args: Parameters<typeof real>) => {
          if (theirs === undefined) {
            theirs = false
            theirs = other.put('k', 'theirs')
          }
          return real(...args)
        }) as never,
      })
      expect([await items.set('k', 'mine'), theirs].filter((stands) => stands).length).toBeGreaterThan(0)
    }
    const value = await items.get('k')
    other.space.refresh()
    expect(other.text('k')).toBe(value)
    expect(await items.set('k', 'third')).toBe(false)
  })

  test('a value that another process replaced or deleted is seen within a second', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<string>('x', { cacher: TextCacher })
    await items.setMany([
      ['a', '1'],
      ['b', '1'],
    ])
    const other = otherProcess(path.join(store.dirOf('x'), 'items'))
    other.put('a', '2', true)
    other.space.delete('b')
    await second()
    expect([await items.get('a'), await items.get('b'), items.size]).toEqual(['2', undefined, 1])
  })

  test('one folder is written by one writer, whatever the durability it was opened with', async () => {
    await using dir = tempDir()
    const [careful, quick] = [
      await Store.open(dir.join('store')),
      await Store.open({ folder: dir.join('store'), durability: 'cache' }),
    ]
    const items = [careful, quick].map((store) => store.items<string>('x', { cacher: TextCacher }))
    expect(await items[0]!.set('k', 'a')).toBe(true)
    expect(await items[1]!.set('k', 'b')).toBe(false)
    await items[1]!.set('l', 'b')
    expect(await items[0]!.get('l')).toBe('b')
    expect(segmentsOf(path.join(careful.dirOf('x'), 'items')).length).toBe(1)
    let syncs = 0
    const real = fs.fdatasyncSync
    const counting = () =>
      patchFs({
        fdatasyncSync: (fd) => {
          syncs += 1
          real(fd)
        },
      })
    {
      using _ = counting()
      await quick.close()
    }
    expect(syncs).toBe(0)
    {
      using _ = counting()
      items[1]!.sync()
    }
    expect(syncs).toBe(1)
    await items[1]!.set('m', 'c')
    await quick.close()
    await items[1]!.set('n', 'c')
    {
      using _ = counting()
      await careful.close()
    }
    // What the other store had put, and sealed without care, too.
    expect(syncs).toBe(3)
  })

  test('a store opened read-only reads what this process writes, and writes nothing', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const reader = await Store.open({ folder: dir.join('store'), readOnly: true })
    await store.items<string>('x', { cacher: TextCacher }).set('k', 'a')
    const items = reader.items<string>('x', { cacher: TextCacher })
    expect(await items.get('k')).toBe('a')
    await expect(items.set('l', 'b')).rejects.toThrow(/read-only/)
    await expect(items.delete('k')).rejects.toThrow(/read-only/)
  })

  test('a large value that a clean-up took while it was put is put again', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<string>('x', { cacher: TextCacher })
    const large = 'x'.repeat(3 << 20)
    const real = fs.writeSync
    {
      using _ = patchFs({
        writeSync: ((...args: Parameters<typeof real>) => {
          for (const blob of blobsIn(store)) fs.rmSync(blob, { force: true })
          return real(...args)
        }) as never,
      })
      expect(await items.set('k', large)).toBe(true)
    }
    expect(await items.get('k')).toBe(large)
  })

  test('a large value whose bytes are gone or damaged is a miss, ends nothing, and can be set again', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<string>('x', { cacher: TextCacher })
    let large = 'x'.repeat(3 << 20)
    await items.setMany([
      ['a', 'A'],
      ['large', large],
      ['b', 'B'],
    ])
    for (const harm of [(blob: string) => fs.rmSync(blob), (blob: string) => flip(blob, 1 << 20)]) {
      for (const blob of blobsIn(store)) harm(blob)
      expect(await items.getMany(['a', 'large', 'b'])).toEqual(['A', undefined, 'B'])
      expect(await items.get('large')).toBeUndefined()
      const seen: string[] = []
      for await (const [key] of items) seen.push(key)
      expect(seen).toEqual(['a', 'b'])
      expect(items.has('large')).toBe(false)
      large += 'y'
      expect(await items.set('large', large)).toBe(true)
      expect(await items.get('large')).toBe(large)
      expect(await items.set('large', 'z')).toBe(false)
    }
    for (const blob of blobsIn(store)) fs.rmSync(blob)
    await items.set('large', large)
    expect(await items.get('large')).toBe(large)
  })

  test('a store whose folder was removed and made again starts anew', async () => {
    await using dir = tempDir()
    const folder = dir.join('store')
    const old = (await Store.open(folder)).items<string>('x', { cacher: TextCacher })
    await old.set('k', 'old')
    fs.rmSync(folder, { recursive: true })
    const items = (await Store.open(folder)).items<string>('x', { cacher: TextCacher })
    expect(await items.get('k')).toBeUndefined()
    expect(await items.set('k', 'new')).toBe(true)
    expect(otherProcess(path.join((await Store.open(folder)).dirOf('x'), 'items')).text('k')).toBe('new')
  })

  test('what is put after the items were removed is found, and what was removed is not', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<string>('x', { cacher: TextCacher })
    await items.setMany([
      ['a', '1'],
      ['b', '1'],
    ])
    const folder = path.join(store.dirOf('x'), 'items')
    fs.rmSync(folder, { recursive: true })
    expect(await items.set('a', '2')).toBe(true)
    for (const one of [items, { get: async (key: string) => otherProcess(folder).text(key) }]) {
      expect([await one.get('a'), await one.get('b')]).toEqual(['2', undefined])
    }
    // Only the segment of another process, which had hidden one of ours.
    const other = otherProcess(folder)
    other.put('a', '3', true)
    await second()
    expect(await items.get('a')).toBe('3')
    fs.rmSync(segmentsOf(folder).find((file) => file.includes(other.writer))!)
    await second()
    expect(await items.get('a')).toBe('2')
  })

  test('hundreds of segments are read with few files open, and too many open files is no error', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const folder = path.join(store.dirOf('x'), 'items')
    for (let i = 0; i < 200; i++) {
      const other = otherProcess(folder)
      other.put(`k${i}`, `${i}`)
      other.space.close()
    }
    const items = store.items<string>('x', { cacher: TextCacher })
    const open = () => fs.readdirSync('/proc/self/fd').length
    const before = open()
    expect(items.size).toBe(200)
    for (let i = 0; i < 200; i++) expect(await items.get(`k${i}`)).toBe(`${i}`)
    expect(open() - before).toBeLessThanOrEqual(64)
    const [realOpen, realClose] = [fs.openSync, fs.closeSync]
    let room = 0
    using _ = patchFs({
      openSync: (...args) => {
        if (room === 0) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' })
        room -= 1
        return realOpen(...args)
      },
      closeSync: (fd) => {
        room += 1
        realClose(fd)
      },
    })
    for (let i = 0; i < 200; i++) expect(await items.get(`k${i}`)).toBe(`${i}`)
  })

  test('size agrees with keys where a segment cannot be read', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const folder = path.join(store.dirOf('x'), 'items')
    const others = ['a', 'b', 'c'].map((name) => {
      const other = otherProcess(folder)
      for (let i = 0; i < 10; i++) other.put(`${name}${i}`, 'text')
      other.space.close()
      return segmentsOf(folder).find((file) => file.includes(other.writer))!
    })
    fs.chmodSync(others[0]!, 0o644)
    fs.writeFileSync(others[0]!, Buffer.alloc(fs.statSync(others[0]!).size))
    fs.rmSync(others[1]!)
    fs.symlinkSync('/dev/null', others[1]!)
    const items = store.items<string>('x', { cacher: TextCacher })
    expect(items.size).toBe(10)
    expect([...items.keys()].length).toBe(10)
  })

  test('an error is kept beside the values, found by look-up only, and gives way to a value', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const items = store.items<number>('x', { cacher: JsonCacher })
    await items.set('good', 1)
    const failure = { name: 'RangeError', message: 'boom' }
    expect(
      await items.put([items.codec.encodeError('bad', failure), items.codec.encodeError('good', failure)]),
    ).toEqual([true, false])
    const [good, bad, none] = items.lookup(['good', 'bad', 'none'])
    expect([good?.kind, bad?.kind, none]).toEqual(['value', 'error', undefined])
    expect(await items.codec.decode(good!)).toBe(1)
    expect(errorIn(bad!)).toEqual(failure)
    expect(Math.abs(good!.time / 1024 - Date.now())).toBeLessThan(60_000)
    expect([await items.get('bad'), items.has('bad'), items.size, [...items.keys()]]).toEqual([
      undefined,
      false,
      1,
      ['good'],
    ])
    expect(await items.set('bad', 2)).toBe(true)
    expect([await items.get('bad'), items.size]).toEqual([2, 2])
    await items.put([items.codec.encodeError('worse', failure)])
    expect(await items.delete('worse')).toBe(true)
    expect(items.lookup(['worse'])).toEqual([undefined])
    await items.put([items.codec.encodeError('forced', failure)])
    expect(await items.set('forced', 3, { mode: 'force' })).toBe(true)
    expect(await items.set('forced', 4, { mode: 'force' })).toBe(true)
    expect(await items.get('forced')).toBe(4)
    expect(items.lookup(['forced'])[0]!.generation).toBeGreaterThan(0)
  })

  test('a value wins over an error that another process put before it at the same moment', async () => {
    await using dir = tempDir()
    const [one, two] = [otherProcess(dir.join('items')), otherProcess(dir.join('items'))]
    one.space.put([{ key: 'x', kind: 'value', codec: 'text@1', payload: Buffer.alloc(0) }])
    one.space.refresh()
    two.space.refresh()
    const real = fs.writeSync
    {
      let done = false
      using _ = patchFs({
        writeSync: ((...args: Parameters<typeof real>) => {
          if (!done) {
            done = true
            two.put('k', 'value')
          }
          return real(...args)
        }) as never,
      })
      const error = { key: 'k', kind: 'error' as const, codec: 'json@1', payload: Buffer.from('{}') }
      expect(one.space.put([error])).toEqual([false])
    }
    for (const it of [one, two, otherProcess(dir.join('items'))]) expect(it.text('k')).toBe('value')
  })
})

function blobsIn(store: Store): string[] {
  const root = path.join(store.folder, 'blobs')
  if (!fs.existsSync(root)) return []
  return fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && /^[0-9a-f]{64}$/.test(file.name))
    .map((file) => path.join(file.parentPath, file.name))
}
