/**
 * The types of a frame's columns as small JSON, and back: `[{ "name": "when", "type": "timestamp[us, UTC]" }, …]`. What text formats lose.
 *
 * Metadata of schemas and fields is left out.
 */
import type { DataType, Field, Schema } from 'apache-arrow'
import { DeclarationError, nearest } from '../../src/errors.js'
import type { Arrow } from './infer.js'
import { FrameProblem } from './problem.js'

/** A column, or a part of a nested one. */
export interface FieldJson {
  readonly name: string
  /** `int64`, `timestamp[us, UTC]`, `dictionary<utf8, int32>`; `list`, `large_list`, `fixed_size_list[3]` and `struct` have children. */
  readonly type: string
  /** Present only where nulls are ruled out. */
  readonly nullable?: false
  readonly children?: readonly FieldJson[]
}

/** The type of a column as an option names it. */
export type TypeJson = string | Pick<FieldJson, 'type' | 'children'>

/** The type ids of the Arrow format that are told apart here. */
export const typeIds = {
  null: 1, int: 2, float: 3, binary: 4, utf8: 5, bool: 6, decimal: 7, date: 8, time: 9, timestamp: 10, interval: 11, list: 12,
  struct: 13, union: 14, fixedSizeBinary: 15, fixedSizeList: 16, map: 17, duration: 18, largeBinary: 19, largeUtf8: 20, largeList: 21,
  binaryView: 23, utf8View: 24, dictionary: -1,
} as const // biome-ignore format: a table

export const units = ['s', 'ms', 'us', 'ns'] as const
const precisions = ['float16', 'float32', 'float64'] as const

/** What the types of apache-arrow have beside their ids. */
export interface TypeParts {
  readonly bitWidth: number
  readonly isSigned: boolean
  readonly precision: number
  readonly scale: number
  readonly unit: 0 | 1 | 2 | 3
  readonly timezone?: string | null
  readonly listSize: number
  readonly indices: DataType
  readonly dictionary: DataType
  readonly isOrdered: boolean
}

/** The columns of a schema; refuses, by their names, types that have no text: binary, maps, unions, intervals. */
export function fieldsOf(schema: Schema): FieldJson[] {
  return schema.fields.map((field) => {
    try {
      const json = fieldJson(field)
      fieldMaker(json, 0)
      return json
    } catch (error) {
      if (!(error instanceof FrameProblem)) throw error
      throw new FrameProblem(
        `its column ${field.name} ${error.message}`,
        'leave it out, or use ArrowCacher or ParquetCacher',
      )
    }
  })
}

function fieldJson({ name, type, nullable }: Field): FieldJson {
  const children = (type.typeId as number) === typeIds.dictionary ? undefined : type.children
  return {
    name,
    type: typeName(type),
    ...(nullable ? {} : { nullable }),
    ...(children === undefined || children === null ? {} : { children: children.map(fieldJson) }),
  }
}

/** How a type is written; nested types without their children. */
export function typeName(type: DataType): string {
  const { bitWidth, isSigned, precision, scale, unit, timezone, listSize, indices, dictionary, isOrdered } =
    type as unknown as TypeParts
  switch (type.typeId as number) {
    case typeIds.null:
      return 'null'
    case typeIds.int:
      return `${isSigned ? '' : 'u'}int${bitWidth}`
    case typeIds.float:
      return precisions[precision]!
    case typeIds.utf8:
      return 'utf8'
    case typeIds.largeUtf8:
      return 'large_utf8'
    case typeIds.utf8View:
      return 'utf8_view'
    case typeIds.bool:
      return 'bool'
    case typeIds.decimal:
      return `decimal${bitWidth}(${precision}, ${scale})`
    case typeIds.date:
      return unit === 0 ? 'date32' : 'date64'
    case typeIds.time:
      return `time${bitWidth}[${units[unit]}]`
    case typeIds.timestamp:
      return `timestamp[${units[unit]}${timezone ? `, ${timezone}` : ''}]`
    case typeIds.duration:
      return `duration[${units[unit]}]`
    case typeIds.list:
      return 'list'
    case typeIds.largeList:
      return 'large_list'
    case typeIds.fixedSizeList:
      return `fixed_size_list[${listSize}]`
    case typeIds.struct:
      return 'struct'
    case typeIds.dictionary:
      if (dictionary.children?.length > 0) throw new FrameProblem(`holds ${String(type)}, which text cannot hold`)
      return `dictionary<${typeName(dictionary)}, ${typeName(indices)}${isOrdered ? ', ordered' : ''}>`
    default:
      throw new FrameProblem(`holds ${String(type)}, which text cannot hold`)
  }
}

type Make = (arrow: Arrow) => DataType

const plain: Readonly<Record<string, Make>> = {
  null: ({ Null }) => new Null(),
  bool: ({ Bool }) => new Bool(),
  int8: ({ Int8 }) => new Int8(),
  int16: ({ Int16 }) => new Int16(),
  int32: ({ Int32 }) => new Int32(),
  int64: ({ Int64 }) => new Int64(),
  uint8: ({ Uint8 }) => new Uint8(),
  uint16: ({ Uint16 }) => new Uint16(),
  uint32: ({ Uint32 }) => new Uint32(),
  uint64: ({ Uint64 }) => new Uint64(),
  float16: ({ Float16 }) => new Float16(),
  float32: ({ Float32 }) => new Float32(),
  float64: ({ Float64 }) => new Float64(),
  utf8: ({ Utf8 }) => new Utf8(),
  large_utf8: ({ LargeUtf8 }) => new LargeUtf8(),
  utf8_view: ({ Utf8View }) => new Utf8View(),
  date32: ({ DateDay }) => new DateDay(),
  date64: ({ DateMillisecond }) => new DateMillisecond(),
  'time32[s]': ({ TimeSecond }) => new TimeSecond(),
  'time32[ms]': ({ TimeMillisecond }) => new TimeMillisecond(),
  'time64[us]': ({ TimeMicrosecond }) => new TimeMicrosecond(),
  'time64[ns]': ({ TimeNanosecond }) => new TimeNanosecond(),
  'duration[s]': ({ DurationSecond }) => new DurationSecond(),
  'duration[ms]': ({ DurationMillisecond }) => new DurationMillisecond(),
  'duration[us]': ({ DurationMicrosecond }) => new DurationMicrosecond(),
  'duration[ns]': ({ DurationNanosecond }) => new DurationNanosecond(),
}

