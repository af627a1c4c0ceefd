/** What of a decorated method's object no key could see, and what of its class must count. */
import { NotEncodableError } from '../errors.js'
import { sha256 } from '../identity/digest.js'

type NamedClass = object & { readonly name: string }

/**
 * The data fields of an object, for the key. A function in a field counts by its source text.
 *
 * @param known fields that count otherwise.
 * @throws {NotEncodableError} for fields that reading the object would show and listing it would not.
 */
export function ownFields(object: object, known: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const hint =
    'make it an ordinary field, or give the class a [Symbol.for("curio.identity")]() method that says what counts'
  const prototype = Object.getPrototypeOf(object) as object | null
  if (prototype !== null && !Object.hasOwn(prototype, 'constructor')) {
    throw new NotEncodableError('this', 'inherits fields from another object', { hint })
  }
  const fields: Record<string, unknown> = {}
  for (const name of Reflect.ownKeys(object)) {
    if (name === brand || (typeof name === 'string' && Object.hasOwn(known, name))) continue
    const property = Object.getOwnPropertyDescriptor(object, name)!
    const isPlain = typeof name === 'string' && property.enumerable === true && 'value' in property
    if (!isPlain) throw new NotEncodableError(`this.${String(name)}`, 'is no ordinary field', { hint })
    fields[name] =
      typeof property.value === 'function' ? sourceCount(property.value as object) : (property.value as unknown)
  }
  return fields
}

/** The data fields of a class, for a static method. */
export function classFields(object: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => [
      name,
      typeof value === 'function' ? sourceCount(value as object) : value,
    ]),
  )
}

const brand = Symbol.for('curio.config')

function sourceCount(value: object): unknown {
  return { function: sha256(Function.prototype.toString.call(value)) }
}

/**
 * A hash of the source of the classes between an object's own and the one that declares a method: two subclasses of one name, in two
 * modules, may override what the method calls. Undefined when there are none.
 */
export function lineageOf(self: object, method: unknown, member: string): string | undefined {
  const texts: string[] = []
  let at = (typeof self === 'function' ? self : Object.getPrototypeOf(self)) as object | null
  for (
    ;
    at !== null && at !== Object.prototype && at !== Function.prototype;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    if (Object.getOwnPropertyDescriptor(at, member)?.value === method) break
    texts.push(Function.prototype.toString.call(typeof at === 'function' ? at : (at.constructor as NamedClass)))
  }
  return texts.length === 0 ? undefined : sha256(texts.join('\0'))
}
