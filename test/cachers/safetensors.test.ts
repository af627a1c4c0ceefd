import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Store } from 'curio'
import { describe, expect, it } from 'vitest'
import { SafetensorsCacher, type TensorsLike } from '../../cachers/safetensors.js'
import type { TensorLike } from '../../cachers/tensor.js'
import type { ByteSource } from '../../src/artifact/cacheable.js'
import { CurioError } from '../../src/errors.js'
import type { Digest } from '../../src/identity/digest.js'
import { Random } from '../helpers/random.js'
import { tempDir } from '../helpers/temp.js'
import { everyDType } from './specs/safetensors.js'

const fixtures = fileURLToPath(new URL('../fixtures/safetensors', import.meta.url))
const fixture = (name: string): Uint8Array => fs.readFileSync(path.join(fixtures, `${name}.safetensors`))

async function encoded(value: TensorsLike, options = {}): Promise<Buffer> {
  const result = await SafetensorsCacher(options).encode(value)
  if (result instanceof Uint8Array) return Buffer.from(result)
  const parts: Uint8Array[] = []
  for await (const part of result) parts.push(part)
  return Buffer.concat(parts)
}

/** A file with this header. */
function file(header: string | Uint8Array, body = 0): Buffer {
  const text = Buffer.from(header)
  const bytes = Buffer.alloc(8 + text.byteLength + body)
  bytes.writeBigUInt64LE(BigInt(text.byteLength))
  text.copy(bytes, 8)
  return bytes
}
const member = (name: string, dtype: string, shape: number[], begin: number, end: number): string =>
  `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${begin},${end}]}`

describe('files that the reference implementation wrote', () => {
  it('of every dtype are read, and written byte for byte the same', async () => {
    const bytes = fixture('every-dtype')
    const tensors = SafetensorsCacher().decode(bytes)
    expect(tensors).toStrictEqual(everyDType())
    expect((await encoded(tensors)).equals(bytes)).toBe(true)
  })

  it('with names of all kinds, single numbers and nothing at all are read, and written the same', async () => {
    const bytes = fixture('names')
    const tensors = SafetensorsCacher().decode(bytes)
    expect(Object.keys(tensors).sort()).toEqual([
      '',
      '__proto__',
      'layer.0/weight',
      'no rows',
      'scalar',
      'é "\\\n\u{1f600}',
    ])
    expect(Object.getPrototypeOf(tensors)).toBe(Object.prototype)
    expect(Object.getOwnPropertyDescriptor(tensors, '__proto__')!.value).toStrictEqual({
      data: Int16Array.of(0, 1, 2),
      shape: [3],
      dtype: 'int16',
    })
    expect(tensors.scalar).toStrictEqual({ data: Float64Array.of(2.5), shape: [], dtype: 'float64' })
    expect(tensors['no rows']).toStrictEqual({ data: new BigInt64Array(0), shape: [0, 7], dtype: 'int64' })
    expect((await encoded(tensors)).equals(bytes)).toBe(true)
    const empty = fixture('empty')
    expect(SafetensorsCacher().decode(empty)).toEqual({})
    expect((await encoded({})).equals(empty)).toBe(true)
  })

  it('with metadata give it as extra metadata, and it is written as an option', async () => {
    const bytes = fixture('metadata')
    const cacher = SafetensorsCacher()
    const tensors = cacher.decode(bytes)
    const metadata = { format: 'pt "1" é' }
    expect(cacher.extraMetadata).toEqual({ metadata })
    expect((await encoded(tensors, { metadata })).equals(bytes)).toBe(true)
    cacher.decode(fixture('empty'))
    expect(cacher.extraMetadata).toEqual({})
  })

  it('of bfloat16 are read as float32, every value and NaN exactly', () => {
    const { half } = SafetensorsCacher().decode(fixture('bfloat16'))
    expect(half).toMatchObject({ shape: [2, 3], dtype: 'float32' })
    const cut = new Float32Array(Uint32Array.of(0x7f610000).buffer)[0]
    expect([...half!.data]).toStrictEqual([1, -2.5, cut, Number.NaN, -Infinity, -0])
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
    const bytes = Buffer.concat([file(`{${member('x', 'BF16', [65536], 0, 131072)}}`), Buffer.from(all.buffer)])
    const { data } = SafetensorsCacher().decode(bytes).x!
    expect(new Uint32Array(data.buffer, data.byteOffset, 65536).every((bits, i) => bits === i * 65536)).toBe(true)
  })

  it('of dtypes that no array here holds are refused by name, and the others read without them', async () => {
    for (const [name, kind, other] of [
      ['float8', 'F8_E4M3', 'eighth'],
      ['complex', 'C64', 'z'],
    ] as const) {
      const bytes = fixture(name)
      expect(() => SafetensorsCacher().decode(bytes)).toThrow(
        new RegExp(`^safetensors cannot load: value: tensor "${other}" is ${kind}, which has no array here`),
      )
      expect(Object.keys(await SafetensorsCacher().columns(source(bytes), ['w']))).toEqual(['w'])
    }
  })
})

