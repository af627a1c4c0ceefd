import * as fs from 'node:fs'
import * as path from 'node:path'
import { CacherError, CurioError, DeclarationError, refuseUnknown } from '../errors.js'
import { checkExtension } from '../identity/path.js'
import * as io from '../store/io.js'

/** What JSON gives back equal: the form of extra metadata and of cacher options. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Arguments every cacher takes. A string in their place is `path`. */
export interface CacherOptions {
  /** Exact file for inline use: `JsonCacher('results/metrics.json')`. */
  readonly path?: string
  /** In a stage: one more copy at this exact path, beside the normal artifact. */
  readonly overwritePath?: string
  /** In a stage: one more readable link, in `views/<subdir>/` of the store. */
  readonly subdir?: string
  /** In a stage: what the name of that link starts with. */
  readonly prefix?: string
  /** In a stage: overrides the name of the output for the files. Default: the output's name. */
  readonly name?: string
  /** Replaces the cacher's own file extension. */
  readonly extension?: string
  /** False: left out of full copies of a run. Default true. */
  readonly track?: boolean
}

const baseOptions = ['path', 'overwritePath', 'subdir', 'prefix', 'name', 'extension', 'track']

/** Bytes of a file, read in parts; every part is checked. */
export interface ByteSource {
  readonly bytes: number
  read(start: number, end: number): Promise<Uint8Array>
}

/** What an encoded value may be: bytes, text (as UTF-8), or a stream of bytes for what is larger than memory. */
export type Encoded = Uint8Array | string | AsyncIterable<Uint8Array>

/** Where a cacher's files lie during one use. */
interface Place {
  readonly dir: string
  readonly name: string
  readonly extension: string
  /** `inline`: the user's own path. `stage`: a private folder of curio's. */
  readonly kind: 'inline' | 'stage'
}

/**
 * A strategy to save one kind of value and load it back. Extend it with `save` and `load` that write and read the files
 * at `getPath()` (any tool may write them), or extend `Codec` when a value is simply bytes.
 *
 * In a stage, `getPath()` during `save` is a file in a private folder, and what lies there at the end becomes the artifact's
 * files; during `load` it is a read-only file. Inline, it is the path given.
 *
 * Fields must be ordinary ones, not `#private`: each use works on a copy of the instance (see `copy`).
 */
export abstract class Cacheable<Loaded = unknown, Saved = Loaded> {
  /** The name artifacts are marked with, by which they are loaded later. Default: the class's name. */
  static readonly cacherName?: string
  /** Increase when the bytes this cacher writes change; old ones must stay readable. */
  static readonly codecVersion: number = 1

  /** Extension of the main file, dot included. */
  readonly extension: string = ''
  /** Facts the cacher notes while saving; saved with the artifact, and there again before `load`. */
  extraMetadata: Record<string, Json> = {}
  /** A line about the value that `save` or `encode` was given, for people. Default: one made from its type and size. */
  preview: string | undefined = undefined

  /** True when what `load` gives are paths of the artifact's files: they stay until the process ends. */
  readonly keepsFiles: boolean = false

  /** True when `check` must also agree before a stored artifact counts as a hit: for those that stand for something outside the store. */
  readonly checksOnHit: boolean = false

  readonly options: CacherOptions
  /** Only for types: what comes out and what goes in. */
  declare readonly _types?: { loaded: Loaded; save(value: Saved): void }
  private place: Place | undefined
  private about: Readonly<Record<string, unknown>> | undefined

  constructor(argument: string | CacherOptions = {}) {
    this.options = typeof argument === 'string' ? { path: argument } : argument
    if (this.options === null || typeof this.options !== 'object') {
      throw new DeclarationError(`${new.target.name} takes a path or options, not ${String(argument)}`)
    }
  }

  /** Writes the value's files at `getPath()`, `getPath(suffix)` or below `getDir()`. */
  abstract save(value: Saved): Promise<void> | void

  /** Reads the value back from the same paths. */
  abstract load(): Promise<Loaded> | Loaded

