import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CurioError, StoreOpenError } from '../errors.js'
import { formatVersion } from './entry.js'
import * as io from './io.js'

/** A folder that was found to be a store, or made one. */
export interface OpenFolder {
  /** Real path. */
  readonly folder: string
  readonly id: string
  readonly modes: io.Modes
}

export interface OpenRules {
  readonly readOnly: boolean
  readonly create: boolean
  readonly trustWorldWritable: boolean
  readonly durable: boolean
}

const knownFeatures: readonly string[] = []
const marker = 'curio.json'

/** Finds or makes the store at `given` (design: "Opening"). */
export function openFolder(given: string, rules: OpenRules): OpenFolder {
  const folder = path.resolve(given)
  try {
    const stat = fs.statSync(folder, { throwIfNoEntry: false })
    if (stat !== undefined && !stat.isDirectory()) throw new StoreOpenError(folder, 'it is a file')
    if (stat === undefined || readMarker(folder) === undefined) create(folder, stat, rules)
    const id = checkMarker(folder)
    const real = fs.realpathSync(folder)
    return { folder: real, id, modes: modesOf(real, rules) }
  } catch (error) {
    throw CurioError.is(error) ? error : io.ioError('open a store in', folder, error)
  }
}

function create(folder: string, stat: fs.Stats | undefined, rules: OpenRules): void {
  if (stat === undefined) {
    if (rules.readOnly) throw new StoreOpenError(folder, 'it does not exist, and readOnly creates nothing')
    if (fs.lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() && !exists(folder)) {
      throw new StoreOpenError(folder, 'it is a link that leads nowhere')
    }
    if (!exists(path.dirname(folder))) {
      throw new StoreOpenError(folder, `its parent ${path.dirname(folder)} does not exist`, {
        hint: 'create the parent folder first, or check the path for a typing error',
      })
    }
    makeStoreFolder(folder, rules)
  }
  const others = fs.readdirSync(folder).filter((name) => !name.startsWith('.tmp-') && name !== marker)
  if (others.length > 0 && !rules.create && !exists(path.join(folder, marker))) {
    throw new StoreOpenError(
      folder,
      `it is not empty and not a store (it holds ${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''})`,
      {
        hint: `use ${path.join(folder, '.curio')}, or pass { create: true } to make a store among these files`,
      },
    )
  }
  if (rules.readOnly) throw new StoreOpenError(folder, 'it is empty, and readOnly creates nothing')
  const text = `${JSON.stringify({ format: formatVersion, digest: 'sha256', id: randomUUID(), features: [] })}\n`
  const temp = io.writeTemp(folder, text, modesOf(folder, rules).file, rules.durable)
  if (!io.publish(temp, path.join(folder, marker))) io.remove(temp)
  if (rules.durable) io.syncDir(folder)
}

/** By the umask, but never writable for all; a group's parent passes its setgid bit on, which a chmod would take away. */
function makeStoreFolder(folder: string, rules: OpenRules): void {
  try {
    fs.mkdirSync(folder, 0o775)
  } catch (error) {
    if (io.errnoOf(error) !== 'EEXIST') throw error
  }
  if (rules.durable) io.syncDir(path.dirname(folder))
}

function exists(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false }) !== undefined
}

function readMarker(folder: string): string | undefined {
  const bytes = io.readSmall(path.join(folder, marker))
  if (bytes === undefined) return undefined
  if (!(bytes instanceof Uint8Array)) throw new StoreOpenError(folder, `${marker} is not a regular file`)
  return Buffer.from(bytes).toString()
}

function checkMarker(folder: string): string {
  const text = readMarker(folder)
  let header: { format?: unknown; digest?: unknown; id?: unknown; features?: unknown }
  try {
    header = JSON.parse(text ?? '') as typeof header
  } catch (cause) {
    throw damagedMarker(folder, cause)
  }
  if (!Number.isSafeInteger(header?.format) || (header.format as number) < 1) throw damagedMarker(folder)
  if (header.format !== formatVersion) {
    throw new StoreOpenError(
      folder,
      `it has format ${header.format}; this version of curio knows format ${formatVersion}`,
      { hint: 'use a newer version of curio for this store; nothing was changed' },
    )
  }
  if (header.digest !== 'sha256') {
    throw new StoreOpenError(
      folder,
      `it uses digest ${JSON.stringify(header.digest)}; this version of curio knows sha256`,
    )
  }
  const dir = path.join(folder, 'features')
  const later = fs.existsSync(dir) ? fs.readdirSync(dir) : []
  const features = [...(Array.isArray(header.features) ? header.features : ['(unreadable)']), ...later].map(String)
  const unknown = features.filter((feature) => !knownFeatures.includes(feature) && !feature.startsWith('.tmp-'))
  if (unknown.length > 0) {
    throw new StoreOpenError(folder, `it uses ${unknown.join(', ')}, which this version of curio does not know`, {
      hint: 'use a newer version of curio for this store; nothing was changed',
    })
  }
  if (typeof header.id !== 'string' || header.id === '') throw damagedMarker(folder)
  return header.id
}

function damagedMarker(folder: string, cause?: unknown): StoreOpenError {
  return new StoreOpenError(folder, `${marker} is damaged`, {
    cause,
    hint: 'restore it from a backup, or write {"format":1,"digest":"sha256","id":"<any uuid>","features":[]} and a newline',
  })
}

/**
 * New folders and files get the rights of the store's own folder, whatever the umask: in a group's folder (2775) they
 * are the group's, in a private one they stay private. Blobs and entries are never writable in place.
 */
function modesOf(folder: string, rules: OpenRules): io.Modes {
  const mode = fs.statSync(folder).mode & 0o7777
  if ((mode & 0o002) !== 0 && (mode & 0o1000) === 0 && !rules.trustWorldWritable && process.platform !== 'win32') {
    throw new StoreOpenError(folder, `anyone on this machine may write to it (mode ${mode.toString(8)})`, {
      hint: `chmod o-w ${folder}, or pass { trustWorldWritable: true } if nobody else can reach it`,
    })
  }
  // Who trusts a world-writable folder shares it with other users, who must get on below it too.
  const world = rules.trustWorldWritable ? 0o2777 : 0o2775
  return { dir: (mode & world) | 0o700, file: (mode & 0o044) | 0o400 }
}
