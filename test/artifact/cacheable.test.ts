import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it } from 'vitest'
import { CsvCacher, JsonFrameCacher } from '../../cachers/index.js'
import {
  Cacheable,
  type CacherOptions,
  Codec,
  callable,
  type Json,
  lazy,
  registerCacher,
  stage,
} from '../../src/index.js'
import { failure, filesIn, newStore, quiet, tempDir } from '../experiment/helpers.js'

class Lines extends Codec<string[]> {
  override readonly extension = '.lines'
  encode(value: string[]): string {
    return value.join('\n')
  }
  decode(bytes: Uint8Array): string[] {
    return Buffer.from(bytes).toString().split('\n')
  }
}

describe('an inline cacher', () => {
  it.each([
    ['data/x.lines', 'x.lines', 'x_b.bin', 'x.meta.json'],
    ['x.txt', 'x.txt', 'x_b.bin', 'x.meta.json'],
    ['x.tar.gz', 'x.tar.gz', 'x.tar_b.bin', 'x.tar.meta.json'],
    ['plain', 'plain', 'plain_b.bin', 'plain.meta.json'],
    ['.hidden', '.hidden', '.hidden_b.bin', '.hidden.meta.json'],
  ])('on %s writes exactly there, and others beside it', (given, main, other, sidecar) => {
    const cacher = new Lines(given)
    expect(
      [cacher.getPath(), cacher.getPath('_b.bin'), cacher.getPath('.meta.json')].map((file) => path.basename(file)),
    ).toEqual([main, other, sidecar])
    expect(path.isAbsolute(cacher.getPath())).toBe(true)
  })

  it('writes whole or not at all, makes its folder, and says what is wrong', async () => {
    const dir = tempDir()
    const file = path.join(dir, 'a/b/x.lines')
    await new Lines(file).save(['1', '2'])
    expect(await new Lines(file).load()).toEqual(['1', '2'])
    expect(filesIn(dir)).toEqual(['a/b/x.lines'])
    expect(await failure(new Lines(path.join(file, 'under-a-file.lines')).save(['x']))).toMatchObject({
      code: expect.stringMatching(/^ERR_STORE_IO/),
    })
    expect((await failure(Promise.resolve(new Lines(path.join(dir, 'none.lines')).load()))).message).toContain(
      'none.lines',
    )
    const broken = new Lines(path.join(dir, 'x.lines'))
    fs.writeFileSync(path.join(dir, 'x.meta.json'), 'no json')
    expect(await failure(broken.loadMetadata())).toMatchObject({ code: 'ERR_CACHER_LOAD' })
  })

  it('takes overwritePath for path, as seed 004 has it', async () => {
    const file = path.join(tempDir(), 'x.lines')
    await new Lines({ overwritePath: file }).save(['a'])
    expect(fs.existsSync(file)).toBe(true)
  })

  it('keeps a sidecar: what it is, when it was made, and what the cacher noted', async () => {
    const file = path.join(tempDir(), 'x.lines')
    const cacher = new Lines(file)
    expect(cacher.metadata).toBeUndefined()
    await cacher.save(['a'])
    cacher.extraMetadata.lines = 1
    await cacher.saveMetadata()
    const read = new Lines(file)
    expect(await read.loadMetadata()).toMatchObject({
      curio: 'sidecar',
      format: 1,
      name: 'x',
      cacher: 'Lines',
      codec: 1,
      extra: { lines: 1 },
    })
    expect(read.extraMetadata).toEqual({ lines: 1 })
    expect(read.metadata).toMatchObject({ provenance: { created: expect.any(String) } })
  })

  it('refuses the sidecar of another cacher: two files that differ only by their extension share one', async () => {
    const dir = tempDir()
    const [csv, json] = [CsvCacher(path.join(dir, 'runs.csv')), JsonFrameCacher(path.join(dir, 'runs.json'))]
    await csv.save([{ id: 1n }])
    await csv.saveMetadata()
    await json.saveMetadata()
    const error = await failure(CsvCacher(path.join(dir, 'runs.csv')).loadMetadata())
    expect(error).toMatchObject({ code: 'ERR_CACHER_LOAD', hint: expect.stringContaining('names of their own') })
    expect(error.message).toMatch(/the sidecar .*runs\.meta\.json is one of a json-frame file/)
    expect(await JsonFrameCacher(path.join(dir, 'runs.json')).loadMetadata()).toMatchObject({ cacher: 'json-frame' })
  })

  it('names the folder that lies where its file should', async () => {
    const dir = tempDir()
    expect(await failure(Promise.resolve(CsvCacher(dir).load()))).toMatchObject({ code: 'ERR_STORE_IO', path: dir })
  })

  it('refuses what is neither path nor options, and an extension that is none', () => {
    expect(() => new Lines(3 as never)).toThrow('Lines takes a path or options, not 3')
    expect(() => new Lines(null as never)).toThrow('takes a path or options')
    expect(() => new Lines({ path: 'x', extension: '/../x' }).mainExtension()).toThrow('is no extension')
  })
})

