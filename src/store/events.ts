import { channel } from 'node:diagnostics_channel'

/** What happened in a store. Published on the diagnostics channel `curio:store`, and counted per folder. */
export type StoreEvent =
  | { readonly kind: 'entry-read' | 'committed' | 'entry-damaged' | 'newer-entry'; readonly key: string }
  | {
      readonly kind: 'nondeterminism' | 'replaced'
      readonly key: string
      readonly stored: string
      readonly computed: string
    }
  | { readonly kind: 'healed'; readonly what: string }
  | { readonly kind: 'blob-read' | 'blob-put' | 'blob-known'; readonly bytes: number }
  | { readonly kind: 'blob-damaged'; readonly digest: string; readonly reason: string }
  | { readonly kind: 'put-failed'; readonly key: string; readonly reason: string }
  | { readonly kind: 'waiting'; readonly key: string; readonly holder: string; readonly seconds: number }
  | { readonly kind: 'item-damaged'; readonly segment: string; readonly at: number }
  | { readonly kind: 'index-failed'; readonly file: string; readonly reason: string }
  | { readonly kind: 'lock-lost'; readonly key: string; readonly reason: string }

export type StoreCounts = { readonly [Kind in StoreEvent['kind']]?: number }

const storeChannel = channel('curio:store')

/** Counts of one folder in this process, and the way its events go out. */
export class StoreEvents {
  readonly counts: { [Kind in StoreEvent['kind']]?: number } = {}

  constructor(readonly folder: string) {}

  emit(event: StoreEvent): void {
    this.counts[event.kind] = (this.counts[event.kind] ?? 0) + 1
    if (storeChannel.hasSubscribers) storeChannel.publish({ folder: this.folder, ...event })
  }
}
