/** A frame as `curio cat` shows it: its columns, how many rows, the first of them. */
import { clean, columns, count } from './text.js'

/** Rows that are shown. */
export const headRows = 10
const widest = 32

/** What is needed of an Arrow table, of whatever copy of the library. */
export interface FrameTable {
  readonly numRows: number
  readonly schema: { readonly fields: readonly { readonly name: string; readonly type: unknown; nullable: boolean }[] }
  getChildAt(index: number): { get(row: number): unknown } | null
}

export interface FrameSummary {
  /** Undefined: only the head was read. */
  readonly rows: number | undefined
  readonly columns: readonly { readonly name: string; readonly type: string; readonly nullable: boolean }[]
  /** Values of the first rows, column by column. */
  readonly head: readonly (readonly unknown[])[]
}

/** True for an Arrow table. */
export function isFrame(value: unknown): value is FrameTable {
  if (value === null || typeof value !== 'object') return false
  const { numRows, schema, getChildAt } = value as Partial<FrameTable>
  return typeof numRows === 'number' && Array.isArray(schema?.fields) && typeof getChildAt === 'function'
}

/** @param whole false: the table holds only the first rows. */
export function summaryOf(table: FrameTable, whole: boolean): FrameSummary {
  const shown = Math.min(table.numRows, headRows)
  return {
    rows: whole ? table.numRows : undefined,
    columns: table.schema.fields.map(({ name, type, nullable }) => ({ name, type: String(type), nullable })),
    head: table.schema.fields.map(({ type }, i) => {
      const column = table.getChildAt(i)
      return Array.from({ length: shown }, (_, row) => plain(column?.get(row), String(type)))
    }),
  }
}

/** A cell as JSON has it. */
function plain(value: unknown, type: string): unknown {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'string') {
    return value ?? null
  }
  if (typeof value === 'number' && /^(Timestamp|Date)/.test(type)) return dateText(value, type)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array && /Binary/.test(type)) return Buffer.from(value).toString('hex')
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? 'null',
  )
}

function dateText(ms: number, type: string): string {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) return String(ms)
  const text = date.toISOString()
  return type.startsWith('Date') ? text.slice(0, 10) : text
}

/** As lines for people: the columns, then the head as a table. */
export function frameLines({ rows, columns: fields, head }: FrameSummary): string[] {
  const size = `${rows === undefined ? '' : `${count(rows, 'row')}, `}${count(fields.length, 'column')}`
  const schema = columns(
    fields.map(({ name, type, nullable }) => [`  ${clean(name)}`, clean(type), nullable ? '' : 'not null']),
  )
  const shown = head[0]?.length ?? 0
  if (shown === 0) return [size, ...schema]
  const cells = Array.from({ length: shown }, (_, row) => head.map((column) => cell(column[row])))
  const more = rows === undefined || rows > shown ? ['…'] : []
  return [size, ...schema, '', ...columns([fields.map(({ name }) => cut(clean(name))), ...cells]), ...more]
}

function cell(value: unknown): string {
  if (value === null) return 'null'
  return cut(clean(typeof value === 'string' ? value : JSON.stringify(value)))
}

function cut(text: string): string {
  return text.length <= widest ? text : `${text.slice(0, widest - 1)}…`
}
