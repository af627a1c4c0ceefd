/**
 * The one place that knows the file system's habits: metadata and small files by synchronous calls (3 to 15 times
 * cheaper than promises, measured), bulk data in bounded asynchronous blocks, never a length over 2³¹−1.
 */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { NoSpaceError, NotFoundError, PermissionError, StoreIOError } from '../errors.js'
import { processToken } from './process.js'

/** Files up to this size are read and written synchronously, in one go. */
export const smallFile = 1 << 20
/** Size of the blocks in which bulk data moves. */
export const block = 8 << 20

/** Never through a link, and never waiting: a pipe in the place of a file would block the process for ever. */
const readFlags = fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)
/** For files of the user's, which may be links. */
export const followFlags = fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0)
const maxAttempts = 5

/** Modes for new folders and files, taken from the store's own folder so that a shared one stays shared. */
export interface Modes {
  readonly dir: number
  readonly file: number
}

/** The system's error code, such as `ENOENT`; undefined for what is no system error (an abort has a code too). */
export function errnoOf(error: unknown): string | undefined {
  const code: unknown = (error as NodeJS.ErrnoException | undefined)?.code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

const absent = new Set(['ENOENT', 'ENOTDIR', 'ESTALE'])

/** True when an error says that a file is not there. */
export function isAbsent(error: unknown): boolean {
  return absent.has(errnoOf(error) ?? '')
}

/** A system error as one of curio's: no space, no permission, anything else. */
export function ioError(operation: string, file: string, error: unknown): StoreIOError {
  switch (errnoOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new NoSpaceError(
        operation,
        file,
        error,
        'free some space (`curio du` shows what is large), then run again',
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new PermissionError(operation, file, error, permissionHint(file))
    case 'EMFILE':
    case 'ENFILE':
      return new StoreIOError(operation, file, error, 'too many open files: raise `ulimit -n`')
    default:
      return new StoreIOError(operation, file, error)
  }
}

function permissionHint(file: string): string {
  for (let at = file; ; at = path.dirname(at)) {
    const stat = statOrNothing(at)
    if (stat !== undefined) {
      const mode = (stat.mode & 0o7777).toString(8)
      return `${at} belongs to uid ${stat.uid}, gid ${stat.gid}, mode ${mode}; this process is uid ${process.getuid?.() ?? '?'}`
    }
    if (at === path.dirname(at)) return 'check the permissions of the folder'
  }
}

/** Undefined also where it may not be looked at: the folder above it says why. */
function statOrNothing(file: string): fs.Stats | undefined {
  try {
    return fs.statSync(file, { throwIfNoEntry: false })
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}

/**
 * Reads a small file whole, without following a link at its end.
 *
 * @returns undefined when it is absent; `'link'` or `'large'` when it is not what a store puts there.
 */
export function readSmall(file: string, limit = smallFile): Uint8Array | undefined | 'link' | 'large' {
  const fd = openNow(file)
  if (fd === undefined) return undefined
  if (fd === 'special') return 'link'
  try {
    const stat = fs.fstatSync(fd)
    if (!stat.isFile()) return 'link'
    if (stat.size > limit) return 'large'
    const bytes = Buffer.allocUnsafeSlow(stat.size)
    const got = readFully(fd, bytes, 0)
    return got === stat.size ? bytes : bytes.subarray(0, got)
  } catch (error) {
    throw error instanceof StoreIOError ? error : ioError('read', file, error)
  } finally {
    closeQuietly(fd)
  }
}

/** Fills `into` from `position`; returns how many bytes there were. */
export function readFully(fd: number, into: Uint8Array, position: number): number {
  let got = 0
  while (got < into.byteLength) {
    const n = fs.readSync(fd, into, got, Math.min(into.byteLength - got, block), position + got)
    if (n === 0) break
    got += n
  }
  return got
}

/** Opens for reading without following a link; undefined when absent, `'special'` for a link or socket. */
export function openNow(file: string): number | undefined | 'special' {
  try {
    return fs.openSync(file, readFlags)
  } catch (error) {
    return notOpened(file, error)
  }
}

function notOpened(file: string, error: unknown): undefined | 'special' {
  if (isAbsent(error)) return undefined
  if (errnoOf(error) === 'ELOOP' || errnoOf(error) === 'ENXIO') return 'special'
  throw ioError('read', file, error)
}

/** As `openNow`, asynchronously. */
export async function openForRead(file: string): Promise<fs.promises.FileHandle | undefined | 'special'> {
  try {
    return await fs.promises.open(file, readFlags)
  } catch (error) {
    return notOpened(file, error)
  }
}

/** Fills `into` from `position` asynchronously; returns how many bytes there were. */
export async function readBlock(handle: fs.promises.FileHandle, into: Uint8Array, position: number): Promise<number> {
  let got = 0
  while (got < into.byteLength) {
    const { bytesRead } = await handle.read(into, got, Math.min(into.byteLength - got, block), position + got)
    if (bytesRead === 0) break
    got += bytesRead
  }
  return got
}

/** Size in bytes when `file` is a regular file, else undefined. */
export function sizeOf(file: string): number | undefined {
  try {
    const stat = fs.lstatSync(file, { throwIfNoEntry: false })
    return stat?.isFile() ? stat.size : undefined
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw ioError('look at', file, error)
  }
}

let random = Buffer.alloc(0)
let used = 0

/** A name no other writer can have: host, pid, boot and 128 random bits. */
export function tempName(): string {
  // Asked of the system for many names at once: one by one they cost as much as opening a file.
  if (used >= random.byteLength) {
    random = randomBytes(4096)
    used = 0
  }
  used += 16
  return `.tmp-${processToken()}-${random.toString('hex', used - 16, used)}`
}

/** Writes `data` to a new temporary file in `dir` and returns its path. On any failure nothing is left behind. */
export function writeTemp(dir: string, data: Uint8Array | string, mode: number, durable: boolean): string {
  const temp = path.join(dir, tempName())
  writeNew(temp, data, mode, durable)
  return temp
}

/** Writes `data` to a file that must not be there yet. On any failure nothing is left behind. */
export function writeNew(file: string, data: Uint8Array | string, mode: number, durable: boolean): void {
  let fd: number | undefined = fs.openSync(file, 'wx', mode)
  try {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    for (let at = 0; at < bytes.byteLength; ) {
      at += fs.writeSync(fd, bytes, at, Math.min(bytes.byteLength - at, block))
    }
    setMode(() => fs.fchmodSync(fd!, mode))
    if (durable) fs.fdatasyncSync(fd)
    const closing = fd
    fd = undefined
    fs.closeSync(closing)
  } catch (error) {
    if (fd !== undefined) closeQuietly(fd)
    remove(file)
    throw error
  }
}

/** Closes what was only read or synced, or after a failure, which is the one to report: nothing can be lost by it. */
export function closeQuietly(fd: number): void {
  try {
    fs.closeSync(fd)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
  }
}

/**
 * Sets a mode that the umask may have cut. Always, instead of comparing with the umask: Node asks for the umask by setting it
 * to 0 for a moment, for all threads. File systems without modes refuse; then theirs apply.
 */
export function setMode(change: () => void): void {
  try {
    change()
  } catch (error) {
    allowNoModes(error)
  }
}

/** Throws `error` again, unless it only says that this file system has no modes to set. */
export function allowNoModes(error: unknown): void {
  if (!refusesModes.has(errnoOf(error) ?? '')) throw error
}

const refusesModes = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'])

/**
 * Gives `temp` its final name if that name is free, and removes `temp`.
 *
 * @returns false when the name was taken (`temp` still exists then).
 */
export function publish(temp: string, final: string): boolean {
  try {
    fs.linkSync(temp, final)
  } catch (error) {
    const code = errnoOf(error)
    // On NFS a lost reply makes a link that succeeded look like one that failed.
    if (fs.lstatSync(temp, { throwIfNoEntry: false })?.nlink === 2 && sameFile(temp, final)) {
      remove(temp)
      return true
    }
    if (code === 'EEXIST') return false
    if (code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'EPERM' || code === 'ENOSYS' || code === 'EMLINK') {
      if (fs.lstatSync(final, { throwIfNoEntry: false }) !== undefined) return false
      fs.renameSync(temp, final)
      return true
    }
    throw error
  }
  remove(temp)
  return true
}

function sameFile(a: string, b: string): boolean {
  const [x, y] = [a, b].map((file) => fs.lstatSync(file, { throwIfNoEntry: false }))
  return x !== undefined && y !== undefined && x.ino === y.ino && x.dev === y.dev
}

/** Removes a file; false when it was not there. */
export function remove(file: string): boolean {
  try {
    fs.unlinkSync(file)
    return true
  } catch (error) {
    if (isAbsent(error)) return false
    throw ioError('remove', file, error)
  }
}

/** Moves `temp` over `final`, whatever is there. */
export function replace(temp: string, final: string): void {
  try {
    fs.renameSync(temp, final)
  } catch (error) {
    remove(temp)
    throw error
  }
  // Renaming one link of a file over another link of it does nothing and leaves the first.
  if (fs.existsSync(temp)) remove(temp)
}

/** Makes one folder with exactly the mode asked for; false when something has its name, or its parent is missing. */
export function makeDir(dir: string, mode: number): boolean {
  try {
    fs.mkdirSync(dir, mode)
    setMode(() => fs.chmodSync(dir, mode))
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' || errnoOf(error) === 'ENOENT') return false
    throw ioError('create', dir, error)
  }
}

/**
 * Makes `dir` and what is missing above it, with exactly the mode asked for; with `durable`, the new names survive power loss.
 *
 * @throws {StoreIOError} also when something else than a folder is there.
 */
export function ensureDir(dir: string, mode: number, durable: boolean): void {
  // More than once: whoever tidies empty folders may take the parent between its making and ours.
  for (let attempt = 0; ; attempt++) {
    if (makeDir(dir, mode)) break
    const there = fs.statSync(dir, { throwIfNoEntry: false })
    if (there?.isDirectory()) return
    if (there !== undefined || attempt === maxAttempts) {
      throw ioError('create', dir, new Error('something else has its name, or it vanishes as it is made'))
    }
    ensureDir(path.dirname(dir), mode, durable)
  }
  if (durable) syncDir(path.dirname(dir))
}

/** Makes a file's bytes survive power loss, whoever wrote them; false when it is absent. */
export function syncFile(file: string): boolean {
  const fd = openNow(file)
  if (fd === undefined || fd === 'special') return false
  try {
    fs.fdatasyncSync(fd)
    return true
  } catch (error) {
    throw ioError('sync', file, error)
  } finally {
    closeQuietly(fd)
  }
}

/** Makes new names in `dir` survive power loss, where the platform can open folders. */
export function syncDir(dir: string): void {
  let fd: number
  try {
    fd = fs.openSync(dir, fs.constants.O_RDONLY)
  } catch (error) {
    if (errnoOf(error) === 'EISDIR' || errnoOf(error) === 'EPERM' || errnoOf(error) === 'EACCES') return
    throw ioError('sync', dir, error)
  }
  try {
    fs.fsyncSync(fd)
  } catch (error) {
    // Some network file systems refuse to sync a folder; their close-to-open rule covers names already.
    if (errnoOf(error) !== 'EINVAL' && errnoOf(error) !== 'ENOTSUP') throw ioError('sync', dir, error)
  } finally {
    closeQuietly(fd)
  }
}

/** Opens a file of the user's, by a link or not. */
export async function openFollowing(file: string): Promise<fs.promises.FileHandle> {
  try {
    return await fs.promises.open(file, 'r')
  } catch (error) {
    throw isAbsent(error) ? new NotFoundError('the file', file, { cause: error }) : ioError('read', file, error)
  }
}

/** Names in a folder; none when it is absent. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return await fs.promises.readdir(dir)
  } catch (error) {
    if (isAbsent(error)) return []
    throw ioError('list', dir, error)
  }
}
