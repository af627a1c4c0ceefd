import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import { TextCacher } from '../../cachers/text.js'
import { Config, stage } from '../../src/index.js'
import { failure, filesIn, NumberCacher, newStore, quiet } from './helpers.js'

class Params extends Config({ a: z.int().default(1) }) {}

const source = stage({ outputs: { x: NumberCacher }, name: 'source' }, async () => ({ x: 1 }))
const plus = stage(
  { inputs: ['x', 'y'], outputs: { sum: NumberCacher }, defaults: { y: 10 }, name: 'plus' },
  async (_r, { x, y }) => ({
    sum: x + y,
  }),
)

describe('curifactory, section 2: stages and records', () => {
  it('row 29: inputs come by name from the state, and what is given at the call goes before', async () => {
    const experiment = await quiet()
    const record = await source(experiment.record())
    expect(await (await plus(record.set('y', 2))).get('sum')).toBe(3)
    expect(await (await plus(record, { x: 100 })).get('sum')).toBe(102)
    expect(await record.get('x')).toBe(1)
  })

  it('row 30: a missing input is an error, unless the stage has a default for it', async () => {
    const experiment = await quiet()
    const missing = { code: 'ERR_MISSING_INPUT', stage: 'plus', input: 'x' }
    // @ts-expect-error the record has no x
    expect(await failure(plus(experiment.record()))).toMatchObject(missing)
    // @ts-expect-error no stage before it makes x
    expect(await failure(experiment.run(undefined, [plus]))).toMatchObject(missing)
    expect(await (await plus(await source(experiment.record()))).get('sum')).toBe(11)
    expect(await (await plus(experiment.record(), { x: 5 })).get('sum')).toBe(15)
    expect(await (await experiment.run(undefined, [source, plus])).get('sum')).toBe(11)
  })

  it('row 30: a default for a name that is no input, and an input the stage does not have, are refused', async () => {
    const options = { inputs: ['x'], outputs: { n: NumberCacher }, defaults: { z: 1 }, name: 'row30' } as const
    expect(() => stage(options, async () => ({ n: 1 }))).toThrow('has a default for z, which is no input')
    const record = await source((await quiet()).record())
    // @ts-expect-error there is no such input
    expect(await failure(plus(record, { yy: 1 }))).toMatchObject({ code: 'ERR_DECLARATION', hint: 'did you mean y?' })
  })

  it('row 31: too little, too much and the wrong kind of return are errors that name the outputs, and nothing is stored', async () => {
    const store = await newStore()
    const experiment = await quiet(store)
    const wrong: [unknown, string][] = [
      [{ a: 1 }, 'returned no b'],
      [{ a: 1, b: 2, c: 3 }, 'returned c besides'],
      [{ a: 1, c: 3 }, 'returned no b and returned c besides'],
      [[1, 2], 'returned an array of 2 in place of an object'],
      [undefined, 'returned undefined in place of an object'],
      [3, 'returned a number in place of an object'],
    ]
    for (const [i, [value, message]] of wrong.entries()) {
      const bad = stage(
        { outputs: { a: NumberCacher, b: NumberCacher }, name: `row31/object${i}` },
        async () => value as never,
      )
      const error = await failure(experiment.run(undefined, [bad]))
      expect(error).toMatchObject({ code: 'ERR_STAGE_OUTPUT', declared: ['a', 'b'] })
      expect(error.message).toContain(message)
    }
    for (const [i, value] of [1, [1], [1, 2, 3], 'ab', { 0: 1, 1: 2 }].entries()) {
      const bad = stage({ outputs: ['a', 'b'], name: `row31/tuple${i}` }, async () => value as never)
      expect(await failure(experiment.run(undefined, [bad]))).toMatchObject({ code: 'ERR_STAGE_OUTPUT' })
    }
    expect(filesIn(store.folder).filter((name) => name.endsWith('entry.json'))).toEqual([])
  })

  it('row 31 (differently): one output in the positional form is returned bare, and an array is a value like any other', async () => {
    const list = stage({ outputs: ['all'], cachers: [JsonCacher], name: 'row31/list' }, async () => [1, 2])
    const record = await (await quiet()).run(undefined, [list])
    expect(await record.get('all')).toEqual([1, 2])
  })

  it('row 32: an error of the body comes through as it is, and the next run tries again', async () => {
    class MyError extends Error {
      readonly detail = 7
    }
    let n = 0
    const fail = stage({ outputs: { n: NumberCacher }, name: 'row32' }, async () => {
      n += 1
      if (n === 1) throw new MyError('mine')
      return { n }
    })
    const experiment = await quiet()
    const error = await failure(experiment.run(undefined, [fail]))
    expect(error).toBeInstanceOf(MyError)
    expect(error).toMatchObject({ message: 'mine', detail: 7 })
    expect(await (await experiment.run(undefined, [fail])).get('n')).toBe(2)
    const odd = stage({ outputs: { n: NumberCacher }, name: 'row32b' }, async () => Promise.reject(undefined))
    await expect(experiment.run(undefined, [odd])).rejects.toBeUndefined()
  })

  it('row 33: a copy has the same state, params of its own, and its parent', async () => {
    const scale = stage(
      { params: Params, inputs: [source], outputs: { scaled: NumberCacher }, name: 'row33' },
      async ({ params }, { x }) => ({
        scaled: x * params.a,
      }),
    )
    const experiment = await quiet()
    const record = (await source(experiment.record(new Params({ a: 2 })))).set('note', 'by hand')
    const copy = record.copy(new Params({ a: 3 }))
    expect(copy.parent).toBe(record)
    expect(copy.names()).toEqual(['x', 'note'])
    expect(copy.stages).toEqual([])
    expect(copy.lazy('x').digest).toBe(record.lazy('x').digest)
    expect([await (await scale(record)).get('scaled'), await (await scale(copy)).get('scaled')]).toEqual([2, 3])
    copy.set('note', 'changed')
    expect(await record.get('note')).toBe('by hand')
    expect(record.copy().params).toBe(record.params)
  })

  it('row 34 (differently): there is no params registry, for every entry holds the full configuration', async () => {
    const store = await newStore()
    const experiment = await quiet(store)
    experiment.record(new Params({ a: 5 }))
    expect(filesIn(store.folder)).toEqual(['curio.json'])
    class Wide extends Config({ a: z.int().default(1), b: z.string(), c: z.array(z.int()).default([1]) }) {}
    const all = stage({ params: Wide, outputs: { n: NumberCacher }, name: 'row34' }, async () => ({ n: 1 }))
    const record = await experiment.run(new Wide({ b: 'x' }), [all])
    const entry = await store.entry(record.stages[0]!.key)
    expect(entry).toMatchObject({ params: { a: '1', b: '"x"', c: '[1]' }, defaults: { a: '1', c: '[1]' } })
  })

  it('row 35: in the body the record shows the cachers in output order, with the paths where the files are expected', async () => {
    const write = stage(
      { outputs: { b: TextCacher, a: JsonCacher, chosen: null }, name: 'row35' },
      async ({ cachers }) => {
        expect(Object.keys(cachers)).toEqual(['b', 'a'])
        const files = Object.values(cachers).map((cacher) => cacher.getPath())
        expect(files.map((file) => path.basename(file))).toEqual(['b.txt', 'a.json'])
        fs.writeFileSync(files[0]!, 'written by a program')
        return { b: cachers.b as never, a: [1], chosen: 1 }
      },
    )
    const store = await newStore()
    const record = await (await quiet(store)).run(undefined, [write])
    expect([await record.get('b'), await record.get('a')]).toEqual(['written by a program', [1]])
    const again = await (await quiet(store)).run(undefined, [write])
    expect([again.stages[0]!.how, await again.get('b')]).toEqual(['loaded', 'written by a program'])
  })
})
