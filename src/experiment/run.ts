import { type Cacheable, cacherIdentity } from '../artifact/cacheable.js'
import { exportCopy } from '../artifact/export.js'
import { type Computed, type Mode, obtain } from '../artifact/once.js'
import { provenance } from '../artifact/provenance.js'
import { cacherByName } from '../artifact/registry.js'
import type { Store } from '../artifact/store.js'
import { DeclarationError, DefaultChangedError, nearest, StageOutputError } from '../errors.js'
import { type AnyConfigClass, isConfig } from '../identity/config.js'
import type { Digest } from '../identity/digest.js'
import { unchanged } from '../identity/files.js'
import { type Key, stageKey } from '../identity/key.js'
import { type ParamsIdentity, paramsIdentity, plainIdentity } from '../identity/params.js'
import type { Entry } from '../store/entry.js'
import { BodyContext, guarded, type StageContext } from './context.js'
import { InputsChanged, type StageInput, type StageRecord, valueInput } from './record.js'
import type { StageRun } from './report.js'
import type { Annotated } from './types.js'

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
  readonly params: { readonly config: AnyConfigClass; readonly fields: readonly string[] } | undefined
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
  /** The object whose method it is: its fields count. */
  readonly self: object | undefined
}

const maxRounds = 4

/** Runs a stage in a record: decides, computes if need be, and puts handles on the outputs into the record's state. */
export async function runStage(
  record: StageRecord,
  spec: StageSpec,
  given: Record<string, unknown> = {},
): Promise<StageRun> {
  const store = await record.store()
  const { reporter } = record
  const { signal } = record.runOptions
  signal?.throwIfAborted()
  let keyText = ''
  const run = await reporter.during(
    spec.name,
    () => keyText,
    async (started) => {
      for (let round = 0; ; round++) {
        const begin = performance.now()
        const plan = await decide(record, spec, given)
        keyText = plan.key.text
        const result = await execute(store, record, spec, plan, started)
        // An input whose bytes were gone came back different: the decision was about another input.
        if (result === 'inputs-changed' && round < maxRounds) continue
        if (result === 'inputs-changed')
          throw new StageOutputError(spec.name, 'has an input that is different each time it is computed', [
            ...spec.outputs.keys(),
          ])
        return { ...result, seconds: (performance.now() - begin) / 1000 }
      }
    },
  )
  record.stages.push(run)
  reporter.finished(run)
  return run
}

interface Plan {
  readonly key: Key
  readonly params: ParamsIdentity
  readonly visible: Readonly<Record<string, unknown>>
  readonly inputs: ReadonlyMap<string, StageInput>
  readonly cachers: ReadonlyMap<string, Cacheable<unknown, unknown> | undefined>
}

/** Everything that makes the key, and the key. */
async function decide(record: StageRecord, spec: StageSpec, given: Record<string, unknown>): Promise<Plan> {
  const { params, visible } = await paramsOf(record, spec)
  const inputs = inputsOf(record, spec, given)
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
    outputs: outputKinds(cachers),
    ...(spec.codeChange === 'recompute' ? { code: spec.source.sha256 } : {}),
  })
  return { key, params, visible, inputs, cachers }
}

async function paramsOf(
  record: StageRecord,
  spec: StageSpec,
): Promise<{ params: ParamsIdentity; visible: Record<string, unknown> }> {
  const values = record.params as Record<string, unknown> | undefined
  if (spec.params === undefined) {
    const visible = values === undefined || values === null ? {} : { ...values }
    const shape = isConfig(values) ? (values.constructor as unknown as AnyConfigClass).shape : undefined
    const params =
      shape === undefined ? plainIdentity(visible) : await paramsIdentity(shape, visible, Object.keys(shape))
    return { params, visible }
  }
  const { config, fields } = spec.params
  if (!(values instanceof config)) {
    const is =
      values === undefined
        ? 'none'
        : isConfig(values)
          ? (values.constructor as { name: string }).name
          : 'a plain object'
    throw new DeclarationError(`stage ${spec.name} reads parameters of class ${config.name}, the record has ${is}`, {
      hint: `run it with new ${config.name}({ … }), or a class that extends it`,
    })
  }
  const all = values as Record<string, unknown>
  const visible = Object.fromEntries(fields.map((field) => [field, all[field]]))
  return { params: await paramsIdentity(config.shape, visible, fields), visible }
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
  if (spec.self !== undefined) {
    const fields = ownFields(spec.self)
    if (Object.keys(fields).length > 0) inputs.set('this', valueInput('this', fields))
  }
  return inputs
}

