import { type Tensor, TensorCacher, type TensorLike } from '../../../cachers/tensor.js'
import type { CacherCase, Sample } from '../../suites/cacher.js'

type TensorSample = Sample<Tensor, TensorLike>

/** One tensor of each dtype, shape [2, 3], with the extremes. */
export const ofEachDType: Readonly<Record<Tensor['dtype'], Tensor['data']>> = {
  bool: Uint8Array.of(0, 1, 1, 0, 1, 0),
  int8: Int8Array.of(-128, 127, 0, -1, 1, 2),
  uint8: Uint8Array.of(0, 255, 1, 2, 3, 4),
  int16: Int16Array.of(-32768, 32767, 0, -1, 1, 2),
  uint16: Uint16Array.of(0, 65535, 1, 2, 3, 4),
  int32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0, -1, 1, 2),
  uint32: Uint32Array.of(0, 2 ** 32 - 1, 1, 2, 3, 4),
  int64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 1n, 2n),
  uint64: BigUint64Array.of(0n, 2n ** 64n - 1n, 1n, 2n, 3n, 4n),
  float16: Float32Array.of(65504, -0, 2 ** -24, Number.NaN, -Infinity, 0.0999755859375),
  float32: Float32Array.of(3.4028234663852886e38, -0, 2 ** -149, Number.NaN, -Infinity, Math.fround(0.1)),
  float64: Float64Array.of(Number.MAX_VALUE, -0, 5e-324, Number.NaN, -Infinity, 0.1),
}

const tensor = (dtype: Tensor['dtype'], data: Tensor['data'], shape: readonly number[]): Tensor =>
  ({ data, shape, dtype }) as Tensor

const samples: TensorSample[] = [
  ...Object.entries(ofEachDType).map(
    ([dtype, data]): TensorSample => ({
      label: `${dtype}, [2, 3]`,
      make: () => tensor(dtype as Tensor['dtype'], data.slice(), [2, 3]),
    }),
  ),
  { label: 'a single number', make: () => tensor('float64', Float64Array.of(2.5), []) },
  { label: 'no elements', make: () => tensor('float32', new Float32Array(0), [0]) },
  { label: 'no rows of many', make: () => tensor('int64', new BigInt64Array(0), [0, 1_000_000, 3]) },
  { label: 'one axis', make: () => tensor('uint8', Uint8Array.of(9, 8, 7), [3]) },
  {
    label: 'many axes',
    make: () =>
      tensor(
        'int16',
        Int16Array.from({ length: 16 }, (_, i) => i),
        [2, 1, 2, 1, 2, 1, 2],
      ),
  },
  {
    label: 'more than a block',
    make: () => tensor('float64', Float64Array.from({ length: 200_000 }, Math.sqrt), [1000, 200]),
  },
  { label: 'a part of a larger array', make: () => tensor('int32', Int32Array.of(1, 2, 3, 4, 5).subarray(1, 4), [3]) },
]

export default {
  name: 'TensorCacher',
  cacher: TensorCacher,
  module: import.meta.url,
  samples,
  refused: [
    {
      label: 'a shape of another size',
      value: { data: Float32Array.of(1, 2, 3), shape: [2, 2] },
      message: /shape \[2, 2\] has 4 elements, but its data has 3/,
    },
    { label: 'no shape', value: { data: Float32Array.of(1) }, message: /it has no shape/ },
    { label: 'no data', value: { shape: [1] }, message: /its data is no typed array/ },
    {
      label: 'a shape that is no list of whole numbers',
      value: { data: [1], shape: [-1] },
      message: /not a list of whole numbers/,
    },
    { label: 'a shape past all memory', value: { data: [1], shape: [2 ** 40, 2 ** 40] }, message: /is too large/ },
    {
      label: 'complex numbers',
      value: { data: Float32Array.of(1, 2), shape: [1], dtype: 'complex64' },
      message: /it has dtype complex64[\s\S]*known are bool/,
    },
    { label: 'texts', value: { data: ['a'], shape: [1], dtype: 'string' }, message: /it has dtype string/ },
    {
      label: 'texts among numbers',
      value: { data: [1, 'a'], shape: [2] },
      message: /data\[1\] is "a", which float64 cannot hold/,
    },
    {
      label: 'a number out of the range of its dtype',
      value: { data: [1, 300], shape: [2], dtype: 'uint8' },
      message: /data\[1\] is 300, which uint8 cannot hold/,
    },
    {
      label: 'a fraction as an integer',
      value: { data: [0.5], shape: [1], dtype: 'int32' },
      message: /data\[0\] is 0\.5, which int32 cannot hold/,
    },
    {
      label: 'a number too large for float16',
      value: { data: [1e6], shape: [1], dtype: 'float16' },
      message: /data\[0\] is 1000000, which float16 cannot hold/,
    },
    {
      label: 'a bool that is neither',
      value: { data: Uint8Array.of(2), shape: [1], dtype: 'bool' },
      message: /data\[0\] is 2, which bool cannot hold/,
    },
    { label: 'undefined', value: undefined, message: /it is no tensor/ },
  ],
} satisfies CacherCase<Tensor, TensorLike>
