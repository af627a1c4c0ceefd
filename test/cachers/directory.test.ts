import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { Experiment, lazy, Store, stage } from 'curio'
import { describe, expect, it } from 'vitest'
import { type Directory, DirectoryCacher } from '../../cachers/directory.js'
import { shownLines, showValue } from '../../src/cli/value.js'
import { tempDir } from '../helpers/temp.js'

type Files = Readonly<Record<string, string>>

function write(folder: string, files: Files): string {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    fs.writeFileSync(path.join(folder, name), content)
  }
  return folder
}

/** What is below a folder. */
function read(folder: string): Files {
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  const files = names.filter((name) => fs.statSync(path.join(folder, name)).isFile())
  return Object.fromEntries(files.map((name) => [name, fs.readFileSync(path.join(folder, name), 'utf8')]))
}

const tree = { 'a.txt': '1', 'b/c.txt': '2' }

describe('inline', () => {
  it('a folder is copied to one that is absent or empty, and loaded from there', async () => {
    await using dir = tempDir()
    const from = write(dir.join('from'), tree)
    for (const name of ['plots', 'deep/er/plots', 'plots.v1']) {
      const to = dir.join('results', name)
      if (name === 'plots') fs.mkdirSync(to, { recursive: true })
      await DirectoryCacher(to).save(from)
      expect(read(to)).toEqual(tree)
      expect(await DirectoryCacher(to).load()).toEqual({ path: to, files: ['a.txt', 'b/c.txt'] })
    }
    expect(fs.readdirSync(dir.join('results')).sort()).toEqual(['deep', 'plots', 'plots.v1'])
    expect(fs.readdirSync(dir.path).sort()).toEqual(['from', 'results'])
  })

  it('a folder with an extension is not the one without', async () => {
    await using dir = tempDir()
    write(dir.join('plots'), tree)
    expect(DirectoryCacher(dir.join('plots')).check()).toBe(true)
    expect(DirectoryCacher(dir.join('plots.v1')).check()).toBe(false)
    await expect(DirectoryCacher(dir.join('plots.v1')).load()).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('what is there is never removed, unless replace says so', async () => {
    await using dir = tempDir()
    const to = write(dir.join('plots'), { 'theirs.txt': 'x' })
    const refused = DirectoryCacher(to).save({ files: tree })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_CACHER_SAVE' })
    await expect(refused).rejects.toThrow(/which holds a file or folder already[\s\S]*replace: true/)
    expect(read(dir.path)).toEqual({ 'plots/theirs.txt': 'x' })
    await DirectoryCacher(to, { replace: true }).save({ files: tree })
    expect(read(dir.path)).toEqual({ 'plots/a.txt': '1', 'plots/b/c.txt': '2' })
    expect(fs.readdirSync(dir.path)).toEqual(['plots'])
  })

  it('a file or a link in the place of the folder is left alone', async () => {
    await using dir = tempDir()
    write(dir.path, { 'a/file': 'x' })
    fs.symlinkSync('a', dir.join('link'))
    for (const name of ['a/file', 'link', 'a/file/below']) {
      const failed = DirectoryCacher(dir.join(name), { replace: true }).save({ files: tree })
      await expect(failed).rejects.toThrow(name === 'a/file/below' ? /cannot create a folder in/ : /which is no folder/)
    }
    expect(fs.readlinkSync(dir.join('link'))).toBe('a')
    expect(read(dir.path)).toEqual({ 'a/file': 'x', 'link/file': 'x' })
  })

  it('a failed save leaves what was there, and nothing else', async () => {
    await using dir = tempDir()
    const to = write(dir.join('plots'), { 'old.txt': 'x' })
    const long = `${'x'.repeat(250)}/${'y'.repeat(100)}`
    const files = { ...tree, [long]: '', [`z/${'n'.repeat(300)}`]: 'no file system takes this name' }
    await expect(DirectoryCacher(to, { replace: true }).save({ files })).rejects.toMatchObject({ code: 'ERR_STORE_IO' })
    expect(read(dir.path)).toEqual({ 'plots/old.txt': 'x' })
    expect(fs.readdirSync(dir.path)).toEqual(['plots'])
  })

  it('a folder is not copied into itself', async () => {
    await using dir = tempDir()
    write(dir.path, tree)
    await expect(DirectoryCacher(dir.join('b/copy')).save(dir.path)).rejects.toThrow(/inside itself/)
    await DirectoryCacher(dir.join('b'), { replace: true }).save(dir.join('b'))
    expect(read(dir.path)).toEqual(tree)
  })

  it('keeps modes as they are, but for read-only files', async () => {
    await using dir = tempDir()
    const from = write(dir.join('from'), { run: '', locked: '', secret: '' })
    fs.chmodSync(path.join(from, 'run'), 0o755)
    fs.chmodSync(path.join(from, 'locked'), 0o444)
    fs.chmodSync(path.join(from, 'secret'), 0o600)
    await DirectoryCacher(dir.join('to')).save(from)
    const mode = (name: string) => (fs.statSync(dir.join('to', name)).mode & 0o777).toString(8)
    expect(['run', 'locked', 'secret'].map(mode)).toEqual(['755', '644', '600'])
  })

  it('options are checked', () => {
    expect(() => DirectoryCacher('x', { replace: 'yes' as never })).toThrow(/replace .* must be true or false/)
    expect(() => DirectoryCacher('x', { overwrite: true } as never)).toThrow(/has no option "overwrite"/)
  })
})

describe('names', () => {
  const bytes = process.platform === 'linux'
  it.skipIf(!bytes)(`that are no UTF-8 are refused${bytes ? '' : ' (skipped: names are text here)'}`, async () => {
    await using from = tempDir()
    await using to = tempDir()
    fs.writeFileSync(Buffer.concat([Buffer.from(`${from.path}/a`), Buffer.of(0xff)]), '')
    await expect(DirectoryCacher(to.join('x')).save(from.path)).rejects.toThrow(/whose name is not UTF-8 text/)
  })

  it('of pipes and links to what is no blob are refused, also when loaded', async () => {
    await using dir = tempDir()
    const from = write(dir.join('from'), tree)
    spawnSync('mkfifo', [path.join(from, 'pipe')])
    await expect(DirectoryCacher(dir.join('to')).save(from)).rejects.toThrow(
      /holds pipe, which is a link or special file/,
    )
    fs.rmSync(path.join(from, 'pipe'))
    fs.symlinkSync('/etc/hostname', path.join(from, 'b/host'))
    await expect(DirectoryCacher(from).load()).rejects.toThrow(/^directory cannot load: from holds b\/host/)
    expect(
      await DirectoryCacher(dir.join('some'))
        .save({ path: from, files: ['a.txt'] })
        .catch(String),
    ).toMatch(/b\/host/)
  })
})

describe('in a store', () => {
  it('thousands of files are kept, a few of them large, and none is read into memory', async () => {
    await using dir = tempDir()
    const store = await Store.open({ folder: dir.join('store'), durability: 'cache' })
    const names = Array.from({ length: 1001 }, (_, i) => `part-${i % 20}/${i}.txt`)
    const from = write(dir.join('from'), Object.fromEntries(names.map((name, i) => [name, String(i % 50)])))
    const large = 64 << 20
    fs.truncateSync(path.join(write(from, { 'large.bin': '' }), 'large.bin'), large)
    const before = process.memoryUsage()
    const saved = await store.save('many', DirectoryCacher, from)
    const loaded = await store.load<Directory>('many')
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(large * 0.75)
    expect(saved.files).toHaveLength(1002)
    expect(loaded.files).toEqual(['large.bin', ...names].sort())
    expect(fs.statSync(path.join(loaded.path, 'large.bin')).size).toBe(large)
    expect(fs.readFileSync(path.join(loaded.path, 'part-7/987.txt'), 'utf8')).toBe('37')
    expect(fs.readdirSync(await store.lazy('many').toPath())).toHaveLength(21)
  })

  it('what is loaded is read-only, each time a folder of its own, and stays though the artifact is loaded again', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    await store.save('plots', DirectoryCacher, { files: tree })
    const [first, second] = [await store.load<Directory>('plots'), await store.load<Directory>('plots')]
    expect(first.path).not.toBe(second.path)
    expect([read(first.path), read(second.path)]).toEqual([tree, tree])
    expect(fs.statSync(path.join(first.path, 'a.txt')).mode & 0o222).toBe(0)
  })

  it('what was loaded, and what a store shows, can be saved again, and is the same artifact', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const saved = await store.save('plots', DirectoryCacher, { files: tree })
    const loaded = await store.load<Directory>('plots')
    for (const [key, value] of Object.entries({
      again: loaded,
      path: loaded.path,
      lazy: store.lazy('plots').path,
      view: path.join(dir.path, 'store/artifacts/plots/value'),
    })) {
      expect((await store.save(key, DirectoryCacher, value)).digest).toBe(saved.digest)
    }
    await DirectoryCacher(dir.join('copy')).save(loaded)
    expect(fs.lstatSync(dir.join('copy/a.txt')).isFile()).toBe(true)
    expect(read(dir.join('copy'))).toEqual(tree)
  })

  it('an artifact is the same whatever folder it came from, and in whatever order its files were made', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const one = await store.save('one', DirectoryCacher, write(dir.join('x'), { b: '2', a: '1' }))
    const two = await store.save('two', DirectoryCacher, write(dir.join('y'), { a: '1', b: '2' }))
    expect(one.digest).toBe(two.digest)
    expect((await store.save('three', DirectoryCacher, { files: { a: '1', b: '3' } })).digest).not.toBe(one.digest)
  })
})

