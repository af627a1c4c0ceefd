import { SafetensorsCacher, type Tensors, type TensorsLike } from '../../../cachers/safetensors.js'
import type { Tensor } from '../../../cachers/tensor.js'
import type { CacherCase } from '../../suites/cacher.js'
import { ofEachDType } from './tensor.js'

const tensor = (dtype: Tensor['dtype'], data: Tensor['data'], shape: readonly number[]): Tensor =>
  ({ data, shape, dtype }) as Tensor

/** A tensor of each dtype, called after it. */
export const everyDType = (): Tensors =>
  Object.fromEntries(
    Object.entries(ofEachDType).map(([dtype, data]) => [
      dtype,
      tensor(dtype as Tensor['dtype'], data.slice() as Tensor['data'], [2, 3]),
    ]),
  )

const small = (): Tensors => ({
  bias: tensor('float32', Float32Array.of(0.5, -1), [2]),
  weight: tensor('float64', Float64Array.of(1, 2, 3, 4, 5, 6), [2, 3]),
})

export default {
  name: 'SafetensorsCacher',
  cacher: SafetensorsCacher,
  module: import.meta.url,
  samples: [
    { label: 'tensors of each dtype', make: everyDType },
    { label: 'two tensors', make: small },
    { label: 'a Map of tensors', make: () => new Map(Object.entries(small())), loaded: small },
    { label: 'no tensors', make: () => ({}) },
    {
      label: 'single numbers and nothing',
      make: () => ({
        scalar: tensor('float16', Float32Array.of(2.5), []),
        none: tensor('int64', new BigInt64Array(0), [0, 1_000_000, 3]),
      }),
    },
    {
      label: 'names of all kinds',
      make: () =>
        new Map(
          ['', '__proto__', 'constructor', 'a"b\\\n', 'é漢\u{1f600}', '10', '9', 'model.layers.0'].map((name, i) => [
            name,
            tensor('uint8', Uint8Array.of(i), [1]),
          ]),
        ),
      loaded: () =>
        Object.fromEntries(
          ['', '__proto__', 'constructor', 'a"b\\\n', 'é漢\u{1f600}', '10', '9', 'model.layers.0'].map((name, i) => [
            name,
            tensor('uint8', Uint8Array.of(i), [1]),
          ]),
        ),
    },
    {
      label: 'more than a block',
      make: () => ({
        a: tensor('float64', Float64Array.from({ length: 200_000 }, Math.sqrt), [1000, 200]),
        b: tensor('uint8', new Uint8Array(300_001).fill(7), [300_001]),
      }),
    },
    {
      label: 'what other libraries hand out',
      make: () =>
        ({
          tf: { shape: [2], dtype: 'int32', data: async () => Int32Array.of(1, 2) },
          onnx: { dims: [2], type: 'float16', data: Uint16Array.of(0x3c00, 0xc000) },
          view: { data: Int16Array.of(1, 2, 3, 4), shape: [2], stride: [-2], offset: 3 },
          plain: { data: [true, false], shape: [2] },
        }) satisfies TensorsLike,
      loaded: () => ({
        tf: tensor('int32', Int32Array.of(1, 2), [2]),
        onnx: tensor('float16', Float32Array.of(1, -2), [2]),
        view: tensor('int16', Int16Array.of(4, 2), [2]),
        plain: tensor('bool', Uint8Array.of(1, 0), [2]),
      }),
    },
  ],
  refused: [
    { label: 'undefined', value: undefined, message: /it is undefined, not an object or a Map of tensors/ },
    { label: 'a list of tensors', value: [{ data: [1], shape: [1] }], message: /it is an Array, not an object/ },
    {
      label: 'a class instance',
      value: new (class Model {
        weight = { data: [1], shape: [1] }
      })(),
      message: /it is a Model, not an object/,
    },
    { label: 'one tensor', value: { data: Float32Array.of(1), shape: [1] }, message: /tensor "data": it has no shape/ },
    {
      label: 'a shape of another size',
      value: { w: { data: Float32Array.of(1, 2, 3), shape: [2, 2] } },
      message: /tensor "w": its shape \[2, 2\] has 4 elements, but its data has 3/,
    },
    {
      label: 'a dtype that is not known',
      value: { w: { data: Float32Array.of(1, 2), shape: [1], dtype: 'complex64' } },
      message: /tensor "w": it has dtype complex64/,
    },
    {
      label: 'the name of the metadata',
      value: { __metadata__: { data: [1], shape: [1] } },
      message: /__metadata__ cannot be the name of a tensor[\s\S]*SafetensorsCacher\(\{ metadata \}\)/,
    },
    {
      label: 'half a surrogate pair in a name',
      value: { 'a\ud800': { data: [1], shape: [1] } },
      message: /the name "a\\ud800" holds half of a surrogate pair/,
    },
    {
      label: 'a name that is a number',
      value: new Map([[1, { data: [1], shape: [1] }]]),
      message: /called 1, which is a number/,
    },
    {
      label: 'a shape that others cannot multiply',
      value: { w: { data: [], shape: [2 ** 40, 2 ** 40, 0] } },
      message: /tensor "w": its shape .* is larger than any file/,
    },
    { label: 'a tensor that is none', value: { w: null }, message: /tensor "w": it is no tensor/ },
  ],
} satisfies CacherCase<Tensors, TensorsLike>
