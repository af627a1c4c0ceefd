import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { JsonCacher } from '../../cachers/json.js'
import { TensorCacher } from '../../cachers/tensor.js'
import { TextCacher } from '../../cachers/text.js'
import type { Store } from '../../src/artifact/store.js'
import type { Entry } from '../../src/store/entry.js'
import { commitStage, controls, Place } from './helpers.js'

const place = new Place()
const nasty = 'demo/\u001b[31mred\u0007\u202e\u009b2J\r\nend'
let store: Store
let draw: Entry
let train: Entry

beforeAll(async () => {
  store = await place.open()
  draw = await commitStage(store, {
    id: 'draw',
    params: { seed: 3 },
    outputs: { numbers: [new TensorCacher(), { data: Float32Array.of(1, 2, 3), shape: [3] }] },
    created: '2020-01-01T00:00:00.000Z',
  })
  train = await commitStage(store, {
    id: 'lib/train.fit',
    version: '2',
    params: { lr: 0.5, name: 'x', seed: 3 },
    defaulted: ['name'],
    ignored: { workers: 4 },
    inputs: {
      numbers: { artifact: draw.artifacts[0]!.digest, from: draw.key },
      lost: { artifact: 'f'.repeat(64) as never, from: 'gone,1/x-aaaaaaaaaaaaaaaa' },
      unnamed: { artifact: draw.artifacts[0]!.digest },
      given: { value: 'e'.repeat(64) as never },
    },
    code: { source: 'function fit() {}' },
    outputs: {
      model: [new TensorCacher(), { data: Float32Array.of(1), shape: [1] }],
      log: [new TextCacher(), 'line\n'],
    },
  })
  await store.save('demo/b', JsonCacher, { b: 1 })
  await store.save('demo/a', JsonCacher, { a: 1 })
  await store.save('demo2/c', TextCacher, 'c')
})
afterAll(() => place.remove())

describe('curio ls', () => {
  it('prints a line for each entry, sorted by key, with artifacts, size and age', async () => {
    const { out, code } = await place.curio('ls')
    expect(code).toBe(0)
    const keys = out
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^.* {2}/, ''))
    expect(keys).toEqual([...keys].sort())
    expect(keys).toHaveLength(5)
    expect(out).toMatch(/^1 artifact +\d+ B +\d+ d {2}draw,1\/seed=3-/m)
    expect(out).toMatch(/^2 artifacts +\d+ B +\d+ s {2}lib\/train\.fit,2\//m)
  })

  it('filters by prefix; a trailing * is the same', async () => {
    expect((await place.curio('ls', 'demo/')).out.match(/demo\/./g)).toEqual(['demo/a', 'demo/b'])
    expect((await place.curio('ls', 'demo')).out.trimEnd().split('\n')).toHaveLength(3)
    expect((await place.curio('ls', 'demo*')).out.trimEnd().split('\n')).toHaveLength(3)
    expect((await place.curio('ls', 'lib/train.fit,2/lr')).out).toContain(train.key)
  })

  it('says by exit code 1 that no key has the prefix; an empty store is no failure', async () => {
    expect(await place.curio('ls', 'nope')).toMatchObject({ code: 1, out: '', err: 'no key starts with nope\n' })
    const empty = new Place()
    await empty.open()
    expect(await empty.curio('ls')).toMatchObject({ code: 0, out: '', err: 'the store is empty\n' })
    empty.remove()
  })

  it('--long adds cacher and digest of each artifact', async () => {
    const { out } = await place.curio('ls', '--long', 'lib/')
    expect(out).toMatch(new RegExp(`^ +model +tensor +\\d+ B +${train.artifacts[0]!.digest}$`, 'm'))
    expect(out).toMatch(new RegExp(`^ +log +text +5 B +${train.artifacts[1]!.digest}$`, 'm'))
  })

  it('--json gives every entry, its state and its artifacts', async () => {
    const { out } = await place.curio('ls', 'lib/', '--json')
    expect(JSON.parse(out)).toEqual({
      store: place.folder,
      entries: [
        {
          key: train.key,
          id: 'lib/train.fit',
          version: '2',
          state: 'complete',
          bytes: train.artifacts[0]!.bytes + 5,
          created: train.provenance.created,
          artifacts: train.artifacts.map(({ name, cacher, bytes, digest }) => ({ name, cacher, bytes, digest })),
        },
      ],
      unreadable: [],
    })
  })

  it('marks entries whose bytes are gone, all of them or some', async () => {
    const other = new Place()
    const there = await other.open()
    await commitStage(there, { outputs: { a: [new TextCacher(), 'one'], b: [new TextCacher(), 'two'] } })
    await there.save('x', TextCacher, 'three')
    await there.evict('x')
    const [first] = await there.blobsOf((await there.list().next()).value as Entry)
    fs.rmSync(there.blobs.path(first!))
    const { out, code } = await other.curio('ls')
    expect(code).toBe(0)
    expect(out).toMatch(/train,1\/\S+ {2}incomplete$/m)
    expect(out).toMatch(/ x {2}evicted$/m)
    other.remove()
  })

  it('lists entries that cannot be read, by their folder, with the reason, and changes nothing', async () => {
    const other = new Place()
    const there = await other.open()
    await there.save('bad', TextCacher, 'x')
    await there.save('good', TextCacher, 'x')
    const file = path.join(there.dirOf('bad'), 'entry.json')
    fs.chmodSync(file, 0o600)
    fs.writeFileSync(file, 'garbage')
    fs.cpSync(there.dirOf('good'), path.join(other.folder, 'artifacts/copy'), {
      recursive: true,
      verbatimSymlinks: true,
    })
    const { out } = await other.curio('ls')
    expect(out).toMatch(/artifacts\/bad {2}damaged: it is not an entry/)
    expect(out).toMatch(/artifacts\/copy {2}damaged: it is the entry of good/)
    expect(JSON.parse((await other.curio('ls', '--json')).out)).toMatchObject({
      entries: [{ key: 'good' }],
      unreadable: [
        { place: 'artifacts/bad', state: 'damaged' },
        { place: 'artifacts/copy', state: 'damaged' },
      ],
    })
    expect(fs.readFileSync(file, 'utf8')).toBe('garbage')
    other.remove()
  })
})

