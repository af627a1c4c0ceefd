import assert from 'node:assert/strict'
import * as arrow from 'apache-arrow'
import type { FrameLike } from '../../../cachers/frame/table.js'
import { ParquetCacher } from '../../../cachers/parquet.js'
import type { CacherCase, Sample } from '../../suites/cacher.js'
import { describeSchema, ofEachType, rows } from '../arrow-types.js'

/** What Arrow has and Parquet does not. */
export const unwritable = ['sparse_union', 'dense_union', 'interval_nanos', 'utf8_view', 'binary_view']

/** A table with a column of each type that Parquet has. The five values of each are repeated. */
export function ofParquetTypes(count: number): arrow.Table {
  const names = Object.keys(ofEachType()).filter((name) => !unwritable.includes(name))
  const tables = Array.from({ length: Math.ceil(count / 5) }, () => {
    const columns = ofEachType()
    const fields = names.map((name) => new arrow.Field(name, columns[name]!.type, true))
    const chosen = Object.fromEntries(names.map((name) => [name, columns[name]!]))
    return new arrow.Table(new arrow.Schema(fields), chosen)
  })
  // Dictionaries are numbered by the process: every table's are its own, and types are compared with their numbers.
  const { schema } = tables[0]!
  const batches = tables.flatMap(({ batches }) => batches.map(({ data }) => data))
  const vectors = names.map((_, i) => new arrow.Vector(batches.map((data) => data.children[i]!)))
  return new arrow.Table(schema, Object.fromEntries(names.map((name, i) => [name, vectors[i]!]))).slice(0, count)
}

/** The same columns, types, metadata and rows, however they are cut into batches. */
export function sameContent(loaded: arrow.Table, expected: arrow.Table): void {
  assert.deepStrictEqual(describeSchema(loaded.schema), describeSchema(expected.schema))
  assert.deepStrictEqual(rows(loaded), rows(expected))
}

function described(): arrow.Table {
  const { type } = arrow.vectorFromArray([1], new arrow.Int32())
  const metadata = new Map([
    ['source', 'sensor'],
    ['漢', ''],
  ])
  const schema = new arrow.Schema([new arrow.Field('x', type, false, new Map([['unit', 'm']]))], metadata)
  const column = arrow.makeData({ type, data: Int32Array.of(1, 2) })
  const data = arrow.makeData({ type: new arrow.Struct(schema.fields), nullCount: 0, children: [column] })
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, data)])
}

/** More rows than a row group has, in three batches that each have a dictionary of their own. */
export function large(): arrow.Table {
  const count = 180_000
  const type = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32(), 0)
  const batches = [0, 1, 2].flatMap((part) => {
    const words = Array.from({ length: 40 }, (_, i) => `word ${i + part * 20}`)
    const word = arrow.makeVector({
      type,
      data: Int32Array.from({ length: count }, (_, i) => (i * 7 + part) % words.length),
      dictionary: arrow.vectorFromArray(words, new arrow.Utf8()),
    })
    const number = arrow.makeVector(Float32Array.from({ length: count }, (_, i) => (i % 5000) + part))
    return new arrow.Table({ number, word }).batches
  })
  return new arrow.Table(batches)
}

function sameLarge(loaded: arrow.Table, expected: arrow.Table): void {
  assert.deepStrictEqual(describeSchema(loaded.schema), describeSchema(expected.schema))
  assert.deepStrictEqual(loaded.getChild('number')!.toArray(), expected.getChild('number')!.toArray())
  const [words, others] = [loaded.getChild('word')!, expected.getChild('word')!]
  assert.equal(words.length, others.length)
  for (let i = 0; i < words.length; i += 101) assert.equal(words.get(i), others.get(i))
}

function twice(): arrow.Table {
  const { type } = arrow.vectorFromArray([1], new arrow.Int32())
  const schema = new arrow.Schema([new arrow.Field('x', type, true), new arrow.Field('x', type, true)])
  const column = arrow.makeData({ type, data: Int32Array.of(1) })
  const data = arrow.makeData({ type: new arrow.Struct(schema.fields), nullCount: 0, children: [column, column] })
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, data)])
}

const people = [
  { name: 'Ada', born: new Date('1815-12-10'), score: 1.5 },
  { name: 'Grace', born: new Date('1906-12-09'), score: null },
]

const samples: Sample<arrow.Table, FrameLike>[] = [
  { label: 'a column of every type', make: () => ofParquetTypes(23), same: sameContent },
  { label: 'no rows of every type', make: () => ofParquetTypes(5).slice(0, 0), same: sameContent },
  { label: 'no columns', make: () => new arrow.Table(new arrow.Schema([])), same: sameContent },
  { label: 'metadata of the table and of a column', make: described, same: sameContent },
  { label: 'a part of a larger table', make: () => ofParquetTypes(60).slice(11, 37), same: sameContent },
  { label: 'more than a row group', make: large, same: sameLarge },
  {
    label: 'rows',
    make: () => people,
    loaded: () =>
      new arrow.Table({
        name: arrow.vectorFromArray(['Ada', 'Grace'], new arrow.Utf8()),
        born: arrow.vectorFromArray(
          people.map(({ born }) => born),
          new arrow.TimestampMillisecond(),
        ),
        score: arrow.vectorFromArray([1.5, null], new arrow.Float64()),
      }),
    same: (loaded, expected) => assert.deepStrictEqual(rows(loaded), rows(expected)),
  },
  {
    label: 'columns',
    make: () => ({ x: Float32Array.of(1, 2) }),
    loaded: () => new arrow.Table({ x: arrow.makeVector(Float32Array.of(1, 2)) }),
    same: (loaded, expected) => assert.deepStrictEqual(rows(loaded), rows(expected)),
  },
]

export default {
  name: 'ParquetCacher',
  cacher: ParquetCacher as unknown as CacherCase<arrow.Table, FrameLike>['cacher'],
  module: import.meta.url,
  samples,
  refused: [
    { label: 'nothing', value: undefined, message: /it is undefined, not a frame/ },
    { label: 'a text', value: 'a,b', message: /not a frame/ },
    { label: 'two columns of one name', value: twice(), message: /two columns called "x"/ },
    ...unwritable.map((name) => ({
      label: `a column of ${name}`,
      value: new arrow.Table({ either: ofEachType()[name]! }),
      message: /its column "either" holds .*, which Parquet cannot[\s\S]*use ArrowCacher/,
    })),
  ],
} satisfies CacherCase<arrow.Table, FrameLike>
