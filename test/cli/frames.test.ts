import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ArrowCacher,
  CsvCacher,
  JsonFrameCacher,
  NotebookCacher,
  ParquetCacher,
  SafetensorsCacher,
} from '../../cachers/index.js'
import type { Store } from '../../src/artifact/store.js'
import { Place } from './helpers.js'

const place = new Place()
let store: Store
beforeAll(async () => {
  store = await place.open()
})
afterAll(() => place.remove())

const rows = Array.from({ length: 12 }, (_, i) => ({
  name: i === 3 ? null : `n${i}\u001b[31m`,
  when: new Date(Date.UTC(2001, 0, 1 + i, 12)),
  large: 10n ** 17n + BigInt(i),
  list: [i, i / 2],
}))

describe('curio on frames', () => {
  it('cat shows columns with their types, how many rows, and the first of them', async () => {
    await store.save('frame', ParquetCacher, rows)
    const { code, out } = await place.curio('cat', 'frame')
    expect(code).toBe(0)
    const lines = out.split('\n')
    expect(lines[0]).toBe('12 rows, 4 columns')
    expect(out).toMatch(/^ {2}large +Int64$/m)
    expect(out).toMatch(/^ {2}when +Timestamp<MILLISECOND>/m)
    expect(out).toContain('n0\\x1b[31m')
    expect(out).toContain('2001-01-01T12:00:00.000Z')
    expect(out).toContain('100000000000000003')
    expect(out).toMatch(/^null /m)
    expect(out).toContain('[9,4.5]')
    expect(out).not.toContain('n10')
    expect(lines.at(-2)).toBe('…')
  })

  it('cat --json gives the same as data', async () => {
    await store.save('frame', ParquetCacher, rows)
    const { out } = await place.curio('cat', 'frame', '--json')
    const [artifact] = (JSON.parse(out) as { artifacts: Record<string, unknown>[] }).artifacts
    expect(artifact).toMatchObject({ kind: 'frame', rows: 12, cacher: 'parquet' })
    expect((artifact!.columns as { name: string }[]).map(({ name }) => name)).toEqual(['name', 'when', 'large', 'list'])
    expect((artifact!.head as unknown[][])[2]!.slice(0, 2)).toEqual(['100000000000000000', '100000000000000001'])
  })

  it('cat of decimals has their points, signs and zeros', async () => {
    const values = { a: ['1.50', '-0.05', null], b: ['12', '0', '-7'] }
    const types = { a: 'decimal256(50, 2)', b: 'decimal128(10, 0)' }
    await store.save('decimals', JsonFrameCacher({ types }), values)
    const { out } = await place.curio('cat', 'decimals', '--json')
    const [artifact] = (JSON.parse(out) as { artifacts: Record<string, unknown>[] }).artifacts
    expect(artifact!.head).toEqual([values.a, values.b])
  })

  it('cat of a frame that is not read whole says how many rows it has all the same', async () => {
    const noise = Float64Array.from({ length: 2_200_000 }, Math.random)
    for (const [name, cacher] of Object.entries({ arrow: ArrowCacher, parquet: ParquetCacher })) {
      await store.save(`large/${name}`, cacher, { noise })
      expect((await place.curio('cat', `large/${name}`)).out).toMatch(/^2200000 rows, 1 column\n/)
    }
  })

  it('show says what a frame holds', async () => {
    await store.save('csv', CsvCacher, [{ a: 1, b: 'x' }])
    expect((await place.curio('show', 'csv')).out).toContain('1 row × 2 columns: a Float64, b Utf8')
  })

  it('cat of an empty frame, of named tensors and of a notebook says what they are', async () => {
    await store.save('empty', CsvCacher, [])
    expect((await place.curio('cat', 'empty')).out).toBe('0 rows, 0 columns\n')
    await store.save('tensors', SafetensorsCacher, { w: { data: Float32Array.of(1.5), shape: [1] } })
    expect((await place.curio('cat', 'tensors')).out).toMatch(/w: .*float32/s)
    await store.save('book', NotebookCacher, ['print(1)'])
    expect((await place.curio('cat', 'book')).out).toContain('print(1)')
  })
})
