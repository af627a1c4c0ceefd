import { gone } from '../artifact/item-codec.js'
import { CurioError } from '../errors.js'
import type { Done } from './batch.js'
import { computeMissing } from './missing.js'
import { errorOf, read, type Slot, type Work } from './work.js'

/** How long what is claimed may wait for somebody to ask for it. */
const patienceMs = 1000

/** Computing what is missing, as far as somebody asks for it. */
export class Pass<I, O> {
  readonly #work: Work<I, O>
  readonly #abort = new AbortController()
  readonly #steps: AsyncGenerator<readonly Done[]>
  /** What was done and not yet asked for. */
  readonly #done = new Map<string, Done | undefined>()
  readonly #taken: string[] = []
  readonly #todo: ReadonlyMap<string, I>
  #failure: { readonly error: unknown } | undefined
  #isOver = false
  /** Whether somebody has asked for a result since the last look, and how many wait for one. */
  #isAsked = false
  #waiting = 0
  #isDriven = false
  readonly #patience: NodeJS.Timeout

  constructor(work: Work<I, O>, todo: ReadonlyMap<string, I>) {
    this.#work = work
    this.#todo = todo
    const { signal } = work
    this.#steps = computeMissing(
      work,
      todo,
      signal === undefined ? this.#abort.signal : AbortSignal.any([signal, this.#abort.signal]),
      () => void this.#drive(),
    )
    // What is claimed must not lie about while its asker does something else: others may wait for it, and he for them.
    this.#patience = setInterval(() => {
      if (!this.#isAsked && this.#waiting === 0) void this.#drive()
      this.#isAsked = false
    }, patienceMs).unref()
  }

  /** Whether it is one of those that it computes. */
  covers(uid: string): boolean {
    return this.#todo.has(uid)
  }

  /** Whether it need not be waited for. */
  has(uid: string): boolean {
    if (this.#done.has(uid)) return true
    const { mode, forced, ram } = this.#work
    return ram?.has(uid) === true && (mode !== 'force' || forced.has(uid))
  }

  /** The result of one item. What comes after a failed one is not computed. */
  async result(uid: string): Promise<Slot<O>> {
    this.#isAsked = true
    this.#waiting += 1
    while (!this.has(uid) && !this.#isOver) await this.#step()
    this.#waiting -= 1
    if (this.#failure !== undefined && isBroken(this.#failure.error)) return this.#failure
    const done = this.#done.get(uid)
    // Asked for again, it is read again; what is not stored is all there is, of which each time another copy is given.
    const isStored = done !== undefined && this.#isStored(done)
    if (isStored) this.#done.set(uid, undefined)
    if (done !== undefined) {
      if (done.kind === 'error') return { error: errorOf(done) }
      const value = await this.#work.codec.decode(isStored ? done : { ...done, payload: new Uint8Array(done.payload) })
      if (value !== gone) {
        this.#work.ram?.know(uid, value)
        return { value }
      }
    }
    // What a forced run has not computed is what was there before it.
    const { mode, forced } = this.#work
    if (mode === 'force' && !forced.has(uid) && this.#failure !== undefined) return this.#failure
    const [slot] = await read({ ...this.#work, mode: 'cached' }, [uid])
    // Of this very call, the error itself; what is kept of it is for the next one.
    if (slot !== undefined && ('value' in slot || this.#failure === undefined)) return slot
    return (
      this.#failure ?? {
        error: new CurioError(`${this.#work.where}: item ${uid} was computed, and is not there`, {
          hint: 'run it again',
        }),
      }
    )
  }

  async #step(): Promise<void> {
    try {
      const next = await this.#steps.next()
      if (next.done === true) this.#isOver = true
      else this.#take(next.value)
    } catch (error) {
      this.#isOver = true
      this.#failure ??= { error }
      if (isBroken(error)) this.#forget()
    }
  }

  /** To the end of the user's code: only then it is known whether it kept the rules. */
  async finish(): Promise<void> {
    while (!this.#isOver) await this.#step()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Goes on to the end, though nobody asks. */
  async #drive(): Promise<void> {
    if (this.#isDriven) return
    this.#isDriven = true
    while (!this.#isOver) await this.#step()
  }

  #take(done: readonly Done[]): void {
    const { mode, forced, ram, shelf } = this.#work
    for (const item of done) {
      const isStored = this.#isStored(item)
      // What was there before must not be taken for it.
      if (mode === 'force' && item.kind !== 'error' && (isStored || shelf === undefined)) forced.add(item.key)
      ram?.set(item.key, item)
      // What nobody has asked for yet need not be held: it is stored.
      this.#done.set(item.key, this.#isDriven && isStored && item.kind !== 'error' ? undefined : item)
      this.#taken.push(item.key)
    }
    this.#work.progress?.(this.#taken.length, this.#todo.size)
  }

  #isStored(item: Done): boolean {
    return this.#work.shelf !== undefined && item.isStored !== false
  }

  /** After a break of the rules nobody knows which result is whose: none of this pass counts, in memory as on disk. */
  #forget(): void {
    this.#done.clear()
    for (const key of this.#taken) {
      this.#work.ram?.delete(key)
      this.#work.forced.delete(key)
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#patience)
    this.#abort.abort()
    await this.#steps.return(undefined).catch(() => undefined)
  }
}

function isBroken(error: unknown): boolean {
  return CurioError.is(error, 'ERR_BATCH_PROTOCOL')
}
