import { DefaultChangedError } from '../errors.js'
import type { Source } from '../identity/source.js'
import type { Entry } from '../store/entry.js'

/** What a stored entry is looked at for. */
export interface Expected {
  /** Today's defaults of the fields that were left out of the key for being equal to them. */
  readonly defaults: Readonly<Record<string, string>>
  readonly codeChange: 'warn' | 'recompute' | 'ignore'
  readonly source: Source
}

/** Looks at a stored entry: refuses one made under another default, and says once that the code has changed since. */
export function acceptable(
  entry: Entry,
  { defaults, codeChange, source }: Expected,
  warn: (text: string) => void,
): boolean {
  for (const [field, was] of Object.entries(entry.defaults ?? {})) {
    const is = defaults[field]
    if (is !== undefined && is !== was) throw new DefaultChangedError(entry.key, field, was, is)
  }
  const { code } = entry
  if (codeChange === 'warn' && code !== undefined && code.tag === source.tag && code.sha256 !== source.sha256) {
    warn('its code has changed since this result was stored; change its version to compute again')
  }
  return true
}
