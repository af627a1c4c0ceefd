/** Configurations as text: YAML and JSON in, YAML out. */
import { ConfigError } from '../errors.js'
import { type ExportOptions, exported } from './exported.js'
import { fromPlain, type PlainData } from './plain.js'

/** How many nodes the aliases of one text may stand for. */
const maxAliases = 100

/**
 * A configuration as YAML 1.2, names in order: all of it, or as `options` say. `Class.fromYaml` reads it.
 *
 * @throws {NotEncodableError} for values nested too deeply.
 */
export async function toYaml(config: object, options: ExportOptions = {}): Promise<string> {
  return yamlOf(await exported(config, options))
}

/** Data as YAML 1.2. */
export async function yamlOf(data: PlainData): Promise<string> {
  const { Document, isScalar, visit } = await import('yaml')
  const document = new Document(data, { aliasDuplicateObjects: false, version: '1.2' })
  visit(document, {
    Scalar: (_, node) => {
      // Only this style can hold every text, and shows what it holds.
      if (isScalar(node) && typeof node.value === 'string' && /[^\x20-\x7e\n\u00a1-\ud7ff]/.test(node.value))
        node.type = 'QUOTE_DOUBLE'
    },
  })
  return document.toString({ lineWidth: 0 })
}

/** What a YAML text holds, values by name read; no text at all is an object without members. */
export async function parseYaml(text: string): Promise<unknown> {
  const { isAlias, isScalar, parseDocument, visit } = await import('yaml')
  try {
    const document = parseDocument(text, { version: '1.2', schema: 'core', resolveKnownTags: false })
    const [problem] = [...document.errors, ...document.warnings]
    if (problem !== undefined) throw problem
    visit(document, {
      Pair: (_, { key }) => {
        if (!isScalar(key)) throw new Error(`a name is ${isAlias(key) ? 'an alias' : 'a collection'}`)
      },
      Scalar: (_, { value, source = '' }) => {
        // JavaScript would read another number than the one that stands there.
        const isInteger = typeof value === 'number' && /^-?\d{16,}$/.test(source)
        if (isInteger && source !== String(value) && BigInt(source) !== BigInt(value)) {
          throw new Error(
            `${source} has too many digits for a number: write it as text, or as { $bigint: "${source}" }`,
          )
        }
      },
    })
    return fromPlain((document.toJS({ maxAliasCount: maxAliases }) as unknown) ?? {})
  } catch (error) {
    throw unreadable('YAML', error)
  }
}

/** What a JSON text holds, values by name read. */
export function parseJson(text: string): unknown {
  try {
    return fromPlain(JSON.parse(text) as unknown)
  } catch (error) {
    throw unreadable('JSON', error)
  }
}

function unreadable(what: string, error: unknown): ConfigError {
  if (error instanceof ConfigError) return error
  const { message } = error as Error
  const why = error instanceof RangeError ? 'it is nested too deeply' : message.split('\n')[0]
  return new ConfigError(`cannot read this ${what}: ${why}`, { cause: error })
}
