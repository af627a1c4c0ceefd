/** Values of dictionaries, told apart by their bytes, and picked into new ones. For types of one value of bytes each. */
import type { Data, DataType } from 'apache-arrow'
import { isSet } from './check.js'
import type { Arrow } from './infer.js'
import { layoutOf } from './layout.js'

/** The bytes of a value; undefined for null. */
function reader(arrow: Arrow, data: Data): (index: number) => Buffer | undefined {
  const layout = layoutOf(arrow, data.type)
  const view = data.values as unknown as Uint8Array
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength)
  const at = (index: number): Buffer => {
    if (layout.kind === 'fixed') return bytes.subarray(index * layout.bytes, (index + 1) * layout.bytes)
    if (layout.kind === 'bool') return Buffer.of(isSet(bytes, data.offset + index) ? 1 : 0)
    const offsets = data.valueOffsets as ArrayLike<number | bigint>
    return bytes.subarray(Number(offsets[index]), Number(offsets[index + 1]))
  }
  return (index) => (data.getValid(index) ? at(index) : undefined)
}

/** A text for each value, the same for the same bytes. */
export function keysOf(arrow: Arrow, data: Data): string[] {
  const read = reader(arrow, data)
  return Array.from({ length: data.length }, (_, i) => read(i)?.toString('latin1') ?? '\u{1f6ab} null')
}

/** New data of picked values. */
export function gathered(arrow: Arrow, type: DataType, picked: readonly (readonly [Data, number])[]): Data {
  const readers = new Map<Data, (index: number) => Buffer | undefined>()
  for (const [data] of picked) if (!readers.has(data)) readers.set(data, reader(arrow, data))
  const values = picked.map(([data, index]) => readers.get(data)!(index))
  const layout = layoutOf(arrow, type)
  const { length } = values
  const nullBitmap = new Uint8Array((length + 7) >> 3)
  for (const [i, value] of values.entries()) if (value !== undefined) nullBitmap[i >> 3]! |= 1 << (i & 7)
  const common = { type, length, nullCount: values.filter((value) => value === undefined).length, nullBitmap }
  if (layout.kind === 'bool') {
    const data = new Uint8Array((length + 7) >> 3)
    for (const [i, value] of values.entries()) if (value?.[0] === 1) data[i >> 3]! |= 1 << (i & 7)
    return arrow.makeData({ ...common, data } as never)
  }
  if (layout.kind === 'fixed') {
    const blank = Buffer.alloc(layout.bytes)
    return arrow.makeData({ ...common, data: alone(Buffer.concat(values.map((value) => value ?? blank))) } as never)
  }
  const ends = [0]
  for (const value of values) ends.push(ends.at(-1)! + (value?.byteLength ?? 0))
  const wide = layout.kind === 'variable' && layout.wide
  const valueOffsets = wide ? BigInt64Array.from(ends, BigInt) : Int32Array.from(ends)
  const data = alone(Buffer.concat(values.filter((value) => value !== undefined)))
  return arrow.makeData({ ...common, valueOffsets, data } as never)
}

/** Bytes at the beginning of a memory of their own, where any type may lie. */
function alone(bytes: Buffer): Uint8Array {
  return Uint8Array.from(bytes)
}
