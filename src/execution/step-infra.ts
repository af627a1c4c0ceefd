import type { Cacheable } from '../artifact/cacheable.js'
import { DeclarationError } from '../errors.js'
import { given, sequence } from '../identity/marks.js'
import { adopting } from '../store/claims.js'
import type { Assignment } from './assignment.js'
import type { Entry } from './entry.js'
import { isStore } from './folder.js'
import { Infra } from './infra.js'
import { ensure } from './missing.js'
import type { Node } from './node.js'
import { infraSchema, type StepInput } from './options.js'
import { Pipe } from './pipe.js'
import { type Place, Places } from './place.js'
import { type Definition, followed, type Recipe, refuseHidden } from './recipe.js'

/** The infra of a step or chain: where it runs, and whether its results are kept. */
export class StepInfra extends Infra {
  readonly #places = new Places()
  readonly #recipes = new Map<string, Promise<Recipe>>()
  #parent: (() => StepInfra) | undefined
  #inherited: string | undefined
  #keeps: boolean | undefined

  /** Whether results are kept: it was given a folder or a place to work, or is told to keep them in memory. */
  get keeps(): boolean {
    this.#keeps ??= this.#isToKeep()
    return this.#keeps
  }

  #isToKeep(): boolean {
    const { folder, version: _, codeChange: __, ...rest } = this.given
    const { keepInRam } = this.options
    if (folder === null) return keepInRam !== undefined && keepInRam !== false
    return folder !== undefined || Object.keys(rest).length > 0
  }

  /** For curio: what it was given. */
  get given(): StepInput {
    return (this as { [given]?: StepInput })[given] ?? {}
  }

  /** For curio: what of it counts in keys, and how a change of code is taken. */
  get counting(): StepInput {
    return { version: this.version, codeChange: this.options.codeChange }
  }

  /** For curio: the same, when what was to be computed anew has been. */
  get afterwards(): StepInput {
    return { ...this.given, folder: this.folder ?? null, ...(this.mode === 'read-only' ? {} : { mode: 'cached' }) }
  }

  /**
   * For curio: the chain, or step, that it is part of: its folder is the default.
   *
   * @param inherited the folder of the one before.
   */
  adopt(parent: () => StepInfra, inherited: string | undefined): void {
    this.#parent = parent
    this.#inherited = inherited
  }

  override get folder(): string | undefined {
    return super.folder ?? (this.options.folder === null ? undefined : (this.#parent?.().folder ?? this.#inherited))
  }

  /** For curio: the results of a chain are those of its last step. */
  override recipe(definition?: Definition): Promise<Recipe> {
    return definition === undefined ? new Pipe(this.node).recipe() : super.recipe(definition)
  }

  /** For curio: what the results of the step are of, after what came before. */
  async stepRecipe(previous: Recipe | undefined): Promise<Recipe> {
    refuseHidden(this.owner)
    const key = previous?.key.hash ?? ''
    const known = this.#recipes.get(key)
    if (known !== undefined) return known
    const made = super.recipe(this.definition, previous?.key.hash).then((own) => followed(own, previous))
    this.#recipes.set(key, made)
    made.then(
      // Input files are looked at each time.
      ({ isFixed }) => !isFixed && this.#recipes.delete(key),
      () => this.#recipes.delete(key),
    )
    return made
  }

  /**
   * Steps of this class, under this version, that have results of their own in the folder; not those that were made in a chain, after
   * other steps.
   *
   * @throws {DeclarationError} for a chain. {ConfigError} for a step that data cannot bring back, or that holds one that is not registered.
   */
  override async *iterCached<C extends object = object>(): AsyncGenerator<C> {
    if (this.node[sequence] !== undefined) {
      throw new DeclarationError(
        'a chain cannot be made again from its results: they only say which step was the last',
        {
          hint: 'write down what you run, by toYaml(chain); or ask the infra of a step that was run by itself',
        },
      )
    }
    const seen = new Set<string>()
    for await (const step of super.iterCached<C>()) {
      const { key } = await (step as unknown as Node).infra.recipe()
      // A step in a chain has its results under another key than by itself.
      const isOwn = !seen.has(key.hash) && (await this.existing())!.items(key.text).size > 0
      seen.add(key.hash)
      if (isOwn) yield step
    }
  }

  private get node(): Node {
    return this.owner as unknown as Node
  }

  /** For curio: where results are kept. */
  async placeOf(recipe: Recipe): Promise<Place> {
    const store = await this.store()
    const { keepInRam } = this.options
    if (store === undefined && (keepInRam === undefined || keepInRam === false)) {
      throw new DeclarationError(`${recipe.name} has an infra and no folder: nothing would be kept`, {
        hint: "infra: { backend: 'cached', folder: './.curio' }, or leave the infra out",
      })
    }
    return this.#places.at(recipe, store, this.cacher, keepInRam)
  }

  /** For curio: whether nothing can have been kept under a recipe. */
  isNew(recipe: Recipe): boolean {
    return this.folder !== undefined && !isStore(this.folder) && !this.#places.has(recipe)
  }

  protected get cacher(): Cacheable<unknown, unknown> | undefined {
    return this.definition.cacher
  }

  protected override async performHere(
    assignment: Assignment,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<void> {
    const items = (assignment.items ?? []) as readonly { readonly uid: string; readonly value: unknown }[]
    const work = await new Pipe(this.node, undefined, { mode: 'cached', inJob: true }).work(signal)
    const todo = items.map(({ uid, value }) => ({ uid, value: { uid, value } satisfies Entry }))
    await adopting(
      work.shelf!.claims.space,
      items.map(({ uid }) => uid),
      () => ensure({ ...work, isForOthers: true }, todo, signal),
    )
    work.shelf!.sync()
  }
}

/** The infra field of a step, where a class has options of its own for it: `Step({ …, infra: stepInfra({ backend: 'cached' }) })`. */
export function stepInfra(seeds: StepInput = {}): ReturnType<typeof infraSchema<StepInfra, StepInput>> {
  return infraSchema<StepInfra, StepInput>('step', seeds, (options) => new StepInfra(options))
}
