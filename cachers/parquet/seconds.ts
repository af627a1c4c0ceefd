/**
 * Timestamps and times in seconds, and dates in milliseconds: Parquet has none of them. Left to themselves they are written as bare
 * numbers, which is what other programs read. They are written as milliseconds instead, and the field notes what they were.
 */
import type { Data, DataType, Field, Table } from 'apache-arrow'
import type { Arrow } from '../frame/infer.js'
import { assembledBatch } from '../frame/ipc.js'
import { FrameProblem } from '../frame/problem.js'

/** Key of a field's metadata under which its type in memory stands. */
const key = 'curio:type'
const largest = (2n ** 63n - 1n) / 1000n
const largestTime = Math.floor((2 ** 31 - 1) / 1000)

/** A type that Parquet does not have, and the one in its place. */
interface Stand {
  readonly name: string
  readonly own: (arrow: Arrow, type: DataType) => DataType
  readonly other: (arrow: Arrow, type: DataType) => DataType
  readonly is: (arrow: Arrow, type: DataType) => boolean
  readonly isOther: (arrow: Arrow, type: DataType) => boolean
  readonly scaled: boolean
}

const zone = (type: DataType): string | null => (type as { timezone?: string | null }).timezone ?? null

const stands: readonly Stand[] = [
  {
    name: 'timestamp[s]',
    own: (arrow, type) => new arrow.Timestamp(arrow.TimeUnit.SECOND, zone(type)),
    other: (arrow, type) => new arrow.Timestamp(arrow.TimeUnit.MILLISECOND, zone(type)),
    is: (arrow, type) => arrow.DataType.isTimestamp(type) && type.unit === arrow.TimeUnit.SECOND,
    isOther: (arrow, type) => arrow.DataType.isTimestamp(type) && type.unit === arrow.TimeUnit.MILLISECOND,
    scaled: true,
  },
  {
    name: 'time32[s]',
    own: (arrow) => new arrow.Time(arrow.TimeUnit.SECOND, 32),
    other: (arrow) => new arrow.Time(arrow.TimeUnit.MILLISECOND, 32),
    is: (arrow, type) => arrow.DataType.isTime(type) && type.unit === arrow.TimeUnit.SECOND,
    isOther: (arrow, type) => arrow.DataType.isTime(type) && type.unit === arrow.TimeUnit.MILLISECOND,
    scaled: true,
  },
  {
    name: 'date64',
    own: (arrow) => new arrow.DateMillisecond(),
    other: (arrow) => new arrow.Timestamp(arrow.TimeUnit.MILLISECOND),
    is: (arrow, type) => arrow.DataType.isDate(type) && type.unit === arrow.DateUnit.MILLISECOND,
    isOther: (arrow, type) => arrow.DataType.isTimestamp(type) && type.unit === arrow.TimeUnit.MILLISECOND,
    scaled: false,
  },
]

/** The table as it is written. @throws {FrameProblem} for seconds whose milliseconds have no 64 bits. */
export function inMilliseconds(arrow: Arrow, table: Table): Table {
  return mapped(arrow, table, (field) => {
    const stand = stands.find(({ is }) => is(arrow, field.type))
    if (stand === undefined) return undefined
    const type = stand.other(arrow, field.type)
    return {
      field: new arrow.Field(field.name, type, field.nullable, new Map([...field.metadata, [key, stand.name]])),
      convert: (data) => (stand.scaled ? multiplied(data, field.name) : data.values),
    }
  })
}

/** The table as it was. */
export function asNoted(arrow: Arrow, table: Table): Table {
  return mapped(arrow, table, (field) => {
    const noted = field.metadata.get(key)
    const stand = stands.find(({ name }) => name === noted)
    if (stand === undefined || !stand.isOther(arrow, field.type)) return undefined
    const metadata = new Map(field.metadata)
    metadata.delete(key)
    return {
      field: new arrow.Field(field.name, stand.own(arrow, field.type), field.nullable, metadata),
      convert: (data) => (stand.scaled ? divided(data, field.name) : data.values),
    }
  })
}

type Numbers = BigInt64Array | Int32Array

interface Change {
  readonly field: Field
  convert(data: Data): Numbers
}

function mapped(arrow: Arrow, table: Table, change: (field: Field) => Change | undefined): Table {
  const changes = table.schema.fields.map(change)
  if (changes.every((one) => one === undefined)) return table
  const fields = table.schema.fields.map((field, i) => changes[i]?.field ?? field)
  const schema = new arrow.Schema(fields, table.schema.metadata)
  const batches = table.batches.map(({ data, numRows }) => {
    const children = data.children.map((child, i) => {
      const one = changes[i]
      if (one === undefined) return child
      const buffers = [child.valueOffsets, one.convert(child), child.nullBitmap, child.typeIds] as never
      return new arrow.Data(one.field.type, child.offset, child.length, child.nullCount, buffers)
    })
    return assembledBatch(arrow, schema, { metadata: new Map() }, numRows, children)
  })
  return new arrow.Table(schema, batches)
}

function multiplied(data: Data, name: string): Numbers {
  const values = data.values as unknown as Numbers
  const refuse = (value: number | bigint, i: number): void => {
    if (!data.getValid(i)) return
    throw new FrameProblem(`its column ${JSON.stringify(name)} holds second ${value}, which Parquet cannot`)
  }
  if (values instanceof Int32Array) {
    return values.map((value, i) => (Math.abs(value) <= largestTime ? value * 1000 : (refuse(value, i) ?? 0)))
  }
  return values.map((value, i) => {
    return value >= -largest && value <= largest ? value * 1000n : (refuse(value, i) ?? 0n)
  })
}

function divided(data: Data, name: string): Numbers {
  const values = data.values as unknown as Numbers
  const isWhole =
    values instanceof Int32Array ? values.every((v) => v % 1000 === 0) : values.every((v) => v % 1000n === 0n)
  if (!isWhole) throw new FrameProblem(`its column ${JSON.stringify(name)} is not in seconds, as it says`)
  return values instanceof Int32Array ? values.map((value) => value / 1000) : values.map((value) => value / 1000n)
}
