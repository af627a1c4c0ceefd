import * as path from 'node:path'
import { Chain, register, type StepResult, withSignal } from 'curio'
import { beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import { tempDir } from '../experiment/helpers.js'
import { AddOne, Double, Embed, Multiply, ran } from './fixtures/steps.js'

beforeEach(() => {
  ran.length = 0
})
const newFolder = (): string => path.join(tempDir(), 'store')

describe('a step', () => {
  it('computes each time without an infra, and once with one', async () => {
    expect(await new Double({ x: 5 }).run()).toBe(10)
    expect(await new Double({ x: 5 }).run()).toBe(10)
    const folder = newFolder()
    for (let i = 0; i < 3; i++) expect(await new Double({ x: 5, infra: { backend: 'Cached', folder } }).run()).toBe(10)
    expect(ran).toEqual(['double 5', 'double 5', 'double 5'])
  })

  it('has one result for one value, whether it comes alone or with others', async () => {
    const folder = newFolder()
    const step = new Multiply({ coeff: 3, infra: { backend: 'cached', folder } })
    const result = step.run(5)
    expectTypeOf(result).toEqualTypeOf<Promise<number>>()
    expect(await result).toBe(15)
    expect(await step.runMany([1, 5, 5]).toArray()).toEqual([3, 15, 15])
    const seen: number[] = []
    for await (const y of new Multiply({ coeff: 3, infra: { backend: 'cached', folder } }).runMany([5, 1])) seen.push(y)
    expect(seen).toEqual([15, 3])
    expect(ran).toEqual(['multiply 5', 'multiply 1'])
    expect([await step.hasCache(5), await step.hasCache(7)]).toEqual([true, false])
    await step.clearCache(5)
    expect(await step.hasCache(5)).toBe(false)
    expect(await step.lookup(1).result()).toBe(3)
  })

  it('that takes many at once is set up once', async () => {
    const folder = newFolder()
    const step = new Embed({ infra: { backend: 'cached', folder } })
    const values = [new Float32Array([1]), new Float32Array([1, 2])]
    expect(await step.runMany(values).toArray()).toEqual([1, 2])
    expect(await step.run(new Float32Array([3]))).toBe(2)
    expect(ran).toEqual(['load', 'embed 1', 'embed 2'])
  })

  it('keeps an error, and says so when it is met again', async () => {
    const folder = newFolder()
    const step = new Multiply({ infra: { backend: 'cached', folder } })
    await expect(step.run(13)).rejects.toThrow(RangeError)
    await expect(step.run(13)).rejects.toThrow(/unlucky[\s\S]*retry/)
    expect(await step.lookup(13).status()).toBe('failed')
    await expect(step.clone({ infra: { mode: 'retry' } }).run(13)).rejects.toThrow(RangeError)
    expect(ran).toHaveLength(2)
  })
})

describe('a step under a signal', () => {
  it('ends when the signal says so', async () => {
    const step = new Multiply({ infra: { backend: 'cached', folder: newFolder() } })
    const aborted = AbortSignal.abort()
    await expect(withSignal(aborted, () => step.run(2))).rejects.toThrow(/abort/i)
    await expect(withSignal(aborted, () => step.runMany([1, 2]).toArray())).rejects.toThrow(/abort/i)
    expect(ran).toEqual([])
  })
})

describe('a chain', () => {
  it('runs its steps in sequence, and what is kept of a step is not computed again', async () => {
    const folder = newFolder()
    const chain = new Chain({
      steps: [
        new Double({ x: 5, infra: { backend: 'Cached', folder } }),
        new AddOne({ infra: { backend: 'Cached', folder } }),
      ],
    })
    expectTypeOf<StepResult<typeof chain>>().toEqualTypeOf<number>()
    expect(await chain.run()).toBe(11)
    expect(await chain.run()).toBe(11)
    expect(ran).toEqual(['double 5', 'addOne 10'])
    const other = new Chain({ steps: [new Double({ x: 5, infra: { backend: 'Cached', folder } }), new Multiply({})] })
    expect(await other.run()).toBe(20)
    expect(ran).toEqual(['double 5', 'addOne 10', 'multiply 10'])
  })

  it('and its last step share their results', async () => {
    const folder = newFolder()
    const steps = () => [new Multiply({ coeff: 2 }), new AddOne({ infra: { backend: 'cached', folder } })] as const
    expect(await new Chain({ steps: steps() }).run(4)).toBe(9)
    const whole = new Chain({
      steps: [new Multiply({ coeff: 2 }), new AddOne({})],
      infra: { backend: 'cached', folder },
    })
    expect(await whole.run(4)).toBe(9)
    expect(await new Chain({ steps: steps(), infra: { folder, backend: 'cached' } }).run(5)).toBe(11)
    expect(ran).toEqual(['multiply 4', 'addOne 8', 'multiply 5', 'addOne 10'])
  })

  it('is made of plain data, by names', async () => {
    register(Double, AddOne, Multiply)
    const chain = new Chain({
      steps: { load: { type: 'Double', x: 2 }, more: [{ type: 'Multiply', coeff: 3 }, { type: 'AddOne' }] },
    })
    expect(await chain.run()).toBe(13)
    expect(chain.show()).toBe('Chain\n  load: Double(x=2)\n  more: Chain\n    Multiply(coeff=3)\n    AddOne')
    expect(await chain.clone({ 'steps.load.x': 3 }).run()).toBe(19)
    expect(() => new Chain({ steps: [{ type: 'Multiply', coef: 2 }] })).toThrow(/steps\.0\.coef/)
    expect(() => new Chain({ steps: [{ type: 'Multipy', coeff: 2 }] })).toThrow(/did you mean Multiply/)
    expect(chain.at('load')).toBeInstanceOf(Double)
    expect(await chain.slice(0, 1).run()).toBe(4)
  })

  it('goes the way of a job with its steps', async () => {
    const folder = newFolder()
    const chain = new Chain({
      steps: [
        new Multiply({ infra: { backend: 'cached', folder } }),
        new AddOne({ infra: { backend: 'debug', folder } }),
      ],
    })
    expect(await chain.runMany([1, 2]).toArray()).toEqual([3, 5])
    expect(await chain.runMany([2, 1]).toArray()).toEqual([5, 3])
    expect(ran).toEqual(['multiply 1', 'multiply 2', 'addOne 2', 'addOne 4'])
  })
})
