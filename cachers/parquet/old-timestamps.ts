/**
 * Timestamps of 96 bits, which Spark and Impala write. parquet-wasm makes nanoseconds of them, and those of years before 1677 and after
 * 2262 come out wrong, unless the file has an Arrow schema that says microseconds. So such columns are read a second time, from a file
 * whose footer has one, and the two are compared.
 */
import type { Data, DataType, Field, Schema, Table } from 'apache-arrow'
import { plainType } from '../frame/copies.js'
import type { Arrow } from '../frame/infer.js'
import { assembledBatch } from '../frame/ipc.js'
import { FrameProblem } from '../frame/problem.js'

/** The indices of columns that hold such timestamps. */
export function oldColumns(schema: Schema, leaves: readonly boolean[]): Set<number> {
  const found = new Set<number>()
  let leaf = 0
  const visit = (type: DataType, column: number): void => {
    const children: readonly Field[] = type.children ?? []
    if (children.length === 0 && leaves[leaf++] === true) found.add(column)
    for (const child of children) visit(child.type, column)
  }
  for (const [column, { type }] of schema.fields.entries()) visit(type, column)
  if (leaf !== leaves.length) throw new FrameProblem('its footer has other columns than its schema')
  return found
}

/** The footer with an Arrow schema in which such timestamps are microseconds. */
export function withMicroseconds(
  arrow: Arrow,
  schema: Schema,
  leaves: readonly boolean[],
  footer: Uint8Array,
): Uint8Array {
  let leaf = 0
  const changed = (field: Field): Field => {
    const children = ((field.type.children ?? []) as readonly Field[]).map(changed)
    if (children.length > 0) return field.clone({ type: plainType(arrow, field.type, children) })
    return leaves[leaf++] === true ? field.clone({ type: new arrow.TimestampMicrosecond() }) : field
  }
  const own = new arrow.Schema(schema.fields.map(changed))
  const encoded = Buffer.from(arrow.tableToIPC(new arrow.Table(own), 'stream')).toString('base64')
  // A list of one pair of texts as field 5, before the end of the struct. What stands there already is overruled.
  const pair = [0x18, ...text('ARROW:schema'), 0x18, ...text(encoded), 0]
  return Buffer.concat([footer.subarray(0, -1), Uint8Array.of(0x09, 0x0a, 0x1c, ...pair, 0)])
}

function* text(value: string): Generator<number> {
  const bytes = Buffer.from(value)
  let length = bytes.byteLength
  for (; length > 127; length >>>= 7) yield (length & 127) | 128
  yield length
  yield* bytes
}

/**
 * Each of the columns as microseconds, or as nanoseconds where it needs them and they suffice.
 *
 * @throws {FrameProblem} for one that needs both.
 */
export function exact(arrow: Arrow, nanos: Table, micros: Table): Table {
  const chosen = nanos.schema.fields.map(({ name }, i) => {
    const other = micros.schema.fields.findIndex((field) => field.name === name)
    if (other < 0) return undefined
    let [isFine, isFar] = [false, false]
    for (const [k, batch] of nanos.batches.entries()) {
      compare(arrow, batch.data.children[i]!, micros.batches[k]!.data.children[other]!, (nano, micro) => {
        const all = micro * 1000n
        isFine ||= BigInt.asIntN(64, all) !== nano
        isFar ||= BigInt.asIntN(64, all) !== all
      })
    }
    if (!isFine) return other
    if (!isFar) return undefined
    const hint = 'load the other columns, or write it as timestamps of microseconds or nanoseconds'
    const says = 'holds timestamps finer than microseconds and ones outside the years 1677 to 2262, which Arrow cannot'
    throw new FrameProblem(`its column ${JSON.stringify(name)} ${says}`, hint)
  })
  const fields = nanos.schema.fields.map((field, i) =>
    chosen[i] === undefined ? field : micros.schema.fields[chosen[i]]!,
  )
  const schema = new arrow.Schema(fields, nanos.schema.metadata)
  const batches = nanos.batches.map(({ data, numRows }, k) => {
    const children = data.children.map((child, i) => {
      return chosen[i] === undefined ? child : micros.batches[k]!.data.children[chosen[i]]!
    })
    return assembledBatch(arrow, schema, { metadata: new Map() }, numRows, children)
  })
  return new arrow.Table(schema, batches)
}

/** Shows the values of timestamps that are nanoseconds here and microseconds there, wherever they lie. */
function compare(arrow: Arrow, nanos: Data, micros: Data, see: (nano: bigint, micro: bigint) => void): void {
  for (const [i, child] of nanos.children.entries()) compare(arrow, child, micros.children[i]!, see)
  const { MICROSECOND, NANOSECOND } = arrow.TimeUnit
  const { DataType: is } = arrow
  if (!is.isTimestamp(nanos.type) || nanos.type.unit !== NANOSECOND) return
  if (!is.isTimestamp(micros.type) || micros.type.unit !== MICROSECOND) return
  const [fine, coarse] = [nanos.values, micros.values] as unknown as [BigInt64Array, BigInt64Array]
  for (let i = 0; i < nanos.length; i++) if (nanos.getValid(i)) see(fine[i]!, coarse[i]!)
}
