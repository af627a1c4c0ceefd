/** Columns as the nodes and buffers of a record batch: without what lies before, after and between the rows they show. */
import type { Data, Field } from 'apache-arrow'
import { checkIndices, checkOffsets, checkTexts, isSet, unset } from './check.js'
import type { Arrow } from './infer.js'
import { childAt, type Layout, layoutOf } from './layout.js'
import { rebased } from './load.js'
import type { Node } from './message.js'
import { FrameProblem } from './problem.js'
import { checkViews, checkViewTexts, shifted, spansOf, wordsOf } from './views.js'

/** The parts of a record batch, before they have places in a body. */
export interface Assembled {
  readonly length: number
  readonly nodes: readonly Node[]
  readonly buffers: readonly Uint8Array[]
  readonly variadic: readonly number[]
}

const none = new Uint8Array(0)

/**
 * Data of any make: slices, columns that end before the others, bitmaps that start within a byte.
 *
 * @param names Of the columns, for messages.
 * @throws {FrameProblem} for data whose buffers do not hold together, which would be written as garbage.
 */
export function assembled(arrow: Arrow, columns: readonly Data[], names: readonly string[], length: number): Assembled {
  const [nodes, buffers, variadic]: [Node[], Uint8Array[], number[]] = [[], [], []]

  const visit = (given: Data, path: string, length: number): void => {
    const data = ofLength(given, length)
    const layout = layoutOf(arrow, data.type)
    if (layout.kind === 'null') {
      nodes.push({ length, nullCount: length })
      return
    }
    const isUnion = layout.kind === 'sparse' || layout.kind === 'dense'
    const bitmap = isUnion ? undefined : validityOf(data, path)
    const nullCount = bitmap === undefined ? 0 : unset(bitmap, 0, length)
    nodes.push({ length, nullCount })
    if (!isUnion) buffers.push(nullCount === 0 ? none : bitmap!)
    const isValid = (i: number): boolean => nullCount === 0 || isSet(bitmap!, i)
    contents(data, layout, path, isValid)
  }

  const contents = (data: Data, layout: Layout, path: string, isValid: (index: number) => boolean): void => {
    const { length } = data
    const fields = arrow.DataType.isDictionary(data.type) ? [] : ((data.type.children ?? []) as readonly Field[])
    const children = fields.map((_, i) => childAt(arrow, data, i))
    const child = (i: number): string => `${path}.${fields[i]!.name}`
    switch (layout.kind) {
      case 'fixed': {
        buffers.push(padded(data.values as unknown as ArrayBufferView, length * layout.bytes))
        if (!arrow.DataType.isDictionary(data.type) || length === 0) return
        const indices = data.values as unknown as Int32Array
        checkIndices(indices.subarray(0, length), data.dictionary?.length ?? 0, isValid, path)
        return
      }
      case 'bool':
        buffers.push(bitRange(data.values as unknown as Uint8Array, data.offset, length))
        return
      case 'variable': {
        const { offsets, start, end } = offsetsOf(data, layout.wide, data.values?.byteLength ?? 0, path)
        const values = (data.values as unknown as Uint8Array | undefined)?.subarray(start, end) ?? none
        const { DataType } = arrow
        if (DataType.isUtf8(data.type) || DataType.isLargeUtf8(data.type)) checkTexts(values, offsets, 0, isValid, path)
        buffers.push(bytesOf(offsets), bytesOf(values))
        return
      }
      case 'list': {
        const { offsets, start, end } = offsetsOf(data, layout.wide, children[0]!.length, path)
        buffers.push(bytesOf(offsets))
        visit(start === 0 ? children[0]! : children[0]!.slice(start, end - start), child(0), end - start)
        return
      }
      case 'fixed list':
        visit(children[0]!, child(0), length * layout.size)
        return
      case 'struct':
        for (const [i, own] of children.entries()) visit(own, child(i), length)
        return
      case 'sparse':
        buffers.push(typeIds(data, path))
        for (const [i, own] of children.entries()) visit(own, child(i), length)
        return
      case 'dense':
        dense(data, children, path, child)
        return
      case 'view':
        views(data, path, isValid)
    }
  }

  /** The buffers are cut to what the rows name of them, too. */
  const views = (data: Data, path: string, isValid: (index: number) => boolean): void => {
    const given = data.variadicBuffers
    const words = wordsOf(padded(data.values as unknown as Uint8Array, data.length * 16))
    const lengths = given.map(({ byteLength }) => byteLength)
    checkViews(words, lengths, isValid, path)
    const spans = spansOf(words, given.length, isValid)
    if (arrow.DataType.isUtf8View(data.type)) checkViewTexts(words, given, isValid, path)
    buffers.push(bytesOf(shifted(words, spans, isValid)))
    for (const [i, buffer] of given.entries()) buffers.push(bytesOf(buffer.subarray(...spans[i]!)))
    variadic.push(given.length)
  }

  /** Each member is cut to what the rows name of it. */
  const dense = (data: Data, children: readonly Data[], path: string, child: (i: number) => string): void => {
    const ids = typeIds(data, path)
    const { typeIdToChildIndex } = data.type as unknown as { typeIdToChildIndex: Record<number, number | undefined> }
    const places = ((data.valueOffsets as Int32Array | undefined) ?? new Int32Array(0)).subarray(0, data.length)
    const [low, high] = [children.map(() => 2 ** 31), children.map(() => 0)]
    for (let i = 0; i < data.length; i++) {
      const member = typeIdToChildIndex[(ids[i]! << 24) >> 24]
      const place = places[i]!
      if (member === undefined || !(place >= 0 && place < children[member]!.length)) throw broken(path)
      low[member] = Math.min(low[member]!, place)
      high[member] = Math.max(high[member]!, place + 1)
    }
    const moved = places.map((place, i) => place - low[typeIdToChildIndex[(ids[i]! << 24) >> 24]!]!)
    buffers.push(ids, bytesOf(moved))
    for (const [i, own] of children.entries()) {
      const length = Math.max(0, high[i]! - low[i]!)
      visit(length === 0 ? own.slice(0, 0) : own.slice(low[i]!, length), child(i), length)
    }
  }

  for (const [i, column] of columns.entries()) visit(column, names[i] ?? String(i), length)
  return { length, nodes, buffers, variadic }
}

