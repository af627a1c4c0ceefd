import type { Table } from 'apache-arrow'
import { type ByteSource, callable, type Encoded } from '../src/artifact/cacheable.js'
import { FrameCodec, type FrameConstructor, type FrameOptions } from './frame/base.js'
import { readIpc } from './frame/ipc.js'
import { readPart } from './frame/partial.js'
import { planIpc } from './frame/write.js'

/** Larger tables are handed on in pieces, without one more copy of all of them. */
const copyBelow = 1 << 20

class ArrowCacherClass extends FrameCodec {
  static override readonly cacherName: string = 'arrow'
  override readonly extension: string = '.arrow'

  constructor(argument?: string | FrameOptions, options?: FrameOptions) {
    super(argument, options, [])
  }

  protected override async write(table: Table): Promise<Encoded> {
    const plan = await planIpc(table)
    return plan.bytes < copyBelow ? Buffer.concat([...plan.pieces()]) : streamed(plan.pieces())
  }

  protected override read(bytes: Uint8Array): Promise<Table> {
    return readIpc(bytes, this.isStored)
  }

  /** Rows `start` to `end`, of the columns named or of all; reads the footer, the heads of batches, and their bytes only. */
  override async slice(source: ByteSource, start: number, end: number, columns?: readonly string[]): Promise<Table> {
    return this.named('load', async () => {
      const part = columns === undefined ? { rows: [start, end] as const } : { rows: [start, end] as const, columns }
      return this.checked(await readPart(source, part, this.isStored), columns)
    })
  }

  /** All rows of the columns named, in that order; reads their bytes only. */
  override async columns(source: ByteSource, names: readonly string[]): Promise<Table> {
    return this.named('load', async () => {
      return this.checked(await readPart(source, { columns: names }, this.isStored), names)
    })
  }
}

/** A cacher of frames as Arrow IPC files, loaded without a copy. See docs/cachers/arrow.md. */
export const ArrowCacher = callable(ArrowCacherClass) as unknown as FrameConstructor

async function* streamed(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* pieces
}
