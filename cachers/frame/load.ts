/** Columns of Arrow IPC, or rows of them, over the bytes they are read from. */
import type { Data, Dictionary, Vector } from 'apache-arrow'
import type { Body, Buffered } from './body.js'
import { checkIndices, checkOffsets, checkTexts, isSet, unset } from './check.js'
import { damaged } from './flat.js'
import type { Arrow } from './infer.js'
import type { NumberArray, Slot } from './layout.js'
import { checkViews, checkViewTexts, shifted, spansOf, wordsOf } from './views.js'

/** What loading a column needs beside its slot. */
export interface Loading {
  readonly arrow: Arrow
  readonly body: Body
  /** Bytes that were checked when they were written, and have not changed since: only their lengths are looked at. */
  readonly trusted: boolean
  dictionary(id: number): Promise<Vector>
}

const none = new Uint8Array(0)

/** Parts that a column's data is made of, beside its validity. */
interface Parts {
  readonly values?: ArrayBufferView
  readonly offsets?: ArrayBufferView
  readonly typeIds?: ArrayBufferView
  readonly variadic?: readonly Uint8Array[]
  readonly children?: readonly Data[]
  readonly dictionary?: Vector
}

type IsValid = (index: number) => boolean

/**
 * Rows `from` to `to` of a column. Nothing is copied, but for the offsets of rows that do not start at 0.
 *
 * @throws {FrameProblem} where the buffers do not hold what the lengths claim, or not values.
 */
export async function load(use: Loading, slot: Slot, from = 0, to = slot.length): Promise<Data> {
  const { nullBitmap, nullCount, shift } = await validity(use, slot, from, to)
  const isValid: IsValid = nullCount === 0 ? () => true : (index) => isSet(nullBitmap, shift + index)
  const { values, offsets, typeIds, variadic, children, dictionary } = await partsOf(use, slot, from, to, isValid)
  return new use.arrow.Data(
    slot.type,
    shift,
    to - from,
    slot.layout.kind === 'null' ? to - from : nullCount,
    [offsets, values, nullBitmap, typeIds] as never,
    children as Data[] | undefined,
    dictionary,
    variadic,
  )
}

async function partsOf(use: Loading, slot: Slot, from: number, to: number, isValid: IsValid): Promise<Parts> {
  const { layout, path, length, buffers, children } = slot
  const isWhole = from === 0 && to === length
  const first = buffers[0] === undefined ? undefined : await use.body.open(buffers[0], path)
  switch (layout.kind) {
    case 'null':
      return {}
    case 'bool':
      return { values: await bits(first!, length, from, to, path) }
    case 'fixed': {
      const { bytes, numbers } = layout
      const values = await part(use.body, first!, numbers, length * bytes, from * bytes, to * bytes, path)
      return use.arrow.DataType.isDictionary(slot.type) ? indexed(use, slot, values, isValid) : { values }
    }
    case 'struct':
    case 'sparse': {
      for (const child of children) atLeast(child, length)
      const parts = { children: await Promise.all(children.map((child) => load(use, child, from, to))) }
      if (layout.kind === 'struct') return parts
      const typeIds = (await part(use.body, first!, Int8Array, length, from, to, path)) as Int8Array
      if (!use.trusted) checkTypeIds(typeIds, slot)
      return { ...parts, typeIds }
    }
    case 'fixed list': {
      const [child] = children
      atLeast(child!, length * layout.size)
      return { children: [await load(use, child!, from * layout.size, to * layout.size)] }
    }
    case 'variable': {
      const data = await use.body.open(buffers[1]!, path)
      const { offsets, start, end } = await offsetsOf(use, first!, slot, layout.wide, from, to, data.length)
      const values = await data.read(start, end)
      const type = use.arrow.DataType
      if (!use.trusted && (type.isUtf8(slot.type) || type.isLargeUtf8(slot.type))) {
        const base = Number(offsets[0] ?? 0)
        checkTexts(values.subarray(base), offsets, base, isValid, path)
      }
      return { offsets, values }
    }
    case 'list': {
      const [child] = children
      const { offsets, start, end } = await offsetsOf(use, first!, slot, layout.wide, from, to, child!.length)
      return { offsets, children: [await (isWhole ? load(use, child!) : load(use, child!, start, end))] }
    }
    case 'dense':
      return dense(use, slot, first!, from, to)
    case 'view':
      return views(use, slot, first!, from, to, isValid)
  }
}

