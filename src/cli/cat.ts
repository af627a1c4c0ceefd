import { CurioError } from '../errors.js'
import type { Artifact, Entry } from '../store/entry.js'
import type { EntryStore } from '../store/store.js'
import { UsageError } from './args.js'
import { catItem, catItems } from './cat-items.js'
import { type Context, exit } from './context.js'
import { hasItems } from './entries.js'
import type { Output } from './output.js'
import { writeFile } from './raw.js'
import { resolveEntry, withoutArtifact } from './resolve.js'
import { clean, count, size } from './text.js'
import { shownJson, shownLines, showValue } from './value.js'

/** Where none of several artifacts is named, larger ones are only mentioned. */
const smallArtifact = 1 << 20

/** `curio cat <key>[#artifact] [item]`: prints values. */
export async function cat(context: Context): Promise<number> {
  const { args, out, open, cwd } = context
  const raw = args.has('raw')
  if (raw && out.json) throw new UsageError('--raw and --json do not go together')
  if (args.has('file') && !raw) throw new UsageError('--file needs --raw')
  const store = await open()
  const [text, item] = args.positionals
  const { entry, name } = await find(store, text!, cwd)
  if (item !== undefined) return catItem(context, store, entry, item)
  if (hasItems(entry) && name === undefined) return catItems(context, store, entry)
  const chosen = choose(entry, name)
  if (raw) return writeRaw(store, out, entry, chosen, args.text('file'))

  const only = chosen.length === 1
  const documents: unknown[] = []
  let code: number = exit.ok
  for (const artifact of chosen) {
    const { cacher, bytes, digest, preview = null } = artifact
    const about = { name: artifact.name, cacher, bytes, digest, preview }
    if (!out.json && !only) {
      if (artifact !== chosen[0]) out.line()
      out.line(out.paint('bold', `#${clean(artifact.name)}  ${clean(cacher)}, ${size(bytes)}`))
    }
    if (!only && bytes > smallArtifact) {
      documents.push({ ...about, kind: 'large' })
      if (!out.json)
        out.line(`${clean(preview ?? '')}  (curio cat ${clean(`${entry.key}#${artifact.name}`)} prints it)`)
      continue
    }
    try {
      const shown = await showValue(store, entry, artifact)
      if (out.json) documents.push({ ...about, ...shownJson(shown) })
      else out.lines(shownLines(shown))
    } catch (error) {
      // One artifact that is gone does not keep the others from being seen.
      if (only || !CurioError.is(error)) throw error
      code = exit.notFound
      documents.push({ ...about, kind: 'error', error: { code: error.code, message: error.message } })
      if (!out.json) out.line(out.paint('red', clean(error.message.split('\n')[0]!)))
    }
  }
  if (out.json) out.document({ key: entry.key, artifacts: documents })
  return code
}

/** The entry, and the artifact named after the last `#`. */
async function find(store: EntryStore, text: string, cwd: string): Promise<{ entry: Entry; name: string | undefined }> {
  const key = withoutArtifact(store, text)
  return { entry: await resolveEntry(store, key, cwd), name: key === text ? undefined : text.slice(key.length + 1) }
}

function choose(entry: Entry, name: string | undefined): readonly Artifact[] {
  if (name === undefined) return entry.artifacts
  const found = entry.artifacts.filter((artifact) => artifact.name === name)
  if (found.length > 0) return found
  throw new NoArtifactError(entry, name)
}

/** The entry is there, an artifact of that name is not. */
class NoArtifactError extends CurioError {
  override readonly code = 'ERR_NOT_FOUND'
  constructor(entry: Entry, name: string) {
    const names = entry.artifacts.map((artifact) => artifact.name).join(', ')
    super(`${clean(entry.key)} has no artifact ${clean(name)}`, { hint: `it has ${names || 'none'}` })
  }
}

async function writeRaw(
  store: EntryStore,
  out: Output,
  entry: Entry,
  chosen: readonly Artifact[],
  role: string | undefined,
): Promise<number> {
  const [artifact] = chosen
  if (artifact === undefined || chosen.length > 1) {
    out.error(`curio: ${clean(entry.key)} has ${count(chosen.length, 'artifact')}; name one:`)
    for (const one of chosen)
      out.error(`  ${clean(`${entry.key}#${one.name}`)}  ${clean(one.cacher)}, ${size(one.bytes)}`)
    return exit.notFound
  }
  return writeFile(store, out, entry, artifact, role)
}
