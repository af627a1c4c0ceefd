/** Steps: configurations that turn one value into another, alone or in a chain. */
import type { z } from 'zod'
import { type CacherSpec, cacherInstance } from '../artifact/cacheable.js'
import { CurioError, DeclarationError, refuseUnknown } from '../errors.js'
import { classId, declaration } from '../identity/class-id.js'
import {
  Config,
  type ConfigClass,
  type ConfigInstance,
  type ConfigOptions,
  type ConfigShape,
} from '../identity/config.js'
import type { DeclaredAt } from '../identity/declared.js'
import { sha256 } from '../identity/digest.js'
import { inputs } from '../identity/instances.js'
import { bind, isOpen, isSchema, sequence, type Tag, tag } from '../identity/marks.js'
import { type Source, sourceOf } from '../identity/source.js'
import { type Entry, entryOf, valueUid } from './entry.js'
import { Lookup } from './lookup.js'
import { refuseWhileImporting } from './main.js'
import { isStep, markStep } from './marks.js'
import type { Node } from './node.js'
import { Pipe } from './pipe.js'
import { refuseHidden } from './recipe.js'
import { isIterable, Results } from './results.js'
import { shown } from './show.js'
import { currentSignal } from './signal.js'
import { StepInfra, stepInfra } from './step-infra.js'

/** Options of `Step(shape, options)`. */
export interface StepOptions<I> extends ConfigOptions<I> {
  /** Keeps the results. Default: the cacher that fits each value. */
  // biome-ignore lint/suspicious/noExplicitAny: a cacher of anything
  readonly cacher?: CacherSpec<any, any>
  /** The field that names the class in plain data. Default `type`. */
  readonly discriminator?: string
}

/** What a step is given: one value, or nothing. */
export type StepArguments<T> = T extends { readonly _arguments?: infer A extends readonly unknown[] }
  ? A
  : T extends { compute(...args: infer A): unknown }
    ? A
    : T extends { computeBatch(values: AsyncIterable<infer V>): unknown }
      ? [value: V]
      : readonly unknown[]

/** What a step gives. */
export type StepResult<T> = T extends { readonly _result?: infer R; readonly _arguments?: readonly unknown[] }
  ? R
  : T extends { compute(...args: never[]): infer R }
    ? Awaited<R>
    : T extends { computeBatch(values: never): AsyncIterable<infer R> | Iterable<infer R> }
      ? R
      : unknown

/** One value of those that a step is given. */
export type StepValue<T> =
  StepArguments<T> extends infer A extends readonly unknown[] ? (A extends readonly [] ? never : A[0]) : never

/** What every step can do. You write `compute` (or `computeBatch`); users call `run` (or `runMany`). */
export interface StepMethods {
  readonly infra: StepInfra
  /** The result for one value: from where it is kept, or computed. */
  run(...args: StepArguments<this>): Promise<StepResult<this>>
  /**
   * The results for many values, in their order, one each; computed as they are asked for.
   *
   * @param options `signal`: ends it. Default: that of `withSignal` around the call.
   */
  runMany(
    values: Iterable<StepValue<this>> | AsyncIterable<StepValue<this>>,
    options?: { readonly signal?: AbortSignal },
  ): Results<StepResult<this>>
  /**
   * What tells a value from all others, as text. Default: its content. Override it where that is not data, or too large: a hash of the
   * content. In a chain, that of the first step counts for all.
   */
  // biome-ignore lint/suspicious/noExplicitAny: whoever overrides it says what it takes
  itemUid(value: any): string
  /** What is kept for one value. */
  lookup(...args: StepArguments<this>): Lookup<StepResult<this>>
  /** Whether there is a result for a value. Nothing is computed or decoded. */
  hasCache(...args: StepArguments<this>): Promise<boolean>
  /** Forgets the result, or error, for a value. */
  clearCache(...args: StepArguments<this>): Promise<void>
  /** The step as text: its class, what is not default, and where its results are kept; of a chain, as a tree. */
  show(): string
}

type WithInfra<S extends ConfigShape> = Omit<S, 'infra'> & { readonly infra: ReturnType<typeof stepInfra> }

/** A base class of steps. */
export type StepClass<S extends ConfigShape> = ConfigClass<
  WithInfra<S>,
  Omit<ConfigInstance<WithInfra<S>>, keyof StepMethods> & StepMethods
>

/**
 * Makes a base class of steps from a zod shape:
 * `class Multiply extends Step({ coeff: z.number().default(2) }) { compute(value: number) { return value * this.coeff } }`.
 *
 * Override `compute(value)` for one value at a time, `compute()` for what needs none, or `async *computeBatch(values)` where there is
 * something to set up once for many: it gives exactly one result for each value, in their order.
 */
