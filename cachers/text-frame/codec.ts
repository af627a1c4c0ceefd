/** What the cachers of frames as text have in common: they note the types that text does not keep. */
import { isUtf8 } from 'node:buffer'
import type { Table } from 'apache-arrow'
import { type CacherOptions, cacherIdentity, type Encoded, type Json } from '../../src/artifact/cacheable.js'
import { FrameCodec, type FrameOptions, FrameProblem } from '../frame/base.js'
import { checkTypes, type FieldJson, type TypeJson } from '../frame/fields.js'
import { hintsOf } from '../frame/hints.js'
import { converted, type Types, writable } from './typed.js'

export interface TypesOption extends CacherOptions {
  /**
   * Types by the names of columns: `{ id: 'int64', when: 'timestamp[us]' }`. Columns are converted to them when saved. Others have the type
   * they were saved with or, in a file without a sidecar, the one they look like.
   */
  readonly types?: Readonly<Record<string, TypeJson>>
}

/** Types by what a schema expects of a value. */
const hinted: Readonly<Record<string, string>> = {
  number: 'float64',
  bigint: 'int64',
  string: 'utf8',
  boolean: 'bool',
  date: 'timestamp[ms]',
}

export abstract class TextFrameCodec extends FrameCodec {
  protected readonly types: Types

  constructor(
    argument: string | FrameOptions | undefined,
    options: FrameOptions | undefined,
    known: readonly string[],
  ) {
    super(argument, options, ['types', ...known])
    const { types } = this.options as TypesOption
    checkTypes(cacherIdentity(this).name, types)
    this.types = types ?? {}
  }

  override decodingOptions(): Record<string, Json> {
    return Object.keys(this.types).length === 0 ? {} : { types: structuredClone(this.types) as Record<string, Json> }
  }

  /** The bytes of a table whose columns this format can name and type. */
  protected abstract pieces(table: Table, fields: readonly FieldJson[]): AsyncIterable<Uint8Array>

  protected override async write(given: Table): Promise<Encoded> {
    const table = converted(await import('apache-arrow'), given, this.types)
    // What the schema would refuse when it is loaded must not be saved.
    if (table !== given) await this.checked(table)
    const fields = writable(table)
    const pieces = this.pieces(table, fields)
    this.extraMetadata = { ...this.extraMetadata, fields: fields as unknown as Json }
    return this.streamed(pieces)
  }

  /** The columns that were noted when the file was written; undefined for a file of which nothing is known. */
  protected get noted(): readonly FieldJson[] | undefined {
    const { fields } = this.extraMetadata
    if (fields === undefined) return undefined
    if (!Array.isArray(fields)) throw new FrameProblem('its metadata does not list its columns')
    return fields as unknown as readonly FieldJson[]
  }

  /** Types that the schema tells of the columns of a file of which nothing was noted. */
  protected get hints(): Types {
    if (this.schema === undefined || this.noted !== undefined) return {}
    const hints = [...hintsOf(this.schema)]
    return Object.fromEntries(
      hints.flatMap(([name, { kind }]) => (kind !== undefined && kind in hinted ? [[name, hinted[kind]!]] : [])),
    )
  }

  /** What goes wrong in the middle of a stream is said as it is before. */
  private async *streamed(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const iterator = pieces[Symbol.asyncIterator]()
    for (;;) {
      const { done, value } = await this.named('save', () => iterator.next())
      if (done) return
      yield value
    }
  }
}

/** The bytes of a text file, without a byte order mark. */
export function textOf(file: Uint8Array): Buffer {
  if (!isUtf8(file)) throw new FrameProblem('it is not UTF-8 text')
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}
