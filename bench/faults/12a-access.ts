/** Row 12, first half: folders and files of other users, read by one who may and one who may not. Needs root, to be others. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../cachers/bytes.js'
import { Store } from '../../src/artifact/store.js'
import type { Visit } from './children/visitor.js'
import { Child, type ChildOptions } from './harness/child.js'
import { everything, overwrite, withFolder } from './harness/folders.js'
import { bytesFor } from './harness/random.js'
import { bySize, type Counts, must, mustEqual, type RunOptions } from './harness/row.js'
import { survey } from './harness/survey.js'

const stranger = { uid: 54_321, gid: 54_321 }
const colleague = { uid: 54_322, gid: 54_320 }
const group = 54_320

export function needs(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux, to act as other users'
  const there = spawnSync(process.execPath, ['-e', `fs.readdirSync(${JSON.stringify(import.meta.dirname)})`], stranger)
  return there.status === 0 ? undefined : 'needs a checkout that other users may read'
}

export async function run({ size }: RunOptions): Promise<Counts> {
  const counts: Counts = { visits: 0, 'things tried': 0, 'wrong values': 0, 'untyped errors': 0 }
  const visit = async (rest: Visit, who: ChildOptions, expected: readonly string[], what: string): Promise<void> => {
    const child = await Child.start('visitor', rest, who)
    const ended = JSON.parse((await child.finish()).at(-1)!) as string[]
    counts.visits! += 1
    counts['things tried']! += ended.length
    mustEqual(ended.join(' '), expected.join(' '), what)
  }
  for (const scenario of [readOnlyRoot, groupFolder, blockedFolders]) {
    await withFolder((parent) => scenario(path.join(parent, 'store'), visit))
  }
  const umasks = bySize(size, { small: [0, 0o077], full: [0, 0o002, 0o027, 0o077, 0o777] })
  await withFolder((parent) => modesWhateverTheUmask(path.join(parent, 'store'), umasks, visit))
  return counts
}

type Visiting = (visit: Visit, who: ChildOptions, expected: readonly string[], what: string) => Promise<void>

async function filled(folder: string, mode: number, keys: readonly string[]): Promise<Store> {
  fs.mkdirSync(folder)
  fs.chownSync(folder, 0, group)
  fs.chmodSync(folder, mode)
  const store = await Store.open({ folder, durability: 'cache' })
  for (const key of keys) await store.save(key, BytesCacher, bytesFor(key, 2000))
  return store
}

/** Anyone may read what root stored; writing degrades, and nothing changes. */
async function readOnlyRoot(folder: string, visit: Visiting): Promise<void> {
  const store = await filled(folder, 0o755, ['a', 'b', 'hurt', 'torn'])
  overwrite(store.blobs.path((await store.entry('hurt'))!.artifacts[0]!.files![0]!.sha256), Buffer.alloc(2000))
  overwrite(path.join(store.dirOf('torn'), 'entry.json'), 'garbage')
  const before = everything(folder).join('\n')
  const todo: Visit['todo'] = [
    ['load', 'a'],
    ['has', 'b'],
    ['has', 'none'],
    ['load', 'none'],
    ['load', 'hurt'],
    ['load', 'torn'],
    ['obtain', 'a'],
    ['obtain', 'hurt'],
    ['obtain', 'torn'],
    ['obtain', 'new'],
    ['list', ''],
  ]
  // `hurt` counts as there until its bytes are read; then it is computed, though it cannot be put right.
  const reads = ['ok', 'ok', 'miss', 'miss', 'miss', 'miss', 'loaded', 'uncached', 'uncached', 'uncached', '3']
  await visit({ folder, todo: [['obtain', 'hurt']] }, stranger, ['ok', 'loaded'], 'what is damaged, not yet read')
  await visit({ folder, todo }, stranger, ['ok', ...reads], 'a store of root, as a stranger')
  await visit({ folder, todo, readOnly: true }, stranger, ['ok', ...reads], 'the same, opened read-only')
  await visit({ folder, todo: [['save', 'new']] }, stranger, ['ok', 'ERR_PERMISSION'], 'saving into a store of root')
  await visit(
    { folder, todo: [['save', 'new']], readOnly: true },
    {},
    ['ok', 'ERR_READ_ONLY'],
    'saving read-only, as root',
  )
  mustEqual(everything(folder).join('\n'), before, 'the files of a store that strangers visited')
}

