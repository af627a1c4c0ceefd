import type { gone, ItemBytes, ItemCodec } from '../artifact/item-codec.js'
import { MemoryBlobs } from '../store/memory-blobs.js'

/** What a kept result costs beside its bytes, about. */
const overhead = 200

type Kept<T> = { readonly item: ItemBytes; readonly cost: number; plain?: { readonly value: T } }

/**
 * Results kept in memory: as their bytes, so that everybody gets a value of their own; what cannot be changed, as itself. The longest
 * unused go when there are too many bytes.
 */
export class Ram<T> {
  readonly #kept = new Map<string, Kept<T>>()
  #bytes = 0

  constructor(
    readonly codec: ItemCodec<T>,
    readonly maxBytes: number,
  ) {}

  has(uid: string): boolean {
    return this.#kept.has(uid)
  }

  /** Undefined when it is not there; otherwise the value in a box. */
  get(uid: string): { readonly value: T } | Promise<{ readonly value: T }> | undefined {
    const kept = this.#kept.get(uid)
    if (kept === undefined) return undefined
    if (this.#bytes > this.maxBytes / 2) {
      this.#kept.delete(uid)
      this.#kept.set(uid, kept)
    }
    if (kept.plain !== undefined) return kept.plain
    const { payload } = kept.item
    const value = this.codec.decode({ ...kept.item, payload: new Uint8Array(payload) }) as
      | Exclude<T, typeof gone>
      | Promise<Exclude<T, typeof gone>>
    return value instanceof Promise ? value.then((done) => boxed(kept, done)) : boxed(kept, value)
  }

  /** Says what the value of a kept item is: one that cannot be changed need not be decoded again. */
  know(uid: string, value: T): void {
    const kept = this.#kept.get(uid)
    if (kept !== undefined) boxed(kept, value)
  }

  set(uid: string, item: ItemBytes): void {
    this.delete(uid)
    const { kind, codec, payload, blobs } = item
    const inMemory = blobs instanceof MemoryBlobs ? blobs : undefined
    // A reference to files is no result in memory.
    if (kind !== 'value' && inMemory === undefined) return
    const cost = payload.byteLength + (inMemory?.bytes ?? 0) + uid.length * 2 + overhead
    if (cost > this.maxBytes) return
    // Ours alone: values may be views of it, and a view would keep all that it is a view of.
    const own = { kind, codec, payload: new Uint8Array(payload) }
    this.#kept.set(uid, { item: inMemory === undefined ? own : { ...own, blobs: inMemory }, cost })
    this.#bytes += cost
    for (const [oldest] of this.#kept) {
      if (this.#bytes <= this.maxBytes) break
      this.delete(oldest)
    }
  }

  delete(uid: string): void {
    const kept = this.#kept.get(uid)
    if (kept === undefined) return
    this.#kept.delete(uid)
    this.#bytes -= kept.cost
  }
}

function boxed<T>(kept: Kept<T>, value: T): { readonly value: T } {
  const box = { value }
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) kept.plain = box
  return box
}
