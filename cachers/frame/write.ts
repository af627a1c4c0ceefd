/**
 * Arrow IPC files: uncompressed, and the same bytes for the same table.
 *
 * @see https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format
 */
import type { Schema, Table } from 'apache-arrow'
import { type Assembled, assembled } from './assemble.js'
import { prepared } from './dictionaries.js'
import { Flat } from './flat.js'
import { type FlatField, type FlatFields, flatbuffer } from './flat-write.js'
import type { Arrow } from './infer.js'
import { magic } from './ipc.js'
import type { Block } from './message.js'
import { twice } from './schema.js'

/** Pieces smaller than this are put together, up to it. */
const pieceSize = 1 << 16
const dictionaryKind = 2
const batchKind = 3
const version5 = { i16: 4 } as const
/** Key of the footer's metadata under which a file says how many rows each batch has, so that a reader of some rows finds them at once. */
export const rowsKey = 'curio:rows'

/** What a file is written from. Everything is checked before its first byte. */
export interface Plan {
  readonly bytes: number
  pieces(): Generator<Uint8Array>
}

export async function planIpc(table: Table): Promise<Plan> {
  const arrow = await import('apache-arrow')
  const { schema, batches, dictionaries } = prepared(arrow, table)
  const names = schema.fields.map(({ name }) => name)
  for (const [i, name] of names.entries()) if (names.indexOf(name) < i) throw twice(name)
  const { message, header } = schemaMessage(arrow, schema)
  const file = new File()
  file.add(Buffer.concat([magic, Buffer.alloc(2)]))
  file.message(message)
  const dictionaryBlocks = dictionaries.map(({ id, data }) => {
    const parts = assembled(arrow, [data], [`dictionary ${id}`], data.length)
    return file.batch(parts, dictionaryKind, (batch) => [{ i64: id }, { table: batch }])
  })
  const batchBlocks = batches.map((columns, i) => {
    const { numRows, metadata } = table.batches[i]!
    return file.batch(assembled(arrow, columns, names, numRows), batchKind, (batch) => batch, textsField(metadata))
  })
  file.add(endOfStream)
  const rows = table.batches.map(({ numRows }) => numRows).join()
  const footer = flatbuffer([
    version5,
    { embedded: message, at: header },
    blocksField(dictionaryBlocks),
    blocksField(batchBlocks),
    textsField(new Map([[rowsKey, rows]])),
  ])
  file.add(footer, int32s(footer.byteLength), magic)
  return file
}

const endOfStream = int32s(-1, 0)

function int32s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeInt32LE(value, 4 * i)
  return bytes
}

/** The message of a schema, and where in it the schema's table begins. */
function schemaMessage(arrow: Arrow, schema: Schema): { message: Uint8Array; header: number } {
  const encoded = arrow.Message.encode(arrow.Message.from(schema))
  const message = Buffer.alloc((encoded.byteLength + 7) & ~7)
  message.set(encoded)
  return { message, header: new Flat(message).root().table(2)!.at }
}

function textsField(texts: ReadonlyMap<string, string>): FlatField | undefined {
  if (texts.size === 0) return undefined
  return { tables: [...texts].map(([key, value]): FlatFields => [{ text: key }, { text: value }]) }
}

function blocksField(blocks: readonly Block[]): FlatField {
  const structs = Buffer.alloc(24 * blocks.length)
  for (const [i, { offset, metadataLength, bodyLength }] of blocks.entries()) {
    structs.writeBigInt64LE(BigInt(offset), 24 * i)
    structs.writeInt32LE(metadataLength, 24 * i + 8)
    structs.writeBigInt64LE(BigInt(bodyLength), 24 * i + 16)
  }
  return { structs, count: blocks.length }
}

function pairs(values: readonly (readonly [number, number])[]): FlatField {
  const structs = Buffer.alloc(16 * values.length)
  for (const [i, [first, second]] of values.entries()) {
    structs.writeBigInt64LE(BigInt(first), 16 * i)
    structs.writeBigInt64LE(BigInt(second), 16 * i + 8)
  }
  return { structs, count: values.length }
}

class File implements Plan {
  bytes = 0
  readonly #parts: Uint8Array[] = []

  add(...parts: Uint8Array[]): void {
    for (const part of parts) {
      if (part.byteLength > 0) this.#parts.push(part)
      this.bytes += part.byteLength
    }
  }

  /** Adds a message without a body; how long it is with its length before it. */
  message(flat: Uint8Array): number {
    this.add(int32s(-1, flat.byteLength), flat)
    return flat.byteLength + 8
  }

  batch(
    { length, nodes, buffers, variadic }: Assembled,
    kind: number,
    header: (batch: FlatFields) => FlatFields,
    metadata?: FlatField,
  ): Block {
    let bodyLength = 0
    const regions = buffers.map(({ byteLength }) => {
      const region = [bodyLength, byteLength] as const
      bodyLength += Math.ceil(byteLength / 8) * 8
      return region
    })
    const counts = Buffer.alloc(8 * variadic.length)
    for (const [i, count] of variadic.entries()) counts.writeBigInt64LE(BigInt(count), 8 * i)
    const batch: FlatFields = [
      { i64: length },
      pairs(nodes.map((node) => [node.length, node.nullCount])),
      pairs(regions),
      undefined,
      variadic.length === 0 ? undefined : { structs: counts, count: variadic.length },
    ]
    const offset = this.bytes
    const message = flatbuffer([version5, { i8: kind }, { table: header(batch) }, { i64: bodyLength }, metadata])
    const metadataLength = this.message(message)
    for (const buffer of buffers) this.add(buffer, new Uint8Array(-buffer.byteLength & 7))
    return { offset, metadataLength, bodyLength }
  }

  *pieces(): Generator<Uint8Array> {
    let small: Uint8Array[] = []
    let size = 0
    for (const part of this.#parts) {
      if (part.byteLength < pieceSize) {
        small.push(part)
        size += part.byteLength
      }
      const isLarge = part.byteLength >= pieceSize
      if (size > 0 && (isLarge || size >= pieceSize)) {
        yield Buffer.concat(small)
        small = []
        size = 0
      }
      if (isLarge) yield part
    }
    if (size > 0) yield Buffer.concat(small)
  }
}
