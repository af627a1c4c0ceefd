import * as fs from 'node:fs'
import * as path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/identity/digest.js'
import { nameKey } from '../../src/identity/key.js'
import { entryText } from '../../src/store/entry.js'
import { bootToken, hostName } from '../../src/store/process.js'
import type { Problem } from '../../src/store/verify.js'
import { type Child, startChild } from '../helpers/child.js'
import { patchFs } from '../helpers/faults.js'
import { BareStore, entryOf, load, save } from '../helpers/stores.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { namesBelow, snapshot, temporariesBelow } from '../helpers/tree.js'

const child = new URL('./child.ts', import.meta.url)
let dir: TempDir
let store: BareStore

beforeEach(async () => {
  dir = tempDir()
  store = await BareStore.open({ folder: dir.path, durability: 'cache' })
  for (const name of ['a', 'b', 'demo/c']) await save(store, name, { 'value.txt': `of ${name}`, 'value.d/x': 'shared' })
  return () => dir[Symbol.asyncDispose]()
})

const entryFile = (name: string) => path.join(store.dirOf(name), 'entry.json')
const blob = (content: string) => store.blobs.path(sha256(content))
const found = async (options = {}): Promise<[string, boolean][]> =>
  (await store.verify(options)).problems.map(({ kind, repaired }): [string, boolean] => [kind, repaired]).sort()

function overwrite(file: string, content: string | Uint8Array): void {
  fs.rmSync(file, { force: true })
  fs.writeFileSync(file, content)
}

function framed(format: number, body: string): string {
  return `{"curio":"entry","format":${format},"sha256":"${sha256(`${format}:${body}`)}","entry":${body}}\n`
}

test('a whole store has no problems, and is counted', async () => {
  await store.blobs.put('of no entry')
  const seen: number[] = []
  const report = await store.verify({ onProgress: ({ entries, blobs }) => seen.push(entries + blobs) })
  expect(report).toEqual({
    entries: 3,
    blobs: 5,
    bytes: 4 + 4 + 9 + 6 + 11,
    unreferenced: { blobs: 1, bytes: 11 },
    problems: [],
  })
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
})

test('an empty store has no problems', async () => {
  await using empty = tempDir()
  expect((await (await BareStore.open(empty.path)).verify({ repair: true })).problems).toEqual([])
})

const dead = `.tmp-${hostName()}-4000000-${bootToken()}-${'0'.repeat(32)}`
const faults: Record<
  string,
  { plant: () => void | Promise<void>; kind: Problem['kind']; repairs: boolean; after?: string[] }
