import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { TextCacher } from '../../cachers/text.js'
import { Cacheable, Config, lazy, stage } from '../../src/index.js'
import { failure, filesIn, NumberCacher, newStore, quiet, tempDir } from './helpers.js'

class Params extends Config({ a: z.int().default(1) }) {}

describe('record.getPath and getDir', () => {
  it('make files part of the entry: linked beside the outputs, stored by content, there again on a hit', async () => {
    const plot = stage({ outputs: { n: NumberCacher }, name: 'extra/plot' }, async (record) => {
      fs.writeFileSync(record.getPath('log.txt'), 'line')
      fs.writeFileSync(record.getPath('deep/er/note.txt'), 'note')
      fs.writeFileSync(path.join(record.getDir('plots'), 'a.svg'), '<svg/>')
      expect(record.getPath('log.txt')).toBe(record.getPath('log.txt'))
      return { n: 1 }
    })
    const store = await newStore()
    const experiment = await quiet(store)
    const record = await experiment.run(undefined, [plot])
    const dir = store.dirOf(record.stages[0]!.key)
    expect(filesIn(dir)).toEqual([
      '_files.meta.json',
      'deep/er/note.txt',
      'entry.json',
      'log.txt',
      'n.meta.json',
      'n.num',
      'plots/a.svg',
    ])
    expect(fs.readFileSync(path.join(dir, 'plots/a.svg'), 'utf8')).toBe('<svg/>')
    const entry = (await store.entry(record.stages[0]!.key))!
    expect(entry.artifacts.map(({ name, cacher }) => [name, cacher])).toEqual([
      ['n', 'NumberCacher'],
      ['_files', 'directory'],
    ])
    for (const name of ['log.txt', 'plots/a.svg']) fs.rmSync(path.join(dir, name))
    await store.refreshViews(entry)
    expect(fs.readFileSync(path.join(dir, 'log.txt'), 'utf8')).toBe('line')
    expect((await experiment.run(undefined, [plot])).stages[0]!.how).toBe('loaded')
  })

  it('count for the hit: when their bytes are gone the stage runs again', async () => {
    let n = 0
    const log = stage({ outputs: { n: NumberCacher }, name: 'extra/gone' }, async (record) => {
      n += 1
      fs.writeFileSync(record.getPath('log.txt'), 'line')
      return { n: 1 }
    })
    const store = await newStore()
    const experiment = await quiet(store)
    const record = await experiment.run(undefined, [log])
    const { artifacts } = (await store.entry(record.stages[0]!.key))!
    fs.rmSync(store.blobs.path(artifacts[1]!.files![0]!.sha256))
    await experiment.run(undefined, [log])
    expect([n, await store.has(record.stages[0]!.key)]).toEqual([2, true])
  })

  it('refuse names that leave the folder, that format 1 uses, and that an output has', async () => {
    const names = ['../up.txt', '/abs.txt', 'entry.json', 'a/../../b', '', 'code', 'x.meta.json', 'n.num']
    for (const [i, name] of names.entries()) {
      const bad = stage({ outputs: { n: NumberCacher }, name: `extra/bad${i}` }, async (record) => {
        fs.writeFileSync(record.getPath(name), '')
        return { n: 1 }
      })
      expect(await failure((await quiet()).run(undefined, [bad])), name).toMatchObject({ code: 'ERR_INVALID_NAME' })
    }
  })

  it('leave nothing behind in the temporary folder when the body fails', async () => {
    let made = ''
    const fail = stage({ outputs: { n: NumberCacher }, name: 'extra/fail' }, async (record): Promise<{ n: number }> => {
      made = record.getPath('x.txt')
      fs.writeFileSync(made, '')
      throw new Error('no')
    })
    await failure((await quiet()).run(undefined, [fail]))
    expect([made !== '', fs.existsSync(made)]).toEqual([true, false])
  })

  it('links made by the body are left out, and it says so: a link is not what it leads to', async () => {
    const link = stage({ outputs: { n: NumberCacher }, name: 'extra/link' }, async (record) => {
      fs.symlinkSync('/etc/hostname', record.getPath('link'))
      fs.writeFileSync(record.getPath('file.txt'), 'kept')
      return { n: 1 }
    })
    const store = await newStore()
    const record = (await quiet(store)).record()
    const warned: string[] = []
    record.reporter.warn = (_stage, text) => void warned.push(text)
    await link(record)
    expect([warned.length, warned[0]]).toEqual([1, expect.stringContaining('link')])
    const names = (await store.entry(record.stages[0]!.key))!.artifacts[1]!.files!.map(({ role }) => role)
    expect(names).toEqual(['file.txt'])
  })
})

