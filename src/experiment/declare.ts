import { type CacherClass, type CacherSpec, cacherInstance, isCacherSpec } from '../artifact/cacheable.js'
import { extraFiles } from '../artifact/once.js'
import { registerCacher } from '../artifact/registry.js'
import { DeclarationError, InvalidNameError, refuseUnknown } from '../errors.js'
import { placeOptions } from '../execution/options.js'
import { type AnyConfigClass, isConfigClass, type Picked } from '../identity/config.js'
import { checkVersion } from '../identity/key.js'
import { checkArtifactName } from '../identity/path.js'
import type { OutputPlan, StageSpec } from './decide.js'
import type { StageOptions } from './stage.js'
import type {
  AnyCacherSpec,
  InputSpec,
  LazyName,
  LazyOutput,
  OutputName,
  OutputSpec,
  ParamsSpec,
  Stage,
} from './types.js'

const optionNames = [
  'name',
  'version',
  'params',
  'inputs',
  'outputs',
  'cachers',
  'defaults',
  'codeChange',
  'deterministic',
  'mode',
  'infra',
]

/** Options of any form. */
export type AnyOptions = StageOptions & {
  readonly params?: ParamsSpec
  readonly inputs?: readonly InputSpec[]
  readonly outputs: Record<string, OutputSpec> | readonly OutputName[]
  readonly cachers?: readonly AnyCacherSpec[] | undefined
  readonly defaults?: object
}

/** Everything of a spec but what depends on whose function it is. */
export type Checked = Omit<StageSpec, 'id' | 'body' | 'self' | 'origin'> & { readonly named: string | undefined }

/** Checks what a stage was declared with; everything that can be wrong is said here, before anything runs. */
export function checkOptions(options: AnyOptions, functionName: string): Omit<Checked, 'source'> {
  if (options === null || typeof options !== 'object')
    throw new DeclarationError('stage takes an object of options and a function')
  const name = options.name ?? functionName
  const who = `stage ${name || '(without a name)'}`
  refuseUnknown(who, options, optionNames)
  const { codeChange = 'warn', mode, params } = options
  if (!['warn', 'recompute', 'ignore'].includes(codeChange)) {
    throw new DeclarationError(`${who}: codeChange ${JSON.stringify(codeChange)} is unknown`, {
      hint: "use 'warn', 'recompute' or 'ignore'",
    })
  }
  if (mode !== undefined) checkMode(who, mode)
  const infra = options.infra === undefined ? undefined : placeOptions(who, options.infra)
  const outputs = outputsOf(who, options)
  const inputs = inputsOf(who, options.inputs ?? [])
  for (const key of Object.keys(options.defaults ?? {})) {
    if (!inputs.includes(key)) throw new DeclarationError(`${who} has a default for ${key}, which is no input of it`)
  }
  return {
    named: options.name,
    name: name.split('/').pop()!,
    version: checkVersion(options.version ?? '1'),
    params: params === undefined ? undefined : paramsSpec(who, params),
    inputs,
    outputs,
    positional: Array.isArray(options.outputs) ? outputs.size : undefined,
    defaults: (options.defaults ?? {}) as Readonly<Record<string, unknown>>,
    codeChange,
    deterministic: options.deterministic ?? false,
    mode,
    infra: infra?.cluster === 'inline' ? undefined : infra,
  }
}

/** Refuses a cache policy that does not exist. */
export function checkMode(who: string, mode: string): void {
  if (!['cached', 'force', 'read-only'].includes(mode)) {
    throw new DeclarationError(`${who}: mode ${JSON.stringify(mode)} is unknown`, {
      hint: "use 'cached', 'force' or 'read-only'",
    })
  }
}

/** Which fields of which class a declaration names. */
export function paramsSpec(who: string, params: ParamsSpec): { config: AnyConfigClass; fields: readonly string[] } {
  if (isConfigClass(params)) return { config: params, fields: Object.keys(params.shape) }
  const { config, fields } = params as Picked<object>
  if (!isConfigClass(config)) throw new DeclarationError(`${who}: params must be a Config class, or Class.pick(…)`)
  return { config, fields }
}

