/** Columns of JavaScript values as Arrow data. The type follows from the kind of the values alone, never from what they are. */
import type { Data, Field } from 'apache-arrow'
import { kindOf, oneNaN } from '../common.js'
import { FrameProblem } from './problem.js'

export type Arrow = typeof import('apache-arrow')

/** Where an element of a column came from, for messages: `rows[3].price`. */
export type Where = (index: number) => string

export type Kind = 'number' | 'bigint' | 'string' | 'boolean' | 'date' | 'bytes' | 'list' | 'typed list' | 'struct'

/** What a column is to hold where its values do not say, as a schema knows it. */
export interface Hint {
  readonly kind?: Kind
  readonly item?: Hint
  readonly fields?: ReadonlyMap<string, Hint>
}

type Values = ArrayLike<unknown>

const plural: Readonly<Record<Kind, string>> = {
  number: 'numbers',
  bigint: 'bigints',
  string: 'strings',
  boolean: 'booleans',
  date: 'dates',
  bytes: 'bytes',
  list: 'arrays',
  'typed list': 'typed arrays',
  struct: 'objects',
}

/** The Arrow types of elements of typed arrays, by the arrays' names. */
const typed = {
  Int8Array: 'Int8',
  Int16Array: 'Int16',
  Int32Array: 'Int32',
  BigInt64Array: 'Int64',
  Uint8Array: 'Uint8',
  Uint8ClampedArray: 'Uint8',
  Uint16Array: 'Uint16',
  Uint32Array: 'Uint32',
  BigUint64Array: 'Uint64',
  Float16Array: 'Float16',
  Float32Array: 'Float32',
  Float64Array: 'Float64',
} as const

/** What 32-bit offsets reach. */
const offsetLimit = 2 ** 31 - 1
const int64Limit = 2n ** 63n

/** A column of any values, null and undefined among them; or of a typed array, which keeps its type. */
export function inferred(arrow: Arrow, values: Values, where: Where, hint: Hint = {}): Data {
  if (ArrayBuffer.isView(values)) return elements(arrow, values, values.length)
  const { length } = values
  const kind = kindOfAll(values, where) ?? hint.kind
  if (kind === undefined) return arrow.makeData({ type: new arrow.Null(), length })
  const props = { length, ...validity(values) }
  switch (kind) {
    case 'number':
      return arrow.makeData({ type: new arrow.Float64(), ...props, data: doubles(values) })
    case 'boolean':
      return arrow.makeData({ type: new arrow.Bool(), ...props, data: bits(values, (value) => value === true) })
    case 'bigint':
      return arrow.makeData({ type: new arrow.Int64(), ...props, data: int64s(values, where) })
    case 'date':
      return arrow.makeData({ type: new arrow.TimestampMillisecond(), ...props, data: times(values, where) })
    case 'string':
      return arrow.makeData({ type: new arrow.Utf8(), ...props, ...texts(values, where) })
    case 'bytes':
      return arrow.makeData({ type: new arrow.Binary(), ...props, ...blobs(values as ArrayLike<Uint8Array>, where) })
    case 'list':
    case 'typed list': {
      const [valueOffsets, child] = lists(arrow, values as ArrayLike<Values>, where, kind, hint.item)
      const type = new arrow.List(new arrow.Field('item', child.type, true))
      return arrow.makeData({ type, ...props, valueOffsets, child })
    }
    case 'struct': {
      const [fields, children] = structs(arrow, values as ArrayLike<object>, where, hint.fields)
      return arrow.makeData({ type: new arrow.Struct(fields), ...props, children })
    }
  }
}

/** The columns of objects: every key of any of them, in the order in which they first appear, then those only the hints know. */
export function structs(
  arrow: Arrow,
  objects: ArrayLike<object | null | undefined>,
  where: Where,
  hints: ReadonlyMap<string, Hint> = new Map(),
): [Field[], Data[]] {
  const { length } = objects
  const columns = new Map<string, unknown[]>()
  for (let i = 0; i < length; i++) {
    const object = objects[i]
    if (object === null || object === undefined) continue
    for (const key of Object.keys(object)) {
      if (!columns.has(key)) columns.set(key, new Array<unknown>(length).fill(undefined))
      columns.get(key)![i] = (object as Record<string, unknown>)[key]
    }
  }
  for (const key of hints.keys()) if (!columns.has(key)) columns.set(key, new Array<unknown>(length).fill(undefined))
  const names = [...columns.keys()]
  const children = names.map((key) =>
    inferred(arrow, columns.get(key)!, (i) => `${where(i)}${step(key)}`, hints.get(key)),
  )
  return [names.map((key, i) => new arrow.Field(wellFormed(key, 'a column name'), children[i]!.type, true)), children]
}

/** How a key is written behind a path: `.price`, `["unit price"]`. */
export function step(key: string): string {
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

function kindOfAll(values: Values, where: Where): Kind | undefined {
  let known: Kind | undefined
  let name: string | undefined
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (value === null || value === undefined) continue
    const kind = kindOfOne(value)
    if (kind === undefined) throw new FrameProblem(`${where(i)} is ${kindOf(value)}, which no column can hold`)
    known ??= kind
    if (kind !== known) throw mixed(where(i), value, plural[known])
    if (kind !== 'typed list') continue
    const own = tag(value)
    name ??= own
    if (own !== name) throw mixed(where(i), value, `${name}s`)
  }
  return known
}

function mixed(at: string, value: unknown, others: string): FrameProblem {
  return new FrameProblem(`${at} is ${kindOf(value)}, but the column holds ${others}`)
}

