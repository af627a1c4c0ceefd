/** Folders and files of the user's, and what the system says about them as one of curio's errors. */
import * as fs from 'node:fs'
import { NoSpaceError, PermissionError, StoreIOError } from '../../src/errors.js'

/** How curio lays files out, and how it shows them: as links to immutable blobs. */
const toBlob = /[/\\]blobs[/\\]([0-9a-f]{2})[/\\]\1[0-9a-f]{62}$/

/** By the system, block by block or sharing the blocks. What is read-only, as blobs are, is copied to a file that is not. */
export async function copy(from: string, to: string): Promise<void> {
  await fs.promises.copyFile(from, to, fs.constants.COPYFILE_FICLONE | fs.constants.COPYFILE_EXCL)
  const { mode } = await fs.promises.stat(to)
  if ((mode & 0o200) === 0) await fs.promises.chmod(to, mode | 0o200)
}

/** Gives a complete folder its name. A folder that has it goes to `aside`, and comes back when something fails. */
export function putAt(made: string, target: string, aside: string): void {
  const isThere = look(target) !== undefined
  attemptIO('replace', target, () => {
    if (isThere) fs.renameSync(target, aside)
    try {
      fs.renameSync(made, target)
    } catch (error) {
      if (isThere) fs.renameSync(aside, target)
      throw error
    }
  })
}

export function leadsToBlob(link: string): boolean {
  return toBlob.test(fs.readlinkSync(link)) && fs.statSync(link, { throwIfNoEntry: false })?.isFile() === true
}

export function look(file: string): fs.Stats | undefined {
  return attemptIO('look at', file, () => unlessBelowFile(() => fs.lstatSync(file, { throwIfNoEntry: false })))
}

/** Also by a link: it is the user's way to their folder. */
export function isFolder(folder: string): boolean {
  const stat = attemptIO('look at', folder, () => unlessBelowFile(() => fs.statSync(folder, { throwIfNoEntry: false })))
  return stat?.isDirectory() === true
}

function unlessBelowFile<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw error
  }
}

export function list(dir: string): fs.Dirent[] {
  return attemptIO('list', dir, () => fs.readdirSync(dir, { withFileTypes: true }))
}

export function attemptIO<T>(operation: string, file: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw ioError(operation, file, error)
  }
}

export function ioError(operation: string, file: string, error: unknown): StoreIOError {
  const { code } = error as NodeJS.ErrnoException
  const noSpace = code === 'ENOSPC' || code === 'EDQUOT'
  const Class = noSpace ? NoSpaceError : code === 'EACCES' || code === 'EPERM' ? PermissionError : StoreIOError
  return new Class(operation, file, error)
}