describe('in stages', () => {
  it('flows on as a folder with its files, on the first run and the next, and a body may write it in place', async () => {
    await using dir = tempDir()
    const draw = stage({ outputs: { plots: DirectoryCacher, inPlace: DirectoryCacher } }, async function draw(record) {
      write(record.cachers.inPlace!.getDir(), { 'deep/x.svg': '<svg/>' })
      return { plots: { files: { 'a.svg': '<svg/>' } }, inPlace: record.cachers.inPlace as never }
    })
    const index = stage(
      { inputs: [draw], outputs: { list: lazy(DirectoryCacher) } },
      async function index(_, { plots, inPlace }) {
        return { list: { files: { 'index.txt': [...plots.files, ...inPlace.files].join() } } }
      },
    )
    for (let run = 0; run < 2; run++) {
      const experiment = new Experiment({ name: 'x', store: dir.join('store') })
      const record = await experiment.run(undefined, [draw, index])
      const { path: at, files } = await record.get('inPlace')
      expect([files, read(at)]).toEqual([['deep/x.svg'], { 'deep/x.svg': '<svg/>' }])
      const list = record.lazy('list')
      expect(read(list.path)).toEqual({ 'index.txt': 'a.svg,deep/x.svg' })
      expect(path.basename(list.path)).toBe('list')
    }
  })

  it('further files of a stage are loaded by the same name: their folder is the artifact itself', async () => {
    await using dir = tempDir()
    const noted = stage({ outputs: { n: DirectoryCacher } }, async function noted(record) {
      write(record.getDir('notes'), { 'a.txt': 'extra' })
      fs.writeFileSync(record.getPath('log.txt'), 'line')
      return { n: { files: { x: '' } } }
    })
    const experiment = new Experiment({ name: 'x', store: dir.join('store') })
    const record = await experiment.run(undefined, [noted])
    const store = await Store.open(dir.join('store'))
    const handle = record.lazy('n')
    const key = (handle as unknown as { key: string }).key
    const extra = store.lazy<Directory>(key, { name: '_files' })
    const loaded = await extra.load()
    expect(loaded.files).toEqual(['log.txt', 'notes/a.txt'])
    expect(read(loaded.path)).toEqual({ 'log.txt': 'line', 'notes/a.txt': 'extra' })
    expect(await store.load(key, { name: '_files', cacher: DirectoryCacher })).toMatchObject({ files: loaded.files })
    expect(read(extra.path)).toEqual(read(loaded.path))
    expect(read(await extra.toPath())).toEqual(read(loaded.path))
  })

  it('curio cat names the files of both', async () => {
    await using dir = tempDir()
    const shown = stage({ outputs: { plots: DirectoryCacher } }, async function shown(record) {
      fs.writeFileSync(record.getPath('log.txt'), 'line')
      return { plots: { files: tree } }
    })
    const record = await new Experiment({ name: 'x', store: dir.join('store') }).run(undefined, [shown])
    const store = await Store.open(dir.join('store'))
    const entry = (await store.entry((record.lazy('plots') as unknown as { key: string }).key))!
    const lines = await Promise.all(
      entry.artifacts.map(async (artifact) => shownLines(await showValue(store, entry, artifact)).join('\n')),
    )
    expect(lines).toEqual([expect.stringMatching(/a\.txt[\s\S]*b\/c\.txt/), expect.stringMatching(/log\.txt/)])
  })

  it('a copy at an exact path has the files below it', async () => {
    await using dir = tempDir()
    const cacher = DirectoryCacher({ overwritePath: dir.join('out/plots.v1') })
    const draw = stage({ outputs: { plots: cacher } }, async function drawCopy() {
      return { plots: { files: tree } }
    })
    await new Experiment({ name: 'x', store: dir.join('store') }).run(undefined, [draw])
    expect(read(dir.join('out'))).toMatchObject({ 'plots.v1/a.txt': '1', 'plots.v1/b/c.txt': '2' })
  })
})
