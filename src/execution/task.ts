/** A task: a configuration that has one result. */
import { acceptable, described } from '../artifact/accept.js'
import { chooseCacher } from '../artifact/choose.js'
import { noteComputing } from '../artifact/computing.js'
import { ArtifactHandle } from '../artifact/lazy.js'
import { type Computed, obtain, type Request } from '../artifact/once.js'
import { pack } from '../artifact/pack.js'
import { provenance } from '../artifact/provenance.js'
import type { Store } from '../artifact/store.js'
import { CachedError, DeclarationError, ReadOnlyError, StoreIOError } from '../errors.js'
import { unchanged } from '../identity/files.js'
import type { Entry } from '../store/entry.js'
import { clearError, readError, writeError } from '../store/error-file.js'
import { MemoryBlobs } from '../store/memory-blobs.js'
import type { Assignment } from './assignment.js'
import { hasFolders } from './backends/index.js'
import { decorator, type MethodOptions } from './decorate.js'
import { elsewhere } from './elsewhere.js'
import { factsOf, isAboutUser } from './failure.js'
import { Infra } from './infra.js'
import { Job, type JobPaths } from './job.js'
import { Kept } from './kept.js'
import { refuseWhileImporting } from './main.js'
import { bytesInRam, infraSchema, type TaskInput } from './options.js'
import type { Definition, Recipe } from './recipe.js'
import { currentSignal, withSignal } from './signal.js'
import { configIn, lacksConfigs, writeConfigs } from './views.js'

/** What a task's result is called in its entry. */
const resultName = 'result'

/** How far a task is. */
export type TaskStatus = 'not submitted' | 'running' | 'completed' | 'failed'

/** The infra of a task: `xp.infra`. */
export class Task<T = unknown> extends Infra {
  readonly #memory = new Kept()
  #job: Job<T> | undefined

  /** For curio: the result of a method, from wherever it is. */
  obtain(definition: Definition, signal = currentSignal()): Promise<unknown> {
    refuseWhileImporting(`${this.owner.constructor.name}.${definition.member}`)
    return signal === undefined
      ? this.#obtain(definition, undefined)
      : withSignal(signal, () => this.#obtain(definition, signal))
  }

  async #obtain(definition: Definition, signal: AbortSignal | undefined): Promise<unknown> {
    signal?.throwIfAborted()
    const isOwn = definition === this.definition
    const recipe = await this.recipe(definition)
    const kept = isOwn && this.readsMemory ? this.memory.get(recipe.key.hash) : undefined
    if (kept !== undefined && (await kept.stillValid())) return kept.load(signal)
    // What others find in memory meanwhile would be what was before.
    if (isOwn && this.mode === 'force') this.memory.delete(recipe.key.hash)
    const store = await this.store()
    const handle =
      store === undefined
        ? await this.#unstored(definition, recipe)
        : await this.#stored(store, definition, recipe, signal)
    if (!(handle instanceof ArtifactHandle)) return handle.value
    const limit = bytesInRam(this.options.keepInRam)
    if (isOwn && limit !== undefined && handle.bytes <= limit) {
      this.memory.set(recipe.key.hash, await handle.copyTo(new MemoryBlobs()), limit)
    }
    return handle.load(signal)
  }

