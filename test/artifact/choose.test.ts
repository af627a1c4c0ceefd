import { describe, expect, it } from 'vitest'
import { cacherIdentity } from '../../src/artifact/cacheable.js'
import { chooseCacher } from '../../src/artifact/choose.js'
import { stage } from '../../src/index.js'
import { newStore, quiet } from '../experiment/helpers.js'

const chosen = async (value: unknown): Promise<string> => cacherIdentity(await chooseCacher(value)).name

describe('the cacher for a value when none is named', () => {
  it.each([
    ['text', 'a string'],
    ['text', ''],
    ['msgpack', 'half \ud800 pair'],
    ['bytes', new Uint8Array(2)],
    ['bytes', Buffer.from('x')],
    ['tensor', { data: new Float32Array(2), shape: [2] }],
    ['tensor', { data: new Int32Array(2), dims: [1, 2], dtype: 'int32' }],
    ['msgpack', { data: new Float32Array(2) }],
    ['msgpack', new Float32Array(2)],
    ['json', { a: [1, null, 'x', true] }],
    ['json', 3],
    ['json', null],
    ['json', []],
    ['msgpack', undefined],
    ['msgpack', Number.NaN],
    ['msgpack', -0],
    ['msgpack', 1n],
    ['msgpack', { a: undefined }],
    ['msgpack', new Map()],
    ['msgpack', { when: new Date(0) }],
  ])('is %s for %o', async (name, value) => {
    expect(await chosen(value)).toBe(name)
  })

  it('is chosen anew for each value of a stage, and what comes back is what went in', async () => {
    const values = ['text', new Uint8Array([1]), { a: 1 }, new Map([[{ k: 1 }, new Set([1n])]]), undefined, 3]
    const store = await newStore()
    const any = stage({ inputs: ['i'], outputs: { v: null }, name: 'choose/any' }, async (_r, { i }) => ({
      v: values[i as number],
    }))
    const experiment = await quiet(store)
    for (const [i, value] of values.entries()) {
      for (const how of ['computed', 'loaded']) {
        const record = await any(experiment.record(), { i })
        expect([record.stages[0]!.how, await record.get('v')]).toEqual([how, value])
      }
    }
  })
})
