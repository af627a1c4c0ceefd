/** Lets in so many at a time, over all calls of this process; who comes first goes first. */
export class Gate {
  #inside = 0
  readonly #waiting: (() => void)[] = []
  /** What each of those inside and waiting takes for the bound: the highest is. */
  readonly #limits: number[] = []

  async pass<T>(limit: number, action: () => Promise<T>): Promise<T> {
    this.#limits.push(limit)
    if (this.#inside >= this.#bound()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#inside += 1
    try {
      return await action()
    } finally {
      this.#limits.splice(this.#limits.indexOf(limit), 1)
      this.#inside -= 1
      while (this.#waiting.length > 0 && this.#inside < this.#bound()) {
        this.#inside += 1
        this.#waiting.shift()!()
      }
    }
  }

  #bound(): number {
    return Math.max(1, ...this.#limits)
  }
}
