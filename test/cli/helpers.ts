import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cacheable } from '../../src/artifact/cacheable.js'
import { pack } from '../../src/artifact/pack.js'
import { provenance } from '../../src/artifact/provenance.js'
import { Store } from '../../src/artifact/store.js'
import { run } from '../../src/cli/run.js'
import { canonical } from '../../src/identity/canonical.js'
import { sha256 } from '../../src/identity/digest.js'
import { type InputIdentity, stageKey } from '../../src/identity/key.js'
import type { Entry } from '../../src/store/entry.js'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** A temporary folder with a store in `.curio`. */
export class Place {
  readonly dir = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'curio-cli-'))
  readonly folder = path.join(this.dir, '.curio')

  open(): Promise<Store> {
    return Store.open({ folder: this.folder, durability: 'cache' })
  }

  /** Runs the command in this process. */
  async curio(...argv: string[]): Promise<Ran> {
    return this.curioWith({}, ...argv)
  }

  async curioWith(
    options: { tty?: boolean; env?: Record<string, string>; cwd?: string },
    ...argv: string[]
  ): Promise<Ran> {
    const parts: Record<'out' | 'err', (string | Uint8Array)[]> = { out: [], err: [] }
    const sink = (to: 'out' | 'err') => ({
      isTTY: options.tty ?? false,
      write: (chunk: string | Uint8Array) => parts[to].push(chunk),
    })
    const code = await run(argv, {
      stdout: sink('out'),
      stderr: sink('err'),
      env: options.env ?? {},
      cwd: options.cwd ?? this.dir,
    })
    const bytes = Buffer.concat(parts.out.map((part) => Buffer.from(part)))
    return { code, out: bytes.toString(), bytes, err: parts.err.map(String).join('') }
  }

  remove(): void {
    fs.rmSync(this.dir, { recursive: true, force: true })
  }
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly bytes: Buffer
  readonly err: string
}

/** Runs the command as a process of its own. */
export function spawnCurio(cwd: string, argv: readonly string[], options: { env?: Record<string, string> } = {}) {
  const main = path.join(root, 'src/cli/main.ts')
  return spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...argv], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', ...options.env },
  })
}

/** A result of a stage, as the stage layer would commit it. */
export interface Fake {
  readonly id?: string
  readonly version?: string
  /** Values by field. */
  readonly params?: Record<string, unknown>
  /** Fields of `params` that equal their default. */
  readonly defaulted?: readonly string[]
  readonly ignored?: Record<string, unknown>
  readonly inputs?: Record<string, InputIdentity & { from?: string }>
  readonly code?: { source: string; tag?: string; counts?: boolean }
  readonly outputs: Record<string, readonly [Cacheable<unknown, never>, unknown]>
  /** ISO; default now. */
  readonly created?: string
  readonly material?: string
}

/** Commits an entry that looks as if a stage had made it. */
export async function commitStage(store: Store, fake: Fake): Promise<Entry> {
  const { id = 'train', version = '1', params = {}, defaulted = [], inputs = {}, code, outputs } = fake
  const texts = mapValues(params, (value) => canonical(value))
  const counting = Object.fromEntries(Object.entries(texts).filter(([name]) => !defaulted.includes(name)))
  const source = code === undefined ? undefined : { sha256: sha256(code.source), tag: code.tag ?? 'tsx' }
  const key = stageKey({
    id,
    version,
    params: counting,
    labels: mapValues(counting, (text) => text),
    inputs,
    outputs: mapValues(
      outputs,
      ([cacher]) => [(cacher.constructor as { cacherName?: string }).cacherName ?? '?', {}] as const,
    ),
    ...(code?.counts === true ? { code: sha256(code.source) } : {}),
  })
  const artifacts = []
  for (const [name, [cacher, value]] of Object.entries(outputs)) {
    artifacts.push((await pack(store.blobs, name, cacher as Cacheable<unknown, unknown>, value)).artifact)
  }
  const entry: Entry = {
    key: key.text,
    hash: key.hash,
    material: key.material,
    id,
    version,
    params: texts,
    defaults: Object.fromEntries(defaulted.map((name) => [name, texts[name]!])),
    ignored: mapValues(fake.ignored ?? {}, (value) => canonical(value)),
    inputs: inputs as Entry['inputs'],
    ...(source === undefined ? {} : { code: source }),
    artifacts,
    provenance: provenance(fake.created === undefined ? {} : { created: fake.created }),
  }
  return (await store.commit(key, entry)).entry
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, to: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, to(value)]))
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
export const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/
