/** The fault plan for segments and indexes. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { CurioError } from '../../src/errors.js'
import { loadChecksums } from '../../src/store/checksum.js'
import { failing, patchFs, systemError } from '../helpers/faults.js'
import { otherProcess, segmentsOf } from '../helpers/items.js'
import { Random } from '../helpers/random.js'
import { tempDir } from '../helpers/temp.js'

beforeAll(loadChecksums)
afterEach(() => vi.restoreAllMocks())

/** Lets time pass for whoever looks at `performance.now`. */
function laterBy(ms: number): void {
  const now = performance.now() + ms
  vi.spyOn(performance, 'now').mockReturnValue(now)
}

describe('segments', () => {
  test('that end anywhere give every whole record, and the rest once it is there', async () => {
    await using dir = tempDir()
    const writer = otherProcess(dir.join('items'))
    const ends: number[] = []
    for (let i = 0; i < 6; i++) {
      writer.put(`k${i}`, 'x'.repeat(i * 7))
      ends.push(fs.statSync(segmentsOf(dir.join('items'))[0]!).size)
    }
    const [file] = segmentsOf(dir.join('items'))
    const bytes = fs.readFileSync(file!)
    const copy = dir.join('copy', path.basename(file!))
    fs.mkdirSync(dir.join('copy'))
    for (let length = 0; length <= bytes.byteLength; length++) {
      fs.writeFileSync(copy, bytes.subarray(0, length))
      const reader = otherProcess(dir.join('copy'))
      expect([...reader.space.keys()].length).toBe(ends.filter((end) => end <= length).length)
      fs.appendFileSync(copy, bytes.subarray(length))
      reader.space.refresh()
      expect([...reader.space.keys()].length).toBe(6)
      reader.space.close()
    }
  })

  test('that end anywhere within a replacement hold the old value or the new', async () => {
    await using dir = tempDir()
    const writer = otherProcess(dir.join('items'))
    writer.put('k', 'old')
    const [file] = segmentsOf(dir.join('items'))
    const before = fs.statSync(file!).size
    writer.put('k', 'new', true)
    const bytes = fs.readFileSync(file!)
    const copy = dir.join('copy', path.basename(file!))
    fs.mkdirSync(dir.join('copy'))
    for (let length = before; length <= bytes.byteLength; length++) {
      fs.writeFileSync(copy, bytes.subarray(0, length))
      const reader = otherProcess(dir.join('copy'))
      expect([length, ['old', 'new'].indexOf(reader.text('k') ?? '') >= 0]).toEqual([length, true])
      reader.space.close()
    }
    expect(otherProcess(dir.join('copy')).text('k')).toBe('new')
  })

  test('with any bit turned over lose at most the record it is in, with or without an index', async () => {
    await using dir = tempDir()
    const writer = otherProcess(dir.join('items'))
    const keys = ['a', 'b', 'c']
    for (const key of keys) writer.put(key, `value of ${key}`)
    writer.space.close()
    const [file] = segmentsOf(dir.join('items'))
    const [segment, index] = [fs.readFileSync(file!), fs.readFileSync(file!.replace('.seg', '.idx'))]
    const found = (seg: Buffer, idx: Buffer | undefined): number => {
      const at = dir.join('copy', path.basename(file!))
      fs.rmSync(dir.join('copy'), { recursive: true, force: true })
      fs.mkdirSync(dir.join('copy'))
      fs.writeFileSync(at, seg)
      if (idx !== undefined) fs.writeFileSync(at.replace('.seg', '.idx'), idx)
      const reader = otherProcess(dir.join('copy'))
      const values = keys.map((key) => reader.text(key))
      reader.space.close()
      for (const [i, value] of values.entries()) expect([undefined, `value of ${keys[i]}`]).toContain(value)
      const count = values.filter((value) => value !== undefined).length
      expect(reader.space.size).toBe(count)
      return count
    }
    const flipped = (bytes: Buffer, bit: number) => {
      const changed = Buffer.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      return changed
    }
    for (let bit = 0; bit < index.byteLength * 8; bit++) expect(found(segment, flipped(index, bit))).toBe(3)
    for (let bit = 0; bit < segment.byteLength * 8; bit++) {
      for (const idx of [index, undefined]) expect(found(flipped(segment, bit), idx)).toBeGreaterThanOrEqual(2)
    }
    for (let length = 0; length < index.byteLength; length += 3) {
      expect(found(segment, index.subarray(0, length))).toBe(3)
    }
    expect(found(segment, Buffer.alloc(index.byteLength))).toBe(3)
  })

  test('are never said to hold what they do not, whichever call fails, and serve on when it works again', async () => {
    const calls = [
      'openSync',
      'writeSync',
      'fchmodSync',
      'fdatasyncSync',
      'fsyncSync',
      'closeSync',
      'linkSync',
      'unlinkSync',
      'mkdirSync',
      'readSync',
    ] as const
    for (const call of calls) {
      for (const code of ['ENOSPC', 'EIO', 'EMFILE']) {
        for (let nth = 0; nth < 40; nth++) {
          await using dir = tempDir()
          const space = otherProcess(dir.join('items'))
          space.put('before', 'before')
          const acknowledged = new Map([['before', 'before']])
          let made: number
          {
            using faults = failing(call, code, nth)
            for (const step of [
              () => space.put('a', 'A') && acknowledged.set('a', 'A'),
              () => space.put('b', 'B'.repeat(100_000)) && acknowledged.set('b', 'B'.repeat(100_000)),
              () => space.space.delete('before') && acknowledged.delete('before'),
              () => space.space.close(),
              () => space.space.sync(),
              () => space.put('c', 'C') && acknowledged.set('c', 'C'),
            ]) {
              try {
                step()
              } catch (error) {
                if (!CurioError.is(error)) throw error
              }
            }
            made = faults.calls()
          }
          for (const one of [space, otherProcess(dir.join('items'))]) {
            for (const [key, value] of acknowledged) {
              // A deletion that failed may have been done all the same.
              if (key !== 'before') expect([call, code, nth, one.text(key)]).toEqual([call, code, nth, value])
            }
            if (!acknowledged.has('before')) expect(one.text('before')).toBeUndefined()
          }
          expect(space.put('after', 'after')).toBe(true)
          expect(otherProcess(dir.join('items')).text('after')).toBe('after')
          if (nth >= made) break
        }
      }
    }
  })

  test('that could not be read once are read the next time, at once and later', async () => {
    for (const call of ['openSync', 'readSync', 'readdirSync', 'lstatSync'] as const) {
      await using dir = tempDir()
      otherProcess(dir.join('items')).put('a', 'A')
      for (const ms of [0, 10, 2000]) {
        const reader = otherProcess(dir.join('items'))
        {
          using _ = patchFs({
            [call]: () => {
              throw systemError('EIO', call)
            },
          })
          expect(() => reader.text('a')).toThrow(/EIO/)
        }
        laterBy(ms)
        expect([call, ms, reader.text('a')]).toEqual([call, ms, 'A'])
        vi.restoreAllMocks()
      }
    }
  })

  test('that came while the folder could not be listed are found, though its time of change stands still', async () => {
    await using dir = tempDir()
    const still = () => fs.utimesSync(dir.join('items'), 1_700_000_000, 1_700_000_000)
    otherProcess(dir.join('items')).put('a', 'A')
    still()
    const reader = otherProcess(dir.join('items'))
    expect(reader.text('a')).toBe('A')
    laterBy(4000)
    {
      using _ = patchFs({
        readdirSync: () => {
          throw systemError('EMFILE', 'readdirSync')
        },
      })
      expect(() => reader.space.refresh()).toThrow(/EMFILE/)
    }
    otherProcess(dir.join('items')).put('b', 'B')
    still()
    reader.space.refresh()
    expect(reader.text('b')).toBe('B')
  })

  test('of tries on a full disk leave no files', async () => {
    await using dir = tempDir()
    const space = otherProcess(dir.join('items'))
    space.put('a', 'A')
    {
      using _ = failing('writeSync', 'ENOSPC')
      for (let i = 0; i < 5; i++) expect(() => space.put('b', 'B')).toThrow(/ENOSPC/)
    }
    {
      using _ = failing('linkSync', 'ENOSPC')
      space.space.close()
    }
    expect(fs.readdirSync(dir.join('items'))).toHaveLength(1)
    expect(space.put('b', 'B')).toBe(true)
    for (const one of [space, otherProcess(dir.join('items'))]) {
      expect([one.text('a'), one.text('b')]).toEqual(['A', 'B'])
    }
  })

  test('that others append to are read from where they were left', async () => {
    await using dir = tempDir()
    const [writer, reader] = [otherProcess(dir.join('items')), otherProcess(dir.join('items'))]
    const many = (from: number) =>
      Array.from({ length: 10_000 }, (_, i) => ({
        key: `k${from + i}`,
        kind: 'value' as const,
        codec: 'text@1',
        payload: Buffer.from('x'.repeat(50)),
      }))
    writer.space.put(many(0))
    expect(reader.space.size).toBe(10_000)
    writer.put('one', 'more')
    let [bytes, lists] = [0, 0]
    const [read, list] = [fs.readSync, fs.readdirSync]
    {
      using _ = patchFs({
        readSync: ((...args: Parameters<typeof read>) => {
          const got = read(...args)
          bytes += got
          return got
        }) as never,
        readdirSync: ((...args: Parameters<typeof list>) => {
          lists += 1
          return list(...args)
        }) as never,
      })
      reader.space.refresh()
    }
    expect(bytes).toBeLessThan(200)
    expect(lists).toBeLessThanOrEqual(1)
    expect(reader.text('one')).toBe('more')
    // Sealed meanwhile: read on, not anew.
    writer.put('two', 'more')
    writer.space.close()
    reader.space.refresh()
    expect([reader.text('two'), reader.space.size]).toEqual(['more', 10_002])
  })

  test('behave like one Map for any number of processes that come, write, delete, close and go', async () => {
    const seed = Date.now() % 1_000_000
    const random = new Random(seed)
    for (let round = 0; round < 15; round++) {
      await using dir = tempDir()
      const model = new Map<string, string>()
      const errors = new Set<string>()
      let spaces = [otherProcess(dir.join('items')), otherProcess(dir.join('items'))]
      for (let step = 0; step < 150; step++) {
        const who = random.pick(spaces)
        const key = `k${random.int(12)}`
        const value = `${step} ${'x'.repeat(random.int(40))}`
        const about = `seed ${seed}, round ${round}, step ${step}, ${key}`
        switch (random.int(9)) {
          case 0:
          case 1:
            expect([about, who.put(key, value)]).toEqual([about, !model.has(key)])
            if (!model.has(key)) model.set(key, value)
            errors.delete(key)
            break
          case 2:
            expect([about, who.put(key, value, true)]).toEqual([about, true])
            model.set(key, value)
            errors.delete(key)
            break
          case 3:
            expect([about, who.space.delete(key)]).toEqual([about, model.delete(key) || errors.has(key)])
            errors.delete(key)
            break
          case 4: {
            const isNew = !model.has(key) && !errors.has(key)
            const error = { key, kind: 'error' as const, codec: 'json@1', payload: Buffer.from('{}') }
            expect([about, who.space.put([error])]).toEqual([about, [isNew]])
            if (isNew) errors.add(key)
            break
          }
          case 5:
            who.space.close()
            break
          case 6:
            // One goes without a word, as by a kill; another comes.
            spaces = [...spaces.filter((one) => one !== who), otherProcess(dir.join('items'))]
            break
          case 7: {
            const index = fs.existsSync(dir.join('items'))
              ? fs.readdirSync(dir.join('items')).find((name) => name.endsWith('.idx'))
              : undefined
            if (index !== undefined) fs.rmSync(dir.join('items', index))
            break
          }
          default:
            who.space.refresh()
            expect([about, who.space.get(key)?.kind]).toEqual([
              about,
              model.has(key) ? 'value' : errors.has(key) ? 'error' : undefined,
            ])
            if (model.has(key)) expect([about, who.text(key)]).toEqual([about, model.get(key)])
            expect([about, who.space.size]).toEqual([about, model.size])
        }
      }
      for (const one of [...spaces, otherProcess(dir.join('items'))]) {
        one.space.refresh()
        expect([seed, round, [...one.space.keys()].sort()]).toEqual([seed, round, [...model.keys()].sort()])
        for (const [key, value] of model) expect(one.text(key)).toBe(value)
      }
    }
  })
})
