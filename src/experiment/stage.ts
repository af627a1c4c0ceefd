import { isLazy } from '../artifact/lazy.js'
import { DeclarationError } from '../errors.js'
import type { PlaceInput } from '../execution/options.js'
import { identity } from '../identity/canonical.js'
import { classId, ownerOf } from '../identity/class-id.js'
import { isConfigClass } from '../identity/config.js'
import { checkId, type DeclaredAt, declaredAt, declareOnce, idOf } from '../identity/declared.js'
import { sourceOf } from '../identity/source.js'
import type { StageContext } from './context.js'
import type { Body, StageSpec } from './decide.js'
import { type AnyOptions, type Checked, checkOptions } from './declare.js'
import { StageRecord } from './record.js'
import { runStage } from './run.js'
import { lineageOf } from './self.js'
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
   * worker, the stage, or the class whose method it is, must be exported by its module.
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

/** For `stage` and `aggregate`: what a function with checked options is. */
export function functionStage(
  checked: Omit<Checked, 'source'>,
  body: Body,
  at: DeclaredAt | undefined,
): Stage<unknown, object, object> {
  const id = checkId(idOf(checked.named, at, body.name), checked.version)
  const source = sourceOf(body)
  declareOnce(id, checked.version, at?.place, checked.named !== undefined, source.sha256)
  return asStage({ ...checked, id, source, body, self: undefined }, at?.file)
}

/** A body gets something else as its record: a stage that calls a stage could not say what it reads. */
function checkRecord(name: string, record: unknown): void {
  if (record instanceof StageRecord) return
  throw new DeclarationError(`stage ${name} takes a record of an experiment`, {
    hint: 'a stage is not called in the body of another: run it before, and name it among the inputs',
  })
}

/** @param more inputs given at the call; to an aggregate, its records. */
async function start(record: unknown, spec: StageSpec, more: object | undefined): Promise<void> {
  if (spec.over === undefined) {
    checkRecord(spec.name, record)
    await runStage(record as StageRecord, spec, (more ?? {}) as Record<string, unknown>)
    return
  }
  if (!Array.isArray(record)) checkRecord(spec.name, record)
  if (!Array.isArray(more)) {
    throw new DeclarationError(`aggregate ${spec.name} takes a record of its own and a list of records`, {
      hint: `${spec.name}(experiment.record(), await experiment.run([…parameter sets], [ …stages ]))`,
    })
  }
  await runStage(record as StageRecord, spec, {}, more as StageRecord[])
}

/** @param file of a function: the module that exports the stage. */
function asStage(
  made: Omit<StageSpec, 'origin'> & Partial<Pick<StageSpec, 'origin'>>,
  file?: string,
): Stage<unknown, object, object> {
  const run = async (record: StageRecord, more?: object): Promise<StageRecord> => {
    await start(record, spec, more)
    return record
  }
  const spec: StageSpec = { ...made, origin: made.origin ?? { exported: run, file } }
  Object.defineProperty(run, 'name', { value: spec.name })
  return Object.assign(run, {
    stageName: spec.name,
    version: spec.version,
    outputNames: [...spec.outputs.keys()],
    inputNames: [...spec.inputs],
    spec,
  }) as unknown as Stage<unknown, object, object>
}

/** The spec behind a stage, for the experiment that runs it. */
export function specOf(value: unknown): StageSpec | undefined {
  return typeof value === 'function' ? (value as { spec?: StageSpec }).spec : undefined
}

/** For curio, in a worker: the outputs that a stage was declared with. */
export function outputsOf(exported: object, member: string | undefined): StageSpec['outputs'] | undefined {
  if (member === undefined) return specOf(exported)?.outputs
  const { prototype } = exported as { prototype?: Record<string, object> }
  return methods.get(prototype?.[member] ?? (exported as Record<string, object>)[member] ?? {})?.outputs
}

const methods = new WeakMap<object, { specFor(self: object): StageSpec; readonly outputs: StageSpec['outputs'] }>()