/** The data of a method's object: it can read them, so they count. Functions do not, nor does a class of static methods. */
function ownFields(self: object): Record<string, unknown> {
  if (typeof self === 'function') return {}
  return Object.fromEntries(Object.entries(self).filter(([, value]) => typeof value !== 'function'))
}

function outputKinds(cachers: Plan['cachers']): Record<string, readonly [string, unknown] | 'auto'> {
  const kinds: Record<string, readonly [string, unknown] | 'auto'> = {}
  for (const [name, cacher] of cachers) {
    kinds[name] =
      cacher === undefined
        ? 'auto'
        : [cacherIdentity(cacher).name, { ...cacher.decodingOptions(), ...extensionOf(cacher) }]
  }
  return kinds
}

function extensionOf(cacher: Cacheable<unknown, unknown>): { extension?: string } {
  return cacher.options.extension === undefined ? {} : { extension: cacher.options.extension }
}

async function execute(
  store: Store,
  record: StageRecord,
  spec: StageSpec,
  plan: Plan,
  started: () => void,
): Promise<Omit<StageRun, 'seconds'> | 'inputs-changed'> {
  const { runOptions, reporter } = record
  const { signal } = runOptions
  const compute = async (): Promise<Computed> => {
    const values: Record<string, unknown> = {}
    for (const [name, input] of plan.inputs) if (name !== 'this') values[name] = await input.load(signal)
    const context = new BodyContext(spec.name, plan.visible, signal, plan.cachers)
    let returned: unknown
    try {
      returned = await spec.body(context, guarded(spec.name, values))
    } catch (error) {
      context.close()
      throw error
    }
    const moved = plan.params.files.find((file) => !unchanged(file))
    return {
      values: outputValues(spec, returned),
      folder: context.extra,
      dispose: () => context.close(),
      uncacheable: moved === undefined ? undefined : `${moved.path} changed while the stage ran`,
    }
  }

  try {
    const { mode, token } = modeOf(record, spec)
    const obtained = await obtain(store, {
      key: plan.key,
      outputs: plan.cachers,
      mode,
      token,
      deterministic: spec.deterministic,
      signal,
      accept: (entry) => acceptable(entry, spec, plan, (text) => reporter.warn(spec.name, text)),
      compute,
      describe: (seconds) => describeEntry(record, spec, plan, seconds),
      onCompute: started,
    })
    for (const [name, output] of spec.outputs) {
      const handle = obtained.handles.get(name)!
      const { lazy = 'declared' } = runOptions
      record.place(name, handle, {
        lazy: lazy === 'declared' ? output.lazy : lazy === 'all',
        resolve: lazy === 'none' ? true : output.resolve,
        stage: spec.name,
      })
      const cacher = plan.cachers.get(name)
      if (cacher?.options.overwritePath !== undefined) {
        const refused = await exportCopy(handle, cacher.options.overwritePath, mode === 'force')
        if (refused !== undefined) reporter.warn(spec.name, refused)
      }
    }
    const stored = Number(obtained.entry.provenance.seconds ?? 0)
    const note =
      obtained.reason ??
      (obtained.commit === 'kept' ? 'came out different from the stored result, which stands' : undefined)
    return {
      stage: spec.name,
      key: plan.key.text,
      how: obtained.how,
      lazy: [...spec.outputs.values()].every((output) => output.lazy) && spec.outputs.size > 0,
      savedSeconds: obtained.how === 'loaded' ? stored : 0,
      bytes: obtained.entry.artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0),
      ...(note === undefined ? {} : { note }),
    }
  } catch (error) {
    if (error instanceof InputsChanged) return 'inputs-changed'
    throw error
  }
}

