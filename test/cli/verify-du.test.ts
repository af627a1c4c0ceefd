import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BytesCacher } from '../../cachers/bytes.js'
import { TextCacher } from '../../cachers/text.js'
import type { Store } from '../../src/artifact/store.js'
import { bootToken, hostName } from '../../src/store/process.js'
import { commitStage, Place } from './helpers.js'

let place: Place
let store: Store
beforeEach(async () => {
  place = new Place()
  store = await place.open()
})
afterEach(() => place.remove())

/** Writes to a file that a store keeps read-only. */
function damage(file: string, text: string): void {
  fs.chmodSync(file, 0o600)
  fs.writeFileSync(file, text)
}

/** A name that only a process that is gone can have given. */
function deadTemporary(): string {
  return `.tmp-${hostName()}-4194999-${bootToken()}-${'0'.repeat(32)}`
}

describe('curio verify', () => {
  it('of a good store says what was read and exits with 0', async () => {
    await store.save('a', TextCacher, 'a')
    expect(await place.curio('verify')).toEqual(
      expect.objectContaining({ code: 0, out: 'read 1 entry and 1 blob, 1 B\n\nall is well\n', err: '' }),
    )
  })

  it('groups what is wrong, says what helps, exits with 1 and changes nothing', async () => {
    const bad = await store.save('bad blob', TextCacher, 'right')
    await store.save('bad entry', TextCacher, 'x')
    const gone = await store.save('gone', TextCacher, 'lost bytes')
    damage(store.blobs.path(bad.files[0]!.sha256), 'wrong')
    damage(path.join(store.dirOf('bad entry'), 'entry.json'), 'garbage')
    fs.rmSync(store.blobs.path(gone.files[0]!.sha256))
    fs.writeFileSync(path.join(place.folder, 'blobs', deadTemporary()), 'half')
    const { out, code } = await place.curio('verify')
    expect(code).toBe(1)
    expect(out).toMatch(
      /^1 damaged entry\n {2}artifacts\/\S+\/entry\.json: it is not an entry\n {2}→ curio verify --repair/m,
    )
    expect(out).toMatch(/^1 damaged blob\n {2}blobs\/\w\w\/\w{64}: needed by bad blob#value\n/m)
    expect(out).toMatch(/^1 missing blob\n {2}blobs\/\S+: needed by gone#value/m)
    expect(out).toMatch(/^1 file left by a killed writer\n {2}blobs\/\.tmp-/m)
    expect(out).toContain('4 problems remain')
    expect(fs.existsSync(path.join(place.folder, 'quarantine'))).toBe(false)
    expect((await place.curio('verify')).out).toBe(out)
  })

  it('--repair sets damage aside; what is gone remains a problem, unless --allow-missing passes over it', async () => {
    const bad = await store.save('bad', TextCacher, 'right')
    damage(store.blobs.path(bad.files[0]!.sha256), 'wrong')
    fs.writeFileSync(path.join(place.folder, deadTemporary()), 'half')
    const repaired = await place.curio('verify', '--repair')
    expect(repaired.code).toBe(0)
    expect(repaired.out).toContain('1 damaged blob, repaired')
    expect(repaired.out).toContain('1 file left by a killed writer, repaired')
    expect(fs.readdirSync(path.join(place.folder, 'quarantine'))).toHaveLength(1)
    expect((await place.curio('verify')).code).toBe(1)
    const allowed = await place.curio('verify', '--allow-missing')
    expect(allowed.code).toBe(0)
    expect(allowed.out).toContain('1 missing blob')
    await store.save('bad', TextCacher, 'right')
    expect((await place.curio('verify')).code).toBe(0)
  })

  it('an entry of a newer format is mentioned and no failure', async () => {
    await store.save('newer', TextCacher, 'x')
    const file = path.join(store.dirOf('newer'), 'entry.json')
    const { createHash } = await import('node:crypto')
    const body = '{"from":"the future"}'
    const sha256 = createHash('sha256').update(`2:${body}`).digest('hex')
    damage(file, `{"curio":"entry","format":2,"sha256":"${sha256}","entry":${body}}\n`)
    const { out, code } = await place.curio('verify', '--repair')
    expect(code).toBe(0)
    expect(out).toContain('1 entry of a newer format')
    expect(fs.readFileSync(file, 'utf8')).toContain('the future')
    expect((await place.curio('ls')).out).toContain('newer: it has format 2')
  })

  it('--json gives the report and how many problems remain', async () => {
    const gone = await store.save('gone', TextCacher, 'lost')
    fs.rmSync(store.blobs.path(gone.files[0]!.sha256))
    await store.blobs.put('nobody needs me')
    const { out, code } = await place.curio('verify', '--json')
    expect(code).toBe(1)
    expect(JSON.parse(out)).toEqual({
      store: place.folder,
      entries: 1,
      blobs: 1,
      bytes: 15,
      unreferenced: { blobs: 1, bytes: 15 },
      problems: [{ kind: 'blob-missing', where: expect.any(String), detail: expect.any(String), repaired: false }],
      remaining: 1,
    })
  })

  it('shows its progress on a terminal, and only there', async () => {
    await store.save('a', TextCacher, 'a')
    expect((await place.curioWith({ tty: true }, 'verify')).err).toContain('\r\u001b[2Kverify: ')
    expect((await place.curioWith({ tty: true }, 'verify', '--json')).err).toBe('')
    expect((await place.curio('verify')).err).toBe('')
  })
})

describe('curio du', () => {
  beforeEach(async () => {
    const shared = 'shared by all'.repeat(100)
    await commitStage(store, {
      id: 'a',
      params: { s: 1 },
      outputs: { x: [new TextCacher(), shared], y: [new TextCacher(), 'only a'] },
    })
    await commitStage(store, { id: 'a', params: { s: 2 }, outputs: { x: [new TextCacher(), shared] } })
    await commitStage(store, { id: 'b', outputs: { x: [new TextCacher(), shared] } })
    await store.save('demo/one', BytesCacher, new Uint8Array(5000))
    await store.save('demo/two', TextCacher, 'evicted later')
    await store.evict('demo/two')
    await store.blobs.put('nobody needs me')
    fs.mkdirSync(path.join(place.folder, 'quarantine'))
    fs.writeFileSync(path.join(place.folder, 'quarantine', 'bad'), 'damaged!')
    fs.writeFileSync(path.join(store.dirOf('demo/one'), 'checkpoint'), 'mine')
  })

  it('counts shared bytes once in a group and once in the total', async () => {
    const report = JSON.parse((await place.curio('du', '--json')).out) as Record<string, unknown>
    expect(report).toMatchObject({
      groups: [
        { name: 'demo/', entries: 2, bytes: 5000, shared: 0 },
        { name: 'a,1', entries: 2, bytes: 1306, shared: 1300 },
        { name: 'b,1', entries: 1, bytes: 1300, shared: 1300 },
      ],
      total: { entries: 5, blobs: 4, bytes: 5000 + 1306 + 15 },
      unreferenced: { blobs: 1, bytes: 15 },
      quarantine: { files: 1, bytes: 8 },
      yours: { files: 1, bytes: 4 },
    })
  })

  it('lists the largest artifacts that are there, each once', async () => {
    const { largest } = JSON.parse((await place.curio('du', '--json')).out) as {
      largest: { key: string; bytes: number; keys: number }[]
    }
    expect(largest.map(({ bytes, keys }) => [bytes, keys])).toEqual([
      [5000, 1],
      [1300, 3],
      [6, 1],
    ])
    const top = JSON.parse((await place.curio('du', '--json', '--top', '1')).out) as { largest: unknown[] }
    expect(top.largest).toHaveLength(1)
  })

  it('prints a table', async () => {
    const { out } = await place.curio('du')
    expect(out).toMatch(/^entries +bytes +shared\n +2 +4\.9 KiB +demo\/\n +2 +1\.3 KiB +1\.3 KiB +a,1\n/)
    expect(out).toMatch(/^ +5 +6\.2 KiB +total, in 4 blobs$/m)
    expect(out).toMatch(/^no entry needs +15 B in 1 blob, part of the total$/m)
    expect(out).toMatch(/^quarantine\/ +8 B in 1 damaged file set aside/m)
    expect(out).toMatch(/^yours +4 B in 1 file of your own/m)
    expect(out).toMatch(/^ +4\.9 KiB +bytes +demo\/one#value$/m)
    expect(out).toMatch(/#x {2}and under 2 other keys$/m)
  })
})
