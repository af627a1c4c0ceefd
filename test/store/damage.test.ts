import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { IntegrityError, ReadOnlyError, StoreIOError } from '../../src/errors.js'
import { type BlobInfo, Checksummer, loadChecksums } from '../../src/store/checksum.js'
import type { FolderBlobs } from '../../src/store/folder-blobs.js'
import { patchFs } from '../helpers/faults.js'
import { Random } from '../helpers/random.js'
import { type BareBlobs, bareBlobs } from '../helpers/stores.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { namesBelow, snapshot } from '../helpers/tree.js'

const MiB = 1 << 20
const random = new Random(1)
const contents = new Map([10, 5000, MiB + 5].map((size) => [size, Buffer.alloc(size, random.bytes(4099))]))

beforeAll(loadChecksums)

function overwrite(file: string, change: (bytes: Buffer) => Uint8Array): void {
  fs.chmodSync(file, 0o644)
  fs.writeFileSync(file, change(fs.readFileSync(file)))
}

function flip(bytes: Buffer, at: number, bit = 0): Buffer {
  bytes[at]! ^= 1 << bit
  return bytes
}

const damages: Record<string, (bytes: Buffer) => Uint8Array> = {
  'a bit of the first byte': (b) => flip(b, 0),
  'a bit in the middle': (b) => flip(b, b.length >> 1, 7),
  'a bit of the last byte': (b) => flip(b, b.length - 1, 3),
  'the last byte cut off': (b) => b.subarray(0, -1),
  'half of it cut off': (b) => b.subarray(0, b.length >> 1),
  'all of it cut off': (b) => b.subarray(0, 0),
  'a byte more': (b) => Buffer.concat([b, Buffer.of(0)]),
  'another file behind it': (b) => Buffer.concat([b, b]),
  'nothing but zeros': (b) => Buffer.alloc(b.length),
  'zeros at the end': (b) => b.fill(0, b.length - 5),
}

async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

const reads: Record<string, (blobs: FolderBlobs, info: BlobInfo) => Promise<unknown>> = {
  get: (blobs, info) => blobs.get(info.sha256),
  read: (blobs, info) => blobs.read(info),
  stream: (blobs, info) => blobs.stream(info.sha256),
  verify: async (blobs, info) => (await blobs.verify(info.sha256)) || undefined,
  verifyNow: async (blobs, info) => blobs.verifyNow(info.sha256, info.bytes) || undefined,
}

describe.each([...contents.keys()])('a blob of %i bytes with', (size) => {
  describe.each(Object.keys(damages))('%s', (damage) => {
    const bytes = contents.get(size)!

    test.each(Object.keys(reads))('is a miss for %s, set aside, counted, and healed by the next put', async (how) => {
      await using dir = tempDir()
      const { blobs, events } = bareBlobs(dir.path)
      const info = await blobs.put(bytes)
      overwrite(blobs.path(info.sha256), damages[damage]!)
      expect(await reads[how]!(blobs, info)).toBeUndefined()
      expect(events.counts['blob-damaged']).toBe(1)
      expect(fs.readdirSync(dir.join('quarantine'))).toEqual([
        expect.stringMatching(new RegExp(`^${info.sha256}\\.[0-9a-f]{16}$`)),
      ])
      expect(await blobs.size(info.sha256)).toBeUndefined()
      expect(await blobs.put(bytes)).toEqual(info)
      expect(Buffer.compare((await blobs.get(info.sha256))!, bytes)).toBe(0)
    })

    test('is healed by a put that finds it, in this process and in another', async () => {
      await using dir = tempDir()
      const { blobs } = bareBlobs(dir.path)
      const info = await blobs.put(bytes)
      for (const again of [blobs, bareBlobs(dir.path).blobs]) {
        overwrite(blobs.path(info.sha256), damages[damage]!)
        await again.put(bytes)
        expect(Buffer.compare(fs.readFileSync(blobs.path(info.sha256)), bytes)).toBe(0)
      }
      expect(fs.readdirSync(dir.join('quarantine'))).toHaveLength(2)
    })
  })
})

test('a ranged read checks the chunks it touches, and only those', async () => {
  await using dir = tempDir()
  const { blobs, events } = bareBlobs(dir.path)
  const bytes = Buffer.alloc(5 * MiB, random.bytes(4099))
  const info = await blobs.put(bytes)
  overwrite(blobs.path(info.sha256), (b) => flip(b, 3 * MiB + 17))
  for (const [start, end] of [
    [0, 3 * MiB],
    [4 * MiB, 5 * MiB],
    [10, 20],
  ] as const) {
    expect(Buffer.compare((await blobs.read(info, { start, end }))!, bytes.subarray(start, end))).toBe(0)
  }
  expect(events.counts['blob-damaged']).toBeUndefined()
  expect(await blobs.read(info, { start: 4 * MiB - 1, end: 4 * MiB + 1 })).toBeUndefined()
  expect(events.counts['blob-damaged']).toBe(1)
})

