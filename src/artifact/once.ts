/**
 * The one path from a key to values, the same for a stage, a task, an item and a step: look up → lock → look again → compute → encode →
 * blobs → entry. Whatever becomes of the cache on the way, a computed value is returned.
 */
import { CurioError, DeclarationError, ReadOnlyError, StoreIOError } from '../errors.js'
import type { Key } from '../identity/key.js'
import type { Artifact, Entry } from '../store/entry.js'
import { MemoryBlobs } from '../store/memory-blobs.js'
import type { Committed, Lookup, MissReason } from '../store/store.js'
import { type Cacheable, isCacherSpec, isStream } from './cacheable.js'
import { chooseCacher } from './choose.js'
import { ArtifactHandle, type Recover } from './lazy.js'
import { pack, packFolder } from './pack.js'
import type { Store } from './store.js'
import { type Packed, unpack } from './unpack.js'

/** Cache policy, as exca has it: `force` computes again, `read-only` never computes. */
export type Mode = 'cached' | 'force' | 'read-only'

/** What to obtain, and how to make it when it is not there. */
export interface Request {
  readonly key: Key
  /** Outputs in their order, with the cacher named for each; undefined: chosen by value. */
  readonly outputs: ReadonlyMap<string, Cacheable<unknown, unknown> | undefined>
  readonly mode: Mode
  /** Made once per forced run; an entry that carries it counts as done. */
  readonly token?: string | undefined
  readonly deterministic?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Looks at a stored entry before it counts as a hit; throws to refuse the run, returns false for a miss. */
  accept?(entry: Entry): boolean
  /** Told that there is nothing to load, each time that was looked for; throws to end it there. */
  onMiss?(): void
  /** Has it computed and stored by somebody else. What is not there then is computed here after all. */
  elsewhere?(signal: AbortSignal | undefined): Promise<void>
  /** Computes all outputs. `folder` holds further files for the entry. `cacheable` is asked when all is computed. */
  compute(signal: AbortSignal | undefined): Promise<Computed>
  /** What the entry says beside its artifacts. */
  describe(seconds: number): Omit<Entry, 'key' | 'hash' | 'material' | 'artifacts' | 'token'>
  /** Told of an extra file that cannot be kept: a link, or a name that not every system takes. */
  onUnfit?(name: string): void
  /** Called when computing begins, after locks and looks. */
  onCompute?(reason: MissReason | 'forced' | 'invalid'): void
}

/** What a computation gives back. */
export interface Computed {
  readonly values: ReadonlyMap<string, unknown>
  /** A folder whose files become part of the entry. */
  readonly folder?: string | undefined
  /** Asked when every output is in the store, before the entry: why it must not be committed, if so. An input changed under it. */
  check?(): Promise<string | undefined>
  /** Called when nothing of it is needed any more. */
  dispose?(): void
}

/** Name of the artifact that a folder of further files becomes. */
export const extraFiles = '_files'

/** How a result came to be there. `uncached`: computed, but the store could not keep it; `reason` says why. */
export interface Obtained {
  readonly how: 'loaded' | 'computed' | 'uncached'
  readonly entry: Entry
  readonly handles: ReadonlyMap<string, ArtifactHandle<unknown>>
  readonly seconds: number
  readonly commit?: Committed['outcome']
  readonly reason?: string
}

/** Obtains the outputs of a computation: from the store, or by computing them at most once. */
export async function obtain(store: Store, request: Request, recovering = false): Promise<Obtained> {
  const { key, mode, token, signal } = request
  const started = performance.now()
  let reason: MissReason | 'forced' | 'invalid' = 'absent'
  let mustReplace = false
  /** What a forced run found, and does not take. */
  let before: Entry | undefined

  const look = async (isAfter = false): Promise<Obtained | undefined> => {
    const found = await lookup(store, key)
    if (found === 'collision') return undefined
    if (!found.hit) {
      reason = found.reason
      request.onMiss?.()
      return undefined
    }
    // Another forced run may have replaced what ours has stored; what stood before it does not count.
    const isDone = isAfter ? found.entry.token !== before?.token : token !== undefined && found.entry.token === token
    if (mode === 'force' && !isDone) {
      before = found.entry
      reason = 'forced'
      return undefined
    }
    if (request.accept?.(found.entry) === false) return undefined
    if ([...request.outputs.keys()].some((name) => !found.entry.artifacts.some((artifact) => artifact.name === name))) {
      reason = 'invalid'
      mustReplace = true
      return undefined
    }
    // Bytes that were found bad may have had to stay where they are: in a folder we may not write to.
    if (recovering && !(await isWhole(store, found.entry))) {
      reason = 'incomplete'
      return undefined
    }
    const handles = handlesOf(store, found.entry, request)
    for (const handle of handles.values()) {
      if (!(await handle.stillValid())) {
        reason = 'invalid'
        mustReplace = true
        return undefined
      }
    }
    if (!recovering) await store.refreshViewsOnce(found.entry)
    return { how: 'loaded', entry: found.entry, handles, seconds: (performance.now() - started) / 1000 }
  }

  const hit = await look()
  if (hit !== undefined) return hit
  if (mode === 'read-only')
    throw new ReadOnlyError(key.text, `nothing usable is stored (${reason}), and mode is read-only`)
  if (request.elsewhere !== undefined) {
    request.onCompute?.(reason)
    await request.elsewhere(signal)
    const done = await look(true)
    if (done !== undefined) return { ...done, how: 'computed' }
  }
  return store.once(
    key,
    () => look(),
    async () => {
      request.onCompute?.(reason)
      return compute(store, request, mode === 'force' || mustReplace)
    },
    signal,
  )
}