/** Bytes `start` to `end` of a buffer that must have `whole`, as numbers; copied where they do not lie as those must. */
async function part(
  body: Body,
  buffer: Buffered,
  Numbers: NumberArray,
  whole: number,
  start: number,
  end: number,
  path: string,
): Promise<ArrayBufferView> {
  if (buffer.length < whole) throw short(path)
  const bytes = await buffer.read(start, end)
  const aligned = bytes.byteOffset % Numbers.BYTES_PER_ELEMENT === 0 ? bytes : body.copied(bytes)
  return new Numbers(aligned.buffer, aligned.byteOffset, aligned.byteLength / Numbers.BYTES_PER_ELEMENT)
}

async function bits(buffer: Buffered, length: number, from: number, to: number, path: string): Promise<Uint8Array> {
  if (buffer.length * 8 < length) throw short(path)
  return buffer.read(from >> 3, (to + 7) >> 3)
}

async function validity(
  { body, trusted }: Loading,
  { validity: region, length, nullCount, path, layout }: Slot,
  from: number,
  to: number,
): Promise<{ nullBitmap: Uint8Array; nullCount: number; shift: number }> {
  const shift = from & 7
  const isUnion = layout.kind === 'sparse' || layout.kind === 'dense'
  // Where there is no bitmap, only booleans still start within a byte.
  const without = { nullBitmap: none, nullCount: 0, shift: layout.kind === 'bool' ? shift : 0 }
  if (layout.kind === 'null' || isUnion || length === 0) return without
  const buffer = await body.open(region, path)
  if (buffer.length === 0 && nullCount <= 0) return without
  const nullBitmap = await bits(buffer, length, from, to, path)
  const isWhole = to - from === length
  if (trusted && isWhole && nullCount >= 0) return { nullBitmap, nullCount, shift }
  const counted = unset(nullBitmap, shift, shift + to - from)
  const isRight = nullCount < 0 || (isWhole ? counted === nullCount : counted <= nullCount)
  if (!isRight) throw damaged(`its column ${path} has ${counted} nulls, but says ${nullCount}`)
  return counted === 0 ? without : { nullBitmap, nullCount: counted, shift }
}

function short(path: string): Error {
  return damaged(`its column ${path} has fewer bytes than its length needs`)
}

function atLeast({ length, path }: Slot, needed: number): void {
  if (length < needed) throw damaged(`its column ${path} has ${length} values where ${needed} are needed`)
}

/** Offsets from 0 on, and which bytes or elements they span. */
async function offsetsOf(
  { body, trusted }: Loading,
  buffer: Buffered,
  { length, path }: Slot,
  wide: boolean,
  from: number,
  to: number,
  limit: number,
): Promise<{ offsets: Int32Array | BigInt64Array; start: number; end: number }> {
  const [Numbers, bytes] = wide ? ([BigInt64Array, 8] as const) : ([Int32Array, 4] as const)
  // A column of no rows may have no offsets at all.
  if (length === 0 && buffer.length === 0) return { offsets: new Numbers(1), start: 0, end: 0 }
  const read = await part(body, buffer, Numbers, (length + 1) * bytes, from * bytes, (to + 1) * bytes, path)
  const offsets = read as Int32Array | BigInt64Array
  if (!trusted) checkOffsets(offsets, limit, path)
  const [start, end] = [Number(offsets[0]), Number(offsets[to - from])]
  if (start < 0 || start > end || end > limit) throw damaged(`its column ${path} ends outside its buffers`)
  if (start === 0 || (from === 0 && to === length)) return { offsets, start: 0, end }
  return { offsets: rebased(offsets, start), start, end }
}

