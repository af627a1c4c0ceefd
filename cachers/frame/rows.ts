/** Rows of a table as plain objects, and whether they fit a schema. */
import { isDeepStrictEqual } from 'node:util'
import type { RecordBatch, Table } from 'apache-arrow'
import type { ZodSafeParseResult, ZodType } from 'zod'
import { CacherError } from '../../src/errors.js'
import { definition, unwrapped } from './hints.js'
import { type Arrow, step } from './infer.js'
import { FrameProblem } from './problem.js'
import { type FrameLike, toTable } from './table.js'
import type { TableOf } from './types.js'
import { getter } from './values.js'

type Row = Record<string, unknown>

/** How many issues an error names. */
const shownIssues = 3
/** Rows between two turns of the event loop. */
const turn = 10_000

/**
 * Puts every row, as a plain object, through a zod schema: timestamps are `Date`, lists arrays, structs objects, and null counts as absent
 * where a field is optional.
 *
 * @throws {FrameProblem} naming the first rows and columns that do not fit, or the first row that the schema would change: by a default, a
 * transform, or a column it does not name. What a schema changes would count in no key.
 */
export async function checkRows(table: Table, schema: ZodType, label: string): Promise<void> {
  const arrow = await import('apache-arrow')
  const prune = pruner(schema, 0)
  const parse = await parserOf(schema)
  const issues: string[] = []
  let index = 0
  for (const batch of table.batches) {
    for (const made of batchRows(arrow, batch)) {
      const row = prune === undefined ? made : (prune(made) as Row)
      const parsed = parse(row)
      const result = parsed instanceof Promise ? await parsed : parsed
      if (!result.success) {
        for (const { path, message } of result.error.issues)
          issues.push(`${label}.rows[${index}]${at(path)}: ${message}`)
        if (issues.length >= shownIssues) break
      } else if (!isDeepStrictEqual(result.data, row)) {
        throw new FrameProblem(
          `the schema changes ${label}.rows[${index}]${changed(row, result.data)}: by a default, a transform, or a column it does not name`,
          'do that before the frame is saved, and use z.strictObject or z.looseObject for its rows',
        )
      }
      index += 1
      if (index % turn === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    if (issues.length >= shownIssues) break
  }
  if (issues.length > 0) throw new FrameProblem(issues.slice(0, shownIssues).join('; '))
}

/**
 * Every row of a table as a plain object: timestamps are `Date`, int64 `bigint`, lists arrays, structs objects, nulls null. What it gives can be
 * changed, and saved as a frame again.
 */
export async function rowsOf<Row extends object = Record<string, unknown>>(table: Table): Promise<Row[]> {
  const arrow = await import('apache-arrow')
  const rows: unknown[] = []
  for (const batch of table.batches) for (const row of batchRows(arrow, batch)) rows.push(row)
  return rows as Row[]
}

/**
 * A table of rows, or of anything else that is a frame.
 *
 * @param schema a zod schema of a row: types the columns that the values say nothing about.
 * @throws {CacherError} naming row and column.
 */
export async function tableOf<Row extends object>(
  rows: readonly Row[] | FrameLike,
  schema?: ZodType<Row>,
): Promise<TableOf<Row>> {
  try {
    return (await toTable(rows as FrameLike, schema)) as TableOf<Row>
  } catch (error) {
    if (!(error instanceof FrameProblem)) throw error
    throw new CacherError('arrow', 'save', error.message, error.hint === undefined ? {} : { hint: error.hint })
  }
}

/** Every row of a batch as a plain object, nulls as null. */
export function* batchRows(arrow: Arrow, batch: RecordBatch): Generator<Row> {
  const read = getter(arrow, batch.data)
  for (let i = 0; i < batch.numRows; i++) yield read(i) as Row
}

type Parse = (row: Row) => ZodSafeParseResult<unknown> | Promise<ZodSafeParseResult<unknown>>

/** Parses at once where the schema can: most can, and it is several times faster. */
async function parserOf(schema: ZodType): Promise<Parse> {
  let isAsync = false
  return (row) => {
    if (isAsync) return schema.safeParseAsync(row)
    try {
      return schema.safeParse(row)
    } catch (error) {
      if ((error as Error | undefined)?.constructor.name !== '$ZodAsyncError') throw error
      isAsync = true
      return schema.safeParseAsync(row)
    }
  }
}

/** Makes nulls of optional fields absent, in objects, and in those within them; undefined where the schema has none. */
function pruner(schema: ZodType, depth: number): ((value: unknown) => unknown) | undefined {
  const { shape, element } = definition(unwrapped(schema))
  if (depth > 8) return undefined
  if (element !== undefined) {
    const inner = pruner(element, depth + 1)
    return inner && ((value) => (Array.isArray(value) ? value.map(inner) : value))
  }
  if (shape === undefined) return undefined
  const fields = Object.keys(shape).map((key) => {
    const field = shape[key]!
    return { key, drops: field._zod.optin !== undefined && !field.isNullable(), inner: pruner(field, depth + 1) }
  })
  const touched = fields.filter(({ drops, inner }) => drops || inner !== undefined)
  if (touched.length === 0) return undefined
  return (value) => {
    if (value === null || typeof value !== 'object') return value
    const object = { ...value } as Row
    for (const { key, drops, inner } of touched) {
      if (drops && object[key] === null) delete object[key]
      else if (inner !== undefined) object[key] = inner(object[key])
    }
    return object
  }
}

function at(path: readonly PropertyKey[]): string {
  return path.map((key) => (typeof key === 'number' ? `[${key}]` : step(String(key)))).join('')
}

/** The first column in which two rows differ, for a message. */
function changed(row: Row, parsed: unknown): string {
  if (parsed === null || typeof parsed !== 'object') return ''
  const key = [...new Set([...Object.keys(row), ...Object.keys(parsed)])].find(
    (name) => !isDeepStrictEqual(row[name], (parsed as Row)[name]) || name in row !== name in parsed,
  )
  return key === undefined ? '' : step(key)
}
