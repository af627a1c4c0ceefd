/** Notebooks as nbformat 4.5 has them, and what is taken for one. */
import type { Json } from '../../src/artifact/cacheable.js'

/** A member of a notebook that is any JSON object. */
export type NotebookJson = { readonly [key: string]: Json }

interface CellBase {
  /** Unique in its notebook: 1 to 64 letters, digits, `-` and `_`. */
  readonly id: string
  readonly metadata: NotebookJson
  readonly source: string
}

export interface CodeCell extends CellBase {
  readonly cell_type: 'code'
  /** Null: never run. */
  readonly execution_count: number | null
  readonly outputs: readonly NotebookOutput[]
}

export interface MarkdownCell extends CellBase {
  readonly cell_type: 'markdown'
  /** By file name, what `attachment:<name>` in the source shows: by MIME type. */
  readonly attachments?: { readonly [name: string]: NotebookJson }
}

export interface RawCell extends CellBase {
  readonly cell_type: 'raw'
  readonly attachments?: { readonly [name: string]: NotebookJson }
}

export type NotebookCell = CodeCell | MarkdownCell | RawCell

/** `data` is by MIME type: text, or any JSON for `application/json` and its kin. */
export type NotebookOutput =
  | { readonly output_type: 'stream'; readonly name: string; readonly text: string }
  | { readonly output_type: 'display_data'; readonly data: NotebookJson; readonly metadata: NotebookJson }
  | {
      readonly output_type: 'execute_result'
      readonly data: NotebookJson
      readonly metadata: NotebookJson
      readonly execution_count: number | null
    }
  | {
      readonly output_type: 'error'
      readonly ename: string
      readonly evalue: string
      readonly traceback: readonly string[]
    }

/** As NotebookCacher loads it: texts in one piece, whatever version the file had. */
export interface Notebook {
  readonly cells: readonly NotebookCell[]
  readonly metadata: NotebookJson
  readonly nbformat: 4
  readonly nbformat_minor: 5
}

/** A text, or its lines: with their line ends, or without. */
export type NotebookSource = string | readonly string[]

/** A cell to save: its code, the lines of its code, or more about it. */
export type CellLike =
  | NotebookSource
  | {
      readonly type?: NotebookCell['cell_type']
      /** The same by its name in the file. */
      readonly cell_type?: NotebookCell['cell_type']
      readonly source: NotebookSource
      /** Default: made from the cell's index and content. */
      readonly id?: string
      readonly metadata?: NotebookJson
      readonly attachments?: { readonly [name: string]: NotebookJson }
      readonly execution_count?: number | null
      readonly outputs?: readonly NotebookOutput[]
    }

/** What NotebookCacher saves: a list of cells, or a notebook with its metadata. */
export type NotebookLike =
  | readonly CellLike[]
  | {
      readonly cells: readonly CellLike[]
      /** Default: that of a notebook for Python 3. */
      readonly metadata?: NotebookJson
      readonly nbformat?: number
      readonly nbformat_minor?: number
    }

/** What is wrong with a notebook, before it is known which. */
export class NotebookProblem extends Error {
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message)
  }
}
