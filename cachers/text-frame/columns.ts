/** Columns of every type. */
import type { DataType } from 'apache-arrow'
import { type TypeParts, typeIds } from '../frame/fields.js'
import type { Arrow } from '../frame/infer.js'
import { FrameProblem } from '../frame/problem.js'
import { Base, type Column, offsetLimit, quoted } from './column.js'
import { Bits, Fixed, Nulls, Texts, Views } from './leaves.js'

/** Values that are written once, in the order in which they first appear. */
class Dictionary extends Base {
  private readonly values: Column
  private readonly known = new Map<string, number>()
  private readonly most: number
  private indices: number[] = []
  private batches = 0

  constructor(arrow: Arrow, type: DataType) {
    super(arrow, type)
    const { dictionary, indices } = type as unknown as TypeParts
    const { bitWidth, isSigned } = indices as unknown as TypeParts
    this.values = columnOf(arrow, dictionary)
    this.most = Math.min(2 ** (bitWidth - (isSigned ? 1 : 0)), offsetLimit)
  }

  override add(bytes: Buffer, start: number, end: number): void {
    const text = bytes.toString('latin1', start, end)
    let index = this.known.get(text)
    if (index === undefined) {
      index = this.known.size
      if (index >= this.most)
        throw new FrameProblem(`is different value number ${index + 1}, more than its dictionary can hold`)
      this.values.add(bytes, start, end)
      this.known.set(text, index)
    }
    this.indices.push(index)
    this.length += 1
  }

  protected override pad(): void {
    this.indices.push(0)
  }

  protected override take(): object {
    const { ArrayType } = (this.type as unknown as TypeParts).indices
    const wide = ArrayType === BigInt64Array || ArrayType === BigUint64Array
    const data: unknown = wide ? ArrayType.from(this.indices, BigInt) : ArrayType.from(this.indices)
    this.indices = []
    this.batches += 1
    return { data }
  }

  protected override last(): readonly object[] {
    this.values.cut()
    const dictionary = new this.arrow.Vector(this.values.chunks())
    return new Array(this.batches).fill({ dictionary })
  }
}

/** Columns of other columns, whose cells are added by whoever reads them. */
export class Nested extends Base {
  readonly children: readonly Column[]
  private offsets: number[] = [0]
  private readonly size: number | undefined

  constructor(arrow: Arrow, type: DataType) {
    super(arrow, type)
    this.children = type.children.map((field) => columnOf(arrow, field.type))
    this.size = (type as unknown as TypeParts).listSize
  }

  override add(bytes: Buffer, start: number, end: number): void {
    throw new FrameProblem(`is ${quoted(bytes, start, end)}, not ${this.isStruct ? 'an object' : 'an array'}`)
  }

  get isStruct(): boolean {
    return (this.type.typeId as number) === typeIds.struct
  }

  /** To be called once the cells of one value are in the children. */
  added(): void {
    const count = this.children[0]?.length ?? 0
    if (this.size !== undefined && count !== (this.length + 1) * this.size) {
      throw new FrameProblem(`has ${count - this.length * this.size} items, not ${this.size}`)
    }
    if (count > offsetLimit) throw new FrameProblem('brings the lists of one batch past 2^31 items')
    if (!this.isStruct) this.offsets.push(count)
    this.length += 1
  }

  protected override pad(): void {
    if (this.isStruct) for (const child of this.children) child.addNull()
    else {
      for (let i = 0; i < (this.size ?? 0); i++) this.children[0]!.addNull()
      this.offsets.push(this.children[0]!.length)
    }
  }

  protected override take(): object {
    for (const child of this.children) child.cut()
    const { offsets } = this
    this.offsets = [0]
    if (this.isStruct || this.size !== undefined) return {}
    return {
      valueOffsets:
        (this.type.typeId as number) === typeIds.largeList
          ? BigInt64Array.from(offsets, BigInt)
          : Int32Array.from(offsets),
    }
  }

  protected override last(): readonly object[] {
    const columns = this.children.map((child) => child.chunks())
    const batches = columns[0]?.map((_, i) => columns.map((chunks) => chunks[i])) ?? []
    return batches.map((children) => (this.isStruct ? { children } : { child: children[0] }))
  }
}

export function columnOf(arrow: Arrow, type: DataType): Column {
  switch (type.typeId as number) {
    case typeIds.null:
      return new Nulls(arrow, type)
    case typeIds.bool:
      return new Bits(arrow, type)
    case typeIds.utf8:
    case typeIds.largeUtf8:
      return new Texts(arrow, type)
    case typeIds.utf8View:
      return new Views(arrow, type)
    case typeIds.dictionary:
      return new Dictionary(arrow, type)
    case typeIds.list:
    case typeIds.largeList:
    case typeIds.fixedSizeList:
    case typeIds.struct:
      return new Nested(arrow, type)
    case typeIds.decimal:
      return new Fixed(arrow, type, (type as unknown as TypeParts).bitWidth / 32)
    default:
      return new Fixed(arrow, type, 1)
  }
}
