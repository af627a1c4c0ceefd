/** Statistics of a tensor, gathered block by block so that one larger than memory can be looked at. */

/** What `curio cat` says about a tensor. Numbers that JSON does not have are text: `"NaN"`, `"Infinity"`, and every bigint. */
export interface TensorSummary {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly elements: number
  readonly min: number | bigint | undefined
  readonly max: number | bigint | undefined
  /** Of what is not NaN. */
  readonly mean: number | undefined
  /** Of the population, of what is not NaN. */
  readonly std: number | undefined
  readonly nan: number
  readonly infinite: number
  /** Only for bool: how many are true. */
  readonly trues?: number
  /** The first elements in C order. */
  readonly first: readonly (number | bigint | boolean)[]
}

/** Elements of a tensor in memory: a typed array, or plain numbers and booleans. */
export type Elements = ArrayLike<number | bigint | boolean>

const firstElements = 8

/** Adds up statistics over blocks of one tensor, in order. */
export class TensorStatistics {
  #elements = 0
  #nan = 0
  #infinite = 0
  #trues = 0
  #min: number | bigint | undefined
  #max: number | bigint | undefined
  #counted = 0
  #mean = 0
  /** Sum of squared distances from the mean (Welford). */
  #squares = 0
  readonly #first: (number | bigint | boolean)[] = []

  constructor(readonly dtype: string) {}

  add(block: Elements): void {
    const isBool = this.dtype === 'bool'
    for (let i = 0; i < block.length; i++) {
      const element = block[i]!
      if (this.#first.length < firstElements) this.#first.push(isBool ? Boolean(element) : element)
      const value = typeof element === 'boolean' ? Number(element) : element
      if (isBool && value) this.#trues += 1
      this.#count(value)
    }
    this.#elements += block.length
  }

  #count(value: number | bigint): void {
    if (Number.isNaN(value)) {
      this.#nan += 1
      return
    }
    if (this.#min === undefined || value < this.#min) this.#min = value
    if (this.#max === undefined || value > this.#max) this.#max = value
    const number = Number(value)
    if (number === Infinity || number === -Infinity) this.#infinite += 1
    this.#counted += 1
    const distance = number - this.#mean
    this.#mean += distance / this.#counted
    this.#squares += distance * (number - this.#mean)
  }

  summary(shape: readonly number[]): TensorSummary {
    const any = this.#counted > 0
    // Infinities have no distance to a mean, so the sums say nothing then; the mean is that of the two ends.
    const finite = any && this.#infinite === 0
    const ofEnds = Number(this.#min) + Number(this.#max)
    return {
      dtype: this.dtype,
      shape,
      elements: this.#elements,
      min: this.#min,
      max: this.#max,
      mean: finite ? this.#mean : any ? ofEnds : undefined,
      std: finite ? Math.sqrt(this.#squares / this.#counted) : any ? Number.NaN : undefined,
      nan: this.#nan,
      infinite: this.#infinite,
      ...(this.dtype === 'bool' ? { trues: this.#trues } : {}),
      first: this.#first,
    }
  }
}
