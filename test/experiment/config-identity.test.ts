import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Config, ignored, inputDir, inputFile, oneOf, type StageRecord, secret, stage } from '../../src/index.js'
import { failure, NumberCacher, newStore, quiet, tempDir } from './helpers.js'

/** Reads the whole set, whatever its class: what counts is what differs between two keys. */
const any = stage({ outputs: { n: NumberCacher }, name: 'identity' }, async () => ({ n: 1 }))
const store = await newStore()

async function run(params: object): Promise<StageRecord> {
  return (await quiet(store)).run(params, [any]) as never
}
const keyOf = async (params: object): Promise<string> => (await run(params)).stages[0]!.key
const entryOf = async (params: object) => store.entry(await keyOf(params))

describe('what of a configuration counts', () => {
  it('a value equal to the default is dropped, however it got there; a required one stays; null is a value', async () => {
    class P extends Config({ a: z.int().default(1), need: z.int(), maybe: z.string().nullish() }) {}
    const key = await keyOf(new P({ need: 1 }))
    expect(await keyOf(new P({ need: 1, a: 1 }))).toBe(key)
    expect(await keyOf(new P({ need: 1, maybe: undefined }))).toBe(key)
    expect(await keyOf(new P({ need: 1, maybe: null }))).not.toBe(key)
    expect(await keyOf(new P({ need: 2 }))).not.toBe(key)
    expect((await entryOf(new P({ need: 1 })))!.params).toEqual({ a: '1', need: '1', maybe: 'undefined' })
  })

  it('zero, minus zero, false, the empty string and NaN are values of their own', async () => {
    class P extends Config({ v: z.union([z.number(), z.nan(), z.boolean(), z.string(), z.null()]) }) {}
    const keys = await Promise.all([0, -0, false, '', '0', Number.NaN, null, 1, '1'].map((v) => keyOf(new P({ v }))))
    expect(new Set(keys).size).toBe(keys.length)
    expect(await keyOf(new P({ v: Number.NaN }))).toBe(keys[5])
  })

  it('a plain object is judged field by field, and differs from its absence', async () => {
    const optim = z.object({ lr: z.number().default(0.1), steps: z.int().default(5) })
    class P extends Config({ optim: optim.default({ lr: 0.5, steps: 5 }), other: optim.optional() }) {}
    const key = await keyOf(new P({}))
    expect(await keyOf(new P({ optim: { lr: 0.5, steps: 5 } }))).toBe(key)
    const inner = await keyOf(new P({ optim: {} }))
    expect(inner).not.toBe(key)
    expect(await keyOf(new P({ optim: { lr: 0.1 } }))).toBe(inner)
    expect(await keyOf(new P({ other: {} }))).not.toBe(key)
  })

  it('a union is judged whole, so that two of its members never meet', async () => {
    const a = z.strictObject({ a: z.int().default(1) })
    const b = z.strictObject({ b: z.int().default(2) })
    class P extends Config({ u: z.union([a, b]) }) {}
    expect(await keyOf(new P({ u: { a: 1 } }))).not.toBe(await keyOf(new P({ u: { b: 2 } })))
    class D extends Config({
      d: z.discriminatedUnion('kind', [z.object({ kind: z.literal('x') }), z.object({ kind: z.literal('y') })]),
    }) {}
    expect(await keyOf(new D({ d: { kind: 'x' } }))).not.toBe(await keyOf(new D({ d: { kind: 'y' } })))
  })

  it('a variant counts by its class and fields, and a changed default of one is found', async () => {
    const program = (layers: number) => {
      class Conv extends Config({ kind: z.literal('conv').default('conv'), layers: z.int().default(layers) }) {}
      class Mlp extends Config({ kind: z.literal('mlp').default('mlp'), layers: z.int().default(2) }) {}
      return class P extends Config({ model: oneOf('kind', [Conv, Mlp]).prefault({ kind: 'conv' }) }) {}
    }
    const run = async (Class: ReturnType<typeof program>, params: object) => {
      const one = stage({ params: Class, outputs: { n: NumberCacher }, name: 'variants' }, async () => ({ n: 1 }))
      const record: StageRecord = (await (await quiet(store)).run(params as never, [one] as never)) as never
      return record.stages[0]!
    }
    const P = program(12)
    const { key } = await run(P, new P())
    expect(await run(P, new P({ model: { kind: 'conv', layers: 12 } }))).toMatchObject({
      key,
      how: 'loaded',
    })
    expect((await run(P, new P({ model: { kind: 'mlp' } }))).key).not.toBe(key)
    expect(await store.entry(key)).toMatchObject({
      params: { 'model.kind': '"conv"', 'model.layers': '12' },
      defaults: { 'model.layers': '12' },
    })
    const Q = program(13)
    const error = await failure(run(Q, new Q()))
    expect(error).toMatchObject({ code: 'ERR_DEFAULT_CHANGED', field: 'model.layers', was: '12', is: '13' })
  })

  it('a secret counts nowhere, and its entry does not hold it', async () => {
    class P extends Config({
      a: z.int(),
      login: z.object({ user: z.string(), token: secret(z.string()) }),
      key: secret(z.string()),
    }) {}
    const make = (token: string) => new P({ a: 1, login: { user: 'ann', token }, key: token })
    const key = await keyOf(make('hunter2'))
    expect(await keyOf(make('hunter3'))).toBe(key)
    const entry = await store.entry(key)
    expect(entry!.ignored).toEqual({ key: '"***"', 'login.token': '"***"' })
    expect(JSON.stringify(entry)).not.toContain('hunter')
  })

  it('a default that is different each time is none', async () => {
    let n = 0
    class P extends Config({ id: z.int().default(() => ++n) }) {}
    const one = await keyOf(new P({ id: 7 }))
    expect(await keyOf(new P({ id: 7 }))).toBe(one)
    expect(await keyOf(new P({}))).not.toBe(await keyOf(new P({})))
    expect((await entryOf(new P({ id: 7 })))!.defaults).toEqual({})
  })

  it('an ignored field does not count wherever the mark stands, and the entry keeps it', async () => {
    class P extends Config({
      a: z.int(),
      log: ignored(z.string().default('info')),
      threads: ignored(z.int()).default(4),
      note: ignored(z.string()).describe('for people').optional(),
    }) {}
    const key = await keyOf(new P({ a: 1 }))
    expect(await keyOf(new P({ a: 1, log: 'debug', threads: 9, note: 'x' }))).toBe(key)
    expect((await entryOf(new P({ a: 1 })))!.ignored).toEqual({ log: '"info"', threads: '4', note: 'undefined' })
  })

  it('a value without an identity is refused with its path', async () => {
    class P extends Config({ deep: z.object({ fn: z.any() }) }) {}
    const error = await failure(keyOf(new P({ deep: { fn: () => 1 } })))
    expect(error).toMatchObject({ code: 'ERR_NOT_ENCODABLE', path: 'deep.fn' })
    expect(error.hint).toContain('ignored()')
  })

  it('parameters that are no Config count field by field', async () => {
    const key = await keyOf({ a: 1, b: [1, { c: null }] })
    expect(await keyOf({ b: [1, { c: null }], a: 1 })).toBe(key)
    expect(await keyOf({ a: 1, b: [1, { c: undefined }] })).not.toBe(key)
    expect(await keyOf({})).not.toBe(key)
  })
})

