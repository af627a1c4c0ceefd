import { AsyncLocalStorage } from 'node:async_hooks'

const current = new AsyncLocalStorage<AbortSignal>()

/**
 * Runs `action` such that an abort ends the tasks, maps and steps that are called in it: `withSignal(signal, () => xp.run())`. What has
 * been computed by then is kept; the code that is at work is told by `currentSignal()`, and no more of it is run.
 */
export function withSignal<T>(signal: AbortSignal, action: () => T): T {
  const outer = current.getStore()
  return current.run(outer === undefined || outer === signal ? signal : AbortSignal.any([outer, signal]), action)
}

/** The signal that ends what is being computed: `fetch(url, { signal: currentSignal() })` in the body of a task, map or step. */
export function currentSignal(): AbortSignal | undefined {
  return current.getStore()
}
