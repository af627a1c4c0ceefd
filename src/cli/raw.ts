/** Bytes exactly as stored, for a file or a pipe. */
import type { Artifact, Entry } from '../store/entry.js'
import type { EntryStore } from '../store/store.js'
import { UsageError } from './args.js'
import { exit } from './context.js'
import type { Output } from './output.js'
import { fileOf, gone } from './value.js'

/** Writes one file of an artifact: its main one, unless `role` names another. */
export async function writeFile(
  store: EntryStore,
  out: Output,
  entry: Entry,
  artifact: Artifact,
  role: string | undefined,
): Promise<number> {
  refuseTerminal(out)
  const file = await fileOf(store, entry, artifact, role)
  const stream = await store.blobs.stream(file.sha256)
  if (stream === undefined) throw gone(store, entry, artifact)
  for await (const part of stream) await out.bytes(part)
  return exit.ok
}

export function refuseTerminal(out: Output): void {
  if (!out.isTerminal) return
  throw new UsageError('--raw writes bytes that may act on a terminal', {
    hint: 'send it to a file or a pipe: … --raw > file',
  })
}
