/** Functions whose results are kept: a task for those who have no configuration. */
import { type Cacheable, type CacherSpec, cacherInstance, cacherKind } from '../artifact/cacheable.js'
import { ConfigError, DeclarationError } from '../errors.js'
import { ownCopies } from '../identity/copies.js'
import { checkId, declaredAt, declareOnce, idOf, refuseOther } from '../identity/declared.js'
import { stageKey } from '../identity/key.js'
import { bind } from '../identity/marks.js'
import { plainIdentity } from '../identity/params.js'
import { sourceOf } from '../identity/source.js'
import type { MethodOptions } from './decorate.js'
import { Kept } from './kept.js'
import { bytesInRam, infraSchema, type TaskInput } from './options.js'
import { type Definition, type Recipe, warner } from './recipe.js'
import { Task } from './task.js'
import { noteDeclared, type Travelling } from './travel.js'

/** Options of `withInfra`: those of a task's infra, and how its results are known and kept. */
export interface WithInfraOptions extends TaskInput, Pick<MethodOptions, 'name' | 'cacher'> {}

/** The arguments of one call, and the infra it goes by: what a configuration is to a task. */
class Call {
  readonly infra: Task

  constructor(
    readonly args: Readonly<Record<string, unknown>>,
    infra: CallTask,
  ) {
    this.infra = infra[bind](this, 'infra') as Task
  }
}

/** What the calls of a function share: every one has an infra of its own. */
interface Shared {
  /** Unlike others of its module: a function may be declared in two versions. */
  readonly sentName: string
  /** Results in memory, by folder. */
  readonly memories: Map<string | undefined, Kept>
}

const shared = new WeakMap<Definition, Shared>()

/** A task whose fields are arguments: all of them count. */
class CallTask extends Task {
  get #args(): Call['args'] {
    return (this.owner as Call).args
  }

  override async recipe(definition: Definition = this.definition): Promise<Recipe> {
    const { name, at, member, source, cacher } = definition
    const { version, codeChange } = this.options
    const id = checkId(idOf(name, at, member), version)
    const params = plainIdentity(this.#args)
    const key = stageKey({
      id,
      version,
      params: params.key,
      labels: params.labels,
      inputs: {},
      outputs: { result: cacherKind(cacher) },
      ...(codeChange === 'recompute' ? { code: source.sha256 } : {}),
    })
    return { name: member, id, version, key, params, source, codeChange, isFixed: true, warn: warner(member) }
  }

  protected override get readsMemory(): boolean {
    return this.mode !== 'force' && bytesInRam(this.options.keepInRam) !== undefined
  }

  protected override get memory(): Kept {
    const { folder } = this
    const { memories } = shared.get(this.definition)!
    const kept = memories.get(folder) ?? new Kept()
    memories.set(folder, kept)
    return kept
  }

  protected override async body(definition: Definition): Promise<unknown> {
    return (definition.body as (args: unknown) => unknown)(ownCopies(this.#args))
  }

  protected override travelling(): Travelling {
    const { at, member } = this.definition
    if (at === undefined) throw new DeclarationError(`${member} is in no module: a worker could not import it`)
    const { version, codeChange } = this.options
    return {
      module: at.file,
      exported: shared.get(this.definition)!.sentName,
      input: { args: this.#args, infra: { version, codeChange } },
    }
  }
}

/**
 * Keeps the results of a function of one object: `const slow = withInfra({ folder }, async function slow({ a, b }: { a: number; b: number }) { … })`.
 * They are known by the function's module and name, the version, and the arguments, which are data. For workers it must be declared at
 * the top of its module.
 *
 * A call may change the infra: `slow({ a: 3, b: 4 }, { mode: 'force' })`.
 */
export function withInfra<A extends object, R>(
  options: WithInfraOptions,
  fn: (args: A) => R | Promise<R>,
): (args: A, infra?: TaskInput) => Promise<R> {
  const { name, cacher, ...seeds } = options
  if (typeof fn !== 'function' || fn.length > 1) {
    throw new DeclarationError('withInfra takes a function of one object', { hint: 'async ({ a, b }) => …' })
  }
  const at = declaredAt()
  const source = sourceOf(fn)
  const schema = infraSchema<Task, TaskInput>('task', seeds, (made) => new CallTask(made))
  const { version = '1' } = seeds
  const id = checkId(idOf(name, at, fn.name), version)
  declareOnce(id, version, at?.place, name !== undefined, source.sha256)
  const definition: Definition = {
    member: fn.name,
    body: fn as (args: never) => unknown,
    wrapped: undefined,
    at,
    source,
    name,
    cacher: cacher === undefined ? undefined : (cacherInstance(cacher as CacherSpec) as Cacheable<unknown, unknown>),
  }
  const sentName = `${id},${version}`
  shared.set(definition, { sentName, memories: new Map() })
  const make = (args: object, infra: TaskInput = {}): Call => {
    const parsed = schema.safeParse(infra)
    if (!parsed.success) {
      const problems = parsed.error.issues.map(({ path, message }) => `${['infra', ...path].join('.')}: ${message}`)
      throw new ConfigError(`${fn.name}: ${problems.join('; ')}`)
    }
    const call = new Call(ownCopies(checkedArgs(fn.name, args)), parsed.data as unknown as CallTask)
    if (call.infra.version !== version) refuseOther(id, call.infra.version, source.sha256)
    call.infra.attach(definition)
    return call
  }
  function called(args: A, infra?: TaskInput): unknown {
    if (new.target === undefined) return make(args, infra).infra.obtain(definition)
    // A worker makes what computes, as it makes a configuration.
    const sent = args as unknown as { readonly args: object; readonly infra: TaskInput }
    return make(sent.args, sent.infra)
  }
  if (at !== undefined) noteDeclared(at.file, sentName, called)
  Object.defineProperty(called, 'name', { value: fn.name })
  return called as unknown as (args: A, infra?: TaskInput) => Promise<R>
}

function checkedArgs(name: string, args: unknown): Readonly<Record<string, unknown>> {
  const prototype: unknown = args === null || typeof args !== 'object' ? undefined : Object.getPrototypeOf(args)
  if (prototype === Object.prototype || prototype === null) return args as Record<string, unknown>
  throw new DeclarationError(`${name} takes one object of arguments`, { hint: `${name}({ a: 1, b: 2 })` })
}
