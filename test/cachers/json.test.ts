import * as fs from 'node:fs'
import { Experiment, Store, stage } from 'curio'
import { JsonCacher } from 'curio/cachers'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { tempDir } from '../helpers/temp.js'

const bytes = (text: string): Uint8Array => Buffer.from(text)

describe('JsonCacher', () => {
  it('writes what a person would: two spaces, keys in their order, a newline at the end', async () => {
    await using dir = tempDir()
    await JsonCacher(dir.join('metrics.json')).save({ loss: 0.5, epochs: [1, 2], name: 'é', none: {} })
    expect(fs.readFileSync(dir.join('metrics.json'), 'utf8')).toBe(
      '{\n  "loss": 0.5,\n  "epochs": [\n    1,\n    2\n  ],\n  "name": "é",\n  "none": {}\n}\n',
    )
  })

  it('names the offending value by the artifact it is in: the file, the output of a stage, or `value`', async () => {
    await using dir = tempDir()
    const value = { when: new Date(0) }
    const refusal = (path: string) => `${path}.when is a Date: use MsgpackCacher`
    await expect(JsonCacher(dir.join('metrics.json')).save(value)).rejects.toThrow(refusal('metrics'))
    await expect(JsonCacher().encode(value)).rejects.toThrow(refusal('value'))
    const evaluate = stage({ outputs: { scores: JsonCacher } }, async function evaluate() {
      return { scores: value }
    })
    const experiment = new Experiment({ name: 'x', store: dir.join('.curio') })
    await expect(experiment.run(undefined, [evaluate], { progress: false })).rejects.toThrow(refusal('scores'))
  })

  it('goes by its own name in a subclass', async () => {
    class Metrics extends JsonCacher {}
    await expect(new Metrics().encode(1n)).rejects.toThrow(/^Metrics cannot save: value is a bigint/)
  })

  it.each([
    ['12345678901234567890', '12345678901234567890'],
    ['{"a": [1, -9007199254740993]}', '-9007199254740993'],
    ['[1e999]', '1e999'],
    [`[${'9'.repeat(400)}]`, '9'.repeat(60)],
    ['{"a\\"1e999": "1e999 \\\\", "b": 9007199254740993}', '9007199254740993'],
  ])('a number that JavaScript would change is refused when loaded: %s', async (text, number) => {
    await expect((async () => JsonCacher().decode(bytes(text)))()).rejects.toThrow(
      `value holds ${number}, which a JavaScript number cannot`,
    )
  })

  it.each([
    '9007199254740992',
    '1152921504606847000',
    '1152921504606846976',
    '["12345678901234567890", "1e999"]',
    '[1E+300, 1e-999, 0.12345678901234567890]',
  ])('a number that it keeps is not: %s', async (text) => {
    expect(await JsonCacher().decode(bytes(text))).toEqual(JSON.parse(text))
  })

  it('what is no JSON is an error that says so', async () => {
    await expect((async () => JsonCacher().decode(bytes('{"a": 1')))()).rejects.toThrow(
      /^json cannot load: value is not JSON: /,
    )
    await expect((async () => JsonCacher().decode(bytes('')))()).rejects.toMatchObject({ code: 'ERR_CACHER_LOAD' })
    await expect((async () => JsonCacher().decode(Uint8Array.of(0x22, 0xff, 0x22)))()).rejects.toThrow(
      /value is not UTF-8 text/,
    )
  })

  it('reads a file that an editor has given a byte order mark', async () => {
    expect(await JsonCacher().decode(bytes('\uFEFF[1]'))).toEqual([1])
  })

  describe('with a schema', () => {
    const schema = z.object({ accuracy: z.number(), label: z.string().default('none') })

    it('gives what the schema makes of the file', async () => {
      await using dir = tempDir()
      const file = dir.join('metrics.json')
      await JsonCacher(file, { schema }).save({ accuracy: 1 })
      expect(fs.readFileSync(file, 'utf8')).toBe('{\n  "accuracy": 1\n}\n')
      expect(await JsonCacher({ path: file, schema }).load()).toEqual({ accuracy: 1, label: 'none' })
      expect(await new JsonCacher(file, { schema }).load()).toEqual({ accuracy: 1, label: 'none' })
    })

    it('refuses a file that does not fit, and says where', async () => {
      await using dir = tempDir()
      const file = dir.join('metrics.json')
      fs.writeFileSync(file, '{"accuracy": "high"}')
      await expect(JsonCacher(file, { schema }).load()).rejects.toThrow(/fit its schema: metrics\.accuracy: .*number/)
    })

    it('refuses to save what it would not load', async () => {
      const wrong = { accuracy: 'high' } as unknown as { accuracy: number }
      await expect(JsonCacher({ schema }).encode(wrong)).rejects.toMatchObject({ code: 'ERR_CACHER_SAVE' })
    })

    it('may check with a promise, and may make other things of what it reads', async () => {
      const slow = z.string().refine(async (text) => text !== 'no')
      await expect(JsonCacher({ schema: slow }).decode(bytes('"no"'))).rejects.toThrow(
        /does not fit its schema: value: /,
      )
      const when = z.object({ when: z.iso.datetime().transform((text) => new Date(text)) })
      expect(await JsonCacher({ schema: when }).decode(bytes('{"when": "2020-01-01T00:00:00Z"}'))).toEqual({
        when: new Date('2020-01-01T00:00:00Z'),
      })
    })

    it('only accepts or refuses what is stored: what it would change counts in no key', async () => {
      await using dir = tempDir()
      const store = await Store.open(dir.join('store'))
      const trimmed = JsonCacher({ schema: z.object({ accuracy: z.number() }) })
      expect(await store.save('fits', trimmed, { accuracy: 1 })).toMatchObject({ outcome: 'created' })
      expect(await store.load('fits', trimmed)).toEqual({ accuracy: 1 })
      await expect(store.save('default', JsonCacher({ schema }), { accuracy: 1 })).rejects.toThrow(
        /^json cannot save: the schema changes value: by a default, a transform, or a field it does not name/,
      )
      const twice = JsonCacher({ schema: z.object({ accuracy: z.number().transform((n) => n * 2) }) })
      await expect(store.load('fits', twice)).rejects.toMatchObject({ code: 'ERR_CACHER_LOAD' })
      expect(await store.has('default')).toBe(false)
      const inPlace = z.any().transform((value: { accuracy: number }) => Object.assign(value, { accuracy: 100 }))
      await expect(store.load('fits', JsonCacher({ schema: inPlace }))).rejects.toThrow(/the schema changes value/)
      const ordered = z.strictObject({ b: z.number(), a: z.number() })
      await store.save('order', JsonCacher, { a: 1, b: 2 })
      expect(Object.keys((await store.load('order', JsonCacher({ schema: ordered }))) as object)).toEqual(['a', 'b'])
    })

    it('that is no zod schema is refused at once', () => {
      expect(() => JsonCacher({ schema: {} as never })).toThrow(/must be a zod schema/)
    })
  })
})
