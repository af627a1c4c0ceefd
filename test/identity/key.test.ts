import { describe, expect, test } from 'vitest'
import { type Digest, isDigest, sha256, tail } from '../../src/identity/digest.js'
import { checkVersion, type KeyParts, nameKey, stageKey, uidLabel } from '../../src/identity/key.js'
import { keyPath } from '../../src/identity/path.js'

const digest = '0123456789abcdef'.repeat(4) as Digest
const parts: KeyParts = {
  id: 'pkg/train.fit',
  version: '1',
  params: { lr: '0.1', seed: '3' },
  inputs: { data: { artifact: digest }, limit: { value: digest } },
  outputs: { model: ['msgpack', {}], report: 'auto' },
  labels: { lr: '0.1', seed: '3' },
}

describe('the key of a stage', () => {
  test('has the material, hash and text of docs/format.md', () => {
    // The hash by `printf %s <material> | sha256sum`, the tail by Python's base64.b32encode of its first ten bytes.
    expect(stageKey(parts)).toEqual({
      material: `["curio-key-1","pkg/train.fit","1",{"lr":0.1,"seed":3},{"data":["artifact","${digest}"],"limit":["value","${digest}"]},{"model":["msgpack",{}],"report":"auto"}]`,
      hash: '8a4a0135304584b6b2102bcaaca2943fc9a990d784c69d6b43a935e430690595',
      text: 'pkg/train.fit,1/lr=0.1,seed=3-rjfacnjqiwclnmqq',
    })
  })

  test('lies in a folder of that name', () => {
    expect(keyPath(stageKey(parts).text)).toBe('artifacts/pkg/train.fit,1/lr=0.1,seed=3-rjfacnjqiwclnmqq')
  })

  test('does not depend on the order in which anything is named, nor on labels', () => {
    const other = stageKey({
      ...parts,
      params: { seed: '3', lr: '0.1' },
      inputs: { limit: { value: digest }, data: { artifact: digest } },
      outputs: { report: 'auto', model: ['msgpack', {}] },
      labels: {},
    })
    expect(other.hash).toBe(stageKey(parts).hash)
    expect(other.text).toBe('pkg/train.fit,1/data=01234567,limit=01234567-rjfacnjqiwclnmqq')
    expect(stageKey({ ...parts, labels: {}, inputs: {} }).text).toMatch(/^pkg\/train.fit,1\/default-[a-z2-7]{16}$/)
  })

  test.each<[string, Partial<KeyParts>]>([
    ['id', { id: 'pkg/train.fit2' }],
    ['version', { version: '2' }],
    ['a value', { params: { lr: '0.2', seed: '3' } }],
    ['the type of a value', { params: { lr: '"0.1"', seed: '3' } }],
    ['the name of a field', { params: { rl: '0.1', seed: '3' } }],
    ['one field more', { params: { lr: '0.1', seed: '3', x: 'undefined' } }],
    ['an input', { inputs: { ...parts.inputs, limit: { value: sha256('x') } } }],
    ['the kind of an input', { inputs: { ...parts.inputs, limit: { artifact: digest } } }],
    ['the name of an input', { inputs: { data: { artifact: digest }, bound: { value: digest } } }],
    ['a cacher', { outputs: { ...parts.outputs, model: ['json', {}] } }],
    ['an option of a cacher', { outputs: { ...parts.outputs, model: ['msgpack', { useFloat32: true }] } }],
    ['a cacher instead of none', { outputs: { ...parts.outputs, report: ['auto', {}] } }],
    ['the source, where it counts', { code: 'aa' }],
  ])('changes with %s', (_, change) => {
    const changed = stageKey({ ...parts, ...change })
    const same = stageKey(parts)
    expect(changed.hash).not.toBe(same.hash)
    expect(changed.text).not.toBe(same.text)
    expect(changed.material).not.toBe(same.material)
  })

  test('a field called __proto__ counts like any other', () => {
    const params = JSON.parse('{"__proto__":"1"}') as Record<string, string>
    expect(stageKey({ ...parts, params }).material).toContain('{"__proto__":1}')
  })
})

test('the key of a name has the material, hash and text of docs/format.md', () => {
  expect(nameKey('demo/seed=1/metrics')).toEqual({
    material: '["curio-name-1","demo/seed=1/metrics"]',
    hash: 'dfff882211d89125f44a9a600d7875f0dc570dd7895050ca293f23ec557b6318',
    text: 'demo/seed=1/metrics',
  })
})

test('a name that looks like the key of a stage is another key', () => {
  const stage = stageKey(parts)
  const name = nameKey(stage.text)
  expect(name.text).toBe(stage.text)
  expect(name.hash).not.toBe(stage.hash)
  expect(name.material).not.toBe(stage.material)
})

describe('the label of a uid', () => {
  test.each<[string, Record<string, string>, string]>([
    ['nothing', {}, 'default'],
    ['one field', { lr: '0.1' }, 'lr=0.1'],
    ['short ones first, equals by name', { model: 'resnet', b: '2', a: '1' }, 'a=1,b=2,model=resnet'],
    ['other characters become one dash', { 'a b': '"x / y"' }, 'a-b=-x-y-'],
    ['no leading dash', { é: '1' }, '1'],
    ['text that leaves nothing', { '/': '' }, 'default'],
    ['upper case stays', { Name: 'Foo' }, 'Name=Foo'],
  ])('%s', (_, labels, text) => {
    expect(uidLabel(labels)).toBe(text)
  })

  test('has at most 80 bytes, and says how many were cut', () => {
    for (const length of [1, 70, 75, 76, 77, 78, 79, 80, 81, 100, 1000, 100_000]) {
      const label = uidLabel({ v: 'x'.repeat(length) })
      const full = `v=${'x'.repeat(length)}`
      expect(label.length).toBeLessThanOrEqual(80)
      if (full.length <= 80) expect(label).toBe(full)
      else {
        const [, kept, cut] = /^(.*?)\.\.\.(\d+)$/.exec(label)!
        expect(kept!.length + Number(cut)).toBe(full.length)
        expect(label.length).toBeGreaterThan(75)
      }
    }
  })
})

test('the tail is the first 80 bits in base32', () => {
  expect(tail('8a4a0135304584b6b2102bcaaca2943fc9a990d784c69d6b43a935e430690595' as Digest)).toBe('rjfacnjqiwclnmqq')
  expect(tail('0'.repeat(64) as Digest)).toBe('a'.repeat(16))
  expect(tail('f'.repeat(64) as Digest)).toBe('7'.repeat(16))
})

test.each<[unknown, boolean]>([
  ['0'.repeat(64), true],
  ['0'.repeat(63), false],
  ['0'.repeat(65), false],
  [`${'0'.repeat(63)}A`, false],
  [`${'0'.repeat(64)}\n`, false],
  [`../${'0'.repeat(61)}`, false],
  [undefined, false],
  [['0'.repeat(64)], false],
])('only 64 lower-case hex digits are a digest: %j', (text, is) => {
  expect(isDigest(text)).toBe(is)
})

test('SHA-256 of known texts (FIPS 180-2)', () => {
  expect(sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

test.each(['', 'a b', 'a/b', '..', '.', '-1', 'x'.repeat(41), '1,2', 'é'])('%j is no version', (version) => {
  expect(() => checkVersion(version)).toThrow(/is no version/)
})

test.each(['1', '2024-01-01', 'v1.2_b', 'x'.repeat(40)])('%j is a version', (version) => {
  expect(checkVersion(version)).toBe(version)
})
