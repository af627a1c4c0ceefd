import * as fs from 'node:fs'
import * as path from 'node:path'
import { toArray } from 'curio'
import { beforeEach, describe, expect, it } from 'vitest'
import { tempDir } from '../experiment/helpers.js'
import { ran, Squarer, Train } from './fixtures/local.js'

beforeEach(() => {
  ran.length = 0
})

describe('a task', () => {
  it('is computed once, also for a new object', async () => {
    const folder = path.join(tempDir(), 'store')
    const xp = new Train({ lr: 0.5, infra: { folder } })
    expect(await xp.infra.status()).toBe('not submitted')
    expect(await xp.run()).toEqual({ loss: 0.84 })
    expect(await new Train({ lr: 0.5, infra: { folder } }).run()).toEqual({ loss: 0.84 })
    expect(ran).toEqual([0.5])
    expect(await xp.infra.status()).toBe('completed')
  })
  it('keeps an error', async () => {
    const folder = path.join(tempDir(), 'store')
    const xp = new Train({ lr: -1, infra: { folder } })
    await expect(xp.run()).rejects.toThrow(RangeError)
    await expect(xp.run()).rejects.toThrow(/negative/)
    expect(ran).toEqual([-1])
    expect(await xp.infra.status()).toBe('failed')
    await expect(new Train({ lr: -1, infra: { folder, mode: 'retry' } }).run()).rejects.toThrow(RangeError)
    expect(ran).toEqual([-1, -1])
  })
})

describe('a map', () => {
  it('gives results in order, each distinct item computed once', async () => {
    const folder = path.join(tempDir(), 'store')
    const xp = new Squarer({ infra: { folder } })
    expect(await toArray(xp.process([1, 2, 2, 3]))).toEqual([1, 4, 4, 9])
    expect(await toArray(new Squarer({ infra: { folder } }).process([3, 4]))).toEqual([9, 16])
    expect(ran).toEqual([1, 2, 3, 4])
    expect(fs.readdirSync(folder).sort()).toContain('claims')
  })
  it('keeps what was done before a failure, and the error', async () => {
    const folder = path.join(tempDir(), 'store')
    const xp = new Squarer({ infra: { folder } })
    await expect(toArray(xp.process([1, 13, 2]))).rejects.toThrow('unlucky')
    expect(ran).toEqual([1, 13])
    await expect(toArray(xp.process([1, 13, 2]))).rejects.toThrow('unlucky')
    expect(ran).toEqual([1, 13])
  })
  it('runs by the way of a job', async () => {
    const folder = path.join(tempDir(), 'store')
    const xp = new Squarer({ coeff: 2, infra: { folder, cluster: 'debug' } })
    expect(await toArray(xp.process([1, 2, 3]))).toEqual([2, 8, 18])
  })
})

describe('what was set on an object', () => {
  it('is refused, also after its first result: no key would see it', async () => {
    const folder = path.join(tempDir(), 'store')
    const squarer = new Squarer({ infra: { folder } })
    await toArray(squarer.process([1]))
    Object.assign(squarer, { flag: 1 })
    await expect(toArray(squarer.process([2]))).rejects.toThrow(/flag was set on the object/)
    const train = new Train({ lr: 1, infra: { folder } })
    await train.infra.status()
    Object.assign(train, { flag: 1 })
    await expect(train.run()).rejects.toThrow(/flag was set on the object/)
  })
})
