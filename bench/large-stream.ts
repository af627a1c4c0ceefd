/** Child of large.ts: puts a stream of 4 GiB into the store at argv[2], and prints the peak of its resident memory in bytes. */
import { randomFillSync } from 'node:crypto'
import { Store } from 'curio'

async function* stream(total: number): AsyncGenerator<Uint8Array> {
  const piece = randomFillSync(Buffer.alloc(64 << 10))
  for (let at = 0; at < total; at += piece.byteLength) {
    const own = Buffer.from(piece)
    own.writeDoubleLE(at)
    yield own
  }
}

const store = await Store.open({ folder: process.argv[2]!, durability: 'cache' })
const info = await store.blobs.put(stream(4 * 2 ** 30))
if (info.bytes !== 4 * 2 ** 30) throw new Error(`put ${info.bytes} bytes`)
await store.blobs.delete(info.sha256)
console.log(process.resourceUsage().maxRSS * 1024)
