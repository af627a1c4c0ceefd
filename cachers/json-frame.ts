import type { Table } from 'apache-arrow'
import { callable } from '../src/artifact/cacheable.js'
import type { FrameConstructor, FrameOptions } from './frame/base.js'
import { TextFrameCodec, type TypesOption, textOf } from './text-frame/codec.js'
import { readJsonRows } from './text-frame/json-read.js'
import { jsonPieces } from './text-frame/json-write.js'

export type JsonFrameOptions = TypesOption

class JsonFrameCacherClass extends TextFrameCodec {
  static override readonly cacherName: string = 'json-frame'
  override readonly extension: string = '.json'

  constructor(argument?: string | (JsonFrameOptions & FrameOptions), options?: JsonFrameOptions & FrameOptions) {
    super(argument, options, [])
  }

  protected override pieces(table: Table): AsyncIterable<Uint8Array> {
    return jsonPieces(table)
  }

  protected override async read(file: Uint8Array): Promise<Table> {
    const { noted, types, hints } = this
    return readJsonRows(await import('apache-arrow'), textOf(file), { noted, types, hints })
  }
}

/** A cacher for frames, as a JSON array of rows that editors, pandas and DuckDB open. See docs/cachers/json-frame.md. */
export const JsonFrameCacher = callable(JsonFrameCacherClass) as unknown as FrameConstructor<JsonFrameOptions>
