/** An item on its way through a chain. */
import { DeclarationError } from '../errors.js'
import { canonical } from '../identity/canonical.js'
import { firstOf, type Node, nameOf, takenBy } from './node.js'
import { ownCopy, shortUid } from './uid.js'

/** What was given at the start of a chain, and the uid it goes by all along. */
export interface Entry {
  readonly uid: string
  readonly value: unknown
  /** False where nothing on the way keeps results: then it goes by no uid. */
  readonly isKept?: boolean
}

/** The uid of an item when there is no input: no value's own. */
const noInput = '()'

/** What tells one value from all others: its canonical text. */
export function valueUid(value: unknown): string {
  return canonical(value, 'the input')
}

/**
 * What a step is given: one value, or none where it takes none.
 *
 * @param isKept whether results are kept on the way: only then the value must be one that can be told from all others.
 */
export function entryOf(node: Node, args: readonly unknown[], isKept: boolean): Entry {
  const first = firstOf(node)
  const takes = takenBy(first)
  if (args.length === 0 && takes === 'a value') {
    throw new DeclarationError(`${nameOf(first)} needs an input`, {
      hint: 'run(value); where it may be left out, give it a default: compute(value = …)',
    })
  }
  if (args.length > 0 && takes === 'nothing') {
    throw new DeclarationError(`${nameOf(first)} takes no input`, { hint: 'its compute has no parameter: call run()' })
  }
  if (args.length > 1) {
    throw new DeclarationError(`${nameOf(first)} takes one input, not ${args.length}`, { hint: 'runMany(values)' })
  }
  if (args.length === 0) return { uid: noInput, value: undefined }
  const [value] = args
  return isKept ? { uid: uidOf(first, value), value } : { uid: '', value, isKept }
}

function uidOf(first: Node, value: unknown): string {
  const uid: unknown = first.itemUid(value)
  if (typeof uid === 'string' && uid !== noInput) return shortUid(uid)
  throw new DeclarationError(`the itemUid of ${nameOf(first)} gave ${String(uid)}`, {
    hint: 'give text that tells the value from all others',
  })
}

/**
 * A value for the user's code to have, and change, as its own.
 *
 * @throws {DeclarationError} when it is not what it was when it was asked for: its result would be kept under another value's uid.
 */
export function owned(first: Node, { uid, value, isKept = true }: Entry): unknown {
  return isKept ? ownCopy(`an input of ${nameOf(first)}`, value, uid, (own) => uidOf(first, own)) : value
}
