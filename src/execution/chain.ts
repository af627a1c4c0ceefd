/** Chains: steps in sequence, that are a step again. */
import type { z } from 'zod'
import { ConfigError, DeclarationError } from '../errors.js'
import { markOpen, sequence, type Tag, tag } from '../identity/marks.js'
import { naming, stepSchema, stepsSchema } from './made.js'
import { isStep } from './marks.js'
import { type Node, nameOf, takenBy } from './node.js'
import type { StepInput } from './options.js'
import { Step, type StepArguments, type StepMethods, type StepResult, type StepValue } from './step.js'
import type { StepInfra } from './step-infra.js'
import { ownClasses } from './travel.js'

/** Any step: given `A`, it gives `R`. */
export interface AnyStep<A extends readonly unknown[] = readonly unknown[], R = unknown> extends StepMethods {
  /** Only for types. */
  readonly _arguments?: A
  /** Only for types. */
  readonly _result?: R
}
/** A step as plain data: its class by name, and its fields. */
export type StepData = { readonly [field: string]: unknown }
/** What stands where a step is wanted: a step, plain data, or several of them in sequence. */
export type StepLike = AnyStep | StepData | readonly StepLike[]

/** Checks neighbours: what a step gives must be what the next one takes. What is made from plain data is checked when it runs. */
export type Linked<S extends readonly unknown[]> = S extends readonly [infer A, infer B, ...infer Rest]
  ? readonly [A, ...Linked<readonly [A extends AnyStep ? (B extends AnyStep ? After<A, B> : B) : B, ...Rest]>]
  : S
type After<A, B> =
  StepArguments<B> extends readonly []
    ? { readonly 'takes nothing: it can only come first': B }
    : Fits<StepResult<A>, StepValue<B>> extends true
      ? B
      : { readonly 'does not take what the step before it gives': StepResult<A> }
type Fits<Given, Taken> = unknown extends Given ? true : [Given] extends [Taken] ? true : false

type FirstOf<S> = S extends readonly [infer A, ...unknown[]]
  ? A extends AnyStep
    ? StepArguments<A>
    : readonly unknown[]
  : readonly unknown[]
type LastOf<S> = S extends readonly [...unknown[], infer Z] ? (Z extends AnyStep ? StepResult<Z> : unknown) : unknown

interface ChainOptions {
  readonly infra?: StepInput | StepInfra
  /** Classes that plain data may name, besides those that are registered. */
  readonly from?: readonly (abstract new (
    ...args: never[]
  ) => object)[]
}

/** A chain of steps `S`. */
export interface Chain<S = readonly unknown[]> extends StepMethods {
  /** Only for types. */
  readonly _arguments?: FirstOf<S>
  /** Only for types. */
  readonly _result?: LastOf<S>
  /** Its steps, in their order, or by name where it was made from named ones. */
  readonly steps: readonly AnyStep[] | Readonly<Record<string, AnyStep>>
  readonly length: number
  /** A step by its place, from the end where it is negative, or by its name. */
  at(place: number | string): AnyStep
  /** Some of its steps, by place or name, as a chain without an infra. */
  slice(start?: number | string, end?: number | string): Chain
  /** A chain with some of its fields, or of its steps' fields, changed: `clone({ 'steps.add.value': 5 })`. */
  clone(diff?: Readonly<Record<string, unknown>>): this
}

/** Makes chains. */
export interface ChainConstructor {
  new <const S extends readonly StepLike[] | Readonly<Record<string, StepLike>>>(
    input: { readonly steps: S & (S extends readonly unknown[] ? Linked<S> : unknown) } & ChainOptions,
  ): Chain<S>
  /** A chain from YAML, such as `toYaml(chain)` writes; its steps are of registered classes. */
  fromYaml(text: string): Promise<Chain>
  /** A chain from JSON. */
  fromJson(text: string): Chain
}

class ChainClass extends Step({
  steps: markOpen(stepsSchema) as unknown as z.ZodType<readonly Node[] | Record<string, Node>>,
}) {
  static override readonly name: string = 'Chain'
  static readonly [tag]: Tag = { field: 'type', name: 'Chain', id: 'curio.Chain' }

  constructor(input: { readonly steps: unknown } & ChainOptions) {
    super(withSteps(input) as never)
    const { options } = this.infra
    if (options.version !== '1') {
      throw new DeclarationError('a chain has no version: its results are those of its last step', {
        hint: 'give it to the step whose code has changed',
      })
    }
    for (const step of flat(this).slice(1)) {
      if (takenBy(step) === 'nothing') {
        throw new DeclarationError(`${nameOf(step)} takes no input, and does not come first in its chain`)
      }
    }
  }

  get [sequence](): readonly Node[] {
    return Object.values(this.steps as object) as Node[]
  }

  get length(): number {
    return this[sequence].length
  }

  at(place: number | string): Node {
    const names = this.#names
    const found = typeof place === 'number' ? this[sequence].at(place) : this[sequence][names.indexOf(place)]
    if (found !== undefined) return found
    throw new DeclarationError(`the chain has no step ${place}`, {
      hint: `it has ${names.length > 0 ? names.join(', ') : `${this.length}, from 0 on`}`,
    })
  }

  slice(start?: number | string, end?: number | string): object {
    const names = this.#names
    const place = (at: number | string | undefined): number | undefined => {
      if (typeof at !== 'string') return at
      this.at(at)
      return names.indexOf(at)
    }
    const parts = this[sequence].slice(place(start), place(end))
    const chosen = names.slice(place(start), place(end))
    return new ChainClass({
      steps: names.length === 0 ? parts : Object.fromEntries(chosen.map((name, i) => [name, parts[i]])),
    })
  }

  get #names(): readonly string[] {
    return Array.isArray(this.steps) ? [] : Object.keys(this.steps)
  }
}

/** What names the classes in `from` is read here. */
function withSteps(input: object | undefined): unknown {
  if (input === undefined || isStep(input) || !('from' in input)) return input
  const { from, steps, ...rest } = input as { from: readonly object[]; steps?: unknown }
  const result = naming(from, () => stepsSchema.safeParse(steps))
  if (result.success) return { ...rest, steps: result.data }
  const texts = result.error.issues.map(
    ({ path, message }) => `${['steps', ...path.map(String)].join('.')}: ${message}`,
  )
  throw new ConfigError(`Chain refuses its input: ${texts.join('; ')}`)
}

function flat(node: Node): readonly Node[] {
  return node[sequence]?.flatMap(flat) ?? [node]
}

ownClasses.set('Chain', ChainClass as never)

export const Chain = ChainClass as unknown as ChainConstructor

/**
 * The zod schema of a field that takes any step: one, plain data that names its class, or a list or object of them, which is a chain.
 *
 * @typeParam A what it is given: `[value: number]`. @typeParam R what it gives.
 */
export function anyStep<A extends readonly unknown[] = readonly unknown[], R = unknown>(): z.ZodType<
  AnyStep<A, R>,
  StepLike
> {
  return markOpen(stepSchema) as unknown as z.ZodType<AnyStep<A, R>, StepLike>
}
