import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { Experiment, Store, stage } from 'curio'
import { FileReferenceCacher } from 'curio/cachers'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../helpers/temp.js'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

describe('FileReferenceCacher', () => {
  it('writes the absolute path, the size and the SHA-256 of each file', async () => {
    await using dir = tempDir()
    fs.writeFileSync(dir.join('a.csv'), 'x\n')
    const relative = path.relative(process.cwd(), dir.join('a.csv'))
    await FileReferenceCacher(dir.join('ref.json')).save(relative)
    expect(JSON.parse(fs.readFileSync(dir.join('ref.json'), 'utf8'))).toEqual({
      list: false,
      files: [{ path: dir.join('a.csv'), bytes: 2, sha256: sha256('x\n') }],
    })
    expect(await FileReferenceCacher(dir.join('ref.json')).load()).toBe(dir.join('a.csv'))
  })

  it('the digest of its artifact covers the content, not only the path', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const digestWith = async (content: string): Promise<string> => {
      fs.writeFileSync(dir.join('a.csv'), content)
      return (await store.save('ref', FileReferenceCacher, [dir.join('a.csv')], { mode: 'force' })).digest
    }
    const first = await digestWith('one')
    expect(await digestWith('two')).not.toBe(first)
    expect(await digestWith('one')).toBe(first)
  })

  it('check is false when a file is missing, grew, or holds something else of the same size; true when it is as it was', async () => {
    await using dir = tempDir()
    const [file, other] = [dir.join('a'), dir.join('b')]
    const cacher = FileReferenceCacher(dir.join('ref.json'))
    expect(await cacher.check()).toBe(false)
    fs.writeFileSync(file, 'abc')
    fs.writeFileSync(other, '')
    await cacher.save([file, other])
    expect(await cacher.check()).toBe(true)
    fs.writeFileSync(file, 'abd')
    expect(await cacher.check()).toBe(false)
    fs.writeFileSync(file, 'abcd')
    expect(await cacher.check()).toBe(false)
    fs.rmSync(file)
    expect(await cacher.check()).toBe(false)
    fs.mkdirSync(file)
    expect(await cacher.check()).toBe(false)
    fs.rmdirSync(file)
    fs.writeFileSync(file, 'abc')
    expect(await cacher.check()).toBe(true)
    fs.rmSync(other)
    expect(await cacher.check()).toBe(false)
  })

  it('check is false when a folder on the way has become a file', async () => {
    await using dir = tempDir()
    fs.mkdirSync(dir.join('sub'))
    fs.writeFileSync(dir.join('sub/a'), 'x')
    const cacher = FileReferenceCacher(dir.join('ref.json'))
    await cacher.save(dir.join('sub/a'))
    fs.rmSync(dir.join('sub'), { recursive: true })
    fs.writeFileSync(dir.join('sub'), '')
    expect(await cacher.check()).toBe(false)
  })

  it('a file that has not changed for a while is hashed once per process', async () => {
    await using dir = tempDir()
    const file = dir.join('large')
    fs.writeFileSync(file, Buffer.alloc(64 << 20))
    const old = new Date(Date.now() - 60_000)
    fs.utimesSync(file, old, old)
    await new Promise((resolve) => setTimeout(resolve, 2_100))
    const cacher = FileReferenceCacher(dir.join('ref.json'))
    await cacher.save(file)
    const timed = async (work: () => unknown): Promise<number> => {
      const started = performance.now()
      await work()
      return performance.now() - started
    }
    const once = await timed(() => createHash('sha256').update(fs.readFileSync(file)).digest('hex'))
    const twenty = await timed(async () => {
      for (let i = 0; i < 20; i++) expect(await cacher.check()).toBe(true)
    })
    expect(twenty).toBeLessThan(10 * once)
  })

  it('links are followed: what counts is what they lead to', async () => {
    await using dir = tempDir()
    fs.writeFileSync(dir.join('a'), 'one')
    fs.symlinkSync(dir.join('a'), dir.join('link'))
    const cacher = FileReferenceCacher(dir.join('ref.json'))
    await cacher.save(dir.join('link'))
    expect(await cacher.load()).toBe(dir.join('link'))
    fs.writeFileSync(dir.join('a'), 'two')
    expect(await cacher.check()).toBe(false)
  })

  it('a stage whose file is gone or changed runs again; one whose file is there does not', async () => {
    await using dir = tempDir()
    const file = dir.join('made.txt')
    let computed = 0
    const make = stage({ outputs: { where: FileReferenceCacher } }, async function makeFile() {
      computed += 1
      fs.writeFileSync(file, 'made')
      return { where: file }
    })
    const run = async (): Promise<void> => {
      const record = await new Experiment({ name: 'f', store: dir.join('.curio'), progress: false }).run(undefined, [
        make,
      ])
      expect(await record.get('where')).toBe(file)
    }
    await run()
    await run()
    expect(computed).toBe(1)
    fs.rmSync(file)
    await run()
    expect(computed).toBe(2)
    fs.writeFileSync(file, 'edit')
    await run()
    expect(computed).toBe(3)
    await run()
    expect(computed).toBe(3)
  })

  it.each([
    ['not JSON', '{'],
    ['a list of paths', '["/a"]'],
    ['no list', '{"list": true}'],
    ['two files for one path', '{"list": false, "files": []}'],
    ['a relative path', `{"list": true, "files": [{"path": "a", "bytes": 1, "sha256": "${sha256('')}"}]}`],
    ['a digest that is none', '{"list": true, "files": [{"path": "/a", "bytes": 1, "sha256": "../../x"}]}'],
    ['a file that is null', '{"list": true, "files": [null]}'],
  ])('a file that holds %s is an error', (_, text) => {
    expect(() => FileReferenceCacher().decode(Buffer.from(text))).toThrow(/^file-reference cannot load: value is /)
  })
})
