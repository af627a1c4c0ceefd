/** What a program and its workers say to each other. */
import type { Outcome } from '../assignment.js'

export type ToWorker =
  | { readonly curio: 'do'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly curio: 'abort' }
  /** There is nothing more to do. */
  | { readonly curio: 'end' }

export type FromWorker =
  | { readonly curio: 'ready' }
  | { readonly curio: 'done'; readonly id: number; readonly outcome: Outcome }

/** Whether it is a message of ours: the user's code may send some of its own. */
export function isOurs(message: unknown): message is FromWorker & ToWorker {
  return typeof message === 'object' && message !== null && 'curio' in message
}
