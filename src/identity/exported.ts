import type { z } from 'zod'
import { CurioError, DeclarationError, refuseUnknown } from '../errors.js'
import { configData } from './data.js'
import { isConfig } from './instances.js'
import { given, isIgnored, isInfra, isSecret } from './marks.js'
import { isVariant } from './members.js'
import { isDefault, type Memo, newMemo, textIn } from './params.js'
import type { PlainData } from './plain.js'

/** Which form of a configuration is wanted. */
export interface ExportOptions {
  /**
   * Only what counts in a key: no ignored fields, values as they were parsed, input files by their content. Else all of it, and
   * such that reading it makes the same configuration again.
   * @default false
   */
  readonly uid?: boolean
  /**
   * Leaves out what equals its default. Required fields stay, and what says which class a field of several is of.
   * @default false
   */
  readonly excludeDefaults?: boolean
}

/**
 * A configuration as data that JSON and YAML can hold, names in order. A field that is undefined is left out, a secret is `***`. Dates,
 * big integers, bytes, sets, maps and numbers that JSON lacks stand by name, `{ $date: '2026-01-01T00:00:00.000Z' }`, and
 * `Class.fromJson` and `fromYaml` read them; what code alone can make is `{ $shown: '…' }`, which they refuse.
 *
 * The three forms of exca: `exported(config)` is all, `{ uid: true }` all that counts, `{ uid: true, excludeDefaults: true }` what the key says.
 */
export async function exported(config: object, options: ExportOptions = {}): Promise<PlainData> {
  refuseUnknown('exported', options, ['uid', 'excludeDefaults'])
  if (!isConfig(config)) throw new DeclarationError('only a configuration can be exported')
  const memo = newMemo()
  const { uid = false, excludeDefaults = false } = options
  return configData(config, '', {
    counting: uid,
    isLeftOut: async (schema: z.ZodType, value: unknown, path: string) =>
      excludeDefaults &&
      !isVariant(schema, value) &&
      !isSecret(schema) &&
      (isInfra(schema)
        ? uid
          ? (value as { version: string }).version === '1'
          : Object.keys((value as { [given]: object })[given]).length === 0
        : await equalsDefault(schema, value, path, memo)),
    fileData: async (schema, value, path) => ({ $shown: await textIn(schema, value, path, memo) }),
  })
}

/** An ignored field may hold what has no identity: whether that is the default cannot be said. */
async function equalsDefault(schema: z.ZodType, value: unknown, path: string, memo: Memo): Promise<boolean> {
  try {
    return await isDefault(schema, value, path, memo)
  } catch (error) {
    if (CurioError.is(error) && isIgnored(schema)) return false
    throw error
  }
}
