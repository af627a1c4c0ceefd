import type { Cacheable, CacherClass, CacherSpec } from '../artifact/cacheable.js'
import type { Lazy as LazyHandle } from '../artifact/lazy.js'
import type { AnyConfigClass, Picked } from '../identity/config.js'
import type { StageRecord } from './record.js'

/** A type that stands for "whatever the user annotates". */
// biome-ignore lint/suspicious/noExplicitAny: an input given by name alone has the type its user writes down
export type Annotated = any

/** An output kept on disk until it is touched. `resolve: false`: consumers get the handle itself. */
export interface LazyOutput<C extends CacherSpec | undefined = CacherSpec | undefined, R extends boolean = boolean> {
  readonly lazy: true
  readonly cacher: C
  readonly resolve: R
}

/** The same in the positional form: the output's name with it. */
export interface LazyName<N extends string = string, R extends boolean = boolean> extends LazyOutput<undefined, R> {
  readonly name: N
}

/** How one output is declared: its cacher, or a lazy one, or `null` for the cacher that fits the value. */
export type OutputSpec = AnyCacherSpec | LazyOutput | null

/** A cacher whatever its types: only in constraints. */
export type AnyCacherSpec = CacherClass<Annotated, Annotated> | Cacheable<Annotated, Annotated>

/** What a cacher loads. `unknown` for those that load what they were given. */
export type LoadedBy<C> = C extends abstract new (
  ...args: never[]
) => Cacheable<infer L, Annotated>
  ? L
  : C extends Cacheable<infer L, Annotated>
    ? L
    : unknown

/** What a cacher takes. */
export type SavedBy<C> = C extends abstract new (
  ...args: never[]
) => Cacheable<Annotated, infer S>
  ? S
  : C extends Cacheable<Annotated, infer S>
    ? S
    : unknown

type Known<L, Returned> = unknown extends L ? Returned : L

/** What an output is for those who use it. */
type Flows<Spec, Returned> =
  Spec extends LazyOutput<infer C, infer R>
    ? R extends false
      ? LazyHandle<Known<LoadedBy<C>, Returned>>
      : Known<LoadedBy<C>, Returned>
    : Known<LoadedBy<Spec>, Returned>

/** What the body must return for an output. */
type Returns<Spec> = Spec extends LazyOutput<infer C, boolean> ? SavedBy<C> : SavedBy<Spec>

/** Names of outputs and what they are for those who use them, object form. */
export type OutputsOf<O, V> = { [K in keyof O]: Flows<O[K], K extends keyof V ? V[K] : unknown> }
/** What the body returns, object form: each value, or its cacher where a program wrote the file. */
export type BodyValues<O> = { [K in keyof O]: Returns<O[K]> | Cacheable<unknown, never> }

export type OutputName = string | LazyName
type NameOf<E> = E extends LazyName<infer N> ? N : E extends string ? E : never
type SpecAt<E, C> = E extends LazyName<string, infer R> ? LazyOutput<C extends CacherSpec ? C : undefined, R> : C
type At<T, I> = I extends keyof T ? T[I] : unknown
type OnlyOne<O extends readonly unknown[]> = O extends readonly [unknown] ? true : false
type Indices<O extends readonly unknown[]> = Exclude<keyof O, keyof (readonly unknown[])>

/** The same for the positional form: names by position, cachers by position. */
export type PositionalOutputs<O extends readonly OutputName[], C, V> = {
  [I in Indices<O> as NameOf<O[I]>]: Flows<SpecAt<O[I], At<C, I>>, OnlyOne<O> extends true ? V : At<V, I>>
}
export type PositionalValues<O extends readonly OutputName[], C> =
  OnlyOne<O> extends true ? Returns<SpecAt<O[0], At<C, '0'>>> : { [I in keyof O]: Returns<SpecAt<O[I], At<C, I>>> }

/** An input: a stage, all of whose outputs are inputs then; or a name. */
export type InputSpec = AnyStage | string

type Both<U> = (U extends unknown ? (x: U) => void : never) extends (x: infer I) => void ? I : never
type InputOf<E> =
  E extends StageTypes<Annotated, Annotated, infer O> ? O : E extends string ? { [K in E]: Annotated } : never
/** What inputs give to the body. */
export type InputsOf<I extends readonly InputSpec[]> = I extends readonly [] ? object : Both<InputOf<I[number]>>

/** Which parameters a stage reads. */
export type ParamsSpec = AnyConfigClass | Picked<object>
export type ParamsOf<P> =
  P extends Picked<infer F>
    ? F
    : P extends abstract new (
          ...args: never[]
        ) => infer F
      ? F
      : Readonly<Record<string, Annotated>>

/** Type-level face of a stage. */
export interface StageTypes<P, I, O> {
  /** Only for types. */
  readonly _types?: { readonly params: P; readonly inputs: I; readonly outputs: O }
}
export type AnyStage = StageTypes<Annotated, Annotated, Annotated> & { readonly stageName: string }

/** The inputs a record must have: those without a default. */
export type Needed<I, D> = [keyof D] extends [never] ? I : Omit<I, keyof D>
/** What the body gets: where a record lacks an input with a default, the default. */
export type Filled<I, D> = [keyof D] extends [never] ? I : Omit<I, keyof D> & { [K in keyof D & keyof I]: I[K] | D[K] }

/**
 * A declared computation. Call it with a record to run it there; each call gives a record that has its outputs too. `I` is what the
 * record must have, `A` all that may be given at the call in its place.
 */
export interface Stage<P, I extends object, O extends object, A extends object = I> extends StageTypes<P, I, O> {
  <RP extends P, RS extends Omit<I, keyof G>, G extends Partial<A> = object>(
    record: StageRecord<RP, RS>,
    inputs?: G & { readonly [K in Exclude<keyof G, keyof A>]: never },
  ): Promise<StageRecord<RP, RS & O>>
  /** The function's name, or the name given. */
  readonly stageName: string
  readonly version: string
  /** Names of its outputs in order. */
  readonly outputNames: readonly string[]
  /** Names of its inputs in order. */
  readonly inputNames: readonly string[]
}

/** Turns a list of stages into itself where it can run in that order, and into a message on the offending element where not. */
export type Runnable<
  T extends readonly unknown[],
  P,
  S = object,
  Done extends readonly unknown[] = [],
> = T extends readonly [infer H, ...infer Rest]
  ? H extends StageTypes<infer HP, infer HI, infer HO>
    ? P extends HP
      ? S extends HI
        ? Runnable<Rest, P, S & HO, [...Done, H]>
        : readonly [...Done, { readonly 'needs an input that no stage before it makes': Missing<HI, S> }, ...Rest]
      : readonly [...Done, { readonly 'needs parameters of another class': HP }, ...Rest]
    : readonly [...Done, { readonly 'is not a stage': H }, ...Rest]
  : readonly [...Done]

type Missing<I, S> = { [K in Exclude<keyof I, keyof S>]: I[K] } & {
  [K in keyof I & keyof S as S[K] extends I[K] ? never : K]: I[K]
}

/** What a list of stages leaves in the record. */
export type OutputsOfAll<T extends readonly unknown[]> = T extends readonly []
  ? object
  : Both<T[number] extends infer E ? (E extends StageTypes<Annotated, Annotated, infer O> ? O : object) : never>
