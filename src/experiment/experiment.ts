import { randomUUID } from 'node:crypto'
import { Store } from '../artifact/store.js'
import { DeclarationError, MissingInputError, nearest, refuseUnknown } from '../errors.js'
import type { StoreOptions } from '../store/store.js'
import type { StageSpec } from './decide.js'
import { checkMode } from './declare.js'
import { StageRecord } from './record.js'
import { Reporter } from './report.js'
import { runStage } from './run.js'
import { specOf } from './stage.js'
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
    const checked = checkRunOptions(options)
    const progress = checked.progress ?? this.#options.progress ?? process.env.CURIO_PROGRESS !== '0'
    return new StageRecord<P | undefined>(this, params, checked, new Reporter(progress))
  }

  /**
   * Runs stages in their order in a new record. A list that cannot run in that order is refused by the compiler, and before anything runs.
   *
   * @returns the record, with every output.
   */
  async run<P, T extends readonly AnyStage[]>(
    params: P,
    stages: readonly [...T] & Runnable<T, P>,
    options: RunOptions = {},
  ): Promise<StageRecord<P, OutputsOfAll<T> & object>> {
    const specs = (stages as readonly unknown[]).map((one, i) => {
      const spec = specOf(one)
      if (spec === undefined) throw new DeclarationError(`element ${i} of the stages of ${this.name} is not a stage`)
      return spec
    })
    checkOrder(specs)
    checkForced(options.force ?? [], specs)
    const record = this.record(params, options)
    for (const spec of specs) await runStage(record, spec)
    return record as unknown as StageRecord<P, OutputsOfAll<T> & object>
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
