/** What items go by: text, of bounded length. */
import { DeclarationError } from '../errors.js'
import { ownCopies } from '../identity/copies.js'
import { sha256 } from '../identity/digest.js'

export const longestUid = 256
/** Below it there is no room for the hash. */
export const shortestLimit = 100

/**
 * A uid of at most `max` characters: its start, how many there were, its end, and the hash of the whole. A short one is itself; so is
 * one that was cut before.
 */
export function shortUid(uid: string, max = longestUid): string {
  if (uid.length <= max) return uid
  const mark = `..${uid.length}..`
  const hash = `-${sha256(uid)}`
  const rest = max - mark.length - hash.length
  const head = Math.ceil(rest / 2)
  return `${uid.slice(0, head)}${mark}${uid.slice(uid.length - (rest - head))}${hash}`.toWellFormed()
}

/**
 * A value for the user's code to have, and change, as its own.
 *
 * @param what for messages: `an item of process`.
 * @throws {DeclarationError} when it is not what it was when it was asked for: its result would be kept under another one's uid.
 */
export function ownCopy(what: string, value: unknown, uid: string, uidOf: (value: unknown) => string): unknown {
  if (value === null || typeof value !== 'object') return value
  const { own } = ownCopies({ own: value })
  if (uidOf(own) === uid) return own
  throw new DeclarationError(`${what} is not what it was when it was asked for: ${uid}`, {
    hint: 'do not change it before its result is there; an itemUid gives the same text for the same content',
  })
}
