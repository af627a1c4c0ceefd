import { type Cacheable, cacherKind } from '../artifact/cacheable.js'
import type { Mode } from '../artifact/once.js'
import { cacherByName } from '../artifact/registry.js'
import { DeclarationError, nearest } from '../errors.js'
import type { InfraOptions } from '../execution/options.js'
import { type Identified, identity, Verbatim } from '../identity/canonical.js'
import { type AnyConfigClass, isConfig } from '../identity/config.js'
import type { Digest } from '../identity/digest.js'
import { type Key, stageKey } from '../identity/key.js'
import { type ParamsIdentity, paramsIdentity } from '../identity/params.js'
import type { StageContext } from './context.js'
import { type StageInput, type StageRecord, valueInput } from './record.js'
import { type Over, recordsInput } from './records.js'
import { classFields, ownFields } from './self.js'
import type { Annotated } from './types.js'
import { type DeclaredParams, visibleParams } from './visible.js'

/** The user's function. */
export type Body = (record: StageContext<Annotated>, inputs: Annotated) => unknown

/** How one output is kept. */
export interface OutputPlan {
  /** `msgpack`: by that name, loaded when needed. Undefined: chosen for the value. */
  readonly cacher: Cacheable<unknown, unknown> | 'msgpack' | undefined
  readonly lazy: boolean
  readonly resolve: boolean
}

/** A stage as it was declared, checked. */
export interface StageSpec {
  readonly id: string
  readonly name: string
  readonly version: string
  /** Undefined: the record's whole set. */
  readonly params: DeclaredParams | undefined
  readonly inputs: readonly string[]
  readonly outputs: ReadonlyMap<string, OutputPlan>
  /** Number of outputs in the positional form; undefined in the object form. */
  readonly positional: number | undefined
  readonly defaults: Readonly<Record<string, unknown>>
  readonly codeChange: 'warn' | 'recompute' | 'ignore'
  readonly deterministic: boolean
  readonly mode: Mode | undefined
  readonly body: Body
  readonly source: { readonly sha256: Digest; readonly tag: string }
  /** Where it is computed. Undefined: in this process. */
  readonly infra: InfraOptions | undefined
  readonly origin: Origin
  /** The object whose method it is: its fields count. `lineage`: a hash of the classes below the one that declares the method. */
  readonly self: { readonly object: object; readonly lineage: string | undefined } | undefined
  /** Of an aggregate: what it reads of each record. Undefined for a stage. */
  readonly over?: Over
}

/** Where a worker finds a stage: a module declares it, or exports the class whose method it is. */
export interface Origin {
  /** The stage itself, or the class. */
  readonly value: object
  /** Of the stage, unlike others of its module; of the class, that of its export. */
  readonly name: string
  readonly member?: string
  /** Undefined: in no module. */
  readonly file: string | undefined
}

/** What a run of a stage was decided on. */
export interface Plan {
  readonly key: Key
  readonly params: ParamsIdentity
  readonly visible: Readonly<Record<string, unknown>>
  /** The prototype that the whole class of parameters has; of picked fields none. */
  readonly methods: object
  readonly inputs: ReadonlyMap<string, StageInput>
  readonly cachers: ReadonlyMap<string, Cacheable<unknown, unknown> | undefined>
}

/** Everything that makes the key, and the key. */
export async function decide(
  record: StageRecord,
  spec: StageSpec,
  given: Record<string, unknown>,
  over: readonly StageRecord[] | undefined,
): Promise<Plan> {
  const { visible, methods, ...declared } = await visibleParams(record, spec.name, spec.params)
  const inputs = inputsOf(record, spec, given)
  if (spec.over !== undefined) {
    const { input, params } = await recordsInput(spec.name, spec.over, over ?? [])
    inputs.set('records', input)
    declared.params = { ...declared.params, ...params(declared.params) }
  }
  const self = spec.self === undefined ? undefined : await selfInput(spec.self)
  if (self?.input !== undefined) inputs.set('this', self.input)
  const params = self?.params === undefined ? declared.params : joined(declared.params, self.params)
  const cachers = new Map<string, Cacheable<unknown, unknown> | undefined>()
  for (const [name, { cacher }] of spec.outputs) {
    cachers.set(name, cacher === 'msgpack' ? await cacherByName('msgpack') : cacher)
  }
  const key = stageKey({
    id: spec.id,
    version: spec.version,
    params: params.key,
    labels: params.labels,
    inputs: Object.fromEntries([...inputs].map(([name, { identity }]) => [name, identity])),
    outputs: Object.fromEntries([...cachers].map(([name, cacher]) => [name, cacherKind(cacher)])),
    ...(spec.codeChange === 'recompute' ? { code: spec.source.sha256 } : {}),
  })
  return { key, params, visible, methods, inputs, cachers }
}

function inputsOf(record: StageRecord, spec: StageSpec, given: Record<string, unknown>): Map<string, StageInput> {
  for (const name of Object.keys(given)) {
    if (spec.inputs.includes(name)) continue
    const near = nearest(name, spec.inputs)
    throw new DeclarationError(`stage ${spec.name} has no input ${name}`, {
      hint: near === undefined ? `its inputs are ${spec.inputs.join(', ') || 'none'}` : `did you mean ${near}?`,
    })
  }
  const inputs = new Map<string, StageInput>()
  for (const name of spec.inputs) {
    if (Object.hasOwn(given, name)) inputs.set(name, valueInput(name, given[name]))
    else if (!record.has(name) && Object.hasOwn(spec.defaults, name))
      inputs.set(name, valueInput(name, spec.defaults[name]))
    else inputs.set(name, record.input(spec.name, name))
  }
  return inputs
}

/**
 * The data of a method's object, or of the class of a static one: it can read them, so they count. What is a configuration counts as
 * one; what states its own identity, by that.
 */
async function selfInput({
  object,
  lineage,
}: NonNullable<StageSpec['self']>): Promise<{ input?: StageInput; params?: ParamsIdentity }> {
  if (typeof object === 'function') {
    const statics = () => ({ fields: classFields(object), ...(lineage === undefined ? {} : { lineage }) })
    const counts = Object.keys(classFields(object)).length > 0 || lineage !== undefined
    return counts ? { input: valueInput('this', statics(), statics) } : {}
  }
  if (typeof (object as Partial<Identified>)[identity] === 'function') {
    return { input: valueInput('this', lineage === undefined ? object : { object, lineage }) }
  }
  const shape = isConfig(object) ? (object.constructor as unknown as AnyConfigClass).shape : {}
  const params = await paramsIdentity(shape, object as Record<string, unknown>, Object.keys(shape))
  const fields = () => ownFields(object, shape)
  const own = valueInput('this', fields(), fields)
  const config = Object.fromEntries(Object.entries(params.key).map(([name, text]) => [name, new Verbatim(text)]))
  const counts = { config, fields: own.identity, ...(lineage === undefined ? {} : { lineage }) }
  return { input: { ...own, identity: valueInput('this', counts).identity }, params }
}

/** What an entry says of a stage's parameters, with those of the configuration whose method it is. */
function joined(params: ParamsIdentity, self: ParamsIdentity): ParamsIdentity {
  const named = (fields: Record<string, string>) =>
    Object.fromEntries(Object.entries(fields).map(([name, text]) => [`this.${name}`, text]))
  return {
    ...params,
    params: { ...params.params, ...named(self.params) },
    ignored: { ...params.ignored, ...named(self.ignored) },
    defaults: { ...params.defaults, ...named(self.defaults) },
    files: [...params.files, ...self.files],
  }
}
