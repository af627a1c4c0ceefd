/**
 * Dictionaries as a file can have them: one for each column, the same for all batches, numbered in the order of the columns. In memory
 * their numbers depend on what else the process did, and batches may each have their own.
 */
import type { Data, DataType, Dictionary, Field, Schema, Table, Vector } from 'apache-arrow'
import { plainType } from './copies.js'
import type { Arrow } from './infer.js'
import { childAt, layoutOf } from './layout.js'
import { FrameProblem } from './problem.js'
import { gathered, keysOf } from './take.js'

/** A dictionary of a file. */
export interface Values {
  readonly id: number
  readonly data: Data
}

/** A table as it is written. */
export interface Prepared {
  readonly schema: Schema
  /** The columns of each batch. */
  readonly batches: readonly (readonly Data[])[]
  /** Those within others before them, as readers need them. */
  readonly dictionaries: readonly Values[]
}

export function prepared(arrow: Arrow, table: Table): Prepared {
  const { schema, batches } = table
  const columns = schema.fields.map((_, i) => batches.map((batch) => batch.data.children[i]!))
  const numbering = new Numbering(arrow)
  const done = schema.fields.map((field, i) => numbering.visit(field, columns[i]!, field.name))
  return {
    schema: new arrow.Schema(
      done.map(({ field }) => field),
      schema.metadata,
    ),
    batches: batches.map((_, i) => done.map(({ chunks }) => chunks[i]!)),
    dictionaries: numbering.dictionaries,
  }
}

/** A column of every batch. */
interface Column {
  readonly field: Field
  readonly chunks: readonly Data[]
}

function holdsDictionary(arrow: Arrow, type: DataType): boolean {
  if (arrow.DataType.isDictionary(type)) return true
  return ((type.children ?? []) as readonly Field[]).some((child) => holdsDictionary(arrow, child.type))
}

class Numbering {
  readonly dictionaries: Values[] = []
  #next = 0

  constructor(private readonly arrow: Arrow) {}

  visit(field: Field, chunks: readonly Data[], path: string): Column {
    const { arrow } = this
    const { type } = field
    if (arrow.DataType.isDictionary(type)) return this.#dictionary(field, type, chunks, path)
    if (!holdsDictionary(arrow, type)) return { field, chunks }
    const children = (type.children as readonly Field[]).map((child, i) =>
      this.visit(
        child,
        chunks.map((chunk) => childAt(arrow, chunk, i)),
        `${path}.${child.name}`,
      ),
    )
    const own = plainType(
      arrow,
      type,
      children.map((child) => child.field),
    )
    return {
      field: field.clone({ type: own }),
      chunks: chunks.map((chunk, i) =>
        copied(
          arrow,
          chunk,
          own,
          children.map((child) => child.chunks[i]!),
        ),
      ),
    }
  }

  #dictionary(field: Field, type: Dictionary, chunks: readonly Data[], path: string): Column {
    const { arrow } = this
    if (arrow.DataType.isDictionary(type.dictionary)) {
      throw new FrameProblem(`its column ${path} is a dictionary of dictionaries`, 'make it one of their values')
    }
    if ((type.indices as { bitWidth: number }).bitWidth > 32) {
      throw new FrameProblem(`its column ${path} is a dictionary with ${type.indices} indices`, 'cast them to int32')
    }
    const id = this.#next++
    const { values, renumber } = unified(arrow, type, chunks, path)
    const inner = this.visit(new arrow.Field(field.name, type.dictionary, true), [values], path)
    const [data] = inner.chunks
    this.dictionaries.push({ id, data: data! })
    const indices = widened(arrow, type, data!.length)
    const own = new arrow.Dictionary(inner.field.type, indices as Dictionary['indices'], id, type.isOrdered)
    const vector = new arrow.Vector([data!])
    const made = chunks.map((chunk, i) => {
      const copy = copied(arrow, chunk, own, [])
      if (renumber !== undefined) Object.assign(copy, { values: renumber(chunk, i, indices.ArrayType as Numbers) })
      copy.dictionary = vector
      return copy
    })
    return { field: field.clone({ type: own }), chunks: made }
  }
}

type Numbers = new (length: number) => Int32Array
type Renumber = (chunk: Data, index: number, Numbers: Numbers) => Int32Array

/** One dictionary for all batches, and how their indices change; without a change where they have one already. */
function unified(
  arrow: Arrow,
  type: Dictionary,
  chunks: readonly Data[],
  path: string,
): { values: Data; renumber?: Renumber } {
  const vectors = chunks.map(({ dictionary }) => dictionary)
  const given = [...new Set(vectors.filter((vector): vector is Vector => vector !== undefined && vector.length > 0))]
  const parts = [...new Set(given.flatMap((vector) => vector.data.filter(({ length }) => length > 0)))]
  if (parts.length === 0) return { values: arrow.makeData({ type: type.dictionary, length: 0, nullCount: 0 } as never) }
  if (parts.length === 1) return { values: parts[0]! }
  const { kind } = layoutOf(arrow, type.dictionary)
  if (kind !== 'fixed' && kind !== 'variable' && kind !== 'bool') {
    throw new FrameProblem(
      `its column ${path} has a dictionary of ${type.dictionary} in several parts, which cannot be made one`,
      'give all batches the same dictionary, or none',
    )
  }
  const places = new Map<string, number>()
  const first: [part: Data, index: number][] = []
  const numbers = new Map(
    parts.map((part) => {
      const keys = keysOf(arrow, part)
      for (const [index, key] of keys.entries()) {
        if (places.has(key)) continue
        places.set(key, first.length)
        first.push([part, index])
      }
      return [part, Int32Array.from(keys, (key) => places.get(key)!)] as const
    }),
  )
  return {
    values: gathered(arrow, type.dictionary, first),
    renumber: (chunk, i, Numbers) => {
      const own = (vectors[i]?.data ?? []).flatMap((part) => [...(numbers.get(part) ?? [])])
      const old = chunk.values as unknown as Int32Array
      const renumbered = new Numbers(chunk.length)
      // Indices of nulls may be anything.
      for (let row = 0; row < chunk.length; row++) renumbered[row] = own[old[row]!] ?? 0
      return renumbered
    },
  }
}

/** The type of indices; a wider one where the dictionary has outgrown it. */
function widened(arrow: Arrow, { indices }: Dictionary, length: number) {
  const { bitWidth, isSigned } = indices as unknown as { bitWidth: number; isSigned: boolean }
  return length <= 2 ** (isSigned ? bitWidth - 1 : bitWidth) ? indices : new arrow.Int32()
}

function copied(arrow: Arrow, data: Data, type: DataType, children: readonly Data[]): Data {
  const { offset, length, nullCount, valueOffsets, values, nullBitmap, typeIds, variadicBuffers } = data
  const buffers = [valueOffsets, values, nullBitmap, typeIds] as never
  return new arrow.Data(type, offset, length, nullCount, buffers, [...children], data.dictionary, variadicBuffers)
}
