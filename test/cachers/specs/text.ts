import { TextCacher } from '../../../cachers/text.js'
import type { CacherCase } from '../../suites/cacher.js'

export default {
  name: 'TextCacher',
  cacher: TextCacher,
  module: import.meta.url,
  damage: 'unnoticed',
  samples: [
    { label: 'a text', make: () => 'Dear diary,\r\ntoday: ä, 漢, \ud83d\ude00, and a \u0000.\n' },
    { label: 'an empty text', make: () => '' },
    { label: 'a text with a byte order mark', make: () => '\uFEFFbegin' },
    { label: 'a text with replacement characters of its own', make: () => 'a\uFFFDb' },
    { label: 'a long text', make: () => 'line\n'.repeat(300_000) },
  ],
  refused: [
    { label: 'half a surrogate pair', value: 'a\udc00', message: /half of a surrogate pair: use MsgpackCacher/ },
    { label: 'a number', value: 3, message: /is a number, not a string/ },
    { label: 'undefined', value: undefined, message: /is undefined, not a string/ },
    { label: 'a Buffer', value: Buffer.from('x'), message: /is a Buffer, not a string/ },
  ],
} satisfies CacherCase<string>
