import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Store } from 'curio'
import { type Tensor, TensorCacher, type TensorLike } from 'curio/cachers'
import { describe, expect, it } from 'vitest'
import type { ByteSource } from '../../src/artifact/cacheable.js'
import { Random } from '../helpers/random.js'
import { tempDir } from '../helpers/temp.js'
import { ofEachDType } from './specs/tensor.js'

const fixtures = fileURLToPath(new URL('../fixtures/numpy', import.meta.url))
const fixture = (name: string): Uint8Array => fs.readFileSync(path.join(fixtures, `${name}.npy`))
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

async function encoded(value: TensorLike, options = {}): Promise<Buffer> {
  const result = await TensorCacher(options).encode(value)
  if (result instanceof Uint8Array) return Buffer.from(result)
  const parts: Uint8Array[] = []
  for await (const part of result) parts.push(part)
  return Buffer.concat(parts)
}

const roundTrip = async (value: TensorLike, options = {}): Promise<Tensor> =>
  TensorCacher().decode(await encoded(value, options))

describe('files that numpy wrote', () => {
  it.each(Object.entries(ofEachDType))('of %s are read, and written byte for byte the same', async (dtype, data) => {
    const file = fixture(dtype)
    const tensor = TensorCacher().decode(file)
    expect(tensor).toStrictEqual({ data, shape: [2, 3], dtype })
    expect((await encoded(tensor)).equals(file)).toBe(true)
  })

  it.each([
    ['fortran', 'float32', Float32Array],
    ['fortran-half', 'float16', Float32Array],
    ['big-endian', 'int32', Int32Array],
    ['big-endian-half', 'float16', Float32Array],
    ['big-endian-fortran', 'float64', Float64Array],
    ['version-2', 'uint16', Uint16Array],
    ['version-3', 'uint16', Uint16Array],
  ] as const)('in other orders and versions come in row-major order: %s', (name, dtype, Class) => {
    expect(TensorCacher().decode(fixture(name))).toStrictEqual({ data: Class.from(upTo(24)), shape: [2, 3, 4], dtype })
  })

  it('of big-endian int64, of a single number, and of nothing', () => {
    expect(TensorCacher().decode(fixture('big-endian-int64')).data[23]).toBe(23n)
    expect(TensorCacher().decode(fixture('scalar'))).toStrictEqual({
      data: Float64Array.of(2.5),
      shape: [],
      dtype: 'float64',
    })
    expect(TensorCacher().decode(fixture('empty'))).toStrictEqual({
      data: new Int32Array(0),
      shape: [0, 3],
      dtype: 'int32',
    })
  })

  it.each([
    ['complex', 'complex numbers'],
    ['text', 'strings'],
    ['bytes', 'byte strings'],
    ['object', 'Python objects'],
    ['structured', 'structures'],
    ['date', 'dates'],
  ])('of %s are refused by what they hold: %s', (name, what) => {
    expect(() => TensorCacher().decode(fixture(name))).toThrow(new RegExp(`it holds ${what}[\\s\\S]*known are bool`))
  })
})

