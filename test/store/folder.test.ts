import * as fs from 'node:fs'
import * as path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { CurioError, NoSpaceError, PermissionError, StoreIOError } from '../../src/errors.js'
import { loadChecksums } from '../../src/store/checksum.js'
import { runChild } from '../helpers/child.js'
import { failing, patchFs, patchHandles, systemError } from '../helpers/faults.js'
import { bareBlobs } from '../helpers/stores.js'
import { tempDir } from '../helpers/temp.js'
import { namesBelow, temporariesBelow } from '../helpers/tree.js'

const MiB = 1 << 20
const large = process.env.CURIO_LARGE === '1'
const child = new URL('./child.ts', import.meta.url)

beforeAll(loadChecksums)

/** The rights of everything below a folder, but for times and content. */
function modesBelow(root: string): Record<string, string> {
  return Object.fromEntries(
    namesBelow(root).map((name) => [
      name.replace(/[0-9a-f]{64}/, '…').replace(/\/[0-9a-f]{2}\//, '/xx/'),
      (fs.lstatSync(path.join(root, name)).mode & 0o7777).toString(8),
    ]),
  )
}

describe.each([0o000, 0o022, 0o027, 0o077, 0o777])('with umask %o', (umask) => {
  test('blobs and their folders get exactly the modes of the store', async () => {
    await using dir = tempDir()
    const modes = { dir: 0o2775, file: 0o444 }
    const { blobs } = bareBlobs(dir.path, { modes })
    const before = process.umask(umask)
    try {
      await blobs.put('small')
      await blobs.put(Buffer.alloc(MiB + 1))
      await blobs.put('small')
    } finally {
      process.umask(before)
    }
    const found = modesBelow(dir.path)
    expect(found['blobs/']).toBe('2775')
    expect(found['blobs/xx/']).toBe('2775')
    expect(found['blobs/xx/…']).toBe('444')
    expect(found['touch/']).toBe('2775')
  })
})

test('a file system without modes is no error', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  for (const code of ['EPERM', 'ENOTSUP']) {
    using _ = patchFs({
      fchmodSync: () => {
        throw systemError(code)
      },
      chmodSync: () => {
        throw systemError(code)
      },
    })
    using __ = patchHandles((operation) => {
      if (operation === 'chmod') throw systemError(code)
    })
    expect((await blobs.put(`small ${code}`)).bytes).toBe(6 + code.length)
    expect((await blobs.put(Buffer.alloc(MiB + 1, code))).bytes).toBe(MiB + 1)
  }
})

