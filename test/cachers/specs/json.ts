import { JsonCacher } from '../../../cachers/json.js'
import type { CacherCase } from '../../suites/cacher.js'

const deep = (levels: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

export default {
  name: 'JsonCacher',
  cacher: JsonCacher,
  module: import.meta.url,
  samples: [
    {
      label: 'an object',
      make: () => ({ accuracy: 0.93, name: 'run "1"', tags: ['a', ''], nested: { b: 1, a: null, '': {} } }),
    },
    { label: 'an empty object', make: () => ({}) },
    { label: 'an empty list', make: () => [] },
    { label: 'an empty text', make: () => '' },
    { label: 'null', make: () => null },
    { label: 'false', make: () => false },
    { label: 'zero', make: () => 0 },
    {
      label: 'numbers at the edges',
      make: () => [5e-324, 1.7976931348623157e308, 2 ** 53 - 1, -(2 ** 53), 2 ** 60, 1e21, 0.1],
    },
    { label: 'difficult texts', make: () => ['\u0000\u2028\ud83d\ude00\uFEFF', '\\"', 'é\n'] },
    {
      label: 'keys that look like numbers',
      make: () => ({ 10: 'a', 9: 'b', '-1': 'c', constructor: 1, toString: 'x' }),
    },
    { label: 'rows', make: () => Array.from({ length: 1000 }, (_, i) => ({ i, half: i / 2, text: `row ${i}` })) },
  ],
  refused: [
    { label: 'undefined', value: undefined, message: /is undefined: use MsgpackCacher/ },
    { label: 'a property that is undefined', value: { a: { b: undefined } }, message: /\.a\.b is undefined/ },
    { label: 'NaN', value: [1, Number.NaN], message: /\[1\] is NaN: use MsgpackCacher/ },
    { label: 'an infinity', value: { x: -Infinity }, message: /\.x is -Infinity/ },
    { label: 'negative zero', value: { x: -0 }, message: /\.x is -0/ },
    { label: 'a bigint', value: { id: 2n ** 60n }, message: /\.id is a bigint: use MsgpackCacher/ },
    { label: 'a date', value: { when: new Date(0) }, message: /\.when is a Date: use MsgpackCacher/ },
    { label: 'a Map', value: new Map(), message: /is a Map/ },
    { label: 'a Set', value: { s: new Set() }, message: /\.s is a Set/ },
    { label: 'a typed array', value: { v: Float32Array.of(1) }, message: /\.v is a Float32Array/ },
    { label: 'a class instance', value: new (class Model {})(), message: /is a Model/ },
    { label: 'an object with toJSON', value: { toJSON: () => 1 }, message: /has a toJSON method/ },
    { label: 'a function', value: { f: () => 1 }, message: /\.f is a function: leave it out/ },
    { label: 'a symbol', value: [Symbol('s')], message: /\[0\] is a symbol/ },
    // biome-ignore lint/suspicious/noSparseArray: this is what must be refused
    { label: 'a hole', value: [1, , 3], message: /is a sparse array/ },
    { label: 'half a surrogate pair', value: ['\ud800'], message: /half of a surrogate pair/ },
    { label: 'a cycle', value: cycle(), message: /refers back/ },
    { label: 'a __proto__ key', value: JSON.parse('{"__proto__": 1}'), message: /has a key __proto__/ },
    { label: 'more levels than the stack has', value: deep(100_000), message: /too deep/ },
  ],
} satisfies CacherCase

function cycle(): unknown {
  const value: Record<string, unknown> = {}
  value.self = value
  return value
}
