/**
 * Views of texts and bytes: 16 bytes each, a length and either up to 12 bytes or the place of more in one of several buffers.
 *
 * @see https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
 */
import { isUtf8 } from 'node:buffer'
import { damaged } from './flat.js'

type IsValid = (index: number) => boolean

/** Which bytes of a buffer are named. */
export type Span = readonly [start: number, end: number]

/** Longer values than this lie in a buffer. */
const inline = 12

/** Views as the 32-bit words they are made of. */
export function wordsOf(views: Uint8Array): Int32Array {
  const aligned = views.byteOffset % 4 === 0 ? views : Uint8Array.from(views)
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2)
}

/** Whether the lengths and places that views name, but for those of nulls, are within buffers of these lengths. */
export function checkViews(words: Int32Array, lengths: readonly number[], isValid: IsValid, path: string): void {
  for (let i = 0; i < words.length; i += 4) {
    const [size, buffer, offset] = [words[i]!, words[i + 2]!, words[i + 3]!]
    if (size >= 0 && size <= inline) continue
    const limit = lengths[buffer]
    if (size >= 0 && limit !== undefined && offset >= 0 && offset + size <= limit) continue
    if (isValid(i >> 2)) throw damaged(`its column ${path} has values outside its buffers`)
  }
}

export function checkViewTexts(
  words: Int32Array,
  buffers: readonly Uint8Array[],
  isValid: IsValid,
  path: string,
): void {
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
  for (let i = 0; i < words.length; i += 4) {
    const [size, buffer, offset] = [words[i]!, words[i + 2]!, words[i + 3]!]
    if (!isValid(i >> 2)) continue
    const text =
      size <= inline ? bytes.subarray(4 * i + 4, 4 * i + 4 + size) : buffers[buffer]!.subarray(offset, offset + size)
    if (!isUtf8(text)) throw damaged(`its column ${path} is not UTF-8 text at ${i >> 2} of a batch`)
  }
}

/** The bytes of each of `count` buffers that views name. Places are in range: see `checkViews`. */
export function spansOf(words: Int32Array, count: number, isValid: IsValid): Span[] {
  const spans: [number, number][] = Array.from({ length: count }, () => [Number.POSITIVE_INFINITY, 0])
  for (let i = 0; i < words.length; i += 4) {
    const [size, offset, span] = [words[i]!, words[i + 3]!, spans[words[i + 2]!]]
    if (size <= inline || span === undefined || !isValid(i >> 2)) continue
    span[0] = Math.min(span[0], offset)
    span[1] = Math.max(span[1], offset + size)
  }
  return spans.map(([start, end]) => (end === 0 ? [0, 0] : [start, end]))
}

/** Views into buffers of which only these bytes are left. */
export function shifted(words: Int32Array, spans: readonly Span[], isValid: IsValid): Int32Array {
  if (spans.every(([start]) => start === 0)) return words
  const moved = Int32Array.from(words)
  for (let i = 0; i < moved.length; i += 4) {
    const span = spans[moved[i + 2]!]
    if (moved[i]! > inline && span !== undefined && isValid(i >> 2)) moved[i + 3]! -= span[0]
  }
  return moved
}