  /** Options, beside those of every cacher, that change how files are written or read. They count in keys and digests. */
  decodingOptions(): Record<string, Json> {
    return {}
  }

  /**
   * The path of the main file; with a suffix, of another one beside it: the suffix takes the place of the extension
   * (`getPath('_weights.bin')`). Use it exactly as returned.
   */
  getPath(suffix?: string): string {
    const { dir, name, extension } = this.where()
    return path.join(dir, name + (suffix ?? extension))
  }

  /** A folder of this artifact, created; everything below it belongs to the artifact. */
  getDir(suffix = ''): string {
    const { dir, name } = this.where()
    const made = path.join(dir, name + suffix)
    fs.mkdirSync(made, { recursive: true })
    return made
  }

  /** Whether there is something to load: the main file, or the folder of that name. */
  check(): boolean | Promise<boolean> {
    const { dir, name } = this.where()
    return fs.existsSync(this.getPath()) || fs.existsSync(path.join(dir, name))
  }

  /** What is known about the artifact: its sidecar. Inline: after `loadMetadata` or `saveMetadata`, else undefined. */
  get metadata(): Readonly<Record<string, unknown>> | undefined {
    return this.about
  }

  /** Inline: writes the sidecar, `<file without extension>.meta.json`. In a stage curio does it, and this does nothing. */
  async saveMetadata(): Promise<void> {
    if (this.where().kind === 'stage') return
    const file = this.getPath('.meta.json')
    const { name, codec } = cacherIdentity(this)
    const about = {
      curio: 'sidecar',
      format: 1,
      name: this.where().name,
      cacher: name,
      codec,
      options: this.decodingOptions(),
    }
    this.about = { ...about, extra: this.extraMetadata, provenance: { created: new Date().toISOString() } }
    await writeInline(file, `${JSON.stringify(this.about, null, 2)}\n`)
  }

  /**
   * Reads the sidecar and with it `extraMetadata`. In a stage both are there already.
   *
   * @returns the sidecar; `undefined` when there is none.
   */
  async loadMetadata(): Promise<Readonly<Record<string, unknown>> | undefined> {
    if (this.where().kind === 'stage') return this.about
    const file = this.getPath('.meta.json')
    let text: string
    try {
      text = await fs.promises.readFile(file, 'utf8')
    } catch (error) {
      if (io.isAbsent(error)) return undefined
      throw io.ioError('read', file, error)
    }
    try {
      this.about = JSON.parse(text) as Record<string, unknown>
    } catch (cause) {
      throw new CacherError(cacherIdentity(this).name, 'load', `the sidecar ${file} is not JSON`, { cause })
    }
    const { cacher, extra } = this.about
    const { name } = cacherIdentity(this)
    if (typeof cacher === 'string' && cacher !== name) {
      this.about = undefined
      throw new CacherError(name, 'load', `the sidecar ${file} is one of a ${cacher} file`, {
        hint: 'give files that differ only by their extension names of their own',
      })
    }
    if (extra !== null && typeof extra === 'object') this.extraMetadata = { ...(extra as Record<string, Json>) }
    return this.about
  }

  /** A fresh copy for one use. Override it in a cacher that holds what cannot be copied field by field. */
  copy(): this {
    const made = Object.assign(Object.create(Object.getPrototypeOf(this)) as this, this)
    made.extraMetadata = {}
    made.preview = undefined
    return made
  }

  /** For curio: a copy of this cacher that works on files `name…` in `dir`. */
  placedAt(dir: string, name: string, about?: Readonly<Record<string, unknown>>): this {
    const made = this.copy()
    made.place = { dir, name, extension: made.mainExtension(), kind: 'stage' }
    made.about = about
    return made
  }

  /** For curio: the private folder this copy was given for the artifact `name`; undefined for every other cacher. */
  stagedFor(name: string): string | undefined {
    return this.place?.kind === 'stage' && this.place.name === name ? this.place.dir : undefined
  }

