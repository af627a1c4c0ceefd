import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BytesCacher } from '../../cachers/bytes.js'
import { FileReferenceCacher } from '../../cachers/file-reference.js'
import { JsonCacher } from '../../cachers/json.js'
import { MsgpackCacher } from '../../cachers/msgpack.js'
import { TensorCacher } from '../../cachers/tensor.js'
import { TextCacher } from '../../cachers/text.js'
import { Cacheable, Codec } from '../../src/artifact/cacheable.js'
import type { Store } from '../../src/artifact/store.js'
import { TensorStatistics } from '../../src/cli/tensor.js'
import { commitStage, Place } from './helpers.js'

/** Never registered: what a program of somebody else's stored. */
class PointCacher extends Codec<{ x: number }> {
  override readonly extension = '.pt'
  encode({ x }: { x: number }) {
    return `x=${x}`
  }
  decode(bytes: Uint8Array) {
    return { x: Number(Buffer.from(bytes).toString().slice(2)) }
  }
}

class TwoFilesCacher extends Cacheable<string> {
  override readonly extension = '.txt'
  save(value: string) {
    fs.writeFileSync(this.getPath('_a.bin'), value)
    fs.writeFileSync(this.getPath('_b.bin'), value + value)
  }
  load() {
    return fs.readFileSync(this.getPath('_a.bin'), 'utf8')
  }
}

const place = new Place()
let store: Store
let key: string

beforeAll(async () => {
  store = await place.open()
  const large = 'x'.repeat((1 << 20) + 1)
  const entry = await commitStage(store, {
    outputs: {
      metrics: [new JsonCacher(), { loss: 0.5 }],
      log: [new TextCacher(), 'one\ntwo\n'],
      large: [new TextCacher(), large],
    },
  })
  key = entry.key
})
afterAll(() => place.remove())

async function tensor(data: ArrayLike<unknown>, shape: number[], dtype?: string): Promise<string> {
  await store.save('t', TensorCacher, { data, shape, ...(dtype === undefined ? {} : { dtype }) }, { mode: 'force' })
  return (await place.curio('cat', 't')).out
}

