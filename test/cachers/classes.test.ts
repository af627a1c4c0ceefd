import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { Cacheable, type CacherOptions, Codec, type Encoded, Store } from 'curio'
import * as cachers from 'curio/cachers'
import { describe, expect, it } from 'vitest'
import { cacherIdentity, isCacherSpec } from '../../src/artifact/cacheable.js'
import { chooseCacher } from '../../src/artifact/choose.js'
import { cacherByName } from '../../src/artifact/registry.js'
import { tempDir } from '../helpers/temp.js'

const { BytesCacher, FileReferenceCacher, JsonCacher, MsgpackCacher, TensorCacher, TextCacher } = cachers

const all = [
  ['json', JsonCacher, '.json'],
  ['msgpack', MsgpackCacher, '.msgpack'],
  ['text', TextCacher, '.txt'],
  ['bytes', BytesCacher, '.bin'],
  ['tensor', TensorCacher, '.npy'],
  ['file-reference', FileReferenceCacher, '.json'],
] as const

interface AnyCodec extends Codec<unknown, unknown> {
  encode(value: unknown): Encoded
  decode(bytes: Uint8Array): unknown
}
type Any = cachers.CallableCacher<AnyCodec>

describe.each(all)('the class of %s', (name, Given, extension) => {
  const Class = Given as unknown as Any

  it('makes the same with and without new', () => {
    for (const made of [
      new Class('x/y.json'),
      Class('x/y.json'),
      Class({ path: 'x/y.json' }),
      Reflect.construct(Class, ['x/y.json']),
    ]) {
      expect(made).toBeInstanceOf(Class)
      expect(made).toBeInstanceOf(Codec)
      expect(made).toBeInstanceOf(Cacheable)
      expect(made.constructor).toBe(Class)
      expect(made.options).toEqual({ path: 'x/y.json' })
      expect(made.mainExtension()).toBe(extension)
    }
  })

  it('has the name that its artifacts carry, and is found by it', async () => {
    expect(cacherIdentity(Class)).toEqual({ name, codec: 1 })
    expect(cacherIdentity(Class())).toEqual({ name, codec: 1 })
    expect(await cacherByName(name)).toBeInstanceOf(Class)
    expect(isCacherSpec(Class) && isCacherSpec(Class())).toBe(true)
  })

  it('can be extended: a subclass goes by its own name, and by its own extension', async () => {
    class Mine extends Class {
      override readonly extension: string = '.mine'
    }
    expect(new Mine()).toBeInstanceOf(Class)
    expect(new Mine().mainExtension()).toBe('.mine')
    expect(new Mine({ extension: '.x' }).mainExtension()).toBe('.x')
    expect(cacherIdentity(Mine).name).toBe('Mine')
    expect(() => new Mine({ pat: 'x' } as CacherOptions)).toThrow(/Mine has no option "pat"[\s\S]*did you mean path\?/)
  })

  it('says what is missing when it has no path', async () => {
    await expect(Class().load()).rejects.toThrow(`${name} has no path`)
  })
})

it('a subclass that adds to what is saved is saved and loaded by itself', async () => {
  await using dir = tempDir()
  class Stamped extends JsonCacher {
    override async encode(value: unknown): Promise<string> {
      this.extraMetadata.stamped = true
      return super.encode({ value })
    }
    override async decode(bytes: Uint8Array): Promise<unknown> {
      return [this.extraMetadata.stamped, await super.decode(bytes)]
    }
  }
  const store = await Store.open(dir.join('store'))
  await store.save('k', Stamped, 5)
  expect(await store.load('k', Stamped)).toEqual([true, { value: 5 }])
  await expect(store.load('k')).rejects.toThrow(/no cacher named "Stamped"/)
})

it('the option extension replaces the file extension, in a store too', async () => {
  await using dir = tempDir()
  const store = await Store.open(dir.join('store'))
  const saved = await store.save('k', TextCacher({ extension: '.svg' }), '<svg/>')
  expect(saved.files.map(({ role }) => role)).toEqual(['value.svg'])
  expect(store.lazy('k').path).toMatch(/value\.svg$/)
  expect(await store.load('k')).toBe('<svg/>')
})

it.each([
  ['text', 'a text'],
  ['msgpack', '\ud800'],
  ['bytes', Uint8Array.of(1)],
  ['tensor', { data: Float32Array.of(1), shape: [1] }],
  ['json', { a: [1, null] }],
  ['msgpack', { a: new Date(0) }],
  ['msgpack', undefined],
])('without a cacher, %s is chosen for %o, and its value comes back', async (name, value) => {
  const cacher = await chooseCacher(value)
  expect(cacherIdentity(cacher).name).toBe(name)
  await using dir = tempDir()
  const store = await Store.open(dir.join('store'))
  await store.save('k', cacher, value)
  expect(await store.load('k')).toEqual(name === 'tensor' ? { ...(value as object), dtype: 'float32' } : value)
})

it('importing curio/cachers loads no package', () => {
  const hooks = `export async function resolve(specifier, context, next) {
    if (!/^([./]|file:|node:|data:)/.test(specifier) && !context.parentURL?.startsWith('data:')) {
      const { writeSync } = await import('node:fs')
      writeSync(2, 'package ' + specifier + '\\n')
    }
    return next(specifier, context)
  }`
  const entry = new URL('../../cachers/index.ts', import.meta.url).href
  const code = `import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}))
    await import(${JSON.stringify(entry)})
    console.log('loaded')`
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', code]
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, VITEST: undefined } })
  expect(done.stdout).toBe('loaded\n')
  expect(
    done.stderr.split('\n').filter((line) => line.startsWith('package ') && !/ (fs|path|os|util|crypto)$/.test(line)),
  ).toEqual([])
})

it('every cacher has a page', () => {
  const pages = fs.readdirSync(new URL('../../docs/cachers', import.meta.url))
  expect(pages).toEqual(expect.arrayContaining(all.map(([name]) => `${name}.md`)))
})