async function lookup(store: Store, key: Key): Promise<Lookup | 'collision'> {
  try {
    return await store.lookup(key)
  } catch (error) {
    // Another computation has this place: compute, and return uncached (the commit says so).
    if (CurioError.is(error, 'ERR_KEY_COLLISION')) return 'collision'
    throw error
  }
}

/** Whether all bytes of an entry are there and good. */
async function isWhole(store: Store, entry: Entry): Promise<boolean> {
  for (const digest of await store.blobsOf(entry)) {
    if (!(await store.blobs.verify(digest))) return false
  }
  return true
}

/** Handles on an entry's artifacts; one whose bytes turn out to be gone computes them again. */
function handlesOf(store: Store, entry: Entry, request: Request): Map<string, ArtifactHandle<unknown>> {
  return new Map(
    entry.artifacts.map((artifact) => {
      const recover: Recover = async () => {
        const again = await obtain(
          store,
          // The run whose signal it was may be over.
          { ...request, signal: undefined, mode: request.mode === 'force' ? 'cached' : request.mode },
          true,
        )
        return again.handles.get(artifact.name)!
      }
      const cacher = request.outputs.get(artifact.name)
      return [artifact.name, new ArtifactHandle({ artifact, blobs: store.blobs }, entry, { store, cacher, recover })]
    }),
  )
}

async function compute(store: Store, request: Request, force: boolean): Promise<Obtained> {
  const started = performance.now()
  const computed = await request.compute(request.signal)
  const seconds = (performance.now() - started) / 1000
  try {
    request.signal?.throwIfAborted()
    return await keep(store, request, force, computed, seconds)
  } finally {
    computed.dispose?.()
  }
}

/** Stores what was computed, and hands out what then stands; in memory where it cannot be stored. */
async function keep(
  store: Store,
  request: Request,
  force: boolean,
  computed: Computed,
  seconds: number,
): Promise<Obtained> {
  const { key, signal, token } = request
  const { values, folder } = computed
  refuseSharedStream(values)

  const packAll = async (blobs: Store['blobs'] | MemoryBlobs): Promise<Packed[]> => {
    const packed: Packed[] = []
    for (const [name, cacher] of request.outputs) {
      const value = values.get(name)
      const used = cacher ?? (await chooseCacher(value))
      const one = await pack(blobs, name, used, value, signal)
      // What a program wrote is read once before it is committed: a file that cannot be read would be a hit for ever.
      if (isCacherSpec(value)) await unpack(one, used, {}, signal)
      packed.push(one)
    }
    if (folder !== undefined)
      packed.push(await packFolder(blobs, extraFiles, folder, (name) => request.onUnfit?.(name), signal))
    return packed
  }
  const entryWith = (packed: readonly Packed[]): Entry => ({
    ...request.describe(seconds),
    key: key.text,
    hash: key.hash,
    material: key.material,
    ...(token === undefined ? {} : { token }),
    artifacts: packed.map(({ artifact }) => artifact) as Artifact[],
  })
  const uncached = async (why: string, packed?: readonly Packed[]): Promise<Obtained> => {
    const kept = packed ?? (await packAll(new MemoryBlobs()))
    const entry = entryWith(kept)
    const handles = new Map(
      kept.map((one) => [
        one.artifact.name,
        new ArtifactHandle(one, entry, { cacher: request.outputs.get(one.artifact.name) }),
      ]),
    )
    store.events.emit({ kind: 'put-failed', key: key.text, reason: why })
    return { how: 'uncached', entry, handles, seconds, reason: why }
  }

  if (store.readOnly) {
    const packed = await packAll(new MemoryBlobs())
    return uncached((await computed.check?.()) ?? 'the store is open read-only', packed)
  }
  const readOnce = [...values.values()].some(isStream)
  let packed: Packed[] | undefined
  try {
    packed = await packAll(store.blobs)
    const why = await computed.check?.()
    if (why !== undefined) return await uncached(why, packed)
    const done = await store.commit(key, entryWith(packed), {
      force,
      // A reference whose file has changed is replaced: it has every right to be different.
      deterministic: request.deterministic === true && (!force || request.mode === 'force'),
      ...(readOnce ? {} : { restore: () => packAll(store.blobs).then(() => undefined) }),
    })
    if (done.outcome === 'newer') return await uncached('a newer version of curio stored its own result there', packed)
    return {
      how: 'computed',
      entry: done.entry,
      handles: handlesOf(store, done.entry, request),
      seconds,
      commit: done.outcome,
    }
  } catch (error) {
    if (CurioError.is(error, 'ERR_KEY_COLLISION')) return uncached(error.message, packed)
    if (!(error instanceof StoreIOError) || readOnce) throw error
    // Disk full, no right to write, a failing disk: the run goes on with what was computed.
    return uncached(error.message)
  }
}

/** A stream can be read once: as two outputs, the second would be empty. */
function refuseSharedStream(values: ReadonlyMap<string, unknown>): void {
  const streams = [...values.values()].filter(isStream)
  if (new Set(streams).size === streams.length) return
  throw new DeclarationError('one stream was returned as two outputs', { hint: 'make a stream for each' })
}