export function rebased(offsets: Int32Array | BigInt64Array, base: number): Int32Array | BigInt64Array {
  if (offsets instanceof Int32Array) return offsets.map((offset) => offset - base)
  const wide = BigInt(base)
  return offsets.map((offset) => offset - wide)
}

async function indexed(use: Loading, slot: Slot, values: ArrayBufferView, isValid: IsValid): Promise<Parts> {
  const dictionary = await use.dictionary((slot.type as Dictionary).id)
  if (!use.trusted) checkIndices(values as unknown as ArrayLike<number>, dictionary.length, isValid, slot.path)
  return { values, dictionary }
}

/** Members of a union by their type ids; -1 where there is none. */
function members({ type }: Slot): Int8Array {
  const table = new Int8Array(256).fill(-1)
  for (const [i, id] of [...(type as unknown as { typeIds: Int32Array }).typeIds].entries()) table[id] = i
  return table
}

function checkTypeIds(typeIds: Int8Array, slot: Slot): void {
  const known = members(slot)
  for (const id of typeIds) if (known[id & 255]! < 0) throw damaged(`its column ${slot.path} has a value of type ${id}`)
}

async function dense(use: Loading, slot: Slot, first: Buffered, from: number, to: number): Promise<Parts> {
  const { path, length, children } = slot
  const typeIds = (await part(use.body, first, Int8Array, length, from, to, path)) as Int8Array
  checkTypeIds(typeIds, slot)
  const second = await use.body.open(slot.buffers[1]!, path)
  const places = await part(use.body, second, Int32Array, length * 4, from * 4, to * 4, path)
  const [offsets, known] = [places as Int32Array, members(slot)]
  const [low, high] = [children.map(() => Number.POSITIVE_INFINITY), children.map(() => 0)]
  for (let i = 0; i < offsets.length; i++) {
    const [member, offset] = [known[typeIds[i]!]!, offsets[i]!]
    if (offset < 0 || offset >= children[member]!.length)
      throw damaged(`its column ${path} has values outside its members`)
    low[member] = Math.min(low[member]!, offset)
    high[member] = Math.max(high[member]!, offset + 1)
  }
  if (from === 0 && to === length) {
    return { typeIds, offsets, children: await Promise.all(children.map((child) => load(use, child))) }
  }
  return {
    typeIds,
    offsets: offsets.map((offset, i) => offset - low[known[typeIds[i]!]!]!),
    children: await Promise.all(
      children.map((child, i) => (high[i] === 0 ? load(use, child, 0, 0) : load(use, child, low[i]!, high[i]!))),
    ),
  }
}

async function views(
  use: Loading,
  { path, length, buffers, type }: Slot,
  first: Buffered,
  from: number,
  to: number,
  isValid: IsValid,
): Promise<Parts> {
  const values = await part(use.body, first, Uint8Array, length * 16, from * 16, to * 16, path)
  const words = wordsOf(values as Uint8Array)
  const data = await Promise.all(buffers.slice(1).map((region) => use.body.open(region, path)))
  const lengths = data.map(({ length }) => length)
  checkViews(words, lengths, isValid, path)
  const spans = spansOf(words, data.length, isValid)
  const variadic = await Promise.all(data.map((buffer, i) => buffer.read(...spans[i]!)))
  const moved = shifted(words, spans, isValid)
  if (!use.trusted && use.arrow.DataType.isUtf8View(type)) checkViewTexts(moved, variadic, isValid, path)
  return { values: new Uint8Array(moved.buffer, moved.byteOffset, moved.byteLength), variadic }
}