describe('tensors as other libraries hand them out', () => {
  const data = Float32Array.from(upTo(6))
  const expected = { data, shape: [2, 3], dtype: 'float32' }

  it('tfjs: data() gives a promise, dtype is a name', async () => {
    class TfTensor {
      readonly shape = [2, 3]
      readonly dtype = 'float32'
      data = async () => data
      dataSync = () => data
    }
    expect(await roundTrip(new TfTensor())).toStrictEqual(expected)
    expect(await roundTrip({ shape: [2, 3], dtype: 'float32', dataSync: () => data })).toStrictEqual(expected)
    const bools = { shape: [2], dtype: 'bool', data: async () => Uint8Array.of(1, 0) }
    expect(await roundTrip(bools)).toStrictEqual({ data: Uint8Array.of(1, 0), shape: [2], dtype: 'bool' })
  })

  it('onnxruntime and transformers.js: dims and type; float16 as bits', async () => {
    expect(await roundTrip({ dims: [2, 3], type: 'float32', data })).toStrictEqual(expected)
    const halves = { dims: [3], type: 'float16', data: Uint16Array.of(0x3c00, 0xc000, 0x7bff) }
    expect(await roundTrip(halves)).toStrictEqual({ data: Float32Array.of(1, -2, 65504), shape: [3], dtype: 'float16' })
    const wide = { dims: [1], type: 'int64', data: BigInt64Array.of(-5n) }
    expect(await roundTrip(wide)).toStrictEqual({ data: wide.data, shape: [1], dtype: 'int64' })
  })

  it('scijs ndarray: views with stride and offset are gathered', async () => {
    const whole = Int32Array.from(upTo(12))
    const view = (shape: number[], stride: number[], offset: number) => ({
      data: whole,
      shape,
      stride,
      offset,
      dtype: 'int32',
    })
    expect((await roundTrip(view([3, 4], [4, 1], 0))).data).toStrictEqual(whole)
    expect((await roundTrip(view([4, 3], [1, 4], 0))).data).toStrictEqual(
      Int32Array.of(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11),
    )
    expect((await roundTrip(view([2, 2], [4, 2], 5))).data).toStrictEqual(Int32Array.of(5, 7, 9, 11))
    expect((await roundTrip(view([3], [-4], 9))).data).toStrictEqual(Int32Array.of(9, 5, 1))
    expect((await roundTrip(view([], [], 7))).data).toStrictEqual(Int32Array.of(7))
    expect((await roundTrip(view([2, 0], [3, 1], 50))).shape).toEqual([2, 0])
    await expect(roundTrip(view([3, 4], [4, 1], 1))).rejects.toThrow(/reach from element 1 to 12, but its data has 12/)
    await expect(roundTrip(view([3], [4, 1], 0))).rejects.toThrow(/its stride \[4, 1\] does not fit its shape \[3\]/)
  })

  it('ndarray of a plain array is float64; its clamped bytes are uint8', async () => {
    const plain = { data: [1, 2, 3, 4], shape: [2], stride: [2], offset: 1, dtype: 'array' }
    expect(await roundTrip(plain)).toStrictEqual({ data: Float64Array.of(2, 4), shape: [2], dtype: 'float64' })
    const clamped = { data: new Uint8ClampedArray([1, 300]), shape: [2], dtype: 'uint8_clamped' }
    expect(await roundTrip(clamped)).toStrictEqual({ data: Uint8Array.of(1, 255), shape: [2], dtype: 'uint8' })
  })

  it('plain arrays: numbers, bigints, booleans, with a dtype or without', async () => {
    expect((await roundTrip({ data: [1, 2], shape: [2] })).dtype).toBe('float64')
    expect((await roundTrip({ data: [1n], shape: [1] })).dtype).toBe('int64')
    expect((await roundTrip({ data: [true, false], shape: [2] })).data).toStrictEqual(Uint8Array.of(1, 0))
    expect((await roundTrip({ data: [2 ** 53 - 1], shape: [1], dtype: 'uint64' })).data).toStrictEqual(
      BigUint64Array.of(2n ** 53n - 1n),
    )
    expect((await roundTrip({ data: [5n], shape: [1], dtype: 'int8' })).data).toStrictEqual(Int8Array.of(5))
    await expect(roundTrip({ data: [2n ** 63n], shape: [1] })).rejects.toThrow(/which int64 cannot hold/)
    await expect(roundTrip({ data: [2 ** 53], shape: [1], dtype: 'int64' })).rejects.toThrow(/which int64 cannot hold/)
    await expect(roundTrip({ data: [1e39], shape: [1], dtype: 'float32' })).rejects.toThrow(/which float32 cannot hold/)
    await expect(roundTrip({ data: [2n ** 60n + 1n], shape: [1], dtype: 'float64' })).rejects.toThrow(
      /float64 cannot hold/,
    )
  })

  it('the dtype asked for is what is saved, and the only one that is loaded', async () => {
    expect((await roundTrip({ data: [1, 2], shape: [2] }, { dtype: 'float32' })).data).toStrictEqual(
      Float32Array.of(1, 2),
    )
    expect((await roundTrip({ data: Uint16Array.of(3), shape: [1] }, { dtype: 'float16' })).data).toStrictEqual(
      Float32Array.of(3),
    )
    const halves = { data: Uint16Array.of(0x3c00), shape: [1], dtype: 'float16' }
    expect((await roundTrip(halves, { dtype: 'float64' })).data).toStrictEqual(Float64Array.of(1))
    const loaded: Float32Array = TensorCacher({ dtype: 'float32' }).decode(fixture('float32')).data
    expect(loaded).toHaveLength(6)
    expect(() => TensorCacher({ dtype: 'float32' }).decode(fixture('int8'))).toThrow(/it holds int8, not float32/)
    expect(() => TensorCacher({ dtype: 'complex64' as never })).toThrow(/no dtype complex64/)
  })
})

