/**
 * The header of NumPy's `.npy` format, written as `numpy.save` writes it and read by hand: nothing in it is evaluated.
 *
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { type DType, itemSize, shapeText, sizeOf, TensorProblem } from './types.js'

/** What a header says, checked. */
export interface Header {
  readonly dtype: DType
  readonly bigEndian: boolean
  readonly fortranOrder: boolean
  readonly shape: readonly number[]
  /** Where the elements begin. */
  readonly offset: number
  /** Bytes of the elements. */
  readonly bytes: number
}

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const alignment = 64
/** numpy leaves room for the first axis to grow to this many digits. */
const growthDigits = 21
const maxHeader = 1 << 20
/** The part that says how long the header is: magic, version, and a length of four bytes. */
export const preludeSize = 12

const descrs: Readonly<Record<DType, string>> = {
  bool: '|b1',
  int8: '|i1',
  uint8: '|u1',
  int16: '<i2',
  uint16: '<u2',
  int32: '<i4',
  uint32: '<u4',
  int64: '<i8',
  uint64: '<u8',
  float16: '<f2',
  float32: '<f4',
  float64: '<f8',
}
const dtypes = new Map((Object.keys(descrs) as DType[]).map((dtype) => [descrs[dtype].slice(1), dtype]))

/** The bytes before the elements: version 1.0, or 2.0 when the header is longer than 65,535 bytes. */
export function writeHeader(dtype: DType, shape: readonly number[]): Uint8Array {
  let text = `{'descr': '${descrs[dtype]}', 'fortran_order': False, 'shape': ${shapeText(shape)}, }`
  if (shape.length > 0) text += ' '.repeat(Math.max(0, growthDigits - String(shape[0]).length))
  const framed = (prefix: number) => {
    // As numpy does it: when all fits exactly, one more line of padding.
    const length = (Math.floor((prefix + text.length + 1) / alignment) + 1) * alignment - prefix
    return { length, bytes: Buffer.alloc(prefix + length, ' ') }
  }
  let version = 1
  let { length, bytes } = framed(10)
  if (length > 0xffff) {
    version = 2
    ;({ length, bytes } = framed(12))
  }
  bytes.set([...magic, version, 0])
  if (version === 1) bytes.writeUInt16LE(length, 8)
  else bytes.writeUInt32LE(length, 8)
  bytes.write(text, bytes.length - length, 'latin1')
  bytes[bytes.length - 1] = 0x0a
  return bytes
}

/** Bytes up to the elements, from the first twelve bytes of a file, or from all of a shorter one. */
export function headerEnd(start: Uint8Array): number {
  if (start.length < 10 || magic.some((byte, i) => start[i] !== byte)) {
    throw new TensorProblem('it is no .npy file')
  }
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength)
  const version = start[6]!
  if (version < 1 || version > 3 || start[7] !== 0) {
    throw new TensorProblem(`it has version ${version}.${start[7]} of the .npy format; known are 1.0, 2.0 and 3.0`)
  }
  if (version === 1) return 10 + view.getUint16(8, true)
  if (start.length < preludeSize) throw new TensorProblem('its header is cut off')
  const length = view.getUint32(8, true)
  if (length > maxHeader) throw new TensorProblem(`it says that its header has ${length} bytes, at most ${maxHeader}`)
  return preludeSize + length
}

/** Reads a header. `start` holds at least its bytes; `fileSize` is the length of the whole file, which must be exactly right. */
export function readHeader(start: Uint8Array, fileSize: number): Header {
  if (last === undefined || !beginsWith(start, last.start)) last = freshHeader(start)
  const { dtype, bigEndian, fortranOrder } = last.fields
  const offset = last.start.length
  const shape = [...last.fields.shape]
  const size = sizeOf(shape)
  const bytes = size * itemSize[dtype]
  if (!Number.isSafeInteger(bytes)) throw new TensorProblem(`its shape ${shapeText(shape)} is larger than any file`)
  if (offset + bytes !== fileSize) {
    throw new TensorProblem(
      `its header says ${bytes} bytes of ${dtype} ${shapeText(shape)}, but ${fileSize - offset} follow`,
    )
  }
  return { dtype, bigEndian, fortranOrder, shape, offset, bytes }
}

type Fields = Pick<Header, 'dtype' | 'bigEndian' | 'fortranOrder' | 'shape'>

/** Of many small tensors most have the same header: all bytes before the elements, and what they say. */
let last: { readonly start: Uint8Array; readonly fields: Fields } | undefined

