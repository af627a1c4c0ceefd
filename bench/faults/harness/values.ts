import { bytesFor } from './random.js'

/** The one value that belongs under a key in the kill tests: about 1 to 4 KiB, or 1.2 MiB for a key that begins with `big/`. */
export function valueFor(key: string): Buffer {
  return bytesFor(key, key.startsWith('big/') ? 1_200_000 : 1024 + ((key.length * 97) % 3072))
}