> = {
  'an entry of garbage': { plant: () => overwrite(entryFile('a'), 'garbage'), kind: 'entry-damaged', repairs: true },
  'an empty entry': { plant: () => overwrite(entryFile('a'), ''), kind: 'entry-damaged', repairs: true },
  'an entry with one flipped bit': {
    plant: () => overwrite(entryFile('a'), fs.readFileSync(entryFile('a'), 'utf8').replace('value.txt', 'walue.txt')),
    kind: 'entry-damaged',
    repairs: true,
  },
  'a link in the place of an entry': {
    plant: () => {
      fs.rmSync(entryFile('a'))
      fs.symlinkSync(entryFile('b'), entryFile('a'))
    },
    kind: 'entry-damaged',
    repairs: true,
  },
  'an entry of a later version': {
    plant: () => overwrite(entryFile('a'), framed(7, '{}')),
    kind: 'entry-newer',
    repairs: false,
  },
  'an entry in another’s folder': {
    plant: () => {
      fs.mkdirSync(dir.join('artifacts', 'copy'))
      fs.copyFileSync(entryFile('a'), dir.join('artifacts', 'copy', 'entry.json'))
    },
    kind: 'entry-misplaced',
    repairs: false,
  },
  'an entry whose key is no path': {
    plant: () => {
      const body = fs
        .readFileSync(entryFile('a'), 'utf8')
        .slice(0, -2)
        .replace(/^.*?"entry":/, '')
      overwrite(entryFile('a'), framed(1, body.replace('"key":"a"', '"key":"../a"')))
    },
    kind: 'entry-misplaced',
    repairs: false,
  },
  'an entry that lies about a digest': {
    plant: () => {
      const body = fs
        .readFileSync(entryFile('a'), 'utf8')
        .slice(0, -2)
        .replace(/^.*?"entry":/, '')
      overwrite(entryFile('a'), framed(1, body.replace('"codec":1', '"codec":2')))
    },
    kind: 'digest-wrong',
    repairs: false,
  },
  'a blob with one flipped bit': {
    plant: () => overwrite(blob('of a'), 'nf a'),
    kind: 'blob-damaged',
    repairs: true,
    after: ['blob-missing'],
  },
  'a blob cut short': {
    plant: () => overwrite(blob('of a'), 'of'),
    kind: 'blob-damaged',
    repairs: true,
    after: ['blob-missing'],
  },
  'a blob with more behind it': {
    plant: () => overwrite(blob('of a'), 'of a!'),
    kind: 'blob-damaged',
    repairs: true,
    after: ['blob-missing'],
  },
  'a blob that several need, full of zeros': {
    plant: () => overwrite(blob('shared'), Buffer.alloc(6)),
    kind: 'blob-damaged',
    repairs: true,
    after: ['blob-missing'],
  },
  'a damaged blob that nobody needs': {
    plant: async () => {
      await store.blobs.put('of no entry')
      overwrite(blob('of no entry'), 'x')
    },
    kind: 'blob-damaged',
    repairs: true,
  },
  'a link in the place of a blob': {
    plant: () => {
      fs.rmSync(blob('of a'))
      fs.symlinkSync(blob('of b'), blob('of a'))
    },
    kind: 'blob-damaged',
    repairs: true,
    after: ['blob-missing'],
  },
  'a blob that is gone': { plant: () => fs.rmSync(blob('of a')), kind: 'blob-missing', repairs: false },
  'a temporary of a dead process, in a shard': {
    plant: () => fs.writeFileSync(path.join(path.dirname(blob('of a')), dead), 'x'),
    kind: 'temporary',
    repairs: true,
  },
  'a temporary of a dead process, beside an entry': {
    plant: () => fs.writeFileSync(path.join(store.dirOf('demo/c'), dead), 'x'),
    kind: 'temporary',
    repairs: true,
  },
  'a temporary of a dead process, of the store': {
    plant: () => fs.writeFileSync(dir.join(dead), 'x'),
    kind: 'temporary',
    repairs: true,
  },
  'a link that a dead process left': {
    plant: () => fs.symlinkSync('nowhere', path.join(store.dirOf('a'), dead)),
    kind: 'temporary',
    repairs: true,
  },
}

describe.each(Object.keys(faults))('%s', (name) => {
  const { plant, kind, repairs, after = [] } = faults[name]!

  test('is found, alone, and nothing is touched', async () => {
    await plant()
    const before = snapshot(dir.path).filter((line) => !line.startsWith('. '))
    expect(await found()).toEqual([[kind, false]])
    expect(snapshot(dir.path).filter((line) => !line.startsWith('. '))).toEqual(before)
  })

  test(
    repairs ? 'is set right where that is asked for, and the rest goes on' : 'is left alone, also by repair',
    async () => {
      await plant()
      expect(await found({ repair: true })).toEqual([[kind, repairs]])
      expect((await found()).map(([left]) => left)).toEqual(repairs ? after : [kind])
      if (!name.includes('several')) expect(await load(store, 'b')).toBe('of b')
      if (kind !== 'entry-newer' && name !== 'an entry whose key is no path' && kind !== 'digest-wrong') {
        for (const one of ['a', 'b', 'demo/c'])
          await save(store, one, { 'value.txt': `of ${one}`, 'value.d/x': 'shared' })
        expect(await load(store, 'a')).toBe('of a')
        expect(await found()).toEqual(kind === 'entry-misplaced' ? [['entry-misplaced', false]] : [])
      }
    },
  )
})

