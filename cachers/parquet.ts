import type { Table } from 'apache-arrow'
import { type ByteSource, type CacherOptions, callable, type Encoded, type Json } from '../src/artifact/cacheable.js'
import { FrameCodec, type FrameConstructor, type FrameOptions } from './frame/base.js'
import {
  checkReadOptions,
  checkWriteOptions,
  different,
  type ParquetReadOptions,
  type ParquetWriteOptions,
} from './parquet/options.js'
import { readTable, type Wanted } from './parquet/read.js'
import { written } from './parquet/write.js'

export type { ParquetReadOptions, ParquetWriteOptions } from './parquet/options.js'

export interface ParquetOptions extends CacherOptions {
  readonly writeOptions?: ParquetWriteOptions
  readonly readOptions?: ParquetReadOptions
}

class ParquetCacherClass extends FrameCodec {
  static override readonly cacherName: string = 'parquet'
  override readonly extension: string = '.parquet'
  private readonly writing: ParquetWriteOptions
  private readonly reading: ParquetReadOptions

  constructor(argument?: string | (ParquetOptions & FrameOptions), options?: ParquetOptions & FrameOptions) {
    super(argument, options, ['writeOptions', 'readOptions'])
    const { writeOptions = {}, readOptions = {} } = this.options as ParquetOptions
    checkWriteOptions(writeOptions)
    checkReadOptions(readOptions)
    this.writing = writeOptions
    this.reading = readOptions
  }

  override decodingOptions(): Record<string, Json> {
    return different(this.writing, this.reading)
  }

  protected override async write(table: Table): Promise<Encoded> {
    const file = await written(table, this.writing)
    return file instanceof Uint8Array ? file : this.pieces(file)
  }

  protected override read(bytes: Uint8Array): Promise<Table> {
    const read = async (from: number, to: number): Promise<Uint8Array> => bytes.subarray(from, to)
    return readTable({ bytes: bytes.byteLength, read, whole: bytes }, this.reading)
  }

  override slice(source: ByteSource, start: number, end: number, columns?: readonly string[]): Promise<Table> {
    return this.part(source, { rows: [start, end], ...(columns === undefined ? {} : { columns }) })
  }

  override columns(source: ByteSource, names: readonly string[]): Promise<Table> {
    return this.part(source, { columns: names })
  }

  protected override checked(table: Table, columns = this.reading.columns): Promise<Table> {
    return super.checked(table, columns)
  }

  private part(source: ByteSource, wanted: Wanted): Promise<Table> {
    return this.named('load', async () => {
      return this.checked(await readTable(source, { ...this.reading, ...wanted }), wanted.columns)
    })
  }

  private async *pieces(file: AsyncGenerator<Uint8Array, void, void>): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* file
    } catch (error) {
      await this.named('save', () => Promise.reject(error))
    }
  }
}

/** A cacher for tables, as Parquet files. See docs/cachers/parquet.md. Made with or without `new`, from a path, options, or both. */
export const ParquetCacher = callable(ParquetCacherClass) as unknown as FrameConstructor<ParquetOptions>
