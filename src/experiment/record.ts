import { ArtifactHandle, isLazy, type Lazy } from '../artifact/lazy.js'
import type { Store } from '../artifact/store.js'
import { CurioError, MissingInputError, NotEncodableError, NotFoundError, nearest } from '../errors.js'
import { canonical } from '../identity/canonical.js'
import { type Digest, sha256 } from '../identity/digest.js'
import type { InputIdentity } from '../identity/key.js'
import type { Origin } from './decide.js'
import type { Experiment, RunOptions } from './experiment.js'
import type { Reporter, StageRun } from './report.js'

/** One name in a record's state. */
export type Slot =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'artifact'; readonly handle: ArtifactHandle<unknown>; readonly how: Placed }

/** Of an output in the state: how it is given out, and the stage it is of. */
export interface Placed {
  readonly lazy: boolean
  readonly resolve: boolean
  readonly stage: string
  /** Undefined in a worker. */
  readonly origin?: Origin
}

/** What a lazily resolved name is a handle on. */
export type HandleOf<T> = [T] extends [Lazy<infer V>] ? Lazy<V> : Lazy<T>

/**
 * One parameter set and what has been made from it: the state that stages read from and write to.
 *
 * Values are loaded when they are asked for, and a stage always gets a fresh copy of an input: changing it changes nothing for others.
 */
export class StageRecord<P = unknown, S extends object = object> {
  readonly params: P
  readonly experiment: Experiment
  /** The record this one was copied from. */
  readonly parent: StageRecord<unknown, object> | undefined
  /** Every stage that was run in this record, in order, and how. */
  readonly stages: StageRun[] = []
  /** Only for types. */
  declare readonly _state?: S

  readonly #slots: Map<string, Slot>
  readonly #loaded = new Map<string, { digest: string; value: Promise<unknown> }>()
  /** For curio: how stages run in this record. */
  readonly runOptions: RunOptions
  /** For curio: who tells how they went. */
  readonly reporter: Reporter

  constructor(
    experiment: Experiment,
    params: P,
    runOptions: RunOptions,
    reporter: Reporter,
    from?: { parent: StageRecord<unknown, object>; slots: ReadonlyMap<string, Slot> },
  ) {
    this.experiment = experiment
    this.params = params
    this.runOptions = runOptions
    this.reporter = reporter
    this.parent = from?.parent
    this.#slots = new Map(from?.slots)
  }

  /** Names in the state. */
  names(): string[] {
    return [...this.#slots.keys()]
  }

  has(name: string): boolean {
    return this.#slots.has(name)
  }

  /**
   * The value under a name. An artifact is loaded now, each time when it is lazy, once otherwise; one declared `resolve: false` comes as its handle.
   *
   * @throws {CurioError} when the record has no such name.
   */
  async get<K extends keyof S & string>(name: K): Promise<S[K]> {
    const slot = this.#known(name)
    if (slot.kind === 'value') return slot.value as S[K]
    if (!slot.how.resolve) return slot.handle as S[K]
    if (slot.how.lazy) return this.#load<S[K]>(name, slot.handle)
    const before = this.#loaded.get(name)
    if (before?.digest === slot.handle.digest) return before.value as Promise<S[K]>
    const value = this.#load(name, slot.handle)
    this.#loaded.set(name, { digest: slot.handle.digest, value })
    value.catch(() => this.#loaded.delete(name))
    return value as Promise<S[K]>
  }

  #load<V>(name: string, handle: ArtifactHandle<unknown>): Promise<V> {
    return this.reporter.during(
      name,
      () => handle.key,
      () => handle.load() as Promise<V>,
    )
  }

  /** A handle on an artifact, without loading it. */
  lazy<K extends keyof S & string>(name: K): HandleOf<S[K]> {
    const slot = this.#known(name)
    if (slot.kind === 'artifact') return slot.handle as unknown as HandleOf<S[K]>
    if (isLazy(slot.value)) return slot.value as HandleOf<S[K]>
    throw new CurioError(`${name} was set by hand and is no artifact`, { hint: 'use record.get' })
  }

  /** Puts a value into the state by hand. It counts in the keys of the stages that read it, by the hash of its encoding. */
  set<K extends string, V>(name: K, value: V): StageRecord<P, Omit<S, K> & { [N in K]: V }> {
    this.#slots.set(name, { kind: 'value', value })
    return this as unknown as StageRecord<P, Omit<S, K> & { [N in K]: V }>
  }

  /** A record with the same state and, if given, parameters of its own: share what does not depend on them. */
  copy(): StageRecord<P, S>
  copy<P2>(params: P2): StageRecord<P2, S>
  copy<P2>(params: P | P2 = this.params): StageRecord<P | P2, S> {
    return new StageRecord<P | P2, S>(this.experiment, params, this.runOptions, this.reporter, {
      parent: this as never,
      slots: this.#slots,
    })
  }

  /** The run's signal. */
  get signal(): AbortSignal | undefined {
    return this.runOptions.signal
  }

  /** Only in the body of a stage, whose record has it: here so that a decorated method can be called with a record. */
  getPath(name: string): string {
    throw new CurioError(`getPath('${name}') is for the body of a stage`, {
      hint: 'outside of one, record.lazy(name).path is a file',
    })
  }

  /** Only in the body of a stage, as `getPath`. */
  getDir(name: string): string {
    return this.getPath(name)
  }

  /** Only in the body of a stage, as `getPath`; empty here. */
  readonly cachers: Readonly<Record<string, never>> = {}

  /** The store the artifacts are in. */
  store(): Promise<Store> {
    return this.experiment.store()
  }

  /** For curio: puts a stage's output into the state. */
  place(name: string, handle: ArtifactHandle<unknown>, how: Placed): void {
    this.#slots.set(name, { kind: 'artifact', handle, how })
  }

  /** For curio: what stands under a name. */
  slot(name: string): Slot | undefined {
    return this.#slots.get(name)
  }

  /** For curio: a name in the state as a stage's input. It stays what it is now, whatever later stages put under that name. */
  input(stage: string, name: string): StageInput {
    const slot = this.#slots.get(name)
    if (slot === undefined) throw new MissingInputError(stage, name, this.names())
    if (slot.kind === 'value') return valueInput(name, slot.value)
    const { handle } = slot
    const { resolve } = slot.how
    const { digest } = handle
    // Where its bytes were gone, and computing them again gave others, what was decided for the old digest does not hold.
    const confirm = async (): Promise<void> => {
      if (handle.digest !== digest || !(await handle.stillValid())) throw new InputsChanged(stage, name, handle.key)
    }
    const load = async (signal?: AbortSignal): Promise<unknown> => {
      // A program is about to be given its path: bytes that are gone are computed again now, not missed there.
      if (!resolve) await handle.ready()
      const value = resolve ? await handle.load(signal) : handle
      await confirm()
      return value
    }
    return { identity: { artifact: digest }, from: handle.key, handle, load, confirm }
  }

  #known(name: string): Slot {
    const slot = this.#slots.get(name)
    if (slot !== undefined) return slot
    const near = nearest(name, this.names())
    throw new CurioError(`the record has no ${name}; it has ${this.names().join(', ') || 'nothing yet'}`, {
      hint: near === undefined ? 'run the stage that makes it first' : `did you mean ${near}?`,
    })
  }
}