test('ranges are right where chunks are larger than the blocks that are read at once', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  const bytes = Buffer.alloc(50 * MiB + 3, random.bytes(4099))
  // As a file of 30 GiB would have it.
  const sums = new Checksummer(32 * MiB)
  sums.update(bytes)
  await blobs.put(bytes)
  const info = sums.finish()
  const marks = [0, 1, 8 * MiB, 9 * MiB, 20 * MiB + 1, 32 * MiB, 33 * MiB, 50 * MiB + 3]
  for (const start of marks) {
    for (const end of marks.filter((mark) => mark > start)) {
      expect(Buffer.compare((await blobs.read(info, { start, end }))!, bytes.subarray(start, end))).toBe(0)
    }
  }
  overwrite(blobs.path(info.sha256), (b) => flip(b, 31 * MiB))
  expect(await blobs.read(info, { start: 0, end: 10 })).toBeUndefined()
})

test('a blob that is damaged after a stream of it was checked and begun ends in an error, not in wrong bytes', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  for (const damage of ['a bit of the last byte', 'half of it cut off']) {
    const bytes = Buffer.alloc(9 * MiB + 5, random.bytes(4099))
    const info = await blobs.put(bytes)
    const stream = (await blobs.stream(info.sha256))!
    overwrite(blobs.path(info.sha256), damages[damage]!)
    await expect(gather(stream)).rejects.toThrow(IntegrityError)
    expect(await blobs.get(info.sha256)).toBeUndefined()
  }
})

test('damage that comes after the blob was found good is found by the next look', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  const bytes = contents.get(5000)!
  const info = await blobs.put(bytes)
  expect(await blobs.verify(info.sha256)).toBe(true)
  expect(blobs.verifyNow(info.sha256, info.bytes)).toBe(true)
  overwrite(blobs.path(info.sha256), damages['a bit in the middle']!)
  expect(blobs.verifyNow(info.sha256, info.bytes)).toBe(false)
  expect(await blobs.verify(info.sha256)).toBe(false)
})

test('a look that says it touches nothing, does not', async () => {
  await using dir = tempDir()
  const { blobs, events } = bareBlobs(dir.path)
  const good = await blobs.put('good')
  const bad = await blobs.put('bad')
  overwrite(blobs.path(bad.sha256), damages['a byte more']!)
  const before = snapshot(dir.path)
  expect(await blobs.inspect(good.sha256)).toBe('good')
  expect(await blobs.inspect(bad.sha256)).toBe('damaged')
  expect(await blobs.inspect('0'.repeat(64) as never)).toBe('absent')
  expect(snapshot(dir.path)).toEqual(before)
  expect(events.counts['blob-damaged']).toBeUndefined()
})

describe('in the place of a blob,', () => {
  const bytes = contents.get(5000)!
  let dir: TempDir
  let bare: BareBlobs
  let info: BlobInfo
  let file: string
  const setUp = async (): Promise<AsyncDisposable> => {
    dir = tempDir()
    bare = bareBlobs(dir.join('store'))
    info = await bare.blobs.put(bytes)
    file = bare.blobs.path(info.sha256)
    fs.unlinkSync(file)
    return dir
  }
  const stories: [string, () => void][] = [
    [
      'a link to a file of the right bytes',
      () => {
        fs.writeFileSync(dir.join('right'), bytes)
        fs.symlinkSync(dir.join('right'), file)
      },
    ],
    [
      'a link to somebody else’s file',
      () => {
        fs.writeFileSync(dir.join('secret'), 'secret')
        fs.symlinkSync(dir.join('secret'), file)
      },
    ],
    ['a link that leads nowhere', () => fs.symlinkSync(dir.join('nowhere'), file)],
    ['a folder', () => fs.mkdirSync(file)],
    ['a pipe, which must not block', () => execFileSync('mkfifo', [file])],
  ]

  test.each(stories)('%s is a miss for every way of reading, and healed by a put', async (_, plant) => {
    for (const how of Object.keys(reads)) {
      await using _dir = await setUp()
      plant()
      expect(await reads[how]!(bare.blobs, info)).toBeUndefined()
      expect(fs.existsSync(file)).toBe(false)
      await bare.blobs.put(bytes)
      expect(fs.lstatSync(file).isFile()).toBe(true)
      if (fs.existsSync(dir.join('secret'))) expect(fs.readFileSync(dir.join('secret'), 'utf8')).toBe('secret')
    }
  })

  test.each(stories)('%s is replaced by a put that finds it', async (_, plant) => {
    await using _dir = await setUp()
    plant()
    await bare.blobs.put(bytes)
    expect(fs.lstatSync(file).isFile()).toBe(true)
    expect(Buffer.compare((await bare.blobs.get(info.sha256))!, bytes)).toBe(0)
  })

  test.each(stories)('%s is in no list', async (_, plant) => {
    await using _dir = await setUp()
    plant()
    for await (const blob of bare.blobs.list()) expect.fail(blob.sha256)
  })
})

