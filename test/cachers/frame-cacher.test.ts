import type { Float64, Table, Utf8 } from 'apache-arrow'
import { ArrowCacher, CsvCacher, FrameCacher, JsonFrameCacher, ParquetCacher } from 'curio/cachers'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { cacherIdentity, cacherInstance, isCacherSpec, isCodec } from '../../src/artifact/cacheable.js'
import { Store } from '../../src/artifact/store.js'
import { Experiment } from '../../src/experiment/experiment.js'
import { stage } from '../../src/experiment/stage.js'
import { tempDir } from '../helpers/temp.js'
import { rows } from './arrow-types.js'

const people = [
  { name: 'Ada', age: 36 },
  { name: 'Grace', age: 85 },
]
const schema = z.strictObject({ name: z.string(), age: z.number() })

describe('FrameCacher', () => {
  it('is the cacher of the format, with and without new', () => {
    expect(FrameCacher({ format: 'csv' })).toBeInstanceOf(CsvCacher)
    expect(new FrameCacher({ format: 'arrow' })).toBeInstanceOf(ArrowCacher)
    expect(FrameCacher({ format: 'json' })).toBeInstanceOf(JsonFrameCacher)
    expect(new FrameCacher({ format: 'parquet', writeOptions: { compression: 'gzip' } })).toBeInstanceOf(ParquetCacher)
    expect(FrameCacher()).toBeInstanceOf(ParquetCacher)
    expect(FrameCacher({ format: 'csv' })).toBeInstanceOf(FrameCacher)
    expect(ParquetCacher('x.parquet')).toBeInstanceOf(FrameCacher)
  })

  it('takes the format from the extension of its path', () => {
    const name = (path: string): string => cacherIdentity(FrameCacher(path)).name
    expect(['a.parquet', 'a.arrow', 'a.feather', 'a.ipc', 'a.CSV', 'a.tsv', 'a.json', 'a.data', 'a'].map(name)).toEqual(
      [...['parquet', 'arrow', 'arrow', 'arrow', 'csv', 'csv', 'json-frame', 'parquet', 'parquet']],
    )
    expect(FrameCacher({ path: 'x.csv' })).toBeInstanceOf(CsvCacher)
    expect(FrameCacher('x.csv', { format: 'parquet' })).toBeInstanceOf(ParquetCacher)
  })

  it('saves and loads in every format', async () => {
    await using dir = tempDir()
    for (const extension of ['parquet', 'arrow', 'csv', 'tsv', 'json']) {
      const cacher = FrameCacher(dir.join(`people.${extension}`), { schema })
      await cacher.save(people)
      expect(rows(await cacher.load())).toEqual(people)
    }
    const { readFile } = await import('node:fs/promises')
    expect(await readFile(dir.join('people.tsv'), 'utf8')).toMatch(/^name\tage\n/)
  })

  it('marks what it saves with the name of the format', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const saved = await store.save('people', FrameCacher({ format: 'csv' }), people)
    expect([saved.metadata.cacher, saved.files.map(({ role }) => role)]).toEqual(['csv', ['value.csv']])
    expect(rows((await store.load('people')) as Table)).toEqual(people)
    await store.save('bare', FrameCacher, people)
    expect((await store.entry('bare'))?.artifacts[0]?.cacher).toBe('parquet')
  })

  it('named bare in a stage is a ParquetCacher', async () => {
    await using dir = tempDir()
    const make = stage(
      { name: 'make', outputs: { people: FrameCacher, listed: FrameCacher({ format: 'json' }) } },
      () => ({
        people,
        listed: people,
      }),
    )
    const experiment = new Experiment({ name: 'frames', store: dir.join('store') })
    const record = await make(experiment.record())
    expect(rows(await record.get('people'))).toEqual(people)
    expect(record.lazy('people').cacher).toBe('parquet')
    expect(record.lazy('listed').cacher).toBe('json-frame')
    expect(isCacherSpec(FrameCacher)).toBe(true)
    expect(isCodec(cacherInstance(FrameCacher as never))).toBe(true)
    expect(cacherIdentity(FrameCacher as never)).toEqual({ name: 'parquet', codec: 1 })
  })

  it('says which formats there are, and which options a format has', () => {
    const make = (options: object): unknown => FrameCacher(options as never)
    expect(() => make({ format: 'parket' })).toThrow(/no format "parket"[\s\S]*did you mean parquet\?/)
    expect(() => make({ format: 'xlsx' })).toThrow(/known are parquet, arrow, csv, json/)
    expect(() => make({ formats: 'csv' })).toThrow(/did you mean format\?/)
    expect(() => make({ format: 'csv', writeOptions: { compression: 'zstd' } })).toThrow(/csv/)
    class Mine extends (FrameCacher as unknown as new () => object) {}
    expect(() => new Mine()).toThrow(/cannot be extended/)
  })

  it('types its table by the schema, and its options by the format', () => {
    const typed = FrameCacher({ format: 'csv', schema })
    expectTypeOf<Awaited<ReturnType<typeof typed.load>>>().toEqualTypeOf<Table<{ name: Utf8; age: Float64 }>>()
    const bare = FrameCacher()
    expectTypeOf<Awaited<ReturnType<typeof bare.load>>>().toEqualTypeOf<Table>()
    // @ts-expect-error Arrow files have no options for writing
    expect(() => FrameCacher({ format: 'arrow', writeOptions: {} })).toThrow(/writeOptions/)
    // @ts-expect-error names are texts
    expect(() => typed.save([{ name: 1, age: 2 }])).toBeTypeOf('function')
  })
})
