/** Values into blobs and back: the only code that runs a cacher on behalf of a store. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CacherError, CurioError, NotFoundError } from '../errors.js'
import { byCodeUnit } from '../identity/canonical.js'
import { checkRole, checkRoles } from '../identity/path.js'
import type { BlobStore } from '../store/blobs.js'
import { type Artifact, type ArtifactFile, artifactDigest, longList, parseList } from '../store/entry.js'
import { FolderBlobs } from '../store/folder-blobs.js'
import { type Cacheable, type Codec, cacherIdentity, isCacherSpec, isCodec, type Json } from './cacheable.js'
import { jsonDifference } from './json.js'
import { scratch } from './scratch.js'

/** Blobs of an artifact and how to find out more about them. */
export interface Packed {
  readonly artifact: Artifact
  readonly blobs: BlobStore
}

/**
 * Saves `value` with `cacher` as blobs.
 *
 * @param name what the artifact, and so its files, are called.
 * @throws {CacherError} when the cacher refuses the value.
 */
export async function pack(
  blobs: BlobStore,
  name: string,
  cacher: Cacheable<unknown, unknown>,
  value: unknown,
  signal?: AbortSignal,
): Promise<Packed> {
  const { files, extra } = isCacher(value)
    ? { files: await packPlaced(blobs, name, cacher, value, signal), extra: value.extraMetadata }
    : isCodec(cacher)
      ? await packCodec(blobs, name, placedCodec(cacher, name), value, signal)
      : await packFiles(blobs, name, cacher, value, signal)
  const about = {
    ...cacherIdentity(cacher),
    options: cacher.decodingOptions(),
    extra,
    extension: cacher.mainExtension(),
  }
  const { subdir, prefix, track } = cacher.options
  const packed = await artifactOf(blobs, name, about, files, signal)
  const view = { ...(subdir === undefined ? {} : { subdir }), ...(prefix === undefined ? {} : { prefix }) }
  const artifact: Artifact = {
    ...packed,
    preview: isCacher(value) ? countOf(files) : preview(value),
    ...(track === false ? { track } : {}),
    ...(Object.keys(view).length > 0 ? { view } : {}),
  }
  return { artifact, blobs }
}

/**
 * Saves every file below a folder as one artifact.
 *
 * @param onUnfit told of links, and of names that not every system takes; these are left out.
 */
export async function packFolder(
  blobs: BlobStore,
  name: string,
  folder: string,
  onUnfit: (name: string) => void,
  signal?: AbortSignal,
): Promise<Packed> {
  const files = await putFolder(blobs, folder, name, signal, onUnfit)
  const about = { name: 'directory', codec: 1, options: {}, extra: {}, extension: '' }
  const artifact = await artifactOf(blobs, name, about, files, signal)
  return { artifact: { ...artifact, preview: countOf(files) }, blobs }
}

async function artifactOf(
  blobs: BlobStore,
  name: string,
  about: { name: string; codec: number; options: Record<string, Json>; extra: Record<string, Json>; extension: string },
  files: readonly ArtifactFile[],
  signal: AbortSignal | undefined,
): Promise<Artifact> {
  const { name: cacher, codec, options, extra, extension } = about
  checkRoles(files.map((file) => file.role))
  faithful(cacher, 'options', options)
  faithful(cacher, 'extraMetadata', extra)
  const long = longList(files)
  const list = long === undefined ? undefined : await blobs.put(long, signal === undefined ? {} : { signal })
  return {
    name,
    cacher,
    codec,
    options: options as Artifact['options'],
    extra: extra as Artifact['extra'],
    extension,
    digest: artifactDigest({ cacher, codec, options, extra, files }),
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    ...(list === undefined ? { files: [...files] } : { list: { bytes: list.bytes, sha256: list.sha256 } }),
  }
}

/** A body may return the cacher itself, for an output whose files a program wrote in its place. */
function isCacher(value: unknown): value is Cacheable<unknown, unknown> {
  return value !== null && typeof value === 'object' && isCacherSpec(value)
}

/** A codec for one use. It needs no folder, only to know what its value is called. */
function placedCodec(codec: Cacheable<unknown, unknown>, name: string): Codec<unknown, unknown> {
  return codec.placedAt('', name) as Codec<unknown, unknown>
}

async function packCodec(
  blobs: BlobStore,
  name: string,
  codec: Codec<unknown, unknown>,
  value: unknown,
  signal: AbortSignal | undefined,
): Promise<{ files: ArtifactFile[]; extra: Record<string, Json> }> {
  const encoded = await attempt(codec, 'save', () => codec.encode(value))
  const info = await blobs.put(encoded, signal === undefined ? {} : { signal })
  return { files: [{ role: name + codec.mainExtension(), ...info }], extra: codec.extraMetadata }
}

