/**
 * Messages and the footer of Arrow IPC, as plain values.
 *
 * @see https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
 * @see https://github.com/apache/arrow/tree/main/format Message.fbs, File.fbs
 */
import { damaged, Flat, type FlatTable } from './flat.js'
import { FrameProblem } from './problem.js'

/** Length of a column in a batch, and how many nulls it has; -1 where the writer did not count them. */
export interface Node {
  readonly length: number
  readonly nullCount: number
}

/** Bytes of a buffer in the body of its message. */
export interface Region {
  readonly offset: number
  readonly length: number
}

export type Compression = 'lz4' | 'zstd'

/** What the message of a record batch says. */
export interface BatchHeader {
  readonly length: number
  readonly nodes: readonly Node[]
  readonly buffers: readonly Region[]
  readonly compression: Compression | undefined
  /** How many data buffers each column of views has. */
  readonly variadic: readonly number[]
  readonly metadata: ReadonlyMap<string, string>
}

export type Message = { readonly bodyLength: number; readonly version: number } & (
  | { readonly kind: 'schema'; readonly schema: FlatTable }
  | { readonly kind: 'batch'; readonly batch: BatchHeader }
  | { readonly kind: 'dictionary'; readonly id: number; readonly isDelta: boolean; readonly batch: BatchHeader }
)

/** Where a message and its body lie in a file. */
export interface Block {
  readonly offset: number
  readonly metadataLength: number
  readonly bodyLength: number
}

export interface Footer {
  readonly schema: FlatTable
  readonly dictionaries: readonly Block[]
  readonly batches: readonly Block[]
  readonly metadata: ReadonlyMap<string, string>
}

/** Version 4 of the metadata came with Arrow 0.8, in 2017. */
const oldestVersion = 3
export const version5 = 4

/** A message from its flatbuffer, the length before it left out. */
export function messageOf(bytes: Uint8Array): Message {
  const table = new Flat(bytes).root()
  const version = checkedVersion(table)
  const header = table.table(2)
  const common = { version, bodyLength: size(table.i64(3)) }
  if (header === undefined) throw damaged('a message has no header')
  switch (table.i8(1, 0)) {
    case 1:
      return { ...common, kind: 'schema', schema: header }
    case 2: {
      const data = header.table(1)
      if (data === undefined) throw damaged('a dictionary has no data')
      const batch = batchOf(data, new Map())
      return { ...common, kind: 'dictionary', id: header.i64(0), isDelta: header.bool(2), batch }
    }
    case 3:
      return { ...common, kind: 'batch', batch: batchOf(header, textsOf(table, 4)) }
    default:
      throw new FrameProblem('it holds a tensor, not a table', 'read it with pyarrow')
  }
}

export function footerOf(bytes: Uint8Array): Footer {
  const table = new Flat(bytes).root()
  checkedVersion(table)
  const schema = table.table(1)
  if (schema === undefined) throw damaged('its footer has no schema')
  return { schema, dictionaries: blocks(table, 2), batches: blocks(table, 3), metadata: textsOf(table, 4) }
}

/** Custom metadata of a table: pairs of texts. */
export function textsOf(table: FlatTable, slot: number): Map<string, string> {
  return new Map(table.tables(slot).map((pair) => [pair.text(0) ?? '', pair.text(1) ?? '']))
}

function checkedVersion(table: FlatTable): number {
  const version = table.i16(0, 0)
  if (version >= oldestVersion && version <= version5) return version
  throw new FrameProblem(`it has metadata of version ${version + 1}; versions 4 and 5 are known`)
}

function batchOf(table: FlatTable, metadata: ReadonlyMap<string, string>): BatchHeader {
  const { flat } = table
  const nodes = table.vector(1, 16)
  const buffers = table.vector(2, 16)
  const variadic = table.vector(4, 8)
  return {
    length: size(table.i64(0)),
    nodes: Array.from({ length: nodes.length }, (_, i) => ({
      length: size(flat.i64(nodes.start + 16 * i)),
      nullCount: flat.i64(nodes.start + 16 * i + 8),
    })),
    buffers: Array.from({ length: buffers.length }, (_, i) => ({
      offset: size(flat.i64(buffers.start + 16 * i)),
      length: size(flat.i64(buffers.start + 16 * i + 8)),
    })),
    compression: compressionOf(table.table(3)),
    variadic: Array.from({ length: variadic.length }, (_, i) => size(flat.i64(variadic.start + 8 * i))),
    metadata,
  }
}

function compressionOf(table: FlatTable | undefined): Compression | undefined {
  if (table === undefined) return undefined
  const codec = (['lz4', 'zstd'] as const)[table.i8(0, 0)]
  if (codec === undefined || table.i8(1, 0) !== 0) throw new FrameProblem('it is compressed in a way that is not known')
  return codec
}

function blocks(table: FlatTable, slot: number): Block[] {
  const { start, length } = table.vector(slot, 24)
  return Array.from({ length }, (_, i) => ({
    offset: size(table.flat.i64(start + 24 * i)),
    metadataLength: size(table.flat.i32(start + 24 * i + 8)),
    bodyLength: size(table.flat.i64(start + 24 * i + 16)),
  }))
}

function size(value: number): number {
  if (value < 0 || !Number.isSafeInteger(value)) throw damaged(`a length of ${value}`)
  return value
}
