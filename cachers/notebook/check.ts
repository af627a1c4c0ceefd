/** What the schema of nbformat 4.5 asks of the parts of a notebook that are not cells. */
import { kindOf } from '../common.js'
import { type NotebookJson, NotebookProblem } from './types.js'

type Rules = Readonly<Record<string, readonly [(value: unknown) => boolean, string]>>

export const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string'
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean'
export const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText)
const isCount = (value: unknown): boolean => value === null || (Number.isSafeInteger(value) && (value as number) >= 0)

const notebookRules: Rules = {
  kernelspec: [
    (v) => isObject(v) && isText(v.name) && isText(v.display_name),
    'an object with texts name and display_name',
  ],
  language_info: [(v) => isObject(v) && isText(v.name), 'an object with a text name'],
  orig_nbformat: [(v) => Number.isSafeInteger(v) && (v as number) >= 1, 'a whole number'],
  title: [isText, 'a text'],
  authors: [Array.isArray, 'a list'],
}
const cellRules: Rules = {
  name: [(v) => isText(v) && v !== '' && !v.includes('\n'), 'a text of one line'],
  tags: [
    (v) => isTexts(v) && new Set(v).size === v.length && v.every((tag) => tag !== '' && !tag.includes(',')),
    'a list of different texts without commas',
  ],
  jupyter: [isObject, 'an object'],
  execution: [(v) => isObject(v) && Object.values(v).every(isText), 'an object of texts'],
  collapsed: [isBoolean, 'true or false'],
  scrolled: [(v) => isBoolean(v) || v === 'auto', "true, false or 'auto'"],
  format: [isText, 'a text'],
}
const outputRules: Readonly<Record<string, Rules>> = {
  stream: { name: [isText, 'a text'], text: [isText, 'a text'] },
  display_data: { data: [isObject, 'an object'], metadata: [isObject, 'an object'] },
  execute_result: {
    data: [isObject, 'an object'],
    metadata: [isObject, 'an object'],
    execution_count: [isCount, 'a whole number or null'],
  },
  error: {
    ename: [isText, 'a text'],
    evalue: [isText, 'a text'],
    traceback: [isTexts, 'a list of texts'],
  },
}

export function refuse(where: string, value: unknown, expected: string): never {
  throw new NotebookProblem(`${where} is ${kindOf(value)}, not ${expected}`)
}

/** An object of metadata, its known members checked. */
export function metadataOf(value: unknown, where: string, of: 'notebook' | 'cell'): NotebookJson {
  if (!isObject(value)) refuse(where, value, 'an object')
  for (const [key, [is, expected]] of Object.entries(of === 'notebook' ? notebookRules : cellRules)) {
    if (Object.hasOwn(value, key) && !is(value[key])) throw new NotebookProblem(`${where}.${key} is not ${expected}`)
  }
  return value as NotebookJson
}

export function countOf(value: unknown, where: string): number | null {
  return isCount(value) ? (value as number | null) : refuse(where, value, 'a whole number or null')
}

/** An output with exactly the members of its kind, its texts in one piece. */
export function checkOutput(value: unknown, where: string): void {
  if (!isObject(value)) refuse(where, value, 'an object')
  const { output_type: type, ...members } = value
  const rules = isText(type) && Object.hasOwn(outputRules, type) ? outputRules[type]! : undefined
  if (rules === undefined) {
    throw new NotebookProblem(`${where}.output_type is not one of ${Object.keys(outputRules).join(', ')}`)
  }
  refuseOthers(members, Object.keys(rules), where)
  for (const [key, [is, expected]] of Object.entries(rules)) {
    if (!Object.hasOwn(members, key)) throw new NotebookProblem(`${where} has no ${key}`)
    if (!is(members[key])) throw new NotebookProblem(`${where}.${key} is not ${expected}`)
  }
  if (members.data !== undefined) checkBundle(members.data as Record<string, unknown>, `${where}.data`)
}

/** Data by MIME type. */
export function checkBundle(bundle: Record<string, unknown>, where: string): void {
  for (const [mime, data] of Object.entries(bundle)) {
    if (!isJsonMime(mime) && !isText(data)) refuse(`${where}[${JSON.stringify(mime)}]`, data, 'a text')
  }
}

export function isJsonMime(mime: string): boolean {
  return /^application\/(.*\+)?json$/.test(mime)
}

/** Throws for a member that the format does not have there. */
export function refuseOthers(object: Record<string, unknown>, known: readonly string[], where: string): void {
  const other = Object.keys(object).find((key) => !known.includes(key))
  if (other === undefined) return
  throw new NotebookProblem(`${where} has a member ${JSON.stringify(other)}`, `known are ${known.join(', ')}`)
}
