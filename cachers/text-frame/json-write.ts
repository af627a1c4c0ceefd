/** Tables as JSON rows. */
import type { Table } from 'apache-arrow'
import { piecesOf } from './write.js'

const quoted = (text: string): string => `"${text}"`

/** An array of objects, one row a line, every key in every row. */
export function jsonPieces(table: Table): AsyncIterable<Uint8Array> {
  const keys = table.schema.fields.map(({ name }, i) => `${i > 0 ? ',' : ''}${JSON.stringify(name)}:`)
  return piecesOf(table, {
    begin: '[',
    firstRow: '\n{',
    nextRow: ',\n{',
    rowEnd: '}',
    end: '\n]\n',
    cell: (text, column) => keys[column]! + (text ?? 'null'),
    text: JSON.stringify,
    plain: quoted,
    float: (text) => (/^(NaN|-?Infinity)$/.test(text) ? quoted(text) : text),
    nested: {
      list: (items) => `[${items.join(',')}]`,
      key: (name) => `${JSON.stringify(name)}:`,
      struct: (members) => `{${members.join(',')}}`,
      null: 'null',
    },
  })
}