export function Step<S extends ConfigShape>(shape: S, options: StepOptions<ConfigInstance<S>> = {}): StepClass<S> {
  refuseUnknown('Step', options, ['check', 'cacher', 'discriminator'])
  const { cacher: spec, discriminator = 'type', check } = options
  for (const name of Object.keys(shape)) {
    if (name !== discriminator && !methods.has(name)) continue
    throw new DeclarationError(`a step cannot have a field called ${name}`, {
      hint:
        name === discriminator
          ? "it says which step it is: Step(shape, { discriminator: '…' })"
          : 'steps have a method of that name',
    })
  }
  const cacher = spec === undefined ? undefined : cacherInstance(spec as CacherSpec)
  const whole = { ...shape, infra: (shape as { infra?: z.ZodType }).infra ?? stepInfra() }
  const open = Object.keys(whole).filter((name) => {
    const field = whole[name as keyof typeof whole] as unknown
    return isSchema(field) && holdsOpen(field)
  })
  const Base = Config(whole, check === undefined ? {} : { check: check as never }) as unknown as (new (
    input: unknown,
  ) => { readonly infra: StepInfra; clone(): object }) & { readonly [declaration]: DeclaredAt | undefined }

  class StepBase extends Base {
    static override readonly [declaration]: DeclaredAt | undefined = Base[declaration]
    static readonly discriminator: string = discriminator

    #pipe: Pipe | undefined

    constructor(input: unknown = {}) {
      super(input)
      if (!(this.infra instanceof StepInfra)) {
        throw new DeclarationError(`the infra of ${this.constructor.name} is none of a step`, {
          hint: 'infra: stepInfra({ … })',
        })
      }
      const node = this as unknown as Node
      const body = node[sequence] === undefined ? (node.computeBatch ?? node.compute) : this.constructor
      if (typeof body !== 'function' && this.constructor !== StepBase) {
        throw new DeclarationError(`${this.constructor.name} computes nothing`, {
          hint: 'give it a method compute(value), or computeBatch(values)',
        })
      }
      this.infra.attach({
        member: '',
        body: body as never,
        wrapped: undefined,
        at: undefined,
        source: codeOf(node, body),
        cacher,
      })
      // Made from data by names, it is made again from the steps themselves: a worker may not know the names.
      if (open.length > 0) {
        const made = Object.fromEntries(open.map((name) => [name, (this as unknown as Record<string, unknown>)[name]]))
        inputs.set(this, { ...inputs.get(this), ...made })
      }
    }

    static get [tag](): Tag {
      const { module, name } = classId(this)
      return { field: this.discriminator, name, id: `${module}.${name}` }
    }

    get #way(): Pipe {
      this.#pipe ??= new Pipe(this as unknown as Node)
      return this.#pipe
    }

    /** In a field of a step, or in a chain, it is a copy: the folder of what it is part of is its default. */
    [bind](owner: object): object {
      if (!isStep(owner)) return this
      refuseHidden(this)
      const copy = this.clone() as StepBase
      copy.infra.adopt(() => (owner as StepBase).infra, this.infra.folder)
      return copy
    }

    run(...args: unknown[]): Promise<unknown> {
      refuseWhileImporting(this.constructor.name)
      return this.#run(args)
    }

    // What the value goes by is taken at once, before anything is awaited: whoever gave it may change it.
    async #run(args: readonly unknown[]): Promise<unknown> {
      const pipe = this.#way
      if (pipe.keepsAny) refuseHidden(this)
      const entry = entryOf(this as unknown as Node, args, pipe.keepsAny)
      const box = pipe.inMemory(entry.uid)
      if (box !== undefined) return (box instanceof Promise ? await box : box).value
      return first(pipe.results(one(entry), currentSignal()))
    }

    runMany(
      values: Iterable<unknown> | AsyncIterable<unknown>,
      { signal = currentSignal() }: { readonly signal?: AbortSignal | undefined } = {},
    ): Results<unknown> {
      const node = this as unknown as Node
      refuseWhileImporting(this.constructor.name)
      if (!isIterable(values)) {
        throw new DeclarationError(`${this.constructor.name}.runMany takes a list of values, not ${typeof values}`)
      }
      const pipe = this.#way
      const { keepsAny } = pipe
      const entry = (value: unknown): Entry => entryOf(node, [value], keepsAny)
      const one = async function* (): AsyncGenerator<Entry> {
        for await (const value of values) yield entry(value)
      }
      try {
        return pipe.results(Array.isArray(values) ? values.map(entry) : one(), signal)
      } catch (error) {
        // Told to whoever asks for results, as what goes wrong later is.
        // biome-ignore lint/correctness/useYield: there are none
        return new Results(async function* () {
          throw error
        })
      }
    }

    itemUid(value: unknown): string {
      return valueUid(value)
    }

    lookup(...args: unknown[]): Lookup<unknown> {
      return new Lookup(this as unknown as Node, args)
    }

    async hasCache(...args: unknown[]): Promise<boolean> {
      return (await this.lookup(...args).status()) === 'completed'
    }

    clearCache(...args: unknown[]): Promise<void> {
      return this.lookup(...args).clearCache()
    }

    show(): string {
      return shown(this as unknown as Node)
    }
  }
  ownUids.add(StepBase.prototype.itemUid)
  markStep(StepBase)
  return StepBase as unknown as StepClass<S>
}

async function first(results: AsyncIterable<unknown>): Promise<unknown> {
  let found: { readonly value: unknown } | undefined
  // To its end, though there is one only: what comes behind it would be against the rules.
  for await (const value of results) found ??= { value }
  if (found === undefined) throw new CurioError('a step gave no result for its value')
  return found.value
}

async function* one(entry: Entry): AsyncGenerator<Entry> {
  yield entry
}

/** What every class of steps has, unless it has its own. */
const ownUids = new WeakSet<object>()

/** What computes a result, and what says which one it is. */
function codeOf(node: Node, body: unknown): Source {
  const source = sourceOf(body ?? '')
  if (ownUids.has(node.itemUid)) return source
  return { ...source, sha256: sha256(`${source.sha256} ${sourceOf(node.itemUid).sha256}`) }
}

/** Whether a field is one for any steps, or holds such. */
function holdsOpen(schema: z.ZodType): boolean {
  if (isOpen(schema)) return true
  return Object.values(schema.def).some((part: unknown) => isSchema(part) && holdsOpen(part))
}

const methods = new Set([
  'run',
  'runMany',
  'itemUid',
  'lookup',
  'hasCache',
  'clearCache',
  'show',
  'compute',
  'computeBatch',
])
