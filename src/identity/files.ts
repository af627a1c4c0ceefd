import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { NotFoundError, StoreIOError } from '../errors.js'
import { byCodeUnit, canonical } from './canonical.js'
import { type Digest, sha256 } from './digest.js'

/** What a file's bytes are, and how the file looked when that was found out. */
export interface FileIdentity {
  /** As it was given; with another current folder it would lead elsewhere. */
  readonly given: string
  readonly path: string
  /** Stands in canonical texts: `File(<bytes>,<SHA-256>)` or `Folder(<entries>,<SHA-256 of the listing>)`. */
  readonly text: string
  readonly stamp: string
}

interface Known {
  readonly stamp: string
  readonly digest: Digest
}

const known = new Map<string, Known>()
/** A file that changed this recently may change again without its times showing it. */
const racyMs = 2000
const block = 1 << 20

/** Size and SHA-256 of a file's content. */
export interface FileContent {
  readonly path: string
  readonly bytes: number
  readonly sha256: Digest
  /** How the file looked while it was read. */
  readonly stamp: string
}

/**
 * What a file holds, read in blocks. Remembered in this process per device, inode, size and times.
 *
 * @throws {NotFoundError} when there is no such file.
 */
export async function fileContent(file: string): Promise<FileContent> {
  const absolute = path.resolve(file)
  const stat = statOf(absolute)
  if (!stat.isFile())
    throw new StoreIOError('read', absolute, new Error('it is not a regular file'), 'use inputDir for a folder')
  return contentOf(absolute, stat)
}

/** Identity of an input file: its content, not its path. Remembered and refused as by `fileContent`. */
export async function fileIdentity(file: string): Promise<FileIdentity> {
  const { path: absolute, bytes, sha256: digest, stamp } = await fileContent(file)
  return { given: file, path: absolute, text: `File(${bytes},${digest})`, stamp }
}

/**
 * Identity of an input folder: the relative paths and contents of the files in it. Links to files count as what they lead
 * to; empty folders, modes and times do not count.
 */
export async function folderIdentity(folder: string): Promise<FileIdentity> {
  const absolute = path.resolve(folder)
  if (!statOf(absolute).isDirectory()) {
    throw new StoreIOError('read', absolute, new Error('it is not a folder'), 'use inputFile for a file')
  }
  const listing: [string, number, Digest][] = []
  const stamps: string[] = []
  for (const file of filesBelow(absolute)) {
    const { bytes, sha256: digest, stamp } = await contentOf(file, statOf(file))
    const relative = path.relative(absolute, file).split(path.sep).join('/')
    listing.push([relative, bytes, digest])
    stamps.push(`${relative}:${stamp}`)
  }
  return {
    given: folder,
    path: absolute,
    text: `Folder(${listing.length},${sha256(canonical(listing))})`,
    stamp: stamps.join('|'),
  }
}

/** Whether an input still looks as it did when its identity was taken. */
export function unchanged(identity: FileIdentity): boolean {
  if (path.resolve(identity.given) !== identity.path) return false
  try {
    const stat = statOf(identity.path)
    if (!stat.isDirectory()) return stampOf(stat) === identity.stamp
    const stamps = filesBelow(identity.path).map((file) => {
      const relative = path.relative(identity.path, file).split(path.sep).join('/')
      return `${relative}:${stampOf(statOf(file))}`
    })
    return stamps.join('|') === identity.stamp
  } catch {
    // Gone, or no longer readable: either way not what was read.
    return false
  }
}

function statOf(file: string): fs.Stats {
  try {
    return fs.statSync(file)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw new StoreIOError('read', file, cause)
    throw new NotFoundError('the input file', file, {
      cause,
      hint: 'check the path; relative ones start at the current folder',
    })
  }
}

function stampOf(stat: fs.Stats): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`
}

async function contentOf(file: string, stat: fs.Stats): Promise<FileContent> {
  const stamp = stampOf(stat)
  const found = { path: file, bytes: stat.size, stamp }
  const before = known.get(file)
  if (before?.stamp === stamp) return { ...found, sha256: before.digest }
  const hash = createHash('sha256')
  try {
    for await (const part of fs.createReadStream(file, { highWaterMark: block })) hash.update(part as Buffer)
  } catch (cause) {
    throw new StoreIOError('read', file, cause)
  }
  const digest = hash.digest('hex') as Digest
  const after = statOf(file)
  if (stampOf(after) !== stamp) return contentOf(file, after)
  if (Date.now() - Math.max(stat.mtimeMs, stat.ctimeMs) > racyMs) known.set(file, { stamp, digest })
  return { ...found, sha256: digest }
}

function filesBelow(folder: string): string[] {
  const files: string[] = []
  const visit = (dir: string, depth: number): void => {
    if (depth > 64)
      throw new StoreIOError('read', dir, new Error('it is nested deeper than 64 folders: a link leads back?'))
    for (const name of fs.readdirSync(dir).sort(byCodeUnit)) {
      const at = path.join(dir, name)
      const stat = statOf(at)
      if (stat.isDirectory()) visit(at, depth + 1)
      else if (stat.isFile()) files.push(at)
    }
  }
  visit(folder, 0)
  return files.sort(byCodeUnit)
}