describe('overwritePath', () => {
  const copying = (target: string, name: string) =>
    stage(
      { params: Params, outputs: { v: new NumberCacher({ overwritePath: target }) }, name },
      async ({ params }) => ({ v: params.a }),
    )

  it('gives one more copy with a sidecar, which an inline cacher reads', async () => {
    const target = path.join(tempDir(), 'out/best.num')
    const record = await (await quiet()).run(new Params({ a: 4 }), [copying(target, 'copy/one')])
    expect(fs.lstatSync(target).isFile()).toBe(true)
    const inline = new NumberCacher(target)
    expect(await inline.load()).toBe(4)
    expect(await inline.loadMetadata()).toMatchObject({ name: 'v', key: record.stages[0]!.key })
    expect(await record.get('v')).toBe(4)
  })

  it('follows the run, and is written again when it is missing', async () => {
    const target = path.join(tempDir(), 'best.num')
    const copy = copying(target, 'copy/follows')
    const experiment = await quiet()
    for (const a of [1, 2, 1]) {
      await experiment.run(new Params({ a }), [copy])
      expect(fs.readFileSync(target, 'utf8')).toBe(String(a))
    }
    fs.rmSync(target)
    expect((await experiment.run(new Params({ a: 1 }), [copy])).stages[0]!.how).toBe('loaded')
    expect(fs.readFileSync(target, 'utf8')).toBe('1')
  })

  it('leaves a copy that was changed by hand, and says so, until it is forced', async () => {
    const target = path.join(tempDir(), 'best.num')
    const copy = copying(target, 'copy/by-hand')
    const lines: string[] = []
    const experiment = await quiet()
    const run = async (options = {}) => {
      const record = experiment.record(new Params({}), options)
      const warn = record.reporter.warn.bind(record.reporter)
      record.reporter.warn = (name, text) => {
        lines.push(text)
        warn(name, text)
      }
      return copy(record)
    }
    await run()
    fs.writeFileSync(target, '99')
    expect(await (await run()).get('v')).toBe(1)
    expect(fs.readFileSync(target, 'utf8')).toBe('99')
    expect(lines).toEqual([`${target} was changed by hand and is left as it is; use mode 'force' to overwrite it`])
    await run({ mode: 'force' })
    expect(fs.readFileSync(target, 'utf8')).toBe('1')
    const foreign = path.join(tempDir(), 'theirs.num')
    fs.writeFileSync(foreign, 'not ours')
    await experiment.run(new Params({}), [copying(foreign, 'copy/foreign')])
    expect(fs.readFileSync(foreign, 'utf8')).toBe('not ours')
  })

  it('of a lazy output is not read again while it is as it was written', async () => {
    const target = path.join(tempDir(), 'big.txt')
    const copy = stage(
      { outputs: { big: lazy(TextCacher({ overwritePath: target })) }, name: 'copy/lazy' },
      async () => ({ big: 'abc' }),
    )
    const store = await newStore()
    const experiment = await quiet(store)
    await experiment.run(undefined, [copy])
    const before = store.events.counts['blob-read'] ?? 0
    await experiment.run(undefined, [copy])
    expect(store.events.counts['blob-read'] ?? 0).toBe(before)
  })

  it('of an artifact of several files copies them all, beside the main one', async () => {
    class Two extends Cacheable<number> {
      override readonly extension = '.pkl'
      save(value: number): void {
        fs.writeFileSync(this.getPath(), String(value))
        fs.writeFileSync(this.getPath('_weights.bin'), 'w')
        fs.writeFileSync(path.join(this.getDir('_parts'), 'p'), 'part')
      }
      load(): number {
        return Number(
          fs.readFileSync(this.getPath(), 'utf8') + fs.readFileSync(this.getPath('_weights.bin'), 'utf8').length,
        )
      }
    }
    class Tree extends Cacheable<string> {
      save(value: string): void {
        fs.writeFileSync(path.join(this.getDir(), 'leaf'), value)
      }
      load(): string {
        return fs.readFileSync(path.join(this.getDir(), 'leaf'), 'utf8')
      }
    }
    const dir = tempDir()
    const outputs = {
      model: new Two({ overwritePath: path.join(dir, 'best.pkl') }),
      tree: new Tree({ overwritePath: path.join(dir, 'whole') }),
    }
    const fit = stage({ outputs, name: 'copy/several' }, async () => ({ model: 3, tree: 'leaf' }))
    const experiment = await quiet()
    await experiment.run(undefined, [fit])
    await experiment.run(undefined, [fit])
    expect(filesIn(dir)).toEqual([
      'best.meta.json',
      'best.pkl',
      'best_parts/p',
      'best_weights.bin',
      'whole.meta.json',
      'whole/leaf',
    ])
    expect(await new Two(path.join(dir, 'best.pkl')).load()).toBe(31)
  })
})

