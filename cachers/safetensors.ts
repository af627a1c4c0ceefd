import {
  type ByteSource,
  type CacherOptions,
  Codec,
  cacherIdentity,
  callable,
  type Encoded,
  type Json,
} from '../src/artifact/cacheable.js'
import { CacherError, CurioError, DeclarationError, nearest } from '../src/errors.js'
import { kindOf, merged, messageOf } from './common.js'
import { foreign, tensorOf } from './safetensors/elements.js'
import {
  type Header,
  headerEnd,
  inOrder,
  type Named,
  type Placed,
  preludeSize,
  readHeader,
  writeHeader,
} from './safetensors/header.js'
import { metadataName, quoted } from './safetensors/parse.js'
import { bytesOf, elementsOf, swapped } from './tensor/like.js'
import { type Tensor, type TensorLike, TensorProblem } from './tensor/types.js'

/** Tensors by name, as SafetensorsCacher loads them. */
export type Tensors = Readonly<Record<string, Tensor>>

/** What SafetensorsCacher saves: a plain object or a Map of what TensorCacher takes. */
export type TensorsLike = Readonly<Record<string, TensorLike>> | ReadonlyMap<string, TensorLike>

export interface SafetensorsOptions extends CacherOptions {
  /** Texts to write beside the tensors, such as `{ format: 'pt' }`. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** A cacher for named tensors, as a `.safetensors` file. See docs/cachers/safetensors.md. */
export interface SafetensorsCacher extends Codec<Tensors, TensorsLike> {
  /** @throws {CacherError} naming the tensor that is none, or whose shape and data disagree. */
  encode(value: TensorsLike): Promise<Uint8Array | AsyncIterable<Uint8Array>>
  /** Over the bytes given, without a copy, where dtype and alignment allow it. The file's texts are in `extraMetadata.metadata` then. */
  decode(bytes: Uint8Array): Tensors
  /** The tensors of these names; reads the header and their bytes only. */
  columns(source: ByteSource, names: readonly string[]): Promise<Tensors>
}

/** Made with or without `new`, from a path, options, or both. */
export interface SafetensorsCacherConstructor {
  new (argument?: string | SafetensorsOptions, options?: SafetensorsOptions): SafetensorsCacher
  (argument?: string | SafetensorsOptions, options?: SafetensorsOptions): SafetensorsCacher
  readonly prototype: SafetensorsCacher
  readonly cacherName?: string
  readonly codecVersion: number
}

/** Smaller collections are one piece; larger ones are handed on tensor by tensor, without a copy. */
const copyBelow = 1 << 20
/** What `columns` reads first: most headers whole. */
const firstRead = 1 << 16
/** Neighbours are read together up to this many bytes. */
const maxRun = 64 << 20
/** Names looked at for a nearest one. */
const maxCompared = 1000

class SafetensorsCacherClass extends Codec<Tensors, TensorsLike> {
  static override readonly cacherName: string = 'safetensors'
  override readonly extension: string = '.safetensors'
  private readonly texts: Readonly<Record<string, string>>

  constructor(argument?: string | SafetensorsOptions, options?: SafetensorsOptions) {
    super(merged(argument, options))
    this.checkOptions(['metadata'])
    this.texts = checkedTexts((this.options as SafetensorsOptions).metadata ?? {})
  }

  override decodingOptions(): Record<string, Json> {
    return Object.keys(this.texts).length === 0 ? {} : { metadata: this.texts }
  }

  override async encode(value: TensorsLike): Promise<Exclude<Encoded, string>> {
    try {
      const tensors: Named[] = []
      for (const [name, tensor] of membersOf(value)) tensors.push({ name, ...(await elementsIn(name, tensor)) })
      const ordered = inOrder(tensors)
      const header = writeHeader(ordered, this.texts)
      this.note(this.texts)
      const bytes = ordered.reduce((sum, { data }) => sum + data.byteLength, header.byteLength)
      return bytes < copyBelow ? Buffer.concat([header, ...ordered.map(littleEndian)]) : pieces(header, ordered)
    } catch (error) {
      throw this.named(error, 'save')
    }
  }

  override decode(bytes: Uint8Array): Tensors {
    try {
      const { tensors, metadata, offset } = readHeader(bytes, bytes.byteLength)
      this.note(metadata)
      return Object.fromEntries(
        tensors.map((placed) => [
          placed.name,
          tensorOf(placed, bytes.subarray(offset + placed.begin, offset + placed.end)),
        ]),
      )
    } catch (error) {
      throw this.named(error, 'load')
    }
  }

  override async columns(source: ByteSource, names: readonly string[]): Promise<Tensors> {
    try {
      const header = await headerOf(source)
      this.note(header.metadata)
      const found = new Map<string, Tensor>()
      for (const run of runs(wanted(header, names))) {
        const begin = run[0]!.begin
        const bytes = await source.read(header.offset + begin, header.offset + run.at(-1)!.end)
        for (const one of run) found.set(one.name, tensorOf(one, bytes.subarray(one.begin - begin, one.end - begin)))
      }
      return Object.fromEntries(names.map((name) => [name, found.get(name)!]))
    } catch (error) {
      throw this.named(error, 'load')
    }
  }

