/** What a worker is asked to do: plain data, small, the same for a pool, a process of its own, and a cluster. */
import type { Store } from '../artifact/store.js'
import { DeclarationError, type JobFacts } from '../errors.js'
import type { Digest } from '../identity/digest.js'
import type { ExecMode } from './options.js'
import type { Travelling } from './travel.js'

/** Part of a computation, for a worker. Functions cannot travel: it says where to import them from. */
export interface Assignment {
  /** The text of the key, for messages. */
  readonly where: string
  readonly config: Travelling
  /** The infra's field in it. */
  readonly field: string
  /** Its infra has a `backend`, not a `cluster`. */
  readonly isStep: boolean
  readonly folder: string
  readonly mode: ExecMode
  /** The hash of the key: a worker that comes to another one computes something else, and must not. */
  readonly key: Digest
  /** Of a forced run. */
  readonly token?: string | undefined
  /** Items of a map or step, with the keys they are stored under; undefined for a task. */
  readonly items?: readonly { readonly uid: string; readonly value: unknown }[]
  /** What parts of one computation have in common: they are done by one configuration that is made once. */
  readonly call?: string
  /** Claims of those who wait for it: what it asks for in turn is not waited for because of them. */
  readonly claims?: readonly string[]
}

/** What a worker makes of what it was sent: it does what is asked, there, and stores it. */
export abstract class Performer {
  abstract store(): Promise<Store | undefined>
  /** The result is then stored. */
  abstract perform(assignment: Assignment, signal?: AbortSignal): Promise<void>

  /** Refuses what came to another key in the worker. */
  protected checkKey({ where, key }: Assignment, is: { readonly text: string; readonly hash: Digest }): void {
    if (is.hash === key) return
    throw new DeclarationError(`${where} became ${is.text} in the worker`, {
      hint: 'the configuration does not come out the same when it is made again from what it was made from, or the code has changed since',
    })
  }
}

/** How an assignment ended. What it computed is in the store. */
export type Outcome =
  | { readonly ok: true }
  /** The user's code failed, and the error is stored; or it cannot be. `remote` is its text, with the stack. */
  | {
      readonly ok: false
      readonly isStored: boolean
      readonly name: string
      readonly message: string
      readonly remote?: string
      readonly job?: JobFacts
    }
