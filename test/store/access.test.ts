/** Rights and space, as the system gives them: other users, foreign folders, a disk that fills up. */
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { NoSpaceError } from '../../src/errors.js'
import { sha256 } from '../../src/identity/digest.js'
import { type Child, startChild } from '../helpers/child.js'
import { othersReason } from '../helpers/others.js'
import { BareStore, load, save } from '../helpers/stores.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { snapshot, temporariesBelow } from '../helpers/tree.js'

const required = process.env.CURIO_REQUIRE_SERVICES === '1'
const child = new URL('./child.ts', import.meta.url)
const [group, alice, bob] = [54_000, 54_001, 54_002]

let dir: TempDir
beforeEach(() => {
  dir = tempDir()
  fs.chmodSync(dir.path, 0o755)
  return () => dir[Symbol.asyncDispose]()
})

/** A folder for the store, owned and with rights as given. */
function folder(mode: number, uid = 0, gid = 0): string {
  const made = dir.join('store')
  fs.mkdirSync(made, { recursive: true })
  fs.chownSync(made, uid, gid)
  fs.chmodSync(made, mode)
  return made
}

const users = new Map<number, Child>()
let asked = 0

/** One action by another user, in a process of theirs; says what came of it. */
async function as(uid: number, action: string, ...args: string[]): Promise<string> {
  let user = users.get(uid)
  if (user === undefined) {
    user = startChild(child, ['as', `${uid}`, `${group}`, '022'])
    users.set(uid, user)
  }
  await user.says('ready')
  const number = ++asked
  user.tell([number, dir.join('store'), action, ...args].join(' '))
  return (await user.says(`${number}: `)).slice(`${number}: `.length)
}

afterAll(async () => {
  for (const user of users.values()) user.kill('SIGKILL')
  await Promise.all([...users.values()].map((user) => user.ended))
})