/** Names to suggest where one is not known. */
const known = [
  ...Object.keys(plain),
  ...units.flatMap((unit) => [`timestamp[${unit}]`, `timestamp[${unit}, UTC]`]),
  'decimal128(38, 10)',
  'dictionary<utf8, int32>',
]

function leaf(type: string): Make | undefined {
  if (Object.hasOwn(plain, type)) return plain[type]
  const [, unit, zone] = /^timestamp\[(s|ms|us|ns)(?:, (.+))?\]$/.exec(type) ?? []
  if (unit !== undefined) {
    const names = {
      s: 'TimestampSecond',
      ms: 'TimestampMillisecond',
      us: 'TimestampMicrosecond',
      ns: 'TimestampNanosecond',
    } as const
    return (arrow) => new arrow[names[unit as keyof typeof names]](zone ?? null)
  }
  const decimal = /^decimal(128|256)\((\d{1,2}), (-?\d{1,2})\)$/.exec(type)
  if (decimal !== null) {
    const [bits, precision, scale] = decimal.slice(1).map(Number) as [number, number, number]
    if (precision < 1 || precision > (bits === 128 ? 38 : 76)) return undefined
    return ({ Decimal }) => new Decimal(scale, precision, bits)
  }
  const [, value, index, ordered] = /^dictionary<(.+), (u?int(?:8|16|32|64))(, ordered)?>$/.exec(type) ?? []
  if (value === undefined || value.startsWith('dictionary')) return undefined
  const [values, indices] = [leaf(value), plain[index!]!]
  if (values === undefined) return undefined
  return (arrow) => new arrow.Dictionary(values(arrow), indices(arrow) as never, null, ordered !== undefined)
}

const listTypes = /^(list|large_list|fixed_size_list\[(\d{1,9})\])$/

/** Makes the type that is written so. Nothing of apache-arrow is loaded for it to be checked. */
function maker(json: TypeJson, depth = 0): Make {
  const { type, children } = typeof json === 'string' ? { type: json } : (json as Partial<FieldJson>)
  if (typeof type === 'string' && children === undefined) {
    const make = leaf(type)
    if (make !== undefined) return make
  } else if (typeof type === 'string' && Array.isArray(children) && depth < 64) {
    const fields = (children as readonly FieldJson[]).map((child) => fieldMaker(child, depth + 1))
    const [, list, size] = listTypes.exec(type) ?? []
    if (type === 'struct') return (arrow) => new arrow.Struct(fields.map((make) => make(arrow)))
    if (list !== undefined && fields.length === 1) {
      const [item] = fields as [(arrow: Arrow) => Field]
      if (size !== undefined) return (arrow) => new arrow.FixedSizeList(Number(size), item(arrow))
      return (arrow) => new arrow[list === 'list' ? 'List' : 'LargeList'](item(arrow))
    }
  }
  const text = typeof type === 'string' ? type : JSON.stringify(json)
  const near = nearest(String(text), known)
  const nested = /^struct|list/.test(String(text))
    ? `give it as { type: 'list', children: [{ name: 'item', type: 'int64' }] }`
    : undefined
  throw new FrameProblem(
    `there is no type ${String(text)}`,
    nested ?? (near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`),
  )
}

function fieldMaker(json: FieldJson, depth: number): (arrow: Arrow) => Field {
  if (json === null || typeof json !== 'object' || typeof json.name !== 'string') {
    throw new FrameProblem(`${JSON.stringify(json)} describes no column`)
  }
  const { name, nullable } = json
  const make = maker(json, depth)
  return (arrow) => new arrow.Field(name, make(arrow), nullable !== false)
}

/** @throws {FrameProblem} when the JSON is not that of a schema. */
export function schemaOf(fields: unknown, arrow: Arrow): Schema {
  if (!Array.isArray(fields)) throw new FrameProblem('its metadata lists no columns')
  return new arrow.Schema(fields.map((json) => fieldMaker(json as FieldJson, 0)(arrow)))
}

/** A column of that type; nulls are allowed. */
export function fieldOf(name: string, type: TypeJson): FieldJson {
  return typeof type === 'string'
    ? { name, type }
    : { name, type: type.type, ...(type.children ? { children: type.children } : {}) }
}

/** @throws {DeclarationError} when an option names a type that does not exist. */
export function checkTypes(cacher: string, types: unknown): void {
  if (types === undefined) return
  if (types === null || typeof types !== 'object' || Array.isArray(types)) {
    throw new DeclarationError(`the types of a ${cacher} cacher must be an object of column names and types`)
  }
  for (const [column, type] of Object.entries(types)) {
    try {
      maker(type as TypeJson)
    } catch (error) {
      if (!(error instanceof FrameProblem)) throw error
      throw new DeclarationError(
        `${cacher} types.${column}: ${error.message}`,
        error.hint === undefined ? {} : { hint: error.hint },
      )
    }
  }
}
