/** Values of one size from their texts, as they lie in a file. */
import type { DataType } from 'apache-arrow'
import { type TypeParts, typeIds } from '../frame/fields.js'
import { FrameProblem } from '../frame/problem.js'
import { readDate, readDuration, readMoment, readTime } from './moment.js'
import { readDecimal, readFloat, readHalf, readInteger, readSingle } from './number.js'

/** Reads one text and puts its value at an index. */
export type Put = (values: never, index: number, bytes: Buffer, start: number, end: number) => void

type Read<T> = (bytes: Buffer, start: number, end: number) => T

const put =
  <T>(read: Read<T>): Put =>
  (values: { [index: number]: T }, index, bytes, start, end) => {
    values[index] = read(bytes, start, end)
  }

/** Texts of numbers and moments are ASCII: whatever else there is only has to be seen to be none. */
const ofText =
  <T>(read: (text: string) => T): Read<T> =>
  (bytes, start, end) => {
    if (end - start > longest)
      throw new FrameProblem(`is a text of ${end - start} bytes, which is none of a number or a time`)
    return read(bytes.toString('utf8', start, end))
  }

const longest = 2000

export function parserOf(type: DataType): Put {
  const { bitWidth, isSigned, precision, scale, unit, timezone } = type as unknown as TypeParts
  switch (type.typeId as number) {
    case typeIds.int:
      return bitWidth === 64 ? put(wideInteger(isSigned)) : put(integer(bitWidth, isSigned))
    case typeIds.float:
      return put([ofText(readHalf), float(readSingle), float(readFloat)][precision]!)
    case typeIds.decimal:
      return decimal(precision, scale, bitWidth / 32)
    case typeIds.date:
      return unit === 0 ? put(ofText(inInt32(readDate))) : put(ofText((text) => readMoment(text, 1, undefined)))
    case typeIds.time:
      if (bitWidth === 64) return put(ofText((text) => BigInt(readTime(text, unit))))
      return put(ofText((text) => readTime(text, unit)))
    case typeIds.timestamp:
      return put(ofText((text) => readMoment(text, unit, timezone)))
    case typeIds.duration:
      return put(ofText((text) => readDuration(text, unit)))
    default:
      throw new FrameProblem(`there are no texts of ${String(type)}`)
  }
}

/** Digits that fit a double exactly. */
const exactDigits = 15

/** The number that up to 15 digits stand for; NaN for any other text. */
function fewDigits(bytes: Buffer, start: number, end: number): number {
  const negative = bytes[start] === 45
  const first = negative ? start + 1 : start
  if (end === first || end - first > exactDigits) return Number.NaN
  let number = 0
  for (let i = first; i < end; i++) {
    const digit = bytes[i]! - 48
    if (digit < 0 || digit > 9) return Number.NaN
    number = number * 10 + digit
  }
  return negative ? -number : number
}

function integer(bits: number, isSigned: boolean): Read<number> {
  const least = isSigned ? -(2 ** (bits - 1)) : 0
  const most = 2 ** (isSigned ? bits - 1 : bits) - 1
  const slow = ofText((text) => Number(readInteger(text, BigInt(least), BigInt(most))))
  return (bytes, start, end) => {
    const number = fewDigits(bytes, start, end)
    return number >= least && number <= most ? number : slow(bytes, start, end)
  }
}

function wideInteger(isSigned: boolean): Read<bigint> {
  const least = isSigned ? -(2n ** 63n) : 0n
  const most = 2n ** (isSigned ? 63n : 64n) - 1n
  const slow = ofText((text) => readInteger(text, least, most))
  return (bytes, start, end) => {
    const number = fewDigits(bytes, start, end)
    return number >= 0 || (isSigned && number < 0) ? BigInt(number) : slow(bytes, start, end)
  }
}

/**
 * Up to 15 digits and a power of ten that are both exact give the nearest double by one division; all others go the long way.
 */
function float(read: (text: string) => number): Read<number> {
  const slow = ofText(read)
  return (bytes, start, end) => {
    const negative = bytes[start] === 45
    const first = negative ? start + 1 : start
    if (end - first > exactDigits + 1) return slow(bytes, start, end)
    let number = 0
    let point = -1
    for (let i = first; i < end; i++) {
      const digit = bytes[i]! - 48
      if (digit >= 0 && digit <= 9) number = number * 10 + digit
      else if (digit === -2 && point < 0) point = i
      else return slow(bytes, start, end)
    }
    const digits = end - first - (point < 0 ? 0 : 1)
    if (digits === 0 || digits > exactDigits) return slow(bytes, start, end)
    const size = point < 0 ? number : number / 10 ** (end - point - 1)
    return negative ? -size : size
  }
}

function decimal(precision: number, scale: number, size: number): Put {
  const read = ofText((text) => readDecimal(text, precision, scale))
  return (words: Uint32Array, index: number, bytes: Buffer, start: number, end: number) => {
    let rest = BigInt.asUintN(size * 32, read(bytes, start, end))
    for (let i = 0; i < size; i++) {
      words[index * size + i] = Number(rest & 0xffffffffn)
      rest >>= 32n
    }
  }
}

function inInt32(read: (text: string) => number): (text: string) => number {
  return (text) => {
    const number = read(text)
    if ((number | 0) !== number) throw new FrameProblem(`is "${text}", which is out of range`)
    return number
  }
}
