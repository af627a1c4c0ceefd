/** What an infra field of a configuration holds: where its results are, and what can be asked of them. */
import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import { inspect } from 'node:util'
import type { Store } from '../artifact/store.js'
import { CurioError, DeclarationError, ReadOnlyError } from '../errors.js'
import { isConfig } from '../identity/config.js'
import type { Digest } from '../identity/digest.js'
import { classOf } from '../identity/instances.js'
import { bind, given, isSecret } from '../identity/marks.js'
import { fields } from '../identity/members.js'
import { fromPlain, type PlainData } from '../identity/plain.js'
import { type Assignment, Performer } from './assignment.js'
import { dirIn, isStore, storeIn } from './folder.js'
import { isStep } from './marks.js'
import type { Cluster, ExecMode, InfraOptions, Unbound } from './options.js'
import { type Definition, type Recipe, recipeOf, refuseHidden } from './recipe.js'
import { type Travelling, travelling } from './travel.js'
import type { ConfigForm } from './views.js'

/** An infra of a configuration: `xp.infra`. */
export abstract class Infra extends Performer implements Unbound {
  readonly #options: InfraOptions
  readonly #owner: object | undefined
  readonly #field: string
  #definition: Definition | undefined
  #recipe: Promise<Recipe> | undefined
  /** Made once: what a forced run has computed with it counts as done. A worker has that of who sent it. */
  #token: string | undefined

  /** For curio: made by `TaskInfra(…)`, `MapInfra(…)` and the steps. */
  constructor(options: InfraOptions, owner?: object, field = 'infra') {
    super()
    this.#options = options
    this.#owner = owner
    this.#field = field
  }

