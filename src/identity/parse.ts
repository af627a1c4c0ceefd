/** From what a user gives to the fields of a configuration, and everything that is wrong with it in one error. */
import { z } from 'zod'
import { ConfigError, DeclarationError, nearest } from '../errors.js'
import type { AnyConfigClass } from './config.js'
import { droppedFields, fieldsAt } from './dropped.js'
import { frozenCopy } from './instances.js'
import { hiddenSecret, isSecret, markConfig } from './marks.js'
import { fields as fieldsOf } from './members.js'

/** A rule over several fields: says what is wrong. */
export type Rule = (config: object) => string | undefined

/** Something wrong, and where. */
interface Problem {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

type Checked =
  | { readonly data: Record<string, unknown>; readonly problems?: undefined }
  | { readonly problems: readonly Problem[]; readonly cause?: Error }

const objects = new WeakMap<AnyConfigClass, z.ZodObject>()

/** The strict object schema of a class's own fields. */
function objectSchema(Class: AnyConfigClass): z.ZodObject {
  let schema = objects.get(Class)
  if (schema === undefined) {
    schema = z.strictObject(fieldsOf(Class.shape))
    objects.set(Class, schema)
  }
  return schema
}

/** Parses; what zod would drop in silence is a problem too. */
function check(Class: AnyConfigClass, input: unknown): Checked {
  const schema = objectSchema(Class)
  const result = schema.safeParse(input)
  const dropped = [
    ...droppedFields(schema, input).map(({ path, key }) => unknownField(schema, path, key)),
    ...hiddenSecrets(schema, input),
  ]
  if (result.success) return dropped.length === 0 ? { data: result.data } : { problems: dropped }
  const problems = result.error.issues.flatMap(({ path, message, ...issue }): Problem[] =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => unknownField(schema, path, key)) : [{ path, message }],
  )
  return { problems: [...problems, ...dropped], cause: result.error }
}

/** Secrets that were not written where the input comes from. */
function hiddenSecrets(schema: z.ZodObject, input: unknown): Problem[] {
  return Object.entries(schema.shape).flatMap(([name, field]) =>
    (input as Record<string, unknown> | null)?.[name] === hiddenSecret && isSecret(field as z.ZodType)
      ? [{ path: [name], message: 'a secret, which is written nowhere: set it' }]
      : [],
  )
}

function unknownField(schema: z.ZodType, path: readonly PropertyKey[], key: string): Problem {
  const near = nearest(key, fieldsAt(schema, path))
  const isDotted = key.includes('.') && near === undefined
  const hint = near !== undefined ? `; did you mean ${near}?` : isDotted ? '; dotted names are for clone' : ''
  return { path: [...path, key], message: `no such field${hint}` }
}

/** Data that was parsed already, and is about to be given to the class's constructor. */
let handed:
  | { readonly Class: AnyConfigClass; readonly input: unknown; readonly data: Record<string, unknown> }
  | undefined

const nested = new WeakMap<AnyConfigClass, z.ZodType>()

/** The schema of a class's instances. */
export function schemaOf(Class: AnyConfigClass): z.ZodType {
  let schema = nested.get(Class)
  if (schema === undefined) {
    schema = markConfig(
      z.unknown().transform((given, ctx) => {
        if (given instanceof Class) return given
        const value = frozenCopy(given)
        const checked = check(Class, value)
        if (checked.problems !== undefined) {
          for (const { path, message } of checked.problems) {
            ctx.issues.push({ code: 'custom', message, input: value, path: [...path] })
          }
          return z.NEVER
        }
        try {
          // Parsed once here and once more there, a tree of n levels would be parsed 2ⁿ times.
          handed = { Class, input: value, data: checked.data }
          return Reflect.construct(Class, [value]) as object
        } catch (error) {
          const problems = refused.get(error as object)
          if (problems === undefined) throw error
          for (const { path, message } of problems) {
            ctx.issues.push({ code: 'custom', message, input: value, path: [...path] })
          }
          return z.NEVER
        } finally {
          handed = undefined
        }
      }),
      Class,
    )
    nested.set(Class, schema)
  }
  return schema
}

/** Asks a rule of a new configuration. */
export function obey(Class: AnyConfigClass, rule: Rule, config: object): void {
  const problem: unknown = rule(config)
  if (problem === undefined) return
  if (typeof problem === 'string') throw refusal(Class, [{ path: [], message: problem }])
  throw new DeclarationError(`the check of ${Class.name || 'a Config'} returned ${typeof problem}`, {
    hint: 'return a text that says what is wrong, or undefined',
  })
}

/** What an error says is wrong: what is wrong with a part is wrong with the whole. */
const refused = new WeakMap<object, readonly Problem[]>()

function refusal(Class: AnyConfigClass, problems: readonly Problem[], cause?: unknown): ConfigError {
  const lines = problems.map(({ path, message }) => [...path.map(String), ''].join('.').replace(/\.$/, ': ') + message)
  const error = new ConfigError(`${Class.name || 'Config'} refuses its input: ${lines.join('; ')}`, { cause })
  refused.set(error, problems)
  return error
}

/** Makes a member; what is wrong with it is wrong at its place. */
export function at<T>(name: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    const problems = refused.get(error as object)
    if (problems !== undefined) {
      refused.set(
        error as object,
        problems.map(({ path, message }) => ({ path: [name, ...path], message })),
      )
    }
    throw error
  }
}

/** Makes a whole of members; what was wrong with one is said of the whole. */
export function whole<T>(Class: AnyConfigClass, make: () => T): T {
  try {
    return make()
  } catch (error) {
    const problems = refused.get(error as object)
    throw problems === undefined ? error : refusal(Class, problems, (error as Error).cause)
  }
}

/**
 * The fields of a new configuration.
 *
 * @throws {ConfigError} for what does not fit.
 */
export function parse(Class: AnyConfigClass, input: unknown): Record<string, unknown> {
  const ready = handed
  handed = undefined
  if (ready !== undefined && ready.Class === Class && ready.input === input) return ready.data
  if (input instanceof Class) {
    const fields = input as Record<string, unknown>
    const own = Object.fromEntries(Object.keys(Class.shape).map((name) => [name, fields[name]]))
    // Parsed already; once more would send what a transform made through it again.
    if (input.constructor === Class) return own
    return parse(Class, own)
  }
  const checked = check(Class, input)
  if (checked.problems === undefined) return checked.data
  throw refusal(Class, checked.problems, checked.cause)
}

/** Whether making a configuration fails for what is given for one field, whatever else is missing. */
export function refusesValue(make: () => object, name: string): boolean {
  try {
    make()
    return false
  } catch (error) {
    if (!(error instanceof ConfigError)) return false
    const paths = (refused.get(error) ?? []).map(({ path }) => path.map(String).join('.'))
    return paths.some((path) => path === name || path.startsWith(`${name}.`))
  }
}

/** The defaults of a class's fields, for those that have one. */
export function defaultsOf(Class: AnyConfigClass): Record<string, unknown> {
  const found = Object.entries(fieldsOf(Class.shape)).map(
    ([name, schema]) => [name, schema.safeParse(undefined)] as const,
  )
  return Object.fromEntries(found.flatMap(([name, result]) => (result.success ? [[name, result.data]] : [])))
}
