/** Steps in sequence, down to one of them: what it computes, from what comes before it, and where its results are. */
import { DeclarationError } from '../errors.js'
import { sequence } from '../identity/marks.js'
import type { Compute, Todo } from './batch.js'
import { dispatchTo } from './elsewhere.js'
import { results } from './engine.js'
import { type Entry, owned } from './entry.js'
import { computed } from './flow.js'
import { dirIn } from './folder.js'
import { isStep } from './marks.js'
import { ensure } from './missing.js'
import { firstOf, type Node, nameOf } from './node.js'
import type { ExecMode } from './options.js'
import type { Place } from './place.js'
import { progressOf } from './progress.js'
import type { Recipe } from './recipe.js'
import { Results } from './results.js'
import type { Shelf } from './shelf.js'
import type { StepInfra } from './step-infra.js'
import { type Travelling, within } from './travel.js'
import type { Dispatch, Work } from './work.js'

/** What surrounds a step. */
interface Around {
  /** Of the chain that it ends: what it keeps is the chain's. */
  readonly mode: ExecMode
  /** All of it is one job, which runs here. */
  readonly inJob: boolean
}

interface Box {
  readonly value: unknown
}

type Entries = AsyncIterable<Entry> | readonly Entry[]

const nothing: Around = { mode: 'cached', inJob: false }

/** A sequence of steps that ends with one. */
export class Pipe {
  readonly mode: ExecMode
  readonly #node: Node
  readonly #before: Pipe | undefined
  /** Of a chain: what it is made of. */
  readonly #inner: Pipe | undefined
  readonly #inJob: boolean
  #memory: Pick<Place, 'ram' | 'forced'> | undefined
  /** For what is to be stored, its input must be what it goes by. */
  readonly #first: Node

