import type { Table } from 'apache-arrow'
import { prepared } from '../frame/dictionaries.js'
import type { Arrow } from '../frame/infer.js'
import { assembledBatch } from '../frame/ipc.js'

/** The same table with one dictionary for all batches of a column. */
export function unified(arrow: Arrow, table: Table): Table {
  const { schema, batches } = prepared(arrow, table)
  const made = batches.map((children, i) => {
    return assembledBatch(arrow, schema, { metadata: new Map() }, table.batches[i]!.numRows, [...children])
  })
  return new arrow.Table(schema, made)
}