describe('a fault while a blob is put', () => {
  const sources = { small: () => Buffer.from('small'), large: () => Buffer.alloc(MiB + 1, 'x') }
  const names = [
    'openSync',
    'writeSync',
    'fchmodSync',
    'fdatasyncSync',
    'closeSync',
    'linkSync',
    'mkdirSync',
    'fsyncSync',
  ] as const

  test.each(['EIO', 'ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'EMFILE'])(
    '%s at any call is a typed error, leaves nothing behind, and the next put succeeds',
    async (code) => {
      let faults = 0
      for (const [kind, make] of Object.entries(sources)) {
        for (const name of names) {
          for (let nth = 0; ; nth++) {
            await using dir = tempDir()
            const { blobs } = bareBlobs(dir.path, { durable: true })
            let calls: number
            {
              using fault = failing(name, code, nth)
              const error: unknown = await blobs.put(make()).then(
                () => undefined,
                (thrown: unknown) => thrown,
              )
              calls = fault.calls()
              if (error !== undefined) {
                faults += 1
                expect(error, `${kind} ${name} ${nth}`).toBeInstanceOf(StoreIOError)
                expect((error as StoreIOError).errno).toBe(code)
                if (code === 'ENOSPC' || code === 'EDQUOT') expect(error).toBeInstanceOf(NoSpaceError)
                if (code === 'EACCES' || code === 'EROFS') expect(error).toBeInstanceOf(PermissionError)
                expect(CurioError.is(error) && error.hint === undefined && code !== 'EIO').toBe(false)
              }
            }
            expect(temporariesBelow(dir.path), `${kind} ${name} ${nth}`).toEqual([])
            const info = await blobs.put(make())
            expect(Buffer.compare((await blobs.get(info.sha256))!, make())).toBe(0)
            if (nth >= calls) break
          }
        }
      }
      // open, write, chmod, sync, close and link of the file; the folders; their syncs.
      expect(faults).toBeGreaterThan(12)
    },
  )

  test.each(['write', 'chmod', 'datasync', 'close'])(
    'at the %s of a large one is a typed error and leaves nothing',
    async (at) => {
      await using dir = tempDir()
      const { blobs } = bareBlobs(dir.path, { durable: true })
      for (let nth = 0; nth < (at === 'write' ? 2 : 1); nth++) {
        using _ = patchHandles((operation, call) => {
          if (operation === at && call === nth) throw systemError('EIO', at)
        })
        await expect(blobs.put(Buffer.alloc(9 * MiB))).rejects.toMatchObject({ code: 'ERR_STORE_IO', errno: 'EIO' })
        expect(namesBelow(dir.path).filter((name) => /[0-9a-f]{32}/.test(name))).toEqual([])
      }
      expect((await blobs.put(Buffer.alloc(9 * MiB))).bytes).toBe(9 * MiB)
    },
  )

  test('writes that take fewer bytes than they were given go on until all are out', async () => {
    await using dir = tempDir()
    const { blobs } = bareBlobs(dir.path)
    const { writeSync } = fs
    using _ = patchFs({
      writeSync: ((fd: number, bytes: Uint8Array, at: number, length: number) =>
        writeSync(fd, bytes, at, Math.min(7, length))) as typeof fs.writeSync,
    })
    const { sha256 } = await blobs.put('a text of more than seven bytes')
    expect(String(await blobs.get(sha256))).toBe('a text of more than seven bytes')
  })

  test('a link whose success was lost on the way back is a success', async () => {
    await using dir = tempDir()
    const { blobs } = bareBlobs(dir.path)
    const { linkSync } = fs
    using _ = patchFs({
      linkSync(from, to) {
        linkSync(from, to)
        throw systemError('EIO')
      },
    })
    const { sha256 } = await blobs.put('abc')
    expect(String(await blobs.get(sha256))).toBe('abc')
    expect(temporariesBelow(dir.path)).toEqual([])
  })

  test.each(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'])(
    'where links fail with %s, it is renamed into place, and never over a good blob',
    async (code) => {
      await using dir = tempDir()
      const { blobs } = bareBlobs(dir.path)
      using _ = failing('linkSync', code)
      const { sha256 } = await blobs.put('abc')
      const { ino } = fs.statSync(blobs.path(sha256))
      await blobs.put('abc')
      await bareBlobs(dir.path).blobs.put('abc')
      expect(fs.statSync(blobs.path(sha256)).ino).toBe(ino)
      expect(temporariesBelow(dir.path)).toEqual([])
    },
  )
})

test('what is hashed is what is written, though the source changes its buffer while a slow disk writes', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  using _ = patchHandles(async (operation) => {
    if (operation === 'write') await new Promise((resolve) => setTimeout(resolve, 20))
  })
  for (const size of [100_000, 2 * MiB, 9 * MiB]) {
    const buffer = Buffer.alloc(size)
    const { sha256 } = await blobs.put(
      (async function* () {
        for (let i = 1; i <= 3; i++) {
          buffer.fill(i)
          yield buffer
        }
        buffer.fill(9)
      })(),
    )
    const back = (await blobs.get(sha256))!
    expect([0, 1, 2].map((i) => back[i * size + 5])).toEqual([1, 2, 3])
  }
  const bytes = Buffer.alloc(9 * MiB, 1)
  const putting = blobs.put(bytes)
  setTimeout(() => bytes.fill(2), 5)
  const { sha256 } = await putting
  expect(await blobs.verify(sha256, { again: true })).toBe(true)
})

test('folders that are deleted under a running process are made again', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  for (const bytes of ['small', Buffer.alloc(MiB + 1)]) {
    const { sha256 } = await blobs.put(bytes)
    fs.rmSync(dir.join('blobs'), { recursive: true })
    expect(await blobs.get(sha256)).toBeUndefined()
    await blobs.put(bytes)
    expect(await blobs.size(sha256)).toBe(bytes.length)
  }
})

