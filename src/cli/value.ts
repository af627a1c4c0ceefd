/** A stored value in the form in which `curio cat` shows it. */
import * as fs from 'node:fs'
import { inspect } from 'node:util'
import { isCodec } from '../artifact/cacheable.js'
import { artifactIn, ItemCodec } from '../artifact/item-codec.js'
import { ArtifactHandle } from '../artifact/lazy.js'
import { cacherByName } from '../artifact/registry.js'
import { CurioError, NotFoundError } from '../errors.js'
import type { Artifact, ArtifactFile, Entry } from '../store/entry.js'
import type { ItemRecord } from '../store/items/record.js'
import type { EntryStore } from '../store/store.js'
import { viewName } from '../store/views.js'
import { type FrameSummary, frameLines, headRows, isFrame, summaryOf } from './frame.js'
import { hexdump } from './hexdump.js'
import { type Elements, TensorStatistics, type TensorSummary } from './tensor.js'
import { clean, cleanLines, columns, count, size } from './text.js'

/** Bytes of a dump. */
const headBytes = 256
/** Tensors larger than this are read in slices along their first axis. */
const wholeTensor = 64 << 20
/** Of frames larger than this only the first rows are read. */
const wholeFrame = 16 << 20

/** What a value was found to be. `file`: its cacher is not known here, so only its bytes can be shown; `files`: the same without a main file. */
export type Shown =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tensor'; readonly tensor: TensorSummary }
  | { readonly kind: 'frame'; readonly frame: FrameSummary }
  | { readonly kind: 'value'; readonly inspected: string }
  | { readonly kind: 'bytes' | 'file'; readonly bytes: number; readonly head: Uint8Array; readonly note?: string }
  | { readonly kind: 'files'; readonly files: readonly { readonly role: string; readonly bytes: number }[] }
  | { readonly kind: 'references'; readonly paths: readonly { readonly path: string; readonly exists: boolean }[] }

/**
 * Loads an artifact, checked, and says what it is.
 *
 * @throws {NotFoundError} its bytes are gone or damaged.
 */
export async function showValue(store: EntryStore, entry: Entry, artifact: Artifact): Promise<Shown> {
  if (artifact.cacher === 'bytes') return headOf(store, entry, artifact)
  const cacher = await cacherByName(artifact.cacher).catch((error) => {
    if (CurioError.is(error, 'ERR_UNKNOWN_CACHER')) return undefined
    throw error
  })
  if (cacher === undefined || artifact.cacher === 'directory') {
    const files = await store.filesOf(artifact)
    if (files === undefined) throw gone(store, entry, artifact)
    if (!files.some((file) => file.role === viewName(artifact))) {
      return { kind: 'files', files: files.map(({ role, bytes }) => ({ role, bytes })) }
    }
    const note = `cacher ${artifact.cacher} is not known here, so these are the bytes of its main file`
    return { ...(await headOf(store, entry, artifact)), kind: 'file', note }
  }
  const handle = new ArtifactHandle<unknown>({ artifact, blobs: store.blobs }, entry, { store, cacher })
  if (artifact.cacher === 'tensor') {
    const canSlice = isCodec(cacher) && cacher.slice !== undefined
    return { kind: 'tensor', tensor: await summarize(handle, canSlice) }
  }
  if (handle.bytes > wholeFrame && isCodec(cacher) && cacher.columns !== undefined && cacher.slice !== undefined) {
    const head = await handle.rows(0, headRows)
    // Of no column: the footer says how many rows there are.
    const none = await handle.columns([])
    if (isFrame(head) && isFrame(none)) return { kind: 'frame', frame: summaryOf(head, none.numRows) }
  }
  return shownOf(artifact.cacher, await handle.load())
}

/**
 * The same of an item.
 *
 * @throws {NotFoundError} it is a large one, whose bytes are gone or damaged.
 */
