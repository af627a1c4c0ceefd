/**
 * What every place that keeps blobs must do (`BlobStore` in src/store/blobs.ts). A new one calls `blobSuite` and passes.
 */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { InvalidNameError, StoreIOError } from '../../src/errors.js'
import type { Digest } from '../../src/identity/digest.js'
import type { BlobStore } from '../../src/store/blobs.js'
import { type BlobInfo, loadChecksums } from '../../src/store/checksum.js'
import { Random } from '../helpers/random.js'
import { type TempDir, tempDir } from '../helpers/temp.js'

/** An empty store of blobs, and how to see what it left lying about. */
export interface BlobSubject {
  readonly blobs: BlobStore
  /** Names of half-written things: temporary files, unfinished uploads. */
  leftovers?(): readonly string[] | Promise<readonly string[]>
}

export interface BlobSuiteOptions<S extends BlobSubject> {
  readonly name: string
  /** Called before each test. */
  setup(): S | Promise<S>
  teardown?(subject: S): void | Promise<void>
}

const MiB = 1 << 20
const sizes = [0, 1, 4096, 65_535, 65_536, 65_537, MiB - 1, MiB, MiB + 1, 8 * MiB - 1, 8 * MiB, 8 * MiB + 1]
const absent = 'f'.repeat(64) as Digest

