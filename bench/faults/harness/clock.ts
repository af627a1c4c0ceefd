/** A clock that is wrong. Only for child processes: it changes `Date` for everybody. */

/** Puts this process's clock so far from the right time; or at another distance at each look. */
export function wrongClock(offMs: number | (() => number)): void {
  const Right = Date
  const now = (): number => Right.now() + (typeof offMs === 'number' ? offMs : offMs())
  globalThis.Date = class extends Right {
    constructor(...args: readonly unknown[]) {
      super(...((args.length === 0 ? [now()] : args) as []))
    }
    static override now(): number {
      return now()
    }
  } as DateConstructor
}

/** Runs `action` with a clock that is off by another time at each look; it is right again afterwards. */
export async function withWrongClocks<T>(offMs: () => number, action: () => Promise<T>): Promise<T> {
  const right = globalThis.Date
  wrongClock(offMs)
  try {
    return await action()
  } finally {
    globalThis.Date = right
  }
}