function kindOfOne(value: unknown): Kind | undefined {
  switch (typeof value) {
    case 'number':
    case 'bigint':
    case 'string':
    case 'boolean':
      return typeof value as Kind
    case 'object':
      break
    default:
      return undefined
  }
  if (Array.isArray(value)) return 'list'
  if (value instanceof Date) return 'date'
  if (ArrayBuffer.isView(value)) {
    const name = tag(value)
    return name === 'Uint8Array' ? 'bytes' : name in typed ? 'typed list' : undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype ? 'struct' : undefined
}

function tag(view: unknown): string {
  return String((view as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag])
}

function elements(arrow: Arrow, view: ArrayBufferView, length: number): Data {
  const name = tag(view)
  if (!(name in typed)) throw new FrameProblem(`a ${name} is no column`, 'use a typed array or a plain one')
  const type = new arrow[typed[name as keyof typeof typed]]()
  const data = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
  return arrow.makeData({ type, length, nullCount: 0, data } as never)
}

function doubles(values: Values): Float64Array {
  const data = Float64Array.from(values, (value) => (value as number | null | undefined) ?? 0)
  oneNaN(data)
  return data
}

/** A bit for each value, least significant first. */
function bits(values: Values, isSet: (value: unknown) => boolean): Uint8Array {
  const map = new Uint8Array((values.length + 7) >> 3)
  for (let i = 0; i < values.length; i++) if (isSet(values[i])) map[i >> 3]! |= 1 << (i & 7)
  return map
}

function validity(values: Values): { nullCount: number; nullBitmap?: Uint8Array } {
  let nullCount = 0
  for (let i = 0; i < values.length; i++) if (values[i] === null || values[i] === undefined) nullCount += 1
  if (nullCount === 0) return { nullCount }
  return { nullCount, nullBitmap: bits(values, (value) => value !== null && value !== undefined) }
}

function int64s(values: Values, where: Where): BigInt64Array {
  const data = new BigInt64Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = (values[i] as bigint | null | undefined) ?? 0n
    if (value >= int64Limit || value < -int64Limit) {
      throw new FrameProblem(`${where(i)} is ${value}n, which int64 cannot hold`, 'save it as a string')
    }
    data[i] = value
  }
  return data
}

function times(values: Values, where: Where): BigInt64Array {
  const data = new BigInt64Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const time = (values[i] as Date | null | undefined)?.getTime() ?? 0
    if (Number.isNaN(time)) throw new FrameProblem(`${where(i)} is an invalid date`, 'use null where there is none')
    data[i] = BigInt(time)
  }
  return data
}

function texts(values: Values, where: Where): { valueOffsets: Int32Array; data: Uint8Array } {
  const offsets = new Int32Array(values.length + 1)
  let end = 0
  for (let i = 0; i < values.length; i++) {
    const text = values[i] as string | null | undefined
    if (text) end += Buffer.byteLength(wellFormed(text, where(i)))
    offsets[i + 1] = checkedEnd(end, where, i)
  }
  const data = Buffer.alloc(end)
  for (let i = 0; i < values.length; i++) {
    const text = values[i] as string | null | undefined
    if (text) data.write(text, offsets[i]!, 'utf8')
  }
  return { valueOffsets: offsets, data }
}

function blobs(
  values: ArrayLike<Uint8Array | null | undefined>,
  where: Where,
): { valueOffsets: Int32Array; data: Uint8Array } {
  const offsets = new Int32Array(values.length + 1)
  for (let i = 0; i < values.length; i++) {
    offsets[i + 1] = checkedEnd(offsets[i]! + (values[i]?.byteLength ?? 0), where, i)
  }
  const data = new Uint8Array(offsets[values.length]!)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (value) data.set(value, offsets[i]!)
  }
  return { valueOffsets: offsets, data }
}

function lists(
  arrow: Arrow,
  values: ArrayLike<Values | null | undefined>,
  where: Where,
  kind: Kind,
  hint: Hint | undefined,
): [Int32Array, Data] {
  const offsets = new Int32Array(values.length + 1)
  for (let i = 0; i < values.length; i++) offsets[i + 1] = checkedEnd(offsets[i]! + (values[i]?.length ?? 0), where, i)
  const total = offsets[values.length]!
  if (kind === 'typed list') {
    const first = Array.prototype.find.call(values, (value) => value) as Float64Array
    const all = new (first.constructor as Float64ArrayConstructor)(total)
    for (let i = 0; i < values.length; i++) if (values[i]) all.set(values[i] as Float64Array, offsets[i]!)
    return [offsets, elements(arrow, all, total)]
  }
  const all = new Array<unknown>(total)
  for (let i = 0; i < values.length; i++) {
    const list = values[i]
    for (let j = 0; list && j < list.length; j++) all[offsets[i]! + j] = list[j]
  }
  const owner: Where = (index) => {
    const row = offsets.findIndex((end, i) => i > 0 && end > index) - 1
    return `${where(row)}[${index - offsets[row]!}]`
  }
  return [offsets, inferred(arrow, all, owner, hint)]
}

function checkedEnd(end: number, where: Where, index: number): number {
  if (end <= offsetLimit) return end
  throw new FrameProblem(`the column is longer than 2 GiB at ${where(index)}`, 'make an Arrow table of several batches')
}

function wellFormed(text: string, what: string): string {
  if (text.isWellFormed()) return text
  throw new FrameProblem(`${what} has half of a surrogate pair, which UTF-8 cannot hold`, 'save it as bytes')
}
