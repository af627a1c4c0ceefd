/**
 * Arrow schemas from their flatbuffers.
 *
 * @see https://github.com/apache/arrow/blob/main/format/Schema.fbs
 */
import type { DataType, Field, Int32, Schema } from 'apache-arrow'
import { damaged, type FlatTable } from './flat.js'
import type { Arrow } from './infer.js'
import { textsOf } from './message.js'
import { FrameProblem } from './problem.js'

/** Nesting past any use, before it is one past the call stack. */
const deepest = 64

/** @throws {FrameProblem} naming the column whose type cannot be read. */
export function schemaOf(arrow: Arrow, table: FlatTable): Schema {
  if (table.i16(0, 0) !== 0) throw new FrameProblem('it is big-endian', 'write it on a little-endian machine')
  const types = new Map<number, DataType>()
  const fields = table.tables(1).map((field) => fieldOf(arrow, field, types, '', 0))
  const names = new Set<string>()
  for (const { name } of fields) {
    if (names.has(name)) throw twice(name)
    names.add(name)
  }
  return new arrow.Schema(fields, textsOf(table, 2))
}

/** Columns are found by their names, in Arrow as here. */
export function twice(name: string): FrameProblem {
  return new FrameProblem(`it has two columns named ${JSON.stringify(name)}`, 'rename one of them')
}

function fieldOf(arrow: Arrow, table: FlatTable, types: Map<number, DataType>, parent: string, depth: number): Field {
  const name = table.text(0) ?? ''
  const path = parent === '' ? name : `${parent}.${name}`
  if (depth > deepest) throw new FrameProblem(`its column ${parent.split('.')[0]} is nested too deeply`)
  const dictionary = table.table(4)
  const children = () => table.tables(5).map((child) => fieldOf(arrow, child, types, path, depth + 1))
  const type =
    dictionary === undefined
      ? typeOf(arrow, table, children(), path)
      : dictionaryOf(arrow, dictionary, types, path, () => typeOf(arrow, table, children(), path))
  return new arrow.Field(name, type, table.bool(1), textsOf(table, 6))
}

function dictionaryOf(
  arrow: Arrow,
  table: FlatTable,
  types: Map<number, DataType>,
  path: string,
  values: () => DataType,
): DataType {
  const [id, index] = [table.i64(0), table.table(1)]
  const indices = index === undefined ? new arrow.Int32() : intOf(arrow, index, path)
  if (indices.bitWidth > 32) {
    throw new FrameProblem(`its column ${path} is a dictionary with ${indices} indices`, 'cast them to int32')
  }
  // Columns that share a dictionary share its type: apache-arrow compares them by identity.
  const before = types.get(id)
  const type = before ?? values()
  if (before === undefined && types.has(id)) throw damaged(`its column ${path} has a dictionary within itself`)
  types.set(id, type)
  return new arrow.Dictionary(type, indices as Int32, id, table.bool(2))
}

function intOf(arrow: Arrow, table: FlatTable, path: string) {
  const bits = oneOf(table.i32(0, 0), [8, 16, 32, 64], path)
  return new arrow.Int(table.bool(1) as true, bits as 32)
}

/** The types of Arrow by their number in its format. */
function typeOf(arrow: Arrow, field: FlatTable, children: Field[], path: string): DataType {
  const number = field.i8(2, 0)
  const type = field.table(3)
  if (type === undefined) throw damaged(`its column ${path} has no type`)
  const unit = (otherwise: number): number => oneOf(type.i16(0, otherwise), [0, 1, 2, 3], path)
  const only = (): Field => {
    if (children.length !== 1) throw damaged(`its column ${path} has ${children.length} children, not one`)
    return children[0]!
  }
  switch (number) {
    case 1:
      return new arrow.Null()
    case 2:
      return intOf(arrow, type, path)
    case 3:
      return new arrow.Float(oneOf(type.i16(0, 0), [0, 1, 2], path))
    case 4:
      return new arrow.Binary()
    case 5:
      return new arrow.Utf8()
    case 6:
      return new arrow.Bool()
    case 7:
      return new arrow.Decimal(type.i32(1, 0), type.i32(0, 0), oneOf(type.i32(2, 128), [32, 64, 128, 256], path))
    case 8:
      return new arrow.Date_(oneOf(type.i16(0, 1), [0, 1], path))
    case 9: {
      const own = unit(1)
      return new arrow.Time(own, oneOf(type.i32(1, 32), [own < 2 ? 32 : 64], path) as 32)
    }
    case 10:
      return new arrow.Timestamp(unit(0), type.text(1) ?? null)
    case 11:
      return new arrow.Interval(oneOf(type.i16(0, 0), [0, 1, 2], path))
    case 12:
      return new arrow.List(only())
    case 13:
      return new arrow.Struct(children)
    case 14:
      return unionOf(arrow, type, children, path)
    case 15:
      return new arrow.FixedSizeBinary(atLeast0(type.i32(0, 0), path))
    case 16:
      return new arrow.FixedSizeList(atLeast0(type.i32(0, 0), path), only())
    case 17: {
      const entries = only()
      if (!arrow.DataType.isStruct(entries.type) || entries.type.children.length !== 2) {
        throw damaged(`its column ${path} is a map without keys and values`)
      }
      return new arrow.Map_(entries as Field, type.bool(0))
    }
    case 18:
      return new arrow.Duration(unit(1))
    case 19:
      return new arrow.LargeBinary()
    case 20:
      return new arrow.LargeUtf8()
    case 21:
      return new arrow.LargeList(only())
    case 23:
      return new arrow.BinaryView()
    case 24:
      return new arrow.Utf8View()
    case 22:
    case 25:
    case 26: {
      const name = { 22: 'run-end encoded', 25: 'a list view', 26: 'a large list view' }[number]
      throw new FrameProblem(
        `its column ${path} is ${name}, which apache-arrow cannot read`,
        'cast it to a plain column',
      )
    }
    default:
      throw new FrameProblem(`its column ${path} has a type that is not known, number ${number}`)
  }
}

function unionOf(arrow: Arrow, type: FlatTable, children: Field[], path: string): DataType {
  const { start, length } = type.vector(1, 4)
  const given = Array.from({ length }, (_, i) => type.flat.i32(start + 4 * i))
  const ids = start === 0 ? children.map((_, i) => i) : given
  if (ids.length !== children.length || new Set(ids).size !== ids.length || ids.some((id) => id < 0 || id > 127)) {
    throw damaged(`its column ${path} is a union whose ids do not name its ${children.length} members`)
  }
  return oneOf(type.i16(0, 0), [0, 1], path) === 0
    ? new arrow.SparseUnion(ids, children)
    : new arrow.DenseUnion(ids, children)
}

function oneOf(value: number, known: readonly number[], path: string): number {
  if (known.includes(value)) return value
  throw damaged(`its column ${path} has a type with ${value} where ${known.join(', ')} are known`)
}

function atLeast0(value: number, path: string): number {
  if (value >= 0) return value
  throw damaged(`its column ${path} has a size of ${value}`)
}
