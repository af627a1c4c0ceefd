/** Blobs into values; every byte that reaches a cacher has been checked. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CacherError, CurioError, NotFoundError } from '../errors.js'
import type { BlobStore } from '../store/blobs.js'
import { type Artifact, type ArtifactFile, parseList } from '../store/entry.js'
import { FolderBlobs } from '../store/folder-blobs.js'
import { attempt, type Cacheable, type Codec, isCodec, type Json } from './cacheable.js'
import { jsonCopy } from './json.js'
import { scratch } from './scratch.js'

/** Blobs of an artifact and how to find out more about them. */
export interface Packed {
  readonly artifact: Artifact
  readonly blobs: BlobStore
}

/** A codec for one use. It needs no folder, only to know what its value is called. */
export function placedCodec(codec: Cacheable<unknown, unknown>, name: string): Codec<unknown, unknown> {
  return codec.placedAt('', name) as Codec<unknown, unknown>
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
    used.extraMetadata = jsonCopy(artifact.extra) as Record<string, Json>
    const bytes = await blobs.read(mainFile(artifact, files), undefined, signal === undefined ? {} : { signal })
    if (bytes === undefined) throw gone(artifact)
    return attempt(used, 'load', () => used.decode(bytes))
  }
  const staging = scratch()
  let keeps = false
  try {
    await layOut(packed, files, staging)
    const used = cacher.placedAt(staging, artifact.name, about)
    used.extraMetadata = jsonCopy(artifact.extra) as Record<string, Json>
    const value = await attempt(used, 'load', () => used.load())
    keeps = cacher.keepsFiles
    return value
  } finally {
    if (!keeps) fs.rmSync(staging, { recursive: true, force: true })
  }
}

/** A part of an artifact: elements along its first axis, columns by name, or both. */
export interface Part {
  readonly rows?: readonly [start: number, end: number]
  readonly columns?: readonly string[]
}

/** A part of an artifact, by a codec that can read one without the rest. */
export async function unpackPart(
  packed: Packed,
  cacher: Cacheable<unknown, unknown>,
  { rows, columns }: Part,
): Promise<unknown> {
  const { artifact, blobs } = packed
  const codec = isCodec(cacher) ? placedCodec(cacher, artifact.name) : undefined
  if (codec === undefined || (rows === undefined ? codec.columns : codec.slice) === undefined) {
    const what = rows === undefined ? 'by columns' : 'in part'
    throw new CacherError(artifact.cacher, 'load', `its format cannot be read ${what}`, { hint: 'load() it whole' })
  }
  codec.extraMetadata = jsonCopy(artifact.extra) as Record<string, Json>
  const file = mainFile(artifact, await filesOf(packed))
  const read = async (from: number, to: number): Promise<Uint8Array> => {
    const bytes = await blobs.read(file, { start: from, end: to })
    if (bytes === undefined) throw gone(artifact)
    return bytes
  }
  const source = { bytes: file.bytes, read }
  return attempt(codec, 'load', () =>
    rows === undefined ? codec.columns!(source, columns ?? []) : codec.slice!(source, ...rows, columns),
  )
}

function mainFile(artifact: Artifact, files: readonly ArtifactFile[]): ArtifactFile {
  const main = files.find((file) => file.role === artifact.name + artifact.extension)
  if (main === undefined) throw new CacherError(artifact.cacher, 'load', `artifact ${artifact.name} has no main file`)
  return main
}

/** Whether the artifact is still what its cacher stands for: for those with `checksOnHit` (a file reference whose file is gone). */
export async function stillValid(
  packed: Packed,
  cacher: Cacheable<unknown, unknown>,
  about: Readonly<Record<string, unknown>>,
): Promise<boolean> {
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
