/** Numbers as texts, and back without loss. */
import { fitsDigits, unscaled } from '../frame/decimals.js'
import { FrameProblem } from '../frame/problem.js'
import { narrow, widen } from '../tensor/half.js'
import { shown } from './moment.js'

/**
 * The shortest text that gives back a double. What other programs would take for an integer, and so lose the sign of zero or read
 * digits that are not there, gets a point.
 */
export function floatText(x: number): string {
  const text = Object.is(x, -0) ? '-0' : String(x)
  const size = Math.abs(x)
  return text === '-0' || (size >= 2 ** 53 && size < 1e21) ? `${text}.0` : text
}

/** The shortest text that gives back a single. Below 2^-126 singles have fewer digits. */
export function singleText(x: number): string {
  if (!Number.isFinite(x) || Number.isInteger(x)) {
    if (Math.abs(x) < 1e6 || !Number.isFinite(x)) return floatText(x)
  }
  return shortest(x, Math.abs(x) < 2 ** -126 ? 1 : 6, 9, Math.fround)
}

export function halfText(x: number): string {
  if (!Number.isFinite(x) || x === 0) return floatText(x)
  return shortest(x, Math.abs(x) < 2 ** -14 ? 1 : 3, 5, toHalf)
}

function shortest(x: number, from: number, to: number, round: (y: number) => number): string {
  for (let precision = from; precision < to; precision++) {
    const rounded = Number(x.toPrecision(precision))
    if (round(rounded) === x) return floatText(rounded)
  }
  return floatText(Number(x.toPrecision(to)))
}

function toHalf(x: number): number {
  return widen(narrow([x], () => 0 as never))[0]!
}

const special: Readonly<Record<string, number>> = {
  NaN: Number.NaN, nan: Number.NaN, Infinity, '-Infinity': -Infinity, inf: Infinity, '-inf': -Infinity, Inf: Infinity, '-Inf': -Infinity,
} // biome-ignore format: a table

/** The number a text says outright that it is none; undefined for any other text. */
export function specialNumber(text: string): number | undefined {
  return Object.hasOwn(special, text) ? special[text] : undefined
}

export const decimalPattern = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/

/** A decimal number. One that is past the largest double is refused. */
export function readFloat(text: string): number {
  const number = decimalPattern.test(text) ? Number(text) : specialNumber(text)
  if (number === undefined) throw new FrameProblem(`is ${shown(text)}, not a number`)
  if (Math.abs(number) === Infinity && specialNumber(text) === undefined) throw tooLarge(text)
  return number
}

export function readSingle(text: string): number {
  const number = readFloat(text)
  if (Number.isFinite(number) && !Number.isFinite(Math.fround(number))) throw tooLarge(text)
  return number
}

/** The bits of the nearest half. */
export function readHalf(text: string): number {
  return narrow([readFloat(text)], () => {
    throw tooLarge(text)
  })[0]!
}

function tooLarge(text: string): FrameProblem {
  return new FrameProblem(`is ${shown(text)}, which is too large for the type of the column`)
}

const integerPattern = /^[+-]?\d+(\.0*)?$/

/** An integer. `1.0` is one too: so pandas writes integers with nulls among them. */
export function readInteger(text: string, least: bigint, most: bigint): bigint {
  if (!integerPattern.test(text)) throw new FrameProblem(`is ${shown(text)}, not an integer`)
  const end = text.indexOf('.')
  const digits = end < 0 ? text : text.slice(0, end)
  // BigInt takes time with the square of the digits.
  if (digits.replace(/^[+-]?0*/, '').length > 40) throw tooLarge(text)
  const integer = BigInt(digits.replace(/^\+/, ''))
  if (integer < least || integer > most) {
    throw new FrameProblem(`is ${shown(text)}, which is not between ${least} and ${most}`)
  }
  return integer
}

/** The text of a decimal: little-endian words of two's complement from `start`, `scale` digits of it behind the point. */
export function decimalText(
  words: Uint32Array,
  start: number,
  size: number,
  { precision, scale }: { readonly precision: number; readonly scale: number },
): string {
  const number = unscaled(words, start, size)
  if (!fitsDigits(words, start, size, precision)) {
    throw new FrameProblem(`is ${number}, which has more than ${precision} digits`, 'give it a type of more digits')
  }
  if (scale <= 0) return String(number * 10n ** BigInt(-scale))
  const digits = String(number < 0n ? -number : number).padStart(scale + 1, '0')
  return `${number < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** A decimal as an integer of units of its last digit; digits that it cannot hold must be zeros. */
export function readDecimal(text: string, precision: number, scale: number): bigint {
  const [, sign, whole, rest = ''] = /^([+-]?)(\d+)(?:\.(\d*))?$/.exec(text) ?? []
  if (whole === undefined) throw new FrameProblem(`is ${shown(text)}, not a decimal number`)
  const places = Math.max(scale, 0)
  const figures = (whole + rest.slice(0, places).padEnd(places, '0')).replace(/^0+/, '')
  const kept = scale < 0 ? figures.slice(0, scale) : figures
  if (/[1-9]/.test(rest.slice(places)) || (scale < 0 && /[1-9]/.test(figures.slice(scale)))) {
    throw new FrameProblem(`is ${shown(text)}, which has more than ${scale} digits behind the point`)
  }
  if (kept.length > precision) throw new FrameProblem(`is ${shown(text)}, which has more than ${precision} digits`)
  return BigInt(`${sign === '-' ? '-' : ''}${kept || '0'}`)
}