describe('input files', () => {
  const dir = tempDir()
  const write = (name: string, text: string): string => {
    const file = path.join(dir, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, text)
    return file
  }
  class P extends Config({
    file: inputFile().optional(),
    dir: inputDir().optional(),
    files: z.array(inputFile()).default([]),
  }) {}

  it('count by content: elsewhere is the same, changed is another, and changed back is the first', async () => {
    const a = write('a.csv', 'one')
    const key = await keyOf(new P({ file: a }))
    expect(await keyOf(new P({ file: write('sub/b.tsv', 'one') }))).toBe(key)
    expect(await keyOf(new P({ file: path.relative(process.cwd(), a) }))).toBe(key)
    write('a.csv', 'two')
    expect(await keyOf(new P({ file: a }))).not.toBe(key)
    write('a.csv', 'one')
    expect(await keyOf(new P({ file: a }))).toBe(key)
    expect(await keyOf(new P({}))).not.toBe(key)
  })

  it('in a list count by content and place', async () => {
    const [x, y] = [write('x', '1'), write('y', '2')]
    const key = await keyOf(new P({ files: [x, y] }))
    expect(await keyOf(new P({ files: [y, x] }))).not.toBe(key)
    write('y', '3')
    expect(await keyOf(new P({ files: [x, y] }))).not.toBe(key)
  })

  it('a folder counts by the names and contents of its files', async () => {
    write('d/1', 'a')
    write('d/deep/2', 'b')
    const folder = path.join(dir, 'd')
    const key = await keyOf(new P({ dir: folder }))
    write('e/1', 'a')
    write('e/deep/2', 'b')
    expect(await keyOf(new P({ dir: path.join(dir, 'e') }))).toBe(key)
    write('e/deep/2', 'c')
    expect(await keyOf(new P({ dir: path.join(dir, 'e') }))).not.toBe(key)
    fs.renameSync(path.join(dir, 'd/1'), path.join(dir, 'd/3'))
    expect(await keyOf(new P({ dir: folder }))).not.toBe(key)
  })

  it('a default path is no default content', async () => {
    const file = write('default.csv', 'v1')
    class D extends Config({ file: inputFile().default(file) }) {}
    const key = await keyOf(new D({}))
    write('default.csv', 'v2')
    expect(await keyOf(new D({}))).not.toBe(key)
  })

  it('described, refined, optional and nullable, it still counts by content', async () => {
    const schemas = {
      described: inputFile().describe('the table').meta({ title: 'x' }),
      refined: inputFile()
        .refine((file) => file.length > 0)
        .endsWith('.csv'),
      nullable: inputFile().nullable(),
      readonly: inputFile().readonly(),
      later: z.lazy(() => inputFile()),
    }
    for (const [name, schema] of Object.entries(schemas)) {
      class D extends Config({ file: schema, kind: z.literal(name) }) {}
      const file = write(`${name}.csv`, 'v1')
      const key = await keyOf(new D({ file, kind: name }))
      write(`${name}.csv`, 'v2')
      expect(await keyOf(new D({ file, kind: name })), name).not.toBe(key)
    }
  })

  it('is refused where its content could not count', async () => {
    const file = write('f', '1')
    const shapes: Record<string, [z.ZodType, unknown]> = {
      union: [z.union([inputFile(), z.int()]), file],
      'list in a union': [z.union([z.array(inputFile()), z.int()]), [file]],
      record: [z.record(z.string(), inputFile()), { a: file }],
      map: [z.map(z.string(), inputFile()), new Map([['a', file]])],
      set: [z.set(inputFile()), new Set([file])],
      tuple: [z.tuple([inputFile(), z.int()]), [file, 1]],
      transform: [inputFile().transform((text) => text.trim()), file],
      intersection: [z.intersection(z.object({ a: inputFile() }), z.object({ b: z.int() })), { a: file, b: 1 }],
    }
    for (const [name, [schema, value]] of Object.entries(shapes)) {
      class D extends Config({ x: schema }) {}
      const error = await failure(keyOf(new D({ x: value as never })))
      expect(error, name).toMatchObject({ code: 'ERR_DECLARATION' })
      expect(error.message, name).toContain('x')
    }
  })

  it('that is missing, a folder, or no folder is an error with its path', async () => {
    expect(await failure(keyOf(new P({ file: path.join(dir, 'nope') })))).toMatchObject({ code: 'ERR_NOT_FOUND' })
    expect((await failure(keyOf(new P({ file: dir })))).message).toContain('use inputDir for a folder')
    expect((await failure(keyOf(new P({ dir: write('plain', '') })))).message).toContain('use inputFile for a file')
  })

  it('that changes while the stage runs gives its result uncached, with the reason', async () => {
    const file = write('moving.csv', '1')
    let n = 0
    const move = stage({ params: P.pick('file'), outputs: { n: NumberCacher }, name: 'moving' }, async ({ params }) => {
      n += 1
      const text = fs.readFileSync(params.file!, 'utf8')
      if (n === 1) fs.writeFileSync(file, '22')
      return { n: Number(text) }
    })
    const experiment = await quiet(store)
    const first = await experiment.run(new P({ file }), [move])
    expect(first.stages[0]).toMatchObject({ how: 'uncached', note: `${file} changed while the stage ran` })
    expect(await first.get('n')).toBe(1)
    expect(await store.entry(first.stages[0]!.key)).toBeUndefined()
    const second = await experiment.run(new P({ file }), [move])
    expect([second.stages[0]!.how, await second.get('n')]).toEqual(['computed', 22])
  })

  it('and one that is touched but not changed does not', async () => {
    const file = write('touched.csv', 'same')
    const key = await keyOf(new P({ file }))
    fs.utimesSync(file, new Date(), new Date(2000, 1, 1))
    const record = await run(new P({ file }))
    expect(record.stages[0]).toMatchObject({ key, how: 'loaded' })
  })
})
