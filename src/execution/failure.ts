/** What was thrown: whether it is kept, and what of it. */
import { inspect } from 'node:util'
import { CurioError, type ErrorFacts } from '../errors.js'

/** What was thrown, and is no error. */
export function textOf(thrown: unknown): string {
  return typeof thrown === 'object' || typeof thrown === 'function' ? inspect(thrown) : String(thrown)
}

/** Errors of the user's code are kept; those of the house, of the system and of aborts say nothing about the next time. */
export function isAboutUser(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted === true || CurioError.is(error)) return false
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown }
  if (name === 'AbortError' || name === 'TimeoutError') return false
  return typeof code !== 'string' || !systemCodes.test(code)
}

const systemCodes =
  /^(E(NOSPC|DQUOT|IO|MFILE|NFILE|NOMEM|ROFS|ACCES|PERM|STALE|AGAIN|PIPE|CONN\w+|TIMEDOUT|HOST\w+|NET\w+)|ERR_(MODULE_NOT_FOUND|WORKER_OUT_OF_MEMORY|DLOPEN_FAILED))$/

/** What is kept of an error. */
export function factsOf(error: unknown, where: string): ErrorFacts {
  const isError = error instanceof Error || (typeof error === 'object' && error !== null && 'message' in error)
  const { name, message, stack } = (isError ? error : { name: 'Error', message: textOf(error) }) as Error
  return {
    name: String(name),
    message: String(message),
    ...(typeof stack === 'string' ? { stack } : {}),
    where,
    when: new Date().toISOString(),
  }
}
