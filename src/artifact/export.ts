import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Digest } from '../identity/digest.js'
import { fileContent } from '../identity/files.js'
import type { Artifact, ArtifactFile } from '../store/entry.js'
import * as io from '../store/io.js'
import { viewName } from '../store/views.js'
import { writeInline } from './cacheable.js'
import type { ArtifactHandle } from './lazy.js'

/** One file of a copy: where it goes, as the note names it, and what it holds. */
interface Copied {
  readonly file: string
  readonly name: string
  readonly sha256: Digest
}

/**
 * Copies an artifact's files to a path of the user's (`overwritePath`), beside the normal artifact: the main file to exactly that path,
 * others beside it as an inline cacher would write them, and a sidecar. A copy that somebody changed since is left alone, unless `force`.
 *
 * @returns why nothing was written, or undefined.
 */
export async function exportCopy(
  handle: ArtifactHandle<unknown>,
  target: string,
  force: boolean,
): Promise<string | undefined> {
  const main = path.resolve(target)
  const stem = main.slice(0, main.length - path.extname(main).length)
  const note = `${stem}.meta.json`
  const before = exportedBefore(note)
  const copies = (await handle.files()).map((file) => placed(handle.packed.artifact, file, main, stem))
  const stale: Copied[] = []
  for (const copy of copies) {
    const now = await digestOf(copy.file)
    if (now === copy.sha256) continue
    if (now !== undefined && !force && now !== before?.[copy.name]) {
      return `${copy.file} was changed by hand and is left as it is; use mode 'force' to overwrite it`
    }
    stale.push(copy)
  }
  if (stale.length === 0 && before !== undefined) return undefined
  // Computes what is gone again, and checks what is there.
  await handle.toPath()
  for (const { file, sha256 } of stale) {
    const bytes = await handle.packed.blobs.stream(sha256)
    if (bytes !== undefined) await writeInline(file, bytes)
  }
  const exported = Object.fromEntries(copies.map(({ name, sha256 }) => [name, sha256]))
  await writeInline(note, `${JSON.stringify({ ...handle.metadata, exported }, null, 2)}\n`)
  return undefined
}

/** The main file is the copy itself; others that are called after the artifact are called after the copy, and the rest lie beside it. */
function placed(artifact: Artifact, { role, sha256 }: ArtifactFile, main: string, stem: string): Copied {
  const dir = path.dirname(main)
  const own = viewName(artifact)
  const file =
    role === own || role.startsWith(`${own}/`)
      ? main + role.slice(own.length)
      : role.startsWith(artifact.name)
        ? path.resolve(stem + role.slice(artifact.name.length))
        : path.join(dir, ...role.split('/'))
  return { file, name: path.relative(dir, file).split(path.sep).join('/'), sha256 }
}

async function digestOf(file: string): Promise<Digest | undefined> {
  try {
    if (!fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return undefined
  } catch (error) {
    // A part of the path is a file: writing says so.
    if (io.errnoOf(error) === 'ENOTDIR') return undefined
    throw io.ioError('look at', file, error)
  }
  return (await fileContent(file)).sha256
}

/** Digests of the copies as they were last written here. */
function exportedBefore(note: string): Readonly<Record<string, string>> | undefined {
  const bytes = io.readSmall(note)
  if (!(bytes instanceof Uint8Array)) return undefined
  try {
    return (JSON.parse(Buffer.from(bytes).toString()) as { exported?: Record<string, string> }).exported
  } catch {
    // Not ours: then the copies are not ours either.
    return undefined
  }
}
