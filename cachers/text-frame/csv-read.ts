/** CSV as tables. */
import type { Table } from 'apache-arrow'
import { type FieldJson, schemaOf } from '../frame/fields.js'
import { type Arrow, step } from '../frame/infer.js'
import { FrameProblem } from '../frame/problem.js'
import { isText, mayBeNull } from './cells.js'
import { columnOf } from './columns.js'
import { csvTypes } from './csv-types.js'
import { type Block, blocksOf, plain, Scanner, withQuotes } from './scan.js'
import { assembled, chosen, distinct, list, type Types } from './typed.js'

export interface CsvSource {
  readonly delimiter: string
  readonly header: boolean
  readonly nullText: readonly string[]
  /** The columns that were written, where the file is one of ours. */
  readonly noted: readonly FieldJson[] | undefined
  readonly types: Types
  /** Types of columns that nothing was noted of. */
  readonly hints: Types
}

/** A batch ends after as many bytes: its texts must stay below 2 GiB. */
const batchBytes = 1 << 28

/** @param bytes UTF-8, without a byte order mark. */
export function readCsv(
  arrow: Arrow,
  bytes: Buffer,
  { delimiter, header, nullText, noted, types, hints }: CsvSource,
): Table {
  const scanner = new Scanner(bytes, delimiter.charCodeAt(0), 0)
  const names = header ? scanner.row() : (noted?.map(({ name }) => name) ?? counted(scanner))
  distinct(names)
  if (noted !== undefined && JSON.stringify(names) !== JSON.stringify(noted.map(({ name }) => name))) {
    throw new FrameProblem(
      `its columns are ${list(names)}, but its metadata describes ${list(noted.map(({ name }) => name))}`,
      'if the file was changed on purpose, delete its sidecar',
    )
  }
  const nulls = nullText.map((text) => Buffer.from(text))
  const isNullText = (block: Block, cell: number): boolean => {
    const [start, end] = [block.starts[cell]!, block.ends[cell]!]
    return nulls.some((text) => text.length === end - start && bytes.compare(text, 0, text.length, start, end) === 0)
  }
  const isNull = (block: Block, cell: number): boolean =>
    block.quoting[cell] === plain &&
    (block.starts[cell] === block.ends[cell] || (nulls.length > 0 && isNullText(block, cell)))

  const known = chosen(names, noted, types, hints)
  const begin = scanner.position
  const open = known.every((field) => field !== undefined)
    ? []
    : csvTypes(scanner, names.length, (block, cell) => block.starts[cell] === block.ends[cell] || isNull(block, cell))
  scanner.position = begin
  const fields = known.map((field, i): FieldJson => field ?? { name: names[i]!, type: open[i]! })
  const schema = schemaOf(fields, arrow)

  const columns = schema.fields.map((field) => ({
    name: field.name,
    nullable: mayBeNull(field),
    column: columnOf(arrow, field.type),
    isText: isText(field.type),
  }))
  const lengths: number[] = []
  let rows = 0
  let batchBegin = begin
  const cut = (): void => {
    for (const { column } of columns) column.cut()
    lengths.push(rows)
    rows = 0
    batchBegin = scanner.position
  }
  for (const block of blocksOf(scanner, names.length)) {
    const { starts, ends, quoting } = block
    const end = block.rows * columns.length
    columns.forEach(({ name, nullable, column, isText }, index) => {
      let cell = index
      try {
        for (; cell < end; cell += columns.length) {
          if (isNull(block, cell) || (!isText && starts[cell] === ends[cell])) {
            if (!nullable) throw new FrameProblem('is null, which its type rules out')
            column.addNull()
          } else if (quoting[cell] === withQuotes) {
            const text = scanner.text(starts[cell]!, ends[cell]!, withQuotes)
            column.add(text, 0, text.length)
          } else column.add(bytes, starts[cell]!, ends[cell]!)
        }
      } catch (error) {
        if (!(error instanceof FrameProblem)) throw error
        const row = block.first + Math.floor(cell / columns.length)
        throw new FrameProblem(`rows[${row}]${step(name)} ${error.message}${scanner.line(starts[cell]!)}`, error.hint)
      }
    })
    rows += block.rows
    if (scanner.position - batchBegin > batchBytes) cut()
  }
  if (rows > 0) cut()
  const chunks = columns.map(({ column }) => column.chunks())
  const batches = lengths.map((_, batch) => chunks.map((column) => column[batch]!))
  return assembled(arrow, schema, batches, lengths)
}

/** Names for the columns of a file without any. */
function counted(scanner: Scanner): string[] {
  const begin = scanner.position
  const cells = scanner.row()
  scanner.position = begin
  return cells.map((_, i) => `column_${i + 1}`)
}
