/** Few large reads instead of many small ones. */
import type { ByteSource } from '../../src/artifact/cacheable.js'
import { damaged } from './flat.js'

interface Request {
  readonly start: number
  readonly end: number
  resolve(bytes: Uint8Array): void
  reject(error: unknown): void
}

/** Ranges nearer than this are read at once, with what lies between. */
const gap = 4096
const readsAtOnce = 4

/** Puts the reads that are asked for in one turn of the event loop together. */
export class Coalesced {
  #waiting: Request[] = []
  /** No honest file needs its bytes more than about once, but for its end, and a byte here and there. */
  #left: number

  constructor(private readonly source: ByteSource) {
    this.#left = source.bytes * 2 + (1 << 20)
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    if (start === end) return new Uint8Array(0)
    if (start > end || end > this.source.bytes) throw damaged('it points outside the file')
    this.#left -= end - start
    if (this.#left < 0) throw damaged('its buffers overlap')
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ start, end, resolve, reject }) === 1) setImmediate(() => this.#flush())
    })
  }

  #flush(): void {
    const requests = this.#waiting.sort((a, b) => a.start - b.start)
    this.#waiting = []
    const groups: { start: number; end: number; requests: Request[] }[] = []
    for (const request of requests) {
      const last = groups.at(-1)
      if (last !== undefined && request.start <= last.end + gap) {
        last.requests.push(request)
        last.end = Math.max(last.end, request.end)
      } else {
        // From a multiple of 8, so that numbers lie as aligned in memory as they do in the file.
        groups.push({ start: request.start - (request.start % 8), end: request.end, requests: [request] })
      }
    }
    const worker = async (): Promise<void> => {
      for (let group = groups.shift(); group !== undefined; group = groups.shift()) await this.#read(group)
    }
    for (let i = 0; i < readsAtOnce; i++) void worker()
  }

  async #read({ start, end, requests }: { start: number; end: number; requests: Request[] }): Promise<void> {
    try {
      const bytes = await this.source.read(start, end)
      for (const request of requests) {
        const from = bytes.byteOffset + request.start - start
        request.resolve(new Uint8Array(bytes.buffer, from, request.end - request.start))
      }
    } catch (error) {
      for (const { reject } of requests) reject(error)
    }
  }
}
