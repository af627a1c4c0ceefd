import { randomFillSync } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { BytesCacher } from '../../cachers/bytes.js'
import { FileReferenceCacher } from '../../cachers/file-reference.js'
import { JsonCacher } from '../../cachers/json.js'
import { TensorCacher } from '../../cachers/tensor.js'
import { TextCacher } from '../../cachers/text.js'
import { Config, canonical, inputFile, lazy, type StageContext, Store, stage } from '../../src/index.js'
import { failure, newStore, quiet, tempDir } from './helpers.js'

class Optim extends Config({ lr: z.number().default(1) }) {}
class Adam extends Optim.extend({ beta: z.number() }) {}
class Nested extends Config({ optim: Optim.schema().nullable().default(null) }) {}
class Floats extends Config({ values: z.instanceof(Float32Array) }) {}
class Source extends Config({ file: inputFile() }) {}

describe('what a review tried to slip past the key', () => {
  it('a subclass in a nested configuration counts with its own fields and its class; null is allowed', async () => {
    const show = stage({ name: 'attacks/nested', params: Nested, outputs: { o: JsonCacher } }, async (record) => ({
      o: { ...record.params.optim },
    }))
    const experiment = await quiet()
    const keys = new Set<string>()
    for (const optim of [null, new Optim({}), new Adam({ beta: 1 }), new Adam({ beta: 2 })]) {
      const record = await experiment.run(new Nested({ optim }), [show])
      keys.add(record.stages[0]!.key)
      expect(await record.get('o')).toEqual({ ...optim })
    }
    expect(keys.size).toBe(4)
  })

  it('parameters are copied: changing them while the body runs changes nothing', async () => {
    const first = stage({ name: 'attacks/params', params: Floats, outputs: { o: JsonCacher } }, async (record) => {
      await sleep(40)
      record.params.values[0]! += 10
      return { o: record.params.values[0]! }
    })
    const experiment = await quiet()
    const values = new Float32Array([1])
    const running = experiment.run(new Floats({ values }), [first])
    await sleep(10)
    values[0] = 2
    expect(await (await running).get('o')).toBe(11)
    const again = await experiment.run(new Floats({ values: new Float32Array([1]) }), [first])
    expect([again.stages[0]!.how, await again.get('o')]).toEqual(['loaded', 11])
  })

  it('an input file that changes while an output streams makes the result uncacheable', async () => {
    const dir = tempDir()
    const file = path.join(dir, 'in.txt')
    fs.writeFileSync(file, 'one')
    let meanwhile = (): void => fs.writeFileSync(file, 'two')
    const copy = stage({ name: 'attacks/stream', params: Source, outputs: { o: BytesCacher } }, async (record) => ({
      o: (async function* () {
        meanwhile()
        yield fs.readFileSync(record.params.file)
      })(),
    }))
    const experiment = await quiet()
    expect((await experiment.run(new Source({ file }), [copy])).stages[0]!.how).toBe('uncached')
    meanwhile = () => undefined
    fs.writeFileSync(file, 'one')
    const again = await experiment.run(new Source({ file }), [copy])
    expect([again.stages[0]!.how, Buffer.from(await again.get('o')).toString()]).toEqual(['computed', 'one'])
  })

  it('a function in a field counts by its source, and a symbol, an accessor or an inherited field is refused', async () => {
    class Apply {
      constructor(readonly fn: (x: number) => number) {}
      @stage({ name: 'attacks/apply', outputs: { o: JsonCacher } }) async apply(_record: StageContext) {
        return { o: this.fn(3) }
      }
    }
    const experiment = await quiet()
    expect((await new Apply((x) => x + 1).apply(experiment.record())).o).toBe(4)
    expect((await new Apply((x) => x * 2).apply(experiment.record())).o).toBe(6)
    const hidden = new Apply((x) => x)
    Object.defineProperty(hidden, 'secret', { value: 1, enumerable: false })
    expect(await failure(hidden.apply(experiment.record()))).toMatchObject({ code: 'ERR_NOT_ENCODABLE' })
    const inherited = Object.create(new Apply((x) => x)) as Apply
    expect(await failure(inherited.apply(experiment.record()))).toMatchObject({ code: 'ERR_NOT_ENCODABLE' })
  })

  it('a static field counts for a static method', async () => {
    class Tool {
      readonly made = true
      static factor = 1
      @stage({ name: 'attacks/static', outputs: { o: JsonCacher } }) static async make(_record: StageContext) {
        return { o: Tool.factor }
      }
    }
    const experiment = await quiet()
    expect((await Tool.make(experiment.record())).o).toBe(1)
    Tool.factor = 2
    expect((await Tool.make(experiment.record())).o).toBe(2)
  })

  it('a referenced file that changes between its stage and the one that reads it runs its stage again', async () => {
    const file = path.join(tempDir(), 'ref.txt')
    const make = stage({ name: 'attacks/ref', outputs: { ref: FileReferenceCacher } }, async () => {
      fs.writeFileSync(file, 'original')
      return { ref: file }
    })
    const spoil = stage({ name: 'attacks/spoil', outputs: { done: JsonCacher }, mode: 'force' }, async () => {
      fs.writeFileSync(file, 'modified')
      return { done: true }
    })
    const use = stage({ name: 'attacks/use', inputs: [make], outputs: { seen: TextCacher } }, async (_r, { ref }) => ({
      seen: fs.readFileSync(String(ref), 'utf8'),
    }))
    const experiment = await quiet()
    const error = await failure(experiment.run(undefined, [make, spoil, use]))
    expect(error.message).toMatch(/different each time|came out different|ref/)
    const record = await experiment.run(undefined, [make, use])
    expect(await record.get('seen')).toBe('original')
  })

  it('properties of views, own __proto__ keys and another current folder are not passed over', async () => {
    expect(() => canonical(Object.assign(new Float32Array(6), { shape: [2, 3] }))).toThrow(/properties of its own/)
    const show = stage({ name: 'attacks/proto', outputs: { o: JsonCacher } }, async () => ({ o: 1 }))
    const odd = JSON.parse('{"__proto__":{"a":1}}') as object
    expect(await failure((await quiet()).run(odd, [show]))).toMatchObject({ code: 'ERR_NOT_ENCODABLE' })
  })
})