export async function showItem(store: EntryStore, entry: Entry, record: ItemRecord): Promise<Shown> {
  if (record.kind === 'blob') return showValue(store, entry, artifactIn(record))
  const cacher = cacherOf(record)
  const { payload } = record
  const bytes = { bytes: payload.byteLength, head: payload.subarray(0, headBytes) }
  if (cacher === 'bytes') return { kind: 'bytes', ...bytes }
  try {
    return shownOf(cacher, await new ItemCodec(store.blobs, undefined).decode(record))
  } catch (error) {
    if (!CurioError.is(error, 'ERR_UNKNOWN_CACHER')) throw error
    return { kind: 'file', ...bytes, note: `cacher ${cacher} is not known here, so these are its bytes` }
  }
}

/** The cacher whose bytes a record holds, or says where they are. */
export function cacherOf({ codec }: ItemRecord): string {
  return codec.slice(0, codec.lastIndexOf('@'))
}

function shownOf(cacher: string, value: unknown): Shown {
  if (isFrame(value)) return { kind: 'frame', frame: summaryOf(value, value.numRows) }
  if (cacher === 'file-reference') {
    const paths = (Array.isArray(value) ? value : [value]).map(String)
    return { kind: 'references', paths: paths.map((path) => ({ path, exists: fs.existsSync(path) })) }
  }
  if (typeof value === 'string') return { kind: 'text', text: value }
  if (cacher === 'json') return { kind: 'json', value }
  if (isTensor(value)) return { kind: 'tensor', tensor: statisticsOf(value) }
  return {
    kind: 'value',
    inspected: inspect(value, { depth: 8, maxArrayLength: 100, maxStringLength: 2000, breakLength: 100 }),
  }
}

interface Tensor {
  readonly data: Elements
  readonly shape: readonly number[]
  readonly dtype: string
}

function isTensor(value: unknown): value is Tensor {
  if (value === null || typeof value !== 'object') return false
  const { data, shape, dtype } = value as Partial<Tensor>
  return Array.isArray(shape) && typeof dtype === 'string' && (ArrayBuffer.isView(data) || Array.isArray(data))
}

function statisticsOf(tensor: Tensor): TensorSummary {
  const statistics = new TensorStatistics(tensor.dtype)
  statistics.add(tensor.data)
  return statistics.summary(tensor.shape)
}

/** A large tensor is read in blocks of its first axis, so that it need not fit in memory. */
async function summarize(handle: ArtifactHandle<unknown>, canSlice: boolean): Promise<TensorSummary> {
  if (handle.bytes <= wholeTensor || !canSlice) return statisticsOf((await handle.load()) as Tensor)
  const one = (await handle.slice(0, 1)) as Tensor
  const bytesPerRow = (one.data as ArrayLike<unknown> & { byteLength: number }).byteLength
  const step = Math.max(1, Math.floor(wholeTensor / Math.max(1, bytesPerRow)))
  const statistics = new TensorStatistics(one.dtype)
  let rows = 0
  for (;;) {
    const part = (await handle.slice(rows, rows + step)) as Tensor
    const got = part.shape[0] ?? 0
    statistics.add(part.data)
    rows += got
    if (got < step) return statistics.summary([rows, ...one.shape.slice(1)])
  }
}

/** The file that `--raw` gives: the one asked for, else the main one, else the only one. */
export async function fileOf(
  store: EntryStore,
  entry: Entry,
  artifact: Artifact,
  role?: string,
): Promise<ArtifactFile> {
  const files = await store.filesOf(artifact)
  if (files === undefined) throw gone(store, entry, artifact)
  const wanted = role ?? viewName(artifact)
  const file =
    files.find((one) => one.role === wanted) ?? (role === undefined && files.length === 1 ? files[0] : undefined)
  if (file !== undefined) return file
  const roles = files.slice(0, 10).map((one) => one.role)
  throw new NotFoundError(`file ${clean(wanted)} of artifact ${artifact.name}`, clean(entry.key), {
    hint: `pick one with --raw --file: ${clean(roles.join(', '))}${files.length > roles.length ? ', …' : ''}`,
  })
}

