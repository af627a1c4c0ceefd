import { InvalidNameError } from '../errors.js'
import { byCodeUnit, canonical, Verbatim } from './canonical.js'
import { type Digest, sha256, tail } from './digest.js'

/** What makes two computations the same, and the text people call it by. */
export interface Key {
  /** `<space>/<uid>` for a stage, else the name given. Also the place below `artifacts/`. */
  readonly text: string
  /** SHA-256 of `material`; compared on every hit. */
  readonly hash: Digest
  /** The canonical encoding of everything that counts; compared on every hit. */
  readonly material: string
}

/** How one input counts: an artifact by its digest, any other value by the hash of its canonical text. */
export type InputIdentity = { readonly artifact: Digest } | { readonly value: Digest }

/** What the key of a stage is made of (design rule 2). */
export interface KeyParts {
  readonly id: string
  readonly version: string
  /** Canonical text of each parameter that counts. */
  readonly params: Readonly<Record<string, string>>
  readonly inputs: Readonly<Record<string, InputIdentity>>
  /** What is stored for each output: the cacher's name and the options that change its files, or `auto`. */
  readonly outputs: Readonly<Record<string, readonly [cacher: string, options: unknown] | 'auto'>>
  /** Readable `name=value` labels for the uid; they identify nothing. */
  readonly labels?: Readonly<Record<string, string>>
  /** Only with `codeChange: 'recompute'`: the hash of the source counts too. */
  readonly code?: string
}

/** The key of a stage's computation. */
export function stageKey(parts: KeyParts): Key {
  const params = Object.fromEntries(Object.entries(parts.params).map(([name, text]) => [name, new Verbatim(text)]))
  const inputs = Object.fromEntries(
    Object.entries(parts.inputs).map(([name, input]) => [
      name,
      'artifact' in input ? ['artifact', input.artifact] : ['value', input.value],
    ]),
  )
  const code = parts.code === undefined ? [] : [parts.code]
  const material = canonical(['curio-key-1', parts.id, parts.version, params, inputs, parts.outputs, ...code])
  const hash = sha256(material)
  // Where no parameter tells two results apart, the inputs do.
  const labels = Object.keys(parts.labels ?? {}).length > 0 ? parts.labels! : inputLabels(parts.inputs)
  const uid = `${uidLabel(labels)}-${tail(hash)}`
  return { text: `${parts.id},${parts.version}/${uid}`, hash, material }
}

function inputLabels(inputs: KeyParts['inputs']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => [
      name,
      ('artifact' in input ? input.artifact : input.value).slice(0, 8),
    ]),
  )
}

/** The key of an artifact that is saved under a name of the user's own. */
export function nameKey(name: string): Key {
  const material = canonical(['curio-name-1', name])
  return { text: name, hash: sha256(material), material }
}

const maxLabel = 80

/** `name=value` pairs as a path-safe label of at most 80 bytes, short pairs first, `...<n>` where n bytes were cut. */
export function uidLabel(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels)
    .map(([name, value]) => clean(`${name}=${value}`))
    .sort((a, b) => a.length - b.length || byCodeUnit(a, b))
  const text = pairs.join(',').replace(/^[^A-Za-z0-9]+/, '')
  if (text === '') return 'default'
  if (text.length <= maxLabel) return text
  const mark = `...${text.length}`.length
  const kept = text.slice(0, maxLabel - mark)
  return `${kept}...${text.length - kept.length}`
}

function clean(text: string): string {
  return text.replace(/[^A-Za-z0-9._=,()-]+/g, '-')
}

/** A version is short text that can stand in a folder name. */
export function checkVersion(version: string): string {
  if (typeof version !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/.test(version)) {
    throw new InvalidNameError(String(version), 'is no version: use up to 40 letters, digits, dots, dashes')
  }
  return version
}