function pattern(length: number): Buffer {
  // 251 is prime: blocks that change places, or come twice, do not look the same.
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i < Math.min(length, 251); i++) bytes[i] = i
  for (let have = 251; have < length; have *= 2) bytes.copyWithin(have, 0, Math.min(have, length - have))
  return bytes
}

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.byteLength; i++) {
    const size = sizes[i % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of stream) {
    expect(part.byteLength).toBeLessThanOrEqual(8 * MiB)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** Buffers compared by `toEqual` are printed whole when they differ; these may be megabytes. */
function expectBytes(actual: Uint8Array | undefined, wanted: Uint8Array): void {
  expect(actual?.byteLength).toBe(wanted.byteLength)
  expect(Buffer.compare(actual!, wanted)).toBe(0)
}

export function blobSuite<S extends BlobSubject>({ name, setup, teardown }: BlobSuiteOptions<S>): void {
  describe(name, () => {
    let subject: S
    let blobs: BlobStore
    let files: TempDir

    beforeAll(async () => {
      await loadChecksums()
      files = tempDir()
    })
    afterAll(() => files[Symbol.asyncDispose]())
    beforeEach(async () => {
      subject = await setup()
      blobs = subject.blobs
      return () => teardown?.(subject)
    })

    const inFile = (bytes: Uint8Array): { file: string } => {
      const file = files.join('source')
      fs.writeFileSync(file, bytes)
      return { file }
    }
    const digests = async (): Promise<string[]> => {
      const all: string[] = []
      for await (const { sha256 } of blobs.list()) all.push(sha256)
      return all.sort()
    }
    const expectNothing = async (): Promise<void> => {
      expect(await digests()).toEqual([])
      expect((await subject.leftovers?.()) ?? []).toEqual([])
    }

    test('a put says what the bytes are: size, SHA-256, and the XXH64 of each chunk', async () => {
      // Checksums as printed by sha256sum and xxhsum -H64.
      expect(await blobs.put('abc')).toEqual({
        bytes: 3,
        sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
        chunk: MiB,
        xxh64: '44bc2cf5ad770999',
      })
      expect(await blobs.put('')).toEqual({
        bytes: 0,
        sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
        chunk: MiB,
        xxh64: 'ef46db3751d8e999',
      })
      expect((await blobs.put(pattern(2 * MiB + 1))).xxh64).toHaveLength(3 * 16)
    })

    test.each(sizes)('%i bytes come back the same, however they were put', async (size) => {
      const bytes = pattern(size)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const infos: BlobInfo[] = []
      for (const source of [bytes, inPieces(bytes, [1, 65_537, 3 * MiB]), inFile(bytes)]) {
        const info = await blobs.put(source)
        infos.push(info)
        expect(info).toMatchObject({ bytes: size, sha256 })
        expectBytes(await blobs.get(info.sha256), bytes)
        expectBytes(await blobs.read(info), bytes)
        expectBytes(await gather((await blobs.stream(info.sha256))!), bytes)
        expect(await blobs.size(info.sha256)).toBe(size)
        await blobs.delete(info.sha256)
      }
      expect(infos[1]).toEqual(infos[0])
      expect(infos[2]).toEqual(infos[0])
    })

    test('a string is stored as UTF-8', async () => {
      const { sha256 } = await blobs.put('é😀')
      expectBytes(await blobs.get(sha256), Uint8Array.of(0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80))
    })

    test.each([[[1]], [[1023, 1025]], [[MiB, 1]], [[0, 0, 7]], [[9 * MiB]]])(
      'a stream of pieces of %j bytes is stored whole and in order',
      async (pieces) => {
        const bytes = pattern(pieces[0] === 1 ? 70_000 : 2 * MiB + 12_345)
        const { sha256 } = await blobs.put(
          (async function* () {
            // A piece of no bytes ends nothing.
            yield new Uint8Array(0)
            yield* inPieces(
              bytes,
              pieces.filter((size) => size > 0),
            )
            yield new Uint8Array(0)
          })(),
        )
        expectBytes(await blobs.get(sha256), bytes)
      },
    )

    test('a source may use its one buffer again for each piece', async () => {
      for (const size of [1000, 2 * MiB]) {
        const buffer = new Uint8Array(size)
        const hash = createHash('sha256')
        const { sha256 } = await blobs.put(
          (async function* () {
            for (let i = 0; i < 5; i++) {
              buffer.fill(i)
              hash.update(buffer)
              yield buffer
            }
          })(),
        )
        expect(sha256).toBe(hash.digest('hex'))
        const back = await blobs.get(sha256)
        expect([0, 1, 2, 3, 4].map((i) => back?.[i * size])).toEqual([0, 1, 2, 3, 4])
      }
    })

    test('bytes that are changed after the put, or after they were handed out, do not change the blob', async () => {
      for (const size of [10, MiB + 10]) {
        const bytes = pattern(size)
        const wanted = Buffer.from(bytes)
        const info = await blobs.put(bytes)
        bytes.fill(7)
        for (const take of [
          () => blobs.get(info.sha256),
          () => blobs.read(info),
          () => blobs.read(info, { start: 0, end: 5 }),
        ]) {
          const got = await take()
          got?.fill(9)
        }
        expectBytes(await blobs.get(info.sha256), wanted)
      }
    })

    test('any range can be read, across and along the borders of chunks', async () => {
      const bytes = pattern(3 * MiB + 7)
      const info = await blobs.put(bytes)
      const marks = [0, 1, MiB - 1, MiB, MiB + 1, 2 * MiB, 3 * MiB, 3 * MiB + 6, 3 * MiB + 7]
      for (const start of marks) {
        for (const end of marks.filter((mark) => mark >= start)) {
          expectBytes(await blobs.read(info, { start, end }), bytes.subarray(start, end))
        }
      }
      const small = await blobs.put(pattern(100))
      for (const [start, end] of [
        [0, 0],
        [0, 100],
        [99, 100],
        [100, 100],
        [10, 20],
      ] as const) {
        expectBytes(await blobs.read(small, { start, end }), pattern(100).subarray(start, end))
      }
    })

    test.each([
      [-1, 2],
      [2, 1],
      [0, 101],
      [101, 101],
      [0.5, 1],
      [0, Number.NaN],
    ])('a range from %d to %d of 100 bytes is refused', async (start, end) => {
      const info = await blobs.put(pattern(100))
      await expect(blobs.read(info, { start, end })).rejects.toThrow(RangeError)
    })

    test('what is absent is undefined, not an error', async () => {
      expect(await blobs.get(absent)).toBeUndefined()
      expect(await blobs.stream(absent)).toBeUndefined()
      expect(await blobs.size(absent)).toBeUndefined()
      expect(await blobs.delete(absent)).toBe(false)
      for (const size of [10, 2 * MiB]) {
        const info = await blobs.put(pattern(size))
        expect(await blobs.delete(info.sha256)).toBe(true)
        expect(await blobs.read(info)).toBeUndefined()
        expect(await blobs.read(info, { start: 1, end: 2 })).toBeUndefined()
        expect(await blobs.get(info.sha256)).toBeUndefined()
      }
      await expectNothing()
    })

    test('the same bytes are kept once', async () => {
      const bytes = pattern(MiB + 1)
      const infos = [await blobs.put(bytes), await blobs.put(inPieces(bytes, [1000])), await blobs.put(inFile(bytes))]
      expect(new Set(infos.map((info) => info.sha256)).size).toBe(1)
      expect(await digests()).toEqual([infos[0]!.sha256])
      expect((await subject.leftovers?.()) ?? []).toEqual([])
    })

    test('a list names every blob with its size', async () => {
      const wanted = new Map<string, number>()
      for (const size of [0, 1, 2, 1000, MiB + 1]) wanted.set((await blobs.put(pattern(size))).sha256, size)
      const found = new Map<string, number>()
      for await (const { sha256, bytes } of blobs.list()) found.set(sha256, bytes)
      expect(found).toEqual(wanted)
    })

    test('twenty puts of the same bytes at once all succeed, and leave one blob', async () => {
      for (const bytes of [pattern(5000), pattern(MiB + 5)]) {
        const sources = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? bytes : inPieces(bytes, [4096 + i])))
        const infos = await Promise.all(sources.map((source) => blobs.put(source)))
        expect(new Set(infos.map((info) => JSON.stringify(info))).size).toBe(1)
        expectBytes(await blobs.get(infos[0]!.sha256), bytes)
      }
      expect(await digests()).toHaveLength(2)
      expect((await subject.leftovers?.()) ?? []).toEqual([])
    })

    test('puts of different bytes at once do not mix', async () => {
      const random = new Random(7)
      const all = Array.from({ length: 30 }, () => random.bytes(random.int(3000)))
      const infos = await Promise.all(all.map((bytes) => blobs.put(inPieces(bytes, [random.int(50) + 1]))))
      for (const [i, info] of infos.entries()) expectBytes(await blobs.get(info.sha256), all[i]!)
    })

    test('an error of the source is that error, and nothing is left', async () => {
      for (const before of [0, 1000, 3 * MiB]) {
        const failure = Object.assign(new Error('source failed'), { code: 'ENOENT' })
        const source = (async function* () {
          yield pattern(before)
          throw failure
        })()
        await expect(blobs.put(source)).rejects.toBe(failure)
      }
      await expectNothing()
    })

    test('a source of something else than bytes is a TypeError, and nothing is left', async () => {
      for (const piece of ['text', 5, null, [1], new Uint16Array(1), new ArrayBuffer(1)]) {
        const source = (async function* () {
          yield pattern(10)
          yield piece as unknown as Uint8Array
        })()
        await expect(blobs.put(source)).rejects.toThrow(TypeError)
      }
      await expectNothing()
    })

    test('a source that fails is closed', async () => {
      let closed = false
      const source = (async function* () {
        try {
          yield 'text' as never
        } finally {
          closed = true
        }
      })()
      await expect(blobs.put(source)).rejects.toThrow(TypeError)
      expect(closed).toBe(true)
    })

    test('a file that is not there, or is a folder, is named', async () => {
      const missing = files.join('missing')
      await expect(blobs.put({ file: missing })).rejects.toThrow(StoreIOError)
      await expect(blobs.put({ file: missing })).rejects.toThrow(missing)
      await expect(blobs.put({ file: files.path })).rejects.toThrow(StoreIOError)
      await expectNothing()
    })

    describe('an abort', () => {
      const reasons: [string, () => { signal: AbortSignal; reason: unknown }][] = [
        [
          'stays an AbortError',
          () => ({ signal: AbortSignal.abort(), reason: expect.objectContaining({ name: 'AbortError' }) }),
        ],
        ['keeps its own reason', () => ({ signal: AbortSignal.abort('enough'), reason: 'enough' })],
      ]
      test.each(reasons)('before an operation %s', async (_, make) => {
        const { signal, reason } = make()
        const info = await blobs.put('abc')
        await expect(blobs.put('def', { signal })).rejects.toEqual(reason)
        await expect(blobs.put(inPieces(pattern(10), [1]), { signal })).rejects.toEqual(reason)
        await expect(blobs.put(inFile(pattern(10)), { signal })).rejects.toEqual(reason)
        await expect(blobs.get(info.sha256, { signal })).rejects.toEqual(reason)
        await expect(blobs.read(info, undefined, { signal })).rejects.toEqual(reason)
        await expect(blobs.stream(info.sha256, { signal })).rejects.toEqual(reason)
        await expect(blobs.list({ signal })[Symbol.asyncIterator]().next()).rejects.toEqual(reason)
        expect(await digests()).toEqual([info.sha256])
      })

      test('in the middle of a put stays an AbortError, and nothing is left', async () => {
        const stop = new AbortController()
        let yielded = 0
        const source = (async function* () {
          for (;;) {
            yield pattern(MiB)
            if (++yielded === 3) stop.abort()
          }
        })()
        await expect(blobs.put(source, { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' })
        expect(yielded).toBeLessThan(10)
        await expectNothing()
      })

      test('ends the waiting for a source that has fallen silent, and closes it', async () => {
        const stop = new AbortController()
        let closed = false
        const source: AsyncIterable<Uint8Array> = {
          [Symbol.asyncIterator]: () => ({
            next: () => new Promise(() => setTimeout(() => stop.abort(), 5)),
            async return() {
              closed = true
              return { done: true, value: undefined }
            },
          }),
        }
        await expect(blobs.put(source, { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' })
        expect(closed).toBe(true)
        await expectNothing()
      })

      test('in the middle of a stream stops it', async () => {
        const stop = new AbortController()
        const info = await blobs.put(pattern(17 * MiB))
        const stream = await blobs.stream(info.sha256, { signal: stop.signal })
        let blocks = 0
        const reading = (async () => {
          for await (const _ of stream!) if (++blocks === 1) stop.abort()
        })()
        await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
        expect(blocks).toBe(1)
      })
    })

    test('a reader that stops early leaves the blob as it is', async () => {
      const info = await blobs.put(pattern(17 * MiB))
      for await (const _ of (await blobs.stream(info.sha256))!) break
      expect(await blobs.size(info.sha256)).toBe(17 * MiB)
    })

    test.each([
      '',
      'abc',
      '0'.repeat(63),
      '0'.repeat(65),
      'A'.repeat(64),
      `../${'0'.repeat(61)}`,
      `${'0'.repeat(64)}\n`,
      undefined,
      5,
    ])('%j is refused as a digest', async (text) => {
      const digest = text as Digest
      await expect(blobs.get(digest)).rejects.toThrow(InvalidNameError)
      await expect(blobs.stream(digest)).rejects.toThrow(InvalidNameError)
      await expect(blobs.size(digest)).rejects.toThrow(InvalidNameError)
      await expect(blobs.delete(digest)).rejects.toThrow(InvalidNameError)
      const info: BlobInfo = { bytes: 1, sha256: digest, chunk: MiB, xxh64: '0'.repeat(16) }
      await expect(blobs.read(info)).rejects.toThrow(InvalidNameError)
    })
  })
}
