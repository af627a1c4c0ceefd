/** Parquet files as Arrow tables, whole or in part. */
import type { DataType, Field, RecordBatch, Schema, Table } from 'apache-arrow'
import { bounds, checkRange, indicesOf } from '../frame/bounds.js'
import type { Arrow } from '../frame/infer.js'
import { assembledBatch } from '../frame/ipc.js'
import { FrameProblem } from '../frame/problem.js'
import { checkSize, rowsPerBatch } from './limits.js'
import { exact, oldColumns, withMicroseconds } from './old-timestamps.js'
import type { About, Part } from './protocol.js'
import { asNoted } from './seconds.js'
import { type File, fileOf, type Source, withFooter } from './source.js'
import { inThread, type Thread } from './threads.js'
import { oldTimestamps } from './thrift.js'
import { unified } from './unified.js'

/** How many batches are asked for at once. */
const ahead = 3

/** What to read of a file. Everything by default. */
export interface Wanted {
  readonly columns?: readonly string[] | undefined
  /** As `Array.prototype.slice` counts. */
  readonly rows?: readonly [start: number, end: number] | undefined
  readonly batchSize?: number | undefined
}

export async function readTable(source: Source, wanted: Wanted): Promise<Table> {
  if (wanted.rows !== undefined) checkRange(...wanted.rows)
  let file: File | undefined
  const bytes = (start: number, end: number): Promise<ArrayBuffer> => file!.read(start, end)
  // A thread starts while the end of the file is read.
  return inThread({ bytes }, async (thread) => {
    const [original, arrow] = await Promise.all([fileOf(source), import('apache-arrow')])
    file = original
    const whole = original.whole()
    const about = await thread.call('open', [original.size, whole], whole && [whole.buffer as ArrayBuffer])
    const schema = schemaOf(arrow, about)
    const { columns } = wanted
    const chosen = indicesOf(schema.fields, columns).map((i) => schema.fields[i]!)
    const [from, to] = wanted.rows === undefined ? [0, about.rows] : bounds(...wanted.rows, about.rows)
    if (!about.isArrow) refuseIntervals(arrow, chosen)
    checkSize(arrow, about, chosen, to - from)
    const batchSize = Math.max(1, Math.min(to - from, rowsPerBatch(arrow, about, schema, wanted.batchSize)))
    const read = async (columns?: readonly string[]): Promise<Table> => {
      const parts = partsOf(about, { batchSize, ...(columns && { columns }) }, from, to)
      const batches = to === from ? [] : await batchesOf(arrow, thread, parts, to - from)
      return assembled(arrow, schema, columns, batches)
    }
    const table = await read(columns)
    if (about.isArrow || !chosen.some(({ type }) => holds(type, (inner) => isNanos(arrow, inner)))) return table
    const footer = await original.footer()
    const leaves = oldTimestamps(footer)
    const old = oldColumns(schema, leaves)
    const names = chosen.filter((field) => old.has(schema.fields.indexOf(field))).map(({ name }) => name)
    if (names.length === 0) return table
    await thread.call('close', [])
    file = await withFooter(original, withMicroseconds(arrow, schema, leaves, footer))
    await thread.call('open', [file.size])
    return exact(arrow, table, await read(names))
  })
}

function isNanos({ DataType: is, TimeUnit }: Arrow, type: DataType): boolean {
  return is.isTimestamp(type) && type.unit === TimeUnit.NANOSECOND
}

function schemaOf(arrow: Arrow, { schema, rows, groups }: About): Schema {
  const sum = groups.reduce((total, group) => total + group.rows, 0)
  if (!Number.isSafeInteger(rows) || sum !== rows || groups.some((group) => group.rows < 0)) {
    throw new FrameProblem(`its footer says that it has ${rows} rows, but its row groups have ${sum}`)
  }
  return arrow.tableFromIPC(schema).schema
}

/** Parquet's own intervals have months, days and milliseconds. The reader takes them for ones of days, and drops the months. */
function refuseIntervals(arrow: Arrow, fields: readonly Field[]): void {
  for (const { name, type } of fields) {
    if (!holds(type, arrow.DataType.isInterval)) continue
    const hint = 'load the other columns, or write it as months, days and milliseconds of their own'
    throw new FrameProblem(
      `its column ${JSON.stringify(name)} holds intervals of months and days, which Arrow cannot`,
      hint,
    )
  }
}

function holds(type: DataType, is: (type: DataType) => boolean): boolean {
  const children: readonly Field[] = type.children ?? []
  return is(type) || children.some((child) => holds(child.type, is))
}

/**
 * What to read for rows `from` to `to`: everything at once, or the row groups that cover them one by one, for an offset is counted
 * anew in each.
 */
function partsOf({ rows, groups }: About, plan: Part, from: number, to: number): Part[] {
  if (from === 0 && to === rows) return [plan]
  const parts: Part[] = []
  let first = 0
  for (const [group, { rows: own }] of groups.entries()) {
    const [start, end] = [Math.max(from, first) - first, Math.min(to, first + own) - first]
    if (start < end) parts.push({ ...plan, group, offset: start, limit: end - start })
    first += own
  }
  return parts
}

async function batchesOf(
  arrow: Arrow,
  thread: Thread,
  parts: readonly Part[],
  expected: number,
): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = []
  let rows = 0
  for (const part of parts) {
    await thread.call('read', [part])
    const ask = (): Promise<Uint8Array | undefined> => {
      const answer = thread.call('batch', [])
      answer.catch(() => undefined)
      return answer
    }
    // The thread is not to wait while batches are taken apart here.
    const coming = Array.from({ length: ahead }, ask)
    for (let bytes = await coming.shift(); bytes !== undefined; bytes = await coming.shift()) {
      coming.push(ask())
      for (const batch of arrow.tableFromIPC(bytes).batches) {
        rows += batch.numRows
        batches.push(batch)
      }
      if (rows > expected) break
    }
    await Promise.all(coming)
    if (rows > expected) break
  }
  if (rows !== expected) throw new FrameProblem(`it holds ${rows} rows where its footer says ${expected}`)
  return batches
}

/**
 * One table of what came batch by batch: of the columns asked for, for names with dots mean fields within fields to parquet-wasm, with
 * the metadata that the reader of batches leaves out, and with one dictionary for each column that has one.
 */
function assembled(arrow: Arrow, whole: Schema, columns: readonly string[] | undefined, batches: RecordBatch[]): Table {
  const { fields } = batches[0]?.schema ?? whole
  const indices = indicesOf(fields, columns)
  const schema = new arrow.Schema(
    indices.map((i) => fields[i]!),
    whole.metadata,
  )
  const own = batches.map(({ data, numRows }) => {
    const children = indices.map((i) => data.children[i]!)
    return assembledBatch(arrow, schema, { metadata: new Map() }, numRows, children)
  })
  const table = asNoted(arrow, new arrow.Table(schema, own))
  if (own.length < 2 || !schema.fields.some(({ type }) => holds(type, arrow.DataType.isDictionary))) return table
  return unified(arrow, table)
}
