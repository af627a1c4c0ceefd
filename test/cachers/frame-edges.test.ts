import assert from 'node:assert/strict'
import * as arrow from 'apache-arrow'
import { describe, expect, it } from 'vitest'
import {
  ArrowCacher,
  CsvCacher,
  JsonFrameCacher,
  ParquetCacher,
  SafetensorsCacher,
  TensorCacher,
} from '../../cachers/index.js'
import type { ByteSource, Encoded } from '../../src/artifact/cacheable.js'

const field = (name: string, type: arrow.DataType): arrow.Field => new arrow.Field(name, type, true)

function tableOf(name: string, data: arrow.Data): arrow.Table {
  const schema = new arrow.Schema([field(name, data.type)])
  const type = new arrow.Struct(schema.fields)
  const rows = arrow.makeData({ type, length: data.length, nullCount: 0, children: [data] })
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, rows)])
}

function fixed(type: arrow.DataType, values: ArrayBufferView, length: number): arrow.Data {
  return new arrow.Data(type, 0, length, 0, [undefined, values] as never)
}

async function bytesOf(encoded: Encoded | Promise<Encoded>): Promise<Buffer> {
  const given = await encoded
  if (typeof given === 'string') return Buffer.from(given)
  if (given instanceof Uint8Array) return Buffer.from(given)
  const pieces: Uint8Array[] = []
  for await (const piece of given) pieces.push(piece)
  return Buffer.concat(pieces)
}

const sourceOf = (bytes: Uint8Array): ByteSource => ({
  bytes: bytes.byteLength,
  read: async (start, end) => bytes.slice(start, end),
})

describe('frames that no file could give back are refused when they are saved', () => {
  const decimal = tableOf('price', fixed(new arrow.Decimal(0, 3, 128), Uint32Array.of(5, 256, 0, 0), 1))

  for (const [name, cacher] of Object.entries({
    parquet: ParquetCacher(),
    csv: CsvCacher(),
    json: JsonFrameCacher(),
  })) {
    it(`${name}: decimals of more digits than their type has`, async () => {
      await expect(bytesOf(cacher.encode(decimal))).rejects.toThrow(/price.* 1099511627781, .*more than 3 digits/)
      const most = tableOf('price', fixed(new arrow.Decimal(0, 3, 128), Int32Array.of(-999, -1, -1, -1), 1))
      await bytesOf(cacher.encode(most))
    })
  }

  it('parquet: seconds after midnight that have no milliseconds', async () => {
    const table = tableOf('at', fixed(new arrow.TimeSecond(), Int32Array.of(0, 2 ** 29), 2))
    await expect(bytesOf(ParquetCacher().encode(table))).rejects.toThrow(/"at" holds second 536870912/)
  })

  const values = arrow.vectorFromArray(['a', 'b'], new arrow.Utf8())
  const dictionary = (type: arrow.DataType, vector: arrow.Vector, indices: arrow.DataType = new arrow.Int8()) => {
    const own = new arrow.Dictionary(type, indices as arrow.Int32)
    const numbers =
      arrow.DataType.isInt(indices) && indices.bitWidth === 64 ? BigInt64Array.of(1n, 0n) : Int8Array.of(1, 0)
    return new arrow.Data(own, 0, 2, 0, [undefined, numbers] as never, [], vector)
  }

  it('arrow: dictionaries of dictionaries, and dictionaries with indices of 64 bits', async () => {
    const inner = dictionary(new arrow.Utf8(), values)
    const nested = tableOf('name', dictionary(inner.type, new arrow.Vector([inner])))
    await expect(bytesOf(ArrowCacher().encode(nested))).rejects.toThrow(/column name is a dictionary of dictionaries/)
    const wide = tableOf('name', dictionary(new arrow.Utf8(), values, new arrow.Int64()))
    await expect(bytesOf(ArrowCacher().encode(wide))).rejects.toThrow(/column name is a dictionary with Int64 indices/)
  })

  const struct = new arrow.Struct([field('x', new arrow.Int32())])
  const others: readonly (readonly [string, arrow.Data])[] = [
    ['Bool', arrow.vectorFromArray([true, false], new arrow.Bool()).data[0]!],
    ['Float16', arrow.vectorFromArray([1, 2], new arrow.Float16()).data[0]!],
    ['Decimal', fixed(new arrow.Decimal(0, 9, 128), new Uint32Array(8), 2)],
    ['FixedSizeBinary', fixed(new arrow.FixedSizeBinary(2), Uint8Array.of(1, 2, 3, 4), 2)],
    ['Interval', fixed(new arrow.IntervalYearMonth(), Int32Array.of(1, 2), 2)],
    ['Struct', arrow.vectorFromArray([{ x: 1 }, { x: 2 }], struct).data[0]!],
    ['List', arrow.vectorFromArray([[1], [2]], new arrow.List(field('item', new arrow.Int32()))).data[0]!],
  ]
  for (const [name, data] of others) {
    it(`parquet: dictionaries of ${name}, which its reader cannot read`, async () => {
      const table = tableOf('kind', dictionary(data.type, new arrow.Vector([data])))
      await expect(bytesOf(ParquetCacher().encode(table))).rejects.toThrow(/"kind" holds Dictionary<Int8, /)
    })
  }

  it('parquet: structs without fields, by the name of the column', async () => {
    const empty = arrow.makeData({ type: new arrow.Struct([]), length: 2, nullCount: 0, children: [] })
    await expect(bytesOf(ParquetCacher().encode(tableOf('s', empty)))).rejects.toThrow(/"s" holds Struct<\{\}>/)
  })
})

