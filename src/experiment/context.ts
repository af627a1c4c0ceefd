import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Cacheable } from '../artifact/cacheable.js'
import { scratch } from '../artifact/scratch.js'
import { InvalidNameError, UndeclaredInputError } from '../errors.js'
import { checkFileName } from '../identity/path.js'

/** What the body of a stage gets as its record: what it declared to read, and places to write. */
export interface StageContext<P = unknown> {
  /** The declared parameters. Reading another throws `UndeclaredInputError`. */
  readonly params: P
  /** Aborted when the run is; pass it on to what takes long. */
  readonly signal: AbortSignal | undefined
  /** A file to write beside the outputs; it becomes part of the stage's entry. */
  getPath(name: string): string
  /** A folder, created, whose files become part of the stage's entry. */
  getDir(name: string): string
  /**
   * The cacher of each output that names one, in the declared order, placed where its files are expected: for a program that writes
   * the output itself. Return the cacher in place of the value then.
   */
  readonly cachers: Readonly<Record<string, Cacheable<unknown, never>>>
}

/** The context of one run of one stage's body. */
export class BodyContext implements StageContext<unknown> {
  readonly params: unknown
  readonly cachers: Readonly<Record<string, Cacheable<unknown, never>>>
  readonly #folders: string[] = []
  readonly #outputs: readonly string[]
  #extra: string | undefined

  constructor(
    stage: string,
    params: Readonly<Record<string, unknown>>,
    /** What the parameters' methods and getters come from. */
    methods: object | null,
    readonly signal: AbortSignal | undefined,
    outputs: ReadonlyMap<string, Cacheable<unknown, unknown> | undefined>,
  ) {
    this.params = guarded(stage, params, 'params', methods)
    this.#outputs = [...outputs.keys()]
    const cachers: Record<string, Cacheable<unknown, never>> = {}
    for (const [name, cacher] of outputs) {
      if (cacher === undefined) continue
      let placed: Cacheable<unknown, unknown> | undefined
      Object.defineProperty(cachers, name, {
        enumerable: true,
        get: () => {
          placed ??= cacher.placedAt(this.#folder(), name)
          return placed
        },
      })
    }
    this.cachers = cachers
  }

  getPath(name: string): string {
    const file = path.join(this.#extraFolder(), this.#checkName(name))
    fs.mkdirSync(path.dirname(file), { recursive: true })
    return file
  }

  getDir(name: string): string {
    const dir = path.join(this.#extraFolder(), this.#checkName(name))
    fs.mkdirSync(dir, { recursive: true })
    return dir
  }

  /** In the key's folder, the files of an output have its name. */
  #checkName(name: string): string {
    const taken = checkFileName(name).split('/')[0]!.split('.')[0]!.toLowerCase()
    if (this.#outputs.some((output) => output.toLowerCase() === taken)) {
      throw new InvalidNameError(name, 'is called after an output of the stage')
    }
    return name
  }

  /** The folder of extra files, if any were asked for. */
  get extra(): string | undefined {
    return this.#extra
  }

  #extraFolder(): string {
    this.#extra ??= this.#folder()
    return this.#extra
  }

  #folder(): string {
    const made = scratch()
    this.#folders.push(made)
    return made
  }

  /** Removes the private folders. */
  close(): void {
    for (const folder of this.#folders) fs.rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * An object that answers for its own names, and throws for every other: what is not declared is not in the key.
 *
 * @param methods the prototype whose methods and getters it has; they see what it answers for.
 */
export function guarded(
  stage: string,
  values: Readonly<Record<string, unknown>>,
  kind: 'params' | 'inputs',
  methods: object | null = Object.prototype,
): Readonly<Record<string, unknown>> {
  const known = Object.keys(values)
  const target = Object.create(methods, Object.getOwnPropertyDescriptors(values)) as Record<string, unknown>
  return new Proxy(Object.freeze(target), {
    get(object, name, self) {
      // `then` and `toJSON` are what awaiting and printing an object ask for.
      if (typeof name === 'symbol' || name in object || name === 'then' || name === 'toJSON')
        return Reflect.get(object, name, self) as unknown
      throw new UndeclaredInputError(stage, name, known, kind)
    },
  })
}