describe.skipIf(othersReason !== undefined && !required)(
  `other users${othersReason === undefined ? '' : ` (skipped: ${othersReason})`}`,
  () => {
    test('of a group share a store of theirs: each reads, heals, replaces and tidies what the others put', async () => {
      const root = folder(0o2775, alice, group)
      expect(await as(alice, 'save', 'demo/a', 'A')).toBe('saved created')
      expect(await as(bob, 'load', 'demo/a')).toBe('loaded A')
      expect(await as(bob, 'save', 'demo/a', 'A')).toBe('saved same')
      expect(await as(bob, 'save', 'demo/b', 'B')).toBe('saved created')
      const blob = path.join(root, 'blobs', sha256('A').slice(0, 2), sha256('A'))
      expect(fs.statSync(blob)).toMatchObject({ uid: alice, gid: group })
      expect(fs.statSync(path.join(root, 'artifacts', 'demo'))).toMatchObject({ uid: alice, gid: group })
      fs.rmSync(blob)
      fs.writeFileSync(blob, 'X')
      fs.chownSync(blob, alice, group)
      expect(await as(bob, 'load', 'demo/a')).toBe('loaded undefined')
      expect(await as(bob, 'save', 'demo/a', 'A')).toBe('saved same')
      expect(await as(alice, 'load', 'demo/a')).toBe('loaded A')
      fs.rmSync(path.join(root, 'artifacts', 'demo', 'a', 'entry.json'))
      fs.writeFileSync(path.join(root, 'artifacts', 'demo', 'a', 'entry.json'), 'garbage')
      expect(await as(bob, 'save', 'demo/a', 'C')).toBe('saved healed')
      expect(await as(alice, 'verify', '')).toBe('problems []')
      expect(await as(alice, 'evict', 'demo/a')).toBe('evicted 1')
      expect(await as(alice, 'once', 'demo/c')).toMatch(/^value made by \d+ lost 0/)
    })

    test('who may only read, read; and are told whose it is when they write', async () => {
      const root = folder(0o755, alice, group)
      expect(await as(alice, 'save', 'demo/a', 'A')).toBe('saved created')
      const before = snapshot(root)
      expect(await as(bob, 'load', 'demo/a')).toBe('loaded A')
      expect(await as(bob, 'read-only', 'demo/a')).toBe('loaded A')
      expect(await as(bob, 'verify', '')).toBe('problems []')
      expect(await as(bob, 'save', 'demo/b', 'B')).toMatch(
        new RegExp(
          `^refused ERR_PERMISSION .*belongs to uid ${alice}, gid ${group}, mode 755; this process is uid ${bob}`,
        ),
      )
      expect(await as(bob, 'save', 'demo/a', 'B')).toMatch(/^refused ERR_PERMISSION/)
      expect(await as(bob, 'evict', 'demo/a')).toMatch(/^refused ERR_PERMISSION/)
      expect(snapshot(root)).toEqual(before)
    })

    test('who may not read are refused, not told that nothing is there', async () => {
      folder(0o700, alice, group)
      await as(alice, 'save', 'demo/a', 'A')
      expect(await as(bob, 'load', 'demo/a')).toMatch(/^refused ERR_PERMISSION/)
    })

    test('meet damage in a store they may only read: a miss, and it stays where it is', async () => {
      const root = folder(0o755, alice, group)
      await as(alice, 'save', 'demo/a', 'A')
      await as(alice, 'save', 'demo/b', 'B')
      const blob = path.join(root, 'blobs', sha256('A').slice(0, 2), sha256('A'))
      fs.chmodSync(blob, 0o644)
      fs.writeFileSync(blob, 'X')
      fs.chmodSync(path.join(root, 'artifacts/demo/b/entry.json'), 0o644)
      fs.writeFileSync(path.join(root, 'artifacts/demo/b/entry.json'), 'garbage')
      const before = snapshot(root)
      expect(await as(bob, 'load', 'demo/a')).toBe('loaded undefined')
      expect(await as(bob, 'load', 'demo/b')).toBe('loaded undefined')
      expect(await as(bob, 'verify', '')).toBe('problems [["entry-damaged",false],["blob-damaged",false]]')
      expect(snapshot(root)).toEqual(before)
    })

    test('who may not use one blob are told, and it is no miss', async () => {
      const root = folder(0o2775, alice, group)
      await as(alice, 'save', 'demo/a', 'A')
      fs.chmodSync(path.join(root, 'blobs', sha256('A').slice(0, 2), sha256('A')), 0o400)
      expect(await as(bob, 'load', 'demo/a')).toMatch(/^refused ERR_PERMISSION/)
    })

    test('compute without a lock where its folder is another’s', async () => {
      const root = folder(0o2775, alice, group)
      await as(alice, 'save', 'demo/a', 'A')
      fs.mkdirSync(path.join(root, 'locks'))
      fs.chmodSync(path.join(root, 'locks'), 0o755)
      expect(await as(bob, 'once', 'demo/new')).toMatch(/^value made by \d+ lost 1/)
      expect(await as(bob, 'load', 'demo/new')).toMatch(/^loaded made by/)
    })

    test('put what is there already, where the folder of notes is another’s', async () => {
      const root = folder(0o2775, alice, group)
      await as(alice, 'save', 'demo/a', 'A')
      fs.mkdirSync(path.join(root, 'touch'))
      fs.chmodSync(path.join(root, 'touch'), 0o700)
      expect(await as(bob, 'save', 'demo/b', 'A')).toBe('saved created')
    })

    test('heal where the quarantine is another’s', async () => {
      const root = folder(0o2775, alice, group)
      await as(alice, 'save', 'demo/a', 'A')
      fs.mkdirSync(path.join(root, 'quarantine'))
      fs.chmodSync(path.join(root, 'quarantine'), 0o700)
      const entry = path.join(root, 'artifacts', 'demo', 'a', 'entry.json')
      for (const [file, outcome] of [
        [entry, 'healed'],
        [path.join(root, 'blobs', sha256('A').slice(0, 2), sha256('A')), 'same'],
      ] as const) {
        fs.rmSync(file)
        fs.writeFileSync(file, 'X')
        expect(await as(bob, 'save', 'demo/a', 'A')).toBe(`saved ${outcome}`)
        expect(await as(alice, 'load', 'demo/a')).toBe('loaded A')
      }
    })

    test('in a sticky folder for all keep to what is theirs', async () => {
      folder(0o1777)
      expect(await as(alice, 'save', 'demo/a', 'A')).toBe('saved created')
      expect(await as(bob, 'load', 'demo/a')).toBe('loaded A')
      expect(await as(bob, 'save', 'demo/b', 'B')).toMatch(/^(saved created|refused ERR_PERMISSION)/)
    })
  },
)

/** A file system of 2 MiB in memory, where the system lets us mount one. */
function smallDisk(at: string, options: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', at]).status === 0
}

const canMount = (() => {
  const probe = fs.mkdtempSync(path.join(fs.realpathSync('/tmp'), 'curio-mount-'))
  try {
    if (!smallDisk(probe, 'size=4k')) return false
    execFileSync('umount', [probe])
    return true
  } finally {
    fs.rmdirSync(probe)
  }
})()

