/** Decimals are written with as many bytes as their digits need: others would lose their first ones. */
import type { Data, Field, Table } from 'apache-arrow'
import { fitsDigits, unscaled } from '../frame/decimals.js'
import type { Arrow } from '../frame/infer.js'
import { childAt } from '../frame/layout.js'
import { FrameProblem } from '../frame/problem.js'

/** @throws {FrameProblem} naming the column with a decimal of more digits than its type has. */
export function checkDecimals(arrow: Arrow, table: Table): void {
  const { DataType: is } = arrow
  const visit = (data: Data, column: string): void => {
    if (is.isDecimal(data.type)) check(data, column)
    const { valueOffsets, length } = data
    const children = is.isDictionary(data.type) ? [] : ((data.type.children ?? []) as readonly Field[])
    for (const i of children.keys()) {
      const child = childAt(arrow, data, i)
      const [start, end] = valueOffsets
        ? [Number(valueOffsets[0] ?? 0), Number(valueOffsets[length] ?? 0)]
        : [0, child.length]
      visit(child.slice(start, end - start), column)
    }
  }
  const check = (data: Data, column: string): void => {
    const { precision, bitWidth } = data.type as unknown as { precision: number; bitWidth: number }
    const [values, size] = [data.values as ArrayBufferView, bitWidth / 32]
    const words = new Uint32Array(values.buffer, values.byteOffset, values.byteLength >> 2)
    for (let i = 0; i < data.length; i++) {
      if (fitsDigits(words, i * size, size, precision) || !data.getValid(i)) continue
      const number = unscaled(words, i * size, size)
      throw new FrameProblem(
        `its column ${JSON.stringify(column)} holds ${number}, which has more than ${precision} digits`,
        'give it a type of more digits',
      )
    }
  }
  for (const { data } of table.batches) {
    for (const [i, { name }] of table.schema.fields.entries()) visit(data.children[i]!, name)
  }
}