test('many faults at once are all found, each under its name', async () => {
  for (let i = 0; i < 60; i++) await save(store, `many/${i}`, `content ${i}`)
  const wanted: string[] = []
  for (let i = 0; i < 60; i += 3) {
    const [entry, content] = [entryFile(`many/${i}`), blob(`content ${i}`)]
    if (i % 4 === 0) overwrite(entry, fs.readFileSync(entry).fill(0, 90, 95))
    else if (i % 4 === 1) overwrite(content, 'other')
    else fs.rmSync(content)
    wanted.push(i % 4 === 0 ? entry : content)
  }
  const { problems } = await store.verify()
  expect(problems.map(({ where }) => where).sort()).toEqual(wanted.sort())
  expect(problems.find(({ kind }) => kind === 'blob-missing')?.detail).toMatch(
    /^needed by many\/\d+#value; it was evicted, or lost$/,
  )
})

test('a damaged list of files is found, and a list that is none', async () => {
  const key = nameKey('long')
  const entry = await entryOf(store, key, 'A')
  const { files, ...artifact } = entry.artifacts[0]!
  const commit = async (text: string) => {
    const { bytes, sha256: digest } = await store.blobs.put(text)
    await store.commit(
      key,
      { ...entry, artifacts: [{ ...artifact, list: { bytes, sha256: digest } }] },
      { force: true },
    )
  }
  await commit(JSON.stringify(files))
  expect(await found()).toEqual([])
  overwrite(blob(JSON.stringify(files)), '[]')
  const before = namesBelow(dir.path)
  expect(await found()).toEqual([['blob-damaged', false]])
  expect(namesBelow(dir.path)).toEqual(before)
  expect(await found({ repair: true })).toEqual([['blob-damaged', true]])
  const { bytes, sha256: digest } = await store.blobs.put('no list')
  overwrite(entryFile('long'), entryText({ ...entry, artifacts: [{ ...artifact, list: { bytes, sha256: digest } }] }))
  expect(await found()).toEqual([['digest-wrong', false]])
})

test('an evicted entry is told as such, and is no other problem', async () => {
  await store.evict('a')
  expect(await found()).toEqual([['blob-missing', false]])
  expect(await found({ repair: true })).toEqual([['blob-missing', false]])
})

describe('what is the user’s is no problem, and stays:', () => {
  test.each<[string, string]>([
    ['JSON of that name in a folder of their own', '{"entry":1,"of":"another program"}'],
    ['a list of that name', '[1, 2, 3]'],
  ])('%s', async (_, text) => {
    const file = path.join(store.dirOf('a'), 'checkpoints', 'entry.json')
    fs.mkdirSync(path.dirname(file))
    fs.writeFileSync(file, text.replace('"entry"', '"name"'))
    expect(await found({ repair: true })).toEqual([])
    expect(fs.existsSync(file)).toBe(true)
  })

  test('files and folders of any other name', async () => {
    fs.writeFileSync(path.join(store.dirOf('a'), '.tmp-mine'), '')
    fs.mkdirSync(path.join(store.dirOf('a'), 'entry.json.d'))
    fs.writeFileSync(dir.join('blobs', 'README'), '')
    fs.writeFileSync(path.join(path.dirname(blob('of a')), 'f'.repeat(64)), 'in the wrong shard')
    expect(await found({ repair: true })).toEqual([])
    expect(fs.existsSync(dir.join('blobs', 'README'))).toBe(true)
  })
})

describe('a temporary', () => {
  const plant = (name: string, days = 0): string => {
    const file = path.join(path.dirname(blob('of a')), name)
    fs.writeFileSync(file, 'x')
    const time = Date.now() / 1000 - days * 86_400
    fs.utimesSync(file, time, time)
    return file
  }
  const of = (host: string, pid: number, boot: string) => `.tmp-${host}-${pid}-${boot}-${'0'.repeat(32)}`

  test('of a living process stays, however old', async () => {
    const file = plant(of(hostName(), process.pid, bootToken()), 400)
    expect(await found({ repair: true })).toEqual([])
    expect(fs.existsSync(file)).toBe(true)
  })

  test.each<[string, string]>([
    ['another host', of('elsewhere', 1, bootToken())],
    ['another boot, or another container', of(hostName(), 1, '00000000')],
  ])('of %s stays for a day, by the file system’s clock', async (_, name) => {
    plant(name, 0.9)
    expect(await found({ repair: true })).toEqual([])
    plant(name, 1.1)
    expect(await found({ repair: true })).toEqual([['temporary', true]])
  })
})

