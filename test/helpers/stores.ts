import * as fs from 'node:fs'
import { type Digest, sha256 } from '../../src/identity/digest.js'
import { type Key, nameKey, stageKey } from '../../src/identity/key.js'
import type { FolderBlobsOptions } from '../../src/store/blob-files.js'
import { type Artifact, artifactDigest, type Entry } from '../../src/store/entry.js'
import { StoreEvents } from '../../src/store/events.js'
import { FolderBlobs } from '../../src/store/folder-blobs.js'
import { EntryStore, type StoreOptions } from '../../src/store/store.js'

/** A store without cachers; each opening is an object of its own, as in another process. */
export class BareStore extends EntryStore {
  static async open(options: string | StoreOptions): Promise<BareStore> {
    return new BareStore(await EntryStore.prepare(options))
  }
}

export interface BareBlobs {
  readonly blobs: FolderBlobs
  readonly events: StoreEvents
}

/** The blobs of a folder that need be no store; `loadChecksums` first. */
export function bareBlobs(folder: string, options: Partial<FolderBlobsOptions> = {}): BareBlobs {
  fs.mkdirSync(folder, { recursive: true })
  const events = new StoreEvents(folder)
  const modes = { dir: 0o755, file: 0o444 }
  return { events, blobs: new FolderBlobs(folder, { durable: false, readOnly: false, modes, events, ...options }) }
}

/** Files of an artifact by their role. */
export type Content = Readonly<Record<string, string | Uint8Array>>

/** An artifact `name` with these files, put as blobs. */
export async function artifactOf(store: EntryStore, name: string, content: Content): Promise<Artifact> {
  const files = []
  for (const [role, bytes] of Object.entries(content)) files.push({ role, ...(await store.blobs.put(bytes)) })
  const made = { cacher: 'test', codec: 1, options: {}, extra: {}, files }
  const main = Object.keys(content)[0] ?? name
  return {
    name,
    ...made,
    extension: /^\w+((\.[\w-]+)*)$/.exec(main)?.[1] ?? '',
    digest: artifactDigest(made),
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
  }
}

/** An entry for a key with one artifact, `value`; its blobs are put. */
export async function entryOf(store: EntryStore, key: Key, content: string | Content): Promise<Entry> {
  const files = typeof content === 'string' ? { 'value.txt': content } : content
  const artifact = await artifactOf(store, 'value', files)
  return { key: key.text, hash: key.hash, material: key.material, artifacts: [artifact], provenance: {} }
}

/** Puts and commits under a plain name. */
export async function save(store: EntryStore, name: string, content: string | Content) {
  const key = nameKey(name)
  return store.commit(key, await entryOf(store, key, content))
}

/** The text of what is stored under a name; undefined for a miss. Every byte is checked. */
export async function load(store: EntryStore, key: Key | string, role = 'value.txt'): Promise<string | undefined> {
  const found = await store.lookup(key)
  if (!found.hit) return undefined
  const file = found.entry.artifacts[0]?.files?.find((one) => one.role === role)
  const bytes = file && (await store.blobs.read(file))
  return bytes && Buffer.from(bytes).toString()
}

/** A stage's key with one parameter. */
export function someStageKey(params: Record<string, string> = { lr: '0.1' }): Key {
  return stageKey({
    id: 'pkg/train.fit',
    version: '1',
    params,
    inputs: { data: { artifact: sha256('data') as Digest } },
    outputs: { value: ['test', {}] },
    labels: params,
  })
}
