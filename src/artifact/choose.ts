import type { Cacheable } from './cacheable.js'
import { jsonDifference } from './json.js'
import { cacherByName } from './registry.js'

/**
 * The cacher for a value when none is named: `text` for a string, `bytes` for a Uint8Array, `tensor` for typed arrays with a
 * shape, `arrow` for an Arrow table, `json` for what JSON gives back equal, `msgpack` for the rest.
 */
export async function chooseCacher(value: unknown): Promise<Cacheable<unknown, unknown>> {
  return cacherByName(cacherNameFor(value))
}

const tensorKeys = new Set(['data', 'shape', 'dims', 'dtype', 'type', 'stride', 'offset'])

/** Its name. */
export function cacherNameFor(value: unknown): string {
  if (typeof value === 'string' && value.isWellFormed()) return 'text'
  if (value instanceof Uint8Array) return 'bytes'
  if (value !== null && typeof value === 'object') {
    const { data, shape, dims } = value as { data?: unknown; shape?: unknown; dims?: unknown }
    const isTensor = ArrayBuffer.isView(data) && (Array.isArray(shape) || Array.isArray(dims))
    // One with more to it, such as labels, would lose that.
    const { numRows, batches, schema } = value as {
      numRows?: unknown
      batches?: unknown
      schema?: { fields?: unknown }
    }
    if (typeof numRows === 'number' && Array.isArray(batches) && Array.isArray(schema?.fields)) return 'arrow'
    if (isTensor && Object.keys(value).every((key) => tensorKeys.has(key))) return 'tensor'
  }
  return jsonDifference(value, 'value') === undefined ? 'json' : 'msgpack'
}
