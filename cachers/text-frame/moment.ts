/** Dates, times of day, moments and durations as ISO 8601, exact in every unit of Arrow, in the proleptic Gregorian calendar. */
import { FrameProblem } from '../frame/problem.js'

/** Counts per second of Arrow's units, and the digits behind the point that they have. */
export const perSecond = [1, 1e3, 1e6, 1e9] as const
export const digits = [0, 3, 6, 9] as const
export type Unit = 0 | 1 | 2 | 3

const daySeconds = 86_400
/** Milliseconds that `Date` reaches in both directions. */
const dateLimit = 8.64e15

const two = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0'))

/** `2020-01-31`; years beyond 0 to 9999 get a sign and at least six digits. */
export function dateText(days: number): string {
  const [year, month, day] = civil(days)
  const head =
    year >= 0 && year <= 9999
      ? String(year).padStart(4, '0')
      : `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`
  return `${head}-${two[month]}-${two[day]}`
}

/** `23:59:59.123`, from a count since midnight. */
export function timeText(count: number, unit: Unit): string {
  const per = perSecond[unit]
  const seconds = Math.floor(count / per)
  const text = `${two[Math.floor(seconds / 3600)]}:${two[Math.floor(seconds / 60) % 60]}:${two[seconds % 60]}`
  return unit === 0 ? text : `${text}.${String(count % per).padStart(digits[unit], '0')}`
}

/** `2020-01-31T23:59:59.123`, from a count since 1970. */
export function momentText(unit: Unit): (count: bigint) => string {
  const perDay = BigInt(daySeconds) * BigInt(perSecond[unit])
  const perDayNumber = daySeconds * perSecond[unit]
  let lastDay = Number.NaN
  let lastText = ''
  return (count) => {
    let day: number
    let rest: number
    const near = Number(count)
    if (Number.isSafeInteger(near)) {
      day = Math.floor(near / perDayNumber)
      rest = near - day * perDayNumber
    } else {
      const remainder = ((count % perDay) + perDay) % perDay
      day = Number((count - remainder) / perDay)
      rest = Number(remainder)
    }
    if (day !== lastDay) {
      lastDay = day
      lastText = dateText(day)
    }
    return `${lastText}T${timeText(rest, unit)}`
  }
}

/** `PT93784.500S`: all of it in seconds, with the digits of the unit. */
export function durationText(count: bigint, unit: Unit): string {
  const size = String(count < 0n ? -count : count).padStart(digits[unit] + 1, '0')
  const whole = size.slice(0, size.length - digits[unit])
  return `${count < 0n ? '-' : ''}PT${whole}${unit === 0 ? '' : `.${size.slice(-digits[unit])}`}S`
}

const datePattern = /^(\d{4}|[+-]\d{5,12})-(\d\d)-(\d\d)(?:[T ]00:00(?::00(?:\.0+)?)?)?$/

/** Days since 1970 of a date, which may have midnight behind it. */
export function readDate(text: string): number {
  const parts = datePattern.exec(text)
  return parts === null ? refuse(text, 'a date') : dayOf(text, parts[1]!, parts[2]!, parts[3]!)
}

const timePattern = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?$/

/** The count since midnight of a time of day. */
export function readTime(text: string, unit: Unit): number {
  const parts = timePattern.exec(text)
  if (parts === null) return refuse(text, 'a time of day')
  return secondsOf(text, parts[1]!, parts[2]!, parts[3]) * perSecond[unit] + fraction(text, parts[4], unit)
}

const momentPattern =
  /^(\d{4}|[+-]\d{5,12})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|z|[+-]\d\d(?::?\d\d)?)?)?$/

/** The count since 1970 of a moment: with its offset from UTC where the type has a time zone, without one where it has none. */
export function readMoment(text: string, unit: Unit, zone: string | null | undefined): bigint {
  const parts = momentPattern.exec(text)
  if (parts === null) return refuse(text, 'a timestamp')
  const [, year, month, day, hour, minute, second, rest, offset] = parts
  if (zone && offset === undefined)
    throw new FrameProblem(`is ${shown(text)}, which has no offset from UTC`, 'as in 2020-01-31T12:00:00Z')
  if (!zone && offset !== undefined) {
    throw new FrameProblem(
      `is ${shown(text)}, which has an offset from UTC`,
      'give the column a type with a time zone: timestamp[us, UTC]',
    )
  }
  const days = dayOf(text, year!, month!, day!)
  const seconds = (hour === undefined ? 0 : secondsOf(text, hour, minute!, second)) - offsetSeconds(text, offset)
  const part = fraction(text, rest, unit)
  const per = perSecond[unit]
  const near = (days * daySeconds + seconds) * per + part
  if (Math.abs(near) <= dateLimit) return BigInt(near)
  const exact = (BigInt(days) * BigInt(daySeconds) + BigInt(seconds)) * BigInt(per) + BigInt(part)
  return inInt64(exact, text)
}

