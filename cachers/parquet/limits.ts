/** What a file's claims would cost, before anything is spent on them. */
import { totalmem } from 'node:os'
import type { DataType, Field, Schema } from 'apache-arrow'
import type { Arrow } from '../frame/infer.js'
import { FrameProblem } from '../frame/problem.js'
import type { About } from './protocol.js'

/** About how large a record batch may be. */
const batchBytes = 64 << 20
const leastBatch = 1024
const largestBatch = 2 ** 20

/** @throws {FrameProblem} when that many rows cannot fit into this machine's memory, whatever they hold. */
export function checkSize(arrow: Arrow, about: About, fields: readonly Field[], rows: number): void {
  const bytes = rows * Math.max(1 / 8, leastBytes(arrow, fields))
  if (bytes <= totalmem()) return
  const [needed, there] = [bytes, totalmem()].map((amount) => (amount / 2 ** 30).toFixed(1))
  throw new FrameProblem(
    `${rows.toLocaleString('en-US')} of its ${about.rows.toLocaleString('en-US')} rows would take at least ${needed} GiB, but this machine has ${there} GiB`,
    'load some of its columns, or some of its rows',
  )
}

/**
 * Rows for one batch: as many as fit into about 64 MiB, unless others are asked for. The file alone decides, so that it is the same on
 * every machine. Never more than the largest row group has, for parquet-wasm takes memory for as many as it is told.
 */
export function rowsPerBatch(arrow: Arrow, { rows, groups }: About, { fields }: Schema, asked?: number): number {
  const encoded = groups.reduce((sum, group) => sum + group.bytes, 0) / Math.max(1, rows)
  const wanted = Math.max(leastBatch, batchBytes / Math.max(1, leastBytes(arrow, fields), encoded))
  const most = asked ?? 2 ** Math.floor(Math.log2(Math.min(largestBatch, wanted)))
  return groups.reduce((largest, group) => Math.max(largest, Math.min(group.rows, most)), 1)
}

/** Bytes that a row takes at least, in memory. */
function leastBytes(arrow: Arrow, fields: readonly Field[]): number {
  return fields.reduce((sum, { type }) => sum + widthOf(arrow, type), 0)
}

function widthOf({ DataType: is }: Arrow, type: DataType): number {
  const width = (inner: DataType): number => widthOf({ DataType: is } as Arrow, inner)
  if (is.isNull(type)) return 0
  if (is.isBool(type)) return 1 / 8
  if (is.isDictionary(type)) return width(type.indices)
  if (is.isStruct(type)) return type.children.reduce((sum, child) => sum + width(child.type), 0)
  if (is.isFixedSizeList(type)) return type.listSize * width(type.children[0]!.type)
  if (is.isFixedSizeBinary(type)) return type.byteWidth
  const { bitWidth } = type as { bitWidth?: number }
  if (bitWidth !== undefined) return bitWidth / 8
  if (is.isLargeUtf8(type) || is.isLargeBinary(type) || is.isTimestamp(type) || is.isDuration(type)) return 8
  return is.isFloat(type) ? 2 ** (type.precision + 1) : 4
}
