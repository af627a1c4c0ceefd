/**
 * Writing flatbuffers: parents before children, each table behind its own vtable.
 *
 * @see https://flatbuffers.dev/internals/
 */

/** A field of a table, by its number in the schema file. Structs come as their bytes, padded as the format has them. */
export type FlatField =
  | { readonly i8: number }
  | { readonly i16: number }
  | { readonly i32: number }
  | { readonly i64: number }
  | { readonly text: string }
  | { readonly table: FlatFields }
  | { readonly tables: readonly FlatFields[] }
  | { readonly structs: Buffer; readonly count: number }
  /** A table within a flatbuffer that is put in whole. */
  | { readonly embedded: Uint8Array; readonly at: number }

/** The fields of a table; undefined ones are left out. */
export type FlatFields = readonly (FlatField | undefined)[]

/** The bytes of a flatbuffer, whose length is a multiple of 8. */
export function flatbuffer(root: FlatFields): Buffer {
  const writer = new FlatWriter()
  writer.reserve(4)
  writer.point(0, writer.table(root))
  return writer.finish()
}

const sizeOf = (field: FlatField): number => ('i64' in field ? 8 : 'i16' in field ? 2 : 'i8' in field ? 1 : 4)

class FlatWriter {
  #bytes = Buffer.alloc(1024)
  #end = 0

  finish(): Buffer {
    this.#align(8, 0)
    return Buffer.from(this.#bytes.subarray(0, this.#end))
  }

  /** Room for `size` bytes, zeros; where it begins. */
  reserve(size: number): number {
    const at = this.#end
    this.#end += size
    if (this.#end > this.#bytes.byteLength) {
      const larger = Buffer.alloc(Math.max(this.#end, this.#bytes.byteLength * 2))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    return at
  }

  /** Writes at `at` how far `target` lies behind it. */
  point(at: number, target: number): void {
    this.#bytes.writeUInt32LE(target - at, at)
  }

  table(fields: FlatFields): number {
    this.#align(2, 0)
    const vtable = this.reserve(4 + 2 * fields.length)
    // Behind its own first four bytes a table is aligned for 64 bits; the larger fields come first.
    this.#align(8, 4)
    const at = this.reserve(4)
    const places = new Map<FlatField, number>()
    for (const size of [8, 4, 2, 1]) {
      for (const field of fields)
        if (field !== undefined && sizeOf(field) === size) places.set(field, this.reserve(size))
    }
    this.#bytes.writeUInt16LE(4 + 2 * fields.length, vtable)
    this.#bytes.writeUInt16LE(this.#end - at, vtable + 2)
    this.#bytes.writeInt32LE(at - vtable, at)
    for (const [slot, field] of fields.entries()) {
      if (field === undefined) continue
      const place = places.get(field)!
      this.#bytes.writeUInt16LE(place - at, vtable + 4 + 2 * slot)
      this.#value(field, place)
    }
    return at
  }

  #value(field: FlatField, place: number): void {
    if ('i8' in field) this.#bytes.writeInt8(field.i8, place)
    else if ('i16' in field) this.#bytes.writeInt16LE(field.i16, place)
    else if ('i32' in field) this.#bytes.writeInt32LE(field.i32, place)
    else if ('i64' in field) this.#bytes.writeBigInt64LE(BigInt(field.i64), place)
    else this.point(place, this.#pointed(field))
  }

  #pointed(field: Exclude<FlatField, { i8: number } | { i16: number } | { i32: number } | { i64: number }>): number {
    if ('table' in field) return this.table(field.table)
    if ('text' in field) return this.#vector(Buffer.from(`${field.text}\0`), Buffer.byteLength(field.text))
    if ('structs' in field) return this.#vector(field.structs, field.count)
    if ('embedded' in field) {
      this.#align(8, 0)
      const at = this.reserve(field.embedded.byteLength)
      this.#bytes.set(field.embedded, at)
      return at + field.at
    }
    const at = this.#vector(Buffer.alloc(4 * field.tables.length), field.tables.length)
    for (const [i, fields] of field.tables.entries()) this.point(at + 4 + 4 * i, this.table(fields))
    return at
  }

  #vector(bytes: Buffer, count: number): number {
    this.#align(8, 4)
    const at = this.reserve(4 + bytes.byteLength)
    this.#bytes.writeUInt32LE(count, at)
    this.#bytes.set(bytes, at + 4)
    return at
  }

  #align(to: number, rest: number): void {
    while (this.#end % to !== rest) this.#end += 1
    this.reserve(0)
  }
}