/** How an input of one run of a stage counts, and how to get a fresh value of it. */
export interface StageInput {
  readonly identity: InputIdentity
  /** Key of the entry it comes from. */
  readonly from?: string
  /** Of an artifact. */
  readonly handle?: Lazy
  /** What it is made of, for the entry: the inputs of each record of an aggregate. */
  readonly parts?: readonly (readonly [name: string, input: StageInput])[]
  load(signal?: AbortSignal): Promise<unknown>
  /** After the body has run: throws when what it was given is no longer what was counted. */
  confirm?(stage: string): void | Promise<void>
}

/**
 * An input that was set by hand, given at the call, or is a default. A body that changes it would do so on this run, and not on one
 * that finds the outputs stored.
 *
 * @param now gives the value as it is after the body has run.
 */
export function valueInput(name: string, value: unknown, now: () => unknown = () => value): StageInput {
  const counted = valueIdentity(name, value)
  if (isLazy(value)) return handleInput(name, value, counted)
  const load = async (): Promise<unknown> => value
  const isSame = (): boolean => {
    try {
      return valueIdentity(name, now()).value === counted.value
    } catch (error) {
      if (error instanceof NotEncodableError) return false
      throw error
    }
  }
  const confirm = (stage: string): void => {
    if (isSame()) return
    throw new CurioError(`stage ${stage} changed ${name} in place; it counts by its value before`, {
      hint: `a run that finds the outputs stored would leave ${name} as it was: work on a copy, and return what is new as an output`,
    })
  }
  return { identity: counted, load, confirm }
}

/** A handle that was given by hand: the stage gets it as it is, and it must stay the one that was counted. */
function handleInput(name: string, handle: Lazy, identity: InputIdentity): StageInput {
  const { digest } = handle
  const confirm = (stage: string): void => {
    if (handle.digest !== digest) throw new InputsChanged(stage, name, digest)
  }
  const load = async (): Promise<unknown> => {
    if (handle instanceof ArtifactHandle) await handle.ready()
    confirm(name)
    return handle
  }
  return { identity, handle, load, confirm }
}

/** An input came back different from what the key was made of. */
export class InputsChanged extends NotFoundError {
  constructor(stage: string, input: string, key: string) {
    super(`what input ${input} of stage ${stage} was`, key, {
      hint: 'its bytes were gone, and it came out different when it was computed again: run the stages again',
    })
  }
}

/**
 * How a value that is no artifact of the state counts in a key. A handle among them counts as the handle that the stage gets, not as
 * the artifact whose value it would get from the state.
 */
function valueIdentity(name: string, value: unknown): { readonly value: Digest } {
  try {
    return { value: sha256(canonical(value, name)) }
  } catch (error) {
    if (!(error instanceof NotEncodableError)) throw error
    throw new NotEncodableError(error.path, error.reason, {
      cause: error,
      hint: 'make it the output of a stage with a cacher, so that it counts by its bytes; or pass plain data from which the stage can build it',
    })
  }
}