/** Bytes that note what is read of them. */
function source(bytes: Uint8Array): ByteSource & { reads: [number, number][] } {
  const reads: [number, number][] = []
  return {
    bytes: bytes.byteLength,
    reads,
    async read(start, end) {
      reads.push([start, end])
      return bytes.subarray(start, end)
    },
  }
}

describe('what is written', () => {
  it('begins at a multiple of eight, larger elements first and then by name, without holes', async () => {
    const one = (dtype: string) => ({ data: [1], shape: [1], dtype })
    const bytes = await encoded({
      z: one('uint8'),
      b: one('float32'),
      a: one('float32'),
      c: one('int64'),
      é: one('int64'),
    })
    const length = Number(bytes.readBigUInt64LE())
    expect(length % 8).toBe(0)
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, { data_offsets: number[] }>
    expect(Object.entries(header).map(([name, { data_offsets }]) => [name, ...data_offsets])).toEqual([
      ['c', 0, 8],
      ['é', 8, 16],
      ['a', 16, 20],
      ['b', 20, 24],
      ['z', 24, 25],
    ])
    expect(bytes.byteLength).toBe(8 + length + 25)
  })

  it('does not depend on the order in which tensors and texts were given', async () => {
    const [a, b] = [
      { data: [1, 2], shape: [2] },
      { data: [3n], shape: [1] },
    ]
    const first = await encoded({ a, b }, { metadata: { x: '1', y: '2' } })
    expect(
      (
        await encoded(
          new Map<string, TensorLike>([
            ['b', b],
            ['a', a],
          ]),
          { metadata: { y: '2', x: '1' } },
        )
      ).equals(first),
    ).toBe(true)
  })

  it('of a large collection is a stream of the tensors themselves, without a copy', async () => {
    const data = new Float64Array(200_000)
    const stream = await SafetensorsCacher().encode({ a: { data, shape: [200_000] }, b: { data: [1], shape: [1] } })
    expect(Symbol.asyncIterator in stream).toBe(true)
    const buffers: unknown[] = []
    for await (const piece of stream as AsyncIterable<Uint8Array>) buffers.push(piece.buffer)
    expect(buffers).toContain(data.buffer)
    expect(buffers).toHaveLength(3)
  })

  it('keeps its texts in the sidecar of a store, where they count in the digest', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const value = { w: { data: Float32Array.of(1), shape: [1] } }
    const plain = await store.save('plain', SafetensorsCacher, value)
    const named = await store.save('named', SafetensorsCacher({ metadata: { format: 'pt' } }), value)
    expect(named.digest).not.toBe(plain.digest)
    expect(named.metadata).toMatchObject({
      options: { metadata: { format: 'pt' } },
      extra: { metadata: { format: 'pt' } },
    })
    expect(await store.load('named')).toEqual(await store.load('plain'))
  })

  it('takes only texts as metadata', () => {
    expect(() => SafetensorsCacher({ metadata: { epoch: 3 } as never })).toThrow(
      /must be texts: "epoch" is a number[\s\S]*JSON\.stringify/,
    )
    expect(() => SafetensorsCacher({ metadata: 'pt' as never })).toThrow(/must be an object of texts/)
    expect(() => SafetensorsCacher({ metadata: JSON.parse('{"__proto__":"x"}') })).toThrow(/must be texts/)
  })
})

