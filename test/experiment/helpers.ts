import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll } from 'vitest'
import { Codec, Experiment, Store, type StoreOptions } from '../../src/index.js'

export const root = fileURLToPath(new URL('../..', import.meta.url))

let base: string | undefined

afterAll(() => {
  if (base === undefined) return
  for (const dir of folders(base)) fs.chmodSync(dir, 0o755)
  fs.rmSync(base, { recursive: true, force: true })
  base = undefined
})

/** A new empty folder of this test file's own, removed after it. */
export function tempDir(): string {
  base ??= fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'curio-experiment-')))
  return fs.mkdtempSync(path.join(base, 'd'))
}

export function newStore(options: Partial<StoreOptions> = {}): Promise<Store> {
  return Store.open({ folder: path.join(tempDir(), 'store'), durability: 'cache', ...options })
}

/** An experiment that says nothing, in a store of its own. */
export async function quiet(store?: Store): Promise<Experiment> {
  return new Experiment({ name: 'test', store: store ?? (await newStore()), progress: false })
}

/** A number as text: a cacher without options, whose file can be written by hand. */
export class NumberCacher extends Codec<number> {
  override readonly extension = '.num'

  encode(value: number): string {
    return String(value)
  }

  decode(bytes: Uint8Array): number {
    return Number(Buffer.from(bytes).toString())
  }
}

function folders(dir: string): string[] {
  fs.chmodSync(dir, 0o755)
  return fs
    .readdirSync(dir, { withFileTypes: true })
    .filter((item) => item.isDirectory())
    .flatMap((item) => [path.join(dir, item.name), ...folders(path.join(dir, item.name))])
}

/** Everything below a folder: name, kind, mode, times, content. Equal listings: nothing was written. */
export function listing(dir: string): string[] {
  const lines: string[] = []
  const visit = (at: string): void => {
    const stat = fs.lstatSync(at)
    const what = stat.isSymbolicLink()
      ? fs.readlinkSync(at)
      : stat.isFile()
        ? createHash('sha256').update(fs.readFileSync(at)).digest('hex')
        : 'folder'
    lines.push(`${path.relative(dir, at)} ${stat.mode.toString(8)} ${stat.ino} ${stat.mtimeMs} ${stat.ctimeMs} ${what}`)
    if (stat.isDirectory()) for (const name of fs.readdirSync(at).sort()) visit(path.join(at, name))
  }
  visit(dir)
  return lines
}

/** Files below a folder, relative. */
export function filesIn(dir: string): string[] {
  return fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((item) => !item.isDirectory())
    .map((item) => path.relative(dir, path.join(item.parentPath, item.name)))
    .sort()
}

/** The blob files of one output. */
export async function blobFiles(store: Store, key: string, output: string): Promise<string[]> {
  const entry = await store.entry(key)
  const artifact = entry?.artifacts.find(({ name }) => name === output)
  return (artifact?.files ?? []).map(({ sha256 }) => store.blobs.path(sha256))
}

/** Flips one bit in a file that is not writable. */
export function flip(file: string, at = 0): void {
  const bytes = fs.readFileSync(file)
  bytes[at]! ^= 1
  fs.chmodSync(file, 0o644)
  fs.writeFileSync(file, bytes)
  fs.chmodSync(file, 0o444)
}

/** Runs a TypeScript file in a process of its own; gives what it printed. */
export async function child(
  file: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<{ stdout: string; stderr: string }> {
  const inherited = { ...process.env }
  delete inherited.VITEST
  return promisify(execFile)(
    process.execPath,
    ['--import', path.join(root, 'node_modules/tsx/dist/loader.mjs'), file, ...args],
    {
      cwd: root,
      env: { ...inherited, CURIO_PROGRESS: '0', ...env },
    },
  )
}

/** A program in a folder of its own that may `import … from 'curio'`. */
export function program(text: string, name = 'program.ts', dir = tempDir()): string {
  const file = path.join(dir, name)
  const modules = path.join(dir, 'node_modules')
  if (!fs.existsSync(modules)) {
    fs.symlinkSync(path.join(root, 'node_modules'), modules)
    fs.writeFileSync(path.join(dir, 'package.json'), JSON.stringify({ name: 'program', type: 'module' }))
  }
  fs.writeFileSync(
    file,
    text.replaceAll("'curio'", `'${root}src/index.ts'`).replaceAll("'curio/cachers'", `'${root}cachers/json.ts'`),
  )
  return file
}

/** The error a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<Error & { code?: string; hint?: string }> {
  try {
    await promise
  } catch (error) {
    return error as Error & { code?: string }
  }
  throw new Error('it did not fail')
}
