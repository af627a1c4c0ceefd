import * as fs from 'node:fs'
import * as path from 'node:path'
import { Cacheable, type CacherOptions, cacherIdentity, callable } from '../src/artifact/cacheable.js'
import { CacherError, CurioError, DeclarationError, NotFoundError } from '../src/errors.js'
import { checkRoles } from '../src/identity/path.js'
import { kindOf, merged, messageOf } from './common.js'
import { attemptIO, copy, ioError, isFolder, leadsToBlob, list, look, putAt } from './directory/files.js'

/** A folder as DirectoryCacher loads it. */
export interface Directory {
  /** Absolute. From a store: a folder of curio's with read-only files, which stays until the process ends. Inline: the path given. */
  readonly path: string
  /** Paths of the files in it, with `/` between parts, sorted. */
  readonly files: readonly string[]
}

/** What DirectoryCacher saves: a folder by its path, of it only some files if they are listed, or files by their relative paths. */
export type DirectoryLike =
  | string
  | { readonly path: string; readonly files?: readonly string[] }
  | { readonly path?: undefined; readonly files: Readonly<Record<string, Uint8Array | string>> }

export interface DirectoryOptions extends CacherOptions {
  /** Inline: whether `save` may put its folder in the place of one that is not empty. Default false. */
  readonly replace?: boolean
}

/** A cacher for folders of files. See docs/cachers/directory.md. */
export interface DirectoryCacher extends Cacheable<Directory, DirectoryLike> {
  /** @throws {CacherError} naming the link, special file or name that cannot be kept; or, inline, the folder that is in the way. */
  save(value: DirectoryLike): Promise<void>
  load(): Promise<Directory>
}

/** Made with or without `new`, from a path, options, or both. */
export interface DirectoryCacherConstructor {
  new (argument?: string | DirectoryOptions, options?: DirectoryOptions): DirectoryCacher
  (argument?: string | DirectoryOptions, options?: DirectoryOptions): DirectoryCacher
  readonly prototype: DirectoryCacher
  readonly cacherName?: string
  readonly codecVersion: number
}

/** Further files of a stage are an artifact of this name, whose files are not in a folder of their own. */
const extraFiles = '_files'
const maxPath = 400
/** Copies under way at once. */
const atOnce = 8

/** A file to be kept, and where its bytes are. */
interface Found {
  readonly role: string
  readonly source: { readonly file: string } | { readonly content: Uint8Array | string }
}

class DirectoryCacherClass extends Cacheable<Directory, DirectoryLike> {
  static override readonly cacherName: string = 'directory'
  override readonly keepsFiles: boolean = true
  private readonly replace: boolean

  constructor(argument?: string | DirectoryOptions, options?: DirectoryOptions) {
    super(merged(argument, options))
    this.checkOptions(['replace'])
    const { replace = false } = this.options as DirectoryOptions
    if (typeof replace !== 'boolean') throw new DeclarationError('replace of a DirectoryCacher must be true or false')
    this.replace = replace
  }

  override async save(value: DirectoryLike): Promise<void> {
    const target = this.folder()
    const found = this.filesOf(value, target)
    if (found.length === 0) throw this.refusal('save', 'holds no file', 'a folder is kept for the files in it')
    this.checkNames(found.map(({ role }) => role))
    if (this.isStored) await this.fill(target, found)
    else await this.putInPlace(target, found)
  }

  override async load(): Promise<Directory> {
    const folder = this.folder()
    if (!isFolder(folder)) {
      if (this.isStored) throw this.refusal('load', 'has no folder of files')
      throw new NotFoundError('the folder', folder)
    }
    return { path: folder, files: this.walk(folder, 'load').map(({ role }) => role) }
  }

  override check(): boolean {
    return isFolder(this.folder())
  }

  /** The folder that is the value. */
  private folder(): string {
    const main = this.getPath()
    if (!this.isStored) return main
    const dir = path.dirname(main)
    return this.label === extraFiles ? dir : path.join(dir, this.label)
  }

  private filesOf(value: DirectoryLike, target: string): Found[] {
    if (typeof value === 'string') return this.filesBelow(value, undefined, target)
    const { path: folder, files } = (value ?? {}) as { path?: unknown; files?: unknown }
    if (typeof folder === 'string' && (files === undefined || Array.isArray(files))) {
      return this.filesBelow(folder, files as readonly unknown[] | undefined, target)
    }
    if (folder === undefined && isPlain(files)) {
      return Object.entries(files).map(([role, content]) => ({
        role,
        source: { content: this.content(role, content) },
      }))
    }
    throw this.refusal(
      'save',
      `is ${kindOf(value)}, not a folder`,
      'give the path of one, { path } or { files: { name: bytes or text } }',
    )
  }

  private content(role: string, content: unknown): Uint8Array | string {
    if (content instanceof Uint8Array) return content
    if (typeof content !== 'string')
      throw this.refusal('save', `holds ${role}, which is ${kindOf(content)}, not bytes or text`)
    if (content.isWellFormed()) return content
    throw this.refusal('save', `holds ${role}, whose text has half of a surrogate pair`, 'give its bytes')
  }

