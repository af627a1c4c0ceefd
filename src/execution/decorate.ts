/** What `@task` and `@map` have in common. */
import { type Cacheable, type CacherSpec, cacherInstance } from '../artifact/cacheable.js'
import { DeclarationError, refuseUnknown } from '../errors.js'
import { declaredAt } from '../identity/declared.js'
import { sourceOf } from '../identity/source.js'
import { type Infra, infraOf } from './infra.js'
import type { Definition, Exclude } from './recipe.js'

/** Options of `@task` and `@map`. */
export interface MethodOptions {
  /** Which infra of the class. Default `infra`. */
  readonly infra?: string
  /** Instead of the module, the class and the method: keeps results when code moves. */
  readonly name?: string
  /** Fields that do not count for this method: their names, a function of the configuration, or `'method:name'`. */
  readonly exclude?: Exclude
  // biome-ignore lint/suspicious/noExplicitAny: a cacher of anything
  readonly cacher?: CacherSpec<any, any>
}

type Method = (this: object, ...args: never[]) => unknown

/**
 * A decorator that puts `call` in the place of a method.
 *
 * @param call what happens when it is called: on its infra, with what it is and what it was given.
 */
export function decorator<I extends Infra>(
  what: string,
  options: MethodOptions,
  known: readonly string[],
  Class: abstract new (...args: never[]) => I,
  call: (infra: I, definition: Definition, args: readonly unknown[]) => unknown,
  check: (method: Method) => void,
  more: object = {},
): (method: Method, context: ClassMethodDecoratorContext) => Method {
  refuseUnknown(what, options, ['infra', 'name', 'exclude', 'cacher', ...known])
  const at = declaredAt()
  const field = options.infra ?? 'infra'
  const cacher =
    options.cacher === undefined
      ? undefined
      : (cacherInstance(options.cacher as CacherSpec) as Cacheable<unknown, unknown>)
  return (method, context) => {
    if (context?.kind !== 'method' || context.static || context.private) {
      throw new DeclarationError(`${what} decorates methods of configurations`)
    }
    check(method)
    const member = String(context.name)
    const definition: Definition = {
      member,
      body: method,
      wrapped: undefined,
      at,
      source: sourceOf(method),
      name: options.name,
      cacher,
      exclude: options.exclude,
      ...more,
    }
    const wrapped = function (this: object, ...args: readonly unknown[]): unknown {
      return call(infraOf(this, field, Class, what), definition, args)
    }
    Object.defineProperty(wrapped, 'name', { value: member })
    definition.wrapped = wrapped
    context.addInitializer(function (this: unknown) {
      infraOf(this as object, field, Class, what).attach(definition)
    })
    return wrapped
  }
}