function inputsOf(who: string, inputs: readonly InputSpec[]): readonly string[] {
  if (!Array.isArray(inputs)) throw new DeclarationError(`${who}: inputs must be a list of stages and names`)
  const names = inputs.flatMap((input) => {
    if (typeof input === 'string') return [checkInputName(input)]
    const outputs = (input as Partial<Stage<unknown, object, object>> | undefined)?.outputNames
    if (outputs === undefined)
      throw new DeclarationError(`${who}: an input is neither a stage nor a name`, {
        hint: 'declare the stages it reads before it',
      })
    return [...outputs]
  })
  return [...new Set(names)]
}

function outputsOf(who: string, options: AnyOptions): StageSpec['outputs'] {
  const outputs: Map<string, OutputPlan> = new Map()
  const add = (name: string, spec: OutputSpec | undefined, lazyName?: LazyName): void => {
    checkOutputName(name)
    const twin = [...outputs.keys()].find((known) => known.toLowerCase() === name.toLowerCase())
    if (twin !== undefined)
      throw new DeclarationError(
        `${who}: outputs ${twin} and ${name} would have one file name where case does not count`,
      )
    const isLazy = lazyName !== undefined || isLazyOutput(spec)
    const cacher = isLazyOutput(spec) ? spec.cacher : spec
    if (cacher !== undefined && cacher !== null && !isCacherSpec(cacher)) {
      throw new DeclarationError(`${who}: output ${name} needs a cacher class or instance`, {
        hint: `outputs: { ${name}: JsonCacher }`,
      })
    }
    const instance = cacher ? cacherInstance(cacher as CacherSpec) : undefined
    if (instance?.options.path !== undefined) {
      throw new DeclarationError(`${who}: output ${name} has a cacher with a path, which is for inline use`, {
        hint: `leave it out; { overwritePath: '${instance.options.path}' } gives one more copy there`,
      })
    }
    if (instance !== undefined) registerCacher(instance.constructor as CacherClass<unknown, never>)
    outputs.set(name, {
      cacher: instance ?? (isLazy ? 'msgpack' : undefined),
      lazy: isLazy,
      resolve: (lazyName ?? (isLazyOutput(spec) ? spec : undefined))?.resolve ?? true,
    })
  }
  if (!Array.isArray(options.outputs)) {
    if (options.cachers !== undefined)
      throw new DeclarationError(`${who}: cachers go with a list of output names`, {
        hint: 'write them behind the names: outputs: { model: MsgpackCacher }',
      })
    if (options.outputs === null || typeof options.outputs !== 'object')
      throw new DeclarationError(`${who} declares no outputs`)
    for (const [name, spec] of Object.entries(options.outputs as Record<string, OutputSpec>)) add(name, spec)
    return outputs
  }
  const { cachers } = options
  if (cachers !== undefined && cachers.length !== options.outputs.length) {
    throw new DeclarationError(`${who} has ${options.outputs.length} outputs and ${cachers.length} cachers`, {
      hint: cachers.length === 0 ? 'leave `cachers` out to have one chosen for each value' : 'pair them by position',
    })
  }
  for (const [i, output] of options.outputs.entries()) {
    if (typeof output === 'string') add(output, cachers?.[i])
    else add(output.name, cachers?.[i], output)
  }
  return outputs
}

/** `this` stands for a method's object among the inputs, and `_files` for the extra files of an entry. */
function checkOutputName(name: string): void {
  checkArtifactName(name)
  if (name === 'this' || name === extraFiles) throw new InvalidNameError(name, 'is a reserved name')
}

/** An input may be called what an artifact may not: it may come from the call, and no file is named after it. */
function checkInputName(name: string): string {
  if (name === '' || name === 'this' || name === '__proto__') throw new InvalidNameError(name, 'is a reserved name')
  return name
}

function isLazyOutput(value: unknown): value is LazyOutput {
  return value !== null && typeof value === 'object' && (value as { lazy?: unknown }).lazy === true
}
