import { types } from 'node:util'
import { kindOf, messageOf } from '../common.js'
import { type Registered, registeredFor } from './classes.js'
import { arrayClasses, errorClasses, hiddenOfErrors, maxDepth, Refusal, tagKey } from './format.js'
import { Output } from './output.js'
import { hasHoles, isForeignPlain, type PathKey, pathText } from './shape.js'

type Fields = Readonly<Record<string, unknown>>

const rememberedKeys = 1000
/** Longer arrays are not searched for properties besides their elements: it takes longer than writing them. */
const searchBelow = 10_000

/**
 * A value as MessagePack, in pieces.
 *
 * @param root what the value is called in a refusal.
 * @throws {Refusal} naming the path of what cannot be saved.
 */
export function write(value: unknown, root: string): Uint8Array[] {
  const writer = new Writer(root)
  writer.any(value)
  return writer.out.finish()
}

class Writer {
  readonly out = new Output()
  /** Objects written so far, by the order they were begun in: what a `ref` counts. */
  private readonly seen = new Map<object, number>()
  private readonly ordinary = new Set<string>()
  /** Instances whose class makes them only from finished data, so that nothing inside can refer to them. */
  private readonly unfinished = new Set<object>()
  /** Keys from the root to where we are; a Map's key is its text. */
  private readonly path: PathKey[] = []
  private depth = 0

  constructor(private readonly root: string) {}

  any(value: unknown): void {
    switch (typeof value) {
      case 'string':
        if (!this.out.string(value)) this.tagged('utf16', { data: Buffer.from(value, 'utf16le') })
        break
      case 'number':
        this.out.number(value)
        break
      case 'boolean':
        this.out.boolean(value)
        break
      case 'undefined':
        this.tagged('undefined', {})
        break
      case 'bigint':
        this.bigint(value)
        break
      case 'object':
        if (value === null) this.out.nil()
        else this.object(value)
        break
      default:
        this.refuse(typeof value === 'symbol' ? 'is a symbol' : 'is a function')
    }
  }

