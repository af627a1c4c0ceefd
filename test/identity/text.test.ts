import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { fromPlain, toPlain } from '../../src/identity/plain.js'
import { parseYaml, yamlOf } from '../../src/identity/text.js'
import { Config, ConfigError, exported, ignored, inputFile, OrderedMap, secret, toYaml } from '../../src/index.js'
import { keyOf } from './helpers.js'

class Optim extends Config({ lr: z.number().default(0.1), name: z.string().default('adam') }) {}
class Train extends Config({
  epochs: z.int(),
  optim: Optim.schema().prefault({ name: 'sgd' }),
  tags: z.array(z.string()).default([]),
  free: z.record(z.string(), z.unknown()).default({}),
  workers: ignored(z.int().default(4)),
}) {}

describe('a configuration as YAML', () => {
  it('has its names in order and no other style than needed', async () => {
    const train = new Train({ epochs: 3, free: { b: 1, a: [true, null, 'no', '1.0', ''] }, tags: ['x'] })
    expect(await toYaml(train)).toBe(
      `epochs: 3
free:
  a:
    - true
    - null
    - no
    - "1.0"
    - ""
  b: 1
optim:
  lr: 0.1
  name: sgd
tags:
  - x
workers: 4
`,
    )
    expect(await toYaml(train, { uid: true, excludeDefaults: true })).toMatch(
      /^epochs: 3\nfree:[\s\S]*tags:\n {2}- x\n$/,
    )
  })

  it('comes back as it was', async () => {
    const train = new Train({ epochs: 3, optim: { lr: 1e-7 }, workers: 9, tags: ['- a', 'b: c', '#', '\n', "it's"] })
    for (const options of [{}, { excludeDefaults: true }]) {
      expect(await Train.fromYaml(await toYaml(train, options))).toEqual(train)
    }
    const byUid = await Train.fromYaml(await toYaml(train, { uid: true, excludeDefaults: true }))
    expect((await keyOf(byUid)).hash).toBe((await keyOf(train)).hash)
    expect(await Optim.fromYaml('')).toEqual(new Optim())
    expect(await Optim.fromYaml('# nothing\n')).toEqual(new Optim())
  })

  it('is read with what people write: comments, quotes, aliases, JSON', async () => {
    const text = '# run\nepochs: 3 # three\nfree: {a: &x [1, 2], b: *x}\n"tags": [\'a\', "b"]\noptim:\n  lr: 1e-3\n'
    const train = await Train.fromYaml(text)
    expect([train.optim.lr, train.free, train.tags]).toEqual([0.001, { a: [1, 2], b: [1, 2] }, ['a', 'b']])
    expect(await Train.fromYaml('{"epochs": 3}')).toEqual(new Train({ epochs: 3 }))
  })

  it('says where the fields are wrong', async () => {
    await expect(Train.fromYaml('epochs: x\noptim:\n  lrr: 1\n')).rejects.toThrow(
      /^Train refuses its input: epochs: .*; optim\.lrr: no such field; did you mean lr\?$/,
    )
    await expect(Train.fromYaml('epochs: 1\noptim.lr: 1\n')).rejects.toThrow('dotted names are for clone')
    await expect(Train.fromYaml('- 1\n')).rejects.toThrow(ConfigError)
    await expect(Train.fromYaml('epochs')).rejects.toThrow(ConfigError)
  })
})

