/** Row 12, second half: links where folders and files should be, and a folder that anyone may write to. Runs as anybody. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../cachers/bytes.js'
import { Store } from '../../src/artifact/store.js'
import { CurioError } from '../../src/errors.js'
import { everything, overwrite, withFolder } from './harness/folders.js'
import { bytesFor } from './harness/random.js'
import { type Counts, must, mustBe, mustEqual, type RunOptions } from './harness/row.js'

const value = bytesFor('value', 2000)

export async function run(_: RunOptions): Promise<Counts> {
  const scenarios = [linkedShard, linkedKeyFolder, linkedBlob, linkedEntry, pipes, worldWritable]
  for (const scenario of scenarios) await withFolder(scenario)
  return { traps: scenarios.length, 'written outside': 0, followed: 0 }
}

async function store(parent: string): Promise<{ store: Store; outside: string }> {
  const outside = path.join(parent, 'outside')
  fs.mkdirSync(outside)
  return { store: await Store.open({ folder: path.join(parent, 'store'), durability: 'cache' }), outside }
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'no error',
    (error: unknown) => (CurioError.is(error) ? error.code : String(error)),
  )
}

async function linkedShard(parent: string): Promise<void> {
  const { store: s, outside } = await store(parent)
  const { sha256 } = await s.blobs.put(value)
  const shard = path.dirname(s.blobs.path(sha256))
  fs.rmSync(shard, { recursive: true })
  fs.symlinkSync(outside, shard)
  const fresh = await Store.open({ folder: s.folder, durability: 'artifact' })
  mustEqual(await codeOf(fresh.save('a', BytesCacher, value)), 'ERR_STORE_IO', 'a save into a shard that is a link')
  mustEqual(everything(outside).length, 0, 'files outside, by a shard that is a link')
}

async function linkedKeyFolder(parent: string): Promise<void> {
  const { store: s, outside } = await store(parent)
  fs.mkdirSync(path.join(s.folder, 'artifacts'))
  fs.symlinkSync(outside, path.join(s.folder, 'artifacts', 'demo'))
  for (const key of ['demo', 'demo/a', 'demo/a/b']) {
    mustEqual(await codeOf(s.save(key, BytesCacher, value)), 'ERR_STORE_IO', `a save of ${key} through a link`)
  }
  mustEqual(everything(outside).length, 0, 'files outside, by a key folder that is a link')
}

/** Whatever a link leads to, even the right bytes: a blob is a file. */
async function linkedBlob(parent: string): Promise<void> {
  const { store: s, outside } = await store(parent)
  const { files } = await s.save('a', BytesCacher, value)
  const blob = s.blobs.path(files[0]!.sha256)
  fs.rmSync(blob)
  fs.writeFileSync(path.join(outside, 'same'), value)
  fs.symlinkSync(path.join(outside, 'same'), blob)
  must(!(await s.has('a')), 'a blob that is a link counts as there')
  mustEqual(await s.blobs.get(files[0]!.sha256), undefined, 'a blob that is a link')
  fs.rmSync(blob, { force: true })
  fs.symlinkSync(path.join(outside, 'same'), blob)
  await s.save('a', BytesCacher, value)
  must(fs.lstatSync(blob).isFile(), 'a save left a link in the place of a blob')
  mustBe(fs.readFileSync(path.join(outside, 'same')), value, 'the file the link led to')
}

async function linkedEntry(parent: string): Promise<void> {
  const { store: s, outside } = await store(parent)
  await s.save('a', BytesCacher, value)
  const entry = path.join(s.dirOf('a'), 'entry.json')
  const copy = path.join(outside, 'entry.json')
  fs.copyFileSync(entry, copy)
  const before = fs.readFileSync(copy)
  fs.rmSync(entry)
  fs.symlinkSync(copy, entry)
  must(!s.readEntry('a').hit, 'an entry that is a link was followed')
  fs.rmSync(entry, { force: true })
  fs.symlinkSync(copy, entry)
  await s.save('a', BytesCacher, bytesFor('other', 100))
  must(fs.lstatSync(entry).isFile(), 'a save left a link in the place of an entry')
  mustBe(fs.readFileSync(copy), before, 'the file the link led to')
}

/** A pipe in the place of a file must not make a read wait for ever. */
async function pipes(parent: string): Promise<void> {
  const { store: s } = await store(parent)
  const { files } = await s.save('a', BytesCacher, value)
  const { execFileSync } = await import('node:child_process')
  for (const file of [s.blobs.path(files[0]!.sha256), path.join(s.dirOf('a'), 'entry.json')]) {
    fs.rmSync(file)
    execFileSync('mkfifo', [file])
    mustEqual(await codeOf(s.load('a', BytesCacher)), 'ERR_NOT_FOUND', `a load with a pipe at ${path.basename(file)}`)
    await s.save('a', BytesCacher, value)
    mustBe(await s.load('a', BytesCacher), value, 'the value, saved again')
  }
}

async function worldWritable(parent: string): Promise<void> {
  const folder = path.join(parent, 'open')
  fs.mkdirSync(folder)
  fs.chmodSync(folder, 0o777)
  mustEqual(await codeOf(Store.open(folder)), 'ERR_STORE_OPEN', 'a folder that anyone may write to')
  const trusted = await Store.open({ folder, trustWorldWritable: true, durability: 'cache' })
  await trusted.save('a', BytesCacher, value)
  for (const place of everything(folder)) {
    const stat = fs.lstatSync(path.join(folder, place))
    must(!stat.isFile() || (stat.mode & 0o002) === 0, `${place} may be written by anyone`)
  }
  // Bytes that somebody changed all the same are found.
  const [file] = (await trusted.entry('a'))!.artifacts[0]!.files!
  overwrite(trusted.blobs.path(file!.sha256), bytesFor('forged', 2000))
  mustEqual(await trusted.blobs.get(file!.sha256), undefined, 'bytes that somebody changed')
}
