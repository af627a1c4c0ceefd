import * as fs from 'node:fs'
import * as path from 'node:path'
import { type TaskInput, withInfra } from 'curio'
import { beforeEach, describe, expect, it } from 'vitest'
import { failure, tempDir } from '../experiment/helpers.js'
import { add, look, named, newer, older, ran, refers, seen, takesInfra } from './fixtures/functions.js'

let folder = ''

beforeEach(() => {
  ran.length = 0
  folder = path.join(tempDir(), 'store')
})

describe('a function with an infra', () => {
  it('is computed once for the same arguments, in whatever order', async () => {
    expect(await add({ a: 3, b: 4 }, { folder })).toBe(7)
    expect(await add({ b: 4, a: 3 }, { folder })).toBe(7)
    expect(await add({ a: 4, b: 3 }, { folder })).toBe(7)
    expect(await add({ a: 3 }, { folder })).toBe(4)
    expect(ran).toEqual([
      [3, 4],
      [4, 3],
      [3, undefined],
    ])
  })

  it('is kept under its name, version and arguments', async () => {
    await add({ a: 3, b: 4 }, { folder })
    await named({ x: 'y' }, { folder })
    const files = fs.readdirSync(folder, { recursive: true }).map(String)
    expect(files.some((file) => /functions[.-]add2?,2.*a=3,b=4-\w+.entry\.json$/.test(file))).toBe(true)
    expect(files.some((file) => /my.own,1.*x=y-\w+.entry\.json$/.test(file))).toBe(true)
  })

  it('is kept in memory for all its calls, with and without a folder', async () => {
    for (const infra of [{ keepInRam: true }, { keepInRam: true, folder }]) {
      ran.length = 0
      const made: unknown[] = []
      for (let i = 0; i < 2; i++) made.push(await named({ x: [infra.folder, 'kept'] }, infra))
      expect(made[0]).toEqual(made[1])
      expect(made[0]).not.toBe(made[1])
      fs.rmSync(folder, { recursive: true, force: true })
      await named({ x: [infra.folder, 'kept'] }, infra)
      expect(ran).toEqual([[infra.folder, 'kept']])
    }
    // Memory is for those who ask for it, of one folder, and never for what is forced.
    const [x, kept] = [{ x: 'world' }, { keepInRam: true }]
    let world = 'old'
    const other = path.join(tempDir(), 'other')
    const now = (infra: TaskInput) => seen({ ...x }, infra)
    look.at = () => world
    expect(await now(kept)).toBe('old')
    world = 'new'
    expect(await now(kept)).toBe('old')
    expect(await now({ ...kept, folder: other })).toBe('new')
    expect(fs.existsSync(other)).toBe(true)
    expect((await failure(now({ ...kept, folder, mode: 'read-only' }))).code).toBe('ERR_READ_ONLY')
    expect(await now({})).toBe('new')
    expect(await now({ mode: 'force' })).toBe('new')
    world = 'newer'
    expect(await now(kept)).toBe('newer')
    world = 'newest'
    expect(await now({ ...kept, mode: 'force' })).toBe('newest')
    expect(await now(kept)).toBe('newest')
    // What does not fit goes, the oldest first.
    ran.length = 0
    for (const x of ['a'.repeat(60), 'b'.repeat(60), 'a'.repeat(60)]) await named({ x }, { keepInRam: 100 })
    expect(ran).toHaveLength(3)
  })

  it('is kept in memory only while what it refers to is the same', async () => {
    const file = path.join(tempDir(), 'file')
    fs.writeFileSync(file, 'one')
    const infra = { keepInRam: true, folder }
    for (const text of ['one', 'one', 'other']) {
      fs.writeFileSync(file, text)
      expect(await refers({ file }, infra)).toBe(file)
    }
    expect(ran).toEqual([file, file])
  })

  it.each(['threadpool', 'processpool', 'local', 'debug'])('goes to a worker as it is called: %s', async (cluster) => {
    const infra = { folder, cluster }
    expect((await older({ x: 1 }, infra)).slice(0, 2)).toEqual([1, 'older'])
    expect((await newer({ x: 1 }, infra)).slice(0, 2)).toEqual([1, 'newer'])
    const [, , pid] = await newer({ x: 1 }, { ...infra, version: '3' })
    expect(pid === process.pid).toBe(cluster === 'threadpool' || cluster === 'debug')
    expect(await newer({ x: 2 }, { ...infra, codeChange: 'ignore' })).toHaveLength(3)
    expect(await takesInfra({ infra: 'mine' }, infra)).toBe('mine!')
  })

  it('without a folder is the function', async () => {
    expect([await add({ a: 1 }), await add({ a: 1 })]).toEqual([2, 2])
    expect(ran).toHaveLength(2)
  })

  it('keeps errors, and obeys modes', async () => {
    await expect(add({ a: -1 }, { folder })).rejects.toBeInstanceOf(RangeError)
    expect((await failure(add({ a: -1 }, { folder }))).code).toBe('ERR_CACHED')
    await expect(add({ a: -1 }, { folder, mode: 'retry' })).rejects.toBeInstanceOf(RangeError)
    expect((await failure(add({ a: 9 }, { folder, mode: 'read-only' }))).code).toBe('ERR_READ_ONLY')
    await add({ a: 1 }, { folder })
    await add({ a: 1 }, { folder, mode: 'force' })
    expect(ran).toHaveLength(4)
  })

  it('goes the way of a job when it is exported', async () => {
    expect(await add({ a: 5, b: 6 }, { folder, cluster: 'debug' })).toBe(11)
    expect(await add({ a: 5, b: 6 }, { folder })).toBe(11)
    expect(ran).toHaveLength(1)
  })

  it('tells values apart by their types', async () => {
    const values = [
      1,
      '1',
      1n,
      [1],
      { 0: 1 },
      null,
      undefined,
      Number.NaN,
      -0,
      0,
      new Set([1]),
      new Date(1),
      Float32Array.of(1),
      Float64Array.of(1),
    ]
    for (const x of values) await named({ x }, { folder })
    for (const x of values) expect((await named({ x }, { folder })).x).toEqual(x)
    expect(ran).toEqual(values)
  })

  it('refuses what no key could hold, and what is no object of arguments', async () => {
    expect((await failure(named({ x: () => 1 }, { folder }))).code).toBe('ERR_NOT_ENCODABLE')
    expect(() => (add as unknown as (...args: unknown[]) => unknown)(3)).toThrow(/add2? takes one object of arguments/)
    expect(() => add({ a: 1 }, { folder, gpus_per_node: 1 } as never)).toThrow(
      /add2?: infra\.gpus_per_node: no such option; did you mean gpusPerNode/,
    )
    expect(() => withInfra({}, ((a: number, b: number) => a + b) as never)).toThrow(/takes a function of one object/)
    expect(() => withInfra({ wrong: 1 } as never, async function other() {})).toThrow(/wrong/)
  })

  it('refuses two of one name, and one made again and again, which would close over what no key sees', () => {
    const make = (by: number): unknown =>
      withInfra({}, async function scaled({ x }: { x: number }) {
        return x * by
      })
    make(2)
    expect(() => make(3)).toThrow(/is declared twice/)
  })
})
