import type { Table } from 'apache-arrow'
import { type CacherOptions, callable, type Json } from '../src/artifact/cacheable.js'
import { DeclarationError, refuseUnknown } from '../src/errors.js'
import { type FrameConstructor, type FrameOptions, FrameProblem } from './frame/base.js'
import type { FieldJson } from './frame/fields.js'
import { TextFrameCodec, textOf } from './text-frame/codec.js'
import { readCsv } from './text-frame/csv-read.js'
import { csvPieces } from './text-frame/csv-write.js'

export interface CsvWriteOptions {
  /** @default ',' */
  readonly delimiter?: ',' | ';' | '\t' | '|'
  /** Whether the first line holds the names of the columns. @default true */
  readonly header?: boolean
  /** Begins with a byte order mark, by which Excel knows UTF-8. @default false */
  readonly bom?: boolean
}

export interface CsvReadOptions {
  /** Default: as it is written. */
  readonly delimiter?: ',' | ';' | '\t' | '|'
  /** False: the columns are called `column_1`, `column_2`, … Default: as it is written. */
  readonly header?: boolean
  /** More texts that stand for null where they are not in quotes, in files that others wrote: `['NA', 'NULL']`. */
  readonly nullText?: readonly string[]
}

export interface CsvOptions extends CacherOptions {
  /**
   * Types by the names of columns: `{ id: 'int64', when: 'timestamp[us]' }`. Columns are converted to them when saved. Others have the type
   * they were saved with or, in a file without a sidecar, the one they look like.
   */
  readonly types?: Readonly<Record<string, string>>
  readonly writeOptions?: CsvWriteOptions
  readonly readOptions?: CsvReadOptions
}

const delimiters = [',', ';', '\t', '|']

/** What separates the cells of a file, and whether the first line has names. */
interface Layout {
  readonly delimiter: string
  readonly header: boolean
}

class CsvCacherClass extends TextFrameCodec {
  static override readonly cacherName: string = 'csv'
  override readonly extension: string = '.csv'
  private readonly writeOptions: CsvWriteOptions
  private readonly readOptions: CsvReadOptions

  constructor(argument?: string | (CsvOptions & FrameOptions), options?: CsvOptions & FrameOptions) {
    super(argument, options, ['writeOptions', 'readOptions'])
    const { types = {}, writeOptions = {}, readOptions = {} } = this.options as CsvOptions
    const nested = Object.keys(types).find((name) => typeof types[name] !== 'string')
    if (nested !== undefined) throw new DeclarationError(`csv types.${nested}: a cell of CSV holds no nested values`)
    this.writeOptions = checked('writeOptions', writeOptions, ['delimiter', 'header', 'bom'])
    this.readOptions = checked('readOptions', readOptions, ['delimiter', 'header', 'nullText'])
  }

  override decodingOptions(): Record<string, Json> {
    const { writeOptions, readOptions } = this
    const set = Object.entries({ writeOptions, readOptions }).filter(([, options]) => Object.keys(options).length > 0)
    return { ...super.decodingOptions(), ...(structuredClone(Object.fromEntries(set)) as Record<string, Json>) }
  }

  protected override pieces(table: Table, fields: readonly FieldJson[]): AsyncIterable<Uint8Array> {
    const nested = fields.find(({ children }) => children !== undefined)
    if (nested !== undefined) {
      throw new FrameProblem(
        `its column ${nested.name} is a ${nested.type}, which no cell of CSV can hold`,
        'use JsonFrameCacher, ArrowCacher or ParquetCacher',
      )
    }
    if (fields.length === 0 && table.numRows > 0) throw new FrameProblem(`it has ${table.numRows} rows, but no columns`)
    const { bom = false } = this.writeOptions
    const { nullText = [] } = this.readOptions
    const layout = this.layout(this.writeOptions, this.readOptions)
    this.extraMetadata = { ...this.extraMetadata, layout: { ...layout } }
    return csvPieces(table, { ...layout, bom, nullText })
  }

  protected override async read(file: Uint8Array): Promise<Table> {
    const arrow = await import('apache-arrow')
    const { noted, types, hints } = this
    const { nullText = [] } = this.readOptions
    const layout = noted === undefined ? this.layout(this.readOptions, this.writeOptions) : this.notedLayout
    return readCsv(arrow, textOf(file), {
      ...layout,
      nullText: noted === undefined ? nullText : [],
      noted,
      types,
      hints,
    })
  }

  private layout(first: CsvReadOptions, second: CsvReadOptions): Layout {
    return { delimiter: first.delimiter ?? second.delimiter ?? ',', header: first.header ?? second.header ?? true }
  }

  private get notedLayout(): Layout {
    const { delimiter, header } = (this.extraMetadata.layout ?? {}) as { delimiter?: Json; header?: Json }
    if (typeof delimiter !== 'string' || !delimiters.includes(delimiter) || typeof header !== 'boolean') {
      throw new FrameProblem('its metadata does not say how it is laid out')
    }
    return { delimiter, header }
  }
}

/** A cacher for frames, as CSV that spreadsheets, pandas and DuckDB open. See docs/cachers/csv.md. */
export const CsvCacher = callable(CsvCacherClass) as unknown as FrameConstructor<CsvOptions>

/** Options of an option, without those that are undefined. */
function checked<T extends CsvWriteOptions & CsvReadOptions>(name: string, options: T, known: readonly string[]): T {
  if (options === null || typeof options !== 'object')
    throw new DeclarationError(`the ${name} of a csv cacher must be an object`)
  refuseUnknown(`csv ${name}`, options, known)
  const { delimiter, header, bom, nullText } = options
  const problem =
    delimiter !== undefined && !delimiters.includes(delimiter)
      ? `delimiter must be one of ${delimiters.map((text) => JSON.stringify(text)).join(' ')}`
      : [header, bom].some((flag) => flag !== undefined && typeof flag !== 'boolean')
        ? 'header and bom must be true or false'
        : nullText !== undefined && !(Array.isArray(nullText) && nullText.every((text) => typeof text === 'string'))
          ? 'nullText must be a list of texts'
          : undefined
  if (problem !== undefined) throw new DeclarationError(`csv ${name}: ${problem}`)
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
