import type { z } from 'zod'
import { isConfig } from './instances.js'

interface Def {
  readonly type: string
  readonly element?: z.ZodType
  readonly items?: readonly z.ZodType[]
  readonly rest?: z.ZodType | null
  readonly valueType?: z.ZodType
}

type Each = (schema: z.ZodType, item: unknown, place: string, key: unknown) => Promise<unknown>

/**
 * A list, tuple, record, map or set with each item replaced, by what its schema says of items; undefined for any other value or schema.
 * Keys stay as they are.
 *
 * @param each gets an item's place as text that goes behind the path of the whole, `[3]` or `.name`, and its number or name.
 */
export async function withEach(schema: z.ZodType, value: unknown, each: Each): Promise<unknown> {
  const { type, element, items, rest, valueType } = schema.def as unknown as Def
  if ((type === 'array' || type === 'tuple') && Array.isArray(value)) {
    const made: unknown[] = []
    for (const [i, item] of value.entries()) {
      const part = element ?? items?.[i] ?? rest
      made.push(part ? await each(part, item, `[${i}]`, i) : item)
    }
    return made
  }
  if (type === 'record' && typeof value === 'object' && value !== null) {
    const made: [string, unknown][] = []
    for (const [name, item] of Object.entries(value)) made.push([name, await each(valueType!, item, `.${name}`, name)])
    return Object.fromEntries(made)
  }
  if (type === 'map' && value instanceof Map) {
    const made = new Map<unknown, unknown>()
    for (const [key, item] of value) made.set(key, await each(valueType!, item, `.get(${String(key)})`, undefined))
    return made
  }
  if (type === 'set' && value instanceof Set) {
    const made = new Set<unknown>()
    for (const item of value) made.add(await each(valueType!, item, `[${made.size}]`, undefined))
    return made
  }
  return undefined
}

/**
 * Lists and plain objects, as deep as they go, with each configuration in them replaced.
 *
 * @param joined makes an object of its members, in their order.
 */
export async function withConfigs(
  value: unknown,
  path: string,
  each: (config: object, path: string) => Promise<unknown>,
  joined: (members: readonly (readonly [string, unknown])[]) => unknown = Object.fromEntries,
): Promise<unknown> {
  const walked = async (item: unknown, at: string): Promise<unknown> => {
    if (isConfig(item)) return each(item, at)
    if (Array.isArray(item)) return Promise.all(item.map((one, i) => walked(one, `${at}[${i}]`)))
    if (item === null || typeof item !== 'object' || Object.getPrototypeOf(item) !== Object.prototype) return item
    const members = Object.entries(item).map(async ([name, one]) => [name, await walked(one, `${at}.${name}`)] as const)
    return joined(await Promise.all(members))
  }
  return walked(value, path)
}
