/** Frames whose columns have the types that an option names. */
import type { Data, Field, Schema, Table } from 'apache-arrow'
import { nearest } from '../../src/errors.js'
import { type FieldJson, fieldOf, fieldsOf, schemaOf, type TypeJson } from '../frame/fields.js'
import { type Arrow, step } from '../frame/infer.js'
import { FrameProblem } from '../frame/problem.js'
import { cellsOf } from './cells.js'
import { columnOf } from './columns.js'
import { within } from './within.js'

export type Types = Readonly<Record<string, TypeJson>>

/** What is known of the columns: by an option, by a hint, or by what was noted of all of them; undefined where nothing is. */
export function chosen(
  names: readonly string[],
  noted: readonly FieldJson[] | undefined,
  types: Types,
  hints: Types = {},
): (FieldJson | undefined)[] {
  const unknown = Object.keys(types).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    const near = nearest(unknown, names)
    throw new FrameProblem(
      `it has no column ${JSON.stringify(unknown)}, for which a type is given`,
      near === undefined ? `its columns are ${list(names)}` : `did you mean ${near}?`,
    )
  }
  return names.map((name, i) => {
    if (Object.hasOwn(types, name))
      return { ...fieldOf(name, types[name]!), ...(noted?.[i]?.nullable === false ? { nullable: false } : {}) }
    return Object.hasOwn(hints, name) ? fieldOf(name, hints[name]!) : noted?.[i]
  })
}

/** Names for a message. */
export function list(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => JSON.stringify(name))
  return `${shown.join(', ') || 'none'}${names.length > 20 ? ` and ${names.length - 20} more` : ''}`
}

/** @throws {FrameProblem} when two columns have one name. */
export function distinct(names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw new FrameProblem(`it has two columns ${JSON.stringify(name)}`, 'rename one of them')
    seen.add(name)
  }
}

/** The columns of a table that a text format can hold, by their types; refuses those it cannot. */
export function writable(table: Table): FieldJson[] {
  const names = table.schema.fields.map(({ name }) => name)
  const broken = names.find((name) => !name.isWellFormed())
  if (broken !== undefined)
    throw new FrameProblem(`the column name ${JSON.stringify(broken)} has half of a surrogate pair`)
  distinct(names)
  return fieldsOf(table.schema)
}

/** The table with its columns converted, by their texts, to the types given. */
export function converted(arrow: Arrow, table: Table, types: Types): Table {
  const fields = writable(table)
  const wanted = chosen(
    fields.map(({ name }) => name),
    fields,
    types,
  ) as FieldJson[]
  if (JSON.stringify(wanted) === JSON.stringify(fields)) return table
  const schema = schemaOf(wanted, arrow)
  const columns = wanted.map((field, i) => {
    const data = table.batches.map((batch) => batch.data.children[i]!)
    if (JSON.stringify(field) === JSON.stringify(fields[i])) return data
    if (field.children !== undefined || fields[i]!.children !== undefined) {
      throw new FrameProblem(`its column ${field.name} is ${fields[i]!.type}, which cannot become ${field.type}`)
    }
    return retyped(arrow, data, table.schema.fields[i]!, schema.fields[i]!)
  })
  const batches = table.batches.map((_, batch) => columns.map((chunks) => chunks[batch]!))
  return assembled(
    arrow,
    schema,
    batches,
    table.batches.map(({ numRows }) => numRows),
  )
}

const identity = (text: string): string => text
const asTexts = { text: identity, plain: identity, float: identity }

function retyped(arrow: Arrow, chunks: readonly Data[], from: Field, to: Field): Data[] {
  const column = columnOf(arrow, to.type)
  const open = cellsOf(from, asTexts)
  let row = 0
  for (const data of chunks) {
    const cell = open(data)
    for (let index = 0; index < data.length; index++, row++) {
      try {
        const text = cell(index)
        if (text === undefined) column.addNull()
        else {
          const bytes = Buffer.from(text)
          column.add(bytes, 0, bytes.length)
        }
      } catch (error) {
        throw within(`rows[${row}]${step(to.name)}`, error)
      }
    }
    column.cut()
  }
  return column.chunks()
}

/** A table of batches, each of one piece of every column. */
export function assembled(arrow: Arrow, schema: Schema, batches: readonly Data[][], lengths: readonly number[]): Table {
  const { makeData, RecordBatch, Struct, Table } = arrow
  const made = batches.map((children, i) => {
    const data = makeData({ type: new Struct(schema.fields), length: lengths[i]!, nullCount: 0, children })
    return new RecordBatch(schema, data)
  })
  return new Table(schema, made)
}
