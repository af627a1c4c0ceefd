/** Values into blobs: with unpack.ts, the only code that runs a cacher on behalf of a store. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CacherError } from '../errors.js'
import { byCodeUnit } from '../identity/canonical.js'
import { checkRole, checkRoles } from '../identity/path.js'
import type { BlobStore } from '../store/blobs.js'
import { type Artifact, type ArtifactFile, artifactDigest, longList } from '../store/entry.js'
import { attempt, type Cacheable, type Codec, cacherIdentity, isCacherSpec, isCodec, type Json } from './cacheable.js'
import { jsonDifference } from './json.js'
import { scratch } from './scratch.js'
import { type Packed, placedCodec } from './unpack.js'

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
  const { files, extra, seen } = isCacher(value)
    ? { files: await packPlaced(blobs, name, cacher, value, signal), extra: value.extraMetadata, seen: undefined }
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
    preview: seen ?? (isCacher(value) ? countOf(files) : preview(value)),
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

/** What saving a value came to. `seen`: what its cacher says of it. */
interface Saving {
  readonly files: ArtifactFile[]
  readonly extra: Record<string, Json>
  readonly seen: string | undefined
}

async function packCodec(
  blobs: BlobStore,
  name: string,
  codec: Codec<unknown, unknown>,
  value: unknown,
  signal: AbortSignal | undefined,
): Promise<Saving> {
  const encoded = await attempt(codec, 'save', () => codec.encode(value))
  const info = await blobs.put(encoded, signal === undefined ? {} : { signal })
  return { files: [{ role: name + codec.mainExtension(), ...info }], extra: codec.extraMetadata, seen: codec.preview }
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
): Promise<Saving> {
  const staging = scratch()
  try {
    const used = cacher.placedAt(staging, name)
    await attempt(used, 'save', () => used.save(value))
    const who = cacherIdentity(cacher).name
    const files = noneMissing(who, name, await putFolder(blobs, staging, who, signal))
    return { files, extra: used.extraMetadata, seen: used.preview }
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
