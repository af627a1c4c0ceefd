import { types } from 'node:util'
import { DeclarationError } from '../../src/errors.js'

/** How instances of a class become plain data and come back. Without `encode` and `decode`: their own enumerable fields. */
export interface ClassOptions<Instance extends object, Plain> {
  /** What stands in the file. Default: the class's name. Never rename it once something is stored. */
  readonly name?: string
  /** The instance as anything MsgpackCacher can save. Needs `decode`. */
  readonly encode?: (instance: Instance) => Plain
  /** The instance from what `encode` gave. Needs `encode`. */
  readonly decode?: (plain: Plain) => Instance
}

/** A class that may stand in a file. */
export interface Registered {
  readonly name: string
  readonly Class: abstract new (...args: never[]) => object
  readonly isError: boolean
  readonly hooks:
    | { readonly encode: (instance: object) => unknown; readonly decode: (plain: unknown) => object }
    | undefined
}

const byName = new Map<string, Registered>()
const byPrototype = new Map<object, Registered>()

/**
 * Lets MsgpackCacher save and load instances of a class. Register it where it is defined, so that whoever loads has it too.
 *
 * A loaded instance gets the class's prototype and its fields; the constructor is not called. Instances of subclasses are not
 * meant: register those, too.
 *
 * @throws {DeclarationError} when instances cannot be made that way (private `#fields`, subclasses of Map, Date, …) and there
 * are no `encode` and `decode`, or when another class has that name.
 */
export function registerClass<Instance extends object, Plain = unknown>(
  Class: abstract new (...args: never[]) => Instance,
  options: ClassOptions<Instance, Plain> = {},
): void {
  const { name = Class.name, encode, decode } = options
  if (typeof Class !== 'function' || typeof Class.prototype !== 'object') {
    throw new DeclarationError('registerClass takes a class')
  }
  if (name === '') throw new DeclarationError('a registered class needs a name', { hint: 'registerClass(C, { name })' })
  if ((encode === undefined) !== (decode === undefined)) {
    throw new DeclarationError(`registerClass(${name}) needs encode and decode, or neither`)
  }
  const known = byName.get(name)
  // A class of the same source is the same module loaded twice, not another class.
  if (known !== undefined && known.Class !== Class && String(known.Class) !== String(Class)) {
    throw new DeclarationError(`two classes are registered as ${name}`, { hint: 'give one another name' })
  }
  const prototype = Class.prototype as object
  const obstacle = encode === undefined ? obstacleOf(Class) : undefined
  if (obstacle !== undefined) {
    throw new DeclarationError(
      `registerClass(${name}): instances have ${obstacle}, which fields alone do not bring back`,
      {
        hint: 'give it { encode, decode }',
      },
    )
  }
  const hooks = encode === undefined ? undefined : ({ encode, decode } as unknown as Registered['hooks'])
  const made: Registered = { name, Class, isError: prototype instanceof Error, hooks }
  byName.set(name, made)
  byPrototype.set(prototype, made)
}

export function registeredFor(prototype: object): Registered | undefined {
  return byPrototype.get(prototype)
}

export function registeredAs(name: string): Registered | undefined {
  return byName.get(name)
}

/** What instances have beside fields, as far as can be seen from outside; looked for in the classes above, too. */
function obstacleOf(Class: unknown): string | undefined {
  for (let at = Class; typeof at === 'function' && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
    if (isBuiltIn(at)) return at === Object || errors.has(at) ? undefined : `the insides of ${at.name}`
    if (/[\w$)\]]\.#[\w$]/.test(String(at))) return 'private #fields'
  }
  return undefined
}

const errors = new Set<unknown>([Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError])

function isBuiltIn(Class: unknown): Class is { name: string } {
  return typeof Class === 'function' && !types.isProxy(Class) && /\{\s*\[native code\]\s*\}$/.test(String(Class))
}