  private filesBelow(given: string, only: readonly unknown[] | undefined, target: string): Found[] {
    if (given === '' || given.includes('\0'))
      throw this.refusal('save', `is ${JSON.stringify(given)}, which is no path`)
    const folder = path.resolve(given)
    if (!isFolder(folder)) {
      const what = look(folder) === undefined ? 'does not exist' : 'is no folder'
      throw this.refusal('save', `is ${folder}, which ${what}`, 'write the folder before you return its path')
    }
    if (target.startsWith(folder + path.sep)) throw this.refusal('save', `would be a copy of ${folder} inside itself`)
    const found = this.walk(folder, 'save')
    if (only === undefined) return found
    const byRole = new Map(found.map((one) => [one.role, one]))
    return only.map((role) => {
      const one = byRole.get(role as string)
      if (one === undefined) throw this.refusal('save', `lists ${String(role)}, which is no file in ${folder}`)
      return one
    })
  }

  /** Every file below a folder, sorted; a link of curio's own counts as the file it leads to. */
  private walk(folder: string, direction: 'save' | 'load'): Found[] {
    const found: Found[] = []
    const visit = (dir: string, prefix: string): void => {
      for (const item of list(dir)) {
        const role = prefix + item.name
        const file = path.join(dir, item.name)
        if (role.length > maxPath)
          throw this.refusal(direction, `holds ${role.slice(0, 80)}…, a path of more than ${maxPath} characters`)
        if (item.name.includes('\uFFFD') && look(file) === undefined) {
          throw this.refusal(direction, `holds ${role}, whose name is not UTF-8 text`)
        }
        if (item.isDirectory()) visit(file, `${role}/`)
        else if (item.isFile() || (item.isSymbolicLink() && leadsToBlob(file))) found.push({ role, source: { file } })
        else {
          throw this.refusal(
            direction,
            `holds ${role}, which is a link or special file`,
            'put the file itself there; links are not stored',
          )
        }
      }
    }
    visit(folder, '')
    return found.sort((a, b) => (a.role < b.role ? -1 : 1))
  }

  /** Refuses what could not be laid out again on every system. */
  private checkNames(roles: readonly string[]): void {
    try {
      checkRoles(this.isStored ? roles.map((role) => `${this.label}/${role}`) : roles)
    } catch (error) {
      if (!CurioError.is(error, 'ERR_INVALID_NAME')) throw error
      throw this.refusal('save', `holds a file whose name not every system takes: ${messageOf(error)}`)
    }
  }

  private async fill(target: string, found: readonly Found[]): Promise<void> {
    const waiting = found.values()
    const made = new Set<string>()
    const failures: unknown[] = []
    const work = async (): Promise<void> => {
      for (const { role, source } of waiting) {
        if (failures.length > 0) return
        const to = path.join(target, ...role.split('/'))
        const dir = path.dirname(to)
        try {
          if (!made.has(dir)) fs.mkdirSync(dir, { recursive: true })
          made.add(dir)
          if ('content' in source) await fs.promises.writeFile(to, source.content)
          else await copy(source.file, to)
        } catch (error) {
          failures.push(ioError('copy a file to', to, error))
        }
      }
    }
    // All of them end before the folder may be removed.
    await Promise.all(Array.from({ length: atOnce }, work))
    if (failures.length > 0) throw failures[0]
  }

  /** Whole or not at all: the folder is filled beside its place, and gets its name when it is complete. */
  private async putInPlace(target: string, found: readonly Found[]): Promise<void> {
    this.inTheWay(target)
    const parent = path.dirname(target)
    const temp = attemptIO('create a folder in', parent, () => {
      fs.mkdirSync(parent, { recursive: true })
      return fs.mkdtempSync(path.join(parent, '.tmp-'))
    })
    const [made, aside] = [path.join(temp, 'new'), path.join(temp, 'old')]
    try {
      await this.fill(made, found)
      // Asked again: the copy may have taken long. And an empty folder goes only if it still is.
      if (this.inTheWay(target) && !this.replace) attemptIO('replace', target, () => fs.rmdirSync(target))
      putAt(made, target, aside)
    } finally {
      // A folder that could not be put back must not go with the rest.
      if (look(aside) === undefined || look(target) !== undefined) fs.rmSync(temp, { recursive: true, force: true })
    }
  }

  /** Whether there is a folder to be replaced; throws when it must not be. */
  private inTheWay(target: string): boolean {
    const there = look(target)
    if (there === undefined) return false
    if (!there.isDirectory()) throw this.refusal('save', `cannot be put at ${target}, which is no folder`)
    const entries = list(target).length
    if (entries === 0 || this.replace) return true
    throw this.refusal(
      'save',
      `cannot be put at ${target}, which holds ${entries === 1 ? 'a file or folder' : `${entries} files and folders`} already`,
      '{ replace: true } removes them first',
    )
  }

  private refusal(direction: 'save' | 'load', reason: string, hint?: string): CacherError {
    return new CacherError(
      cacherIdentity(this).name,
      direction,
      `${this.label} ${reason}`,
      hint === undefined ? {} : { hint },
    )
  }
}

export const DirectoryCacher = callable(DirectoryCacherClass) as DirectoryCacherConstructor

function isPlain(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype
}