  /** Whether this copy works for a store, not on the user's own path. */
  protected get isStored(): boolean {
    return this.place?.kind === 'stage'
  }

  /** What the value is called in messages: the artifact's name, or that of the file; `value` when there is neither. */
  protected get label(): string {
    if (this.place !== undefined) return this.place.name
    return (this.options.path ?? this.options.overwritePath) === undefined ? 'value' : this.where().name
  }

  /** The extension of the main file: the one asked for, else the cacher's own. */
  mainExtension(): string {
    return checkExtension(this.options.extension ?? this.extension)
  }

  /** For subclasses with options of their own: refuses an option that neither they nor every cacher know. */
  protected checkOptions(known: readonly string[] = []): void {
    refuseUnknown(cacherIdentity(this).name, this.options, [...baseOptions, ...known])
  }

  private where(): Place {
    if (this.place !== undefined) return this.place
    const given = this.options.path ?? this.options.overwritePath
    if (given === undefined) {
      throw new DeclarationError(`${cacherIdentity(this).name} has no path`, {
        hint: `give it one, ${cacherIdentity(this).name}('results/x${this.extension}'), or use it as the cacher of a stage's output`,
      })
    }
    const absolute = path.resolve(given)
    const extension = this.mainExtension()
    const base = path.basename(absolute)
    const own = extension !== '' && base.endsWith(extension) ? extension : path.extname(base)
    const name = base.slice(0, base.length - own.length)
    // An exact path keeps its own extension, whatever the cacher's is.
    const place: Place = { dir: path.dirname(absolute), name, extension: own, kind: 'inline' }
    this.place = place
    return place
  }
}

/** A cacher whose values are simply bytes: gets `save` and `load`, inline use, and everything a store can do. */
export abstract class Codec<Loaded = unknown, Saved = Loaded> extends Cacheable<Loaded, Saved> {
  /** The value as bytes. The same value must give the same bytes, in every process. */
  abstract encode(value: Saved): Encoded | Promise<Encoded>

  /** The value from its bytes. Must throw for bytes it did not write; never run code from them. */
  abstract decode(bytes: Uint8Array): Loaded | Promise<Loaded>

  /**
   * Elements `start` to `end` along the first axis, as `Array.prototype.slice` counts: rows of a frame, and of it only some columns if
   * they are named. Reads only their bytes. Where a format allows it.
   */
  slice?(source: ByteSource, start: number, end: number, columns?: readonly string[]): Promise<Loaded>

  /** Some columns of a frame, or some members of a collection, by name; reads only their bytes. Where a format allows it. */
  columns?(source: ByteSource, names: readonly string[]): Promise<Loaded>

  override async save(value: Saved): Promise<void> {
    await writeInline(this.getPath(), await attempt(this, 'save', () => this.encode(value)))
  }

  override async load(): Promise<Loaded> {
    const file = this.getPath()
    const handle = await io.openFollowing(file)
    try {
      const { size } = await handle.stat()
      const bytes = Buffer.allocUnsafeSlow(size)
      const got = await io.readBlock(handle, bytes, 0).catch((error) => {
        throw io.ioError('read', file, error)
      })
      return await attempt(this, 'load', () => this.decode(got === size ? bytes : bytes.subarray(0, got)))
    } finally {
      await handle.close()
    }
  }
}

/** A class of cachers, called with or without `new`. */
export type CacherClass<Loaded = unknown, Saved = Loaded> = abstract new (...args: never[]) => Cacheable<Loaded, Saved>

/** How a stage names a cacher: the class, or an instance with options. */
export type CacherSpec<Loaded = unknown, Saved = never> = CacherClass<Loaded, Saved> | Cacheable<Loaded, Saved>