describe('float16', () => {
  it('every one of its 65,536 bit patterns survives being loaded and saved again', async () => {
    const bits = Uint16Array.from(upTo(65536))
    const file = await encoded({ data: bits, shape: [65536], dtype: 'float16' })
    expect(new Uint16Array(file.buffer, file.byteOffset + 128, 65536)).toEqual(bits)
    expect((await encoded(TensorCacher().decode(file))).equals(file)).toBe(true)
  })

  it('numbers are rounded to the nearest, ties to even, from single and from double precision', async () => {
    const cases: [number, number][] = [
      [1 + 2 ** -11, 1],
      [1 + 3 * 2 ** -11, 1 + 2 ** -9],
      [1 + 2 ** -11 + 2 ** -40, 1 + 2 ** -10],
      [2 ** -25, 0],
      [2 ** -25 + 2 ** -60, 2 ** -24],
      [2 ** -14 - 2 ** -25, 2 ** -14],
      [65519, 65504],
      [-0, -0],
    ]
    const data = cases.map(([number]) => number)
    const loaded = await roundTrip({ data, shape: [data.length], dtype: 'float16' })
    expect([...loaded.data]).toStrictEqual(cases.map(([, half]) => half))
    await expect(roundTrip({ data: [65520], shape: [1], dtype: 'float16' })).rejects.toThrow(/float16 cannot hold/)
  })

  it('a Float16Array is taken as it is, where Node has one', async () => {
    const Class = (globalThis as { Float16Array?: new (values: number[]) => ArrayLike<number> }).Float16Array
    const halves = Class === undefined ? Float32Array.of(1.5, -2) : new Class([1.5, -2])
    const tensor = await roundTrip({ data: halves, shape: [2], ...(Class === undefined ? { dtype: 'float16' } : {}) })
    expect(tensor).toStrictEqual({ data: Float32Array.of(1.5, -2), shape: [2], dtype: 'float16' })
  })
})

describe('loading a part', () => {
  /** Bytes that count what is read of them. */
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
  const rows = { data: Float32Array.from(upTo(40_000)), shape: [1000, 40], dtype: 'float32' }

  it('reads the header and the rows asked for, nothing else', async () => {
    const from = source(await encoded(rows))
    const part = await TensorCacher().slice(from, 10, 12)
    expect(part).toStrictEqual({ data: rows.data.slice(400, 480), shape: [2, 40], dtype: 'float32' })
    expect(from.reads).toEqual([
      [0, 1024],
      [128 + 10 * 160, 128 + 12 * 160],
    ])
  })

  it('counts as Array.prototype.slice does', async () => {
    const file = await encoded({ data: upTo(5), shape: [5] })
    for (const [start, end] of [
      [0, 5],
      [-2, 5],
      [1, -1],
      [3, 2],
      [-9, 99],
      [5, 9],
    ] as const) {
      expect([...(await TensorCacher().slice(source(file), start, end)).data]).toEqual(upTo(5).slice(start, end))
    }
    await expect(TensorCacher().slice(source(file), 0.5, 2)).rejects.toThrow(/whole numbers/)
    await expect(TensorCacher().slice(source(fixture('scalar')), 0, 1)).rejects.toThrow(/single number/)
  })

  it('of a file in Fortran order gives the same rows', async () => {
    for (const name of ['fortran', 'big-endian-fortran', 'big-endian', 'fortran-half']) {
      const part = await TensorCacher().slice(source(fixture(name)), 1, 2)
      expect([part.shape, [...part.data]]).toEqual([[1, 3, 4], upTo(24).slice(12)])
    }
  })

  it('of every dtype, at every place, through a store', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    for (const dtype of Object.keys(ofEachDType) as Tensor['dtype'][]) {
      const small = { data: upTo(21).map((i) => (dtype === 'bool' ? i % 2 : i)), shape: [7, 3], dtype }
      await store.save(dtype, TensorCacher, small)
      const whole = await store.load(dtype, TensorCacher)
      for (const start of upTo(7)) {
        const part = await store.lazy(dtype, TensorCacher).slice(start, start + 2)
        expect(part.data).toStrictEqual(whole.data.slice(start * 3, start * 3 + 6))
      }
    }
  })

  it('of a header longer than the first read, which numpy would not open', async () => {
    const shape = [2, ...Array.from({ length: 40_000 }, () => 1)]
    const file = await encoded({ data: [1, 2], shape })
    expect(file[6]).toBe(2)
    expect(TensorCacher().decode(file).shape).toEqual(shape)
    expect([...(await TensorCacher().slice(source(file), 1, 2)).data]).toEqual([2])
  })
})

