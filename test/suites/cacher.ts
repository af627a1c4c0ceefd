import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Cacheable, CacherOptions } from '../../src/artifact/cacheable.js'
import { pack } from '../../src/artifact/pack.js'
import { Store } from '../../src/artifact/store.js'
import { unpack } from '../../src/artifact/unpack.js'
import { CurioError } from '../../src/errors.js'
import { loadChecksums } from '../../src/store/checksum.js'
import type { FolderBlobs } from '../../src/store/folder-blobs.js'
import { MemoryBlobs } from '../../src/store/memory-blobs.js'
import { Random } from '../helpers/random.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { savedDigests } from './cacher-digests.js'

/** A value the cacher must save and load. Made anew for every use, as a stream must be. */
export interface Sample<Loaded, Saved> {
  readonly label: string
  readonly make: () => Saved
  /** What loading must give. Default: another `make()`. */
  readonly loaded?: () => Loaded
  /** How the two are compared. Default: `assert.deepStrictEqual`. */
  readonly same?: (loaded: Loaded, expected: Loaded) => void
}

/** What `cacherSuite` needs to know about a cacher. */
export interface CacherCase<Loaded = unknown, Saved = Loaded> {
  readonly name: string
  /** Makes the cacher, with the options given. A class that is called without `new` will do. */
  readonly cacher: (options?: string | CacherOptions) => Cacheable<Loaded, Saved>
  /** With the empty and the extreme ones. */
  readonly samples: readonly Sample<Loaded, Saved>[]
  /** Values it must not take, with what the error says. */
  readonly refused: readonly { readonly label: string; readonly value: unknown; readonly message: RegExp }[]
  /**
   * What a cut-off file leads to. `noticed` (default): an error, or the right value. `unnoticed`: any part of a file is a file, as with text.
   * Whatever happens, it is a value or a CurioError, and soon.
   */
  readonly damage?: 'noticed' | 'unnoticed'
  /** False for a cacher that leaves options it does not know alone. */
  readonly refusesOptions?: boolean
  /** URL of the module whose default export is this case, so that other processes and other Nodes can save its samples, too. */
  readonly module?: string
}

const flips = 300
const otherNodes = (process.env.CURIO_OTHER_NODES ?? '').split(':').filter((node) => node !== '')
const required = process.env.CURIO_REQUIRE_SERVICES === '1'