  /** The texts of the file at hand, for whoever asks. */
  private note(metadata: Readonly<Record<string, string>>): void {
    if (Object.keys(metadata).length > 0) this.extraMetadata.metadata = metadata
    else delete this.extraMetadata.metadata
  }

  private named(error: unknown, direction: 'save' | 'load'): unknown {
    if (CurioError.is(error)) return error
    const hint = error instanceof TensorProblem ? error.hint : undefined
    return new CacherError(cacherIdentity(this).name, direction, `${this.label}: ${messageOf(error)}`, {
      ...(hint === undefined ? {} : { hint }),
      ...(error instanceof TensorProblem ? {} : { cause: error }),
    })
  }
}

export const SafetensorsCacher = callable(SafetensorsCacherClass) as SafetensorsCacherConstructor

function membersOf(value: TensorsLike): [string, TensorLike][] {
  const prototype: unknown = value === null || typeof value !== 'object' ? undefined : Object.getPrototypeOf(value)
  const isPlain = prototype === Object.prototype || prototype === null
  if (!isPlain && !(value instanceof Map)) {
    throw new TensorProblem(
      `it is ${kindOf(value)}, not an object or a Map of tensors`,
      'give it { name: { data, shape } }',
    )
  }
  const members: [unknown, TensorLike][] = value instanceof Map ? [...value] : Object.entries(value)
  return members.map(([name, tensor]) => {
    if (typeof name !== 'string')
      throw new TensorProblem(`a tensor is called ${String(name)}, which is ${kindOf(name)}`)
    if (!name.isWellFormed()) throw new TensorProblem(`the name ${quoted(name)} holds half of a surrogate pair`)
    if (name === metadataName) throw new TensorProblem(`${metadataName} cannot be the name of a tensor`, metadataHint)
    return [name, tensor]
  })
}

const metadataHint = 'texts beside the tensors are an option: SafetensorsCacher({ metadata })'

async function elementsIn(name: string, tensor: TensorLike): ReturnType<typeof elementsOf> {
  try {
    return await elementsOf(tensor)
  } catch (error) {
    if (!(error instanceof TensorProblem)) throw error
    throw new TensorProblem(`tensor ${quoted(name)}: ${error.message}`, error.hint)
  }
}

function littleEndian({ data, dtype }: Named): Uint8Array {
  return foreign ? swapped(bytesOf(data), dtype) : bytesOf(data)
}

async function* pieces(header: Uint8Array, tensors: readonly Named[]): AsyncGenerator<Uint8Array> {
  yield header
  for (const tensor of tensors) yield littleEndian(tensor)
}

async function headerOf(source: ByteSource): Promise<Header> {
  const first = await source.read(0, Math.min(source.bytes, firstRead))
  const needed = headerEnd(first.subarray(0, preludeSize), source.bytes)
  return readHeader(needed <= first.byteLength ? first : await source.read(0, needed), source.bytes)
}

/** The tensors of these names, in the order of their bytes. */
function wanted({ tensors }: Header, names: readonly string[]): Placed[] {
  const known = new Set(tensors.map(({ name }) => name))
  for (const name of names) {
    if (known.has(name)) continue
    const all = [...known]
    const near = nearest(quoted(name), all.slice(0, maxCompared).map(quoted))
    const some = all.slice(0, 8).map(quoted).join(', ')
    throw new TensorProblem(
      `it has no tensor ${quoted(name)}`,
      near === undefined ? `it has ${some || 'none'}${all.length > 8 ? ', …' : ''}` : `did you mean ${near}?`,
    )
  }
  const asked = new Set(names)
  return tensors.filter(({ name }) => asked.has(name))
}

/** Tensors whose bytes follow each other, to be read at once. */
function runs(tensors: readonly Placed[]): Placed[][] {
  const found: Placed[][] = []
  for (const tensor of tensors) {
    const run = found.at(-1)
    if (run !== undefined && run.at(-1)!.end === tensor.begin && tensor.end - run[0]!.begin <= maxRun) run.push(tensor)
    else found.push([tensor])
  }
  return found
}

function checkedTexts(texts: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const bad = (text: unknown) => typeof text !== 'string' || !text.isWellFormed()
  if (texts === null || typeof texts !== 'object')
    throw new DeclarationError('metadata of a SafetensorsCacher must be an object of texts')
  for (const [key, text] of Object.entries(texts)) {
    if (!bad(key) && !bad(text) && key !== '__proto__') continue
    throw new DeclarationError(`metadata of a SafetensorsCacher must be texts: ${quoted(key)} is ${kindOf(text)}`, {
      hint: 'write it as a string, by JSON.stringify for instance',
    })
  }
  return { ...texts }
}