describe('text of others', () => {
  it.each([
    ['two values of one name', 'a: 1\na: 2'],
    ['no YAML', 'a: [1'],
    ['two documents', 'a: 1\n---\na: 2'],
    ['a tag for code', 'a: !!js/function "() => 1"'],
    ['a tag of its own', 'a: !point {x: 1}'],
    ['a tag on the whole', '!!python/object:os.system {a: 1}'],
    ['binary of an older YAML', 'a: !!binary aGk='],
    ['a date of an older YAML', 'a: !!timestamp 2020-01-01'],
    ['a set of an older YAML', 'a: !!set {x}'],
    ['an alias of nothing', 'a: *x'],
    ['a prototype', '__proto__: {polluted: 1}'],
    ['a prototype below', 'a:\n  - constructor: {prototype: {x: 1}}'],
    ['a prototype by alias', 'a: &x __proto__\n*x : {polluted: 1}'],
    ['a collection for a name', '? {a: 1}\n: 2'],
    ['a number that would change', 'a: 12345678901234567890'],
    ['depth', `a: ${'['.repeat(20_000)}`],
    ['depth that is closed', `a: ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
  ])('is refused as YAML: %s', async (_, text) => {
    await expect(parseYaml(text)).rejects.toThrow(ConfigError)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('is refused where its aliases make much out of little, and quickly', async () => {
    const levels = Array.from(
      { length: 30 },
      (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`,
    )
    const begin = performance.now()
    await expect(parseYaml(`a0: &a0 [x]\n${levels.join('\n')}`)).rejects.toThrow(/cannot read this YAML: .*alias/)
    await expect(parseYaml('a: &a [*a]')).rejects.toThrow(ConfigError)
    expect(performance.now() - begin).toBeLessThan(5000)
  })

  it('merge keys are names like any other', async () => {
    expect(await parseYaml('a: &x {b: 1}\nc:\n  <<: *x\n')).toEqual({ a: { b: 1 }, c: { '<<': { b: 1 } } })
  })

  it.each([
    ['no JSON', '{'],
    ['a prototype', '{"a": [{"__proto__": 1}]}'],
    ['a constructor', '{"constructor": 1}'],
    ['depth', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
    ['a big integer that is none', '{"a": {"$bigint": "1.5"}}'],
    ['a date that is none', '{"a": {"$date": "yesterday"}}'],
    ['bytes that are none', '{"a": {"$bytes": "?"}}'],
    ['a number that is none', '{"a": {"$number": "1"}}'],
    ['a map of no pairs', '{"a": {"$map": [1]}}'],
    ['a set of nothing', '{"a": {"$set": 1}}'],
    ['what only was shown', '{"a": {"$shown": "(x is a function)"}}'],
  ])('is refused as JSON: %s', (_, text) => {
    expect(() => Train.fromJson(text)).toThrow(ConfigError)
  })
})

describe('values that JSON has no word for', () => {
  const values: [string, unknown, unknown][] = [
    ['a date', new Date(86_400_000), { $date: '1970-01-02T00:00:00.000Z' }],
    ['a date that is none', new Date(Number.NaN), { $date: null }],
    ['a big integer', -12n, { $bigint: '-12' }],
    ['bytes', new Uint8Array([1, 2, 255]), { $bytes: 'AQL/' }],
    ['NaN', Number.NaN, { $number: 'NaN' }],
    ['infinity', Number.NEGATIVE_INFINITY, { $number: '-Infinity' }],
    ['minus zero', -0, { $number: '-0' }],
    ['undefined in a list', [undefined], [{ $undefined: true }]],
    ['a set, in any order', new Set(['b', 'a']), { $set: ['a', 'b'] }],
    [
      'a map, in any order',
      new Map([
        [2, 'b'],
        [1, 'a'],
      ]),
      {
        $map: [
          [1, 'a'],
          [2, 'b'],
        ],
      },
    ],
    [
      'an ordered map, in its order',
      new OrderedMap([
        ['b', 1],
        ['a', 2],
      ]),
      {
        $ordered: [
          ['b', 1],
          ['a', 2],
        ],
      },
    ],
    ['an object that looks like one of these', { $date: 'x' }, { $object: { $date: 'x' } }],
    ['one that looks like that', { $object: { $set: 1 } }, { $object: { $object: { $object: { $set: 1 } } } }],
  ]
  it.each(values)('%s stands by name, and comes back', async (_, value, data) => {
    expect(toPlain(value)).toEqual(data)
    expect(JSON.stringify(toPlain(value))).toBe(JSON.stringify(data))
    expect(fromPlain(JSON.parse(JSON.stringify(data)))).toEqual(value)
    expect(await parseYaml(await yamlOf({ x: toPlain(value) }))).toEqual({ x: value })
  })

  it('what code alone can make is shown, and refused when it is read', async () => {
    class Any extends Config({ any: z.unknown(), log: ignored(z.unknown()) }) {}
    const one = new Any({ any: new Float32Array(2), log: () => 1 })
    const data = await exported(one)
    expect(data).toEqual({
      any: { $shown: expect.stringMatching(/^float32\[2\]/) },
      log: { $shown: expect.stringContaining('is a function') },
    })
    expect(() => Any.fromJson(JSON.stringify(data))).toThrow(/any\.\$shown was float32.*, which data cannot bring back/)
    expect(await exported(one, { excludeDefaults: true })).toHaveProperty('log')
  })

  it('all data comes back exactly, from JSON and from YAML', async () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.string({
        unit: fc.constantFrom(...'$ \n\t:#-"\'[]{},&*!|>%@`?~01.eE+\\\u0000\u0085\u2028\ufeff\ud800\udc00é😀'),
      }),
      fc.double(),
      fc.integer(),
      fc.bigInt(),
      fc.boolean(),
      fc.constantFrom(null, undefined),
      fc.date(),
      fc.uint8Array({ maxLength: 4 }),
    )
    const name = fc
      .oneof(fc.string(), fc.constantFrom('$date', '$object', '$set', 'a.b', '<<', '1', 'null', '~', ''))
      .filter((text) => !['__proto__', 'constructor', 'prototype'].includes(text))
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(name, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
        fc.array(fc.tuple(name, tie('tree')), { maxLength: 3 }).map((pairs) => new OrderedMap(pairs)),
        fc.uniqueArray(fc.integer(), { maxLength: 3 }).map((items) => new Set(items)),
      ),
    }))
    await fc.assert(
      fc.asyncProperty(tree, async (value) => {
        const data = toPlain(value)
        expect(fromPlain(JSON.parse(JSON.stringify(data)))).toEqual(value)
        expect(await parseYaml(await yamlOf({ x: data }))).toEqual({ x: value })
      }),
      { numRuns: 200 },
    )
  })
})

