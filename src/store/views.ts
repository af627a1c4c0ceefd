import * as fs from 'node:fs'
import * as path from 'node:path'
import { CurioError } from '../errors.js'
import { segment } from '../identity/path.js'
import type { Artifact, ArtifactFile, Entry } from './entry.js'
import * as io from './io.js'

const maxLinks = 100

/** The sidecar of an artifact: what its entry says about it, for people and for inline cachers. */
export function sidecar(entry: Entry, artifact: Artifact): Record<string, unknown> {
  const { artifacts: _, ...about } = entry
  return { curio: 'sidecar', format: 1, ...artifact, ...about }
}

export function sidecarText(entry: Entry, artifact: Artifact): string {
  return `${JSON.stringify(sidecar(entry, artifact), null, 2)}\n`
}

/** Where the link to an artifact's main file stands, relative to the key's folder. */
export function viewName(artifact: Artifact): string {
  return `${artifact.name}${artifact.extension}`
}

/**
 * Writes what is missing or different of an entry's views: sidecars and links (docs/format.md, "Views").
 *
 * Best effort: on a file system without links, or a full or read-only one, there are none, and nothing fails.
 */
export function writeViews(
  folder: string,
  dir: string,
  entry: Entry,
  filesOf: (artifact: Artifact) => readonly ArtifactFile[],
  modes: io.Modes,
): void {
  for (const artifact of entry.artifacts) {
    try {
      writeSidecar(path.join(dir, `${artifact.name}.meta.json`), sidecarText(entry, artifact))
      const files = filesOf(artifact)
      for (const file of files.slice(0, maxLinks)) {
        const at = path.join(dir, file.role)
        if (file.role.includes('/')) io.ensureDir(path.dirname(at), modes.dir, false)
        writeLink(at, blobPath(folder, file.sha256))
      }
      const main = files.find((file) => file.role === viewName(artifact))
      if (artifact.view !== undefined && main !== undefined) {
        const { subdir = '', prefix = '' } = artifact.view
        const parts = subdir.split('/').filter((part) => part !== '' && part !== '.' && part !== '..')
        const at = path.join(folder, 'views', ...parts.map((part) => segment(part)))
        io.ensureDir(at, modes.dir, false)
        const label = [segment(prefix === '' ? 'view' : prefix), artifact.name].slice(prefix === '' ? 1 : 0).join('_')
        writeLink(
          path.join(at, `${label}-${path.basename(dir).slice(-16)}${artifact.extension}`),
          blobPath(folder, main.sha256),
        )
      }
    } catch (error) {
      if (!isHarmless(error)) throw error
    }
  }
}

function blobPath(folder: string, digest: string): string {
  return path.join(folder, 'blobs', digest.slice(0, 2), digest)
}

function isHarmless(error: unknown): boolean {
  return CurioError.is(error) || io.errnoOf(error) !== undefined
}

function writeSidecar(file: string, text: string): void {
  const there = io.readSmall(file)
  if (there instanceof Uint8Array) {
    const now = Buffer.from(there.buffer, there.byteOffset, there.byteLength).toString()
    // An unreadable sidecar of ours is repaired; a file of the user's that took the name is left alone.
    if (now === text || !isOurs(now)) return
  } else if (there !== undefined) return
  fs.renameSync(io.writeTemp(path.dirname(file), text, 0o644, false), file)
}

function isOurs(text: string): boolean {
  return text.trim() === '' || text.slice(0, 200).includes('"curio"') || !isJson(text)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function writeLink(at: string, target: string): void {
  const relative = path.relative(path.dirname(at), target)
  const there = fs.lstatSync(at, { throwIfNoEntry: false })
  if (there !== undefined) {
    if (!there.isSymbolicLink() || fs.readlinkSync(at) === relative) return
    const temp = path.join(path.dirname(at), io.tempName())
    fs.symlinkSync(relative, temp)
    fs.renameSync(temp, at)
    return
  }
  fs.symlinkSync(relative, at)
}

/** True when the link at `file` leads to the blob it should, so that its path may be handed to a program. */
export function leadsTo(file: string, folder: string, digest: string): boolean {
  try {
    return path.resolve(path.dirname(file), fs.readlinkSync(file)) === blobPath(folder, digest)
  } catch {
    return false
  }
}

/** Removes the views of an entry, and nothing else, from its folder. */
export function removeViews(
  folder: string,
  dir: string,
  entry: Entry,
  filesOf: (artifact: Artifact) => readonly ArtifactFile[],
): void {
  for (const artifact of entry.artifacts) {
    io.remove(path.join(dir, `${artifact.name}.meta.json`))
    for (const file of filesOf(artifact)) {
      const at = path.join(dir, file.role)
      if (leadsTo(at, folder, file.sha256)) io.remove(at)
    }
  }
}
