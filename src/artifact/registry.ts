import { DeclarationError, UnknownCacherError } from '../errors.js'
import type { Cacheable, CacherClass } from './cacheable.js'
import { cacherIdentity, cacherInstance } from './cacheable.js'

type Loader = () => Promise<CacherClass>

/** curio's own cachers, by the name their artifacts carry; loaded when first needed. The one arrow that points up, and only by name. */
const builtIn: Readonly<Record<string, Loader>> = {
  json: async () => (await import('../../cachers/json.js')).JsonCacher,
  msgpack: async () => (await import('../../cachers/msgpack.js')).MsgpackCacher,
  text: async () => (await import('../../cachers/text.js')).TextCacher,
  bytes: async () => (await import('../../cachers/bytes.js')).BytesCacher,
  tensor: async () => (await import('../../cachers/tensor.js')).TensorCacher,
  arrow: async () => (await import('../../cachers/arrow.js')).ArrowCacher,
  parquet: async () => (await import('../../cachers/parquet.js')).ParquetCacher,
  csv: async () => (await import('../../cachers/csv.js')).CsvCacher,
  'json-frame': async () => (await import('../../cachers/json-frame.js')).JsonFrameCacher,
  safetensors: async () => (await import('../../cachers/safetensors.js')).SafetensorsCacher,
  directory: async () => (await import('../../cachers/directory.js')).DirectoryCacher,
  notebook: async () => (await import('../../cachers/notebook.js')).NotebookCacher,
  'file-reference': async () => (await import('../../cachers/file-reference.js')).FileReferenceCacher,
}

const registered = new Map<string, CacherClass>()
/** Those of `builtIn` that were needed: a module that is imported again asks its loader again, such as tsx. */
const loaded = new Map<string, CacherClass>()

/** One of each class is enough: each use works on a copy of it. */
const instances = new WeakMap<CacherClass, Cacheable<unknown, unknown>>()

/** Makes a cacher class of your own known by its name, so that `store.load(key)` and `curio cat` can find it. */
export function registerCacher(Class: CacherClass<unknown, never>): void {
  const { name } = cacherIdentity(Class)
  const known = registered.get(name)
  // A class of the same source is the same module loaded twice, not another cacher.
  if (known !== undefined && known !== Class && sourceOf(known) !== sourceOf(Class)) {
    throw new DeclarationError(`two cacher classes are called ${name}`, {
      hint: 'give one `static readonly cacherName`',
    })
  }
  registered.set(name, Class as CacherClass)
}

/** A class made callable is a function whose prototype is the class. */
function sourceOf(Class: CacherClass<unknown, never>): string {
  return String(Class) + String(Object.getPrototypeOf(Class))
}

/** The cacher that artifacts of this name were written by. */
export async function cacherByName(name: string): Promise<Cacheable<unknown, unknown>> {
  let Class = registered.get(name) ?? loaded.get(name)
  if (Class === undefined && Object.hasOwn(builtIn, name)) {
    Class = await builtIn[name]!()
    loaded.set(name, Class)
  }
  if (Class === undefined) throw new UnknownCacherError(name, [...Object.keys(builtIn), ...registered.keys()].sort())
  let cacher = instances.get(Class)
  if (cacher === undefined) {
    cacher = cacherInstance(Class)
    instances.set(Class, cacher)
  }
  return cacher
}

/** Whether a cacher is one of curio's own, without options: every process has it by its name. */
export async function isPlain(cacher: Cacheable<unknown, unknown>): Promise<boolean> {
  const own = builtIn[cacherIdentity(cacher).name]
  if (own === undefined || Object.keys(cacher.options).length > 0) return false
  return Object.getPrototypeOf(cacher) === (await own()).prototype
}
