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
  readonly rows: number
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

/** @param rows of the whole frame, of which the table may hold only the first. */
export function summaryOf(table: FrameTable, rows: number): FrameSummary {
  const shown = Math.min(table.numRows, headRows)
  return {
    rows,
    columns: table.schema.fields.map(({ name, type, nullable }) => ({ name, type: String(type), nullable })),
    head: table.schema.fields.map(({ type }, i) => {
      const column = table.getChildAt(i)
      return Array.from({ length: shown }, (_, row) => plain(column?.get(row), type))
    }),
  }
}

/** A cell as JSON has it. */
function plain(value: unknown, dataType: unknown): unknown {
  const type = String(dataType)
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'string') {
    return value ?? null
  }
  if (typeof value === 'number' && /^(Timestamp|Date)/.test(type)) return dateText(value, type)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint32Array && type.startsWith('Decimal')) {
    return decimalText(value, (dataType as { readonly scale: number }).scale)
  }
  if (value instanceof Uint8Array && /Binary/.test(type)) return Buffer.from(value).toString('hex')
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? 'null',
  )
}

/** A decimal by its words of 32 bits, the least first, in two's complement: apache-arrow prints it without its point. */
function decimalText(words: Uint32Array, scale: number): string {
  const unsigned = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n)
  const value = BigInt.asIntN(32 * words.length, unsigned)
  const digits = String(value < 0n ? -value : value).padStart(Math.max(0, scale) + 1, '0')
  const point = digits.length - scale
  const text = scale > 0 ? `${digits.slice(0, point)}.${digits.slice(point)}` : digits + '0'.repeat(-scale)
  return value < 0n ? `-${text}` : text
}

function dateText(ms: number, type: string): string {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) return String(ms)
  const text = date.toISOString()
  return type.startsWith('Date') ? text.slice(0, 10) : text
}

/** As lines for people: the columns, then the head as a table. */
export function frameLines({ rows, columns: fields, head }: FrameSummary): string[] {
  const size = `${count(rows, 'row')}, ${count(fields.length, 'column')}`
  const schema = columns(
    fields.map(({ name, type, nullable }) => [`  ${clean(name)}`, clean(type), nullable ? '' : 'not null']),
  )
  const shown = head[0]?.length ?? 0
  if (shown === 0) return [size, ...schema]
  const cells = Array.from({ length: shown }, (_, row) => head.map((column) => cell(column[row])))
  const more = rows > shown ? ['…'] : []
  return [size, ...schema, '', ...columns([fields.map(({ name }) => cut(clean(name))), ...cells]), ...more]
}

function cell(value: unknown): string {
  if (value === null) return 'null'
  return cut(clean(typeof value === 'string' ? value : JSON.stringify(value)))
}

function cut(text: string): string {
  return text.length <= widest ? text : `${text.slice(0, widest - 1)}…`
}
