/** Cells of Arrow columns as texts. */
import { isUtf8 } from 'node:buffer'
import type { Data, DataType, Field, Vector } from 'apache-arrow'
import { type TypeParts, typeIds } from '../frame/fields.js'
import { step } from '../frame/infer.js'
import { FrameProblem } from '../frame/problem.js'
import { widen } from '../tensor/half.js'
import { dateText, durationText, momentText, timeText } from './moment.js'
import { decimalText, floatText, halfText, singleText } from './number.js'
import { within } from './within.js'

/** The text of a cell, by its row; undefined for null. */
export type Cell = (index: number) => string | undefined

/** How a format writes what cells hold. */
export interface Style {
  /** Any text. */
  text(text: string): string
  /** The text of a date, a decimal and the like: a few characters, none of them special. */
  plain(text: string): string
  /** A number that may be none. */
  float(text: string): string
  /** Nested values, where the format has them. */
  readonly nested?: {
    list(items: string[]): string
    key(name: string): string
    struct(members: string[]): string
    null: string
  }
}

type Numbers = ArrayLike<number>
type Bigints = ArrayLike<bigint>

/** Whether nulls and empty texts of a column must be told apart. */
export function isText(type: DataType): boolean {
  const id = type.typeId as number
  if (id === typeIds.dictionary) return isText((type as unknown as TypeParts).dictionary)
  return id === typeIds.utf8 || id === typeIds.largeUtf8 || id === typeIds.utf8View
}

/** Columns of type Null hold nothing else, whatever apache-arrow writes into their fields. */
export function mayBeNull({ type, nullable }: Field): boolean {
  return nullable || (type.typeId as number) === typeIds.null
}

/** How to get at the cells of a column, batch by batch. Nulls where the field rules them out are errors. */
export function cellsOf(field: Field, style: Style): (data: Data) => Cell {
  const { type } = field
  const nullable = mayBeNull(field)
  const open = (type.typeId as number) === typeIds.null ? () => () => undefined : valid(type, style)
  return (data) => {
    const cell = open(data)
    if (nullable && data.nullCount === 0) return cell
    return (index) => {
      const text = data.getValid(index) ? cell(index) : undefined
      if (text === undefined && !nullable) throw new FrameProblem('is null, which its schema rules out')
      return text
    }
  }
}

/** Cells of a column where it is not null. */
function valid(type: DataType, style: Style): (data: Data) => Cell {
  const { bitWidth, precision, scale, unit, timezone, listSize, dictionary } = type as unknown as TypeParts
  switch (type.typeId as number) {
    case typeIds.int:
      return ({ values }) =>
        (i) =>
          String((values as Numbers)[i])
    case typeIds.float: {
      if (precision === 0) {
        return ({ values }) => {
          const floats = widen(values as Uint16Array)
          return (i) => style.float(halfText(floats[i]!))
        }
      }
      const write = precision === 1 ? singleText : floatText
      return ({ values }) =>
        (i) =>
          style.float(write((values as Numbers)[i]!))
    }
    case typeIds.bool:
      return ({ values, offset }) =>
        (i) =>
          String(((values as Uint8Array)[(offset + i) >> 3]! & (1 << ((offset + i) & 7))) !== 0)
    case typeIds.utf8:
    case typeIds.largeUtf8:
      return (data) => texts(data, style)
    case typeIds.utf8View:
      return (data) => (i) => style.text(checkedText(viewBytes(data, i)))
    case typeIds.decimal:
      return ({ values }) =>
        (i) =>
          style.plain(decimalText(values as Uint32Array, (i * bitWidth) / 32, bitWidth / 32, { precision, scale }))
    case typeIds.date: {
      if (unit === 0)
        return ({ values }) =>
          (i) =>
            style.plain(dateText((values as Numbers)[i]!))
      const moment = momentText(1)
      return ({ values }) =>
        (i) =>
          style.plain(moment((values as Bigints)[i]!).replace(/T00:00:00\.000$/, ''))
    }
    case typeIds.time:
      return ({ values }) =>
        (i) =>
          style.plain(timeOfDay(Number(values[i]), unit))
    case typeIds.timestamp: {
      const [moment, suffix] = [momentText(unit), timezone ? 'Z' : '']
      return ({ values }) =>
        (i) =>
          style.plain(moment((values as Bigints)[i]!) + suffix)
    }
    case typeIds.duration:
      return ({ values }) =>
        (i) =>
          style.plain(durationText((values as Bigints)[i]!, unit))
    case typeIds.dictionary: {
      const entry = valid(dictionary, style)
      let last: { vector: Vector; cell: Cell } | undefined
      return ({ values, dictionary: vector }) => {
        if (last?.vector !== vector) last = { vector: vector!, cell: remembered(vector!, entry) }
        const { cell } = last!
        return (i) => cell(Number(values[i]))
      }
    }
    case typeIds.list:
    case typeIds.largeList:
    case typeIds.fixedSizeList: {
      const item = cellsOf(type.children[0]!, style)
      const { list, null: none } = style.nested!
      return ({ valueOffsets: offsets, children }) => {
        const cell = item(children[0]!)
        return (i) => {
          const [from, to] =
            listSize === undefined ? [Number(offsets[i]), Number(offsets[i + 1])] : [i * listSize, (i + 1) * listSize]
          const items: string[] = []
          for (let j = from; j < to; j++) {
            try {
              items.push(cell(j) ?? none)
            } catch (error) {
              throw within(`[${j - from}]`, error)
            }
          }
          return list(items)
        }
      }
    }
    default: {
      const { key, struct, null: none } = style.nested!
      const members = type.children.map((field) => ({
        at: step(field.name),
        key: key(field.name),
        open: cellsOf(field, style),
      }))
      return ({ children }) => {
        const cells = members.map(({ at, key, open }, j) => ({ at, key, cell: open(children[j]!) }))
        return (i) =>
          struct(
            cells.map(({ at, key, cell }) => {
              try {
                return key + (cell(i) ?? none)
              } catch (error) {
                throw within(at, error)
              }
            }),
          )
      }
    }
  }
}