describe('a cacher in a stage', () => {
  it('works on a copy each time: no use sees another’s notes or place', async () => {
    const seen: unknown[] = []
    class Notes extends Cacheable<string> {
      override readonly extension = '.n'
      save(value: string): void {
        seen.push({ ...this.extraMetadata })
        this.extraMetadata.note = value
        fs.writeFileSync(this.getPath(), value)
      }
      load(): string {
        return `${fs.readFileSync(this.getPath(), 'utf8')}/${String(this.extraMetadata.note)}`
      }
    }
    const shared = new Notes({ subdir: 'x' })
    const two = stage({ outputs: { a: shared, b: shared }, name: 'cacheable/two' }, async () => ({ a: 'A', b: 'B' }))
    const record = await (await quiet()).run(undefined, [two])
    expect([seen, await record.get('a'), await record.get('b')]).toEqual([[{}, {}], 'A/A', 'B/B'])
    expect([shared.extraMetadata, shared.metadata]).toEqual([{}, undefined])
  })

  it('that holds what cannot be copied says how', async () => {
    class Guarded extends Codec<string> {
      #prefix = 'p:'
      override copy(): this {
        return new Guarded(this.options) as this
      }
      encode(value: string): string {
        return this.#prefix + value
      }
      decode(bytes: Uint8Array): string {
        return Buffer.from(bytes).toString().slice(this.#prefix.length)
      }
    }
    const make = stage({ outputs: { v: Guarded }, name: 'cacheable/guarded' }, async () => ({ v: 'x' }))
    expect(await (await (await quiet()).run(undefined, [make])).get('v')).toBe('x')
  })

  it('that writes nothing, a link, or notes that JSON does not keep is refused by name', async () => {
    class Nothing extends Cacheable<number> {
      save(): void {}
      load(): number {
        return 1
      }
    }
    class Linked extends Cacheable<number> {
      save(): void {
        fs.symlinkSync('/etc/hostname', this.getPath())
      }
      load(): number {
        return 1
      }
    }
    class Dated extends Codec<number> {
      encode(): string {
        this.extraMetadata.when = new Date(0) as never
        return ''
      }
      decode(): number {
        return 1
      }
    }
    const messages = []
    for (const cacher of [Nothing, Linked, Dated]) {
      const make = stage({ outputs: { v: cacher }, name: `cacheable/${cacher.name}` }, async () => ({ v: 1 }))
      messages.push((await failure((await quiet()).run(undefined, [make]))).message)
    }
    expect(messages[0]).toContain('Nothing cannot save: it wrote no file for v')
    expect(messages[1]).toContain('v is a link or special file')
    expect(messages[2]).toContain('extraMetadata.when is a Date')
  })

  it('that throws is named with what it threw; an abort stays an abort', async () => {
    class Broken extends Codec<number> {
      encode(value: number): string {
        if (value === 2) throw Object.assign(new Error('stop'), { name: 'AbortError' })
        return String(value)
      }
      decode(): number {
        throw new TypeError('cannot read this')
      }
    }
    const make = (v: number) => stage({ outputs: { v: Broken }, name: `cacheable/broken${v}` }, async () => ({ v }))
    const experiment = await quiet()
    const record = await experiment.run(undefined, [make(1)])
    const error = await failure(record.get('v'))
    expect(error).toMatchObject({ code: 'ERR_CACHER_LOAD', cacher: 'Broken', cause: expect.any(TypeError) })
    expect((await failure(experiment.run(undefined, [make(2)]))).name).toBe('AbortError')
  })

  it('options that change decoding count in the key and the digest, those about places do not', async () => {
    interface Options extends CacherOptions {
      readonly separator?: string
    }
    class Separated extends Codec<string[]> {
      constructor(override readonly options: Options = {}) {
        super(options)
      }
      override decodingOptions(): Record<string, Json> {
        return this.options.separator === undefined ? {} : { separator: this.options.separator }
      }
      encode(value: string[]): string {
        return value.join(this.options.separator ?? ',')
      }
      decode(bytes: Uint8Array): string[] {
        return Buffer.from(bytes)
          .toString()
          .split(this.options.separator ?? ',')
      }
    }
    const run = async (options: Options) => {
      const make = stage({ outputs: { v: lazy(new Separated(options)) }, name: 'cacheable/separated' }, async () => ({
        v: ['a'],
      }))
      const record = await (await quiet(await newStore())).run(undefined, [make])
      return [record.stages[0]!.key, record.lazy('v').digest]
    }
    const plain = await run({})
    expect(await run({ subdir: 'x', prefix: 'y' })).toEqual(plain)
    const other = await run({ separator: ';' })
    expect([other[0] === plain[0], other[1] === plain[1]]).toEqual([false, false])
  })
})

describe('callable', () => {
  it('makes a class usable with and without new, and it stays a class', () => {
    const Made = callable(
      class Made extends Codec<string> {
        static override readonly cacherName = 'made'
        static readonly more = 1
        encode = String
        decode = String
      },
    )
    class Sub extends Made {
      twice() {
        return 2
      }
    }
    expect([Made('x.txt'), new Made('x.txt'), new Sub('x.txt')].every((one) => one instanceof Made)).toBe(true)
    expect([Made.name, Made.more, Made.cacherName, new Sub().twice(), new Sub() instanceof Sub]).toEqual([
      'Made',
      1,
      'made',
      2,
      true,
    ])
    expect(Made('x.txt').constructor).toBe(Made)
  })
})

describe('registerCacher', () => {
  it('takes a class twice, also as it is loaded again, and refuses another of the same name', () => {
    const make = () =>
      class Registered extends Lines {
        override readonly extension: '.lines' = '.lines'
        readonly again = true
      }
    registerCacher(make())
    registerCacher(make())
    expect(() => registerCacher(class Registered extends Lines {})).toThrow(
      /two cacher classes are called Registered\n.*cacherName/,
    )
    expect(() => registerCacher(class extends Lines {})).toThrow('a cacher class needs a name')
  })
})