describe('what a review tried to lose', () => {
  it('a tensor with labels is not cut down to a tensor, nor an array with a property to its elements', async () => {
    const value = { data: new Float32Array(2), shape: [2], label: 'cat' }
    const odd = Object.assign([1], { k: 5 })
    const give = stage({ name: 'attacks/auto', outputs: { o: null } }, async () => ({ o: value }))
    const record = await (await quiet()).run(undefined, [give])
    expect(await record.get('o')).toEqual(value)
    delete (odd as unknown as Record<number, unknown>)[0]
    const bad = stage({ name: 'attacks/holes', outputs: { o: JsonCacher } }, async () => ({ o: odd }))
    expect(await failure((await quiet()).run(undefined, [bad]))).toMatchObject({ code: 'ERR_CACHER_SAVE' })
  })

  it('one stream cannot be two outputs', async () => {
    const twice = stage({ name: 'attacks/twice', outputs: { a: BytesCacher, b: BytesCacher } }, async () => {
      const stream = (async function* () {
        yield new Uint8Array(3)
      })()
      return { a: stream, b: stream }
    })
    expect(await failure((await quiet()).run(undefined, [twice]))).toMatchObject({ code: 'ERR_DECLARATION' })
  })

  it('a large value that is changed while it is saved is stored as it was read, whole', async () => {
    const store = await newStore()
    const bytes = randomFillSync(new Uint8Array(24 << 20))
    const saving = store.save('large', BytesCacher, bytes)
    for (let i = 0; i < 20; i++) {
      await sleep(1)
      bytes.fill(i)
    }
    await saving
    expect((await store.load('large', BytesCacher)).byteLength).toBe(bytes.byteLength)
    expect((await store.verify()).problems).toEqual([])
  })

  it('a computation that needs its own result is refused instead of waiting for itself', async () => {
    const experiment = await quiet()
    const again: { run(): Promise<unknown> } = { run: async () => undefined }
    const own = stage({ name: 'attacks/own', outputs: { o: JsonCacher } }, async () => {
      await again.run()
      return { o: 1 }
    })
    again.run = () => experiment.run(undefined, [own])
    expect(await failure(experiment.run(undefined, [own]))).toMatchObject({ code: 'ERR_DECLARATION' })
  })

  it('another dtype of a tensor is another result', async () => {
    const store = await newStore()
    const make = (dtype: 'float64' | 'float32') =>
      stage({ name: 'attacks/dtype', version: dtype, outputs: { t: lazy(TensorCacher({ dtype })) } }, async () => ({
        t: { data: new Float64Array(2), shape: [2] },
      }))
    const experiment = await quiet(store)
    const keys: string[] = []
    for (const dtype of ['float64', 'float32'] as const) {
      const record = await experiment.run(undefined, [make(dtype)])
      expect((await record.get('t')).dtype).toBe(dtype)
      keys.push(...(await Promise.all(record.stages.map(async (run) => (await store.entry(run.key))!.material))))
    }
    expect(keys[0]).toContain('float64')
  })

  it('an entry that was moved under another key by hand is set aside, and the key works again', async () => {
    const store = await newStore()
    await store.save('a', TextCacher, 'of a')
    fs.cpSync(store.dirOf('a'), store.dirOf('b'), { recursive: true })
    expect(await store.has('b')).toBe(false)
    expect((await store.save('b', TextCacher, 'of b')).outcome).toBe('created')
    expect(await store.load('b')).toBe('of b')
  })

  it('arguments in the wrong order are named', async () => {
    const store = await newStore()
    expect(await failure(store.save('k', { x: 1 } as never, JsonCacher as never))).toMatchObject({
      code: 'ERR_DECLARATION',
    })
    expect(store).toBeInstanceOf(Store)
  })
})