async function headOf(store: EntryStore, entry: Entry, artifact: Artifact) {
  const file = await fileOf(store, entry, artifact)
  const head = await store.blobs.read(file, { start: 0, end: Math.min(headBytes, file.bytes) })
  if (head === undefined) throw gone(store, entry, artifact)
  return { kind: 'bytes' as const, bytes: file.bytes, head }
}

/** Bytes of an artifact that were evicted, lost or found damaged. */
export function gone(store: EntryStore, entry: Entry, artifact: Artifact): NotFoundError {
  return new NotFoundError(`bytes of artifact ${artifact.name} of ${clean(entry.key)}`, store.folder, {
    hint: 'they were evicted, lost or found damaged: run the stage again; `curio why` says more',
  })
}

/** As lines for people. */
export function shownLines(shown: Shown): string[] {
  switch (shown.kind) {
    case 'json':
      return cleanLines(JSON.stringify(shown.value, null, 2)).split('\n')
    case 'text':
      return cleanLines(shown.text).replace(/\n$/, '').split('\n')
    case 'value':
      return cleanLines(shown.inspected).split('\n')
    case 'tensor':
      return tensorLines(shown.tensor)
    case 'frame':
      return frameLines(shown.frame)
    case 'files':
      return columns(shown.files.map(({ role, bytes }) => [clean(role), size(bytes)]))
    case 'references':
      return shown.paths.map(({ path, exists }) => `${clean(path)}${exists ? '' : '  (not there any more)'}`)
    case 'bytes':
    case 'file': {
      const more = shown.bytes > shown.head.byteLength ? [`… ${shown.bytes - shown.head.byteLength} bytes more`] : []
      const note = shown.note === undefined ? [] : [`(${clean(shown.note)})`]
      return [...note, `${shown.bytes} bytes (${size(shown.bytes)})`, ...hexdump(shown.head), ...more]
    }
  }
}

function tensorLines(t: TensorSummary): string[] {
  const rows = [
    ['dtype', t.dtype],
    ['shape', `[${t.shape.join(', ')}]  ${count(t.elements, 'element')}`],
  ]
  if (t.trues !== undefined) rows.push(['true', String(t.trues)])
  else if (t.min !== undefined) {
    rows.push(['min', digits(t.min)], ['max', digits(t.max)], ['mean', digits(t.mean)], ['std', digits(t.std)])
  }
  if (t.nan > 0 || t.dtype.startsWith('float')) rows.push(['NaN', String(t.nan)])
  if (t.infinite > 0) rows.push(['infinite', String(t.infinite)])
  const more = t.elements > t.first.length ? ', …' : ''
  if (t.first.length > 0)
    rows.push([
      'first',
      `${t.first.map((value) => (typeof value === 'number' ? digits(value) : value)).join(', ')}${more}`,
    ])
  return columns(rows)
}

/** Six digits of what is no whole number. */
function digits(value: number | bigint | undefined): string {
  if (value === undefined) return ''
  return typeof value === 'bigint' || Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)))
}

/** As a JSON value. */
export function shownJson(shown: Shown): Record<string, unknown> {
  switch (shown.kind) {
    case 'bytes':
    case 'file':
      return {
        kind: shown.kind,
        bytes: shown.bytes,
        head: Buffer.from(shown.head).toString('hex'),
        note: shown.note ?? null,
      }
    case 'tensor': {
      const { min, max, mean, std, first, ...rest } = shown.tensor
      const plain = [min, max, mean, std].map((value) => plainNumber(value))
      return {
        kind: 'tensor',
        tensor: { ...rest, min: plain[0], max: plain[1], mean: plain[2], std: plain[3], first: first.map(plainNumber) },
      }
    }
    case 'frame': {
      const { rows, columns, head } = shown.frame
      return { kind: 'frame', rows, columns, head }
    }
    default:
      return { ...shown }
  }
}

function plainNumber(value: number | bigint | boolean | undefined): number | string | boolean | null {
  if (value === undefined) return null
  if (typeof value === 'bigint') return String(value)
  return typeof value === 'boolean' || Number.isFinite(value) ? value : String(value)
}
