/** Tables of another copy, or an older version, of apache-arrow, over the same memory: their classes are not those of this one. */
import type { Data, DataType, Dictionary, Field, Struct, Table, Vector } from 'apache-arrow'
import type { Arrow } from './infer.js'
import { FrameProblem } from './problem.js'

/** Whether an object has the shape that tables have had since apache-arrow 7. */
export function isTableLike(value: object): value is Table {
  const { schema, batches } = value as Partial<Table>
  return (
    Array.isArray(schema?.fields) &&
    Array.isArray(batches) &&
    batches.every((batch) => Array.isArray((batch as { data?: { children?: unknown } } | null)?.data?.children))
  )
}

/** The same table, of the classes of this copy. */
export function ownTable(arrow: Arrow, table: Table): Table {
  const types = new Map<number, DataType>()
  const vectors = new Map<Vector, Vector>()

  const field = ({ name, type, nullable, metadata }: Field): Field =>
    new arrow.Field(name, ownType(type), nullable, new Map(metadata))

  const ownType = (type: DataType): DataType => {
    if (!arrow.DataType.isDictionary(type)) return plainType(arrow, type, ((type.children ?? []) as Field[]).map(field))
    const { id, dictionary, indices, isOrdered } = type
    const values = types.get(id) ?? ownType(dictionary)
    types.set(id, values)
    return new arrow.Dictionary(values, ownType(indices) as Dictionary['indices'], id, isOrdered)
  }

  const ownData = (data: Data, type: DataType): Data => {
    const { offset, length, nullCount, valueOffsets, nullBitmap, typeIds } = data
    const fields = (arrow.DataType.isDictionary(type) ? [] : (type.children ?? [])) as readonly Field[]
    const children = fields.map((child, i) => ownData(data.children[i]!, child.type))
    const buffers = [
      valueOffsets,
      ownValues(data.values, arrow.DataType.isDictionary(type) ? type.indices : type),
      nullBitmap,
      typeIds,
    ] as never
    const dictionary = data.dictionary && ownVector(data.dictionary, (type as Dictionary).dictionary)
    return new arrow.Data(type, offset, length, nullCount, buffers, children, dictionary, data.variadicBuffers ?? [])
  }

  const ownVector = (vector: Vector, type: DataType): Vector => {
    const made = vectors.get(vector) ?? new arrow.Vector(vector.data.map((data) => ownData(data, type)))
    vectors.set(vector, made)
    return made
  }

  const schema = new arrow.Schema(table.schema.fields.map(field), new Map(table.schema.metadata))
  const struct = new arrow.Struct(schema.fields)
  return new arrow.Table(
    schema,
    table.batches.map(({ data, metadata }) => {
      return new arrow.RecordBatch(schema, ownData(data, struct) as Data<Struct>, new Map(metadata))
    }),
  )
}

/** The same numbers; older versions kept 64 bits as pairs of 32. */
function ownValues(values: unknown, type: DataType): unknown {
  if (!ArrayBuffer.isView(values)) return values
  const Numbers = type.ArrayType as unknown as Int32ArrayConstructor
  return new Numbers(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength / Numbers.BYTES_PER_ELEMENT)
}

/** Properties of types, whichever they have. */
interface Properties {
  readonly isSigned: true
  readonly bitWidth: 32
  readonly precision: number
  readonly scale: number
  readonly unit: number
  readonly timezone: string | null
  readonly byteWidth: number
  readonly listSize: number
  readonly keysSorted: boolean
  readonly mode: number
  readonly typeIds: Int32Array
}

/** A type that is no dictionary, with other children. */
export function plainType(arrow: Arrow, type: DataType, children: Field[]): DataType {
  const { Type } = arrow
  const own = type as unknown as Properties
  switch (type.typeId) {
    case Type.Null:
      return new arrow.Null()
    case Type.Int:
      return new arrow.Int(own.isSigned, own.bitWidth)
    case Type.Float:
      return new arrow.Float(own.precision)
    case Type.Binary:
      return new arrow.Binary()
    case Type.Utf8:
      return new arrow.Utf8()
    case Type.Bool:
      return new arrow.Bool()
    case Type.Decimal:
      return new arrow.Decimal(own.scale, own.precision, own.bitWidth)
    case Type.Date:
      return new arrow.Date_(own.unit)
    case Type.Time:
      return new arrow.Time(own.unit, own.bitWidth)
    case Type.Timestamp:
      return new arrow.Timestamp(own.unit, own.timezone)
    case Type.Interval:
      return new arrow.Interval(own.unit)
    case Type.List:
      return new arrow.List(children[0]!)
    case Type.Struct:
      return new arrow.Struct(children)
    case Type.Union:
      return own.mode === 0 ? new arrow.SparseUnion(own.typeIds, children) : new arrow.DenseUnion(own.typeIds, children)
    case Type.FixedSizeBinary:
      return new arrow.FixedSizeBinary(own.byteWidth)
    case Type.FixedSizeList:
      return new arrow.FixedSizeList(own.listSize, children[0]!)
    case Type.Map:
      return new arrow.Map_(children[0]!, own.keysSorted)
    case Type.Duration:
      return new arrow.Duration(own.unit)
    case Type.LargeBinary:
      return new arrow.LargeBinary()
    case Type.LargeUtf8:
      return new arrow.LargeUtf8()
    case Type.LargeList:
      return new arrow.LargeList(children[0]!)
    case Type.BinaryView:
      return new arrow.BinaryView()
    case Type.Utf8View:
      return new arrow.Utf8View()
    default:
      throw new FrameProblem(`it is a table of another copy of apache-arrow, with a column of ${type}`)
  }
}
