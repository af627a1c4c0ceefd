import * as path from 'node:path'
import type { Table } from 'apache-arrow'
import type { CacherOptions, Codec } from '../src/artifact/cacheable.js'
import { DeclarationError, nearest, refuseUnknown } from '../src/errors.js'
import { ArrowCacher } from './arrow.js'
import { merged } from './common.js'
import { CsvCacher, type CsvOptions } from './csv.js'
import { FrameCodec, type FrameConstructor } from './frame/base.js'
import { JsonFrameCacher, type JsonFrameOptions } from './json-frame.js'
import { ParquetCacher, type ParquetOptions } from './parquet.js'

/** Formats of frames, with the cacher of each. */
const cachers: Readonly<Record<'parquet' | 'arrow' | 'csv' | 'json', FrameConstructor<never>>> = {
  parquet: ParquetCacher,
  arrow: ArrowCacher,
  csv: CsvCacher,
  json: JsonFrameCacher,
}

export type FrameFormat = keyof typeof cachers

/** The options of the format's own cacher, and `format`. */
export type FrameCacherOptions =
  | ({ readonly format?: 'parquet' } & ParquetOptions)
  | ({ readonly format: 'arrow' } & CacherOptions)
  | ({ readonly format: 'csv' } & CsvOptions)
  | ({ readonly format: 'json' } & JsonFrameOptions)

const formats: Readonly<Record<string, FrameFormat>> = {
  '.parquet': 'parquet',
  '.arrow': 'arrow',
  '.feather': 'arrow',
  '.ipc': 'arrow',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.json': 'json',
}

function construct(this: unknown, argument?: string | FrameCacherOptions, more?: FrameCacherOptions): object {
  if (new.target !== undefined && new.target !== construct) {
    throw new DeclarationError('FrameCacher stands for several classes, and cannot be extended', {
      hint: 'extend ParquetCacher, ArrowCacher, CsvCacher or JsonFrameCacher',
    })
  }
  const given = merged(argument, more)
  const options: FrameCacherOptions = typeof given === 'string' ? { path: given } : given === undefined ? {} : given
  if (options === null || typeof options !== 'object') return new ParquetCacher(options as never)
  const { format, ...own } = options
  // The format's own class knows all options but this one.
  const misspelt = Object.keys(own).find((name) => nearest(name, ['format']) !== undefined)
  if (misspelt !== undefined) refuseUnknown('FrameCacher', { [misspelt]: true }, ['format'])
  const extension = path.extname(options.path ?? options.overwritePath ?? '').toLowerCase()
  const chosen = format ?? formats[extension] ?? 'parquet'
  if (!Object.hasOwn(cachers, chosen)) {
    const near = nearest(String(chosen), Object.keys(cachers))
    throw new DeclarationError(`there is no format ${JSON.stringify(chosen)} of frames`, {
      hint: near === undefined ? `known are ${Object.keys(cachers).join(', ')}` : `did you mean ${near}?`,
    })
  }
  const chosenOptions = chosen === 'csv' && extension === '.tsv' ? withTabs(own as CsvOptions) : own
  return new cachers[chosen](chosenOptions as never)
}

/** A `.tsv` has tabs between its cells, unless the options say otherwise. */
function withTabs({ writeOptions, readOptions, ...rest }: CsvOptions): CsvOptions {
  const delimiter = writeOptions?.delimiter ?? readOptions?.delimiter ?? '\t'
  return { ...rest, writeOptions: { ...writeOptions, delimiter }, ...(readOptions && { readOptions }) }
}

// What it makes are cachers of frames of some format: `instanceof` sees them as its own.
construct.prototype = FrameCodec.prototype as unknown
Object.defineProperties(construct, {
  name: { value: 'FrameCacher' },
  cacherName: { value: ParquetCacher.cacherName, enumerable: true },
  codecVersion: { value: ParquetCacher.codecVersion, enumerable: true },
})

/**
 * The cacher of one format of frames: `FrameCacher({ format: 'csv' })` is a `CsvCacher`, and what it saves is marked as one. Without a format
 * the extension of its path decides, and without a path it is a `ParquetCacher`. See docs/cachers/parquet.md.
 */
export const FrameCacher = construct as unknown as FrameConstructor<FrameCacherOptions> & {
  readonly prototype: Codec<Table, never>
}
