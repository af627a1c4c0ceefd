/** Arrow tables as Parquet files. */
import { setImmediate } from 'node:timers/promises'
import type { DataType, Field, Schema, Table } from 'apache-arrow'
import type { Arrow } from '../frame/infer.js'
import { FrameProblem } from '../frame/problem.js'
import { planIpc } from '../frame/write.js'
import { checkDecimals } from './decimals.js'
import { type ParquetWriteOptions, settingsOf } from './options.js'
import { inMilliseconds } from './seconds.js'
import { borrow, inThread } from './threads.js'
import { rowsAtEnd } from './thrift.js'
import { unified } from './unified.js'

/** Rows in a row group. */
const groupRows = 2 ** 19
const leastRows = 1024
/** About how large a row group may be in memory: it is read at once. */
const groupBytes = 128 << 20
/** Bytes before the first message of an Arrow file. */
const fileStart = 8
/** Rows by which the size of all is judged. */
const sampleRows = 4096

/** The file in one piece where it has one row group, else piece by piece. */
export async function written(
  table: Table,
  options: ParquetWriteOptions,
): Promise<Uint8Array | AsyncGenerator<Uint8Array, void, void>> {
  const arrow = await import('apache-arrow')
  checkSchema(arrow, table.schema)
  if (table.numRows === 0) {
    const schema = await streamOf(inMilliseconds(arrow, new arrow.Table(table.schema)))
    return inThread({}, (thread) => thread.call('writeEmpty', [schema, settingsOf(options, groupRows)]))
  }
  if (table.numCols === 0) throw new FrameProblem(`it has ${table.numRows} rows, but no columns`)
  checkDecimals(arrow, table)
  const whole = inMilliseconds(arrow, unified(arrow, table))
  const rows = options.rowGroupSize ?? (await rowsPerGroup(whole))
  const pieces = piecesOf(whole, options, rows)
  if (rows < table.numRows) return pieces
  const parts: Uint8Array[] = []
  for await (const piece of pieces) parts.push(piece)
  return Buffer.concat(parts)
}

async function* piecesOf(
  table: Table,
  options: ParquetWriteOptions,
  rows: number,
): AsyncGenerator<Uint8Array, void, void> {
  let at = 0
  const group = async (): Promise<Uint8Array | undefined> => {
    if (at >= table.numRows) return undefined
    const from = at
    at += rows
    return streamOf(table.slice(from, at))
  }
  let next: Promise<Uint8Array | undefined> | undefined
  const thread = await borrow({
    table() {
      const given = next ?? group()
      // One row group is always ready, so that the thread need not wait for it.
      next = given.then(() => setImmediate()).then(group)
      next.catch(() => undefined)
      return given
    },
  })
  let isLeft = true
  let last: Uint8Array | undefined
  try {
    await thread.call('write', [settingsOf(options, rows)])
    for (;;) {
      const piece = await thread.call('piece', [])
      if (piece === undefined) break
      if (last !== undefined) yield last
      last = piece
    }
    isLeft = false
    // parquet-wasm keeps to itself what goes wrong while it writes.
    const there = last === undefined ? undefined : rowsAtEnd(last)
    if (there !== table.numRows) {
      throw new FrameProblem(`parquet-wasm wrote ${there ?? 'none'} of its ${table.numRows} rows`)
    }
    yield last!
  } finally {
    thread.release(isLeft)
  }
}

/** Judged by the first rows, as they are written: the same rows give the same number, whatever larger table they were cut from. */
export async function rowsPerGroup(table: Table): Promise<number> {
  if (table.numRows <= leastRows) return groupRows
  const rows = Math.min(sampleRows, table.numRows)
  // Dictionaries are there whatever the number of rows.
  const [some, one] = [await planIpc(table.slice(0, rows)), await planIpc(table.slice(0, 1))]
  const bytes = Math.max(1, (some.bytes - one.bytes) / (rows - 1))
  return 2 ** Math.floor(Math.log2(Math.min(groupRows, Math.max(leastRows, groupBytes / bytes))))
}

/** An IPC stream: what an IPC file has between its magic number and its footer. */
async function streamOf(table: Table): Promise<Uint8Array> {
  const plan = await planIpc(table)
  const bytes = new Uint8Array(plan.bytes)
  let at = 0
  for (const piece of plan.pieces()) {
    bytes.set(piece, at)
    at += piece.byteLength
  }
  return bytes.subarray(fileStart)
}

function checkSchema(arrow: Arrow, schema: Schema): void {
  const names = new Set<string>()
  for (const field of schema.fields) {
    if (names.has(field.name)) throw new FrameProblem(`it has two columns called ${JSON.stringify(field.name)}`)
    names.add(field.name)
    const type = unwritable(arrow, field)
    if (type === undefined) continue
    throw new FrameProblem(
      `its column ${JSON.stringify(field.name)} holds ${type}, which Parquet cannot`,
      'use ArrowCacher',
    )
  }
}

/** The first type that Parquet does not have, in a column or the types within it. */
function unwritable(arrow: Arrow, field: Field): DataType | undefined {
  const { DataType: is, IntervalUnit, Type } = arrow
  const { type } = field
  const isView = type.typeId === Type.Utf8View || type.typeId === Type.BinaryView
  if (isView || is.isUnion(type) || (is.isInterval(type) && type.unit === IntervalUnit.MONTH_DAY_NANO)) return type
  if (is.isDictionary(type) && !isReadable(arrow, type.dictionary)) return type
  const children: readonly Field[] = type.children ?? []
  if (is.isStruct(type) && children.length === 0) return type
  for (const child of children) {
    const found = unwritable(arrow, child)
    if (found !== undefined) return found
  }
  return undefined
}

/** Of other types, parquet-wasm writes dictionaries that neither it nor others can read. */
function isReadable({ DataType: is, Precision }: Arrow, type: DataType): boolean {
  if (is.isFloat(type)) return type.precision !== Precision.HALF
  const isText = is.isUtf8(type) || is.isLargeUtf8(type) || is.isBinary(type) || is.isLargeBinary(type)
  return isText || is.isInt(type) || is.isDate(type) || is.isTime(type) || is.isTimestamp(type) || is.isDuration(type)
}