/** The files a program wrote where `record.cachers` told it to. Any other cacher's folder is somebody else's, and is left alone. */
async function packPlaced(
  blobs: BlobStore,
  name: string,
  cacher: Cacheable<unknown, unknown>,
  value: Cacheable<unknown, unknown>,
  signal: AbortSignal | undefined,
): Promise<ArtifactFile[]> {
  const who = cacherIdentity(cacher).name
  const folder = value.stagedFor(name)
  if (folder === undefined) {
    throw new CacherError(who, 'save', `output ${name} is a cacher that was not given out for it`, {
      hint: `return the value, or record.cachers.${name} after writing its files`,
    })
  }
  const files = noneMissing(who, name, await putFolder(blobs, folder, who, signal))
  const main = name + cacher.mainExtension()
  if (isCodec(cacher) && !files.some((file) => file.role === main)) {
    throw new CacherError(who, 'save', `there is no ${main} among the files written for output ${name}`)
  }
  return files
}

function noneMissing(who: string, name: string, files: ArtifactFile[]): ArtifactFile[] {
  if (files.length > 0) return files
  throw new CacherError(who, 'save', `it wrote no file for ${name}`, {
    hint: 'write to getPath(), getPath(suffix) or below getDir()',
  })
}

async function packFiles(
  blobs: BlobStore,
  name: string,
  cacher: Cacheable<unknown, unknown>,
  value: unknown,
  signal: AbortSignal | undefined,
): Promise<{ files: ArtifactFile[]; extra: Record<string, Json> }> {
  const staging = scratch()
  try {
    const used = cacher.placedAt(staging, name)
    await attempt(used, 'save', () => used.save(value))
    const who = cacherIdentity(cacher).name
    const files = noneMissing(who, name, await putFolder(blobs, staging, who, signal))
    return { files, extra: used.extraMetadata }
  } finally {
    fs.rmSync(staging, { recursive: true, force: true })
  }
}

/** Puts every file below `folder` as a blob, its path as its role. */
export async function putFolder(
  blobs: BlobStore,
  folder: string,
  who: string,
  signal?: AbortSignal,
  onUnfit?: (name: string) => void,
): Promise<ArtifactFile[]> {
  const files: ArtifactFile[] = []
  const visit = async (dir: string, prefix: string): Promise<void> => {
    for (const item of fs.readdirSync(dir, { withFileTypes: true }).sort((a, b) => byCodeUnit(a.name, b.name))) {
      const file = path.join(dir, item.name)
      if (item.isDirectory()) await visit(file, `${prefix}${item.name}/`)
      else if (onUnfit !== undefined && (!item.isFile() || !isRole(prefix + item.name))) onUnfit(prefix + item.name)
      else if (!item.isFile()) {
        throw new CacherError(who, 'save', `${prefix}${item.name} is a link or special file`, {
          hint: 'write the file itself; links are not stored',
        })
      } else
        files.push({ role: prefix + item.name, ...(await blobs.put({ file }, signal === undefined ? {} : { signal })) })
    }
  }
  await visit(folder, '')
  return files
}

function countOf(files: readonly ArtifactFile[]): string {
  return files.length === 1 ? '1 file' : `${files.length} files`
}

function isRole(name: string): boolean {
  try {
    return checkRole(name) === name
  } catch {
    // Its error says why; here it only matters that the file is left out.
    return false
  }
}

/** The files of an artifact; throws `NotFoundError` when their list is gone. */
export async function filesOf({ artifact, blobs }: Packed): Promise<readonly ArtifactFile[]> {
  if (artifact.files !== undefined) return artifact.files
  const bytes = await blobs.get(artifact.list!.sha256)
  const files = bytes === undefined ? undefined : parseList(bytes)
  if (files === undefined) throw gone(artifact)
  return files
}

function gone(artifact: Artifact): NotFoundError {
  return new NotFoundError(`the bytes of artifact ${artifact.name} (${artifact.digest.slice(0, 12)})`, 'blobs/', {
    hint: 'they were evicted, or found damaged and set aside: run the stage again',
  })
}

/**
 * Loads the value of an artifact; every byte that reaches the cacher has been checked.
 *
 * @throws {NotFoundError} when bytes are missing or were damaged: a miss.
 * @throws {CacherError} when the cacher cannot read what is, byte for byte, what was saved.
 */
export async function unpack(
  packed: Packed,
  cacher: Cacheable<unknown, unknown>,
  about: Readonly<Record<string, unknown>>,
  signal?: AbortSignal,
): Promise<unknown> {
  const { artifact, blobs } = packed
  const files = await filesOf(packed)
  if (isCodec(cacher)) {
    const used = placedCodec(cacher, artifact.name)
    used.extraMetadata = structuredClone(artifact.extra) as Record<string, Json>
    const bytes = await blobs.read(mainFile(artifact, files), undefined, signal === undefined ? {} : { signal })
    if (bytes === undefined) throw gone(artifact)
    return attempt(used, 'load', () => used.decode(bytes))
  }
  const staging = scratch()
  try {
    await layOut(packed, files, staging)
    const used = cacher.placedAt(staging, artifact.name, about)
    used.extraMetadata = structuredClone(artifact.extra) as Record<string, Json>
    return await attempt(used, 'load', () => used.load())
  } finally {
    fs.rmSync(staging, { recursive: true, force: true })
  }
}

