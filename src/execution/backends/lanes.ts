import type { Outcome } from '../assignment.js'
import type { Ended } from './index.js'

/**
 * Runs `count` assignments, `width` of them at a time, and tells of each as it ends. What nobody has asked for yet holds the next ones
 * back. Ended early, or aborted, it stops what runs and waits for that.
 */
export async function* lanes(
  count: number,
  width: number,
  run: (index: number, signal: AbortSignal) => Promise<Outcome>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Ended> {
  const stop = new AbortController()
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const ended: Ended[] = []
  const running = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let next = 0
  const fill = (): void => {
    while (next < count && running.size < width && ended.length < 2 * width && !both.aborted) {
      const index = next++
      const one = run(index, both)
        .then(
          (outcome) => void ended.push({ index, outcome }),
          (error: unknown) => {
            failure ??= { error }
          },
        )
        .finally(() => {
          running.delete(one)
          fill()
        })
      running.add(one)
    }
  }
  try {
    for (;;) {
      signal?.throwIfAborted()
      if (failure !== undefined) throw failure.error
      const one = ended.shift()
      fill()
      if (one !== undefined) yield one
      else if (running.size > 0) await Promise.race(running)
      else return
    }
  } finally {
    stop.abort()
    await Promise.all(running)
  }
}
