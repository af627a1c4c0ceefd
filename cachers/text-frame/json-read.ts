/** JSON rows as tables. */
import type { DataType, Field, Table } from 'apache-arrow'
import { type FieldJson, schemaOf, type TypeParts, typeIds } from '../frame/fields.js'
import { type Arrow, step } from '../frame/infer.js'
import { FrameProblem } from '../frame/problem.js'
import { mayBeNull } from './cells.js'
import type { Column } from './column.js'
import { Nested } from './columns.js'
import { closeList, closeObject, colon, JsonInput, openList, openObject, type TokenKind } from './json-input.js'
import { Guess } from './json-types.js'
import { Fixed } from './leaves.js'
import { shown } from './moment.js'
import { specialNumber } from './number.js'
import { assembled, chosen, list, type Types } from './typed.js'
import { within } from './within.js'

export interface JsonSource {
  /** The columns that were written, where the file is one of ours. */
  readonly noted: readonly FieldJson[] | undefined
  readonly types: Types
  /** Types of columns that nothing was noted of. */
  readonly hints: Types
}

/** Reads one value into its column. */
type Read = (input: JsonInput) => void

/** A batch ends after as many bytes: its texts must stay below 2 GiB. */
const batchBytes = 1 << 28

/** @param bytes UTF-8, without a byte order mark. */
export function readJsonRows(arrow: Arrow, bytes: Buffer, { noted, types, hints }: JsonSource): Table {
  const fields = noted ?? guessed(bytes, { ...hints, ...types })
  const names = fields.map(({ name }) => name)
  const schema = schemaOf(chosen(names, fields, types, hints), arrow)
  const rows = new Nested(arrow, new arrow.Struct(schema.fields))
  const read = members(rows, schema.fields, noted !== undefined)
  const lengths: number[] = []
  let begin = 0
  const cut = (): void => {
    lengths.push(rows.length)
    rows.cut()
  }
  eachRow(bytes, (input) => {
    read(input)
    if (input.position - begin <= batchBytes) return
    begin = input.position
    cut()
  })
  if (rows.length > 0) cut()
  const batches = rows.chunks().map((data) => data.children)
  return assembled(arrow, schema, batches, lengths)
}

/** Calls back at the beginning of every row. */
function eachRow(bytes: Buffer, read: Read): void {
  const input = new JsonInput(bytes)
  if (!input.skips(openList)) {
    const isObject = input.peek() === openObject
    throw new FrameProblem(
      'it is not an array of rows',
      isObject ? "pandas writes one with to_json(orient='records')" : undefined,
    )
  }
  let more = !input.skips(closeList)
  for (let row = 0; more; row++) {
    try {
      if (input.peek() !== openObject) throw notARow(input)
      read(input)
      more = input.more(closeList)
    } catch (error) {
      throw within(`rows[${row}]`, error)
    }
  }
  if (input.peek() !== undefined) throw new FrameProblem('there is more behind the end of its rows')
}

function notARow(input: JsonInput): FrameProblem {
  return new FrameProblem(
    `is ${input.scalar() === undefined ? 'an array' : input.value.slice(0, 60)}, not an object of one value for each column`,
  )
}

function guessed(bytes: Buffer, types: Types): FieldJson[] {
  const guess = new Guess()
  eachRow(bytes, (input) => guess.seeMembers(input, 0, types))
  return guess.fields()
}

