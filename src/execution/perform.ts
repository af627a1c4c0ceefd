/** A worker's part: imports the module it is told, makes the configuration again, and computes. */
import { pathToFileURL } from 'node:url'
import { CurioError, DeclarationError } from '../errors.js'
import { adoptingClaims } from '../store/claims.js'
import { lookAnew } from '../store/items/space.js'
import { type Assignment, type Outcome, Performer } from './assignment.js'
import { isAboutUser, textOf } from './failure.js'
import { type CurrentJob, inJob } from './job.js'
import { whileImporting } from './main.js'
import { arrived, declaredIn, decoded, type Packed, sentFrom, unpack } from './travel.js'

/** What a worker is, besides what it is asked to do. */
export interface Worker {
  /** Makes files of another language importable. */
  prepare?(file: string): Promise<void>
  /** Whether a module must not be imported, because it is what sent the work. */
  isHere?(file: string): boolean
  readonly job: CurrentJob
  readonly signal?: AbortSignal | undefined
}

/** Configurations that were made here, by call: the next part of the same computation goes on with one. The oldest goes first. */
const made = new Map<string, Performer>()
const most = 4
/** One for each store that was written to. */
const byFolder = new Map<string, Performer>()

/** Does what was packed; whatever happens is in the outcome. */
export async function perform(bytes: Uint8Array, worker: Worker): Promise<Outcome> {
  const { signal } = worker
  let isComputing = false
  lookAnew()
  try {
    const packed = await unpack(bytes)
    const infra = await infraFor(packed, worker)
    const items = packed.items === undefined ? {} : { items: (await decoded(packed.items)) as Assignment['items'] }
    isComputing = true
    await adoptingClaims(packed.claims ?? [], () =>
      inJob(worker.job, () => infra.perform({ ...packed, ...items } as unknown as Assignment, signal)),
    )
    return { ok: true }
  } catch (error) {
    const isStored = isComputing && (CurioError.is(error, 'ERR_CACHED') || isAboutUser(error, signal))
    return failed(error, isStored)
  }
}

/** Seals what was stored here, best effort: others open it without reading it. */
export async function seal(): Promise<void> {
  for (const infra of byFolder.values()) {
    const store = await infra.store().catch(() => undefined)
    await store?.close().catch(() => undefined)
  }
}

/** An outcome of something that was thrown. */
export function failed(thrown: unknown, isStored = false): Outcome & { readonly ok: false } {
  const { name, message, stack } = (thrown instanceof Error ? thrown : new Error(textOf(thrown))) as Error
  return { ok: false, isStored, name: String(name), message: String(message), remote: String(stack ?? message) }
}

async function infraFor(packed: Packed, worker: Worker): Promise<Performer> {
  const { module, exported, field, folder, mode, isStep, mark, call } = packed
  const before = call === undefined ? undefined : made.get(call)
  if (before !== undefined) return before
  const find = (file: string, name: string): Promise<unknown> => exportedBy(file, name, packed.where, worker)
  for (const file of packed.modules) await imported(file, packed.where, worker)
  const input = (await decoded(packed.input)) as Record<string, unknown>
  const { cluster: _, backend: __, ...seeds } = (input[field] ?? {}) as Record<string, unknown>
  const here = { ...seeds, folder, mode, keepInRam: false, ...(isStep ? { backend: 'cached' } : { cluster: null }) }
  const config = (await arrived({ module, exported, input }, { mark, find }, { [field]: here })) as Record<
    string,
    unknown
  >
  const infra = config[field]
  if (!(infra instanceof Performer)) {
    throw new DeclarationError(`${exported} of ${module} has no infra ${field} in the worker`, {
      hint: 'the module comes to another copy of curio there: install it once',
    })
  }
  if (call !== undefined) made.set(call, infra)
  byFolder.set(folder, infra)
  for (const oldest of made.keys()) if (made.size > most) made.delete(oldest)
  return infra
}

/** Modules that are here, by file: with a loader, each import of one asks another thread for it. */
const modules = new Map<string, Record<string, unknown>>()

async function imported(file: string, where: string, worker: Worker): Promise<Record<string, unknown>> {
  if (worker.isHere?.(file) === true) return {}
  const known = modules.get(file)
  if (known !== undefined) return known
  await worker.prepare?.(file)
  const found = (await whileImporting(where, () => import(pathToFileURL(file).href))) as Record<string, unknown>
  modules.set(file, found)
  return found
}

async function exportedBy(file: string, name: string, where: string, worker: Worker): Promise<unknown> {
  const found = await imported(file, where, worker)
  const here = declaredIn(file, name) ?? (worker.isHere?.(file) === true ? sentFrom(file, name) : undefined)
  const isNamed = (one: unknown): boolean => typeof one === 'function' && one.name === name
  const named = here ?? found[name] ?? Object.values(found).find(isNamed)
  if (typeof named === 'function') return named
  throw new DeclarationError(`${file} does not export ${name}`, {
    hint: 'a worker imports it: export it at the top of the module, the same each time',
  })
}
