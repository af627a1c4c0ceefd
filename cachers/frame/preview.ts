import type { Table } from 'apache-arrow'

const shown = 6

/** A line about a frame for people: `3,000 rows × 2 columns: date Timestamp<MILLISECOND>, delay Int64`. */
export function previewOf(table: Table): string {
  const { fields } = table.schema
  const names = fields.slice(0, shown).map(({ name, type }) => `${name} ${String(type)}`)
  const more = fields.length > shown ? ', …' : ''
  const rows = table.numRows.toLocaleString('en-US')
  const [r, c] = [table.numRows === 1 ? 'row' : 'rows', fields.length === 1 ? 'column' : 'columns']
  return `${rows} ${r} × ${fields.length} ${c}: ${names.join(', ')}${more}`.slice(0, 200)
}
