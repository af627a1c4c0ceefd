import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { DeclarationError } from '../errors.js'
import { keyPath } from './path.js'

/** Where a stage or configuration was declared. */
export interface DeclaredAt {
  /** Module as ids name it: `<package>/<path without extension>`. */
  readonly module: string
  /** `<file>:<line>:<column>`. */
  readonly place: string
  /** The file itself: where a worker imports it from. */
  readonly file: string
}

/** Folder of curio's own code, whose frames are not the declaration. */
const own = fileURLToPath(new URL('..', import.meta.url))
const maxFrames = 60

/** The module that called curio; undefined in a REPL or an evaluated string. */
export function declaredAt(): DeclaredAt | undefined {
  for (const frame of frames()) {
    const file = frame.getFileName()
    if (file === null || file === undefined || file === '') return undefined
    if (file.startsWith('node:') || /(^|[/\\])(REPL\d*|\[eval\d*\]|\[stdin\]|evalmachine[^/]*)$/.test(file))
      return undefined
    const plain = (file.startsWith('file:') ? fileURLToPath(file) : file).replace(/[?#].*$/, '')
    if (!path.isAbsolute(plain)) return undefined
    if (plain.startsWith(own)) continue
    const place = `${plain}:${frame.getLineNumber()}:${frame.getColumnNumber()}`
    return { module: moduleName(plain), place, file: plain }
  }
  return undefined
}

function frames(): NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = maxFrames
    Error.prepareStackTrace = (_, sites) => sites
    const holder: { stack?: unknown } = {}
    Error.captureStackTrace(holder, frames)
    return Array.isArray(holder.stack) ? (holder.stack as NodeJS.CallSite[]) : []
  } finally {
    Error.prepareStackTrace = prepareStackTrace
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** Where a module is that says itself which one it is: `import.meta.url`. */
export function declaredIn(url: string): DeclaredAt {
  const file = url.startsWith('file:') ? fileURLToPath(url) : url
  if (!path.isAbsolute(file)) {
    throw new DeclarationError(`${JSON.stringify(url)} is no module`, { hint: 'write static module = import.meta.url' })
  }
  return { module: moduleName(file), place: file, file }
}

const names = new Map<string, string>()

/**
 * A module's name: its package's name and its path in it, without extension and a leading `src`, `dist`, `build` or `lib`. The package
 * belongs to it: two projects may share a store, and both have a `pipeline`.
 */
function moduleName(file: string): string {
  const known = names.get(file)
  if (known !== undefined) return known
  const { root, name } = packageOf(path.dirname(file))
  const inside = path.relative(root, file).split(path.sep)
  if (inside.length > 1 && ['src', 'dist', 'build', 'lib'].includes(inside[0]!)) inside.shift()
  const made = `${name}/${inside.join('/').replace(/\.[cm]?[jt]sx?$/, '')}`
  names.set(file, made)
  return made
}

function packageOf(dir: string): { root: string; name: string } {
  for (let at = dir; ; at = path.dirname(at)) {
    const file = path.join(at, 'package.json')
    if (fs.existsSync(file)) {
      const { name } = JSON.parse(fs.readFileSync(file, 'utf8')) as { name?: unknown }
      // A package.json without a name only sets the module type of a build folder, unless it is the last one.
      if (typeof name === 'string' && name !== '') return { root: at, name }
    }
    if (at === path.dirname(at)) return { root: dir, name: path.basename(dir) }
  }
}

const declared = new Map<string, { place: string | undefined; named: boolean; source: string }>()

/**
 * Notes that `id` and `version` were declared, once. A second declaration is refused: from another place it is another computation,
 * and from the same place (a loop, a factory) it closes over values that no key can see.
 *
 * @param named the user gave the name, and answers for it: the same place may declare it again.
 */
export function declareOnce(
  id: string,
  version: string,
  place: string | undefined,
  named: boolean,
  source: string,
): void {
  const key = `${id},${version}`
  const before = declared.get(key)
  if (before === undefined) {
    declared.set(key, { place, named, source })
    return
  }
  // In a REPL one is written again and again, under a name its user gave.
  if (before.place === place && named && (before.source === source || place === undefined)) return
  const where = before.place === place ? `twice at ${place}` : `at ${before.place} and at ${place}`
  throw new DeclarationError(`${id} (version ${version}) is declared ${where}`, {
    hint:
      before.place === place && !named
        ? 'declared in a loop or a function it closes over values that no key can see: declare it once at the top of the module, or give each its own `name:`'
        : 'give one of them another `name:` or `version:`',
  })
}

/** Refuses a version that other code was declared with. */
export function refuseOther(id: string, version: string, source: string): void {
  const before = declared.get(`${id},${version}`)
  if (before === undefined || before.source === source) return
  throw new DeclarationError(`${id} is declared with version ${version} at ${before.place}, and is other code there`, {
    hint: 'call that one, or give another version',
  })
}

/** The id of a function in a module (design rule 3), or the name given. */
export function idOf(given: string | undefined, at: DeclaredAt | undefined, member: string): string {
  if (given !== undefined) return given
  if (member === '' || at === undefined) {
    throw new DeclarationError(
      member === '' ? 'a function without a name cannot be cached' : `${member} is declared in no module`,
      {
        hint: 'name the function, or pass `name:`',
      },
    )
  }
  return `${at.module}.${member}`
}

/** The longest uid of a key: label, dash, tail. */
const maxUid = 97

/** Refuses an id that could not be the first part of a key. */
export function checkId(id: string, version: string): string {
  if (id === '') throw new DeclarationError('what is to be cached has an empty name')
  keyPath(`${id},${version}/${'x'.repeat(maxUid)}`)
  return id
}
