import * as fs from 'node:fs'
import * as path from 'node:path'
import { sha256 } from '../identity/digest.js'
import * as io from '../store/io.js'
import { writeInline } from './cacheable.js'
import type { ArtifactHandle } from './lazy.js'

/**
 * Copies an artifact's main file to a path of the user's (`overwritePath`), beside the normal artifact. A copy that somebody changed
 * since is left alone, unless `force`.
 *
 * @returns why nothing was written, or undefined.
 */
export async function exportCopy(
  handle: ArtifactHandle<unknown>,
  target: string,
  force: boolean,
): Promise<string | undefined> {
  const source = await handle.toPath()
  const file = path.resolve(target)
  const note = `${file.slice(0, file.length - path.extname(file).length)}.meta.json`
  const bytes = await fs.promises.readFile(source)
  const now = await digestOf(file)
  const mine = sha256(bytes)
  if (now === mine && fs.existsSync(note)) return undefined
  if (now !== undefined && now !== mine && !force && now !== (await exported(note))) {
    return `${target} was changed by hand and is left as it is; use mode 'force' to overwrite it`
  }
  await writeInline(file, bytes)
  await writeInline(note, `${JSON.stringify({ ...handle.metadata, exported: mine }, null, 2)}\n`)
  return undefined
}

async function digestOf(file: string): Promise<string | undefined> {
  try {
    return sha256(await fs.promises.readFile(file))
  } catch (error) {
    if (io.isAbsent(error)) return undefined
    throw io.ioError('read', file, error)
  }
}

/** Digest of the copy as it was last written here. */
async function exported(note: string): Promise<string | undefined> {
  try {
    return (JSON.parse(await fs.promises.readFile(note, 'utf8')) as { exported?: string }).exported
  } catch {
    // No note, or not ours: then the file is not ours either.
    return undefined
  }
}
