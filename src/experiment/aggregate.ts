import { DeclarationError, refuseUnknown } from '../errors.js'
import { declaredAt } from '../identity/declared.js'
import { functionStage } from './callable.js'
import type { StageContext } from './context.js'
import type { Body } from './decide.js'
import { type AnyOptions, type Checked, checkOptions, paramsSpec } from './declare.js'
import { decorate } from './method.js'
import type { StageRecord } from './record.js'
import type { AggregateRecord } from './records.js'
import type { ObjectOptions, PositionalOptions } from './stage.js'
import type {
  Annotated,
  AnyCacherSpec,
  BodyValues,
  InputSpec,
  InputsOf,
  OutputName,
  OutputSpec,
  OutputsOf,
  ParamsOf,
  ParamsSpec,
  PositionalOutputs,
  PositionalValues,
  StageTypes,
} from './types.js'

/** What an aggregate reads of each record, besides its inputs. */
interface Each<E extends ParamsSpec> {
  /** Which parameters of each record it reads: a Config class or `Class.pick('a', 'b')`. Default: the record's whole set. */
  readonly each?: E
}

type Awaitable<T> = T | Promise<T>
type Read<P> = [P] extends [never] ? Annotated : ParamsOf<P>
type Cachers<O extends readonly unknown[]> = { readonly [K in keyof O]: AnyCacherSpec }
type Options<O> = Omit<O, 'defaults'>

/**
 * A declared computation over many records. Call it with a record of its own and those records; what it makes is in its own record.
 * `E` is what it reads of each record's parameters.
 */
export interface Aggregate<P, E, O extends object> extends StageTypes<P, CalledWithRecords, O> {
  <RP extends P, RS extends object>(
    record: StageRecord<RP, RS>,
    records: readonly StageRecord<E, object>[],
  ): Promise<StageRecord<RP, RS & O>>
  /** The function's name, or the name given. */
  readonly stageName: string
  readonly version: string
  /** Names of its outputs in order. */
  readonly outputNames: readonly string[]
}

/** No record has this among its outputs, so that the compiler refuses an aggregate in a list of stages. */
interface CalledWithRecords {
  readonly 'an aggregate is called with the records it is over': never
}

type AggregateMethod<This, P, R, V> = (this: This, record: StageContext<P>, records: R) => Awaitable<V>

/**
 * Declares an aggregate: a function over the records of several parameter sets, whose outputs are stored like those of a stage.
 *
 * The body gets a record of its own (`params`, places for files) and the list of records, of each of which it sees the parameters
 * named by `each` and the `inputs`; a record that lacks an input says so by `has`. What counts in the key is just that, in no order: the
 * body gets the records in one fixed order, whatever the order at the call.
 *
 * @throws {DeclarationError} for options that cannot work, before anything runs.
 */
export function aggregate<
  O extends Record<string, OutputSpec>,
  V extends BodyValues<O>,
  P extends ParamsSpec = never,
  E extends ParamsSpec = never,
  const I extends readonly InputSpec[] = readonly [],
>(
  options: Options<ObjectOptions<P, I, O>> & Each<E>,
  body: (
    record: StageContext<Read<P>>,
    records: readonly AggregateRecord<Read<E>, InputsOf<I> & object>[],
  ) => Awaitable<V>,
): Aggregate<[P] extends [never] ? unknown : ParamsOf<P>, [E] extends [never] ? unknown : ParamsOf<E>, OutputsOf<O, V>>
export function aggregate<
  const O extends readonly OutputName[],
  const V extends PositionalValues<O, C>,
  const C extends Cachers<O> | undefined = undefined,
  P extends ParamsSpec = never,
  E extends ParamsSpec = never,
  const I extends readonly InputSpec[] = readonly [],
>(
  options: Options<PositionalOptions<P, I, O, C>> & Each<E>,
  body: (
    record: StageContext<Read<P>>,
    records: readonly AggregateRecord<Read<E>, InputsOf<I> & object>[],
  ) => Awaitable<V>,
): Aggregate<
  [P] extends [never] ? unknown : ParamsOf<P>,
  [E] extends [never] ? unknown : ParamsOf<E>,
  PositionalOutputs<O, C, V>
>
export function aggregate<
  O extends Record<string, OutputSpec>,
  P extends ParamsSpec = never,
  E extends ParamsSpec = never,
  const I extends readonly InputSpec[] = readonly [],
>(
  options: Options<ObjectOptions<P, I, O>> & Each<E>,
): <This, M extends AggregateMethod<This, Read<P>, Annotated, BodyValues<O>>>(
  method: M,
  context: ClassMethodDecoratorContext<This, M>,
) => M
export function aggregate(given: AnyOptions & Each<ParamsSpec>, body?: Body): unknown {
  const at = declaredAt()
  if (body !== undefined) return functionStage(checked(given, body.name), body, at)
  return (method: Body, context: ClassMethodDecoratorContext): Body => {
    if (context?.kind !== 'method') {
      throw new DeclarationError('@aggregate decorates methods; use `field = aggregate(options, function)` for a field')
    }
    return decorate(checked(given, String(context.name)), method, String(context.name), at)
  }
}

/** Options of an aggregate as those of a stage: what would be its inputs are those of each record. */
function checked(given: AnyOptions & Each<ParamsSpec>, functionName: string): Omit<Checked, 'source'> {
  if (given === null || typeof given !== 'object') {
    throw new DeclarationError('aggregate takes an object of options and a function')
  }
  const { each, ...options } = given
  const who = `aggregate ${options.name ?? functionName}`
  if (options.defaults !== undefined) refuseUnknown(who, { defaults: options.defaults }, ['name', 'version', 'each'])
  const stage = checkOptions(options, functionName)
  const params = each === undefined ? undefined : paramsSpec(who, each)
  return { ...stage, inputs: [], over: { params, inputs: stage.inputs } }
}
