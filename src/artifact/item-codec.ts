import { CacherError, CurioError, DeclarationError } from '../errors.js'
import type { BlobStore } from '../store/blobs.js'
import type { Artifact } from '../store/entry.js'
import { type ItemRecord, maxPayload } from '../store/items/record.js'
import type { NewItem } from '../store/items/space.js'
import { MemoryBlobs } from '../store/memory-blobs.js'
import { attempt, type Cacheable, type Codec, cacherIdentity, isCodec, type Json } from './cacheable.js'
import { cacherNameFor } from './choose.js'
import { pack } from './pack.js'
import { cacherByName } from './registry.js'
import { unpack } from './unpack.js'

/** An item ready to be put; of a large one, where its bytes are, and what puts them there again. */
export interface EncodedItem extends NewItem {
  readonly blobs?: BlobStore
  readonly restore?: () => Promise<unknown>
}

/** An item as its bytes, whatever stands around them; `blobs` default: the codec's. */
export type ItemBytes = Pick<ItemRecord, 'codec' | 'kind' | 'payload'> & Pick<EncodedItem, 'blobs'>

/** What `decode` gives for a large value whose bytes are gone, or were damaged: a miss. */
export const gone: unique symbol = Symbol('gone')

const valueName = 'value'
const errorCodec = 'json@1'

/** Values of items to bytes and back: small ones as they are; large ones, and those of several files, as blobs. */
export class ItemCodec<T = unknown> {
  /** By name, and placed for reading. */
  readonly #cachers = new Map<string, Cacheable<unknown, unknown>>()
  /** That of the last record: most of a space have one. */
  #last: { readonly codec: string; readonly cacher: Cacheable<unknown, unknown> } | undefined

  /**
   * @param blobs where large values go; undefined: nothing is stored, and each has its bytes with it.
   * @param cacher default: the one that fits each value.
   */
  constructor(
    readonly blobs: BlobStore | undefined,
    readonly cacher: Cacheable<unknown, unknown> | undefined,
  ) {
    if (cacher?.checksOnHit === true) {
      throw new DeclarationError(
        `${cacherIdentity(cacher).name} stands for what is outside the store, which no item can`,
        {
          hint: 'make it the result of a task, or the output of a stage',
        },
      )
    }
    if (cacher !== undefined) this.#remember(cacherIdentity(cacher).name, cacher)
  }

  /** A value, ready to be put. */
  async encode(key: string, value: unknown, force = false): Promise<EncodedItem> {
    const cacher = this.cacher ?? (await this.#cacherNamed(cacherNameFor(value)))
    const { name, codec } = cacherIdentity(cacher)
    const about = { key, codec: `${name}@${codec}`, force }
    if (isCodec(cacher)) {
      const used = cacher.placedAt('', valueName) as Codec<unknown, unknown>
      const encoded = await attempt(used, 'save', () => used.encode(value))
      const isPieces = typeof encoded !== 'string' && !(encoded instanceof Uint8Array)
      const whole = isPieces && this.blobs === undefined ? await joined(encoded) : encoded
      const payload = typeof whole === 'string' ? Buffer.from(whole) : whole
      const isPlain = payload instanceof Uint8Array && Object.keys(used.extraMetadata).length === 0
      if (isPlain && (this.blobs === undefined || payload.byteLength <= maxPayload)) {
        return { ...about, kind: 'value', payload: ownBytes(payload, value) }
      }
    }
    const blobs = this.blobs ?? new MemoryBlobs()
    const restore = () => pack(blobs, valueName, cacher, value)
    const { artifact } = await restore()
    const payload = Buffer.from(JSON.stringify(artifact))
    if (payload.byteLength > maxPayload) {
      throw new CacherError(name, 'save', `item ${key} has too many files`, { hint: 'make it the output of a stage' })
    }
    return { ...about, kind: 'blob', payload, blobs, restore }
  }

  /** An error, ready to be put: it stands until there is a value. */
  encodeError(key: string, error: Json, force = false): EncodedItem {
    return { key, kind: 'error', codec: errorCodec, payload: Buffer.from(JSON.stringify(error)), force }
  }

  /** The value in a record; at once where its cacher can. */
  decode(record: ItemBytes): T | typeof gone | Promise<T | typeof gone> {
    const cacher = record.codec === this.#last?.codec ? this.#last.cacher : this.#cacherFor(record.codec)
    if (cacher instanceof Promise) return cacher.then(() => this.decode(record))
    if (record.kind === 'blob') return this.#unpack(record, cacher)
    return (cacher as Codec<unknown, unknown>).decode(record.payload) as T | Promise<T>
  }

  #cacherFor(codec: string): Cacheable<unknown, unknown> | Promise<unknown> {
    const name = codec.slice(0, codec.lastIndexOf('@'))
    const cacher = this.#cachers.get(name)
    if (cacher === undefined) return this.#cacherNamed(name)
    this.#last = { codec, cacher }
    return cacher
  }

  async #cacherNamed(name: string): Promise<Cacheable<unknown, unknown>> {
    return this.#cachers.get(name) ?? this.#remember(name, await cacherByName(name))
  }

  #remember(name: string, cacher: Cacheable<unknown, unknown>): Cacheable<unknown, unknown> {
    const placed = cacher.placedAt('', valueName)
    this.#cachers.set(name, placed)
    return placed
  }

  async #unpack(record: ItemBytes, cacher: Cacheable<unknown, unknown>): Promise<T | typeof gone> {
    try {
      return (await unpack({ artifact: artifactIn(record), blobs: (record.blobs ?? this.blobs)! }, cacher, {})) as T
    } catch (error) {
      if (CurioError.is(error, 'ERR_NOT_FOUND')) return gone
      throw error
    }
  }
}

/** What a codec gave, as bytes that nobody else can change: those of the value itself are the caller's, who may use them again. */
function ownBytes(bytes: Uint8Array, value: unknown): Uint8Array {
  return ArrayBuffer.isView(value) && value.buffer !== bytes.buffer ? bytes : new Uint8Array(bytes)
}

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

/** What the record of a large value says of it. */
export function artifactIn(record: Pick<ItemRecord, 'payload'>): Artifact {
  return JSON.parse(Buffer.from(record.payload).toString()) as Artifact
}

/** What the record of an error says. */
export function errorIn(record: Pick<ItemRecord, 'payload'>): Json {
  return JSON.parse(Buffer.from(record.payload).toString()) as Json
}