  private bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value) this.out.bigint(value)
    else this.tagged('bigint', { hex: value.toString(16) })
  }

  private object(value: object): void {
    const index = this.seen.get(value)
    if (index === undefined) {
      this.seen.set(value, this.seen.size)
      if (this.depth >= maxDepth) this.refuse(`is nested deeper than ${maxDepth} levels`)
      this.first(value, Object.getPrototypeOf(value) as object | null)
    } else if (this.unfinished.has(value)) {
      this.refuse('refers back to an instance of a class with encode and decode')
    } else this.tagged('ref', { index })
  }

  /** An object that was not met before. */
  private first(value: object, prototype: object | null): void {
    if (Array.isArray(value)) {
      if (prototype === Array.prototype || isForeignPlain(prototype)) this.array(value)
      else this.instance(value, prototype)
    } else if (prototype === Object.prototype || prototype === null || isForeignPlain(prototype)) {
      this.plain(value, prototype)
    } else this.special(value, prototype)
  }

  private array(value: readonly unknown[]): void {
    const { length } = value
    if (value.includes(undefined) && hasHoles(value)) {
      this.sparse(value)
      return
    }
    if (length < searchBelow && Object.keys(value).length !== length) this.refuseExtras()
    this.out.array(length)
    this.depth += 1
    for (let i = 0; i < length; i++) {
      this.path[this.depth] = i
      this.any(value[i])
    }
    this.depth -= 1
  }

  private sparse(value: readonly unknown[]): void {
    const keys = Object.keys(value)
    if (!keys.every((key) => String(Number(key) >>> 0) === key)) this.refuseExtras()
    this.head('sparse', 2)
    this.field('length', value.length)
    this.entries(
      keys.length,
      keys.map((key) => [Number(key), value[Number(key)]]),
    )
  }

  private plain(value: object, prototype: object | null): void {
    this.noSymbols(value)
    const keys = Object.keys(value)
    if (prototype === null || !this.areOrdinary(keys)) {
      this.head(prototype === null ? 'null-object' : 'object', 1)
      this.entries(keys.length, Object.entries(value))
      return
    }
    this.out.map(keys.length)
    this.depth += 1
    for (const key of keys) {
      this.path[this.depth] = key
      this.out.string(key)
      this.any((value as Fields)[key])
    }
    this.depth -= 1
  }

  /** True when none is `$curio` or has half a surrogate pair; most are names that were met before. */
  private areOrdinary(keys: readonly string[]): boolean {
    for (const key of keys) {
      if (this.ordinary.has(key)) continue
      if (key === tagKey || !key.isWellFormed()) return false
      if (this.ordinary.size < rememberedKeys) this.ordinary.add(key)
    }
    return true
  }

  /** What is neither an array nor a plain object. */
  private special(value: object, prototype: object): void {
    const registered = registeredFor(prototype)
    if (registered !== undefined && (registered.hooks !== undefined || !registered.isError)) {
      this.registered(value, registered)
    } else if (prototype === Uint8Array.prototype) this.out.binary(value as Uint8Array)
    else if (ArrayBuffer.isView(value)) this.view(value, prototype)
    else if (types.isNativeError(value)) this.error(value, prototype, registered)
    else this.builtIn(value, prototype)
  }

  private builtIn(value: object, prototype: object): void {
    switch (prototype) {
      case Date.prototype:
        this.date(this.bare(value as Date))
        break
      case Map.prototype: {
        const map = this.bare(value as Map<unknown, unknown>)
        this.head('Map', 1)
        this.entries(map.size, map)
        break
      }
      case Set.prototype:
        this.set(this.bare(value as Set<unknown>))
        break
      case RegExp.prototype: {
        const { source, flags, lastIndex } = this.bare(value as RegExp)
        this.tagged('RegExp', { source, flags, lastIndex })
        break
      }
      case URL.prototype:
        this.tagged('URL', { href: (value as URL).href })
        break
      case ArrayBuffer.prototype:
        this.tagged('ArrayBuffer', { data: new Uint8Array(this.bare(value as ArrayBuffer)) })
        break
      default:
        this.instance(value, prototype)
    }
  }

  private instance(value: object, prototype: object | null): void {
    const registered = prototype === null ? undefined : registeredFor(prototype)
    if (registered !== undefined) this.registered(value, registered)
    else if (value instanceof Promise) this.refuse('is a Promise: await it first')
    else this.refuse(`is ${kindOf(value)}: save plain data, or call registerClass for its class`)
  }

  private registered(value: object, { name, hooks }: Registered): void {
    if (hooks === undefined) {
      this.noSymbols(value)
      this.head('class', 2)
      this.field('name', name)
      this.entries(Object.keys(value).length, Object.entries(value))
      return
    }
    this.unfinished.add(value)
    this.head('encoded', 2)
    this.field('name', name)
    this.out.string('value')
    this.depth += 1
    this.path[this.depth] = undefined
    this.any(this.encoded(value, name, hooks))
    this.depth -= 1
    this.unfinished.delete(value)
  }

  private encoded(value: object, name: string, hooks: NonNullable<Registered['hooks']>): unknown {
    try {
      return hooks.encode(value)
    } catch (cause) {
      throw new Refusal(`${this.here()}: encode of the registered class ${name} threw: ${messageOf(cause)}`, { cause })
    }
  }

  private date(value: Date): void {
    const ms = value.getTime()
    if (Number.isNaN(ms)) this.tagged('Date', {})
    else this.out.timestamp(ms)
  }

  private set(value: ReadonlySet<unknown>): void {
    this.head('Set', 1)
    this.out.string('values')
    this.out.array(value.size)
    this.depth += 1
    let i = 0
    for (const member of value) {
      this.path[this.depth] = i++
      this.any(member)
    }
    this.depth -= 1
  }

  private view(value: ArrayBufferView, prototype: object): void {
    const data = new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength)
    const dtype = Object.keys(arrayClasses).find((name) => arrayClasses[name]?.prototype === prototype)
    if (dtype !== undefined) this.tagged('typed', { dtype, data })
    else if (prototype === Buffer.prototype) this.tagged('Buffer', { data })
    else if (prototype === DataView.prototype) this.tagged('DataView', { data })
    else this.instance(value, prototype)
  }

  private error(value: Error, prototype: object, registered: Registered | undefined): void {
    const builtIn = Object.keys(errorClasses).find((name) => errorClasses[name]!.prototype === prototype)
    const name = registered?.name ?? builtIn
    if (name === undefined) {
      this.instance(value, prototype)
      return
    }
    const hidden = hiddenOfErrors.filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable === false)
    const open = Object.keys(value).filter((key) => key !== 'stack')
    this.noSymbols(value)
    this.head(registered === undefined ? 'Error' : 'class-error', 3)
    this.field('name', name)
    for (const [list, keys] of [['hidden', hidden] as const, ['entries', open] as const]) {
      this.entries(
        keys.length,
        keys.map((key) => [key, (value as unknown as Fields)[key]]),
        list,
      )
    }
  }

  /** The same for everything that is more than its parts: a map that begins with what it stands for. */
  private head(kind: string, fields: number): void {
    this.out.map(fields + 1)
    this.field(tagKey, kind)
  }

  private field(key: string, value: unknown): void {
    this.out.string(key)
    if (value instanceof Uint8Array) this.out.binary(value)
    else this.any(value)
  }

  private tagged(kind: string, fields: Fields): void {
    this.head(kind, Object.keys(fields).length)
    for (const key of Object.keys(fields)) this.field(key, fields[key])
  }

  private entries(size: number, entries: Iterable<readonly [unknown, unknown]>, name = 'entries'): void {
    this.out.string(name)
    this.out.array(size)
    this.depth += 1
    for (const [key, value] of entries) {
      this.path[this.depth] = typeof key === 'string' || typeof key === 'number' ? key : '(key)'
      this.out.array(2)
      this.any(key)
      this.any(value)
    }
    this.depth -= 1
  }

  /** Refuses properties that only the kind's own contents would be saved of. */
  private bare<T extends object>(value: T): T {
    const [key] = Object.keys(value)
    if (key !== undefined) this.refuse(`is ${kindOf(value)} with a property ${JSON.stringify(key)} of its own`)
    this.noSymbols(value)
    return value
  }

  private noSymbols(value: object): void {
    const symbols = Object.getOwnPropertySymbols(value)
    if (symbols.length > 0 && symbols.some((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))) {
      this.refuse('has symbol keys')
    }
  }

  private refuseExtras(): never {
    this.refuse('is an array with properties besides its elements')
  }

  private refuse(reason: string): never {
    throw new Refusal(`${this.here()} ${reason}`)
  }

  private here(): string {
    return pathText(this.root, this.path.slice(1, this.depth + 1))
  }
}