describe('curio show', () => {
  it('prints key, parameters, defaults, ignored fields, inputs with their producers, code, provenance and artifacts', async () => {
    const { out, code } = await place.curio('show', train.key)
    expect(code).toBe(0)
    expect(out).toContain(`key     ${train.key}\n`)
    expect(out).toContain('stage   lib/train.fit, version 2')
    expect(out).toMatch(/state {3}complete, \d+ B, made \d+ s ago/)
    expect(out).toContain(`folder  .curio/artifacts/lib/train.fit,2/`)
    expect(out).toMatch(/code {4}[0-9a-f]{16} \(tsx\)/)
    expect(out).toMatch(/^ {2}lr +0\.5$/m)
    expect(out).toMatch(/^ {2}name +"x" +the default, so not in the key$/m)
    expect(out).toMatch(/^ignored\n {2}workers {2}4$/m)
    const digest = draw.artifacts[0]!.digest.slice(0, 16)
    expect(out).toContain(`numbers  artifact ${digest}  from ${draw.key}\n`)
    expect(out).toContain(`unnamed  artifact ${digest}  from ${draw.key}\n`)
    expect(out).toContain('lost     artifact ffffffffffffffff  from gone,1/x-aaaaaaaaaaaaaaaa (no longer stored)\n')
    expect(out).toContain('given    value eeeeeeeeeeeeeeee\n')
    expect(out).toMatch(/^ {2}node +v\d/m)
    expect(out).toMatch(/^model {2}tensor, \d+ B$/m)
    expect(out).toContain(`digest   ${train.artifacts[0]!.digest}`)
    expect(out).toMatch(/preview {2}tensor \[1\]/)
    expect(out).toMatch(/view {5}\.curio\/artifacts\/lib\/train\.fit,2\/.*\/model\.npy$/m)
    expect(out).toMatch(/file {5}log\.txt {2}5 B {2}[0-9a-f]{16}$/m)
    expect(out).not.toContain('yours')
  })

  it('lists files in the folder that are the user’s own, and not those of keys below it', async () => {
    const dir = store.dirOf(draw.key)
    await store.save(`${draw.key}/below`, TextCacher, 'another key')
    fs.mkdirSync(path.join(dir, 'checkpoints'))
    fs.writeFileSync(path.join(dir, 'checkpoints/1.pt'), '12345')
    fs.writeFileSync(path.join(dir, 'notes.md'), 'mine')
    fs.symlinkSync('/etc/hostname', path.join(dir, 'elsewhere'))
    fs.writeFileSync(path.join(store.dirOf(`${draw.key}/below`), 'other.md'), 'of the other key')
    fs.writeFileSync(path.join(dir, '.tmp-host-1-00000000-0'), 'a writer’s')
    const { out } = await place.curio('show', draw.key, '--json')
    const shown = JSON.parse(out) as { yours: { path: string; bytes: number }[] }
    expect(shown.yours.map((file) => file.path)).toEqual(['checkpoints/1.pt', 'elsewhere', 'notes.md'])
    expect(shown.yours[0]!.bytes).toBe(5)
    expect((await place.curio('show', draw.key)).out).toMatch(/^yours\n {2}checkpoints\/1\.pt {2}5 B\n/m)
    fs.rmSync(path.join(dir, 'checkpoints'), { recursive: true })
    fs.rmSync(path.join(dir, 'notes.md'))
    fs.rmSync(path.join(dir, 'elsewhere'))
    fs.rmSync(path.join(dir, '.tmp-host-1-00000000-0'))
    await store.forget(`${draw.key}/below`)
  })

  it('--json gives the entry as it is stored, its state, views and producers', async () => {
    const shown = JSON.parse((await place.curio('show', train.key, '--json')).out) as Record<string, unknown>
    expect(shown).toMatchObject({
      key: train.key,
      folder: store.dirOf(train.key),
      state: 'complete',
      missing: [],
      views: { model: path.join(store.dirOf(train.key), 'model.npy') },
      producers: {
        numbers: { key: draw.key, stored: true },
        lost: { stored: false },
        unnamed: { key: draw.key, stored: true },
      },
    })
    expect(shown.entry).toEqual(JSON.parse(JSON.stringify(train)))
  })

  it('finds an entry by a part of its key, by a path in its folder, and by key#artifact', async () => {
    const tail = train.key.slice(-16)
    const view = path.relative(place.dir, path.join(store.dirOf(train.key), 'model.npy'))
    for (const text of [tail, 'train.fit', view, path.dirname(view), store.dirOf(train.key), `${train.key}#model`]) {
      const { out, code } = await place.curio('show', text, '--json')
      expect(code, text).toBe(0)
      expect(JSON.parse(out)).toMatchObject({ key: train.key })
    }
  })

  it('lists the keys that a part fits, and exits with 1', async () => {
    const ran = await place.curio('show', 'demo')
    expect(ran).toMatchObject({ code: 1, out: '' })
    expect(ran.err).toBe(
      'curio: demo fits 3 keys:\n  demo/a\n  demo/b\n  demo2/c\n  → type more of the one you mean; the 16 characters at its end are enough\n',
    )
  })

  it('suggests the nearest key when none fits', async () => {
    const ran = await place.curio('show', 'demo/aa')
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('did you mean demo/a?')
  })

  it('says what is gone of an incomplete entry', async () => {
    const other = new Place()
    const there = await other.open()
    await there.save('x', TextCacher, 'three')
    await there.evict('x')
    const { out, code } = await other.curio('show', 'x')
    expect(code).toBe(0)
    expect(out).toContain('state   evicted: 1 file is gone, 5 B')
    expect(out).toMatch(/file {5}value\.txt {2}5 B {2}[0-9a-f]{16} {2}gone$/m)
    other.remove()
  })

  it('calls a damaged entry damaged, and leaves it where it is', async () => {
    const other = new Place()
    const there = await other.open()
    await there.save('bad', TextCacher, 'x')
    const file = path.join(there.dirOf('bad'), 'entry.json')
    fs.chmodSync(file, 0o600)
    fs.writeFileSync(file, 'garbage')
    const ran = await other.curio('show', 'bad')
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('it is not an entry')
    expect(ran.err).toContain('curio verify --repair')
    expect(fs.existsSync(file)).toBe(true)
    other.remove()
  })
})

