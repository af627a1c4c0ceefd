import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import * as fs from 'node:fs'
import type { Table } from 'apache-arrow'
import { DeclarationError, Experiment, type LazyHandle, lazy, Store, type StoreEvent, stage } from 'curio'
import { ArrowCacher, JsonCacher, ParquetCacher, SafetensorsCacher, TensorCacher } from 'curio/cachers'
import { describe, expect, test } from 'vitest'
import { tempDir } from '../helpers/temp.js'

/** Bytes of blobs that are read while `action` runs. */
async function bytesRead<T>(action: () => Promise<T>): Promise<{ value: T; bytes: number }> {
  let bytes = 0
  const listen = (message: unknown): void => {
    const event = message as StoreEvent
    if (event.kind === 'blob-read') bytes += event.bytes
  }
  subscribe('curio:store', listen)
  try {
    return { value: await action(), bytes }
  } finally {
    unsubscribe('curio:store', listen)
  }
}

const n = 400_000
const frame = () => ({
  id: Float64Array.from({ length: n }, (_, i) => i),
  noise: Float64Array.from({ length: n }, (_, i) => Math.sin(i * i)),
  other: Float64Array.from({ length: n }, (_, i) => Math.cos(i * i * i)),
})

describe('parts of a Lazy', () => {
  test.each([
    ['arrow', ArrowCacher],
    ['parquet', ParquetCacher],
  ] as const)(
    'of a frame as %s: rows and columns are read without the rest, and are the same',
    async (name, cacher) => {
      await using dir = tempDir()
      const store = await Store.open(dir.join('store'))
      const saved = await store.save(name, cacher, frame())
      const handle = store.lazy<Table>(name)
      const all = await bytesRead(async () => handle.load())
      const columns = await bytesRead(async () => handle.columns(['noise']))
      expect(columns.value.schema.fields.map((field) => field.name)).toEqual(['noise'])
      const [part, whole] = [columns.value, all.value].map(
        (table) => table.getChild('noise')!.toArray() as Float64Array,
      )
      expect(
        Buffer.compare(
          Buffer.from(part!.buffer, part!.byteOffset, n * 8),
          Buffer.from(whole!.buffer, whole!.byteOffset, n * 8),
        ),
      ).toBe(0)
      expect(columns.bytes).toBeLessThan(saved.bytes / 2)
      const rows = await bytesRead(async () => handle.rows(1000, 1010))
      expect(rows.value.getChild('id')!.toArray()).toEqual(Float64Array.from({ length: 10 }, (_, i) => 1000 + i))
      expect(rows.bytes).toBeLessThan(saved.bytes / 2)
      const both = await handle.rows(-3, n, ['id'])
      expect([both.numCols, ...both.getChild('id')!]).toEqual([1, n - 3, n - 2, n - 1])
      await expect(handle.columns(['nois'])).rejects.toThrow(/noise/)
      expect((await handle.rows(5, 5)).numRows).toBe(0)
    },
  )

  test('of tensors: a slice, and one of many by name', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    await store.save('tensor', TensorCacher, { data: frame().id, shape: [n / 4, 4] })
    const slice = await bytesRead(async () => store.lazy('tensor', TensorCacher).rows(2, 4))
    expect(slice.value.data).toEqual(Float64Array.of(8, 9, 10, 11, 12, 13, 14, 15))
    expect(slice.bytes).toBeLessThan(2000)
    const big = { data: frame().noise, shape: [n] }
    await store.save('named', SafetensorsCacher, { big, small: { data: Float32Array.of(1, 2), shape: [2] } })
    const one = await bytesRead(async () => store.lazy('named', SafetensorsCacher).columns(['small']))
    expect(Object.keys(one.value)).toEqual(['small'])
    expect(one.value.small!.data).toEqual(Float32Array.of(1, 2))
    expect(one.bytes).toBeLessThan(100_000)
  })

  test('that are damaged are never given, and those that are not still are', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const { files } = await store.save('frame', ArrowCacher, frame())
    const file = store.blobs.path(files[0]!.sha256)
    const bytes = fs.readFileSync(file)
    bytes[bytes.byteLength - (1 << 20)]! ^= 1
    fs.chmodSync(file, 0o644)
    fs.writeFileSync(file, bytes)
    const handle = store.lazy<Table>('frame')
    expect((await handle.rows(0, 3, ['id'])).getChild('id')!.toArray()).toEqual(Float64Array.of(0, 1, 2))
    await expect(handle.columns(['other'])).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await expect(handle.load()).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  test('of what cannot be read in part are an error that says so', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    await store.save('json', JsonCacher, [1, 2, 3])
    await expect(store.lazy('json').rows(0, 1)).rejects.toThrow(/its format cannot be read in part/)
    await expect(store.lazy('json').columns(['a'])).rejects.toThrow(/its format cannot be read by columns/)
  })

  test('asked for by what is no range or no list of names are refused, and nobody is told to remove what is stored', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    await store.save('frame', ParquetCacher, [{ a: 1 }])
    await store.save('tensor', TensorCacher, { data: Float32Array.of(1, 2), shape: [2] })
    const handle = store.lazy<Table>('frame')
    const asked: readonly [Promise<unknown>, RegExp][] = [
      [handle.rows(0.5, 1), /^rows takes two whole numbers, not 0\.5 and 1/],
      [handle.rows(1, undefined as never), /^rows takes two whole numbers, not 1 and undefined/],
      [store.lazy('tensor').slice('0' as never, 1), /^slice takes two whole numbers, not '0' and 1/],
      [handle.columns('a' as never), /^columns takes a list of names/],
      [handle.rows(0, 1, 'a' as never), /^rows takes a list of names/],
      [handle.columns([1 as never]), /^columns takes a list of names/],
      [handle.columns(['a', 'a']), /^columns is asked for a twice/],
    ]
    for (const [part, message] of asked) {
      const error = await part.catch((failed: unknown) => failed as DeclarationError)
      expect(error).toBeInstanceOf(DeclarationError)
      expect(String((error as DeclarationError).message)).toMatch(message)
    }
    expect((await handle.rows(0, Number.POSITIVE_INFINITY)).numRows).toBe(1)
    expect((await store.lazy('tensor', TensorCacher).slice(1, Number.POSITIVE_INFINITY)).shape).toEqual([1])
  })

  test('that a cacher refuses are named once', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    await store.save('frame', ParquetCacher, [{ a: 1 }])
    await expect(store.lazy('frame').columns(['b'])).rejects.toThrow(
      /^parquet cannot load: value of frame: it has no column "b"/,
    )
  })

  test('are computed again where their bytes are gone', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    let ran = 0
    const make = stage({ outputs: { frame: lazy(ParquetCacher, { resolve: false }) }, name: 'parts/make' }, () => {
      ran += 1
      return { frame: [{ a: 1 }, { a: 2 }] }
    })
    const record = await new Experiment({ name: 'parts', store, progress: false }).run(undefined, [make])
    const handle: LazyHandle<Table> = await record.get('frame')
    await store.evict(record.stages[0]!.key)
    expect([...(await handle.columns(['a'])).getChild('a')!]).toEqual([1, 2])
    expect(ran).toBe(2)
  })
})