describe('a put of what is there already', () => {
  test('is noted once per process, for clean-up to see', async () => {
    await using dir = tempDir()
    const { blobs, events } = bareBlobs(dir.path)
    const { sha256 } = await blobs.put('abc')
    expect(fs.existsSync(dir.join('touch'))).toBe(false)
    for (let i = 0; i < 3; i++) await blobs.put('abc')
    const [log] = fs.readdirSync(dir.join('touch'))
    expect(log).toMatch(new RegExp(`^\\w+-${process.pid}-[0-9a-f]{8}\\.log$`))
    expect(fs.readFileSync(dir.join('touch', log!), 'utf8')).toBe(`${sha256}\n`)
    expect(events.counts).toMatchObject({ 'blob-put': 1, 'blob-known': 3 })
  })

  test('succeeds where the note cannot be written: the disk is full, or the folder is another’s', async () => {
    await using dir = tempDir()
    const { blobs } = bareBlobs(dir.path)
    await blobs.put('abc')
    fs.writeFileSync(dir.join('touch'), 'no folder')
    await expect(blobs.put('abc')).resolves.toMatchObject({ bytes: 3 })
    await blobs.put('def')
    using _ = failing('mkdirSync', 'ENOSPC')
    await expect(blobs.put('def')).resolves.toMatchObject({ bytes: 3 })
  })

  test('is synced when the level asks for it, because another may have put it without', async () => {
    await using dir = tempDir()
    await bareBlobs(dir.path).blobs.put('abc')
    const { blobs } = bareBlobs(dir.path, { durable: true })
    using syncs = failing('fdatasyncSync', 'EIO', -1)
    await blobs.put('abc')
    expect(syncs.calls()).toBe(1)
    await blobs.put('abc')
    expect(syncs.calls()).toBe(1)
  })

  test('writes it again when it goes away at that very moment', async () => {
    await using dir = tempDir()
    await bareBlobs(dir.path).blobs.put('abc')
    const { blobs } = bareBlobs(dir.path, { durable: true })
    const { fdatasyncSync, openSync } = fs
    let looks = 0
    using _ = patchFs({
      fdatasyncSync,
      openSync(file, ...rest) {
        // The first opening hashes it, the second is to sync it.
        if (/[0-9a-f]{64}$/.test(String(file)) && ++looks === 2) fs.unlinkSync(file)
        return openSync(file, ...rest)
      },
    })
    const { sha256 } = await blobs.put('abc')
    expect(String(await blobs.get(sha256))).toBe('abc')
  })
})

test('only the durable level syncs', async () => {
  await using dir = tempDir()
  for (const durable of [false, true]) {
    using data = failing('fdatasyncSync', 'EIO', -1)
    using dirs = failing('fsyncSync', 'EIO', -1)
    const { blobs } = bareBlobs(dir.join(String(durable)), { durable })
    await blobs.put('abc')
    expect([data.calls(), dirs.calls() > 0]).toEqual(durable ? [1, true] : [0, false])
  }
})

test('a blob that was hidden for a clean-up can be put back', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  const { sha256 } = await blobs.put('abc')
  const hidden = blobs.hide(sha256)!
  expect(hidden).toMatchObject({ digest: sha256, bytes: 3 })
  expect(await blobs.get(sha256)).toBeUndefined()
  expect(blobs.hide(sha256)).toBeUndefined()
  hidden.restore()
  expect(String(await blobs.get(sha256))).toBe('abc')
  blobs.hide(sha256)!.remove()
  expect(namesBelow(dir.path).filter((name) => !name.endsWith('/'))).toEqual([])
})

test('a streaming put of 300 MiB takes less than 200 MiB of memory', async () => {
  await using dir = tempDir()
  const lines = await runChild(child, ['stream', dir.path, '300'])
  const peak = Number(lines.find((line) => line.startsWith('peak '))!.slice(5))
  expect(lines[0]).toMatch(/^put 314[0-9]{6}$/)
  expect(peak).toBeLessThan(200)
})

test(`a sparse file of ${large ? '2.2 GiB' : '40 MiB (2.2 GiB with CURIO_LARGE=1)'} is put whole`, {
  timeout: 120_000,
}, async () => {
  await using dir = tempDir()
  const size = large ? 2.2 * 1024 * MiB + 1 : 40 * MiB + 1
  const bytes = Math.floor(size)
  const file = dir.join('sparse')
  fs.writeFileSync(file, '')
  fs.truncateSync(file, bytes)
  const { blobs } = bareBlobs(dir.join('store'))
  const info = await blobs.put({ file })
  expect(info.bytes).toBe(bytes)
  expect(info.chunk).toBe(large ? 4 * MiB : MiB)
  expect(info.xxh64.length / 16).toBe(Math.ceil(bytes / info.chunk))
  expect(await blobs.size(info.sha256)).toBe(bytes)
  expect(await blobs.read(info, { start: bytes - 10, end: bytes })).toEqual(Buffer.alloc(10))
  let read = 0
  for await (const part of (await blobs.stream(info.sha256))!) read += part.byteLength
  expect(read).toBe(bytes)
  if (large) expect((await blobs.get(info.sha256))?.byteLength).toBe(bytes)
})