describe('curio cat', () => {
  it('prints JSON pretty, and text as it is', async () => {
    await store.save('j', JsonCacher, { a: [1, 'x'], b: null })
    expect(await place.curio('cat', 'j')).toMatchObject({
      code: 0,
      out: '{\n  "a": [\n    1,\n    "x"\n  ],\n  "b": null\n}\n',
    })
    await store.save('s', TextCacher, 'größe\tok\nno newline at the end')
    expect((await place.curio('cat', 's')).out).toBe('größe\tok\nno newline at the end\n')
    await store.save('empty', TextCacher, '')
    expect((await place.curio('cat', 'empty')).out).toBe('\n')
  })

  it('prints msgpack values as Node prints objects', async () => {
    await store.save('m', MsgpackCacher, {
      when: new Date(0),
      big: 2n ** 70n,
      set: new Set([1]),
      map: new Map([['k', undefined]]),
    })
    const { out } = await place.curio('cat', 'm')
    expect(out).toContain('when: 1970-01-01T00:00:00.000Z')
    expect(out).toContain('1180591620717411303424n')
    expect(out).toContain("Map(1) { 'k' => undefined }")
    expect(JSON.parse((await place.curio('cat', 'm', '--json')).out)).toMatchObject({
      artifacts: [{ kind: 'value', inspected: expect.stringContaining('Set(1) { 1 }') }],
    })
  })

  it('prints a hex dump of the beginning of bytes, and their size', async () => {
    await store.save(
      'b',
      BytesCacher,
      Uint8Array.from({ length: 300 }, (_, i) => i),
    )
    const { out } = await place.curio('cat', 'b')
    expect(out).toMatch(/^300 bytes \(300 B\)\n00000000 {2}00 01 02 03 04 05 06 07 {2}08 .* 0f {2}\|\.{16}\|\n/)
    expect(out).toContain('00000040  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|')
    expect(out).toMatch(/… 44 bytes more\n$/)
    await store.save('b0', BytesCacher, new Uint8Array(0))
    expect((await place.curio('cat', 'b0')).out).toBe('0 bytes (0 B)\n')
  })

  it('says of file references where they point and what is not there any more', async () => {
    const [a, b] = ['a', 'b'].map((name) => path.join(place.dir, name)) as [string, string]
    for (const file of [a, b]) fs.writeFileSync(file, 'x')
    await store.save('refs', FileReferenceCacher, [a, b])
    fs.rmSync(b)
    expect((await place.curio('cat', 'refs')).out).toBe(`${a}\n${b}  (not there any more)\n`)
  })

  it('shows the bytes of an artifact whose cacher is not known here, and lists its files when it has no main one', async () => {
    await store.save('p', PointCacher, { x: 7 })
    const { out, code } = await place.curio('cat', 'p')
    expect(code).toBe(0)
    expect(out).toContain('(cacher PointCacher is not known here')
    expect(out).toContain('|x=7|')
    await store.save('two', TwoFilesCacher, 'abc')
    expect((await place.curio('cat', 'two')).out).toBe('value_a.bin  3 B\nvalue_b.bin  6 B\n')
  })

  it('of several artifacts prints all under headings, and mentions those of more than 1 MiB', async () => {
    const { out, code } = await place.curio('cat', key)
    expect(code).toBe(0)
    expect(out).toContain('#metrics  json, ')
    expect(out).toContain('"loss": 0.5')
    expect(out).toContain('\n#log  text, 8 B\none\ntwo\n\n#large')
    expect(out).toContain(`(curio cat ${key}#large prints it)`)
    expect(out.length).toBeLessThan(2000)
    const kinds = JSON.parse((await place.curio('cat', key, '--json')).out) as { artifacts: { kind: string }[] }
    expect(kinds.artifacts.map(({ kind }) => kind)).toEqual(['json', 'text', 'large'])
  })

  it('prints the artifact that is named after #', async () => {
    expect((await place.curio('cat', `${key}#log`)).out).toBe('one\ntwo\n')
    expect((await place.curio('cat', `${key.slice(-16)}#log`)).out).toBe('one\ntwo\n')
    expect((await place.curio('cat', `${key}#large`)).out.length).toBe((1 << 20) + 2)
    const ran = await place.curio('cat', `${key}#nope`)
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('has no artifact nope\n  → it has metrics, log, large')
    await store.save('key#with hash', TextCacher, 'hash')
    expect((await place.curio('cat', 'key#with hash')).out).toBe('hash\n')
    expect((await place.curio('cat', 'key#with hash#value')).out).toBe('hash\n')
  })

  it('--raw gives the file byte for byte, --file another one than the main one', async () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, i) => i)
    await store.save('raw', BytesCacher, bytes)
    expect((await place.curio('cat', 'raw', '--raw')).bytes).toEqual(Buffer.from(bytes))
    expect((await place.curio('cat', 'two', '--raw', '--file', 'value_b.bin')).out).toBe('abcabc')
    const ran = await place.curio('cat', 'two', '--raw')
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('--file: value_a.bin, value_b.bin')
  })

  it('--raw asks for the name of one of several artifacts, and does not write to a terminal', async () => {
    const ran = await place.curio('cat', key, '--raw')
    expect(ran).toMatchObject({ code: 1, out: '' })
    expect(ran.err).toContain(`${key}#log  text, 8 B`)
    const terminal = await place.curioWith({ tty: true }, 'cat', 'raw', '--raw')
    expect(terminal).toMatchObject({ code: 2, out: '' })
    expect(terminal.err).toContain('--raw > file')
  })

  it('never prints damaged or missing bytes: exit code 1, and the damage stays for verify', async () => {
    const saved = await store.save('damaged', TextCacher, 'precious text')
    const blob = store.blobs.path(saved.files[0]!.sha256)
    fs.chmodSync(blob, 0o600)
    fs.writeFileSync(blob, 'precious tezt')
    for (const argv of [
      ['cat', 'damaged'],
      ['cat', 'damaged', '--raw'],
      ['cat', 'damaged', '--json'],
    ]) {
      const ran = await place.curio(...argv)
      expect(ran).toMatchObject({ code: 1, out: '' })
      expect(ran.err).toContain('run the stage again')
    }
    expect(fs.existsSync(blob)).toBe(true)
    fs.rmSync(blob)
    expect((await place.curio('cat', 'damaged')).code).toBe(1)
  })

  it('shows the other artifacts of an entry when one is gone, and exits with 1', async () => {
    const entry = await commitStage(store, {
      id: 'half',
      outputs: { a: [new TextCacher(), 'only here'], b: [new TextCacher(), 'bee'] },
    })
    fs.rmSync(store.blobs.path(entry.artifacts[0]!.files![0]!.sha256))
    const { out, code } = await place.curio('cat', entry.key)
    expect(code).toBe(1)
    expect(out).toContain('bee')
    expect(out).toContain('#a  text, 9 B\ncannot find the bytes of artifact a')
  })
})