  /** For curio: an infra of its own for each configuration, whoever gave it. */
  [bind](owner: object, field: string): Infra {
    const bound = Reflect.construct(this.constructor, [this.#options, owner, field]) as Infra
    Object.defineProperty(bound, given, { value: (this as { [given]?: unknown })[given] })
    return bound
  }

  /** What logs write of it: the options it was given. */
  toJSON(): object {
    return (this as { [given]?: object })[given] ?? {}
  }

  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: object): string {
    return `${this.constructor.name} ${inspect(this.toJSON(), options)}`
  }

  /** All options, with their defaults. */
  get options(): InfraOptions {
    return this.#options
  }

  get version(): string {
    return this.#options.version
  }

  get mode(): ExecMode {
    return this.#options.mode
  }

  get cluster(): Cluster {
    return this.#options.cluster
  }

  /** Where results are kept: its own folder, or that of another infra of the same configuration. Undefined: nowhere. */
  get folder(): string | undefined {
    const { folder } = this.#options
    if (folder !== undefined) return folder ?? undefined
    for (const other of Object.values(this.#owner ?? {})) {
      if (other instanceof Infra && typeof other.options.folder === 'string') return other.options.folder
    }
    return undefined
  }

  /** For curio: the method that this infra is about. */
  attach(definition: Definition): void {
    this.#definition = definition
    this.#recipe = undefined
  }

  protected get definition(): Definition {
    if (this.#definition === undefined) {
      throw new DeclarationError(`no method of ${this.#owner?.constructor.name ?? 'this'} goes by its ${this.#field}`, {
        hint:
          this.#field === 'infra'
            ? 'put @task() or @map({ itemUid }) above one'
            : `name it: { infra: '${this.#field}' }`,
      })
    }
    return this.#definition
  }

  protected get owner(): object {
    if (this.#owner === undefined) throw new DeclarationError('this infra belongs to no configuration')
    return this.#owner
  }

  protected get field(): string {
    return this.#field
  }

  /** For curio: what the results are of. Input files are looked at each time. */
  async recipe(definition: Definition = this.definition, previous?: Digest): Promise<Recipe> {
    if (definition !== this.#definition || previous !== undefined) {
      return recipeOf(this.owner, definition, this.#field, this.#options, previous)
    }
    if (this.#recipe !== undefined) refuseHidden(this.owner)
    this.#recipe ??= recipeOf(this.owner, definition, this.#field, this.#options)
    const recipe = await this.#recipe
    if (!recipe.isFixed) this.#recipe = undefined
    return recipe
  }

  /** For curio: the store in its folder; undefined without one. In mode read-only nothing is made. */
  async store(): Promise<Store | undefined> {
    const { folder } = this
    if (folder === undefined) {
      if (this.cluster !== 'inline') {
        throw new DeclarationError(`cluster ${this.cluster} needs a folder: results come back through it`, {
          hint: "infra: { folder: './.curio', … }",
        })
      }
      return undefined
    }
    const readOnly = this.mode === 'read-only'
    if (readOnly && !isStore(folder)) {
      throw new ReadOnlyError(folder, 'there is no store, and mode is read-only')
    }
    return storeIn(folder, readOnly)
  }

  /** The store that the results of a recipe are in. */
  protected async storeOf({ name }: Recipe): Promise<Store> {
    const store = await this.store()
    if (store !== undefined) return store
    throw new CurioError(`${name} has no folder`, { hint: "give it one: infra: { folder: './.curio' }" })
  }

  /** The store, where there is one: a question makes none. */
  protected async existing(): Promise<Store | undefined> {
    return this.folder !== undefined && isStore(this.folder) ? this.store() : undefined
  }

  /** For curio: what a worker is asked to do for a method of this configuration. @param mode that of the run, which a chain may force. */
  assign(recipe: Recipe, store: Store, mode: ExecMode = this.mode): Assignment {
    return {
      where: recipe.key.text,
      config: this.travelling(),
      field: this.#field,
      isStep: false,
      folder: store.folder,
      mode,
      key: recipe.key.hash,
      token: this.tokenFor(mode),
    }
  }

  /** What a worker makes this configuration from. */
  protected travelling(): Travelling {
    return travelling(this.owner, isStep)
  }

  /** For curio: does what it was asked to, in a worker, here. The result is then stored. */
  async perform(assignment: Assignment, signal?: AbortSignal): Promise<void> {
    const recipe = await this.recipe()
    this.checkKey(assignment, recipe.key)
    this.#token = assignment.token
    await this.performHere(assignment, signal)
  }

  /**
   * The configuration as data: all of it; with `uid` what counts for these results; with `excludeDefaults` too what makes their uid. Beside
   * the results the three are `config.yaml`, `full-uid.yaml` and `uid.yaml`.
   */
  async config({ uid = false, excludeDefaults = false }: ConfigForm = {}): Promise<PlainData> {
    const { config, name } = await this.recipe()
    if (config === undefined) throw new CurioError(`${name} has no configuration`)
    return config({ uid, excludeDefaults })
  }

  /**
   * Configurations of this class, under this version, whose results are in the folder; made again from what is stored beside the results,
   * with this infra and, where there are any, the secrets of this configuration.
   *
   * @throws {ConfigError} for one that holds what data cannot bring back; its path is named.
   */
  async *iterCached<C extends object = object>(): AsyncGenerator<C> {
    const store = await this.existing()
    if (store === undefined) return
    const { key, id, version } = await this.recipe()
    const prefix = key.text.slice(0, key.text.lastIndexOf('/') + 1)
    for await (const entry of store.list({ prefix })) {
      const { config } = entry.provenance
      const isOne = entry.id === id && entry.version === version && typeof config === 'string'
      if (!isOne || !(await store.lookup(entry.key)).hit) continue
      const stored = fromPlain(JSON.parse(config), entry.key) as Record<string, unknown>
      yield Reflect.construct(classOf(this.owner), [{ ...stored, ...this.#unwritten() }]) as C
    }
  }

  /** Of this configuration, what another is given that is read from what is stored. */
  #unwritten(): Record<string, unknown> {
    const values = this.owner as Record<string, unknown>
    const secrets = Object.entries(fields(classOf(this.owner).shape)).filter(([, schema]) => isSecret(schema))
    return {
      ...Object.fromEntries(secrets.map(([name]) => [name, values[name]])),
      // A folder that it has from elsewhere is where the results were found.
      [this.#field]: { ...(this as { [given]?: object })[given], folder: this.folder },
    }
  }

  protected abstract performHere(assignment: Assignment, signal?: AbortSignal): Promise<void>

  /** What has been computed with it counts as done in a forced run. */
  protected tokenFor(mode: ExecMode): string | undefined {
    if (mode !== 'force') return undefined
    this.#token ??= randomUUID()
    return this.#token
  }

  /**
   * The folder of this configuration's results, for what a computation keeps beside them, such as checkpoints.
   *
   * @param create makes it. Default false: it is there once something has been computed.
   */
  async uidFolder({ create = false }: { readonly create?: boolean } = {}): Promise<string> {
    const recipe = await this.recipe()
    if (!create && this.folder !== undefined) return dirIn(this.folder, recipe.key.text)
    const store = await this.storeOf(recipe)
    const dir = store.dirOf(recipe.key.text)
    if (!store.readOnly) fs.mkdirSync(dir, { recursive: true })
    return dir
  }
}

/** The infra that a decorated method goes by. */
export function infraOf<I extends Infra>(
  self: object,
  field: string,
  Class: abstract new (...args: never[]) => I,
  what: string,
): I {
  const infra = (self as Record<string, unknown>)[field]
  if (infra instanceof Class) return infra
  const made = what === '@map' ? 'MapInfra()' : 'TaskInfra()'
  throw new DeclarationError(
    isConfig(self)
      ? `${what}: ${self.constructor.name} has no field ${field}: ${made}`
      : `${what} decorates methods of configurations`,
    { hint: `class … extends Config({ …, ${field}: ${made} })` },
  )
}
