/** Tables as texts, row by row. */
import type { Table } from 'apache-arrow'
import { step } from '../frame/infer.js'
import { cellsOf, type Style } from './cells.js'
import { within } from './within.js'

/** A file is written in pieces of about so many characters. */
const pieceSize = 1 << 20

export interface RowLayout extends Style {
  readonly begin: string
  /** What stands before the first row, and before every other one. */
  readonly firstRow: string
  readonly nextRow: string
  /** A cell, with what separates it from the one before; undefined stands for null. */
  cell(text: string | undefined, column: number): string
  readonly rowEnd: string
  readonly end: string
}

export async function* piecesOf(table: Table, layout: RowLayout): AsyncGenerator<Uint8Array> {
  const { firstRow, nextRow, rowEnd, end } = layout
  const columns = table.schema.fields.map((field) => cellsOf(field, layout))
  let text = layout.begin
  let row = 0
  for (const { data } of table.batches) {
    const cells = columns.map((open, i) => open(data.children[i]!))
    for (let i = 0; i < data.length; i++, row++) {
      text += row === 0 ? firstRow : nextRow
      let column = 0
      try {
        for (; column < cells.length; column++) text += layout.cell(cells[column]!(i), column)
      } catch (error) {
        throw within(`rows[${row}]${step(table.schema.fields[column]!.name)}`, error)
      }
      text += rowEnd
      if (text.length < pieceSize) continue
      yield Buffer.from(text)
      text = ''
    }
  }
  text += end
  if (text !== '') yield Buffer.from(text)
}