test('a shard that is a link is written by nobody', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.join('store'))
  const info = await blobs.put('abc')
  const shard = path.dirname(blobs.path(info.sha256))
  fs.mkdirSync(dir.join('elsewhere'))
  fs.rmSync(shard, { recursive: true })
  fs.symlinkSync(dir.join('elsewhere'), shard)
  const other = bareBlobs(dir.join('store')).blobs
  await expect(other.put('abc')).rejects.toThrow(/someone redirects/)
  await expect(other.put({ file: import.meta.filename })).resolves.toBeDefined()
  expect(fs.readdirSync(dir.join('elsewhere'))).toEqual([])
  expect(namesBelow(dir.join('store')).filter((name) => name.includes('.tmp-'))).toEqual([])
})

describe('read-only', () => {
  test('a damaged blob is a miss, and stays where it is', async () => {
    await using dir = tempDir()
    const { sha256, ...rest } = await bareBlobs(dir.path).blobs.put('abc')
    const { blobs, events } = bareBlobs(dir.path, { readOnly: true })
    overwrite(blobs.path(sha256), damages['a byte more']!)
    const before = snapshot(dir.path)
    for (const how of Object.keys(reads)) expect(await reads[how]!(blobs, { sha256, ...rest })).toBeUndefined()
    expect(events.counts['blob-damaged']).toBe(5)
    expect(snapshot(dir.path)).toEqual(before)
  })

  test('nothing is put or deleted', async () => {
    await using dir = tempDir()
    const { sha256 } = await bareBlobs(dir.path).blobs.put('abc')
    const { blobs } = bareBlobs(dir.path, { readOnly: true })
    const before = snapshot(dir.path)
    await expect(blobs.put('def')).rejects.toThrow(ReadOnlyError)
    await expect(blobs.put('abc')).rejects.toThrow(ReadOnlyError)
    await expect(blobs.delete(sha256)).rejects.toThrow(ReadOnlyError)
    expect(await blobs.get(sha256)).toEqual(Buffer.from('abc'))
    expect(snapshot(dir.path)).toEqual(before)
  })
})

test('a damaged blob that cannot be set aside is a miss all the same, and a put replaces it', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  fs.writeFileSync(dir.join('quarantine'), 'a file where the folder should be')
  for (const size of contents.keys()) {
    const bytes = contents.get(size)!
    const info = await blobs.put(bytes)
    overwrite(blobs.path(info.sha256), damages['a bit in the middle']!)
    for (const how of Object.keys(reads)) expect(await reads[how]!(blobs, info)).toBeUndefined()
    await blobs.put(bytes)
    expect(Buffer.compare((await blobs.get(info.sha256))!, bytes)).toBe(0)
  }
})

test('a blob that another writer healed between the look and the move is put back', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  const bytes = contents.get(5000)!
  const info = await blobs.put(bytes)
  overwrite(blobs.path(info.sha256), damages['a bit in the middle']!)
  const { renameSync } = fs
  {
    using _ = patchFs({
      renameSync(from, to) {
        if (String(from) === blobs.path(info.sha256)) {
          fs.chmodSync(from, 0o644)
          fs.writeFileSync(from, bytes)
        }
        renameSync(from, to)
      },
    })
    expect(await blobs.get(info.sha256)).toBeUndefined()
  }
  expect(Buffer.compare((await blobs.get(info.sha256))!, bytes)).toBe(0)
  expect(fs.readdirSync(dir.join('quarantine'))).toEqual([])
})

test('an error that says nothing of damage is an error, not a miss', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  const info = await blobs.put('abc')
  const { openSync } = fs
  using _ = patchFs({
    openSync(file, ...rest) {
      if (String(file) === blobs.path(info.sha256)) throw Object.assign(new Error('EIO'), { code: 'EIO' })
      return openSync(file, ...rest)
    },
  })
  await expect(blobs.get(info.sha256)).rejects.toThrow(StoreIOError)
  await expect(blobs.read(info)).rejects.toThrow(StoreIOError)
})

test('every flipped bit of a small blob is found, and every shorter length', async () => {
  await using dir = tempDir()
  const { blobs } = bareBlobs(dir.path)
  const bytes = Buffer.from(random.bytes(100))
  const info = await blobs.put(bytes)
  const file = blobs.path(info.sha256)
  const wrong: Buffer[] = []
  for (let bit = 0; bit < bytes.length * 8; bit++) wrong.push(flip(Buffer.from(bytes), bit >> 3, bit & 7))
  for (let length = 0; length < bytes.length; length++) wrong.push(bytes.subarray(0, length))
  for (const content of wrong) {
    fs.rmSync(file, { force: true })
    fs.writeFileSync(file, content)
    expect(await blobs.get(info.sha256)).toBeUndefined()
    fs.writeFileSync(file, content)
    expect(await blobs.read(info)).toBeUndefined()
  }
})
