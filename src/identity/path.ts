import { InvalidNameError } from '../errors.js'
import { sha256, tail } from './digest.js'

/** Names in a key's folder that format 1 gives a meaning; no part of a key may be one. */
const reserved = new Set(['entry', 'error', 'items', 'config', 'uid', 'full-uid', 'job', 'code'])
const device = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i
const plain = /^[A-Za-z0-9][A-Za-z0-9._=,()-]*$/
const uidTail = /-[a-z2-7]{16}$/
const maxSegment = 100
const maxPath = 512

/**
 * The folder name of one part of a key: its own text where that is safe everywhere, else a label and a hash of the
 * text (docs/format.md, "Segment rule").
 *
 * @param isUid the part ends in a hash of the key, so upper case can have no twin.
 */
export function segment(text: string, isUid = false): string {
  const safe =
    plain.test(text) &&
    text.length <= maxSegment &&
    !text.endsWith('.') &&
    !device.test(text) &&
    !isReservedName(text) &&
    (isUid || text === text.toLowerCase())
  if (safe) return text
  const label = text
    .slice(0, 80)
    .replace(/[^A-Za-z0-9_=,()-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
  return `${label || 'x'}~${tail(sha256(text))}`
}

/** Whether a name, in any case and with any extension, has a meaning of its own in a key's folder. */
export function isReservedName(text: string): boolean {
  const lower = text.toLowerCase()
  return reserved.has(lower.split('.')[0]!) || lower.endsWith('.meta.json')
}

const maxKnown = 1000
const known = new Map<string, string>()

/** The folder of a key below the store, e.g. `artifacts/demo/seed=1`. */
export function keyPath(key: string): string {
  const before = known.get(key)
  if (before !== undefined) return before
  const path = freshPath(key)
  // Asked for several times in each look-up, and always the same for a key.
  if (known.size === maxKnown) known.clear()
  if (key.length <= maxPath) known.set(key, path)
  return path
}

function freshPath(key: string): string {
  const parts = key.split('/')
  if (!key.isWellFormed()) throw new InvalidNameError(key, 'cannot be a key: it holds half of a surrogate pair')
  const bad = parts.find((part) => part === '' || part === '.' || part === '..')
  if (bad !== undefined) {
    throw new InvalidNameError(key, `cannot be a key: it has ${bad === '' ? 'an empty part' : `the part ${bad}`}`, {
      hint: 'use names separated by single slashes, like demo/seed=1/metrics',
    })
  }
  const last = parts.length - 1
  const isUid = (part: string, i: number) => i === last && uidTail.test(part) && (parts[i - 1]?.includes(',') ?? false)
  const path = `artifacts/${parts.map((part, i) => segment(part, isUid(part, i))).join('/')}`
  if (path.length > maxPath) {
    throw new InvalidNameError(key, `cannot be a key: its folder name has ${path.length} bytes, at most ${maxPath}`, {
      hint: 'use fewer or shorter parts',
    })
  }
  return path
}

const artifactName = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$/

/** Checks the name of an artifact (an output of a stage) and returns it. */
export function checkArtifactName(name: string): string {
  if (!artifactName.test(name)) {
    throw new InvalidNameError(name, 'cannot name an artifact', {
      hint: 'use letters, digits, _ and -, at most 80, starting with a letter, a digit or _',
    })
  }
  if (reserved.has(name.toLowerCase()) || device.test(name) || name === '__proto__') {
    throw new InvalidNameError(name, 'is a reserved name', { hint: `reserved: ${[...reserved].join(', ')}` })
  }
  return name
}

const extension = /^(\.[A-Za-z0-9_-]+)*$/

/** Checks the extension of an artifact's main file: `''`, `.json`, `.tar.gz`. */
export function checkExtension(text: string): string {
  if (!extension.test(text) || text.length > 40 || text.toLowerCase().endsWith('.meta.json')) {
    throw new InvalidNameError(text, 'is no extension: use something like .json')
  }
  return text
}

/** Checks the role of a file of an artifact: a relative path that cannot leave the folder it is placed in, on any system. */
export function checkRole(role: string): string {
  const bad = role.split('/').some((part) => part === '' || part === '.' || part === '..' || device.test(part))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must be refused
  if (bad || /[\\:\u0000-\u001f]/.test(role) || !role.isWellFormed() || role.length > 400) {
    throw new InvalidNameError(role, 'cannot be a file of an artifact: it is not a plain relative path')
  }
  return role
}

/** Checks that a list of roles can lie in one folder: no two alike but for case or Unicode form, none both file and folder. */
export function checkRoles(roles: readonly string[]): void {
  const seen = new Set<string>()
  for (const role of roles) {
    const flat = checkRole(role).normalize('NFC').toLowerCase()
    if (seen.has(flat)) throw new InvalidNameError(role, 'occurs twice among the files of an artifact, apart from case')
    seen.add(flat)
  }
  for (const role of seen) {
    for (let at = role.indexOf('/'); at >= 0; at = role.indexOf('/', at + 1)) {
      if (seen.has(role.slice(0, at))) throw new InvalidNameError(role, 'lies below a file of the same artifact')
    }
  }
}

/** Checks the name of a file that a stage keeps beside its outputs: a role that is none of the names format 1 gives a meaning. */
export function checkFileName(name: string): string {
  if (isReservedName(checkRole(name).split('/')[0]!)) {
    throw new InvalidNameError(name, 'is a reserved name', {
      hint: `reserved: ${[...reserved].join(', ')}, and *.meta.json`,
    })
  }
  return name
}