const isoDuration =
  /^([+-]?)P(?:([+-]?\d{1,20})D)?(?:T(?:([+-]?\d{1,20})H)?(?:([+-]?\d{1,20})M)?(?:([+-]?)(\d{1,20})(?:\.(\d+))?S)?)?$/
/** As pandas writes them: `-1 days +23:59:59.500000`. */
const dayDuration = /^(-?\d{1,20}) days?(?: ([+-]?)(\d{1,20}):(\d\d):(\d\d)(?:\.(\d+))?)?$/

/** The count of a duration. Weeks, months and years are not read: they are not of one length. */
export function readDuration(text: string, unit: Unit): bigint {
  const iso = isoDuration.exec(text)
  if (iso !== null && !/[PT]$/.test(text)) {
    const [, sign, days, hours, minutes, secondSign, seconds, rest] = iso
    const whole = BigInt(days ?? 0) * 86_400n + BigInt(hours ?? 0) * 3600n + BigInt(minutes ?? 0) * 60n
    const part = countOf(text, BigInt(seconds ?? 0), rest, unit)
    const count = whole * BigInt(perSecond[unit]) + (secondSign === '-' ? -part : part)
    return inInt64(sign === '-' ? -count : count, text)
  }
  const parts = dayDuration.exec(text)
  if (parts === null) return refuse(text, 'a duration')
  const [, days, sign, hours, minutes, seconds, rest] = parts
  const time = countOf(text, BigInt(hours ?? 0) * 3600n + BigInt(minutes ?? 0) * 60n + BigInt(seconds ?? 0), rest, unit)
  return inInt64(BigInt(days!) * 86_400n * BigInt(perSecond[unit]) + (sign === '-' ? -time : time), text)
}

function countOf(text: string, seconds: bigint, rest: string | undefined, unit: Unit): bigint {
  return seconds * BigInt(perSecond[unit]) + BigInt(fraction(text, rest, unit))
}

function inInt64(count: bigint, text: string): bigint {
  if (BigInt.asIntN(64, count) !== count) throw new FrameProblem(`is ${shown(text)}, which is out of range`)
  return count
}

/** The digits behind the point as a count; those the unit does not have must be zeros. */
function fraction(text: string, rest: string | undefined, unit: Unit): number {
  if (rest === undefined) return 0
  const own = digits[unit]
  if (rest.length > own && /[1-9]/.test(rest.slice(own))) {
    throw new FrameProblem(`is ${shown(text)}, which has more digits than the unit of the column`)
  }
  return own === 0 ? 0 : Number(rest.slice(0, own).padEnd(own, '0'))
}

function secondsOf(text: string, hour: string, minute: string, second = '00'): number {
  const [h, m, s] = [Number(hour), Number(minute), Number(second)]
  if (h > 23 || m > 59 || s > 59) return refuse(text, 'a time of day')
  return h * 3600 + m * 60 + s
}

function offsetSeconds(text: string, offset: string | undefined): number {
  if (offset === undefined || !/^[+-]/.test(offset)) return 0
  const [hours, minutes] = [Number(offset.slice(1, 3)), Number(offset.slice(3).replace(':', ''))]
  if (hours > 23 || minutes > 59) return refuse(text, 'a timestamp')
  return (offset[0] === '-' ? -1 : 1) * (hours * 3600 + minutes * 60)
}

function dayOf(text: string, yearText: string, monthText: string, dayText: string): number {
  const [year, month, day] = [Number(yearText), Number(monthText), Number(dayText)]
  const days = daysOf(year, month, day)
  const [y, m, d] = month >= 1 && month <= 12 && day >= 1 ? civil(days) : []
  return y === year && m === month && d === day ? days : refuse(text, 'a date of the calendar')
}

/**
 * Days since 1970 of a date. Years are counted from March, so that the leap day is their last; 400 of them have 146,097 days.
 */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const cycle = Math.floor(y / 400)
  const inCycle = y - cycle * 400
  const inYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  return cycle * 146_097 + inCycle * 365 + Math.floor(inCycle / 4) - Math.floor(inCycle / 100) + inYear - 719_468
}

/** The date of a day since 1970. */
function civil(days: number): [year: number, month: number, day: number] {
  const shifted = days + 719_468
  const cycle = Math.floor(shifted / 146_097)
  const inCycle = shifted - cycle * 146_097
  const leaps = Math.floor(inCycle / 1460) - Math.floor(inCycle / 36_524) + Math.floor(inCycle / 146_096)
  const yearInCycle = Math.floor((inCycle - leaps) / 365)
  const inYear = inCycle - (365 * yearInCycle + Math.floor(yearInCycle / 4) - Math.floor(yearInCycle / 100))
  const index = Math.floor((5 * inYear + 2) / 153)
  const month = index < 10 ? index + 3 : index - 9
  return [yearInCycle + cycle * 400 + (month <= 2 ? 1 : 0), month, inYear - Math.floor((153 * index + 2) / 5) + 1]
}

/** A text in a message, cut. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

function refuse(text: string, what: string): never {
  throw new FrameProblem(`is ${shown(text)}, not ${what}`)
}
