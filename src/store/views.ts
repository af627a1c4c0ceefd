import * as fs from 'node:fs'
import * as path from 'node:path'
import { CurioError } from '../errors.js'
import { tail } from '../identity/digest.js'
import { isReservedName, segment } from '../identity/path.js'
import type { Artifact, ArtifactFile, Entry } from './entry.js'
import * as io from './io.js'

const maxLinks = 100
const maxSidecar = 64 << 20

/** The sidecar of an artifact: what its entry says about it, for people and for inline cachers. */
export function sidecar(entry: Entry, artifact: Artifact): Record<string, unknown> {
  return Object.fromEntries(Object.entries(sidecarFields(entry, artifact)).filter(([, value]) => value !== undefined))
}

function sidecarFields(entry: Entry, artifact: Artifact): Record<string, unknown> {
  // Field by field, so that an entry just made and the same one read back give one text; else each first hit would write it anew.
  const { name, cacher, codec, options, extra, extension, digest, bytes, preview, track, view, files, list } = artifact
  const { key, hash, material, id, version, params, ignored, defaults, inputs, code, token, provenance } = entry
  // biome-ignore format: two things described, two lines
  return {
    curio: 'sidecar', format: 1,
    name, cacher, codec, options, extra, extension, digest, bytes, preview, track, view, files, list,
    key, hash, material, id, version, params, ignored, defaults, inputs, code, token, provenance,
  }
}

export function sidecarText(entry: Entry, artifact: Artifact): string {
  return `${JSON.stringify(sidecarFields(entry, artifact), null, 2)}\n`
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
    const files = filesOf(artifact)
    // One by one: a name that is taken by something of the user's must not cost the others theirs.
    attempt(() => writeSidecar(sidecarPath(dir, artifact), sidecarText(entry, artifact), modes))
    for (const file of files.slice(0, maxLinks)) {
      attempt(() => writeRoleLink(folder, dir, file, modes))
    }
    const main = files.find((file) => file.role === viewName(artifact))
    const at = morePath(folder, entry, artifact)
    if (main === undefined || at === undefined) continue
    attempt(() => {
      io.ensureDir(path.dirname(at), modes.dir, false)
      writeLink(at, blobPath(folder, main.sha256))
    })
  }
}

function attempt(action: () => void): void {
  try {
    action()
  } catch (error) {
    if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
  }
}

function sidecarPath(dir: string, artifact: Artifact): string {
  return path.join(dir, `${artifact.name}.meta.json`)
}

/** A file of an artifact under its own name, unless that name has another meaning in a key's folder, at any depth. */
function writeRoleLink(folder: string, dir: string, file: ArtifactFile, modes: io.Modes): void {
  const parts = file.role.split('/')
  if (parts.some(isReservedName)) return
  let parent = dir
  for (const part of parts.slice(0, -1)) {
    parent = path.join(parent, part)
    io.ensureDir(parent, modes.dir, false)
    // A link here is the user's, and what lies behind it too.
    if (!fs.lstatSync(parent).isDirectory()) return
  }
  writeLink(path.join(dir, ...parts), blobPath(folder, file.sha256))
}

/** Where the further link stands that a cacher asked for. */
function morePath(folder: string, entry: Entry, { name, extension, view }: Artifact): string | undefined {
  if (view === undefined) return undefined
  const { subdir = '', prefix = '' } = view
  const parts = subdir.split('/').filter((part) => part !== '' && part !== '.' && part !== '..')
  const label = prefix === '' ? name : `${segment(prefix)}_${name}`
  return path.join(folder, 'views', ...parts.map((part) => segment(part)), `${label}-${tail(entry.hash)}${extension}`)
}

function blobPath(folder: string, digest: string): string {
  return path.join(folder, 'blobs', digest.slice(0, 2), digest)
}

/** Straight to its name where nothing stands: a torn one is repaired by the next hit, and nothing is ever read from it. */
function writeSidecar(file: string, text: string, modes: io.Modes): void {
  try {
    io.writeNew(file, text, modes.file | 0o200, false)
    return
  } catch (error) {
    if (io.errnoOf(error) !== 'EEXIST') throw error
  }
  const there = readSidecar(file)
  if (there === text || there === 'not ours') return
  const temp = io.writeTemp(path.dirname(file), text, modes.file | 0o200, false)
  try {
    fs.renameSync(temp, file)
  } catch (error) {
    io.remove(temp)
    throw error
  }
}

/** The text of a sidecar of ours, damaged or not; `'not ours'` for a file of the user's that took the name. */
function readSidecar(file: string): string | undefined {
  const there = io.readSmall(file, maxSidecar)
  if (there === undefined) return undefined
  if (!(there instanceof Uint8Array)) return 'not ours'
  const text = Buffer.from(there.buffer, there.byteOffset, there.byteLength).toString()
  const head = text.slice(0, 100)
  const ours = head.includes('"curio"') || head.includes('"sidecar"') || /^[\s\0]*$/.test(text)
  return ours ? text : 'not ours'
}

function writeLink(at: string, target: string): void {
  const relative = path.relative(path.dirname(at), target)
  try {
    fs.symlinkSync(relative, at)
    return
  } catch (error) {
    if (io.errnoOf(error) !== 'EEXIST') throw error
  }
  const there = fs.lstatSync(at, { throwIfNoEntry: false })
  if (there?.isSymbolicLink() !== true || fs.readlinkSync(at) === relative) return
  const temp = path.join(path.dirname(at), io.tempName())
  fs.symlinkSync(relative, temp)
  try {
    fs.renameSync(temp, at)
  } catch (error) {
    io.remove(temp)
    throw error
  }
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
    const sidecar = sidecarPath(dir, artifact)
    if (readSidecar(sidecar) !== 'not ours') io.remove(sidecar)
    for (const file of filesOf(artifact)) {
      const at = path.join(dir, file.role)
      if (leadsTo(at, folder, file.sha256)) io.remove(at)
      for (let up = path.dirname(at); up !== dir; up = path.dirname(up)) removeIfEmpty(up)
    }
    const main = filesOf(artifact).find((file) => file.role === viewName(artifact))
    const more = morePath(folder, entry, artifact)
    if (main !== undefined && more !== undefined && leadsTo(more, folder, main.sha256)) io.remove(more)
  }
}

/** Removes a folder; false when it is not empty, not there, or not ours to remove. */
export function removeIfEmpty(dir: string): boolean {
  try {
    fs.rmdirSync(dir)
    return true
  } catch (error) {
    if (io.errnoOf(error) === undefined) throw error
    return io.isAbsent(error)
  }
}