describe('a Parquet file that cannot be written to its end', () => {
  /** Text of 8 rows, of which the one before the last has a byte that is no UTF-8. */
  const broken = (nullBitmap?: Uint8Array): arrow.Table => {
    const texts = Uint8Array.from({ length: 8 }, (_, i) => (i === 6 ? 0xff : 97 + i))
    const offsets = Int32Array.from({ length: 9 }, (_, i) => i)
    const nulls = nullBitmap === undefined ? 0 : 1
    return tableOf('text', new arrow.Data(new arrow.Utf8(), 0, 8, nulls, [offsets, texts, nullBitmap] as never))
  }

  it('is an error where a later row group is refused here', async () => {
    const cacher = ParquetCacher({ writeOptions: { rowGroupSize: 2 } })
    await expect(bytesOf(cacher.encode(broken()))).rejects.toThrow(/text is not UTF-8/)
  })

  it('is an error where parquet-wasm refuses a later row group', async () => {
    const cacher = ParquetCacher({ writeOptions: { rowGroupSize: 2 } })
    await expect(bytesOf(cacher.encode(broken(Uint8Array.of(0b1011_1111))))).rejects.toThrow(/UTF8/i)
  })
})

describe('parts of Parquet files', () => {
  it('are nested columns of any name', async () => {
    const rows = [{ a: 1, é漢: [1, 2], 'é.b': { c: 'x' }, éa: [[true]], z: 2 }]
    const file = sourceOf(await bytesOf(ParquetCacher().encode(rows)))
    for (const names of [['é漢'], ['z', 'é.b'], ['éa', 'é漢', 'a']]) {
      const part = await ParquetCacher().columns!(file, names)
      assert.deepEqual(part.schema.names, names)
      const whole = await ParquetCacher().decode(await bytesOf(ParquetCacher().encode(rows)))
      for (const name of names) assert.equal(String(part.getChild(name)), String(whole.getChild(name)))
    }
  })
})

describe('the same numbers give the same bytes', () => {
  it('whichever bits a NaN has, in rows and in tensors of plain arrays', async () => {
    // What a processor makes of 0 / 0 has a sign, and a NaN written in a program has none.
    const bits = new BigUint64Array([0x7ff8_0000_0000_0000n, 0xfff8_0000_0000_0000n, 0x7ff8_0000_0000_0001n])
    const files: string[] = []
    for (const nan of new Float64Array(bits.buffer)) {
      const encoded = await ArrowCacher().encode([
        { x: nan, list: [1, nan] },
        { x: null, list: null },
      ])
      const tensor = await bytesOf(TensorCacher().encode({ data: [1, nan], shape: [2] }))
      const named = await bytesOf(SafetensorsCacher().encode({ x: { data: [nan], shape: [1] } }))
      files.push(Buffer.concat([await bytesOf(encoded), tensor, named]).toString('hex'))
    }
    assert.equal(new Set(files).size, 1)
  })
})
