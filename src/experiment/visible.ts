/** What a stage, or an aggregate, sees of a record's parameters, and how that counts. */
import { DeclarationError } from '../errors.js'
import { type AnyConfigClass, isConfig } from '../identity/config.js'
import { ownCopies } from '../identity/copies.js'
import { type ParamsIdentity, paramsIdentity, plainIdentity } from '../identity/params.js'
import type { StageRecord } from './record.js'

/** Parameters that a declaration names. */
export interface DeclaredParams {
  readonly config: AnyConfigClass
  readonly fields: readonly string[]
}

export interface Visible {
  params: ParamsIdentity
  readonly visible: Readonly<Record<string, unknown>>
  /** The prototype that the whole class of parameters has; of picked fields none. */
  readonly methods: object
}

/** What of a record's parameters is seen by a stage, or an aggregate, that declares to read `params`. */
export async function visibleParams(
  record: StageRecord,
  name: string,
  params: DeclaredParams | undefined,
): Promise<Visible> {
  const values = record.params as Record<string, unknown> | undefined
  if (params === undefined && !isConfig(values)) {
    const visible = ownCopies({ ...(record.params as object | undefined) })
    return { params: plainIdentity(visible), visible, methods: Object.prototype }
  }
  const { config, fields } = params ?? wholeOf((values as object).constructor as unknown as AnyConfigClass)
  if (!(values instanceof config)) {
    const is =
      values === undefined
        ? 'none'
        : isConfig(values)
          ? (values.constructor as { name: string }).name
          : 'a plain object'
    throw new DeclarationError(`stage ${name} reads parameters of class ${config.name}, the record has ${is}`, {
      hint: `run it with new ${config.name}({ … }), or a class that extends it`,
    })
  }
  const all = values as Record<string, unknown>
  const visible = ownCopies(Object.fromEntries(fields.map((field) => [field, all[field]])))
  // Of an undeclared class no key says which it is, so its methods are not lent to the body.
  const isWhole = params !== undefined && fields.length === Object.keys(config.shape).length
  const methods = isWhole ? (config.prototype as object) : Object.prototype
  return { params: await paramsIdentity(config.shape, visible, fields, params === undefined), visible, methods }
}

function wholeOf(config: AnyConfigClass): DeclaredParams {
  return { config, fields: Object.keys(config.shape) }
}
