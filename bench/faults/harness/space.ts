/** What must hold when a write was refused, whatever the reason. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../../cachers/bytes.js'
import { obtain } from '../../../src/artifact/once.js'
import type { Store } from '../../../src/artifact/store.js'
import { CurioError } from '../../../src/errors.js'
import { nameKey } from '../../../src/identity/key.js'
import { bytesFor } from './random.js'
import { FaultError, must, mustBe, mustEqual } from './row.js'
import { survey } from './survey.js'

/** Saves; an error must be one of curio's about a file. True when it was acknowledged. */
export async function trySave(
  store: Store,
  key: string,
  bytes: number,
  streamed: boolean,
  what: string,
): Promise<boolean> {
  const value = bytesFor(key, bytes)
  try {
    await store.save(key, BytesCacher, streamed ? pieces(value) : value)
    return true
  } catch (error) {
    must(isFileError(error), `${what}: not a typed error: ${(error as Error).stack}`)
    return false
  }
}

function isFileError(error: unknown): boolean {
  return ['ERR_NO_SPACE', 'ERR_PERMISSION', 'ERR_STORE_IO'].some((code) => CurioError.is(error, code))
}

async function* pieces(value: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < value.byteLength; at += 9_000) yield value.subarray(at, at + 9_000)
}

/** Obtains as a stage does: the value must come, whatever becomes of the cache. True when it was stored too. */
export async function tryObtain(store: Store, key: string, bytes: number, what: string): Promise<boolean> {
  const value = bytesFor(key, bytes)
  const failed = store.events.counts['put-failed'] ?? 0
  const work = obtain(store, {
    key: nameKey(key),
    outputs: new Map([['value', new BytesCacher()]]),
    mode: 'cached',
    compute: async () => ({ values: new Map([['value', value]]) }),
    describe: () => ({ provenance: {} }),
    signal: AbortSignal.timeout(10_000),
  })
  const result = await work.catch((error: Error) => {
    throw new FaultError(`${what}: a run failed because its cache failed: ${error.stack}`)
  })
  mustBe((await result.handles.get('value')!.load()) as Uint8Array, value, `${what}: what a stage got`)
  if (result.how !== 'uncached') return true
  mustEqual(store.events.counts['put-failed'], failed + 1, `${what}: failed puts counted`)
  return false
}

/** After a failure: nothing half-written, no temporary, what was stored before is as it was. */
export async function mustBeClean(store: Store, old: readonly string[], oldBytes: number, what: string): Promise<void> {
  const { torn, dangling, temporaries } = survey(store.folder)
  must(torn.length === 0, () => `${what}: torn at a final name: ${torn.join(', ')}`)
  must(dangling.length === 0, () => `${what}: entries without their blobs: ${dangling.join(', ')}`)
  must(temporaries.length === 0, () => `${what}: temporaries left: ${temporaries.join(', ')}`)
  for (const key of old) mustBe(await store.load(key, BytesCacher), bytesFor(key, oldBytes), `${what}: ${key}`)
}

/** What was acknowledged must be there; what was refused is absent or right. */
export async function mustHold(store: Store, key: string, bytes: number, said: boolean, what: string): Promise<void> {
  const there = await store.has(key)
  if (said) must(there, `${what}: LOST: it was acknowledged`)
  if (there) mustBe(await store.load(key, BytesCacher), bytesFor(key, bytes), `${what}: ${key}`)
}

export function openDescriptors(): number {
  return fs.readdirSync('/proc/self/fd').length
}

const page = 4096

/** Fills the file system until so many pages or inodes are free, with what is then at `filler`. */
export function fill(filler: string, what: 'pages' | 'inodes', free: number): void {
  if (what === 'pages') fillPages(filler, free)
  else fillInodes(filler, free)
}

function fillPages(filler: string, free: number): void {
  const fd = fs.openSync(filler, 'w')
  let size = 0
  try {
    for (;;) size += fs.writeSync(fd, Buffer.alloc(page))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
  fs.ftruncateSync(fd, Math.max(0, Math.floor(size / page) - free) * page)
  fs.closeSync(fd)
}

function fillInodes(filler: string, free: number): void {
  fs.mkdirSync(filler)
  let made = 0
  try {
    for (; ; made++) fs.writeFileSync(path.join(filler, String(made)), '')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
  for (let n = 0; n < Math.min(free, made); n++) fs.unlinkSync(path.join(filler, String(n)))
}
