import * as fs from 'node:fs'
import * as path from 'node:path'
import { type CacherOptions, Codec, cacherIdentity, callable } from '../src/artifact/cacheable.js'
import { CacherError, CurioError, PermissionError, StoreIOError } from '../src/errors.js'
import { fileContent } from '../src/identity/files.js'
import { type CallableCacher, kindOf, messageOf, utf8 } from './common.js'

/** One path, or a list of them. Relative ones start at the current folder; what is loaded is absolute. */
export type FilePaths = string | readonly string[]

/** What a file was when it was saved. */
export interface FileReference {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/**
 * A cacher for files that stay where they are: a `.json` file with the path, size and SHA-256 of each. A stored reference is
 * valid as long as every file still holds what it held. See docs/cachers/file-reference.md.
 */
export interface FileReferenceCacher extends Codec<string | string[], FilePaths> {
  /** @throws {CacherError} when a file is missing or is none; nothing is recorded then. */
  encode(value: FilePaths): Promise<string>
  decode(bytes: Uint8Array): string | string[]
  /** True when the reference is there and every file still has the content it had; compares sizes, then SHA-256. */
  check(): Promise<boolean>
}

interface References {
  readonly list: boolean
  readonly files: readonly FileReference[]
}

class FileReferenceCacherClass extends Codec<string | string[], FilePaths> {
  static override readonly cacherName: string = 'file-reference'
  override readonly extension: string = '.json'
  override readonly checksOnHit: boolean = true

  constructor(argument?: string | CacherOptions) {
    super(argument)
    this.checkOptions()
  }

  override async encode(value: FilePaths): Promise<string> {
    const list = Array.isArray(value)
    const files: FileReference[] = []
    for (const [i, file] of (list ? (value as readonly string[]) : [value as string]).entries()) {
      files.push(await this.referTo(file, list ? `${this.label}[${i}]` : this.label))
    }
    return `${JSON.stringify({ list, files } satisfies References, null, 2)}\n`
  }

  override decode(bytes: Uint8Array): string | string[] {
    const { list, files } = this.parsed(bytes)
    const paths = files.map((file) => file.path)
    return list ? paths : paths[0]!
  }

  override async check(): Promise<boolean> {
    let bytes: Uint8Array
    try {
      bytes = await fs.promises.readFile(this.getPath())
    } catch (error) {
      if (isAbsent(error)) return false
      throw ioError('read', this.getPath(), error)
    }
    for (const reference of this.parsed(bytes).files) {
      if (look(reference.path)?.size !== reference.bytes) return false
      try {
        if ((await fileContent(reference.path)).sha256 !== reference.sha256) return false
      } catch (error) {
        // Gone since the line above, or a folder now.
        if (CurioError.is(error, 'ERR_NOT_FOUND') || !look(reference.path)?.isFile()) return false
        throw error
      }
    }
    return true
  }

  private async referTo(file: unknown, label: string): Promise<FileReference> {
    const { name } = cacherIdentity(this)
    if (typeof file !== 'string') throw new CacherError(name, 'save', `${label} is ${kindOf(file)}, not a path`)
    if (file === '' || file.includes('\0') || !file.isWellFormed()) {
      throw new CacherError(name, 'save', `${label} is ${JSON.stringify(file)}, which is no path`)
    }
    const absolute = path.resolve(file)
    const stat = look(absolute)
    if (stat === undefined) {
      throw new CacherError(name, 'save', `${label} is ${absolute}, which does not exist`, {
        hint: 'write the file before you return its path',
      })
    }
    if (!stat.isFile()) throw new CacherError(name, 'save', `${label} is ${absolute}, which is no regular file`)
    const { bytes, sha256 } = await fileContent(absolute)
    return { path: absolute, bytes, sha256 }
  }

  private parsed(bytes: Uint8Array): References {
    const { name } = cacherIdentity(this)
    let value: unknown
    try {
      value = JSON.parse(utf8(bytes) ?? '')
    } catch (cause) {
      throw new CacherError(name, 'load', `${this.label} is not JSON: ${messageOf(cause)}`, { cause })
    }
    if (!isReferences(value)) throw new CacherError(name, 'load', `${this.label} is no list of file references`)
    return value
  }
}

export const FileReferenceCacher: CallableCacher<FileReferenceCacher> = callable(FileReferenceCacherClass)

function look(file: string): fs.Stats | undefined {
  try {
    return fs.statSync(file)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw ioError('look at', file, error)
  }
}

function ioError(operation: string, file: string, error: unknown): StoreIOError {
  const { code } = error as NodeJS.ErrnoException
  const Class = code === 'EACCES' || code === 'EPERM' ? PermissionError : StoreIOError
  return new Class(operation, file, error)
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function isReferences(value: unknown): value is References {
  if (value === null || typeof value !== 'object') return false
  const { list, files } = value as Partial<References>
  if (typeof list !== 'boolean' || !Array.isArray(files) || (!list && files.length !== 1)) return false
  return files.every((file: Partial<FileReference> | null) => {
    const { path: at, bytes, sha256 } = file ?? {}
    return (
      typeof at === 'string' &&
      path.isAbsolute(at) &&
      !at.includes('\0') &&
      Number.isSafeInteger(bytes) &&
      typeof sha256 === 'string' &&
      /^[0-9a-f]{64}$/.test(sha256)
    )
  })
}
