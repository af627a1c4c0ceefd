import { describe, expect, test } from 'vitest'
import { type Digest, sha256 } from '../../src/identity/digest.js'
import { nameKey } from '../../src/identity/key.js'
import {
  type ArtifactFile,
  artifactDigest,
  type Entry,
  entryText,
  longList,
  parseEntry,
  parseList,
} from '../../src/store/entry.js'
import { Random } from '../helpers/random.js'

const digest = '0123456789abcdef'.repeat(4) as Digest
const file: ArtifactFile = { role: 'value.txt', bytes: 1, sha256: digest, chunk: 1 << 20, xxh64: '0123456789abcdef' }
const artifact = {
  name: 'value',
  cacher: 'text',
  codec: 1,
  options: {},
  extra: { lines: 3, deep: { a: [1, null, true] } },
  extension: '.txt',
  digest,
  bytes: 1,
  files: [file],
}
const key = nameKey('demo/a')
const entry: Entry = {
  key: key.text,
  hash: key.hash,
  material: key.material,
  params: { 'optim.lr': '0.1', name: '"é😀"' },
  defaults: { seed: '0' },
  inputs: { data: { artifact: digest, from: 'pkg/load,1/default-aaaaaaaaaaaaaaaa' }, limit: { value: digest } },
  code: { sha256: digest, tag: 'tsx' },
  artifacts: [artifact],
  provenance: { created: '2026-01-01T00:00:00.000Z', host: 'box', seconds: 1.5 },
}
const text = entryText(entry)
const bytes = Buffer.from(text)

test('an entry is one line in the frame of docs/format.md', () => {
  const body = JSON.stringify(entry)
  expect(text).toBe(`{"curio":"entry","format":1,"sha256":"${sha256(`1:${body}`)}","entry":${body}}\n`)
  expect(parseEntry(bytes)).toEqual({ state: 'entry', entry, text })
})

test('the frame of a fixed body has fixed bytes', () => {
  const small = { key: 'a', hash: nameKey('a').hash, material: nameKey('a').material, artifacts: [], provenance: {} }
  // The hash by: printf '1:%s' '<body>' | sha256sum
  expect(entryText(small)).toBe(
    '{"curio":"entry","format":1,"sha256":"95d9174e1043b026fdc2c9df81a82d1f9536f7907a7b2431ebeb36a31646a8b6","entry":{"key":"a","hash":"0477f731936544104c0d9c2f5eaf69ceace66470cfa18cb2f0671d4b0087db70","material":"[\\"curio-name-1\\",\\"a\\"]","artifacts":[],"provenance":{}}}\n',
  )
})

test('the digest of an artifact is the hash of what docs/format.md lists, files by role', () => {
  const files = [
    { ...file, role: 'b' },
    { ...file, role: 'a', bytes: 2 },
    { ...file, role: 'B' },
  ]
  const wanted = sha256(
    `["curio-artifact-1","text",2,{"x":1},{},[["B",1,"${digest}"],["a",2,"${digest}"],["b",1,"${digest}"]]]`,
  )
  const made = { cacher: 'text', codec: 2, options: { x: 1 }, extra: {}, files }
  expect(artifactDigest(made)).toBe(wanted)
  expect(artifactDigest({ ...made, files: [...files].reverse() })).toBe(wanted)
  expect(artifactDigest({ ...made, codec: 3 })).not.toBe(wanted)
  expect(
    artifactDigest({ ...made, files: files.map((f) => ({ ...f, xxh64: 'ffffffffffffffff', chunk: 2 << 20 })) }),
  ).toBe(wanted)
})

