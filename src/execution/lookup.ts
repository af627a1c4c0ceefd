import { gone } from '../artifact/item-codec.js'
import { NotFoundError } from '../errors.js'
import { entryOf } from './entry.js'
import type { Node } from './node.js'
import { Pipe } from './pipe.js'
import { errorOf } from './work.js'

/** How far the result of a step for one value is. */
export type ItemStatus = 'not submitted' | 'running' | 'completed' | 'failed'

/** What is kept of a step for one value. Nothing here computes. */
export class Lookup<T> {
  readonly #pipe: Pipe
  /** What the value goes by. */
  readonly uid: string

  /** For curio: made by `step.lookup(value)`. */
  constructor(node: Node, args: readonly unknown[]) {
    this.#pipe = new Pipe(node)
    this.uid = entryOf(node, args, true).uid
  }

  /** The folder that has its results; undefined where none are kept on disk. */
  async folder(): Promise<string | undefined> {
    return this.#pipe.keeper?.folder()
  }

  /** Without decoding it. `running`: by this process or another, as far as can be told. */
  async status(): Promise<ItemStatus> {
    const work = await this.#pipe.keeper?.known()
    if (work === undefined) return 'not submitted'
    const { shelf, ram } = work
    if (ram?.has(this.uid) === true) return 'completed'
    const [record] = shelf?.lookAgain([this.uid]) ?? []
    if (record !== undefined && record.kind !== 'error') return 'completed'
    if (shelf?.claims.isHeld(this.uid) === true) return 'running'
    return record === undefined ? 'not submitted' : 'failed'
  }

  /**
   * The result.
   *
   * @throws {CachedError} the error that is kept, {NotFoundError} when there is neither.
   */
  async result(): Promise<T> {
    const work = await this.#pipe.keeper?.known()
    const box = await work?.ram?.get(this.uid)
    if (box !== undefined) return box.value as T
    const [record] = work?.shelf?.lookAgain([this.uid]) ?? []
    if (record?.kind === 'error') throw errorOf(record)
    const value = record === undefined ? gone : await work!.codec.decode(record)
    if (value !== gone) return value as T
    throw new NotFoundError(`a result for ${this.uid}`, work?.where ?? 'a step that keeps none')
  }

  /** Forgets the result, or the error. @param recursive those of the steps before it, too. */
  async clearCache({ recursive = false }: { readonly recursive?: boolean } = {}): Promise<void> {
    await this.#pipe.clear(this.uid, recursive)
  }
}
