/** Methods as stages: decorated ones, and what they are on an object. */
import { isLazy } from '../artifact/lazy.js'
import { DeclarationError } from '../errors.js'
import { identity } from '../identity/canonical.js'
import { classId, ownerOf } from '../identity/class-id.js'
import { isConfigClass } from '../identity/config.js'
import { checkId, type DeclaredAt, declareOnce, idOf } from '../identity/declared.js'
import { sourceOf } from '../identity/source.js'
import { asStage, checkRecord, specOf, start } from './callable.js'
import type { StageContext } from './context.js'
import type { Body, StageSpec } from './decide.js'
import type { Checked } from './declare.js'
import type { StageRecord } from './record.js'
import { lineageOf } from './self.js'
import type { Annotated, Stage } from './types.js'

type Awaitable<T> = T | Promise<T>

/** For curio, in a worker: the outputs that a stage was declared with. */
export function outputsOf(exported: object, member: string | undefined): StageSpec['outputs'] | undefined {
  if (member === undefined) return specOf(exported)?.outputs
  const { prototype } = exported as { prototype?: Record<string, object> }
  return methods.get(prototype?.[member] ?? (exported as Record<string, object>)[member] ?? {})?.outputs
}

const methods = new WeakMap<object, { specFor(self: object): StageSpec; readonly outputs: StageSpec['outputs'] }>()

/** For `stage` and `aggregate`: what a method with checked options becomes. */
export function decorate(
  checked: Omit<Checked, 'source'>,
  method: Body,
  member: string,
  at: DeclaredAt | undefined,
): Body {
  const source = sourceOf(method)
  const hidden = privateField(method)
  const declared = new Map<string, object>()
  const specFor = (self: object): StageSpec => {
    if (hidden !== undefined && typeof self !== 'function' && !(identity in self)) {
      throw new DeclarationError(`${member} reads a #private field, ${hidden}, which no key can see`, {
        hint: 'make it an ordinary field (`private` in TypeScript is one), or give the class a [Symbol.for("curio.identity")]() method that says what counts',
      })
    }
    const owner = ownerOf(self, wrapped, member)
    const id = checkId(idOf(checked.named, at, `${owner.name}.${member}`), checked.version)
    const before = declared.get(id)
    if (before === undefined) {
      declareOnce(id, checked.version, at?.place, checked.named !== undefined, source.sha256)
      declared.set(id, owner)
    } else if (before !== owner && checked.named === undefined) {
      throw new DeclarationError(`two classes called ${owner.name} inherit ${member}`, {
        hint: 'give one of them another name: their results would be taken for each other',
      })
    }
    const lineage = lineageOf(self, wrapped, member)
    const origin = {
      value: owner,
      name: owner.name,
      member,
      file: isConfigClass(owner) ? classId(owner).file : at?.file,
    }
    return { ...checked, id, source, origin, body: method.bind(self) as Body, self: { object: self, lineage } }
  }
  const wrapped = async function (this: object, record: StageContext<unknown>, more?: object): Promise<unknown> {
    checkRecord(member, record)
    const spec = specFor(this)
    await start(record, spec, more)
    const target = record as unknown as StageRecord<unknown, Record<string, unknown>>
    const values: Record<string, unknown> = {}
    for (const name of spec.outputs.keys()) {
      const value = await target.get(name)
      // The method's type says the value, also of an output whose other readers get the handle.
      values[name] = isLazy(value) ? await value.load() : value
    }
    if (spec.positional === undefined) return values
    return spec.positional === 1 ? Object.values(values)[0] : Object.values(values)
  }
  Object.defineProperty(wrapped, 'name', { value: member })
  methods.set(wrapped, { specFor, outputs: checked.outputs })
  return wrapped as unknown as Body
}

/** The name of a #private field (not a method) that a function's text reads of `this`, as written or as transpilers lower it. */
function privateField(method: Body): string | undefined {
  const text = Function.prototype.toString.call(method)
  return (
    /\bthis\.(#[\w$]+)(?![\w$]|\s*\()/.exec(text)?.[1] ??
    /__privateGet\(this, _([\w$]+)\)/.exec(text)?.[1] ??
    /__classPrivateFieldGet\(this, _(?:\w+_)?([\w$]+), "f"\)/.exec(text)?.[1]
  )
}

/** The stage a decorated method is. */
export type StageOfMethod<M> = M extends (record: StageContext<infer P>, inputs: infer I) => Awaitable<infer V>
  ? Stage<P, I & object, OutputsOfMethod<V>>
  : never
/** In the positional form a method's type does not say how its outputs are called. */
type OutputsOfMethod<V> = V extends object
  ? V extends readonly unknown[]
    ? Readonly<Record<string, Annotated>>
    : V
  : Readonly<Record<string, Annotated>>

/** The typed stage of a method decorated by `@stage`, to put in a run or in another stage's inputs. */
export function stageOf<T extends object, K extends keyof T & string>(
  object: T,
  method: K,
): NoInfer<StageOfMethod<T[K]>> {
  const found = methods.get(object[method] as object)
  if (found === undefined) {
    throw new DeclarationError(`${method} is not decorated by @stage`, {
      hint: `put @stage({ outputs: … }) above ${method}`,
    })
  }
  return asStage(found.specFor(object)) as never
}