function freshHeader(start: Uint8Array): NonNullable<typeof last> {
  const offset = headerEnd(start)
  if (offset > start.length) throw new TensorProblem('its header is cut off')
  const from = start[6] === 1 ? 10 : preludeSize
  const text = Buffer.from(start.buffer, start.byteOffset + from, offset - from).toString('latin1')
  const { descr, fortranOrder, shape } = new Parser(text).dict()
  return { start: Uint8Array.from(start.subarray(0, offset)), fields: { ...dtypeOf(descr), fortranOrder, shape } }
}

function beginsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  if (bytes.length < start.length) return false
  for (let i = 0; i < start.length; i++) if (bytes[i] !== start[i]) return false
  return true
}

function dtypeOf(descr: string): { dtype: DType; bigEndian: boolean } {
  const match = /^([<>=|]?)([a-zA-Z?])(\d*)(.*)$/.exec(descr)
  const dtype =
    match === null || match[4] !== '' ? undefined : dtypes.get(match[2] === '?' ? 'b1' : match[2]! + match[3]!)
  if (match === null || dtype === undefined) {
    throw new TensorProblem(`it holds ${kinds[match?.[2] ?? ''] ?? 'elements'} (dtype ${JSON.stringify(descr)})`, known)
  }
  return { dtype, bigEndian: match[1] === '>' && itemSize[dtype] > 1 }
}

const known = `known are ${Object.keys(descrs).join(', ')}`
const kinds: Readonly<Record<string, string>> = {
  c: 'complex numbers',
  O: 'Python objects',
  S: 'byte strings',
  a: 'byte strings',
  U: 'strings',
  V: 'structures',
  M: 'dates',
  m: 'durations',
}

/** The one Python literal that a header is: a dict of a string, a bool and a tuple of integers. */
class Parser {
  private at = 0

  constructor(private readonly text: string) {}

  dict(): { descr: string; fortranOrder: boolean; shape: number[] } {
    const found: { descr?: string; fortranOrder?: boolean; shape?: number[] } = {}
    this.expect('{')
    while (!this.skip('}')) {
      const key = this.string()
      this.expect(':')
      if (key === 'descr' && found.descr === undefined) found.descr = this.descr()
      else if (key === 'fortran_order' && found.fortranOrder === undefined) found.fortranOrder = this.bool()
      else if (key === 'shape' && found.shape === undefined) found.shape = this.tuple()
      else this.fail()
      if (!this.skip(',')) {
        this.expect('}')
        break
      }
    }
    if (this.text.slice(this.at).trim() !== '') this.fail()
    const { descr, fortranOrder, shape } = found
    if (descr === undefined || fortranOrder === undefined || shape === undefined) this.fail()
    return { descr, fortranOrder, shape }
  }

  private descr(): string {
    this.space()
    if (this.text[this.at] === '[') {
      throw new TensorProblem('it holds structures (a dtype of several fields)', known)
    }
    return this.string()
  }

  private string(): string {
    return (this.match(/'([^'\\\n]*)'/y) ?? this.match(/"([^"\\\n]*)"/y) ?? this.fail())[1]!
  }

  private bool(): boolean {
    return (this.match(/(True|False)/y) ?? this.fail())[1] === 'True'
  }

  private tuple(): number[] {
    const shape: number[] = []
    this.expect('(')
    while (!this.skip(')')) {
      // Python 2 wrote long integers as 3L.
      const axis = Number((this.match(/(\d{1,16})L?/y) ?? this.fail())[1])
      if (!Number.isSafeInteger(axis)) this.fail()
      shape.push(axis)
      if (this.skip(',')) continue
      // (3) is no tuple in Python, and no header of numpy's.
      if (shape.length === 1) this.fail()
      this.expect(')')
      break
    }
    return shape
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    this.space()
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)
    if (found !== null) this.at = pattern.lastIndex
    return found
  }

  private skip(token: string): boolean {
    this.space()
    if (!this.text.startsWith(token, this.at)) return false
    this.at += token.length
    return true
  }

  private expect(token: string): void {
    if (!this.skip(token)) this.fail()
  }

  private space(): void {
    while (this.text[this.at] === ' ' || this.text[this.at] === '\n') this.at += 1
  }

  private fail(): never {
    throw new TensorProblem(`its header is not one numpy writes: ${JSON.stringify(this.text.slice(0, 80).trimEnd())}`)
  }
}