/** Elements of an artifact along its first axis, by a codec that can read a part. */
export async function unpackSlice(
  packed: Packed,
  cacher: Cacheable<unknown, unknown>,
  start: number,
  end: number,
): Promise<unknown> {
  const { artifact, blobs } = packed
  const codec = isCodec(cacher) ? placedCodec(cacher, artifact.name) : undefined
  if (codec?.slice === undefined) {
    throw new CacherError(artifact.cacher, 'load', 'its format cannot be read in part', { hint: 'load() it whole' })
  }
  const file = mainFile(artifact, await filesOf(packed))
  const read = async (from: number, to: number): Promise<Uint8Array> => {
    const bytes = await blobs.read(file, { start: from, end: to })
    if (bytes === undefined) throw gone(artifact)
    return bytes
  }
  return attempt(codec, 'load', () => codec.slice!({ bytes: file.bytes, read }, start, end))
}

function mainFile(artifact: Artifact, files: readonly ArtifactFile[]): ArtifactFile {
  const main = files.find((file) => file.role === artifact.name + artifact.extension)
  if (main === undefined) throw new CacherError(artifact.cacher, 'load', `artifact ${artifact.name} has no main file`)
  return main
}

/** Whether the artifact is still what its cacher stands for: asks those that override `check` (a file reference whose file is gone). */
export async function stillValid(
  packed: Packed,
  cacher: Cacheable<unknown, unknown>,
  about: Readonly<Record<string, unknown>>,
): Promise<boolean> {
  if (!cacher.checksOnHit) return true
  const staging = scratch()
  try {
    await layOut(packed, await filesOf(packed), staging)
    return await cacher.placedAt(staging, packed.artifact.name, about).check()
  } catch (error) {
    if (CurioError.is(error, 'ERR_NOT_FOUND')) return false
    throw error
  } finally {
    fs.rmSync(staging, { recursive: true, force: true })
  }
}

/**
 * Lays an artifact's files out under their names in `dir`, checked: as links to the blobs where they are files, as
 * read-only copies elsewhere.
 */
export async function layOut({ artifact, blobs }: Packed, files: readonly ArtifactFile[], dir: string): Promise<void> {
  for (const file of files) {
    const at = path.join(dir, ...file.role.split('/'))
    fs.mkdirSync(path.dirname(at), { recursive: true })
    if (blobs instanceof FolderBlobs) {
      if (!(await blobs.verify(file.sha256))) throw gone(artifact)
      try {
        fs.symlinkSync(blobs.path(file.sha256), at)
        continue
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
      }
    }
    const stream = await blobs.stream(file.sha256)
    if (stream === undefined) throw gone(artifact)
    await fs.promises.writeFile(at, stream, { mode: 0o444 })
  }
}

/** Runs a cacher and names it in what goes wrong; curio's own errors pass as they are. */
async function attempt<T>(
  cacher: Cacheable<unknown, never>,
  direction: 'save' | 'load',
  run: () => T | Promise<T>,
): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    if (CurioError.is(cause) || (cause as Error | undefined)?.name === 'AbortError') throw cause
    throw new CacherError(
      cacherIdentity(cacher).name,
      direction,
      (cause as Error | undefined)?.message ?? String(cause),
      { cause },
    )
  }
}

function faithful(cacher: string, what: string, value: unknown): void {
  const difference = jsonDifference(value, what)
  if (difference !== undefined)
    throw new CacherError(cacher, 'save', `${difference}, which JSON does not give back equal`)
}

/** A line about a value for people: its type, its size, how it begins. */
export function preview(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return `string of ${value.length}: ${JSON.stringify(value.slice(0, 60))}`
  if (typeof value !== 'object') return `${typeof value} ${String(value).slice(0, 60)}`
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength} bytes`
  if (Array.isArray(value)) return `array of ${value.length}`
  if (value instanceof Map || value instanceof Set) return `${value.constructor.name} of ${value.size}`
  const { shape, dims, dtype, type } = value as Record<string, unknown>
  const axes = shape ?? dims
  if (Array.isArray(axes) && 'data' in value) return `tensor [${axes.join(', ')}] ${String(dtype ?? type ?? '')}`.trim()
  const keys = Object.keys(value)
  return `${value.constructor?.name ?? 'object'} {${keys.slice(0, 8).join(', ')}${keys.length > 8 ? ', …' : ''}}`.slice(
    0,
    120,
  )
}
