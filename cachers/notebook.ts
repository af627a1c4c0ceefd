import { type CacherOptions, Codec, cacherIdentity, callable } from '../src/artifact/cacheable.js'
import { jsonDifference } from '../src/artifact/json.js'
import { CacherError, CurioError } from '../src/errors.js'
import { type CallableCacher, messageOf } from './common.js'
import { JsonCacher } from './json.js'
import { inLines, notebookOf } from './notebook/cells.js'
import { type Notebook, type NotebookLike, NotebookProblem } from './notebook/types.js'

export type {
  CellLike,
  CodeCell,
  MarkdownCell,
  Notebook,
  NotebookCell,
  NotebookJson,
  NotebookLike,
  NotebookOutput,
  NotebookSource,
  RawCell,
} from './notebook/types.js'

/** A cacher for Jupyter notebooks, as `.ipynb` files of nbformat 4.5. See docs/cachers/notebook.md. */
export interface NotebookCacher extends Codec<Notebook, NotebookLike> {
  /** @throws {CacherError} naming the part that no notebook has. */
  encode(value: NotebookLike): string
  /** @throws {CacherError} when the bytes are no notebook of nbformat 4.0 to 4.5; the path of what is wrong is in its message. */
  decode(bytes: Uint8Array): Promise<Notebook>
}

class NotebookCacherClass extends Codec<Notebook, NotebookLike> {
  static override readonly cacherName: string = 'notebook'
  override readonly extension: string = '.ipynb'

  constructor(argument?: string | CacherOptions) {
    super(argument)
    this.checkOptions()
  }

  override encode(value: NotebookLike): string {
    try {
      const difference = jsonDifference(value, this.label)
      if (difference !== undefined) throw new CacherError(cacherIdentity(this).name, 'save', difference)
      return `${JSON.stringify(sorted(inLines(notebookOf(value, 'lines'))), null, 1)}\n`
    } catch (error) {
      throw this.named(error, 'save')
    }
  }

  override async decode(bytes: Uint8Array): Promise<Notebook> {
    try {
      return notebookOf(await this.parsed(bytes), 'pieces')
    } catch (error) {
      throw this.named(error, 'load')
    }
  }

  /** By the cacher of JSON, which refuses what JavaScript would change. */
  private async parsed(bytes: Uint8Array): Promise<unknown> {
    try {
      return await JsonCacher().decode(bytes)
    } catch (error) {
      const message = messageOf(error).split('\n')[0]!
      throw new NotebookProblem(
        message.replace(/^json cannot load: value /, 'it '),
        CurioError.is(error) ? error.hint : undefined,
      )
    }
  }

  private named(error: unknown, direction: 'save' | 'load'): unknown {
    if (CurioError.is(error)) return error
    const { name } = cacherIdentity(this)
    if (error instanceof NotebookProblem) {
      return new CacherError(
        name,
        direction,
        `${this.label}: ${error.message}`,
        error.hint === undefined ? {} : { hint: error.hint },
      )
    }
    const what = error instanceof RangeError ? 'it is too deep or too large for one JSON text' : messageOf(error)
    return new CacherError(name, direction, `${this.label}: ${what}`, { cause: error })
  }
}

export const NotebookCacher: CallableCacher<NotebookCacher> = callable(NotebookCacherClass)

/** Keys in the order in which nbformat writes them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  const keys = Object.keys(value).sort()
  return Object.fromEntries(keys.map((key) => [key, sorted((value as Record<string, unknown>)[key])]))
}
