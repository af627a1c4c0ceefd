/** Frames of every kind as Arrow tables. */
import type { Table } from 'apache-arrow'
import type { ZodType } from 'zod'
import { kindOf } from '../common.js'
import { isTableLike, ownTable } from './copies.js'
import { hintsOf } from './hints.js'
import { type Arrow, type Hint, inferred, step, structs } from './infer.js'
import { readIpc } from './ipc.js'
import { FrameProblem } from './problem.js'

/** What can be saved as a frame. See docs/cachers/arrow.md. */
export type FrameLike<Row extends object = object> =
  | Table
  | readonly Row[]
  | { readonly [column: string]: ArrayLike<unknown> }
  | { toArrowIPC(): Uint8Array }
  | { toArrowBuffer(): Uint8Array }
  | { writeIPC(): Uint8Array }

/** Methods by which other libraries hand out a frame as Arrow IPC. */
const exporters = ['toArrowIPC', 'toArrowBuffer', 'writeIPC'] as const

/**
 * Any frame as an Arrow table.
 *
 * @param schema Names and types the columns that the values say nothing about: those of no rows, and of nulls only.
 * @throws {FrameProblem} naming row and column.
 */
export async function toTable(value: FrameLike, schema?: ZodType): Promise<Table> {
  const arrow = await import('apache-arrow')
  if (value === null || typeof value !== 'object') throw notAFrame(value)
  if (Function.prototype[Symbol.hasInstance].call(arrow.Table, value)) return value as Table
  if (isTableLike(value)) return ownTable(arrow, value)
  const exporter = exporters.find((name) => typeof (value as Record<string, unknown>)[name] === 'function')
  if (exporter !== undefined) return fromExport(value, exporter)
  const hints = schema === undefined ? new Map<string, Hint>() : hintsOf(schema)
  if (Array.isArray(value)) return fromRows(arrow, value, hints)
  if (!isPlain(value)) throw notAFrame(value)
  return fromColumns(arrow, value as Record<string, unknown>, hints)
}

function notAFrame(value: unknown): FrameProblem {
  return new FrameProblem(
    `it is ${kindOf(value)}, not a frame`,
    'give an array of rows, an object of columns, an Arrow table, or what has a toArrowIPC method',
  )
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

async function fromExport(value: object, exporter: string): Promise<Table> {
  const bytes: unknown = await (value as Record<string, () => unknown>)[exporter]!()
  if (!(bytes instanceof Uint8Array)) throw new FrameProblem(`its ${exporter}() gave ${kindOf(bytes)}, not bytes`)
  return readIpc(bytes)
}

function fromRows(arrow: Arrow, rows: readonly unknown[], hints: ReadonlyMap<string, Hint>): Table {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]
    const isRow = row !== null && typeof row === 'object' && Object.prototype.toString.call(row) === '[object Object]'
    if (isRow) continue
    throw new FrameProblem(
      `rows[${i}] is ${kindOf(row)}, not an object of one value for each column`,
      'rows of an Arrow table are saved as that table, or a slice of it',
    )
  }
  const [fields, children] = structs(arrow, rows as readonly object[], (i) => `rows[${i}]`, hints)
  return assembled(arrow, fields, children, rows.length)
}

function fromColumns(arrow: Arrow, columns: Record<string, unknown>, hints: ReadonlyMap<string, Hint>): Table {
  const names = [...new Set([...Object.keys(columns), ...hints.keys()])]
  const given = Object.keys(columns).map((name) => [name, columns[name]] as const)
  for (const [name, column] of given) {
    if (Array.isArray(column) || (ArrayBuffer.isView(column) && !(column instanceof DataView))) continue
    throw new FrameProblem(
      `its column ${name} is ${kindOf(column)}, not an array`,
      'Vectors of apache-arrow make a Table: new Table({ … })',
    )
  }
  const lengths = given.map(([, column]) => (column as ArrayLike<unknown>).length)
  const length = lengths[0] ?? 0
  const odd = lengths.findIndex((own) => own !== length)
  if (odd >= 0) {
    throw new FrameProblem(`its column ${given[odd]![0]} has ${lengths[odd]} rows, but ${given[0]![0]} has ${length}`)
  }
  const children = names.map((name) => {
    const column = (Object.hasOwn(columns, name) ? columns[name] : new Array(length)) as ArrayLike<unknown>
    return inferred(arrow, column, (i) => `${step(name).replace(/^\./, '')}[${i}]`, hints.get(name))
  })
  const fields = names.map((name, i) => new arrow.Field(name, children[i]!.type, true))
  return assembled(arrow, fields, children, length)
}

function assembled(
  arrow: Arrow,
  fields: ReturnType<typeof structs>[0],
  children: ReturnType<typeof structs>[1],
  length: number,
): Table {
  const schema = new arrow.Schema(fields)
  if (length === 0 && fields.length === 0) return new arrow.Table(schema)
  const data = arrow.makeData({ type: new arrow.Struct(fields), length, nullCount: 0, children })
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, data)])
}
