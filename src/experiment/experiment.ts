import { randomUUID } from 'node:crypto'
import { Store } from '../artifact/store.js'
import { DeclarationError, MissingInputError, nearest, refuseUnknown } from '../errors.js'
import type { StoreOptions } from '../store/store.js'
import { specOf } from './callable.js'
import type { StageSpec } from './decide.js'
import { checkMode } from './declare.js'
import { StageRecord } from './record.js'
import { Reporter } from './report.js'
import { runStage } from './run.js'
import type { AnyStage, OutputsOfAll, Runnable } from './types.js'

/** How an experiment is set up. */
export interface ExperimentOptions {
  /** Stands in the provenance of what it computes; never in a key, so experiments share what they have in common. */
  readonly name: string
  /** A folder, options of one, or an open store. */
  readonly store: string | StoreOptions | Store
  /**
   * A line a stage on stderr, and a sign of life on a terminal. Default true, or false when CURIO_PROGRESS is 0; warnings are the
   * process's then (`process.on('warning')`).
   */
  readonly progress?: boolean
}

/** How one run goes. */
export interface RunOptions {
  /** `cached` (default), `force` (compute all again), `read-only` (never compute; a miss is an error). */
  readonly mode?: 'cached' | 'force' | 'read-only'
  /** Stages, or their names, to compute again; what is downstream follows only if they come out different. */
  readonly force?: readonly (string | AnyStage)[]
  /** `all`: every output is lazy. `none`: none is, whatever was declared; `resolve: false` stays. Default `declared`. */
  readonly lazy?: 'declared' | 'all' | 'none'
  readonly signal?: AbortSignal | undefined
  /** Overrides the experiment's. */
  readonly progress?: boolean
  /** For curio: made once per run; a forced result that carries it counts as done. */
  readonly token?: string
}

/** Runs stages over parameter sets, with one store. */
export class Experiment {
  readonly name: string
  readonly #options: ExperimentOptions
  #store: Promise<Store> | undefined
  #readOnly: Promise<Store> | undefined

  constructor(options: ExperimentOptions) {
    refuseUnknown('Experiment', options, ['name', 'store', 'progress'])
    if (typeof options.name !== 'string' || options.name === '')
      throw new DeclarationError('an experiment needs a name')
    if (options.store === undefined)
      throw new DeclarationError('an experiment needs a store', { hint: "store: './.curio'" })
    this.name = options.name
    this.#options = options
  }

  /** The store, opened on first use. */
  store(): Promise<Store> {
    const { store } = this.#options
    this.#store ??= store instanceof Store ? Promise.resolve(store) : Store.open(store)
    // A store that could not be opened may be there the next time.
    this.#store.catch(() => {
      this.#store = undefined
    })
    return this.#store
  }

  /** For curio: the same store, opened so that nothing can be written to it, whatever is found there. */
  readOnlyStore(): Promise<Store> {
    const { store } = this.#options
    if (store instanceof Store && store.readOnly) return this.store()
    // Its folder was accepted when it was opened for writing.
    const more = store instanceof Store ? { folder: store.folder, trustWorldWritable: true } : optionsOf(store)
    this.#readOnly ??= Store.open({ ...more, readOnly: true })
    this.#readOnly.catch(() => {
      this.#readOnly = undefined
    })
    return this.#readOnly
  }

  /** A record to run stages in one by one: `const r1 = await load(experiment.record(params))`. */
  record(): StageRecord<undefined>
  record<P>(params: P, options?: RunOptions): StageRecord<P>
  record<P>(params?: P, options: RunOptions = {}): StageRecord<P | undefined> {
    return this.#record(params, checkRunOptions(options), '')
  }

  #record<P>(params: P, options: RunOptions, label: string): StageRecord<P> {
    const progress = options.progress ?? this.#options.progress ?? process.env.CURIO_PROGRESS !== '0'
    return new StageRecord<P>(this, params, options, new Reporter(progress, label))
  }

  /**
   * Runs stages in their order in a new record; for a list of parameter sets in one record each, set after set, where what they have in
   * common is done once. Stages that cannot run in that order are refused by the compiler, and before anything runs.
   *
   * @returns the record, with every output; for a list, the records in its order.
   */
  async run<P, T extends readonly AnyStage[]>(
    params: readonly P[],
    stages: readonly [...T] & Runnable<T, P>,
    options?: RunOptions,
  ): Promise<StageRecord<P, OutputsOfAll<T> & object>[]>
  async run<P, T extends readonly AnyStage[]>(
    params: P,
    stages: readonly [...T] & Runnable<T, P>,
    options?: RunOptions,
  ): Promise<StageRecord<P, OutputsOfAll<T> & object>>
  async run(params: unknown, stages: readonly unknown[], options: RunOptions = {}): Promise<unknown> {
    const specs = stages.map((one, i) => {
      const spec = specOf(one)
      if (spec === undefined) throw new DeclarationError(`element ${i} of the stages of ${this.name} is not a stage`)
      if (spec.over !== undefined) {
        throw new DeclarationError(`${spec.name} is an aggregate, which no single record can run`, {
          hint: `records = await experiment.run(sets, stages), then ${spec.name}(experiment.record(), records)`,
        })
      }
      return spec
    })
    checkOrder(specs)
    checkForced(options.force ?? [], specs)
    // One token for all sets, so that what they share is forced once.
    const checked = checkRunOptions(options)
    const sets: readonly unknown[] = Array.isArray(params) ? params : [params]
    const records = sets.map((set, i) => {
      return this.#record(set, checked, sets.length > 1 ? `${i + 1}/${sets.length} ` : '')
    })
    for (const record of records) for (const spec of specs) await runStage(record, spec)
    return Array.isArray(params) ? records : records[0]
  }
}

function checkRunOptions(options: RunOptions): RunOptions {
  refuseUnknown('run', options, ['mode', 'force', 'lazy', 'signal', 'progress', 'token'])
  if (options.mode !== undefined) checkMode('run', options.mode)
  if (options.lazy !== undefined && !['declared', 'all', 'none'].includes(options.lazy)) {
    throw new DeclarationError(`run: lazy ${JSON.stringify(options.lazy)} is unknown`, {
      hint: "use 'declared', 'all' or 'none'",
    })
  }
  return { ...options, token: options.token ?? randomUUID() }
}

function optionsOf(store: string | StoreOptions): StoreOptions {
  return typeof store === 'string' ? { folder: store } : store
}

/** A forced stage that is not in the run is a mistake of spelling, or of thought. */
function checkForced(force: NonNullable<RunOptions['force']>, specs: readonly StageSpec[]): void {
  const known = specs.map((spec) => spec.name)
  for (const one of force) {
    const name = typeof one === 'string' ? one : one.stageName
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw new DeclarationError(`run: force names ${name}, which is no stage of this run`, {
      hint: near === undefined ? `its stages are ${known.join(', ')}` : `did you mean ${near}?`,
    })
  }
}

function checkOrder(specs: readonly StageSpec[]): void {
  const made = new Set<string>()
  for (const spec of specs) {
    const missing = spec.inputs.find((name) => !made.has(name) && !Object.hasOwn(spec.defaults, name))
    if (missing !== undefined) throw new MissingInputError(spec.name, missing, [...made])
    for (const name of spec.outputs.keys()) made.add(name)
  }
}