describe('damage', () => {
  const state = (content: Uint8Array) => parseEntry(content).state

  test('of any single bit is found', () => {
    const copy = Buffer.from(bytes)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      copy[bit >> 3]! ^= 1 << (bit & 7)
      if (state(copy) !== 'damaged') expect.fail(`bit ${bit & 7} of byte ${bit >> 3}: ${state(copy)}`)
      copy[bit >> 3]! ^= 1 << (bit & 7)
    }
    console.log(`entry: ${bytes.length * 8} flipped bits, all found`)
  })

  test('by cutting at any length is found', () => {
    for (let length = 0; length < bytes.length; length++) expect(state(bytes.subarray(0, length))).toBe('damaged')
  })

  test('by zeros from anywhere to the end is found', () => {
    for (let at = 0; at < bytes.length; at++) expect(state(Buffer.from(bytes).fill(0, at))).toBe('damaged')
  })

  test('by more behind it is found', () => {
    for (const more of ['\n', ' ', '}\n', text, '\0']) expect(state(Buffer.from(text + more))).toBe('damaged')
  })

  test('by random changes is found, and never thrown', () => {
    const seed = Number(process.env.CURIO_SEED ?? Math.floor(Math.random() * 2 ** 31))
    const random = new Random(seed)
    for (let i = 0; i < 20_000; i++) {
      const copy = Buffer.from(bytes)
      for (let n = 1 + random.int(4); n > 0; n--) copy[random.int(copy.length)] = random.int(256)
      if (!copy.equals(bytes) && state(copy) !== 'damaged') expect.fail(`CURIO_SEED=${seed}`)
    }
  })

  test.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['a newline', '\n'],
    ['null', 'null\n'],
    ['other JSON', '{"curio":"sidecar"}\n'],
    ['a byte order mark before it', `\ufeff${text}`],
    ['Windows line ends', text.replace('\n', '\r\n')],
    ['other spacing', text.replace('":', '": ')],
    ['format 0', text.replace('"format":1', '"format":0')],
    ['format 01', text.replace('"format":1', '"format":01')],
    ['a format without end', text.replace('"format":1', `"format":${'1'.repeat(400)}`)],
    [
      'the hash in capitals',
      text.replace(/"sha256":"[0-9a-f]{64}"/, (hash) => hash.toUpperCase().replace('SHA', 'sha')),
    ],
    ['bytes that are no UTF-8', Buffer.concat([bytes, Buffer.of(0xff, 0xfe)])],
    ['a megabyte of brackets', '['.repeat(1 << 20)],
  ])('%s is damage', (_, content) => {
    expect(state(Buffer.from(content as string))).toBe('damaged')
  })
})