describe.skipIf(!canMount && !required)(
  `a disk that is full${canMount ? '' : ' (skipped: needs the right to mount a tmpfs)'}`,
  () => {
    const onDisk = async (options: string, action: (store: BareStore, disk: string) => Promise<void>) => {
      const disk = dir.join('disk')
      fs.mkdirSync(disk, { recursive: true })
      expect(smallDisk(disk, options)).toBe(true)
      try {
        await action(await BareStore.open(path.join(disk, 'store')), disk)
      } finally {
        execFileSync('umount', ['-l', disk])
      }
    }

    test('is a typed error at any size of file; what was stored is readable; it goes on when there is space', async () => {
      await onDisk('size=2m,mode=755', async (store, disk) => {
        await save(store, 'demo/first', 'first')
        fs.writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(1 << 20))
        let full = 0
        for (let i = 0; i < 40; i++) {
          const name = `demo/${i}`
          const content = `${i} `.repeat(1000 + i * 3000)
          try {
            await save(store, name, content)
          } catch (error) {
            full += 1
            expect(error).toBeInstanceOf(NoSpaceError)
            expect((error as NoSpaceError).hint).toMatch(/free some space/)
            expect(temporariesBelow(store.folder)).toEqual([])
            expect(await load(store, name)).toBeUndefined()
          }
          expect(await load(store, 'demo/first')).toBe('first')
        }
        expect(full).toBeGreaterThan(10)
        expect((await save(store, 'demo/first', 'first')).outcome).toBe('same')
        expect((await store.verify()).problems).toEqual([])
        fs.rmSync(path.join(disk, 'ballast'))
        for (let i = 0; i < 10; i++) await store.forget(`demo/${i}`)
        expect((await save(store, 'demo/later', 'x'.repeat(200_000))).outcome).toBe('created')
        expect((await load(store, 'demo/later'))?.length).toBe(200_000)
      })
    })

    test('of names (inodes), too', async () => {
      await onDisk('size=4m,nr_inodes=60,mode=755', async (store) => {
        await save(store, 'demo/first', 'first')
        let full = 0
        for (let i = 0; i < 30; i++) {
          try {
            await save(store, `demo/${i}`, `${i}`)
          } catch (error) {
            full += 1
            expect(error).toBeInstanceOf(NoSpaceError)
          }
        }
        expect(full).toBeGreaterThan(3)
        expect(temporariesBelow(store.folder)).toEqual([])
        expect(await load(store, 'demo/first')).toBe('first')
        expect(await store.forget('demo/0')).toBeDefined()
      })
    })

    test('while a large stream is put, is a typed error, and nothing is left of it', async () => {
      await onDisk('size=6m,mode=755', async (store) => {
        const source = (async function* () {
          for (let i = 0; i < 20; i++) yield Buffer.alloc(1 << 20, i)
        })()
        await expect(store.blobs.put(source)).rejects.toBeInstanceOf(NoSpaceError)
        await expect(store.blobs.put(Buffer.alloc(8 << 20))).rejects.toBeInstanceOf(NoSpaceError)
        expect(temporariesBelow(store.folder)).toEqual([])
        expect((await store.blobs.put(Buffer.alloc(3 << 20))).bytes).toBe(3 << 20)
      })
    })

    test('damage is a miss there as elsewhere, and an entry can be evicted', async () => {
      await onDisk('size=2m,mode=755', async (store, disk) => {
        await save(store, 'demo/a', 'A'.repeat(10_000))
        await save(store, 'demo/b', 'B'.repeat(10_000))
        const blob = store.blobs.path(sha256('A'.repeat(10_000)))
        fs.chmodSync(blob, 0o644)
        fs.writeFileSync(blob, 'X')
        try {
          fs.writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(4 << 20))
        } catch {
          // It took all there was.
        }
        expect(await load(store, 'demo/a')).toBeUndefined()
        expect(await load(store, 'demo/b')).toBe('B'.repeat(10_000))
        expect(await store.evict('demo/b')).toBe(10_000)
      })
    })

    test('mounted read-only is a permission error for writers, and readable', async () => {
      await onDisk('size=2m,mode=755', async (store, disk) => {
        await save(store, 'demo/a', 'A')
        execFileSync('mount', ['-o', 'remount,ro', disk])
        const reader = await BareStore.open(store.folder)
        expect(await load(reader, 'demo/a')).toBe('A')
        await expect(save(reader, 'demo/b', 'B')).rejects.toMatchObject({ code: 'ERR_PERMISSION', errno: 'EROFS' })
        await expect(save(reader, 'demo/a', 'A')).rejects.toMatchObject({ code: 'ERR_PERMISSION', errno: 'EROFS' })
        expect((await reader.verify({ repair: true })).problems).toEqual([])
      })
    })
  },
)
