/** The results of many items, in their order: computed as they are asked for. */
export class Results<O> implements AsyncIterable<O> {
  readonly #parts: () => AsyncGenerator<readonly O[]>

  constructor(parts: () => AsyncGenerator<readonly O[]>) {
    this.#parts = parts
  }

  /** All of them, in memory. */
  async toArray(): Promise<O[]> {
    const all: O[] = []
    for await (const part of this.#parts()) for (const value of part) all.push(value)
    return all
  }

  [Symbol.asyncIterator](): AsyncIterator<O> {
    const parts = this.#parts()
    let part: readonly O[] = []
    let at = 0
    // Those who ask for several at a time get them one after the other.
    let asked: Promise<unknown> | undefined
    const more = async (): Promise<IteratorResult<O>> => {
      while (at >= part.length) {
        const next = await parts.next()
        if (next.done === true) return { value: undefined, done: true }
        part = next.value
        at = 0
      }
      return { value: part[at++]!, done: false }
    }
    const later = (): Promise<IteratorResult<O>> => {
      const mine = asked === undefined ? more() : asked.then(more, more)
      asked = mine
      const over = (): void => {
        if (asked === mine) asked = undefined
      }
      mine.then(over, over)
      return mine
    }
    return {
      next: () =>
        asked === undefined && at < part.length ? Promise.resolve({ value: part[at++]!, done: false }) : later(),
      return: async () => {
        part = []
        await parts.return(undefined)
        return { value: undefined, done: true }
      },
    }
  }
}

/** Whether something can be gone through one by one; text is no list. */
export function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
}
