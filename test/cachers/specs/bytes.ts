import { Readable } from 'node:stream'
import { BytesCacher, type BytesLike } from '../../../cachers/bytes.js'
import type { CacherCase } from '../../suites/cacher.js'

const numbers = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) % 251)

async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

export default {
  name: 'BytesCacher',
  cacher: BytesCacher,
  module: import.meta.url,
  damage: 'unnoticed',
  samples: [
    { label: 'bytes', make: () => numbers(100) },
    { label: 'no bytes', make: () => new Uint8Array(0) },
    { label: 'a Buffer', make: () => Buffer.from('hello'), loaded: () => Uint8Array.from(Buffer.from('hello')) },
    { label: 'a part of a larger array', make: () => numbers(64).subarray(3, 40) },
    { label: 'an ArrayBuffer', make: () => numbers(9).buffer as ArrayBuffer, loaded: () => numbers(9) },
    {
      label: 'a stream',
      make: () => pieces(numbers(3), new Uint8Array(0), numbers(5)),
      loaded: () => Uint8Array.from([...numbers(3), ...numbers(5)]),
    },
    { label: 'an empty stream', make: () => pieces(), loaded: () => new Uint8Array(0) },
    {
      label: 'a Node stream',
      make: () => Readable.from([Buffer.from('ab'), Buffer.from('c')]),
      loaded: () => Uint8Array.of(97, 98, 99),
    },
    { label: 'bytes of more than a block', make: () => numbers(3 << 20) },
  ],
  refused: [
    { label: 'a text', value: 'text', message: /is a string, not bytes/ },
    { label: 'numbers', value: [1, 2], message: /is an Array, not bytes/ },
    {
      label: 'another typed array',
      value: Float32Array.of(1),
      message: /is a Float32Array, not bytes: use TensorCacher/,
    },
    {
      label: 'a stream of texts',
      value: {
        async *[Symbol.asyncIterator]() {
          yield 'a'
        },
      },
      message: /yields a string, not bytes/,
    },
    { label: 'null', value: null, message: /is null, not bytes/ },
  ],
} satisfies CacherCase<Uint8Array, BytesLike>