describe('what is loaded', () => {
  it('lies over the bytes of the file, without a copy, but for what must be widened', async () => {
    const bytes = Uint8Array.from(await encoded(everyDType()))
    for (const { data, dtype } of Object.values(SafetensorsCacher().decode(bytes))) {
      expect([dtype, data.buffer === bytes.buffer]).toEqual([dtype, dtype !== 'float16'])
    }
  })

  it('is the same from bytes that are not aligned, by a copy', async () => {
    const bytes = await encoded(everyDType())
    const shifted = new Uint8Array(bytes.byteLength + 1)
    shifted.set(bytes, 1)
    expect(SafetensorsCacher().decode(shifted.subarray(1))).toStrictEqual(everyDType())
    const crooked = Buffer.concat([
      file(`{${member('a', 'U8', [1], 0, 1)},${member('b', 'F64', [2], 1, 17)}}`),
      Buffer.alloc(17, 1),
    ])
    const { data } = SafetensorsCacher().decode(crooked).b!
    expect(data).toStrictEqual(Float64Array.of(7.748604185489348e-304, 7.748604185489348e-304))
  })

  it('comes in whatever order the header names it', () => {
    const bytes = file(
      `{${member('b', 'U8', [1], 1, 2)},${member('a', 'U8', [1], 0, 1)},${member('none', 'F32', [0], 1, 1)}}`,
      2,
    )
    expect(Object.keys(SafetensorsCacher().decode(bytes))).toEqual(['a', 'none', 'b'])
  })
})

describe('loading some tensors', () => {
  const value = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [
      `layer${String(i).padStart(3, '0')}`,
      { data: new Float32Array(1000).fill(i), shape: [10, 100] },
    ]),
  )

  it('reads the header and their bytes, nothing else', async () => {
    const bytes = await encoded(value)
    const from = source(bytes)
    const offset = 8 + Number(bytes.readBigUInt64LE())
    const part = await SafetensorsCacher().columns(from, ['layer050', 'layer007', 'layer051', 'layer007'])
    expect(Object.keys(part)).toEqual(['layer050', 'layer007', 'layer051'])
    for (const [name, tensor] of Object.entries(part)) {
      expect(tensor).toStrictEqual({ data: value[name]!.data, shape: [10, 100], dtype: 'float32' })
    }
    expect(from.reads).toEqual([
      [0, 65536],
      [offset + 7 * 4000, offset + 8 * 4000],
      [offset + 50 * 4000, offset + 52 * 4000],
    ])
  })

  it('of a header longer than the first read reads it again, once', async () => {
    const long = Object.fromEntries(
      Array.from({ length: 2000 }, (_, i) => [`t${i}`, { data: Uint8Array.of(i), shape: [1] }]),
    )
    const bytes = await encoded(long)
    const from = source(bytes)
    expect((await SafetensorsCacher().columns(from, ['t300'])).t300!.data).toEqual(Uint8Array.of(300))
    const end = 8 + Number(bytes.readBigUInt64LE())
    expect(from.reads.slice(0, 2)).toEqual([
      [0, 65536],
      [0, end],
    ])
    expect(from.reads).toHaveLength(3)
  })

  it('of a name that is not there is an error that names the nearest', async () => {
    const bytes = await encoded(value)
    await expect(SafetensorsCacher().columns(source(bytes), ['layer001', 'layer007x'])).rejects.toThrow(
      /^safetensors cannot load: value: it has no tensor "layer007x"[\s\S]*did you mean "layer007"\?/,
    )
    await expect(SafetensorsCacher().columns(source(bytes), ['__proto__'])).rejects.toThrow(
      /it has no tensor "__proto__"[\s\S]*it has "layer000", .*…/,
    )
    expect(await SafetensorsCacher().columns(source(bytes), [])).toEqual({})
  })

  it('through a store checks and reads only the chunks they lie in', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const large = {
      head: { data: new Float64Array(400_000).fill(1), shape: [400_000] },
      tail: { data: Float32Array.of(7), shape: [1] },
      none: { data: new Int8Array(0), shape: [0] },
    }
    await store.save('model', SafetensorsCacher, large)
    const lazy = store.lazy('model', SafetensorsCacher)
    const { tail, none } = await lazy.columns(['tail', 'none'])
    expect([tail!.data, none!.data]).toStrictEqual([Float32Array.of(7), new Int8Array(0)])
    // Bytes of the other tensor that are damaged are not noticed, for they are not read.
    const blob = store.blobs.path((await lazyFiles(lazy))[0]!)
    const bytes = fs.readFileSync(blob)
    bytes[2_000_000]! ^= 1
    fs.rmSync(blob)
    fs.writeFileSync(blob, bytes)
    expect((await lazy.columns(['tail'])).tail!.data).toStrictEqual(Float32Array.of(7))
    await expect(lazy.columns(['head'])).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('has no slices, and says so', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    await store.save('m', SafetensorsCacher, {})
    await expect(store.lazy('m').slice(0, 1)).rejects.toThrow(/cannot be read in part/)
  })
})