/** In a group's folder (2775) each uses and heals what the others put, though their files are 0444. */
async function groupFolder(folder: string, visit: Visiting): Promise<void> {
  const store = await filled(folder, 0o2775, ['a', 'hurt', 'torn'])
  const blob = store.blobs.path((await store.entry('hurt'))!.artifacts[0]!.files![0]!.sha256)
  fs.writeFileSync(blob, Buffer.alloc(2000))
  fs.writeFileSync(path.join(store.dirOf('torn'), 'entry.json'), 'garbage')
  const todo: Visit['todo'] = [
    ['save', 'a'],
    ['save', 'new'],
    ['obtain', 'hurt'],
    ['load', 'hurt'],
    ['save', 'torn'],
    ['load', 'torn'],
    ['verify', ''],
  ]
  const expected = ['same', 'created', 'loaded', 'ok', 'healed', 'ok', '0 problems']
  await visit({ folder, todo, umask: 0o077 }, colleague, ['ok', ...expected], 'a colleague in a group folder')
  await visit({ folder, todo: [['save', 'mine']] }, stranger, ['ok', 'ERR_PERMISSION'], 'a stranger in a group folder')
  const another = { uid: 54_323, gid: group }
  await visit(
    {
      folder,
      todo: [
        ['load', 'new'],
        ['save', 'new'],
      ],
    },
    another,
    ['ok', 'ok', 'same'],
    'another colleague',
  )
  for (const place of everything(folder)) {
    const { mode, gid } = fs.lstatSync(path.join(folder, place))
    if (place.startsWith('touch/') || fs.lstatSync(path.join(folder, place)).isSymbolicLink()) continue
    mustEqual(gid, group, `the group of ${place}`)
    must((mode & 0o040) !== 0, `the group cannot read ${place}`)
  }
}

/** What cannot be looked at is an error that says so, not a miss; a stage goes on without the cache. */
async function blockedFolders(folder: string, visit: Visiting): Promise<void> {
  const store = await filled(folder, 0o2775, ['a', 'b'])
  const keyDir = store.dirOf('a')
  fs.chmodSync(keyDir, 0o644)
  const blobDir = path.dirname(store.blobs.path((await store.entry('b'))!.artifacts[0]!.files![0]!.sha256))
  fs.chmodSync(blobDir, 0o644)
  const todo: Visit['todo'] = [
    ['load', 'a'],
    ['has', 'a'],
    ['save', 'a'],
    ['load', 'b'],
    ['has', 'b'],
    ['save', 'c'],
  ]
  const denied = Array.from({ length: 5 }, () => 'ERR_PERMISSION')
  await visit({ folder, todo }, colleague, ['ok', ...denied, 'created'], 'folders that may not be searched')
  fs.chmodSync(keyDir, 0o2775)
  fs.chmodSync(blobDir, 0o2775)
  fs.chmodSync(path.join(folder, 'curio.json'), 0o600)
  await visit({ folder, todo }, colleague, ['ERR_PERMISSION'], 'a store that may not be read')
  must(survey(folder).torn.length === 0, 'torn files')
}

/** Modes follow from the store's folder: private stays private, a group's is the group's, and umask changes nothing. */
async function modesWhateverTheUmask(folder: string, umasks: readonly number[], visit: Visiting): Promise<void> {
  const cases: [mode: number, dir: number, file: number][] = [
    [0o700, 0o700, 0o400],
    [0o755, 0o755, 0o444],
    [0o2775, 0o2775, 0o444],
    [0o2770, 0o2770, 0o440],
  ]
  for (const [mode, dir, file] of cases) {
    for (const umask of umasks) {
      const at = `${folder}-${mode.toString(8)}-${umask.toString(8)}`
      fs.mkdirSync(at)
      fs.chmodSync(at, mode)
      await visit(
        { folder: at, todo: [['save', 'space/a']], umask },
        {},
        ['ok', 'created'],
        `umask ${umask.toString(8)}`,
      )
      for (const place of everything(at)) {
        const stat = fs.lstatSync(path.join(at, place))
        if (stat.isSymbolicLink() || place.endsWith('.meta.json')) continue
        const [is, want] = [stat.mode & 0o7777, stat.isDirectory() ? dir : file]
        must(
          is === want,
          () => `${place} in a ${mode.toString(8)} store, umask ${umask.toString(8)}: ${is.toString(8)}`,
        )
      }
    }
  }
}
