/** Values of Arrow columns as plain JavaScript ones. */
import type { Data, Field, Vector } from 'apache-arrow'
import type { Arrow } from './infer.js'
import { childAt } from './layout.js'

export type Getter = (index: number) => unknown

/** `Type` and units of apache-arrow, which loads only when it is used: numbers of the Arrow format. */
const milliseconds = [1000n, 1n, 1n, 1n] as const
const perMillisecond = [1n, 1n, 1000n, 1_000_000n] as const

/**
 * Reads a column: numbers, bigints, strings, booleans, bytes as apache-arrow gives them; timestamps and dates as `Date` (to the
 * millisecond), decimals as text, lists as arrays, structs as objects, maps as `Map`, nulls as null.
 */
export function getter(arrow: Arrow, data: Data): Getter {
  const read = validGetter(arrow, data)
  if (data.typeId === arrow.Type.Union) return read
  return (index) => (data.getValid(index) ? read(index) : null)
}

function validGetter(arrow: Arrow, data: Data): Getter {
  const { Type, DataType, DateUnit, UnionMode } = arrow
  const { type } = data
  const own = DataType.isDictionary(type) ? [] : ((type.children ?? []) as readonly Field[])
  const children = own.map((_, i) => childAt(arrow, data, i))
  const values = data.values as unknown as ArrayLike<bigint & number>
  switch (data.typeId) {
    case Type.Null:
      return () => null
    case Type.Timestamp: {
      const { unit } = type as unknown as { unit: 0 | 1 | 2 | 3 }
      return (i) => new Date(Number((values[i]! * milliseconds[unit]) / perMillisecond[unit]))
    }
    case Type.Date:
      if ((type as unknown as { unit: number }).unit === DateUnit.DAY) return (i) => new Date(values[i]! * 86_400_000)
      return (i) => new Date(Number(values[i]!))
    case Type.Decimal: {
      const { scale, bitWidth } = type as unknown as { scale: number; bitWidth: number }
      const words = values as unknown as Uint32Array
      return (i) => decimal(words.subarray((i * bitWidth) / 32, ((i + 1) * bitWidth) / 32), scale)
    }
    case Type.List:
    case Type.LargeList: {
      const [item, offsets] = [getter(arrow, children[0]!), data.valueOffsets as ArrayLike<number | bigint>]
      return (i) => items(item, Number(offsets[i]), Number(offsets[i + 1]))
    }
    case Type.FixedSizeList: {
      const [item, { listSize }] = [getter(arrow, children[0]!), type as unknown as { listSize: number }]
      return (i) => items(item, i * listSize, (i + 1) * listSize)
    }
    case Type.Map: {
      const [key, value] = [0, 1].map((i) => getter(arrow, childAt(arrow, children[0]!, i))) as [Getter, Getter]
      const offsets = data.valueOffsets as Int32Array
      return (i) => new Map(items((j) => [key(j), value(j)] as const, offsets[i]!, offsets[i + 1]!))
    }
    case Type.Struct: {
      const fields = own.map((field, j) => [field.name, getter(arrow, children[j]!)] as const)
      return (i) => Object.fromEntries(fields.map(([name, read]) => [name, read(i)]))
    }
    case Type.Union: {
      const { mode, typeIdToChildIndex } = type as unknown as {
        mode: number
        typeIdToChildIndex: Record<number, number>
      }
      const members = children.map((child) => getter(arrow, child))
      const [ids, offsets] = [data.typeIds as unknown as Int8Array, data.valueOffsets as Int32Array]
      return (i) => members[typeIdToChildIndex[ids[i]!]!]!(mode === UnionMode.Dense ? offsets[i]! : i)
    }
    case Type.Dictionary: {
      const read = chunked(arrow, data.dictionary!)
      return (i) => read(Number(values[i]))
    }
    default:
      if (DataType.isBinary(type) || DataType.isLargeBinary(type) || DataType.isFixedSizeBinary(type)) {
        const vector = new arrow.Vector([data])
        return (i) => Uint8Array.from(vector.get(i) as Uint8Array)
      }
      return single(arrow, data)
  }
}

function single(arrow: Arrow, data: Data): Getter {
  const vector = new arrow.Vector([data])
  return (i) => vector.get(i) as unknown
}

/** Reads a column of several chunks. */
export function chunked(arrow: Arrow, vector: Vector): Getter {
  const chunks = vector.data.map((data) => ({ data, read: getter(arrow, data) }))
  if (chunks.length === 1) return chunks[0]!.read
  return (index) => {
    let at = index
    for (const { data, read } of chunks) {
      if (at < data.length) return read(at)
      at -= data.length
    }
    return null
  }
}

function items<T>(read: (index: number) => T, start: number, end: number): T[] {
  const list: T[] = []
  for (let i = start; i < end; i++) list.push(read(i))
  return list
}

/** The text of a decimal: little-endian two's complement words, and how many digits stand behind the point. */
function decimal(words: Uint32Array, scale: number): string {
  let number = 0n
  for (let i = words.length - 1; i >= 0; i--) number = (number << 32n) | BigInt(words[i]!)
  number = BigInt.asIntN(words.length * 32, number)
  if (scale <= 0) return String(number * 10n ** BigInt(-scale))
  const digits = String(number < 0n ? -number : number).padStart(scale + 1, '0')
  return `${number < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
