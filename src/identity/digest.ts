import * as crypto from 'node:crypto'

/** SHA-256 as 64 lower-case hex digits. The only thing that names bytes in a store. */
export type Digest = string & { readonly digest: unique symbol }

const hex64 = /^[0-9a-f]{64}$/

/** True when `text` is a digest. Every hash read from disk passes through here before it becomes part of a path. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && hex64.test(text)
}

/** SHA-256 of a text (as UTF-8) or of bytes of any length. */
export function sha256(data: string | Uint8Array): Digest {
  if (typeof data !== 'string' && data.byteLength > maxUpdate) {
    const hash = crypto.createHash('sha256')
    for (let at = 0; at < data.byteLength; at += maxUpdate) hash.update(data.subarray(at, at + maxUpdate))
    return hash.digest('hex') as Digest
  }
  return crypto.hash('sha256', data, 'hex') as Digest
}

/** hash.update refuses more than 2 GiB at once (measured, Node 20 to 24). */
const maxUpdate = 1 << 30

const base32 = 'abcdefghijklmnopqrstuvwxyz234567'

/**
 * The first 16 characters (80 bits) of a digest in lower-case base32 (RFC 4648, no padding): what uids and cleaned
 * path segments end with.
 */
export function tail(digest: Digest): string {
  let text = ''
  // Five hex digits are four of base32.
  for (let at = 0; at < 20; at += 5) {
    const bits = Number.parseInt(digest.slice(at, at + 5), 16)
    for (let shift = 15; shift >= 0; shift -= 5) text += base32[(bits >> shift) & 31]
  }
  return text
}
