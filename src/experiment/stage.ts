import { DeclarationError } from '../errors.js'
import type { PlaceInput } from '../execution/options.js'
import { declaredAt } from '../identity/declared.js'
import { functionStage } from './callable.js'
import type { StageContext } from './context.js'
import type { Body } from './decide.js'
import { type AnyOptions, checkOptions } from './declare.js'
import { decorate } from './method.js'
import type {
  Annotated,
  AnyCacherSpec,
  BodyValues,
  Filled,
  InputSpec,
  InputsOf,
  Needed,
  OutputName,
  OutputSpec,
  OutputsOf,
  ParamsOf,
  ParamsSpec,
  PositionalOutputs,
  PositionalValues,
  Stage,
} from './types.js'

/** Options of a stage, whatever its form. */
export interface StageOptions {
  /** Default: module path and function name. Give one where there is neither, or to keep results when code moves. */
  readonly name?: string
  /** Change it when the code's meaning changes. Default `'1'`. */
  readonly version?: string
  /** What a changed source does to stored results: say so once (`'warn'`, default), `'recompute'`, or `'ignore'`. Helpers are not seen. */
  readonly codeChange?: 'warn' | 'recompute' | 'ignore'
  /** Fail when computing again gives different bytes. Default false. */
  readonly deterministic?: boolean
  /** Cache policy of this stage, where the run does not say. Default `'cached'`. */
  readonly mode?: 'cached' | 'force' | 'read-only'
  /**
   * Where it is computed: `{ cluster: 'processpool' }`, with the options of a task's infra that say how. Default: in this process. For a
   * worker, the stage must be declared at the top of its module, which must export the classes of its parameters and of methods.
   */
  readonly infra?: PlaceInput
}

type Awaitable<T> = T | Promise<T>

/** Object form: outputs by name with their cachers. */
export interface ObjectOptions<
  P extends ParamsSpec,
  I extends readonly InputSpec[],
  O extends Record<string, OutputSpec>,
  D extends object = object,
> extends StageOptions {
  /** Which parameters the stage reads: a Config class or `Class.pick('a', 'b')`. Default: the record's whole set. */
  readonly params?: P
  /** Stages whose outputs it reads, or names. Default none. */
  readonly inputs?: I
  /** Inputs that may be missing, and what they are then. */
  readonly defaults?: D
  /** Output name → cacher class or instance, `lazy(…)` of one, or `null` for the cacher that fits the value. */
  readonly outputs: O
}

/** Positional form, as in Curifactory: two lists paired by position. */
export interface PositionalOptions<
  P extends ParamsSpec,
  I extends readonly InputSpec[],
  O extends readonly OutputName[],
  C,
  D extends object = object,
> extends StageOptions {
  readonly params?: P
  readonly inputs?: I
  readonly defaults?: D
  /** Names, or `Lazy('name')`. */
  readonly outputs: O
  /** As many as outputs. Default: the cacher that fits each value. */
  readonly cachers?: C
}

type Cachers<O extends readonly unknown[]> = { readonly [K in keyof O]: AnyCacherSpec }

/** A method of a class, decorated by `@stage`. */
type Method<This, P, V> = (this: This, record: StageContext<P>, inputs: Annotated) => Awaitable<V>

/**
 * Declares a stage: a function whose named outputs are stored once per parameters and inputs, and loaded ever after.
 *
 * The body gets a record (its declared parameters, places for files) and its inputs by name, and returns its outputs by name. In the
 * positional form it returns one value bare, or several as a tuple. Without a function it is a decorator for a method.
 *
 * @throws {DeclarationError} for options that cannot work, before anything runs.
 */
export function stage<
  O extends Record<string, OutputSpec>,
  V extends BodyValues<O>,
  P extends ParamsSpec = never,
  const I extends readonly InputSpec[] = readonly [],
  D extends object = object,
>(
  options: ObjectOptions<P, I, O, D>,
  body: (
    record: StageContext<[P] extends [never] ? Annotated : ParamsOf<P>>,
    inputs: Filled<InputsOf<I>, NoInfer<D>>,
  ) => Awaitable<V>,
): Stage<
  [P] extends [never] ? unknown : ParamsOf<P>,
  Needed<InputsOf<I>, D> & object,
  OutputsOf<O, V>,
  InputsOf<I> & object
>
export function stage<
  const O extends readonly OutputName[],
  const V extends PositionalValues<O, C>,
  const C extends Cachers<O> | undefined = undefined,
  P extends ParamsSpec = never,
  const I extends readonly InputSpec[] = readonly [],
  D extends object = object,
>(
  options: PositionalOptions<P, I, O, C, D>,
  body: (
    record: StageContext<[P] extends [never] ? Annotated : ParamsOf<P>>,
    inputs: Filled<InputsOf<I>, NoInfer<D>>,
  ) => Awaitable<V>,
): Stage<
  [P] extends [never] ? unknown : ParamsOf<P>,
  Needed<InputsOf<I>, D> & object,
  PositionalOutputs<O, C, V>,
  InputsOf<I> & object
>
export function stage<
  O extends Record<string, OutputSpec>,
  P extends ParamsSpec = never,
  const I extends readonly InputSpec[] = readonly [],
>(
  options: ObjectOptions<P, I, O>,
): <This, M extends Method<This, [P] extends [never] ? Annotated : ParamsOf<P>, BodyValues<O>>>(
  method: M,
  context: ClassMethodDecoratorContext<This, M>,
) => M
export function stage<
  const O extends readonly OutputName[],
  const C extends Cachers<O> | undefined = undefined,
  P extends ParamsSpec = never,
  const I extends readonly InputSpec[] = readonly [],
>(
  options: PositionalOptions<P, I, O, C>,
): <This, M extends Method<This, [P] extends [never] ? Annotated : ParamsOf<P>, PositionalValues<O, C>>>(
  method: M,
  context: ClassMethodDecoratorContext<This, M>,
) => M
export function stage(options: AnyOptions, body?: Body): unknown {
  const at = declaredAt()
  if (body !== undefined) return functionStage(checkOptions(options, body.name), body, at)
  return (method: Body, context: ClassMethodDecoratorContext): Body => {
    if (context?.kind !== 'method')
      throw new DeclarationError('@stage decorates methods; use `field = stage(options, function)` for a field')
    return decorate(checkOptions(options, String(context.name)), method, String(context.name), at)
  }
}