function timeOfDay(count: number, unit: 0 | 1 | 2 | 3): string {
  if (count < 0 || count >= 86_400 * 10 ** (unit * 3))
    throw new FrameProblem(
      `is ${count} ${['seconds', 'milliseconds', 'microseconds', 'nanoseconds'][unit]} after midnight, which is no time of a day`,
    )
  return timeText(count, unit)
}

/** Cells of a dictionary, each made once. */
function remembered(vector: Vector, open: (data: Data) => Cell): Cell {
  const made = new Array<string | null | undefined>(vector.length)
  const chunks = vector.data.map((data) => ({ data, cell: open(data) }))
  const make = (index: number): string | undefined => {
    let at = index
    for (const { data, cell } of chunks) {
      if (at < data.length) return data.typeId !== typeIds.null && data.getValid(at) ? cell(at) : undefined
      at -= data.length
    }
    throw new FrameProblem(`is number ${index} of a dictionary of ${vector.length}`)
  }
  return (index) => {
    if (made[index] === undefined) made[index] = make(index) ?? null
    return made[index] ?? undefined
  }
}

function texts(data: Data, style: Style): Cell {
  const offsets = data.valueOffsets as ArrayLike<number | bigint>
  const bytes = Buffer.from(data.values.buffer as ArrayBuffer, data.values.byteOffset, data.values.byteLength)
  if (isAllText(bytes, offsets, data.length))
    return (i) => style.text(bytes.toString('utf8', Number(offsets[i]), Number(offsets[i + 1])))
  return (i) => style.text(checkedText(bytes.subarray(Number(offsets[i]), Number(offsets[i + 1]))))
}

/** Whether every cell is UTF-8: all of them are, and none begins within a character. */
function isAllText(bytes: Buffer, offsets: ArrayLike<number | bigint>, length: number): boolean {
  if (length === 0) return true
  const end = Number(offsets[length])
  if (!isUtf8(bytes.subarray(Number(offsets[0]), end))) return false
  for (let i = 1; i < length; i++) {
    const start = Number(offsets[i])
    if (start < end && (bytes[start]! & 0xc0) === 0x80) return false
  }
  return true
}

function checkedText(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new FrameProblem('is a text that is not UTF-8')
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** The bytes of a text behind its view of 16 bytes: its length, then itself up to 12 bytes; else a prefix, its buffer and where in it. */
function viewBytes({ values, variadicBuffers }: Data, index: number): Uint8Array {
  const views = values as Uint8Array
  const view = new DataView(views.buffer, views.byteOffset + index * 16, 16)
  const length = view.getInt32(0, true)
  if (length <= 12) return views.subarray(index * 16 + 4, index * 16 + 4 + length)
  const start = view.getInt32(12, true)
  return variadicBuffers[view.getInt32(8, true)]!.subarray(start, start + length)
}