describe('with a right hash, but', () => {
  const framed = (body: string, format = 1) =>
    Buffer.from(`{"curio":"entry","format":${format},"sha256":"${sha256(`${format}:${body}`)}","entry":${body}}\n`)
  const changed = (change: object) => framed(JSON.stringify({ ...entry, ...change }))
  const file2 = (change: object) => changed({ artifacts: [{ ...artifact, files: [{ ...file, ...change }] }] })

  test.each<[string, Buffer]>([
    ['no JSON', framed('{"key":')],
    ['another JSON', framed('[]')],
    ['nesting without end', framed(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)],
    [
      'extra without end',
      framed(JSON.stringify(entry).replace('"lines":3', `"lines":${'['.repeat(20_000)}${']'.repeat(20_000)}`)),
    ],
    ['a hash that is not its material’s', changed({ hash: digest })],
    ['a digest that is none', changed({ hash: '../../etc/passwd' })],
    ['a blob that would lie elsewhere', file2({ sha256: `../${'0'.repeat(61)}` })],
    ['a role that leads out', file2({ role: '../x' })],
    ['an absolute role', file2({ role: '/etc/passwd' })],
    ['two roles alike', changed({ artifacts: [{ ...artifact, files: [file, { ...file, role: 'VALUE.txt' }] }] })],
    ['a negative size', file2({ bytes: -1 })],
    ['a size that is no integer', file2({ bytes: 1.5 })],
    ['a chunk of no bytes', file2({ chunk: 0 })],
    ['checksums that do not cover the file', file2({ bytes: 3 << 20 })],
    ['checksums of no hex', file2({ xxh64: '0123456789abcdeg' })],
    ['neither files nor a list', changed({ artifacts: [{ ...artifact, files: undefined }] })],
    ['both files and a list', changed({ artifacts: [{ ...artifact, list: { bytes: 1, sha256: digest } }] })],
    ['a name that is a path', changed({ artifacts: [{ ...artifact, name: 'a/b' }] })],
    ['a name that is reserved', changed({ artifacts: [{ ...artifact, name: 'entry' }] })],
    ['an extension that is a path', changed({ artifacts: [{ ...artifact, extension: './../x' }] })],
    ['no artifacts', changed({ artifacts: undefined })],
    ['a key that is no text', changed({ key: 5 })],
  ])('%s: damage', (_, content) => {
    expect(parseEntry(content).state).toBe('damaged')
  })

  test('a newer format: newer, whatever its body', () => {
    for (const body of ['{}', '"x"', '[1]', '{"not":JSON}']) {
      expect(parseEntry(framed(body, 2))).toEqual({ state: 'newer', format: 2 })
    }
    expect(parseEntry(framed('{}', 999_999_999))).toEqual({ state: 'newer', format: 999_999_999 })
  })

  test('a field of a later version: it is ignored, each time', () => {
    const content = changed({
      later: { a: 1 },
      artifacts: [{ ...artifact, files: [{ ...file, later: 1 }], later: 2 }],
    })
    for (const found of [parseEntry(content), parseEntry(content)]) {
      expect(found).toMatchObject({ state: 'entry', entry })
      expect(JSON.stringify(found.state === 'entry' && found.entry)).not.toContain('later')
    }
  })

  test('the same text again: an entry like the first, and its own', () => {
    const content = changed({ version: '7' })
    const [first, second] = [parseEntry(content), parseEntry(content)]
    expect(second).toEqual(first)
    const [mine, theirs] = [first, second].map((found) => found.state === 'entry' && found.entry.artifacts[0]?.extra)
    expect(mine).not.toBe(theirs)
  })

  test('material of a kind that later versions may add: it is no damage', () => {
    const material = '["curio-task-1",{}]'
    expect(parseEntry(changed({ material, hash: sha256(material) })).state).toBe('entry')
  })
})

describe('a long list of files', () => {
  const many = (count: number, chunks = 1): ArtifactFile[] =>
    Array.from({ length: count }, (_, i) => ({
      ...file,
      role: `part-${i}`,
      bytes: chunks << 20,
      xxh64: '0123456789abcdef'.repeat(chunks),
    }))

  test('of more than 1,000 files, or of more than 256 KiB, becomes a blob', () => {
    expect(longList([])).toBeUndefined()
    expect(longList(many(1000))).toBeUndefined()
    expect(longList(many(1001))).toBe(JSON.stringify(many(1001)))
    expect(longList(many(10, 1024))).toBeUndefined()
    expect(longList(many(17, 1024))).toBe(JSON.stringify(many(17, 1024)))
    for (const list of [many(900), many(1000), many(15, 1024), many(16, 1024), many(1300, 1)]) {
      const length = JSON.stringify(list).length
      expect(longList(list) !== undefined).toBe(list.length > 1000 || length > 256 << 10)
    }
  })

  test('reads back equal, and what is none is none', () => {
    expect(parseList(Buffer.from(JSON.stringify(many(3, 2))))).toEqual(many(3, 2))
    for (const text of ['', '[', '{}', '[1]', '[{"role":"../x"}]', JSON.stringify([file, file]), '[null]']) {
      expect(parseList(Buffer.from(text))).toBeUndefined()
    }
  })
})

test('an entry that no reader would take for one is refused, not written', () => {
  expect(() => entryText({ ...entry, artifacts: [{ ...artifact, extension: '/x' }] })).toThrow(
    /cannot be read back: artifacts.0.extension/,
  )
  expect(() => entryText({ ...entry, hash: digest })).toThrow(/hash and material disagree/)
})

test('an entry that would not fit is refused with its key', () => {
  expect(() => entryText({ ...entry, provenance: { x: 'y'.repeat(17 << 20) } })).toThrow(/the entry of demo\/a/)
})