/** Reads the members of an object, at which the input is. */
function members(column: Nested, fields: readonly Field[], isComplete: boolean): Read {
  const places = new Map(fields.map(({ name }, i) => [name, i]))
  const parts = fields.map((field, i) => ({
    at: step(field.name),
    key: Buffer.from(`${JSON.stringify(field.name)}:`),
    field,
    column: column.children[i]!,
    read: reader(column.children[i]!, field),
  }))
  const place = (input: JsonInput): number => {
    input.string()
    const key = input.value
    input.expect(colon)
    const index = places.get(key)
    if (index !== undefined) return index
    const known = list(fields.map(({ name }) => name))
    throw new FrameProblem(
      `has a column ${JSON.stringify(key)}, which its metadata does not describe`,
      `it describes ${known}`,
    )
  }
  /** The number of the object in which each member was seen last. */
  const seen = new Float64Array(fields.length)
  let object = 0
  return (input) => {
    object += 1
    let found = 0
    input.position += 1
    if (!input.skips(closeObject)) {
      do {
        // Nearly always they come in order, and are written as we would.
        const next = parts[found]
        const index = next !== undefined && input.skipsWord(next.key) ? found : place(input)
        if (seen[index] === object) throw new FrameProblem(`has the key ${JSON.stringify(fields[index]!.name)} twice`)
        seen[index] = object
        const { at, read } = parts[index]!
        try {
          read(input)
        } catch (error) {
          throw within(at, error)
        }
        found += 1
      } while (input.more(closeObject))
    }
    if (found < fields.length) {
      for (const [index, { field, column }] of parts.entries()) {
        if (seen[index] === object) continue
        if (isComplete || !field.nullable) throw new FrameProblem(`has no key ${JSON.stringify(field.name)}`)
        column.addNull()
      }
    }
    column.added()
  }
}

/** Reads the next value of a field. */
function reader(column: Column, field: Field): Read {
  const { type } = field
  const nullable = mayBeNull(field)
  const nested = column instanceof Nested ? nestedReader(column, type) : undefined
  const add = adder(column, type)
  return (input) => {
    const kind = input.scalar()
    if (kind === 'null') {
      if (!nullable) throw new FrameProblem('is null, which its type rules out')
      column.addNull()
    } else if (kind !== undefined) add(input, kind)
    else if (nested !== undefined) nested(input)
    else throw new FrameProblem(`is ${input.peek() === openList ? 'an array' : 'an object'}, not one value`)
  }
}

function nestedReader(column: Nested, type: DataType): Read {
  if (column.isStruct) {
    const read = members(column, type.children, false)
    return (input) => {
      if (input.peek() !== openObject) throw new FrameProblem('is an array, not an object')
      read(input)
    }
  }
  const item = reader(column.children[0]!, type.children[0]!)
  return (input) => {
    if (!input.skips(openList)) throw new FrameProblem('is an object, not an array')
    if (!input.skips(closeList)) {
      for (let index = 0, more = true; more; index++, more = input.more(closeList)) {
        try {
          item(input)
        } catch (error) {
          throw within(`[${index}]`, error)
        }
      }
    }
    column.added()
  }
}

/** Adds one that is neither null nor nested, if it is of the kind that the column is written as. */
function adder(column: Column, type: DataType): (input: JsonInput, kind: TokenKind) => void {
  const id = (type as unknown as Partial<TypeParts>).dictionary?.typeId ?? type.typeId
  const wants = kinds[id as number] ?? ['string']
  return (input, kind) => {
    const { text, start, end } = input
    if (kind === 'number' && column instanceof Fixed && counted.has(id as number)) {
      if (!/^-?\d{1,20}$/.test(input.value)) throw new FrameProblem(`is ${input.value}, not a count of its unit`)
      column.addCount(BigInt(input.value))
      return
    }
    if (
      !wants.includes(kind) ||
      (kind === 'string' && id === typeIds.float && specialNumber(input.value) === undefined)
    ) {
      throw new FrameProblem(
        `is ${kind === 'string' ? shown(input.value) : input.value.slice(0, 60)}, not ${wanted[wants[0]!]}`,
      )
    }
    column.add(text, start, end)
  }
}

/** What values of a type may be; texts where nothing is said. */
const kinds: Readonly<Record<number, readonly TokenKind[]>> = {
  [typeIds.bool]: ['bool'],
  [typeIds.int]: ['number'],
  [typeIds.float]: ['number', 'string'],
  [typeIds.decimal]: ['string', 'number'],
  [typeIds.null]: ['string', 'number', 'bool'],
  [typeIds.list]: ['string', 'number', 'bool'],
}

/** Types of which a number is a count of their unit, as pandas writes them. */
const counted = new Set<number>([typeIds.timestamp, typeIds.duration])

const wanted: Readonly<Record<TokenKind, string>> = {
  null: 'null',
  bool: 'true or false',
  number: 'a number',
  string: 'a text',
}
