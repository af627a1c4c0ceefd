import * as fs from 'node:fs'
import * as path from 'node:path'
import { Store, toArray } from 'curio'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../experiment/helpers.js'
import { Plain, Reads, Said, says, total, Weighs } from './fixtures/hostile.js'

const newFolder = (): string => path.join(tempDir(), 'store')

describe('what is changed while it is computed', () => {
  it('an item that its caller changes is refused, and not kept under what it was', async () => {
    const folder = newFolder()
    const items = [{ v: 1 }, { v: 2 }, { v: 3 }]
    const taking = async (): Promise<void> => {
      for await (const _ of new Said({ infra: { folder } }).go(items)) items[2]!.v = 50
    }
    // Small computations go ahead of who takes them: the change may come too late to matter.
    await taking().catch((error: Error) =>
      expect(error.message).toMatch(/is not what it was when it was asked for: v3/),
    )
    says.what = 'new'
    const [last] = await toArray(new Said({ infra: { folder } }).go([{ v: 3 }]))
    expect(last).toMatch(/^(old|new)3$/)
    says.what = 'old'
  })

  it('a list of items that is changed changes nothing of a call', async () => {
    const folder = newFolder()
    const items = Array.from({ length: 1200 }, (_, i) => i)
    await toArray(new Plain({ infra: { folder } }).go(items.slice(0, 1024)))
    for await (const _ of new Plain({ infra: { folder } }).go(items)) items[1100] = 7
    expect(await toArray(new Plain({ infra: { folder, mode: 'read-only' } }).go([1100]))).toEqual([11000])
  })

  it('a typed array in a field counts as it is when it is used', async () => {
    const folder = newFolder()
    const weighs = new Weighs({ weights: Float64Array.of(2), infra: { folder } })
    expect(await toArray(weighs.go([1]))).toEqual([2])
    weighs.weights[0] = 9
    expect(await toArray(weighs.go([1, 2]))).toEqual([9, 18])
    const fresh = new Weighs({ weights: Float64Array.of(2), infra: { folder } })
    expect(await toArray(fresh.go([1, 2]))).toEqual([2, 4])
  })

  it('arguments of a function count, and are given to it, as they were', async () => {
    const folder = newFolder()
    const args = { values: [100, 2] }
    const asked = total(args, { folder })
    await new Promise((done) => setTimeout(done, 2))
    args.values[0] = 7
    expect(await asked).toBe(102)
    expect(await total({ values: [100, 2] }, { folder, mode: 'read-only' })).toBe(102)
  })
})

describe('a forced run', () => {
  it('that fails gives nothing that was there before, nor does a later call of the same object', async () => {
    const folder = newFolder()
    const items = [1, 2, 3].map((v) => ({ v }))
    says.what = 'old'
    await toArray(new Said({ infra: { folder } }).go(items))
    const forced = new Said({ infra: { folder, mode: 'force' } })
    Object.assign(says, { what: 'new', failing: 2 })
    const seen: string[] = []
    const taking = async (): Promise<void> => {
      for await (const one of forced.go(items)) seen.push(one)
    }
    await expect(taking()).rejects.toThrow('no 2')
    expect(seen).toEqual(['new1'])
    expect(await toArray(forced.go([{ v: 3 }]))).toEqual(['new3'])
    says.failing = -1
    expect(await toArray(forced.go(items))).toEqual(['new1', 'new2', 'new3'])
  })
})

describe('an input file that has changed', () => {
  it('is computed again, whatever is in memory', async () => {
    const folder = newFolder()
    const file = path.join(tempDir(), 'input')
    fs.writeFileSync(file, 'one')
    const reads = new Reads({ file, infra: { folder } })
    expect([await toArray(reads.lines([1])), await reads.all()]).toEqual([['one1'], 'one'])
    fs.writeFileSync(file, 'another')
    expect([await toArray(reads.lines([1])), await reads.all()]).toEqual([['another1'], 'another'])
  })
})

describe('results that were forgotten while their object lives', () => {
  it('have an entry again as soon as there are others', async () => {
    const folder = newFolder()
    const plain = new Plain({ infra: { folder } })
    await toArray(plain.go([1]))
    const store = await Store.open(folder)
    const keys = async (): Promise<string[]> => {
      const all: string[] = []
      for await (const { key } of store.list()) all.push(key)
      return all
    }
    const [key] = await keys()
    await store.forget(key!)
    await toArray(plain.go([2]))
    expect(await keys()).toEqual([key])
  })
})