/** For `stage` and `aggregate`: what a method with checked options becomes. */
export function decorate(
  checked: Omit<Checked, 'source'>,
  method: Body,
  member: string,
  at: DeclaredAt | undefined,
): Body {
  const source = sourceOf(method)
  const hidden = privateField(method)
  const declared = new Map<string, object>()
  const specFor = (self: object): StageSpec => {
    if (hidden !== undefined && typeof self !== 'function' && !(identity in self)) {
      throw new DeclarationError(`${member} reads a #private field, ${hidden}, which no key can see`, {
        hint: 'make it an ordinary field (`private` in TypeScript is one), or give the class a [Symbol.for("curio.identity")]() method that says what counts',
      })
    }
    const owner = ownerOf(self, wrapped, member)
    const id = checkId(idOf(checked.named, at, `${owner.name}.${member}`), checked.version)
    const before = declared.get(id)
    if (before === undefined) {
      declareOnce(id, checked.version, at?.place, checked.named !== undefined, source.sha256)
      declared.set(id, owner)
    } else if (before !== owner && checked.named === undefined) {
      throw new DeclarationError(`two classes called ${owner.name} inherit ${member}`, {
        hint: 'give one of them another name: their results would be taken for each other',
      })
    }
    const lineage = lineageOf(self, wrapped, member)
    const origin = { exported: owner, member, file: isConfigClass(owner) ? classId(owner).file : at?.file }
    return { ...checked, id, source, origin, body: method.bind(self) as Body, self: { object: self, lineage } }
  }
  const wrapped = async function (this: object, record: StageContext<unknown>, more?: object): Promise<unknown> {
    checkRecord(member, record)
    const spec = specFor(this)
    await start(record, spec, more)
    const target = record as unknown as StageRecord<unknown, Record<string, unknown>>
    const values: Record<string, unknown> = {}
    for (const name of spec.outputs.keys()) {
      const value = await target.get(name)
      // The method's type says the value, also of an output whose other readers get the handle.
      values[name] = isLazy(value) ? await value.load() : value
    }
    if (spec.positional === undefined) return values
    return spec.positional === 1 ? Object.values(values)[0] : Object.values(values)
  }
  Object.defineProperty(wrapped, 'name', { value: member })
  methods.set(wrapped, { specFor, outputs: checked.outputs })
  return wrapped as unknown as Body
}

/** The name of a #private field (not a method) that a function's text reads of `this`, as written or as transpilers lower it. */
function privateField(method: Body): string | undefined {
  const text = Function.prototype.toString.call(method)
  return (
    /\bthis\.(#[\w$]+)(?![\w$]|\s*\()/.exec(text)?.[1] ??
    /__privateGet\(this, _([\w$]+)\)/.exec(text)?.[1] ??
    /__classPrivateFieldGet\(this, _(?:\w+_)?([\w$]+), "f"\)/.exec(text)?.[1]
  )
}

/** The stage a decorated method is. */
export type StageOfMethod<M> = M extends (record: StageContext<infer P>, inputs: infer I) => Awaitable<infer V>
  ? Stage<P, I & object, OutputsOfMethod<V>>
  : never
/** In the positional form a method's type does not say how its outputs are called. */
type OutputsOfMethod<V> = V extends object
  ? V extends readonly unknown[]
    ? Readonly<Record<string, Annotated>>
    : V
  : Readonly<Record<string, Annotated>>

/** The typed stage of a method decorated by `@stage`, to put in a run or in another stage's inputs. */
export function stageOf<T extends object, K extends keyof T & string>(
  object: T,
  method: K,
): NoInfer<StageOfMethod<T[K]>> {
  const found = methods.get(object[method] as object)
  if (found === undefined) {
    throw new DeclarationError(`${method} is not decorated by @stage`, {
      hint: `put @stage({ outputs: … }) above ${method}`,
    })
  }
  return asStage(found.specFor(object)) as never
}
