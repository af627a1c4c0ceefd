/** What is given or read, as a checked notebook with texts in one piece; and the same with its texts in lines, as it is written. */
import { createHash } from 'node:crypto'
import {
  checkBundle,
  checkOutput,
  countOf,
  isJsonMime,
  isObject,
  isTexts,
  metadataOf,
  refuse,
  refuseOthers,
} from './check.js'
import { type Notebook, type NotebookCell, type NotebookOutput, NotebookProblem } from './types.js'

/** How the items of a list make a text: `lines` given by people, who leave out line ends; `pieces` of a file. */
export type Joining = 'lines' | 'pieces'

const python = {
  kernelspec: { display_name: 'Python 3', language: 'python', name: 'python3' },
  language_info: { name: 'python' },
}
const newest = 5
const members = {
  common: ['id', 'cell_type', 'metadata', 'source'],
  code: ['execution_count', 'outputs'],
  text: ['attachments'],
}
/** Where Python's `str.splitlines` cuts, and so nbformat. */
const ends = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029'
const line = new RegExp(`[^${ends}]*(?:\\r\\n|[${ends}])|[^${ends}]+$`, 'g')
/** What nbformat cuts beside `text/…`. */
const cutMimes = new Set(['application/javascript', 'image/svg+xml'])

/** @throws {NotebookProblem} saying where it is not what a notebook must be. */
export function notebookOf(value: unknown, joining: Joining): Notebook {
  const given = joining === 'lines' ? { nbformat: 4, nbformat_minor: newest, metadata: python } : {}
  const isList = Array.isArray(value) && joining === 'lines'
  if (!isList && !isObject(value)) throw new NotebookProblem('it is no list of cells and no notebook')
  const notebook: Record<string, unknown> = { ...given, ...(isList ? { cells: value } : (value as object)) }
  const { cells, metadata, nbformat, nbformat_minor: minor, ...rest } = notebook
  refuseOthers(rest, ['cells', 'metadata', 'nbformat', 'nbformat_minor'], 'it')
  if (nbformat !== 4 || !Number.isSafeInteger(minor) || (minor as number) < 0 || (minor as number) > newest) {
    throw new NotebookProblem(
      `it has nbformat ${JSON.stringify(nbformat)} and nbformat_minor ${JSON.stringify(minor)}; known are 4.0 to 4.${newest}`,
      'open it in Jupyter and save it there, or convert it by `jupyter nbconvert --to notebook`',
    )
  }
  if (!Array.isArray(cells)) refuse('cells', cells, 'a list')
  const checked = cells.map((cell: unknown, i) => cellOf(cell, `cells[${i}]`, joining))
  return {
    cells: withIds(checked),
    metadata: metadataOf(metadata, 'metadata', 'notebook'),
    nbformat: 4,
    nbformat_minor: newest,
  }
}

type Unnamed = Omit<NotebookCell, 'id'> & { readonly id: string | undefined }

function cellOf(given: unknown, where: string, joining: Joining): Unnamed {
  const cell = (typeof given === 'string' || Array.isArray(given)) && joining === 'lines' ? { source: given } : given
  if (!isObject(cell)) refuse(where, cell, 'a text, a list of lines or an object')
  const { type, ...others } = cell
  const named = joining === 'lines' ? others : cell
  if (type !== undefined && named.cell_type !== undefined && type !== named.cell_type) {
    throw new NotebookProblem(`${where} has two types, ${String(type)} and ${String(named.cell_type)}`)
  }
  const kind = named.cell_type ?? (joining === 'lines' ? (type ?? 'code') : undefined)
  if (kind !== 'code' && kind !== 'markdown' && kind !== 'raw') {
    throw new NotebookProblem(`${where} is neither code nor markdown nor raw`)
  }
  refuseOthers(named, [...members.common, ...(kind === 'code' ? members.code : members.text)], where)
  const { id, metadata = {}, attachments, execution_count: count = null, outputs = [] } = named
  if (id !== undefined && !(typeof id === 'string' && /^[a-zA-Z0-9_-]{1,64}$/.test(id))) {
    throw new NotebookProblem(`${where}.id is not one of 1 to 64 letters, digits, - and _`)
  }
  const base = {
    cell_type: kind,
    id,
    metadata: metadataOf(metadata, `${where}.metadata`, 'cell'),
    source: textOf(named.source, `${where}.source`, joining),
  }
  if (kind !== 'code') {
    const added = attachments === undefined ? {} : { attachments: attachmentsOf(attachments, `${where}.attachments`) }
    return { ...base, ...added } as Unnamed
  }
  if (!Array.isArray(outputs)) refuse(`${where}.outputs`, outputs, 'a list')
  const checked = outputs.map((output: unknown, i) => outputOf(output, `${where}.outputs[${i}]`))
  return { ...base, execution_count: countOf(count, `${where}.execution_count`), outputs: checked } as Unnamed
}

