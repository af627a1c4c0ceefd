/**
 * As much of Thrift's compact protocol as it takes to see what a Parquet footer says about its columns.
 *
 * @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
import { FrameProblem } from '../frame/problem.js'

const kinds = { true: 1, false: 2, byte: 3, double: 7, binary: 8, list: 9, set: 10, map: 11, struct: 12 } as const
const deepest = 32

/** Fields of `FileMetaData` and `SchemaElement`, and the number of the physical type. */
const schemaField = 2
const rowsField = 3
const typeField = 1
const childrenField = 5
const int96 = 3

/** For each leaf of the schema, in order, whether it holds timestamps of 96 bits. */
export function oldTimestamps(footer: Uint8Array): boolean[] {
  const reader = new Compact(footer)
  const leaves: boolean[] = []
  for (const { id, kind } of reader.fields()) {
    if (id !== schemaField || kind !== kinds.list) {
      reader.skip(kind)
      continue
    }
    for (let left = reader.listHeader().size; left > 0; left--) {
      let type: number | undefined
      let children = 0
      for (const field of reader.fields()) {
        if (field.id === typeField) type = reader.integer()
        else if (field.id === childrenField) children = reader.integer()
        else reader.skip(field.kind)
      }
      if (type !== undefined && children === 0) leaves.push(type === int96)
    }
    break
  }
  return leaves
}

/** How many rows a file has, by the footer in its last bytes. Undefined when they do not hold a whole one. */
export function rowsAtEnd(bytes: Uint8Array): number | undefined {
  const end = bytes.byteLength - 8
  if (end < 0 || Buffer.from(bytes.subarray(end + 4)).toString('latin1') !== 'PAR1') return undefined
  const size = new DataView(bytes.buffer, bytes.byteOffset + end, 4).getUint32(0, true)
  if (size > end) return undefined
  const reader = new Compact(bytes.subarray(end - size, end))
  for (const { id, kind } of reader.fields()) {
    if (id === rowsField) return reader.integer()
    reader.skip(kind)
  }
  return undefined
}

class Compact {
  private at = 0

  constructor(private readonly bytes: Uint8Array) {}

  /** The fields of a struct. Each must be read or skipped before the next. */
  *fields(): Generator<{ readonly id: number; readonly kind: number }> {
    let id = 0
    for (;;) {
      const header = this.byte()
      if (header === 0) return
      const delta = header >> 4
      id = delta === 0 ? this.integer() : id + delta
      yield { id, kind: header & 15 }
    }
  }

  listHeader(): { readonly size: number; readonly kind: number } {
    const header = this.byte()
    const size = header >> 4
    return { size: size === 15 ? this.varint() : size, kind: header & 15 }
  }

  /** A signed number. */
  integer(): number {
    const raw = this.varint()
    return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
  }

  skip(kind: number, depth = 0): void {
    if (depth > deepest) throw damaged()
    switch (kind) {
      case kinds.true:
      case kinds.false:
        return
      case kinds.byte:
        this.pass(1)
        return
      case kinds.double:
        this.pass(8)
        return
      case kinds.binary:
        this.pass(this.varint())
        return
      case kinds.list:
      case kinds.set: {
        const { size, kind: inner } = this.listHeader()
        for (let i = 0; i < size; i++) this.element(inner, depth)
        return
      }
      case kinds.map: {
        const size = this.varint()
        if (size === 0) return
        const inner = this.byte()
        for (let i = 0; i < size; i++) {
          this.element(inner >> 4, depth)
          this.element(inner & 15, depth)
        }
        return
      }
      case kinds.struct:
        for (const field of this.fields()) this.skip(field.kind, depth + 1)
        return
      default:
        if (kind < kinds.byte || kind > kinds.struct) throw damaged()
        this.varint()
    }
  }

  /** In a list, true and false are bytes of their own. */
  private element(kind: number, depth: number): void {
    if (kind === kinds.true || kind === kinds.false) this.pass(1)
    else this.skip(kind, depth + 1)
  }

  private varint(): number {
    let value = 0
    for (let factor = 1; factor < 2 ** 64; factor *= 128) {
      const byte = this.byte()
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
    throw damaged()
  }

  private byte(): number {
    const byte = this.bytes[this.at++]
    if (byte === undefined) throw damaged()
    return byte
  }

  private pass(count: number): void {
    this.at += count
    if (this.at > this.bytes.length) throw damaged()
  }
}

function damaged(): FrameProblem {
  return new FrameProblem('its footer is damaged')
}
