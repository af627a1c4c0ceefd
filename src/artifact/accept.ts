/** What an entry says of the computation it is of, and what it is looked at for. */
import { DefaultChangedError } from '../errors.js'
import type { ParamsIdentity } from '../identity/params.js'
import type { Source } from '../identity/source.js'
import type { Entry } from '../store/entry.js'

/** A computation: whose, of what, by which code. */
export interface Described {
  readonly id: string
  readonly version: string
  readonly params: ParamsIdentity
  readonly source: Source
}

/** The part of an entry that says what it is of. */
export function described({ id, version, params, source }: Described) {
  return { id, version, params: params.params, ignored: params.ignored, defaults: params.defaults, code: source }
}

/** Looks at a stored entry: refuses one made under another default, and says once that the code has changed since. */
export function acceptable(
  entry: Entry,
  {
    params,
    source,
    codeChange,
  }: Omit<Described, 'id' | 'version'> & { readonly codeChange: 'warn' | 'recompute' | 'ignore' },
  warn: (text: string) => void,
): boolean {
  for (const [field, was] of Object.entries(entry.defaults ?? {})) {
    const is = params.defaults[field]
    if (is !== undefined && is !== was) throw new DefaultChangedError(entry.key, field, was, is)
  }
  const { code } = entry
  if (codeChange === 'warn' && code !== undefined && code.tag === source.tag && code.sha256 !== source.sha256) {
    warn('its code has changed since this result was stored; change its version to compute again')
  }
  return true
}
