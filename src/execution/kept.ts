import type { ArtifactHandle } from '../artifact/lazy.js'
import type { Digest } from '../identity/digest.js'

/** Results of tasks in memory, by the hash of their key. The oldest go when there are too many bytes. */
export class Kept {
  readonly #handles = new Map<Digest, ArtifactHandle<unknown>>()
  #bytes = 0

  get(of: Digest): ArtifactHandle<unknown> | undefined {
    return this.#handles.get(of)
  }

  set(of: Digest, handle: ArtifactHandle<unknown>, maxBytes: number): void {
    this.delete(of)
    this.#handles.set(of, handle)
    this.#bytes += handle.bytes
    for (const oldest of this.#handles.keys()) if (this.#bytes > maxBytes) this.delete(oldest)
  }

  delete(of: Digest): void {
    this.#bytes -= this.#handles.get(of)?.bytes ?? 0
    this.#handles.delete(of)
  }
}