  /** Without a folder: as if there were no infra, unless results are kept in memory. */
  async #unstored(
    definition: Definition,
    recipe: Recipe,
  ): Promise<ArtifactHandle<unknown> | { readonly value: unknown }> {
    if (this.mode === 'read-only') throw new ReadOnlyError(recipe.name, 'it has no folder, and mode is read-only')
    const value = await this.body(definition)
    if (this.options.keepInRam === undefined || this.options.keepInRam === false) return { value }
    const cacher = definition.cacher ?? (await chooseCacher(value))
    const packed = await pack(new MemoryBlobs(), resultName, cacher, value)
    return new ArtifactHandle(packed, this.#entry(recipe, 0, {}) as Entry, { cacher })
  }

  async #stored(
    store: Store,
    definition: Definition,
    recipe: Recipe,
    signal: AbortSignal | undefined,
  ): Promise<ArtifactHandle<unknown>> {
    const { mode } = this
    const onMiss = (): void => {
      if (mode === 'force' || mode === 'retry') return
      const error = readError(store, recipe.key)
      if (error !== undefined) throw new CachedError(error)
    }
    let config = {}
    const request: Request = {
      key: recipe.key,
      outputs: new Map([[resultName, definition.cacher]]),
      mode: mode === 'retry' ? 'cached' : mode,
      token: this.tokenFor(mode),
      signal,
      accept: (entry) => acceptable(entry, recipe, recipe.warn),
      onMiss,
      compute: async (signal) => {
        config = await configIn(recipe)
        return this.#computed(store, definition, recipe, signal)
      },
      describe: (seconds) => this.#entry(recipe, seconds, config),
      ...(this.cluster === 'inline' || definition !== this.definition
        ? {}
        : { elsewhere: (signal) => elsewhere(this.options, this.assign(recipe, store), recipe.key, store, signal) }),
    }
    const obtained = await obtain(store, request)
    if (obtained.how === 'computed') {
      try {
        clearError(store, recipe.key)
      } catch (error) {
        if (!(error instanceof StoreIOError)) throw error
        // The result stands before it.
        recipe.warn(`an earlier error stays: ${error.message}`, 'not cleared')
      }
    }
    if (obtained.reason !== undefined) recipe.warn(`the result is not kept: ${obtained.reason}`, 'not kept')
    else if (recipe.config !== undefined && (obtained.how === 'computed' || lacksConfigs(store, recipe.key.text))) {
      await writeConfigs(store, recipe.key.text, recipe.config)
    }
    return obtained.handles.get(resultName)!
  }

  async #computed(
    store: Store,
    definition: Definition,
    recipe: Recipe,
    signal: AbortSignal | undefined,
  ): Promise<Computed> {
    try {
      const value = await this.body(definition)
      return {
        values: new Map([[resultName, value]]),
        check: async () => {
          const moved = recipe.params.files.find((file) => !unchanged(file))
          return moved === undefined ? undefined : `${moved.path} changed while the task ran`
        },
      }
    } catch (error) {
      if (isAboutUser(error, signal)) {
        const facts = factsOf(error, recipe.key.text)
        const reason = store.readOnly ? undefined : writeError(store, recipe.key, facts)
        if (reason !== undefined) recipe.warn(`the error is not kept: ${reason}`, 'error not kept')
        noteComputing(error, facts.where)
      }
      throw error
    }
  }

  /** Results in memory. */
  protected get memory(): Kept {
    return this.#memory
  }

  /** Whether what is there counts: of a forced run, only what it has put there. */
  protected get readsMemory(): boolean {
    return true
  }

  /** The user's code. */
  protected async body(definition: Definition): Promise<unknown> {
    return (definition.body as () => unknown).call(this.owner)
  }

  #entry(recipe: Recipe, seconds: number, config: object): ReturnType<Request['describe']> {
    return {
      ...described(recipe),
      provenance: provenance({ task: recipe.name, seconds: Math.round(seconds * 1e6) / 1e6, ...config }),
    }
  }

  /** For curio: in a worker, whose infra is told to work there. */
  protected override async performHere(_assignment: Assignment, signal?: AbortSignal): Promise<void> {
    await this.obtain(this.definition, signal)
  }

  /**
   * How far it is, without running it and without reading its value. `running`: by this process or another, as far as can be told;
   * `failed`: an error is kept, or the last job ended without a result.
   */
  async status(): Promise<TaskStatus> {
    const [store, recipe] = [await this.existing(), await this.recipe()]
    if (store === undefined) return this.#job?.status() ?? 'not submitted'
    if ((await store.lookup(recipe.key)).hit) return 'completed'
    if (this.#job?.status() === 'running' || store.isBusy(recipe.key)) return 'running'
    if (this.#job?.status() === 'failed' || readError(store, recipe.key) !== undefined) return 'failed'
    const { lastStatus } = await import('./backends/job-folder.js')
    return lastStatus(store.dirOf(recipe.key.text)) ?? 'not submitted'
  }

  /** Starts it, unless it was started, and does not wait for it. */
  job(): Job<T> {
    return this.#jobAfter(Promise.resolve())
  }

  #jobAfter(before: Promise<unknown>): Job<T> {
    const { definition } = this
    if (this.#job === undefined || this.#job.status() === 'failed') {
      const name = `${this.owner.constructor.name}.${definition.member}`
      const outer = currentSignal()
      const start = async (signal: AbortSignal): Promise<T> => {
        await before
        return (await this.obtain(definition, outer === undefined ? signal : AbortSignal.any([outer, signal]))) as T
      }
      this.#job = new Job<T>(name, start, () => this.#jobPaths())
    }
    return this.#job
  }

  async #jobPaths(): Promise<JobPaths | undefined> {
    if (!hasFolders(this.cluster)) return undefined
    const { lastJob } = await import('./backends/job-folder.js')
    return lastJob(await this.uidFolder())
  }

  /** Forgets the result, or the error; a job that runs is cancelled. The user's own files in its folder stay. */
  async clearJob(): Promise<void> {
    const [store, { key }] = [await this.existing(), await this.recipe()]
    this.#job?.cancel()
    this.#job = undefined
    this.memory.delete(key.hash)
    if (store === undefined) return
    // The error last: cut short in between, it is a result that is gone, never an old one that comes back.
    await store.forget(key)
    const { forgetLast } = await import('./backends/job-folder.js')
    forgetLast(store.dirOf(key.text))
    clearError(store, key)
  }

  /**
   * Starts many at once: what `fill` puts into its list and has no result yet.
   *
   * @returns the jobs, in their order. In this process (`cluster: null`) they run one after the other.
   * @throws {DeclarationError} for two of one recipe, or none at all, unless that is allowed.
   */
  async jobArray(
    fill: (array: object[]) => unknown,
    options: { readonly allowEmpty?: boolean; readonly allowRepeats?: boolean } = {},
  ): Promise<Job<T>[]> {
    const array: object[] = []
    await fill(array)
    if (array.length === 0 && options.allowEmpty !== true) {
      throw new DeclarationError('a job array without jobs', { hint: 'pass { allowEmpty: true } if that may be' })
    }
    const seen = new Map<string, Task<T>>()
    const tasks: Task<T>[] = []
    for (const config of array) {
      const task = (config as Record<string, unknown>)[this.field]
      if (!(task instanceof Task))
        throw new DeclarationError(`a job array takes configurations with ${this.field}: TaskInfra()`)
      const { key } = await task.recipe()
      const twin = seen.get(key.hash)
      if (twin !== undefined && options.allowRepeats !== true) {
        throw new DeclarationError(`two of a job array are the same: ${key.text}`, {
          hint: `${JSON.stringify(config)} and ${JSON.stringify(twin.owner)}; pass { allowRepeats: true } to run it once`,
        })
      }
      const one = twin ?? (task as Task<T>)
      if (twin === undefined) seen.set(key.hash, one)
      tasks.push(one)
    }
    let before: Promise<unknown> = Promise.resolve()
    return tasks.map((task) => {
      const job = task.#jobAfter(task.cluster === 'inline' ? before : Promise.resolve())
      if (task.cluster === 'inline') before = job.wait()
      return job
    })
  }
}

/**
 * An infra for a configuration with one result: `infra: TaskInfra({ version: '1' })`. What it gives are seeds for what the user gives.
 * `TaskInfra<Loss>()` says what `job().result()` is.
 */
export function TaskInfra<T = unknown>(seeds: TaskInput = {}): ReturnType<typeof infraSchema<Task<T>, TaskInput>> {
  return infraSchema<Task<T>, TaskInput>('task', seeds, (options) => new Task<T>(options))
}

type TaskMethod<This> = (this: This) => Promise<unknown>

/**
 * Keeps the result of a method without arguments: `@task() async run() { … }`. It is computed once per configuration, where its infra
 * says, and loaded ever after.
 */
export function task(
  options: MethodOptions = {},
): <This extends object, M extends TaskMethod<This>>(method: M, context: ClassMethodDecoratorContext<This, M>) => M {
  return decorator<Task>(
    '@task',
    options,
    [],
    Task,
    (infra, definition) => infra.obtain(definition),
    (method) => {
      if (method.length > 0) {
        throw new DeclarationError(`@task ${method.name} takes arguments`, {
          hint: 'a task is defined by its configuration alone: make them fields, or use @map for many items',
        })
      }
    },
  ) as never
}
