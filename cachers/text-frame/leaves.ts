/** Columns of values that are one text each. */
import type { DataType } from 'apache-arrow'
import { typeIds } from '../frame/fields.js'
import type { Arrow } from '../frame/infer.js'
import { FrameProblem } from '../frame/problem.js'
import { Base, offsetLimit, quoted } from './column.js'
import { type Put, parserOf } from './parse.js'

type Store =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array

/** Values of one size. */
export class Fixed extends Base {
  private values: Store
  private readonly put: Put

  constructor(
    arrow: Arrow,
    type: DataType,
    /** Elements of the array for one cell. */
    private readonly stride: number,
  ) {
    super(arrow, type)
    this.values = new type.ArrayType(0) as Store
    this.put = parserOf(type)
  }

  override add(bytes: Buffer, start: number, end: number): void {
    if ((this.length + 1) * this.stride > this.values.length) this.grow()
    this.put(this.values as never, this.length, bytes, start, end)
    this.length += 1
  }

  /** A count of the column's unit, for a format that has numbers beside texts. */
  addCount(count: bigint): void {
    if ((this.length + 1) * this.stride > this.values.length) this.grow()
    if (BigInt.asIntN(64, count) !== count) throw new FrameProblem(`is ${count}, which is out of range`)
    ;(this.values as BigInt64Array)[this.length++] = count
  }

  protected override pad(): void {
    if ((this.length + 1) * this.stride > this.values.length) this.grow()
  }

  private grow(): void {
    const grown = new this.type.ArrayType(Math.max(this.stride * 16, this.values.length * 2)) as Store
    grown.set(this.values as never)
    this.values = grown
  }

  protected override take(): object {
    const data = this.values.slice(0, this.length * this.stride)
    this.values = new this.type.ArrayType(0) as Store
    return { data }
  }
}

export class Bits extends Base {
  private values = new Uint8Array(0)

  override add(bytes: Buffer, start: number, end: number): void {
    const first = bytes[start]! | 0x20
    const isTrue =
      end - start === 4 && first === 0x74 && /^(true|True|TRUE)$/.test(bytes.toString('latin1', start, end))
    if (!isTrue && !/^(false|False|FALSE)$/.test(bytes.toString('latin1', start, end))) {
      throw new FrameProblem(`is ${quoted(bytes, start, end)}, not true or false`)
    }
    this.pad()
    if (isTrue) this.values[this.length >> 3]! |= 1 << (this.length & 7)
    this.length += 1
  }

  protected override pad(): void {
    if (this.length >> 3 < this.values.length) return
    const grown = new Uint8Array(Math.max(16, this.values.length * 2))
    grown.set(this.values)
    this.values = grown
  }

  protected override take(): object {
    const data = this.values.slice(0, (this.length + 7) >> 3)
    this.values = new Uint8Array(0)
    return { data }
  }
}

export class Texts extends Base {
  private bytes = Buffer.alloc(0)
  private offsets: Int32Array | BigInt64Array
  private readonly isLarge: boolean
  private end = 0

  constructor(arrow: Arrow, type: DataType) {
    super(arrow, type)
    this.isLarge = (type.typeId as number) === typeIds.largeUtf8
    this.offsets = this.isLarge ? new BigInt64Array(1) : new Int32Array(1)
  }

  override add(bytes: Buffer, start: number, end: number): void {
    const size = end - start
    if (this.end + size > this.bytes.length) this.grow(this.end + size)
    // Calls out of JavaScript cost more than a few bytes do.
    if (size > 24) bytes.copy(this.bytes, this.end, start, end)
    else for (let i = 0; i < size; i++) this.bytes[this.end + i] = bytes[start + i]!
    this.end += size
    this.pad()
    this.length += 1
  }

  protected override pad(): void {
    const next = this.length + 1
    if (next === this.offsets.length) {
      const size = Math.max(16, next * 2)
      const grown = this.isLarge ? new BigInt64Array(size) : new Int32Array(size)
      grown.set(this.offsets as never)
      this.offsets = grown
    }
    if (this.isLarge) this.offsets[next] = BigInt(this.end)
    else this.offsets[next] = this.end
  }

  private grow(needed: number): void {
    if (needed > offsetLimit) throw new FrameProblem('brings the texts of one batch past 2 GiB')
    const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, 64, this.bytes.length * 2), offsetLimit))
    this.bytes.copy(grown, 0, 0, this.end)
    this.bytes = grown
  }

  protected override take(): object {
    const data = new Uint8Array(this.end)
    data.set(this.bytes.subarray(0, this.end))
    const valueOffsets = this.offsets.slice(0, this.length + 1)
    this.bytes = Buffer.alloc(0)
    this.offsets = this.isLarge ? new BigInt64Array(1) : new Int32Array(1)
    this.end = 0
    return { data, valueOffsets }
  }
}

/** Texts behind views of 16 bytes: the length, then the text itself up to 12 bytes; else its first 4, a buffer, and where in it. */
export class Views extends Base {
  private readonly texts: Texts
  private views = Buffer.alloc(0)
  private end = 0

  constructor(arrow: Arrow, type: DataType) {
    super(arrow, type)
    this.texts = new Texts(arrow, new arrow.Utf8())
  }

  override add(bytes: Buffer, start: number, end: number): void {
    const at = this.length * 16
    const size = end - start
    this.pad()
    this.views.writeInt32LE(size, at)
    bytes.copy(this.views, at + 4, start, start + (size <= 12 ? size : 4))
    if (size > 12) {
      this.views.writeInt32LE(this.end, at + 12)
      this.texts.add(bytes, start, end)
      this.end += size
    }
    this.length += 1
  }

  protected override pad(): void {
    if ((this.length + 1) * 16 <= this.views.length) return
    const grown = Buffer.alloc(Math.max(256, this.views.length * 2))
    this.views.copy(grown)
    this.views = grown
  }

  protected override take(): object {
    this.texts.cut()
    const long = this.texts.chunks().at(-1)!.values as Uint8Array
    const views = Uint8Array.from(this.views.subarray(0, this.length * 16))
    this.views = Buffer.alloc(0)
    this.end = 0
    return { views, variadicBuffers: long.length > 0 ? [long] : [] }
  }
}

export class Nulls extends Base {
  override add(bytes: Buffer, start: number, end: number): void {
    throw new FrameProblem(`is ${quoted(bytes, start, end)}, but the column holds nothing but nulls`)
  }
  protected override pad(): void {}
  protected override take(): object {
    return {}
  }
}