  constructor(node: Node, before?: Pipe, { mode, inJob }: Around = nothing) {
    this.#node = node
    this.#before = before
    this.#inJob = inJob
    this.#first = before === undefined ? firstOf(node) : before.#first
    const own = folded(node, mode)
    const parts = node[sequence] ?? []
    for (const [i, part] of parts.entries()) {
      const isLast = i === parts.length - 1
      this.#inner = new Pipe(part, this.#inner ?? before, { inJob, mode: isLast ? own : 'cached' })
    }
    this.mode = folded(node, stronger(mode, (this.#inner ?? before)?.mode ?? 'cached'))
  }

  /** Where the results of its last step are kept: by itself, or of a chain by that step. Undefined: nowhere. */
  get keeper(): Pipe | undefined {
    return this.#node.infra.keeps ? this : this.#inner?.keeper
  }

  /** Whether anything on the way keeps results: only then items need uids. */
  get keepsAny(): boolean {
    return this.#node.infra.keeps || (this.#inner ?? this.#before)?.keepsAny === true
  }

  /** What its results are of; those of a chain are those of its last step. */
  recipe(): Promise<Recipe> {
    return this.#inner?.recipe() ?? this.#own()
  }

  async #own(): Promise<Recipe> {
    return this.#node.infra.stepRecipe(await this.#before?.recipe())
  }

  /** The results for many items. */
  results(entries: Entries, signal: AbortSignal | undefined): Results<unknown> {
    if (this.#node.infra.keeps) return results(() => this.work(signal), entries)
    return new Results(
      async function* (this: Pipe) {
        for await (const result of this.stream(entries, signal)) yield [result]
      }.bind(this),
    )
  }

  /** Forgets what is kept for an item. */
  async clear(uid: string, recursive: boolean): Promise<void> {
    if (this.#node.infra.keeps) {
      const known = await this.known()
      await known?.shelf?.items.delete(uid)
      known?.ram?.delete(uid)
      known?.forced.delete(uid)
    }
    if (this.#inner !== undefined) await this.#inner.clear(uid, recursive)
    else if (recursive) await this.#before?.clear(uid, true)
  }

  /** The results for items at its start, one by one where nothing keeps them. */
  stream(entries: Entries, signal?: AbortSignal): AsyncIterable<unknown> {
    if (this.#node.infra.keeps) return results(() => this.work(signal), entries)
    if (this.#inner !== undefined) return this.#inner.stream(entries, signal)
    return computed(this.#node, this.#valuesFor(entries, signal), signal)
  }

  #valuesFor(entries: Entries, signal: AbortSignal | undefined): AsyncIterable<unknown> {
    return this.#before?.stream(entries, signal) ?? valuesOf(this.#first, entries)
  }

  /**
   * Has the nearest results that are kept on disk computed, before others need them elsewhere.
   *
   * @returns whether they are all there.
   */
  async ensure(entries: readonly Todo<Entry>[], signal: AbortSignal): Promise<boolean> {
    const { infra } = this.#node
    if (infra.keeps && infra.folder !== undefined) {
      // What is not there is not computed: who reads it says so.
      return this.mode === 'read-only' || ensure(await this.work(signal), entries, signal)
    }
    return (await (this.#inner ?? this.#before)?.ensure(entries, signal)) ?? true
  }

  /** The result for an item, where it is in memory and nothing has to be looked at to know that it is the one. */
  inMemory(uid: string): Box | Promise<Box> | undefined {
    const { ram, forced } = this.#memory ?? {}
    return ram === undefined || (this.mode === 'force' && !forced!.has(uid)) ? undefined : ram.get(uid)
  }

  /** The folder of its results; undefined where none are kept on disk. */
  async folder(): Promise<string | undefined> {
    const { folder } = this.#node.infra
    return folder === undefined ? undefined : dirIn(folder, (await this.recipe()).key.text)
  }

  /** What keeps its items, for who only asks; undefined where nothing can have been kept: to ask makes no store. */
  async known(): Promise<Work<Entry, unknown> | undefined> {
    return this.#node.infra.isNew(await this.recipe()) ? undefined : this.work()
  }

  /** What computes its items, and keeps them. */
  async work(signal?: AbortSignal): Promise<Work<Entry, unknown>> {
    const { infra } = this.#node
    const recipe = await this.recipe()
    const { codec, shelf, ram, forced } = await infra.placeOf(recipe)
    // With input files it may be another recipe next time.
    this.#memory = recipe.isFixed ? { ram, forced } : undefined
    const inner = this.#inner
    const isAlone = inner === undefined && this.#before === undefined
    const compute: Compute<Entry, unknown> = isAlone
      ? { run: (entries) => computed(this.#node, ownedBy(this.#first, entries), signal) }
      : {
          run: (values) => (inner === undefined ? computed(this.#node, values, signal) : values),
          upstream: (entries) => inner?.stream(entries, signal) ?? this.#valuesFor(entries, signal),
        }
    return {
      where: recipe.key.text,
      mode: this.mode,
      codec,
      shelf,
      ram,
      forced,
      forbidSingle: infra.options.forbidSingleItemComputation ?? false,
      uidOf: (entry) => entry.uid,
      compute,
      dispatch: shelf === undefined || infra.cluster === 'inline' || this.#inJob ? undefined : this.#dispatch(shelf),
      signal,
      progress: progressOf(nameOf(this.#node)),
    }
  }

  /** A worker gets the steps up to this one, and finds what is kept of those before it. */
  #dispatch(shelf: Shelf<unknown>): Dispatch<Entry> {
    const { infra } = this.#node
    const send = dispatchTo<unknown>(infra, shelf, async (todo, abort) => {
      const entries = todo.map(({ uid, value }) => ({ uid, value: { uid, value } }))
      const isReady = (await this.#before?.ensure(entries, abort)) ?? true
      return {
        ...infra.assign(shelf.recipe, shelf.store, this.mode),
        isStep: true,
        config: travellingChain(this.#path, infra, isReady),
      }
    })
    return (todo, claim, signal) =>
      send(
        todo.map(({ uid, value }) => ({ uid, value: owned(this.#first, value) })),
        claim,
        signal,
      )
  }

  get #path(): readonly Node[] {
    return [...(this.#before === undefined ? [] : this.#before.#path), this.#node]
  }
}

/**
 * Steps in sequence as a chain that keeps the results of its last one, in the place of that one.
 *
 * @param isReady what is kept of those before is there already: none of it is forced again. Otherwise it could not be stored, what is
 * there may be old, and all of it is computed where this arrives; but for what is read-only.
 */
function travellingChain(path: readonly Node[], infra: StepInfra, isReady: boolean): Travelling {
  const isThere = ({ infra }: Node): boolean => infra.keeps && (isReady || infra.mode === 'read-only')
  const before = path.slice(0, -1).flatMap((node) => flattened(node, isThere))
  const steps = [
    ...before.map((node) => {
      const { keeps, afterwards, counting } = node.infra
      return within(node, isStep, keeps ? { infra: isThere(node) ? afterwards : counting } : {})
    }),
    // Of the last only what counts: the chain is what keeps its results.
    within(path.at(-1)!, isStep, { infra: infra.counting }),
  ]
  return { module: '', exported: 'Chain', input: { steps, infra: {} } }
}

/** The steps of a chain that has no results of its own to be found are as good as those around it. */
function flattened(node: Node, isThere: (node: Node) => boolean): readonly Node[] {
  const parts = node[sequence]
  if (parts === undefined || isThere(node)) return [node]
  return parts.flatMap((part) => flattened(part, isThere))
}

const strength: readonly ExecMode[] = ['read-only', 'cached', 'retry', 'force']

function stronger(a: ExecMode, b: ExecMode): ExecMode {
  return strength.indexOf(a) > strength.indexOf(b) ? a : b
}

/** `force` and `retry` go on downstream; `read-only` is for one step, and cannot follow what is computed anew. */
function folded(node: Node, before: ExecMode): ExecMode {
  const own = node.infra.mode
  if (before === 'force' && own === 'read-only') {
    throw new DeclarationError(`${nameOf(node)} is read-only, and comes after a step that is forced`, {
      hint: 'what a forced step gives is new: the steps after it must be computed, too',
    })
  }
  if (before === 'force') return 'force'
  return before === 'retry' && own === 'cached' ? 'retry' : own
}

/** Without a hop through an await for each: what a step costs that computes little. */
function* ownedBy(first: Node, entries: Iterable<Entry>): Generator<unknown> {
  for (const entry of entries) yield owned(first, entry)
}

async function* valuesOf(first: Node, entries: Entries): AsyncGenerator<unknown> {
  for await (const entry of entries) yield owned(first, entry)
}