/** Everything a cacher promises, over its samples. For curio's own and for yours. */
export function cacherSuite<Loaded, Saved>(spec: CacherCase<Loaded, Saved>): void {
  const { cacher, samples, refused } = spec
  const check = (sample: Sample<Loaded, Saved>, loaded: Loaded): void => {
    const expected = sample.loaded === undefined ? (sample.make() as unknown as Loaded) : sample.loaded()
    if (sample.same === undefined) assert.deepStrictEqual(loaded, expected)
    else sample.same(loaded, expected)
  }

  describe(`${spec.name}: what every cacher promises`, () => {
    let dir: TempDir
    let store: Store
    const at = (name: string): string => {
      fs.mkdirSync(dir.join('inline', name), { recursive: true })
      return dir.join('inline', name, `value${cacher().mainExtension()}`)
    }
    const keyOf = (label: string): string =>
      `suite/${label.replace(/[^a-z0-9]+/gi, '-') || 'x'}/${randomBytes(4).toString('hex')}`

    beforeAll(async () => {
      dir = tempDir()
      store = await Store.open(dir.join('store'))
      await loadChecksums()
    })
    afterAll(() => dir[Symbol.asyncDispose]())

    it.each(samples)('$label comes back equal, inline', async (sample) => {
      const file = at(sample.label.replace(/\W+/g, '-'))
      await cacher(file).save(sample.make())
      check(sample, await cacher({ path: file }).load())
      expect(await cacher(file).check()).toBe(true)
    })

    it.each(samples)('$label comes back equal from a store, at once, lazily and by its name', async (sample) => {
      const key = keyOf(sample.label)
      const saved = await store.save(key, cacher(), sample.make())
      expect(saved.outcome).toBe('created')
      check(sample, await store.load<Loaded>(key, cacher()))
      const handle = store.lazy<Loaded>(key, { cacher: cacher() })
      expect(handle.digest).toBe(saved.digest)
      check(sample, await handle.load())
      expect(fs.existsSync(handle.path)).toBe(true)
    })

    it.each(samples)('$label saved again is the same artifact', async (sample) => {
      const first = await store.save(keyOf('a'), cacher(), sample.make())
      expect((await store.save(keyOf('b'), cacher(), sample.make())).digest).toBe(first.digest)
    })

    const others = (label: string, nodes: readonly string[]): void => {
      it(`gives the same bytes in another process${label}`, async () => {
        const here = await savedDigests(spec)
        for (const node of nodes) {
          const child = fileURLToPath(new URL('./cacher-digests.ts', import.meta.url))
          const args = ['--import', import.meta.resolve('tsx'), child, spec.module!]
          const done = spawnSync(node, args, { encoding: 'utf8', env: { ...process.env, VITEST: undefined } })
          expect(done.stderr.replace(/^.*(ExperimentalWarning|--trace-warnings).*\n/gm, '')).toBe('')
          expect(JSON.parse(done.stdout)).toEqual(here)
        }
      })
    }
    if (spec.module === undefined)
      it.skip('gives the same bytes in another process (skipped: the case names no module)')
    else {
      others('', [process.execPath])
      if (otherNodes.length > 0 || required) others(` under ${otherNodes.length} other Nodes`, otherNodes)
      else it.skip('gives the same bytes under other Nodes (skipped: CURIO_OTHER_NODES names none)')
      if (required) it('CURIO_OTHER_NODES names other Nodes', () => expect(otherNodes).not.toEqual([]))
    }

    it.each(refused)('refuses $label, and leaves nothing behind', async ({ label, value, message }) => {
      const file = at(`refused-${label.replace(/\W+/g, '-')}`)
      const failed = await Promise.resolve()
        .then(() => cacher(file).save(value as Saved))
        .then(
          () => undefined,
          (error: unknown) => error,
        )
      if (!CurioError.is(failed, 'ERR_CACHER_SAVE')) throw failed ?? new Error('it was saved')
      expect(failed.message).toMatch(message)
      expect(fs.existsSync(file)).toBe(false)
      const key = keyOf(label)
      await expect(store.save(key, cacher(), value as Saved)).rejects.toThrow(message)
      expect(await store.has(key)).toBe(false)
    })

    if (spec.refusesOptions !== false) {
      it('refuses an option it does not know, and names the nearest', () => {
        expect(() => cacher({ overwrite_path: 'x' } as CacherOptions)).toThrow(/did you mean overwritePath\?/)
      })
    }

    it('loading what is not there is an error that names it', async () => {
      const missing = dir.join('missing', `value${cacher().mainExtension()}`)
      expect(await cacher(missing).check()).toBe(false)
      await expect(Promise.resolve().then(() => cacher(missing).load())).rejects.toThrow(/missing/)
    })

    describe('damaged files', () => {
      /** The outcome of loading an artifact whose main file holds other bytes: the way a stage loads, without the store's checksums. */
      const load = async (
        sample: Sample<Loaded, Saved>,
        bytes: Uint8Array,
      ): Promise<{ value: Loaded } | { error: unknown }> => {
        const blobs = new MemoryBlobs()
        const { artifact } = await pack(blobs, 'value', cacher() as Cacheable<unknown, unknown>, sample.make())
        const [main, ...rest] = artifact.files!
        const files = [{ ...main!, ...(await blobs.put(bytes)) }, ...rest]
        const started = performance.now()
        try {
          return {
            value: (await unpack(
              { artifact: { ...artifact, files }, blobs },
              cacher() as Cacheable<unknown, unknown>,
              {},
            )) as Loaded,
          }
        } catch (error) {
          return { error }
        } finally {
          expect(performance.now() - started).toBeLessThan(5000)
        }
      }
      const smallest = async (): Promise<{ sample: Sample<Loaded, Saved>; bytes: Uint8Array }> => {
        const all = await Promise.all(
          samples.map(async (sample) => {
            const blobs = new MemoryBlobs()
            const { artifact } = await pack(blobs, 'value', cacher() as Cacheable<unknown, unknown>, sample.make())
            return { sample, bytes: (await blobs.get(artifact.files![0]!.sha256))! }
          }),
        )
        // Not the very smallest, which are the empty ones, but one that has something to lose.
        const sorted = all.sort((a, b) => a.bytes.byteLength - b.bytes.byteLength)
        return sorted.find(({ bytes }) => bytes.byteLength >= 40) ?? sorted.at(-1)!
      }
      const isRight = (sample: Sample<Loaded, Saved>, value: Loaded): boolean => {
        try {
          check(sample, value)
          return true
        } catch {
          return false
        }
      }

      it('cut off anywhere, they are an error or the right value', async () => {
        const { sample, bytes } = await smallest()
        for (let length = 0; length < Math.min(bytes.byteLength, 2000); length++) {
          const outcome = await load(sample, bytes.subarray(0, length))
          if ('error' in outcome) expect(CurioError.is(outcome.error), String(outcome.error)).toBe(true)
          else if (spec.damage !== 'unnoticed')
            expect(isRight(sample, outcome.value), `cut to ${length} bytes`).toBe(true)
        }
      })

      it('with flipped bits, or full of garbage, they are a value or an error, and soon', async () => {
        const { sample, bytes } = await smallest()
        const random = new Random(1)
        for (let i = 0; i < flips; i++) {
          const broken = i % 3 === 0 ? random.bytes(random.int(200)) : Uint8Array.from(bytes)
          for (let n = random.int(3); n >= 0 && broken.length > 0; n--) {
            broken[random.int(broken.length)]! ^= 1 << random.int(8)
          }
          const outcome = await load(sample, broken)
          if ('error' in outcome) expect(CurioError.is(outcome.error), String(outcome.error)).toBe(true)
        }
      })

      it('in a store, they are never loaded, and saving again heals them', async () => {
        const { sample } = await smallest()
        const key = keyOf('damaged')
        const blobs = store.blobs as FolderBlobs
        const { files } = await store.save(key, cacher(), sample.make())
        for (const damage of [
          flipped,
          (bytes: Buffer) => bytes.subarray(0, -1),
          () => Buffer.alloc(0),
          () => randomBytes(64),
        ]) {
          const file = blobs.path(files[0]!.sha256)
          const bytes = fs.readFileSync(file)
          fs.rmSync(file)
          fs.writeFileSync(file, damage(bytes))
          await expect(store.load(key, cacher())).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
          expect((await store.save(key, cacher(), sample.make())).outcome).not.toBe('kept')
          check(sample, await store.load<Loaded>(key, cacher()))
        }
      })
    })
  })
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1]! ^= 0x10
  return copy
}