describe('rights', () => {
  test('verifying without repair needs no right to write', async () => {
    using _ = patchFs({
      writeSync: () => {
        throw Object.assign(new Error('EACCES'), { code: 'EACCES' })
      },
    })
    fs.symlinkSync('x', path.join(store.dirOf('a'), `.tmp-elsewhere-1-00000000-${'0'.repeat(32)}`))
    expect(await found()).toEqual([])
  })

  test('what cannot be set aside is found, and not called repaired', async () => {
    overwrite(blob('of a'), 'x')
    overwrite(entryFile('b'), 'x')
    fs.writeFileSync(dir.join('quarantine'), 'a file where the folder should be')
    expect(await found({ repair: true })).toEqual([
      ['blob-damaged', false],
      ['entry-damaged', false],
    ])
  })
})

test('beside writers, evictions and healers there are no false alarms', async () => {
  let other: Child | undefined
  try {
    other = startChild(child, ['write', dir.path, '1', 'cache', '100', '30'])
    await other.says('acked')
    let busy = true
    const own = (async () => {
      for (let i = 0; busy; i++) {
        await save(store, `own/${i % 20}`, `content ${i % 20}`)
        await store.forget(`own/${(i + 10) % 20}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })()
    let rounds = 0
    const until = performance.now() + 3000
    try {
      for (; rounds < 20 && performance.now() < until; rounds++) {
        expect((await store.verify({ repair: rounds % 2 === 1 })).problems).toEqual([])
      }
    } finally {
      busy = false
      await own
    }
    other.kill('SIGKILL')
    await other.ended
    const acked = other.lines.filter((line) => line.startsWith('acked ')).length
    console.log(`verify: ${rounds} times beside writers, ${acked} commits by the other process, no false alarm`)
    expect(acked).toBeGreaterThan(0)
    const left = await store.verify({ repair: true })
    expect(left.problems.filter(({ kind }) => kind !== 'temporary')).toEqual([])
    expect(temporariesBelow(dir.path)).toEqual([])
  } finally {
    other?.kill('SIGKILL')
  }
})

test('writers that are killed leave nothing torn and lose nothing that was acknowledged', async () => {
  const rounds = 2
  let [acked, temporaries] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    const children = [1, 2].map((writer) =>
      startChild(child, ['write', dir.path, `${round}-${writer}`, round % 2 === 0 ? 'cache' : 'artifact', '20000']),
    )
    await Promise.all(children.map((one) => one.says('ready')))
    const hasAcked = (one: (typeof children)[number]) =>
      one.lines.filter((line) => line.startsWith('acked ')).length > 5
    while (!children.every(hasAcked)) await new Promise((resolve) => setTimeout(resolve, 20 + round * 7))
    for (const one of children) one.kill('SIGKILL')
    await Promise.all(children.map((one) => one.ended))
    const fresh = await BareStore.open({ folder: dir.path, durability: 'cache' })
    for (const line of children.flatMap((one) => one.lines)) {
      if (!line.startsWith('acked ')) continue
      const name = line.slice('acked '.length)
      expect((await load(fresh, name))?.startsWith(`${name} `)).toBe(true)
      acked += 1
    }
    const { problems } = await fresh.verify({ repair: true })
    expect(problems.filter(({ kind }) => kind !== 'temporary')).toEqual([])
    temporaries += problems.length
    expect(temporariesBelow(dir.path)).toEqual([])
  }
  console.log(
    `kill -9: ${rounds * 2} writers, ${acked} acknowledged commits, 0 lost, ${temporaries} temporaries left and removed`,
  )
  expect(acked).toBeGreaterThan(10)
})

test('an entry that is replaced while its blobs are looked for is no alarm', async () => {
  await save(store, 'x', 'old')
  const { readdirSync } = fs
  const replaced = entryText(await entryOf(store, nameKey('x'), 'new'))
  let done = false
  const list = store.blobs.list.bind(store.blobs)
  store.blobs.list = async function* (options) {
    if (!done) {
      done = true
      overwrite(entryFile('x'), replaced)
      fs.rmSync(blob('old'))
    }
    yield* list(options)
  }
  using _ = patchFs({ readdirSync })
  expect(await found()).toEqual([])
})
