import * as fs from 'node:fs'
import * as path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { loadChecksums } from '../../src/store/checksum.js'
import { StoreEvents } from '../../src/store/events.js'
import { ItemSpace, type NewItem } from '../../src/store/items/space.js'
import { tempDir } from '../helpers/temp.js'

beforeAll(loadChecksums)

const options = (folder: string) => ({
  modes: { dir: 0o755, file: 0o444 },
  events: new StoreEvents(folder),
})
const open = (folder: string) => new ItemSpace(path.join(folder, 'items'), options(folder))
const item = (key: string, text: string, more: Partial<NewItem> = {}): NewItem => ({
  key,
  kind: 'value',
  codec: 'text',
  payload: Buffer.from(text),
  ...more,
})
const text = (space: ItemSpace, key: string): string | undefined => {
  const record = space.get(key)
  return record === undefined ? undefined : Buffer.from(record.payload).toString()
}

describe('items', () => {
  test('come back as they were put, here and in another process that opens the folder', async () => {
    await using dir = tempDir()
    const space = open(dir.path)
    expect(space.put([item('a', 'A'), item('b', ''), item('ü', 'Ü'.repeat(1000)), item('a', 'again')])).toEqual([
      true,
      true,
      true,
      false,
    ])
    expect(space.put([item('a', 'other')])).toEqual([false])
    for (const one of [space, open(dir.path)]) {
      expect([text(one, 'a'), text(one, 'b'), text(one, 'ü')?.length, text(one, 'c')]).toEqual([
        'A',
        '',
        1000,
        undefined,
      ])
      expect(one.size).toBe(3)
    }
    space.close()
    expect(
      fs
        .readdirSync(dir.join('items'))
        .map((name) => path.extname(name))
        .sort(),
    ).toEqual(['.idx', '.seg'])
    const sealed = open(dir.path)
    expect([...sealed.records()].map(({ key }) => key)).toEqual(['a', 'b', 'ü'])
    expect(sealed.getMany(['b', 'x', 'a']).map((record) => record?.key)).toEqual(['b', undefined, 'a'])
  })

  test('start at multiples of 8, so that arrays are views', async () => {
    await using dir = tempDir()
    const space = open(dir.path)
    for (let i = 0; i < 20; i++) {
      const values = Float64Array.from({ length: i }, (_, k) => k / 3)
      space.put([item('k'.repeat(i + 1), '', { payload: new Uint8Array(values.buffer) })])
      const { payload } = space.get('k'.repeat(i + 1))!
      expect(payload.byteOffset % 8).toBe(0)
      expect(new Float64Array(payload.buffer, payload.byteOffset, i)).toEqual(values)
    }
  })

  test('are replaced by force, and deleted; what comes later stands, in whatever order it is read', async () => {
    await using dir = tempDir()
    const [one, two] = [open(dir.path), open(dir.path)]
    one.put([item('a', '1'), item('b', '1')])
    two.refresh()
    expect(two.put([item('a', '2', { force: true })])).toEqual([true])
    expect(two.delete('b')).toBe(true)
    expect(two.delete('b')).toBe(false)
    one.refresh()
    const late = open(dir.path)
    for (const space of [one, two, late]) {
      expect([text(space, 'a'), text(space, 'b'), space.size]).toEqual(['2', undefined, 1])
    }
    one.put([item('b', '3')])
    two.refresh()
    expect([text(two, 'b'), two.size]).toEqual(['3', 2])
    one.close()
    two.close()
    const sealed = open(dir.path)
    expect([text(sealed, 'a'), text(sealed, 'b'), sealed.size]).toEqual(['2', '3', 2])
  })

  test('of two writers at once the same one stands everywhere', async () => {
    await using dir = tempDir()
    const [one, two] = [open(dir.path), open(dir.path)]
    one.get('x')
    two.get('x')
    for (let i = 0; i < 50; i++) {
      const [first, second] = i % 2 === 0 ? [one, two] : [two, one]
      first.put([item(`k${i}`, `first ${i}`)])
      second.put([item(`k${i}`, `second ${i}`)])
    }
    one.refresh()
    two.refresh()
    const late = open(dir.path)
    for (let i = 0; i < 50; i++) {
      const values = [one, two, late].map((space) => text(space, `k${i}`))
      expect(new Set(values).size).toBe(1)
      expect([`first ${i}`, `second ${i}`]).toContain(values[0])
    }
  })

  test('an error gives way to a value, and not the other way round', async () => {
    await using dir = tempDir()
    const space = open(dir.path)
    space.put([item('a', 'boom', { kind: 'error' })])
    expect(space.get('a')!.kind).toBe('error')
    expect(space.put([item('a', 'fine')])).toEqual([true])
    expect(space.put([item('a', 'boom', { kind: 'error' })])).toEqual([false])
    expect(text(open(dir.path), 'a')).toBe('fine')
  })

  test('cut off at any length, and with any bit flipped, are right or absent, and the rest is found', async () => {
    await using dir = tempDir()
    const space = open(dir.path)
    const all = Array.from({ length: 12 }, (_, i) => [`key ${i}`, `value ${i} ${'x'.repeat(i)}`] as const)
    for (const [key, value] of all) space.put([item(key, value)])
    const [name] = fs.readdirSync(dir.join('items'))
    const bytes = fs.readFileSync(dir.join('items', name!))
    const check = (changed: Buffer): number => {
      const at = dir.join('copy')
      fs.mkdirSync(path.join(at, 'items'), { recursive: true })
      fs.writeFileSync(path.join(at, 'items', name!), changed)
      const copy = open(at)
      const found = all.filter(([key, value]) => {
        const got = text(copy, key)
        if (got !== undefined) expect(got).toBe(value)
        return got !== undefined
      })
      copy.close()
      return found.length
    }
    for (let length = 0; length <= bytes.byteLength; length++) check(bytes.subarray(0, length))
    let least = all.length
    for (let bit = 16 * 8; bit < bytes.byteLength * 8; bit += 11) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      least = Math.min(least, check(flipped))
    }
    expect(least).toBe(all.length - 1)
  })

  test('a record that lies in the value of another is none', async () => {
    await using dir = tempDir()
    const space = open(dir.path)
    space.put([item('inner', 'secret')])
    const [name] = fs.readdirSync(dir.join('items'))
    const file = dir.join('items', name!)
    space.put([item('outer', '', { payload: fs.readFileSync(file) })])
    const bytes = fs.readFileSync(file)
    // The outer record's mark is damaged: looking for the next one leads through its payload.
    const outer = bytes.indexOf('secret') + 64
    fs.writeFileSync(file, Buffer.concat([bytes.subarray(0, 16), Buffer.alloc(outer - 16), bytes.subarray(outer)]))
    const again = open(dir.path)
    expect([...again.records()].map(({ key }) => key)).not.toContain('inner')
  })

  test('after a failed write nothing is lost, and nothing half-written is found', async () => {
    await using dir = tempDir()
    const space = open(dir.path)
    space.put([item('a', 'A')])
    const { patchFs } = await import('../helpers/faults.js')
    const real = fs.writeSync
    {
      using _ = patchFs({
        writeSync: ((fd: number, bytes: Buffer, offset: number, length: number, at: number) => {
          real(fd, bytes, offset, length >> 1, at)
          throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
        }) as never,
      })
      expect(() => space.put([item('b', 'B'.repeat(100))])).toThrow(/append to/)
    }
    expect(text(space, 'b')).toBeUndefined()
    space.put([item('b', 'later')])
    for (const one of [space, open(dir.path)]) expect([text(one, 'a'), text(one, 'b')]).toEqual(['A', 'later'])
  })

  test('a damaged index is not believed, and a missing one not needed', async () => {
    await using dir = tempDir()
    const space = open(dir.path)
    space.put(Array.from({ length: 100 }, (_, i) => item(`k${i}`, `${i}`)))
    space.close()
    const index = dir.join('items', fs.readdirSync(dir.join('items')).find((name) => name.endsWith('.idx'))!)
    const bytes = fs.readFileSync(index)
    for (const change of [
      bytes.subarray(0, 50),
      Buffer.alloc(bytes.length),
      Buffer.from(bytes).fill(7, 70, 90),
      undefined,
    ]) {
      fs.rmSync(index)
      if (change !== undefined) fs.writeFileSync(index, change)
      const again = open(dir.path)
      expect([again.size, text(again, 'k42')]).toEqual([100, '42'])
    }
  })

  test('long keys are refused, and looking writes nothing', async () => {
    await using dir = tempDir()
    expect(text(open(dir.path), 'a')).toBeUndefined()
    expect(fs.existsSync(dir.join('items'))).toBe(false)
    expect(() => open(dir.path).put([item('x'.repeat(5000), 'A')])).toThrow(/at most 4096/)
  })
})
