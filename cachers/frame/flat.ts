/**
 * Reading flatbuffers by hand, with every offset checked before it is followed.
 *
 * @see https://flatbuffers.dev/internals/
 */
import { utf8 } from '../common.js'
import { FrameProblem } from './problem.js'

export const damaged = (what: string): FrameProblem => new FrameProblem(`it is damaged: ${what}`)

/** The bytes of one flatbuffer. */
export class Flat {
  readonly #view: DataView
  /** Tables and texts may share bytes, so what is read from them is bounded too: else a small file could stand for endless ones. */
  #left: number

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#left = bytes.byteLength * 4 + 1024
  }

  root(): FlatTable {
    return new FlatTable(this, this.u32(0))
  }
  i8(at: number): number {
    return this.#view.getInt8(this.within(at, 1))
  }
  i16(at: number): number {
    return this.#view.getInt16(this.within(at, 2), true)
  }
  u16(at: number): number {
    return this.#view.getUint16(this.within(at, 2), true)
  }
  i32(at: number): number {
    return this.#view.getInt32(this.within(at, 4), true)
  }
  u32(at: number): number {
    return this.#view.getUint32(this.within(at, 4), true)
  }
  /** A 64-bit integer; those no double holds come out as their nearest. */
  i64(at: number): number {
    return this.u32(at) + this.i32(at + 4) * 2 ** 32
  }

  within(at: number, bytes: number): number {
    if (at < 0 || at + bytes > this.bytes.byteLength) throw damaged('its metadata points outside itself')
    return at
  }

  spend(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) throw damaged('its metadata repeats itself')
  }
}

/** A table of a flatbuffer; its fields by their number in the schema file. */
export class FlatTable {
  readonly #vtable: number
  readonly #slots: number

  constructor(
    readonly flat: Flat,
    readonly at: number,
  ) {
    flat.spend(4)
    this.#vtable = at - flat.i32(at)
    const size = flat.u16(this.#vtable)
    flat.within(this.#vtable, size)
    this.#slots = Math.max(0, (size - 4) >> 1)
  }

  bool(slot: number): boolean {
    return this.i8(slot, 0) !== 0
  }
  i8(slot: number, otherwise: number): number {
    const at = this.place(slot)
    return at === undefined ? otherwise : this.flat.i8(at)
  }
  i16(slot: number, otherwise: number): number {
    const at = this.place(slot)
    return at === undefined ? otherwise : this.flat.i16(at)
  }
  i32(slot: number, otherwise: number): number {
    const at = this.place(slot)
    return at === undefined ? otherwise : this.flat.i32(at)
  }
  i64(slot: number): number {
    const at = this.place(slot)
    return at === undefined ? 0 : this.flat.i64(at)
  }

  table(slot: number): FlatTable | undefined {
    const at = this.place(slot)
    return at === undefined ? undefined : new FlatTable(this.flat, at + this.flat.u32(at))
  }

  /** Where the items of a vector of structs or numbers begin, and how many there are. */
  vector(slot: number, itemSize: number): { readonly start: number; readonly length: number } {
    const at = this.place(slot)
    if (at === undefined) return { start: 0, length: 0 }
    const start = at + this.flat.u32(at)
    const length = this.flat.u32(start)
    this.flat.within(start + 4, length * itemSize)
    this.flat.spend(length * itemSize)
    return { start: start + 4, length }
  }

  tables(slot: number): FlatTable[] {
    const { start, length } = this.vector(slot, 4)
    return Array.from({ length }, (_, i) => new FlatTable(this.flat, start + 4 * i + this.flat.u32(start + 4 * i)))
  }

  text(slot: number): string | undefined {
    const { start, length } = this.vector(slot, 1)
    if (start === 0) return undefined
    const text = utf8(this.flat.bytes.subarray(start, start + length))
    if (text === undefined) throw damaged('its metadata is not UTF-8')
    return text
  }

  private place(slot: number): number | undefined {
    if (slot >= this.#slots) return undefined
    const offset = this.flat.u16(this.#vtable + 4 + 2 * slot)
    return offset === 0 ? undefined : this.at + offset
  }
}
