import { messageOf } from '../common.js'
import { registeredAs } from './classes.js'
import { arrayClasses, define, errorClasses, hiddenOfErrors, Refusal } from './format.js'
import type { Reader } from './read.js'

/** How a kind comes back; `isObject`: it has a place among the objects that others may refer to. */
interface Kind {
  /** How many there are behind `$curio`; they stand in one order. */
  readonly fields: number
  readonly isObject: boolean
  readonly revive: Reviver
}

/** `index` is the object's place: what may hold a reference to itself takes it before it is filled. */
type Reviver = (reader: Reader, index: number) => unknown

const scalar = (fields: number, revive: Reviver): Kind => ({ fields, isObject: false, revive })
const kind = (fields: number, revive: Reviver): Kind => ({ fields, isObject: true, revive })

export const kinds: Readonly<Record<string, Kind>> = {
  undefined: scalar(0, () => undefined),
  ref: scalar(1, (reader) => reader.object(reader.whole('index'))),
  bigint: scalar(1, (reader) => {
    const hex = reader.text('hex')
    if (!/^-?[0-9a-f]+$/.test(hex)) reader.input.fail('hex is no number')
    return hex.startsWith('-') ? -BigInt(`0x${hex.slice(1)}`) : BigInt(`0x${hex}`)
  }),
  utf16: scalar(1, (reader) => {
    const data = reader.data()
    return Buffer.from(data.buffer).toString('utf16le')
  }),
  Date: kind(0, (reader, index) => reader.put(index, new Date(Number.NaN))),
  Set: kind(1, (reader, index) => {
    const value = reader.put(index, new Set<unknown>())
    const length = reader.listOf('values')
    for (let i = 0; i < length; i++) value.add(reader.any())
    return value
  }),
  Map: kind(1, (reader, index) => {
    const value = reader.put(index, new Map<unknown, unknown>())
    reader.entries('entries', (key, item) => value.set(key, item))
    return value
  }),
  object: kind(1, (reader, index) => fieldsOf(reader, reader.put(index, {}))),
  'null-object': kind(1, (reader, index) => fieldsOf(reader, reader.put(index, Object.create(null) as object))),
  sparse: kind(2, (reader, index) => {
    const length = reader.whole('length')
    if (length > 2 ** 32 - 1) reader.input.fail('an array cannot be that long')
    const value: unknown[] = reader.put(index, [])
    if (length > 0) {
      // Its far end first: then V8 keeps it as a table, and a length that lies costs nothing.
      value[length - 1] = undefined
      delete value[length - 1]
    }
    reader.entries('entries', (at, item) => {
      if (typeof at !== 'number' || !Number.isInteger(at) || at < 0 || at >= length) {
        return reader.input.fail('an index is not within its array')
      }
      value[at] = item
    })
    return value
  }),
  typed: kind(2, (reader, index) => {
    const dtype = reader.text('dtype')
    const { buffer } = reader.data()
    const Class = Object.hasOwn(arrayClasses, dtype) ? arrayClasses[dtype] : undefined
    if (Class === undefined) {
      return reader.input.fail(`it holds an array of ${dtype}, which Node ${process.versions.node} does not have`)
    }
    return reader.put(index, new Class(buffer))
  }),
  Buffer: kind(1, (reader, index) => reader.put(index, Buffer.from(reader.data().buffer))),
  ArrayBuffer: kind(1, (reader, index) => reader.put(index, reader.data().buffer)),
  DataView: kind(1, (reader, index) => reader.put(index, new DataView(reader.data().buffer))),
  RegExp: kind(3, (reader, index) => {
    const value = new RegExp(reader.text('source'), reader.text('flags'))
    value.lastIndex = reader.whole('lastIndex')
    return reader.put(index, value)
  }),
  URL: kind(1, (reader, index) => reader.put(index, new URL(reader.text('href')))),
  Error: kind(3, (reader, index) => {
    const name = reader.text('name')
    const Class = Object.hasOwn(errorClasses, name) ? errorClasses[name] : undefined
    if (Class === undefined) return reader.input.fail(`there is no class of errors ${name}`)
    return errorOf(reader, index, name, Class.prototype)
  }),
  'class-error': kind(3, (reader, index) => {
    const { name, Class } = classOf(reader)
    return errorOf(reader, index, name, Class.prototype as object)
  }),
  class: kind(2, (reader, index) => {
    const { Class, hooks, name } = classOf(reader)
    if (hooks !== undefined)
      reader.input.fail(`class ${name} was registered without encode and decode when this was saved`)
    return fieldsOf(reader, reader.put(index, Object.create(Class.prototype) as object))
  }),
  encoded: kind(2, (reader, index) => {
    const { hooks, name } = classOf(reader)
    if (hooks === undefined) {
      return reader.input.fail(`class ${name} was registered with encode and decode when this was saved`)
    }
    const plain = reader.field('value')
    try {
      return reader.put(index, hooks.decode(plain))
    } catch (cause) {
      throw new Refusal(`decode of the registered class ${name} threw: ${messageOf(cause)}`, { cause })
    }
  }),
}

function classOf(reader: Reader) {
  const name = reader.text('name')
  return (
    registeredAs(name) ??
    reader.input.fail(
      `it holds an instance of ${name}, which is not registered: import the module that calls registerClass`,
    )
  )
}

function fieldsOf<T extends object>(reader: Reader, value: T): T {
  reader.entries('entries', (key, item) => {
    if (typeof key !== 'string') return reader.input.fail('a field has no name')
    define(value, key, item)
  })
  return value
}

function errorOf(reader: Reader, index: number, name: string, prototype: object): Error {
  const value = reader.put(index, Object.setPrototypeOf(new Error(), prototype) as Error)
  reader.entries('hidden', (key, item) => {
    if (!hiddenOfErrors.includes(key as 'message')) return reader.input.fail('an error has an unknown field')
    Object.defineProperty(value, key as string, { value: item, writable: true, configurable: true })
  })
  fieldsOf(reader, value)
  // Where it was thrown is not kept, and where it was loaded says nothing.
  const { message } = value
  const stack = typeof message === 'string' && message !== '' ? `${name}: ${message}` : name
  Object.defineProperty(value, 'stack', { value: stack, writable: true, configurable: true })
  return value
}
