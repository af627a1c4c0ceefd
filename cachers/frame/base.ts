/** What the cachers of frames have in common: what they take, how it is checked, how an error is named. */
import type { DataType, Table } from 'apache-arrow'
import type { ZodType } from 'zod'
import { type CacherOptions, Codec, cacherIdentity, type Encoded } from '../../src/artifact/cacheable.js'
import { CacherError, CurioError, DeclarationError } from '../../src/errors.js'
import { merged, messageOf } from '../common.js'
import { picked } from './hints.js'
import { previewOf } from './preview.js'
import { FrameProblem } from './problem.js'
import { checkRows } from './rows.js'
import { type FrameLike, toTable } from './table.js'
import type { TableOf } from './types.js'

export { FrameProblem } from './problem.js'

export interface FrameOptions<Row extends object = object> extends CacherOptions {
  /** Checks every row when it is saved and when it is loaded, and types the table. It may only accept or refuse. */
  readonly schema?: ZodType<Row>
}

/** A cacher of frames whose rows are `Row`. */
export interface FrameCacherOf<Row extends object = object> extends Codec<TableOf<Row>, FrameLike<Row>> {
  /** @throws {CacherError} naming the column that the format cannot hold, or the row that the schema refuses. */
  encode(value: FrameLike<Row>): Promise<Encoded>
  /** @throws {CacherError} when the bytes are no file of this format. */
  decode(bytes: Uint8Array): Promise<TableOf<Row>>
}

/** A cacher of frames as its users see it: made with or without `new`, from a path, options, or both. */
export interface FrameConstructor<Options extends CacherOptions = CacherOptions> {
  new <Row extends object = object>(
    argument?: string | (Options & FrameOptions<Row>),
    options?: Options & FrameOptions<Row>,
  ): FrameCacherOf<Row>
  <Row extends object = object>(
    argument?: string | (Options & FrameOptions<Row>),
    options?: Options & FrameOptions<Row>,
  ): FrameCacherOf<Row>
  readonly prototype: FrameCacherOf<object>
  readonly cacherName?: string
  readonly codecVersion: number
}

/** A codec of Arrow tables. Subclasses write and read one format. */
export abstract class FrameCodec extends Codec<Table, FrameLike> {
  protected readonly schema: ZodType | undefined

  constructor(
    argument: string | FrameOptions | undefined,
    options: FrameOptions | undefined,
    known: readonly string[],
  ) {
    super(merged(argument, options))
    this.checkOptions(['schema', ...known])
    this.schema = (this.options as FrameOptions).schema
    if (this.schema !== undefined && typeof this.schema?.safeParseAsync !== 'function') {
      throw new DeclarationError(`the schema of a ${cacherIdentity(this).name} cacher must be a zod schema of one row`)
    }
  }

  /** The table in this format. The same table must give the same bytes. */
  protected abstract write(table: Table): Encoded | Promise<Encoded>
  /** The table from bytes of this format; throws what is wrong with them. */
  protected abstract read(bytes: Uint8Array): Table | Promise<Table>

  override async encode(value: FrameLike): Promise<Encoded> {
    return this.named('save', async () => {
      const table = await toTable(value, this.schema)
      if (this.schema !== undefined) await checkRows(table, this.schema, this.label)
      this.preview = previewOf(table)
      return this.write(table)
    })
  }

  override async decode(bytes: Uint8Array): Promise<Table> {
    return this.named('load', async () => this.checked(await this.read(bytes)))
  }

  /** A table as it was read, once its rows fit the schema; where only some columns were, that of these. */
  protected async checked(table: Table, columns?: readonly string[]): Promise<Table> {
    const schema = columns === undefined ? this.schema : picked(this.schema, columns)
    if (schema !== undefined) await checkRows(table, schema, this.label)
    return table
  }

  /** Names the cacher and the frame in whatever goes wrong. */
  protected async named<T>(direction: 'save' | 'load', action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      if (CurioError.is(error) || (error as Error | undefined)?.name === 'AbortError') throw error
      const hint = error instanceof FrameProblem ? error.hint : undefined
      const message = messageOf(error)
      const text = message.includes(`${this.label}.rows[`) ? message : `${this.label}: ${message}`
      throw new CacherError(cacherIdentity(this).name, direction, text, {
        ...(hint === undefined ? {} : { hint }),
        ...(error instanceof FrameProblem ? {} : { cause: error }),
      })
    }
  }
}

/** Types by the name of their column. */
export type Columns = Record<string, DataType>