/** What this stage does in this run: the run's word goes before the stage's own. */
function modeOf(record: StageRecord, spec: StageSpec): { mode: Mode; token: string | undefined } {
  const { mode, force = [], token } = record.runOptions
  const forced = force.some((one) => (typeof one === 'string' ? one : one.stageName) === spec.name)
  const own = mode === 'read-only' ? mode : forced ? 'force' : (mode ?? spec.mode ?? 'cached')
  return { mode: own, token: own === 'force' ? token : undefined }
}

/** Looks at a stored entry: refuses one made under another default, and says once that the code has changed since. */
function acceptable(entry: Entry, spec: StageSpec, plan: Plan, warn: (text: string) => void): boolean {
  for (const [field, was] of Object.entries(entry.defaults ?? {})) {
    const is = plan.params.defaults[field]
    if (is !== undefined && is !== was) throw new DefaultChangedError(plan.key.text, field, was, is)
  }
  const { code } = entry
  if (
    spec.codeChange === 'warn' &&
    code !== undefined &&
    code.tag === spec.source.tag &&
    code.sha256 !== spec.source.sha256
  ) {
    warn('its code has changed since this result was stored; change its version to compute again')
  }
  return true
}

function describeEntry(
  record: StageRecord,
  spec: StageSpec,
  plan: Plan,
  seconds: number,
): ReturnType<Parameters<typeof obtain>[1]['describe']> {
  const inputs = Object.fromEntries(
    [...plan.inputs].map(([name, { identity, from }]) => [
      name,
      'artifact' in identity
        ? { artifact: identity.artifact, ...(from === undefined ? {} : { from }) }
        : { value: identity.value },
    ]),
  )
  const usage = process.resourceUsage()
  return {
    id: spec.id,
    version: spec.version,
    params: plan.params.params,
    ignored: plan.params.ignored,
    defaults: plan.params.defaults,
    inputs,
    code: spec.source,
    provenance: provenance({
      experiment: record.experiment.name,
      stage: spec.name,
      stagesBefore: record.stages.map((run) => run.stage),
      seconds: Math.round(seconds * 1e6) / 1e6,
      peakMemoryBytes: usage.maxRSS * 1024,
      inputFiles: plan.params.files.map((file) => file.path),
    }),
  }
}

/** What the body returned, by name; anything but exactly the declared outputs is refused. */
function outputValues(spec: StageSpec, returned: unknown): Map<string, unknown> {
  const names = [...spec.outputs.keys()]
  const fail = (reason: string): never => {
    throw new StageOutputError(spec.name, reason, names)
  }
  if (spec.positional !== undefined) {
    if (names.length === 0) return returned === undefined ? new Map() : fail('returned a value')
    if (names.length === 1) return new Map([[names[0]!, returned]])
    if (!Array.isArray(returned)) return fail(`returned ${kindOf(returned)} in place of a tuple of ${names.length}`)
    if (returned.length !== names.length) return fail(`returned ${returned.length} values`)
    return new Map(names.map((name, i) => [name, returned[i] as unknown]))
  }
  if (names.length === 0 && returned === undefined) return new Map()
  if (returned === null || typeof returned !== 'object' || Array.isArray(returned)) {
    return fail(`returned ${kindOf(returned)} in place of an object`)
  }
  const got = Object.keys(returned)
  const missing = names.filter((name) => !got.includes(name))
  const surplus = got.filter((name) => !names.includes(name))
  if (missing.length > 0 || surplus.length > 0) {
    fail(
      [
        missing.length > 0 ? `returned no ${missing.join(', ')}` : '',
        surplus.length > 0 ? `returned ${surplus.join(', ')} besides` : '',
      ]
        .filter((part) => part !== '')
        .join(' and '),
    )
  }
  return new Map(names.map((name) => [name, (returned as Record<string, unknown>)[name]]))
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? `an array of ${value.length}` : `a ${typeof value}`
}
