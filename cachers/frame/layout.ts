/** How the buffers of a column of each type are laid out, and which nodes and buffers of a batch are whose. */
import type { Data, DataType, Dictionary, Field } from 'apache-arrow'
import { damaged } from './flat.js'
import type { Arrow } from './infer.js'
import { type BatchHeader, type Node, type Region, version5 } from './message.js'

/**
 * - `fixed`: values of `bytes` each; dictionaries have their indices so
 * - `variable`: offsets and bytes; `list`: offsets and a child
 * - `view`: 16 bytes each, and any number of data buffers
 * - `sparse`, `dense`: unions
 */
export type Layout =
  | { readonly kind: 'null' | 'bool' | 'view' | 'struct' | 'sparse' | 'dense' }
  | { readonly kind: 'fixed'; readonly bytes: number; readonly numbers: NumberArray }
  | { readonly kind: 'variable' | 'list'; readonly wide: boolean }
  | { readonly kind: 'fixed list'; readonly size: number }

/** A class of typed arrays. */
export interface NumberArray {
  readonly BYTES_PER_ELEMENT: number
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): ArrayBufferView
}

/** Properties of Arrow types that are read here, whichever they have. */
interface Measures {
  readonly unit: number
  readonly bitWidth: number
  readonly byteWidth: number
  readonly listSize: number
  readonly mode: number
  readonly ArrayType: NumberArray
}

export function layoutOf(arrow: Arrow, type: DataType): Layout {
  const { Type } = arrow
  const { unit, bitWidth, byteWidth, listSize, mode, ArrayType } = type as unknown as Measures
  const fixed = (bytes: number): Layout => ({ kind: 'fixed', bytes, numbers: ArrayType })
  switch (type.typeId) {
    case Type.Null:
      return { kind: 'null' }
    case Type.Bool:
      return { kind: 'bool' }
    case Type.Int:
    case Type.Time:
    case Type.Decimal:
      return fixed(bitWidth / 8)
    case Type.Float:
    case Type.Timestamp:
    case Type.Duration:
      return fixed(type.typeId === Type.Float ? ArrayType.BYTES_PER_ELEMENT : 8)
    case Type.Date:
      return fixed(unit === 0 ? 4 : 8)
    case Type.Interval:
      return fixed([4, 8, 16][unit]!)
    case Type.FixedSizeBinary:
      return fixed(byteWidth)
    case Type.Utf8:
    case Type.Binary:
      return { kind: 'variable', wide: false }
    case Type.LargeUtf8:
    case Type.LargeBinary:
      return { kind: 'variable', wide: true }
    case Type.Utf8View:
    case Type.BinaryView:
      return { kind: 'view' }
    case Type.List:
    case Type.Map:
      return { kind: 'list', wide: false }
    case Type.LargeList:
      return { kind: 'list', wide: true }
    case Type.FixedSizeList:
      return { kind: 'fixed list', size: listSize }
    case Type.Struct:
      return { kind: 'struct' }
    case Type.Union:
      return { kind: mode === 0 ? 'sparse' : 'dense' }
    case Type.Dictionary:
      return layoutOf(arrow, (type as Dictionary).indices)
    default:
      throw new Error(`no layout for ${type}`)
  }
}

/** A child of nested data. Data of no rows may lack them. */
export function childAt(arrow: Arrow, data: Data, index: number): Data {
  const { children } = data.type as unknown as { children: readonly Field[] }
  return data.children[index] ?? arrow.makeData({ type: children[index]!.type, length: 0, nullCount: 0 } as never)
}

/** A column of a batch, with the nodes and buffers that are its own. */
export interface Slot extends Node {
  readonly type: DataType
  readonly layout: Layout
  /** Its name in messages, below its parents'. */
  readonly path: string
  readonly validity: Region
  /** Without that of validity, in the order of the format. */
  readonly buffers: readonly Region[]
  readonly children: readonly Slot[]
}

const nowhere: Region = { offset: 0, length: 0 }

/** Deals out a batch's nodes and buffers to its columns, which come in depth-first order. */
export function slotsOf(
  arrow: Arrow,
  fields: readonly Field[],
  header: BatchHeader,
  { bodyLength, version }: { readonly bodyLength: number; readonly version: number },
): Slot[] {
  let [node, buffer, variadic] = [0, 0, 0]
  const nextBuffer = (path: string): Region => {
    const region = header.buffers[buffer++]
    if (region === undefined) throw damaged(`its column ${path} has no buffers`)
    if (region.offset + region.length > bodyLength) throw damaged(`its column ${path} ends outside its batch`)
    return region
  }
  const visit = ({ name, type }: Field, parent: string): Slot => {
    const path = parent === '' ? name : `${parent}.${name}`
    const layout = layoutOf(arrow, type)
    const { length, nullCount } = header.nodes[node++] ?? { length: -1, nullCount: 0 }
    if (length < 0 || length > 2 ** 31 - 1) throw damaged(`its column ${path} has no length, or too large a one`)
    if (nullCount > length) throw damaged(`its column ${path} has ${nullCount} nulls among ${length} values`)
    const isUnion = layout.kind === 'sparse' || layout.kind === 'dense'
    // Unions had a validity bitmap before version 5.
    const hasValidity = isUnion ? version < version5 : layout.kind !== 'null'
    const validity = hasValidity ? nextBuffer(path) : nowhere
    const count = { null: 0, struct: 0, 'fixed list': 0, variable: 2, dense: 2 }[layout.kind as string] ?? 1
    const buffers = Array.from({ length: count }, () => nextBuffer(path))
    if (layout.kind === 'view') {
      const more = header.variadic[variadic++] ?? 0
      if (more > header.buffers.length) throw damaged(`its column ${path} has no buffers`)
      for (let i = 0; i < more; i++) buffers.push(nextBuffer(path))
    }
    const own = arrow.DataType.isDictionary(type) ? [] : (type.children ?? [])
    const children = (own as readonly Field[]).map((child) => visit(child, path))
    return { type, layout, path, length, nullCount, validity, buffers, children }
  }
  const slots = fields.map((field) => visit(field, ''))
  if (node !== header.nodes.length || buffer !== header.buffers.length) {
    throw damaged('a batch has more columns than its schema')
  }
  for (const { length, path } of slots) {
    if (length !== header.length) throw damaged(`its column ${path} has ${length} rows in a batch of ${header.length}`)
  }
  return slots
}
