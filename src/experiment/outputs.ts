import { StageOutputError } from '../errors.js'
import type { StageSpec } from './decide.js'

/** What the body returned, by name; anything but exactly the declared outputs is refused. */
export function outputValues(spec: StageSpec, returned: unknown): Map<string, unknown> {
  const names = [...spec.outputs.keys()]
  const fail = (reason: string): never => {
    throw new StageOutputError(spec.name, reason, names)
  }
  if (spec.positional !== undefined) {
    if (names.length === 0) return returned === undefined ? new Map() : fail('returned a value')
    if (names.length === 1) return new Map([[names[0]!, returned]])
    if (!Array.isArray(returned)) return fail(`returned ${kindOf(returned)} in place of a tuple of ${names.length}`)
    if (returned.length !== names.length) return fail(`returned ${returned.length} values`)
    return new Map(names.map((name, i) => [name, returned[i] as unknown]))
  }
  if (names.length === 0 && returned === undefined) return new Map()
  if (returned === null || typeof returned !== 'object' || Array.isArray(returned)) {
    return fail(`returned ${kindOf(returned)} in place of an object`)
  }
  const got = Object.keys(returned)
  const missing = names.filter((name) => !got.includes(name))
  const surplus = got.filter((name) => !names.includes(name))
  if (missing.length > 0 || surplus.length > 0) {
    fail(
      [
        missing.length > 0 ? `returned no ${missing.join(', ')}` : '',
        surplus.length > 0 ? `returned ${surplus.join(', ')} besides` : '',
      ]
        .filter((part) => part !== '')
        .join(' and '),
    )
  }
  return new Map(names.map((name) => [name, (returned as Record<string, unknown>)[name]]))
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? `an array of ${value.length}` : `a ${typeof value}`
}