/** Cells without an id get one that is the same whenever the same notebook is made. */
function withIds(cells: readonly Unnamed[]): NotebookCell[] {
  const taken = new Set<string>()
  for (const [i, { id }] of cells.entries()) {
    if (id === undefined) continue
    if (taken.has(id)) throw new NotebookProblem(`cells[${i}].id is ${id}, which an earlier cell has`)
    taken.add(id)
  }
  return cells.map((cell, i) => {
    let id = cell.id
    for (let attempt = 0; id === undefined; attempt++) {
      const seed = JSON.stringify([i, cell.cell_type, cell.source, attempt])
      const made = `${i}-${createHash('sha256').update(seed).digest('hex').slice(0, 8)}`
      if (!taken.has(made)) id = made
    }
    taken.add(id)
    return { ...cell, id } as NotebookCell
  })
}

function textOf(value: unknown, where: string, joining: Joining): string {
  if (typeof value === 'string') return value
  if (!isTexts(value)) refuse(where, value, 'a text or a list of texts')
  if (joining === 'pieces') return value.join('')
  return value.map((text, i) => (i === value.length - 1 || text.endsWith('\n') ? text : `${text}\n`)).join('')
}

function outputOf(output: unknown, where: string): unknown {
  if (!isObject(output)) refuse(where, output, 'an object')
  const { text, data } = output
  const made = {
    ...output,
    ...(isTexts(text) ? { text: text.join('') } : {}),
    ...(isObject(data) ? { data: bundle(data, joined) } : {}),
  }
  checkOutput(made, where)
  return made
}

function attachmentsOf(attachments: unknown, where: string): unknown {
  if (!isObject(attachments)) refuse(where, attachments, 'an object')
  return Object.fromEntries(
    Object.entries(attachments).map(([name, value]) => {
      const at = `${where}[${JSON.stringify(name)}]`
      if (!isObject(value)) refuse(at, value, 'an object')
      const made = bundle(value, joined)
      checkBundle(made, at)
      return [name, made]
    }),
  )
}

/** Data by MIME type with its texts in another form. */
function bundle(data: Record<string, unknown>, change: (text: unknown) => unknown): Record<string, unknown> {
  const isChanged = (mime: string) =>
    change === joined ? !isJsonMime(mime) : mime.startsWith('text/') || cutMimes.has(mime)
  return Object.fromEntries(
    Object.entries(data).map(([mime, value]) => [mime, isChanged(mime) ? change(value) : value]),
  )
}

function joined(value: unknown): unknown {
  return isTexts(value) ? value.join('') : value
}

function lines(value: unknown): unknown {
  return typeof value === 'string' ? (value.match(line) ?? []) : value
}

/** As it stands in a file: texts in lines, so that a difference is one of lines. */
export function inLines(notebook: Notebook): unknown {
  const cells = notebook.cells.map((cell) => ({
    ...cell,
    source: lines(cell.source),
    ...('attachments' in cell && cell.attachments !== undefined
      ? {
          attachments: Object.fromEntries(
            Object.entries(cell.attachments).map(([name, data]) => [name, bundle(data, lines)]),
          ),
        }
      : {}),
    ...(cell.cell_type === 'code' ? { outputs: cell.outputs.map(outputInLines) } : {}),
  }))
  return { ...notebook, cells }
}

function outputInLines(output: NotebookOutput): unknown {
  if (output.output_type === 'stream') return { ...output, text: lines(output.text) }
  return output.output_type === 'error' ? output : { ...output, data: bundle(output.data, lines) }
}
