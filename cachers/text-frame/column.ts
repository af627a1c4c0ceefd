/** What columns have in common that are built cell by cell. */
import type { Data, DataType } from 'apache-arrow'
import type { Arrow } from '../frame/infer.js'

/** One column, or a part of a nested one, of a table that is being read. */
export interface Column {
  readonly type: DataType
  /** Cells since the last `cut`. */
  length: number
  /** The next cell, from its text. */
  add(bytes: Buffer, start: number, end: number): void
  addNull(): void
  /** Ends a batch. */
  cut(): void
  /** The batches, in order. */
  chunks(): Data[]
}

/** What 32-bit offsets reach. */
export const offsetLimit = 2 ** 31 - 1

/** Cells that are null, as bits that are only made when there is one. */
export abstract class Base implements Column {
  length = 0
  private nullCount = 0
  private bits: Uint8Array | undefined
  private readonly taken: object[] = []

  constructor(
    protected readonly arrow: Arrow,
    readonly type: DataType,
  ) {}

  abstract add(bytes: Buffer, start: number, end: number): void
  /** The buffers of a batch; afterwards, the column is empty. */
  protected abstract take(): object
  /** What a null has in the buffers. */
  protected abstract pad(): void

  addNull(): void {
    this.pad()
    const index = this.length++
    if (this.bits === undefined || index >> 3 >= this.bits.length) {
      const grown = new Uint8Array(Math.max(64, (index >> 3) * 2)).fill(0xff)
      if (this.bits !== undefined) grown.set(this.bits)
      this.bits = grown
    }
    this.bits[index >> 3]! &= ~(1 << (index & 7))
    this.nullCount += 1
  }

  cut(): void {
    const { type, length, nullCount, bits } = this
    const nulls = bits === undefined ? { nullCount } : { nullCount, nullBitmap: bitmap(bits, length) }
    this.taken.push({ type, length, ...nulls, ...this.take() })
    this.length = 0
    this.nullCount = 0
    this.bits = undefined
  }

  chunks(): Data[] {
    const more = this.last()
    return this.taken.map((props, i) => this.arrow.makeData({ ...props, ...more[i] } as never) as Data)
  }

  /** What is only known at the end, for each batch. */
  protected last(): readonly object[] {
    return []
  }
}

/** The bits of exactly so many cells; those behind the last one are 0. */
function bitmap(bits: Uint8Array, length: number): Uint8Array {
  const exact = new Uint8Array((length + 7) >> 3).fill(0xff)
  exact.set(bits.subarray(0, exact.length))
  if (length % 8 > 0) exact[exact.length - 1]! &= (1 << (length & 7)) - 1
  return exact
}

export function quoted(bytes: Buffer, start: number, end: number): string {
  return JSON.stringify(bytes.toString('utf8', start, Math.min(end, start + 60)))
}
