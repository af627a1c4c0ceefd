/** What may be asked of the writer and the reader of Parquet files. */
import type { Json } from '../../src/artifact/cacheable.js'
import { DeclarationError, nearest, refuseUnknown } from '../../src/errors.js'
import type { WriteSettings } from './protocol.js'

const compressions = {
  zstd: 'ZSTD',
  snappy: 'SNAPPY',
  gzip: 'GZIP',
  brotli: 'BROTLI',
  lz4: 'LZ4_RAW',
  none: 'UNCOMPRESSED',
} as const

const statistics = { none: 'None', chunk: 'Chunk', page: 'Page' } as const

/** How a Parquet file is written. What is loaded from it is the same. */
export interface ParquetWriteOptions {
  /** @default 'zstd' */
  readonly compression?: keyof typeof compressions
  /** Rows in a row group, from 1 to 2³⁰. @default 524,288, and fewer where rows are so wide that a group would have more than 128 MiB */
  readonly rowGroupSize?: number
  /** Whether columns with few different values are written as a dictionary and indices. @default true */
  readonly dictionary?: boolean
  /** What is noted of smallest and largest values: nothing, for each column of a row group, or for each page. @default 'chunk' */
  readonly statistics?: keyof typeof statistics
}

/** How a Parquet file is loaded. */
export interface ParquetReadOptions {
  /** Only these columns, in this order. @default all */
  readonly columns?: readonly string[]
  /** Most rows in a record batch, from 1 to 2³⁰. @default those of a row group, up to 64 MiB */
  readonly batchSize?: number
}

const largest = 2 ** 30

export function checkWriteOptions(options: ParquetWriteOptions): void {
  checkObject('writeOptions', options, ['compression', 'rowGroupSize', 'dictionary', 'statistics'])
  checkChoice('compression', options.compression, Object.keys(compressions))
  checkChoice('statistics', options.statistics, Object.keys(statistics))
  checkCount('rowGroupSize', options.rowGroupSize)
  if (options.dictionary !== undefined && typeof options.dictionary !== 'boolean') {
    throw new DeclarationError(`dictionary must be true or false, not ${String(options.dictionary)}`)
  }
}

export function checkReadOptions(options: ParquetReadOptions): void {
  checkObject('readOptions', options, ['columns', 'batchSize'])
  checkCount('batchSize', options.batchSize)
  const { columns } = options
  if (columns === undefined) return
  if (!Array.isArray(columns) || !columns.every((name) => typeof name === 'string')) {
    throw new DeclarationError('the columns of readOptions must be a list of names')
  }
}

export function settingsOf(options: ParquetWriteOptions, rowGroupSize: number): WriteSettings {
  return {
    compression: compressions[options.compression ?? 'zstd'],
    rowGroupSize,
    dictionary: options.dictionary ?? true,
    statistics: statistics[options.statistics ?? 'chunk'],
  }
}

/** What differs from the defaults, for keys and digests. */
export function different(write: ParquetWriteOptions, read: ParquetReadOptions): Record<string, Json> {
  const defaults: ParquetWriteOptions = { compression: 'zstd', dictionary: true, statistics: 'chunk' }
  const differs = Object.entries(write).filter(
    ([name, value]) => value !== undefined && value !== defaults[name as keyof ParquetWriteOptions],
  )
  const reads = Object.entries(read).filter(([, value]) => value !== undefined)
  return {
    ...(differs.length === 0 ? {} : { writeOptions: Object.fromEntries(differs) as Record<string, Json> }),
    ...(reads.length === 0 ? {} : { readOptions: Object.fromEntries(reads) as Record<string, Json> }),
  }
}

function checkObject(name: string, options: unknown, known: readonly string[]): void {
  if (options === null || typeof options !== 'object') {
    throw new DeclarationError(`the ${name} of a parquet cacher must be an object`, { hint: `of ${known.join(', ')}` })
  }
  refuseUnknown(name, options, known)
}

function checkChoice(name: string, value: string | undefined, known: readonly string[]): void {
  if (value === undefined || known.includes(value)) return
  const near = nearest(String(value), known)
  throw new DeclarationError(`there is no ${name} ${JSON.stringify(value)}`, {
    hint: near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`,
  })
}

function checkCount(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= largest)) return
  throw new DeclarationError(
    `${name} must be a whole number from 1 to ${largest}, not ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`,
  )
}