describe('subdir, prefix and track', () => {
  it('give a link per key in views/, which a second hit leaves as it is', async () => {
    const store = await newStore()
    const cacher = new NumberCacher({ subdir: '01_raw/New Data', prefix: 'common', track: false })
    const make = stage({ params: Params, outputs: { v: cacher }, name: 'views/make' }, async ({ params }) => ({
      v: params.a,
    }))
    const experiment = await quiet(store)
    const one = await experiment.run(new Params({ a: 1 }), [make])
    const two = await experiment.run(new Params({ a: 2 }), [make])
    const views = filesIn(path.join(store.folder, 'views'))
    expect(views).toHaveLength(2)
    for (const record of [one, two]) {
      const view = views.find((name) => name.endsWith(`common_v-${record.stages[0]!.key.slice(-16)}.num`))!
      expect(fs.readFileSync(path.join(store.folder, 'views', view), 'utf8')).toBe(String(record.params.a))
    }
    expect(one.lazy('v').metadata).toMatchObject({
      track: false,
      view: { subdir: '01_raw/New Data', prefix: 'common' },
    })
  })

  it('a subdir cannot lead out of views/', async () => {
    const store = await newStore()
    const make = stage(
      { outputs: { v: new NumberCacher({ subdir: '../../out/./x' }) }, name: 'views/out' },
      async () => ({ v: 1 }),
    )
    await (await quiet(store)).run(undefined, [make])
    expect(filesIn(path.join(store.folder, 'views')).every((name) => name.startsWith('out/x/'))).toBe(true)
    expect(fs.existsSync(path.join(store.folder, '..', 'out'))).toBe(false)
  })
})

describe('a program that writes the output itself', () => {
  it('writes where record.cachers says, notes metadata there, and the cacher is returned in place of the value', async () => {
    const write = stage(
      { outputs: { text: TextCacher({ extension: '.md' }), big: lazy(TextCacher) }, name: 'program/write' },
      async ({ cachers }) => {
        const { text, big } = cachers
        fs.writeFileSync(text!.getPath(), '# title')
        text!.extraMetadata.lines = 1
        fs.writeFileSync(big!.getPath(), 'big')
        return { text: text as never, big: big as never }
      },
    )
    const store = await newStore()
    const record = await (await quiet(store)).run(undefined, [write])
    expect([await record.get('text'), await record.get('big')]).toEqual(['# title', 'big'])
    const handle = record.lazy('text')
    expect([handle.preview, handle.metadata.extra]).toEqual(['1 file', { lines: 1 }])
    expect(path.basename(record.lazy('text').path)).toBe('text.md')
  })
})
