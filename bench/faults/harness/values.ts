import { bytesFor } from './random.js'

/** The one value that belongs under a key in the kill tests: about 1 to 4 KiB, or 1.2 MiB for a key that begins with `big/`. */
export function valueFor(key: string): Buffer {
  return bytesFor(key, key.startsWith('big/') ? 1_200_000 : 1024 + ((key.length * 97) % 3072))
}

/** The one value that belongs under the key of an item: up to 1 KiB, or about 200 KiB where the key has an `L`. */
export function itemBytes(key: string): Buffer {
  const size = (key.length * 97 + key.charCodeAt(key.length - 1) * 31) % 1024
  return Buffer.alloc(key.includes('L') ? 200 * size : size, key)
}