/** The name and version a cacher's artifacts are marked with. A subclass without a name of its own goes by its class's name. */
export function cacherIdentity(cacher: Cacheable<unknown, never> | CacherClass<unknown, never>): {
  name: string
  codec: number
} {
  const Class = (typeof cacher === 'function' ? cacher : cacher.constructor) as typeof Cacheable & { name: string }
  const name = (Object.hasOwn(Class, 'cacherName') ? Class.cacherName : undefined) ?? Class.name
  if (name === '')
    throw new DeclarationError('a cacher class needs a name', { hint: 'give it `static readonly cacherName`' })
  return { name, codec: Class.codecVersion }
}

/** An instance of what a stage named. */
export function cacherInstance(spec: CacherSpec): Cacheable<unknown, unknown> {
  if (typeof spec === 'function') return Reflect.construct(spec, []) as Cacheable<unknown, unknown>
  return spec as Cacheable<unknown, unknown>
}

/** True for a cacher or a class of them, of this copy of the package or another. */
export function isCacherSpec(value: unknown): value is CacherSpec {
  const prototype: unknown = typeof value === 'function' ? value.prototype : value
  if (prototype === null || typeof prototype !== 'object') return false
  const { save, load, getPath } = prototype as Partial<Cacheable>
  return typeof save === 'function' && typeof load === 'function' && typeof getPath === 'function'
}

export function isCodec(cacher: Cacheable<unknown, never>): cacher is Codec<unknown, never> {
  const { encode, decode } = cacher as unknown as Partial<Codec<unknown, never>>
  return typeof encode === 'function' && typeof decode === 'function'
}

/**
 * Makes a class usable without `new`. `class B extends callable(A)` and `instanceof` work as ever; static members are A's.
 */
export function callable<C extends abstract new (...args: never[]) => object>(
  Class: C,
): C & ((...args: ConstructorParameters<C>) => InstanceType<C>) {
  function construct(this: unknown, ...args: unknown[]): object {
    return Reflect.construct(Class as never, args, new.target ?? construct) as object
  }
  Object.defineProperty(construct, 'name', { value: Class.name })
  Object.setPrototypeOf(construct, Class)
  construct.prototype = Class.prototype
  Object.defineProperty(Class.prototype, 'constructor', { value: construct, writable: true, configurable: true })
  if (Object.hasOwn(Class, 'cacherName')) {
    Object.defineProperty(construct, 'cacherName', { value: (Class as { cacherName?: unknown }).cacherName })
  }
  return construct as never
}

/** Runs a cacher and names it in what goes wrong; curio's own errors pass as they are. */
export async function attempt<T>(
  cacher: Cacheable<unknown, never>,
  direction: 'save' | 'load',
  run: () => T | Promise<T>,
): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    if (CurioError.is(cause) || (cause as Error | undefined)?.name === 'AbortError') throw cause
    const message = (cause as Error | undefined)?.message ?? String(cause)
    throw new CacherError(cacherIdentity(cacher).name, direction, message, { cause })
  }
}

/** A value that can be read only once. */
export function isStream(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false
  return Symbol.asyncIterator in value || typeof (value as { next?: unknown }).next === 'function'
}

/** Writes a file of the user's whole or not at all. Its folder is created. */
export async function writeInline(file: string, data: Encoded): Promise<void> {
  const dir = path.dirname(file)
  try {
    fs.mkdirSync(dir, { recursive: true })
    const temp = path.join(dir, io.tempName())
    try {
      await fs.promises.writeFile(temp, data as Uint8Array, { flag: 'wx' })
      await fs.promises.rename(temp, file)
    } catch (error) {
      io.remove(temp)
      throw error
    }
  } catch (error) {
    throw io.errnoOf(error) === undefined ? error : io.ioError('write', file, error)
  }
}

/** How the cacher of a result counts in its key: `auto` when it is chosen for the value. */
export function cacherKind(cacher: Cacheable<unknown, unknown> | undefined): readonly [string, unknown] | 'auto' {
  if (cacher === undefined) return 'auto'
  const { extension } = cacher.options
  return [
    cacherIdentity(cacher).name,
    { ...cacher.decodingOptions(), ...(extension === undefined ? {} : { extension }) },
  ]
}
