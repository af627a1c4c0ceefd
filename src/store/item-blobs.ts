/** Which blobs items need: large ones lie there, and their records say where. */
import { type Digest, isDigest } from '../identity/digest.js'
import { ItemSpace, type SpaceOptions } from './items/space.js'

/** The blobs that the items in a folder need. @param everyItem reads the small ones too, so that `options.events` is told of all damage. */
export function* blobsOfItems(dir: string, options: SpaceOptions, everyItem = false): Generator<Digest> {
  const space = new ItemSpace(dir, options)
  try {
    for (const { kind, payload } of space.records(everyItem ? undefined : 'blob')) {
      if (kind === 'blob') yield* digestsIn(Buffer.from(payload))
    }
  } finally {
    space.close()
  }
}

/** Whatever in some bytes could be a blob's name. */
export function* digestsIn(bytes: Buffer): Generator<Digest> {
  for (const [name] of bytes.toString('latin1').matchAll(/[0-9a-f]{64}/g)) if (isDigest(name)) yield name
}
