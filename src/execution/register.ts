/** Steps by name: what plain data, such as a YAML file, calls them. */
import { DeclarationError, nearest } from '../errors.js'

type StepConstructor = (new (input: never) => object) & { readonly discriminator: string }

const registered = new Map<string, StepConstructor>()

/** Makes classes of steps known by their names: `{ type: 'Multiply', coeff: 2 }` is then a `Multiply`. */
export function register(...classes: readonly (abstract new (...args: never[]) => object)[]): void {
  for (const Class of classes as readonly StepConstructor[]) {
    checked(Class)
    const before = registered.get(Class.name)
    if (before !== undefined && before !== Class) {
      throw new DeclarationError(`two steps are called ${Class.name}`, {
        hint: 'rename one, or pass it by `from` where it is meant',
      })
    }
    registered.set(Class.name, Class)
  }
}

function checked(Class: StepConstructor): StepConstructor {
  if (typeof Class !== 'function' || typeof Class.discriminator !== 'string') {
    throw new DeclarationError(
      `${String((Class as { name?: unknown } | undefined)?.name ?? Class)} is no class of steps`,
    )
  }
  if (Class.name === '') throw new DeclarationError('a class without a name cannot be registered')
  return Class
}

/** A step as plain data, and the class it names. */
export interface Named {
  readonly Class: StepConstructor
  readonly input: Record<string, unknown>
}

/** The fields that name classes in plain data. */
export function discriminators(from: readonly object[]): readonly string[] {
  const all = [...registered.values(), ...(from as readonly StepConstructor[])]
  return [...new Set(['type', ...all.map(({ discriminator }) => discriminator)])]
}

/**
 * The class that plain data names, and the rest of it.
 *
 * @param from classes that go before the registered ones.
 * @returns a text that says what is wrong.
 */
export function classNamed(data: Readonly<Record<string, unknown>>, from: readonly object[]): Named | string {
  const local = new Map((from as readonly StepConstructor[]).map((Class) => [checked(Class).name, Class]))
  const known = new Map([...registered, ...local])
  const fields = discriminators(from)
  const names = fields.filter((field) => typeof data[field] === 'string')
  const found = names.filter((field) => known.get(data[field] as string)?.discriminator === field)
  if (found.length > 1) return `is both ${found.map((field) => `${field}: ${String(data[field])}`).join(' and ')}`
  const [field] = found
  if (field !== undefined) {
    const { [field]: name, ...input } = data
    return { Class: known.get(name as string)!, input }
  }
  if (names.length === 0) return `does not say which step it is: { ${fields[0]}: 'Name', … }`
  const name = data[names[0]!] as string
  const near = nearest(name, [...known.keys()])
  return `there is no step ${JSON.stringify(name)}; ${near === undefined ? 'register(…) it, or pass it by `from`' : `did you mean ${near}?`}`
}