async function lazyFiles(lazy: object): Promise<Digest[]> {
  const files = await (lazy as { files(): Promise<readonly { sha256: Digest }[]> }).files()
  return files.map(({ sha256 }) => sha256)
}

describe('a header that lies', () => {
  const good = member('a', 'F32', [2], 0, 8)
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /it is cut off: it has 0 bytes/],
    ['less than a length', Buffer.alloc(7), /it is cut off: it has 7 bytes/],
    ['a header of 2⁶⁴−1 bytes', Buffer.alloc(16, 0xff), /header has 18446744073709551615 bytes, at most 100000000/],
    [
      'a header longer than the file',
      Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d]),
      /its header of 9 bytes is cut off: 10 bytes in all/,
    ],
    ['a header of more than 100 MB', Buffer.from([1, 0xe1, 0xf5, 5, 0, 0, 0, 0, 0x7b]), /at most 100000000/],
    ['no JSON', file('hello'), /not one that safetensors writes, at character 0/],
    ['a list', file('[]'), /not one that safetensors writes/],
    ['a space before it', file(' {}'), /at character 0/],
    ['something behind it', file('{}{}'), /at character 2/],
    ['zeros behind it', file('{}\0\0'), /at character 2/],
    ['what is no UTF-8', file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22)), /not UTF-8 text/],
    ['half a surrogate pair', file(`{"\\ud800":{}}`), /half of a surrogate pair/],
    ['a name twice', file(`{${good},${good}}`, 8), /it has two members called "a"/],
    [
      'a name twice, written in two ways',
      file(`{${good},${good.replace('"a"', '"\\u0061"')}}`, 8),
      /two members called "a"/,
    ],
    [
      'a field twice',
      file(`{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8),
      /tensor "a" has two fields "dtype"/,
    ],
    [
      'an unknown field',
      file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}`, 8),
      /an unknown field "x"/,
    ],
    ['a field too few', file(`{"a":{"dtype":"F32","shape":[2]}}`, 8), /tensor "a" lacks/],
    [
      'three offsets',
      file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}}`, 8),
      /tensor "a" lacks .* two data_offsets/,
    ],
    ['a number as metadata', file('{"__metadata__":{"epoch":1}}'), /at character 25: "1}}"/],
    ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), /two members called "__metadata__"/],
    [
      'a text of the metadata twice',
      file('{"__metadata__":{"a":"1","a":"2"}}'),
      /its metadata has two members called "a"/,
    ],
    [
      'an unknown dtype',
      file(`{${member('a', 'Q4', [2], 0, 8)}}`, 8),
      /tensor "a" has dtype "Q4"[\s\S]*known are BOOL, U8/,
    ],
    ['a fraction as an axis', file(`{${good.replace('[2]', '[2.0]')}}`, 8), /at character/],
    ['an exponent as an axis', file(`{${good.replace('[2]', '[2e0]')}}`, 8), /at character/],
    ['a negative axis', file(`{${good.replace('[2]', '[-2]')}}`, 8), /at character/],
    ['an axis with a zero before it', file(`{${good.replace('[2]', '[02]')}}`, 8), /at character/],
    ['an axis past all numbers', file(`{${good.replace('[2]', '[9007199254740993]')}}`, 8), /at character/],
    [
      'a shape past all memory',
      file(`{${member('a', 'F32', [2 ** 40, 2 ** 40], 0, 8)}}`, 8),
      /is larger than any file/,
    ],
    [
      'a shape past all memory of nothing',
      file(`{${member('a', 'F32', [2 ** 40, 2 ** 40, 0], 0, 0)}}`),
      /is larger than any file/,
    ],
    [
      'a shape whose bytes are past all memory',
      file(`{${member('a', 'F64', [2 ** 50], 0, 8)}}`, 8),
      /is larger than any file/,
    ],
    [
      'another size than its shape',
      file(`{${member('a', 'F32', [3], 0, 8)}}`, 8),
      /is F32 \[3\], which has 12 bytes, not 8/,
    ],
    ['half a byte', file(`{${member('a', 'F4', [3], 0, 2)}}`, 2), /does not end with a whole byte/],
    ['a hole before the first', file(`{${member('a', 'F32', [2], 4, 12)}}`, 12), /bytes 4 to 12, but must begin at 0/],
    ['a hole between two', file(`{${good},${member('b', 'U8', [1], 9, 10)}}`, 10), /tensor "b" .* must begin at 8/],
    ['two over each other', file(`{${good},${member('b', 'U8', [1], 4, 5)}}`, 8), /tensor "b" .* must begin at 8/],
    ['an end before its beginning', file(`{${member('a', 'U8', [0], 1, 0)}}`, 1), /bytes 1 to 0, but must begin at 0/],
    ['fewer bytes than tensors', file(`{${good}}`, 7), /says 8 bytes of tensors, but 7 follow/],
    ['more bytes than tensors', file(`{${good}}`, 9), /says 8 bytes of tensors, but 9 follow/],
    ['bytes of no tensor', file('{}', 1), /says 0 bytes of tensors, but 1 follow/],
    ['an open text', file('{"a'), /at character 1/],
    ['brackets without end', file(`{"a":${'['.repeat(100_000)}`), /at character/],
    ['quotes and slashes without end', file(`{"${'\\"'.repeat(100_000)}`), /at character 1/],
  ])('%s is an error at once', async (_, bytes, message) => {
    const before = process.memoryUsage().arrayBuffers
    const started = performance.now()
    expect(() => SafetensorsCacher().decode(bytes)).toThrow(message)
    expect(() => SafetensorsCacher().decode(bytes)).toThrow(/^safetensors cannot load: value: /)
    await expect(SafetensorsCacher().columns(source(bytes), ['a'])).rejects.toThrow(message)
    expect(performance.now() - started).toBeLessThan(5000)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
  })

  it('a bool that is neither is an error, too', () => {
    const bytes = Buffer.concat([file(`{${member('a', 'BOOL', [2], 0, 2)}}`), Buffer.from([1, 2])])
    expect(() => SafetensorsCacher().decode(bytes)).toThrow(/tensor "a": element 1 is 2, neither 0 nor 1/)
  })

  it('but white space, order of fields and escapes do not matter', () => {
    const header =
      '{ "\\u0061" :\n{"shape":[ 2 ,1],\t"data_offsets":[0 , 2],"dtype":"U8"}\r\n, "__metadata__" : { } }   \n'
    expect(SafetensorsCacher().decode(file(header, 2)).a).toStrictEqual({
      data: new Uint8Array(2),
      shape: [2, 1],
      dtype: 'uint8',
    })
  })

  it('changed anywhere, a file is a value or a typed error, without memory for what is not there', async () => {
    const random = new Random(5)
    const small = await encoded(
      { w: { data: Float32Array.of(1, 2), shape: [2] }, b: { data: [1n], shape: [] } },
      { metadata: { a: 'b' } },
    )
    const length = 8 + Number(small.readBigUInt64LE())
    let [values, errors] = [0, 0]
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(small)
      for (let n = random.int(3); n >= 0; n--) {
        const at = random.int(length)
        if (random.int(2) === 0) bytes[at] = random.int(256)
        else bytes.write(random.pick(['0', '9', '[', ']', '{', '}', ',', ':', '"', '99', '-1', 'F64']), at, 'latin1')
      }
      const part = random.int(4) === 0 ? bytes.subarray(0, random.int(bytes.length)) : bytes
      const before = process.memoryUsage().arrayBuffers
      try {
        SafetensorsCacher().decode(part)
        values += 1
      } catch (error) {
        if (!CurioError.is(error, 'ERR_CACHER_LOAD')) throw error
        errors += 1
      }
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
    }
    expect(errors).toBeGreaterThan(1000)
    expect(values).toBeGreaterThan(10)
  })
})
