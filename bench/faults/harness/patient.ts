/** A store with one saved value, to be damaged again and again and put right each time. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../../cachers/bytes.js'
import { obtain } from '../../../src/artifact/once.js'
import { Store } from '../../../src/artifact/store.js'
import { CurioError } from '../../../src/errors.js'
import type { Digest } from '../../../src/identity/digest.js'
import { nameKey } from '../../../src/identity/key.js'
import type { BlobInfo } from '../../../src/store/checksum.js'
import { overwrite, removeFolder } from './folders.js'
import { bytesFor } from './random.js'
import { must, mustBe, mustEqual } from './row.js'

/** The ways in which bytes leave a store. */
export const ways = ['get', 'read', 'load', 'stream', 'path', 'lazy'] as const
export type Way = (typeof ways)[number]

export class Patient {
  private constructor(
    readonly store: Store,
    readonly key: string,
    readonly value: Buffer,
    readonly info: BlobInfo,
  ) {}

  static async make(folder: string, key: string, bytes: number): Promise<Patient> {
    const store = await Store.open({ folder, durability: 'cache' })
    const value = bytesFor(key, bytes)
    const { files } = await store.save(key, BytesCacher, value)
    return new Patient(store, key, value, files[0]!)
  }

  get blob(): string {
    return this.store.blobs.path(this.info.sha256)
  }
  get entry(): string {
    return path.join(this.store.dirOf(this.key), 'entry.json')
  }
  get sidecar(): string {
    return path.join(this.store.dirOf(this.key), 'value.meta.json')
  }

  /** Reads the value in one of the ways; undefined is a miss. Any other error than "not found" passes. */
  async read(way: Way): Promise<Uint8Array | undefined> {
    try {
      return await this.#read(way)
    } catch (error) {
      if (CurioError.is(error, 'ERR_NOT_FOUND')) return undefined
      throw error
    }
  }

  async #read(way: Way): Promise<Uint8Array | undefined> {
    const { store, info, key } = this
    if (way === 'get') return store.blobs.get(info.sha256)
    if (way === 'read') return store.blobs.read(info)
    if (way === 'load') return store.load(key, BytesCacher)
    if (way === 'path') return fs.readFileSync(store.lazy(key).path)
    if (way === 'lazy') return (await store.lazy(key).load()) as Uint8Array
    const stream = await store.blobs.stream(info.sha256)
    if (stream === undefined) return undefined
    const parts: Uint8Array[] = []
    for await (const part of stream) parts.push(part)
    return Buffer.concat(parts)
  }

  /** The damaged blob must be a miss in this way, counted, and out of the way. */
  async mustMiss(way: Way, what: string): Promise<void> {
    const before = this.store.events.counts['blob-damaged'] ?? 0
    const got = await this.read(way)
    if (got !== undefined) mustBe(got, this.value, `${what}, by ${way}`)
    must(got === undefined, `damage was not seen: ${what}, by ${way}`)
    mustEqual(this.store.events.counts['blob-damaged'], before + 1, `damage counted: ${what}, by ${way}`)
    must(!fs.existsSync(this.blob), `${what} was left at its final name, by ${way}`)
  }

  /** Saving again must put everything right. */
  async heal(what: string): Promise<void> {
    await this.store.save(this.key, BytesCacher, this.value)
    mustBe(await this.store.load(this.key, BytesCacher), this.value, `${what}, after it was saved again`)
    must(await this.store.has(this.key), `${what}: absent after it was saved again`)
  }

  /** What a stage does: the value must come, by recomputing, and be stored again. */
  async recompute(what: string): Promise<void> {
    const { handles } = await obtain(this.store, {
      key: nameKey(this.key),
      outputs: new Map([['value', new BytesCacher()]]),
      mode: 'cached',
      compute: async () => ({ values: new Map([['value', this.value]]) }),
      describe: () => ({ provenance: {} }),
    })
    mustBe((await handles.get('value')!.load()) as Uint8Array, this.value, `${what}, through a stage`)
    mustBe((await this.store.blobs.get(this.info.sha256 as Digest)) ?? Buffer.of(), this.value, `${what}, healed`)
  }

  /** Puts a file back as it was, without the store. */
  restore(file: string, bytes: Uint8Array): void {
    overwrite(file, bytes)
  }

  emptyQuarantine(): void {
    removeFolder(path.join(this.store.folder, 'quarantine'))
  }
}

/** A copy with one bit the other way. */
export function flipped(bytes: Uint8Array, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}
