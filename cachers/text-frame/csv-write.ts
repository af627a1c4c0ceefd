/** Tables as CSV. */
import type { Table } from 'apache-arrow'
import { isText } from './cells.js'
import { piecesOf } from './write.js'

export interface CsvFormat {
  readonly delimiter: string
  readonly header: boolean
  readonly bom: boolean
  /** Texts that are read as null where they are not in quotes. */
  readonly nullText: readonly string[]
}

/**
 * Cells are quoted where they must be: delimiters, quotes, line ends, space at an end, and empty texts, which a null is not. A row of one
 * null alone is an empty line only in a column of texts, for many programs leave such lines out.
 */
export function csvPieces(table: Table, { delimiter, header, bom, nullText }: CsvFormat): AsyncIterable<Uint8Array> {
  const special = new RegExp(`^\\s|\\s$|["\\r\\n${delimiter}]|^$`)
  const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`
  const same = (text: string): string => text
  const quoted = (text: string): string => (special.test(text) ? quote(text) : text)
  const protect = nullText.length === 0 ? same : (text: string) => (nullText.includes(text) ? quote(text) : text)
  const { fields } = table.schema
  const none = fields.length === 1 && !isText(fields[0]!.type) ? '""' : ''
  return piecesOf(table, {
    begin: `${bom ? '\uFEFF' : ''}${header ? `${fields.map(({ name }) => quoted(name)).join(delimiter)}\n` : ''}`,
    firstRow: '',
    nextRow: '',
    rowEnd: '\n',
    end: '',
    cell: (text, column) => (column === 0 ? '' : delimiter) + (text === undefined ? none : protect(text)),
    text: quoted,
    plain: same,
    float: same,
  })
}