describe('exported', () => {
  it('gives what was given to a transform, and what a codec makes of its value', async () => {
    class Coded extends Config({
      size: z.string().transform((text) => text.length),
      half: z
        .string()
        .default('abcd')
        .transform((text) => text.length / 2),
      twice: z.preprocess((n) => Number(n) * 2, z.number()),
      day: z.codec(z.iso.date(), z.date(), {
        decode: (text) => new Date(text),
        encode: (date) => date.toISOString().slice(0, 10),
      }),
      list: z.array(z.string().transform(Number)),
      inner: z.object({ n: z.string().transform(Number) }),
    }) {}
    const one = new Coded({ size: 'abc', twice: '4', day: '2026-01-02', list: ['1', '02'], inner: { n: '7' } })
    const data = await exported(one)
    expect(data).toEqual({
      day: '2026-01-02',
      half: 'abcd',
      inner: { n: '7' },
      list: ['1', '02'],
      size: 'abc',
      twice: '4',
    })
    expect(Coded.fromJson(JSON.stringify(data))).toEqual(one)
    expect(await exported(one, { uid: true })).toMatchObject({ size: 3, list: [1, 2], half: 2, twice: 8 })
  })

  it('says how input files count where it says what counts, and where they are otherwise', async () => {
    class Read extends Config({ file: inputFile() }) {}
    const read = new Read({ file: 'package.json' })
    expect(await exported(read)).toEqual({ file: 'package.json' })
    expect(await exported(read, { uid: true })).toEqual({
      file: { $shown: expect.stringMatching(/^File\(\d+,[0-9a-f]{64}\)$/) },
    })
  })

  it('refuses options it does not know, and what is no configuration', async () => {
    await expect(exported(new Optim(), { exclude_defaults: true } as never)).rejects.toThrow(
      /did you mean excludeDefaults/,
    )
    await expect(exported({})).rejects.toThrow('only a configuration')
  })
})

describe('a secret field', () => {
  class Login extends Config({ user: z.string(), token: secret(z.string()), old: secret(z.string().optional()) }) {}
  class Service extends Config({
    login: Login,
    all: z.array(Login.schema()).default([]),
    extra: ignored(Login.schema()).optional(),
    plain: z.object({ key: secret(z.string()) }).optional(),
  }) {}
  const token = 'hunter2'
  const service = new Service({
    login: { user: 'ann', token },
    all: [{ user: 'bob', token }],
    extra: { user: 'eve', token },
    plain: { key: token },
  })

  it('is there for who asks, and in no key, no export, no YAML and no print', async () => {
    expect([service.login.token, service.plain!.key]).toEqual([token, token])
    const { inspect } = await import('node:util')
    const { paramsIdentity } = await import('../../src/identity/params.js')
    const identity = await paramsIdentity(Service.shape, service as never, Object.keys(Service.shape))
    const texts = [
      JSON.stringify(await keyOf(service)),
      JSON.stringify(identity),
      inspect(service.login),
      inspect({ deep: [service.login] }, { depth: 5 }),
      await toYaml(service),
      await toYaml(service, { uid: true }),
      JSON.stringify(await exported(service, { excludeDefaults: true })),
    ]
    for (const text of texts) expect(text).not.toContain(token)
    expect(texts[4]).toContain('token: "***"')
    expect(inspect(service.login)).toBe("Login { user: 'ann', token: '***' }")
    expect(
      (await keyOf(service.clone({ 'login.token': 'other', 'all.0.token': 'other', 'plain.key': 'other' }))).hash,
    ).toBe((await keyOf(service)).hash)
  })

  it('has to be set again where it was not written', async () => {
    await expect(Service.fromYaml(await toYaml(service))).rejects.toThrow(
      'login.token: a secret, which is written nowhere: set it',
    )
  })

  it('is refused where it would count', async () => {
    class Bad extends Config({ x: z.union([z.object({ key: secret(z.string()) }), z.int()]) }) {}
    await expect(keyOf(new Bad({ x: { key: 'a' } }))).rejects.toThrow(/x: a secret cannot stand in a union/)
  })
})
