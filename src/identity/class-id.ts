/** Which class this is, among all that there are: its module and name (design rule 3). */
import { DeclarationError } from '../errors.js'
import { type DeclaredAt, declaredIn } from './declared.js'

/** Where a base class of configurations or steps was made. */
export const declaration: unique symbol = Symbol.for('curio.declaration') as never

type Class = (abstract new (
  ...args: never[]
) => object) & {
  readonly module?: string
  readonly [declaration]?: DeclaredAt | undefined
}

/** A class by its module and name. */
export interface ClassId extends DeclaredAt {
  readonly name: string
}

const known = new WeakMap<object, ClassId>()
const classes = new Map<string, object>()

/**
 * The module and name of a class that extends `Config(…)`, `Step(…)` or `X.extend(…)`.
 *
 * @throws {DeclarationError} for a class nobody could find again: without a name, without a call of its own, made in a function, or in
 * a REPL.
 */
export function classId(given: object): ClassId {
  const before = known.get(given)
  if (before !== undefined) return before
  const Class = given as Class
  const at = placeOf(Class)
  const id = { ...at, name: Class.name }
  const twin = classes.get(`${at.module}.${Class.name}`)
  if (twin !== undefined && twin !== Class) {
    throw new DeclarationError(`there are two classes ${Class.name} in ${at.module}`, {
      hint: 'made in a function it closes over values that no key can see: declare it once, at the top of the module',
    })
  }
  classes.set(`${at.module}.${Class.name}`, Class)
  known.set(Class, id)
  return id
}

function placeOf(Class: Class): DeclaredAt {
  if (Class.name === '') throw new DeclarationError('a class without a name cannot keep results', { hint: 'name it' })
  if (Object.hasOwn(Class, 'module') && typeof Class.module === 'string') return declaredIn(Class.module)
  const base = Object.getPrototypeOf(Class) as Class
  if (!Object.hasOwn(base, declaration)) {
    throw new DeclarationError(`class ${Class.name} extends ${base.name}, and says nowhere in which module it is`, {
      hint: `write class ${Class.name} extends ${base.name}.extend({}), or give it static module = import.meta.url`,
    })
  }
  const at = base[declaration]
  if (at !== undefined) return at
  throw new DeclarationError(`class ${Class.name} is in no module`, {
    hint: 'what is typed into a REPL cannot be found again: put it into a file, or give it static module',
  })
}

/** A class, for its name. */
export type NamedClass = object & { readonly name: string }

/**
 * The class a method's results go by: the object's own, for an inherited method may call what a subclass overrides; or the one that
 * declares the method, where a subclass that overrides it calls it by `super`.
 */
export function ownerOf(self: object, method: unknown, member: string): NamedClass {
  const own = (typeof self === 'function' ? self : self.constructor) as NamedClass
  if (!(member in self) || (self as Record<string, unknown>)[member] === method) return own
  for (
    let at: object | null = Object.getPrototypeOf(self) as object | null;
    at !== null;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    if (Object.getOwnPropertyDescriptor(at, member)?.value !== method) continue
    return (typeof at === 'function' ? at : at.constructor) as NamedClass
  }
  return own
}