/** Columns of tables, and members of structs, may be shorter than the rest, and count as null from there on; or longer. */
function ofLength(data: Data, length: number): Data {
  if (data.length === length) return data
  return data.length > length ? data.slice(0, length) : data._changeLengthAndBackfillNullBitmap(length)
}

function broken(path: string): FrameProblem {
  return new FrameProblem(`its column ${path} has buffers that do not hold together`)
}

function validityOf(data: Data, path: string): Uint8Array | undefined {
  if (data.nullCount <= 0) return undefined
  const { nullBitmap, offset, length } = data
  if (!nullBitmap || nullBitmap.byteLength * 8 < offset + length) throw broken(path)
  return bitRange(nullBitmap, offset, length)
}

/** Bits `start` to `start + length` from the first bit of a byte on, zeros after them. */
function bitRange(bits: Uint8Array | undefined, start: number, length: number): Uint8Array {
  const size = (length + 7) >> 3
  const from = start >> 3
  if ((start & 7) === 0 && (length & 7) === 0 && bits !== undefined && bits.byteLength >= from + size) {
    return bytesOf(bits.subarray(from, from + size))
  }
  const range = new Uint8Array(size)
  const shift = start & 7
  for (let i = 0; i < size; i++)
    range[i] = ((bits?.[from + i] ?? 0) >> shift) | ((bits?.[from + i + 1] ?? 0) << (8 - shift))
  if ((length & 7) !== 0) range[size - 1]! &= (1 << (length & 7)) - 1
  return range
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** The first bytes of a buffer; zeros where it has too few, which are those of nulls. */
function padded(view: ArrayBufferView | undefined, length: number): Uint8Array {
  if (view !== undefined && view.byteLength >= length) return bytesOf(view).subarray(0, length)
  const bytes = new Uint8Array(length)
  if (view !== undefined) bytes.set(bytesOf(view))
  return bytes
}

function typeIds({ typeIds, length }: Data, path: string): Uint8Array {
  if (length === 0) return none
  if (!typeIds || typeIds.length < length) throw broken(path)
  return bytesOf((typeIds as unknown as Int8Array).subarray(0, length))
}

function offsetsOf(
  { valueOffsets, length }: Data,
  wide: boolean,
  limit: number,
  path: string,
): { offsets: Int32Array | BigInt64Array; start: number; end: number } {
  const given = (valueOffsets as Int32Array | BigInt64Array | undefined)?.subarray(0, length + 1)
  const offsets = given?.length === length + 1 ? given : lengthened(given, length + 1, wide)
  checkOffsets(offsets, limit, path)
  const [start, end] = [Number(offsets[0]), Number(offsets[length])]
  return { offsets: start === 0 ? offsets : rebased(offsets, start), start, end }
}

function lengthened(
  offsets: Int32Array | BigInt64Array | undefined,
  length: number,
  wide: boolean,
): Int32Array | BigInt64Array {
  const made = wide ? new BigInt64Array(length) : new Int32Array(length)
  if (offsets === undefined || offsets.length === 0) return made
  made.set(offsets as never)
  made.fill(offsets[offsets.length - 1] as never, offsets.length)
  return made
}
