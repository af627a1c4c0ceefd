import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TextCacher } from '../../cachers/text.js'
import type { Store } from '../../src/artifact/store.js'
import { signHolder } from '../../src/store/holder.js'
import { heldLocks, probe } from '../../src/store/probe.js'
import { bootToken, hostName } from '../../src/store/process.js'
import { Place } from './helpers.js'

let place: Place
let store: Store
beforeEach(async () => {
  place = new Place()
  store = await place.open()
  await store.save('a', TextCacher, 'a')
})
afterEach(() => place.remove())

interface Check {
  readonly name: string
  readonly status: string
  readonly detail: string
  readonly hint: string | null
}

async function checks(): Promise<Record<string, Check>> {
  const { out } = await place.curio('doctor', '--json')
  return Object.fromEntries((JSON.parse(out) as { checks: Check[] }).checks.map((check) => [check.name, check]))
}

describe('curio doctor', () => {
  it('of a good store finds nothing wrong, and leaves nothing behind', async () => {
    const before = fs.readdirSync(place.folder).sort()
    const { out, code } = await place.curio('doctor')
    expect(code).toBe(0)
    for (const name of [
      'node',
      'store',
      'rights',
      'file system',
      'free space',
      'clock',
      'hard links',
      'fsync',
      'durability',
      'locks',
    ]) {
      expect(out).toMatch(new RegExp(`^(ok|info|warn) +${name} `, 'm'))
    }
    expect(out).toContain(`format 1, sha256, id ${store.id}`)
    expect(out).not.toContain('fail')
    expect(fs.readdirSync(place.folder).sort()).toEqual(before)
  })

  it('names a world-writable folder, with the command that helps, and exits with 3 because it cannot be opened', async () => {
    fs.chmodSync(place.folder, 0o777)
    const ran = await place.curio('doctor')
    expect(ran.code).toBe(3)
    expect(ran.out).toMatch(/fail +rights +anyone on this machine may write here: mode 0777/)
    expect(ran.out).toContain(`→ chmod o-w ${place.folder}`)
    fs.chmodSync(place.folder, 0o1777)
    expect((await place.curio('doctor')).out).toContain('(sticky')
  })

  it('names a world-writable folder inside the store', async () => {
    fs.chmodSync(path.join(place.folder, 'blobs'), 0o777)
    const ran = await place.curio('doctor')
    expect(ran.code).toBe(1)
    expect(ran.out).toMatch(/fail +rights +blobs\/: anyone on this machine may write to it/)
  })

  it('advises setgid for a folder that a group shares', async () => {
    fs.chmodSync(place.folder, 0o775)
    expect((await checks()).rights).toMatchObject({ status: 'info', hint: `chmod g+s ${place.folder}` })
    fs.chmodSync(place.folder, 0o2775)
    expect((await checks()).rights).toMatchObject({ status: 'ok' })
  })

  it('lists locks with their holder, and whether it lives', async () => {
    const mine = path.join(place.folder, 'locks', 'a'.repeat(32))
    fs.mkdirSync(`${mine}.lock`, { recursive: true })
    signHolder(mine)
    fs.mkdirSync(path.join(place.folder, 'locks', `${'b'.repeat(32)}.lock`))
    const { out, code } = await place.curio('doctor')
    expect(code).toBe(0)
    expect(out).toMatch(
      new RegExp(`lock +a{16} by pid ${process.pid} on ${hostName()} since \\S+ \\(alive\\), refreshed \\d+ s ago`),
    )
    expect(out).toMatch(/lock +b{16} by an unknown holder \(unknown\)/)
    expect(heldLocks(place.folder).map(({ state }) => state)).toEqual(['alive', 'unknown'])
  })

  it('counts what killed writers left', async () => {
    fs.writeFileSync(path.join(place.folder, `.tmp-${hostName()}-4194999-${bootToken()}-${'0'.repeat(32)}`), 'x')
    expect((await checks()).temporaries).toMatchObject({
      status: 'warn',
      detail: '1 file left by killed writers',
      hint: 'curio verify --repair removes them',
    })
  })

  it('without a store says so, still looks at the machine, and exits with 3', async () => {
    const ran = await place.curioWith({ cwd: '/' }, 'doctor')
    expect(ran.code).toBe(3)
    expect(ran.out).toMatch(/ok +node +v/)
    expect(ran.out).toMatch(/fail +store +.*no \.curio folder/)
    expect((await place.curio('doctor', '--store', path.join(place.dir, 'absent'))).code).toBe(3)
  })

  it('of a damaged curio.json says what to write there', async () => {
    const marker = path.join(place.folder, 'curio.json')
    fs.chmodSync(marker, 0o600)
    fs.writeFileSync(marker, '{')
    const ran = await place.curio('doctor')
    expect(ran.code).toBe(3)
    expect(ran.out).toContain('"digest":"sha256"')
  })

  it('says of a folder it cannot write to that it is read-only, and who could change that', async () => {
    fs.chmodSync(place.dir, 0o755)
    const ran = await withoutRights(() => place.curio('doctor'))
    expect(ran.code).toBe(0)
    expect(ran.out).toMatch(/warn +rights +read-only for this process \(uid \d+\): mode 0\d+/)
    expect(ran.out).toContain('Hits are served, nothing is stored')
    expect(ran.out).toMatch(/→ (ask its owner for chmod g\+rwxs|chmod u\+rwx) /)
  })
})

/** Root may write everywhere, so it becomes nobody for a while; others take their own right away. */
async function withoutRights<T>(action: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0
  fs.chmodSync(place.folder, isRoot ? 0o755 : 0o555)
  if (isRoot) process.seteuid!(65534)
  try {
    return await action()
  } finally {
    if (isRoot) process.seteuid!(0)
    fs.chmodSync(place.folder, 0o755)
  }
}

describe('probe', () => {
  it('finds on this machine everything a store relies on', () => {
    const seen = probe(place.folder)
    expect(seen.readOnly).toBeUndefined()
    expect(seen.checks.map(({ name, ok }) => [name, ok])).toEqual([
      ['exclusive create', true],
      ['hard links', true],
      ['symbolic links', true],
      ['replace by rename', true],
      ['modes', true],
      ['fsync', true],
    ])
    expect(Math.abs(seen.skewMs!)).toBeLessThan(2000)
    expect(seen.fileSystem!.freeBytes).toBeGreaterThan(0)
    expect(seen.fileSystem!.totalBytes).toBeGreaterThanOrEqual(seen.fileSystem!.freeBytes)
  })

  it('of a folder that cannot be written says why, and throws nothing', () => {
    expect(probe(path.join(place.folder, 'absent'))).toMatchObject({
      checks: [],
      readOnly: expect.stringContaining('ENOENT'),
    })
    expect(probe('/proc')).toMatchObject({ checks: [], readOnly: expect.any(String) })
  })
})