describe('what a store holds cannot act on a terminal', () => {
  it('keys, previews, values and metadata are printed without control characters', async () => {
    const other = new Place()
    const there = await other.open()
    await there.save(nasty, TextCacher, 'text \u001b]0;title\u0007 and\r\nmore\u202e\n')
    await there.save('demo/json', JsonCacher, { '\u001b[2J': '\u009b\u0000' })
    await commitStage(there, {
      id: 'bad\u001bid',
      params: { 'f\u001b': '\u001b[31m' },
      ignored: { '\u0007': 1 },
      outputs: { a: [new TextCacher(), '\u001b'] },
    })
    fs.writeFileSync(path.join(there.dirOf(nasty), 'own\u001b[31m'), '')
    const commands = [
      ['ls'],
      ['ls', '--long'],
      ['ls', '--json'],
      ['show', nasty],
      ['show', nasty, '--json'],
      ['show', 'bad'],
      ['show', 'nothing\u001b[31m'],
      ['show', 'demo'],
      ['cat', nasty],
      ['cat', nasty, '--json'],
      ['cat', 'demo/json'],
      ['cat', 'demo/json', '--json'],
      ['cat', 'bad'],
      ['why', 'bad'],
      ['why', 'bad', '--json'],
      ['du'],
      ['rm', 'demo/', '--all', '--dry-run'],
      ['rm', 'x\u001b'],
      ['verify'],
      ['\u001b[31m'],
      ['--\u001b[31m'],
    ]
    for (const argv of commands) {
      const { out, err } = await other.curio(...argv)
      expect(out + err, argv.join(' ')).not.toMatch(controls)
    }
    expect((await other.curio('ls')).out).toContain('demo/\\x1b[31mred\\x07\\u202e\\x9b2J\\r\\nend')
    expect((await other.curio('cat', nasty)).out).toBe('text \\x1b]0;title\\x07 and\nmore\\u202e\n')
    const listed = JSON.parse((await other.curio('ls', '--json')).out) as { entries: { key: string }[] }
    expect(listed.entries.map((entry) => entry.key)).toContain(nasty)
    other.remove()
  })
})