describe('a tensor', () => {
  it('is shown by dtype, shape and statistics', async () => {
    expect(await tensor(Float64Array.of(1, 2, 3, 4, 5, 6), [2, 3])).toBe(
      [
        'dtype  float64',
        'shape  [2, 3]  6 elements',
        'min    1',
        'max    6',
        'mean   3.5',
        'std    1.70783',
        'NaN    0',
        'first  1, 2, 3, 4, 5, 6',
        '',
      ].join('\n'),
    )
  })

  it('counts NaN and infinities and leaves NaN out of the statistics', async () => {
    const out = await tensor(Float32Array.of(Number.NaN, 1, 3, Number.NaN), [4])
    expect(out).toMatch(/min +1\nmax +3\nmean +2\nstd +1\nNaN +2\n/)
    const infinite = await tensor(Float32Array.of(1, Number.POSITIVE_INFINITY), [2])
    expect(infinite).toMatch(/max +Infinity\nmean +Infinity\nstd +NaN\nNaN +0\ninfinite +1\n/)
    expect(await tensor(Float32Array.of(Number.NaN), [1])).not.toContain('mean')
  })

  it('of 64-bit integers keeps every digit of min and max', async () => {
    const out = await tensor(BigInt64Array.of(-(2n ** 62n) - 1n, 2n ** 62n + 1n), [2])
    expect(out).toContain('min    -4611686018427387905')
    expect(out).toContain('max    4611686018427387905')
    expect(out).toContain('first  -4611686018427387905, 4611686018427387905')
    const { artifacts } = JSON.parse((await place.curio('cat', 't', '--json')).out) as {
      artifacts: [{ tensor: object }]
    }
    expect(artifacts[0].tensor).toMatchObject({ min: '-4611686018427387905', max: '4611686018427387905', mean: 0 })
  })

  it('of booleans counts what is true', async () => {
    const out = await tensor(Uint8Array.of(1, 0, 1, 1), [2, 2], 'bool')
    expect(out).toBe('dtype  bool\nshape  [2, 2]  4 elements\ntrue   3\nfirst  true, false, true, true\n')
  })

  it('of float16 is widened, an empty one and a single number have a shape too', async () => {
    expect(await tensor(Float32Array.of(0.5, 1.5), [2], 'float16')).toMatch(/dtype +float16\n[\s\S]*mean +1\n/)
    expect(await tensor(new Float32Array(0), [0, 3])).toBe('dtype  float32\nshape  [0, 3]  0 elements\nNaN    0\n')
    expect(await tensor(Float64Array.of(7), [])).toContain('shape  []  1 element\nmin    7')
  })

  it('is summed up block by block to the same figures as at once', () => {
    const data = Float64Array.from({ length: 10_000 }, (_, i) => Math.sin(i) * 1e6 + 1e9)
    const once = new TensorStatistics('float64')
    once.add(data)
    const parts = new TensorStatistics('float64')
    for (let at = 0; at < data.length; at += 777) parts.add(data.subarray(at, at + 777))
    expect(parts.summary([10_000])).toEqual(once.summary([10_000]))
    const mean = data.reduce((a, b) => a + b) / data.length
    const std = Math.sqrt(data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length)
    expect(once.summary([10_000]).std! / std).toBeCloseTo(1, 9)
  })

  it('larger than 64 MiB is read in slices, with the same result', async () => {
    const data = new Float32Array((72 << 20) / 4)
    for (let i = 0; i < data.length; i++) data[i] = i % 1000
    await store.save('big', TensorCacher, { data, shape: [data.length / 4, 4] })
    const { artifacts } = JSON.parse((await place.curio('cat', 'big', '--json')).out) as {
      artifacts: [{ tensor: object }]
    }
    expect(artifacts[0].tensor).toMatchObject({
      shape: [data.length / 4, 4],
      elements: data.length,
      min: 0,
      max: 999,
      nan: 0,
    })
    await store.forget('big')
  })
})