describe('what is loaded', () => {
  it('lies over the bytes of the file, without a copy, where it may', async () => {
    const file = Uint8Array.from(await encoded({ data: Float64Array.of(1, 2), shape: [2] }))
    expect(TensorCacher().decode(file).data.buffer).toBe(file.buffer)
    const shifted = new Uint8Array(file.length + 1)
    shifted.set(file, 1)
    expect(TensorCacher().decode(shifted.subarray(1))).toStrictEqual(TensorCacher().decode(file))
  })

  it('can be saved again', async () => {
    const file = await encoded({ data: upTo(6), shape: [3, 2] })
    expect((await encoded(TensorCacher().decode(file))).equals(file)).toBe(true)
  })
})

describe('a header that lies', () => {
  const file = (header: string, body = 0, version = 1, fill = 0): Uint8Array => {
    const prefix = version === 1 ? 10 : 12
    const bytes = Buffer.alloc(prefix + header.length + body, fill)
    bytes.write('\x93NUMPY', 'latin1')
    bytes.set([version, 0], 6)
    if (version === 1) bytes.writeUInt16LE(header.length, 8)
    else bytes.writeUInt32LE(header.length, 8)
    bytes.write(header, prefix, 'latin1')
    return bytes
  }

  it.each([
    ['more data than follow', file("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,), }\n", 8)],
    [
      'a size past all numbers',
      file("{'descr': '<f8', 'fortran_order': False, 'shape': (9007199254740991, 9007199254740991), }\n"),
    ],
    ['less data than follow', file("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", 9)],
    ['an expression', file("{'descr': '<f8', 'fortran_order': False, 'shape': (__import__('os').system('x'),), }\n")],
    ['a negative axis', file("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }\n")],
    ['a field twice', file("{'descr': '<f8', 'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", 8)],
    ['a field too many', file("{'descr': '<f8', 'extra': True, 'fortran_order': False, 'shape': (), }\n", 8)],
    ['a field too few', file("{'descr': '<f8', 'shape': (), }\n", 8)],
    ['something behind the dict', file("{'descr': '<f8', 'fortran_order': False, 'shape': (), } + 1\n", 8)],
    ['an unknown version', file("{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", 8, 4)],
    ['a dtype of numpy itself', file("{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }\n", 16)],
    ['a bool that is neither', file("{'descr': '|b1', 'fortran_order': False, 'shape': (), }\n", 1, 1, 2)],
    ['a header longer than the file', Buffer.from('\x93NUMPY\x02\x00\xff\xff\xff\xff', 'latin1')],
    ['nothing', new Uint8Array(0)],
  ])('%s is an error at once', (_, bytes) => {
    const before = process.memoryUsage().arrayBuffers
    expect(() => TensorCacher().decode(bytes)).toThrow(/^tensor cannot load: value: /)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
  })

  it('but spaces, quotes, order and the habits of Python 2 do not matter', () => {
    const header = '{"shape":(2L ,3L),"fortran_order" : False,\n "descr":"=i1"} \n'
    expect(TensorCacher().decode(file(header, 6)).shape).toEqual([2, 3])
  })
})

it('random tensors of random layouts come back as their elements', async () => {
  const random = new Random(7)
  for (let round = 0; round < 200; round++) {
    const shape = upTo(random.int(4)).map(() => random.int(4))
    const order = random.shuffle(upTo(shape.length))
    const stride = new Array<number>(shape.length)
    let step = 1 + random.int(2)
    for (const axis of order) {
      stride[axis] = random.int(2) === 0 ? step : -step
      step *= Math.max(1, shape[axis]!)
    }
    const offset = stride.reduce(
      (sum, by, axis) => sum + (by < 0 ? -by * Math.max(0, shape[axis]! - 1) : 0),
      random.int(3),
    )
    const data = Float64Array.from(upTo(step + offset + 8))
    const expected: number[] = []
    const visit = (axis: number, at: number): void => {
      if (axis === shape.length) expected.push(at)
      else for (let i = 0; i < shape[axis]!; i++) visit(axis + 1, at + i * stride[axis]!)
    }
    visit(0, offset)
    expect([...(await roundTrip({ data, shape, stride, offset })).data]).toEqual(expected)
  }
})
