/** The types of columns of JSON rows that nothing else is known of. */
import type { FieldJson } from '../frame/fields.js'
import { step } from '../frame/infer.js'
import { FrameProblem } from '../frame/problem.js'
import { closeList, closeObject, colon, type JsonInput, minus, openObject } from './json-input.js'
import { shown } from './moment.js'
import type { Types } from './typed.js'
import { within } from './within.js'

type Kind = 'bool' | 'number' | 'string' | 'list' | 'struct'

const one: Readonly<Record<Kind, string>> = {
  bool: 'true or false',
  number: 'a number',
  string: 'a string',
  list: 'an array',
  struct: 'an object',
}
const many: Readonly<Record<Kind, string>> = {
  bool: 'true and false',
  number: 'numbers',
  string: 'strings',
  list: 'arrays',
  struct: 'objects',
}

const deepest = 64
const int64Most = 2n ** 63n - 1n
const uint64Most = 2n ** 64n - 1n

/** What the values of one column, or of one part of it, have in common. */
export class Guess {
  private kind: Kind | undefined
  /** Whether there are strings that stand for numbers which JSON has no others for. */
  private isSpecial = false
  /** Whether there are numbers written with a point or an exponent. */
  private isFraction = false
  private isNegative = false
  /** The least and the greatest of the integers that a double cannot hold, and the first of them. */
  private wide: { least: bigint; most: bigint; first: string } | undefined
  private item: Guess | undefined
  private readonly members = new Map<string, Guess>()

  /** @param isKnown the type is given: values are only passed over. */
  constructor(private readonly isKnown = false) {}

  /** Takes the next value into account. */
  see(input: JsonInput, depth = 0): void {
    const kind = input.scalar()
    if (kind === 'string') this.seeString(input)
    else if (kind === 'number') this.seeNumber(input)
    else if (kind === 'bool') this.is('bool')
    else if (kind === undefined) {
      if (depth >= deepest) throw new FrameProblem(`is nested deeper than ${deepest} levels`)
      if (input.peek() === openObject) {
        this.is('struct')
        this.seeMembers(input, depth)
      } else {
        this.is('list')
        this.seeItems(input, depth)
      }
    }
  }

  /** The members of an object, at which the input is. */
  seeMembers(input: JsonInput, depth = 0, known?: Types): void {
    input.position += 1
    for (let more = !input.skips(closeObject); more; more = input.more(closeObject)) {
      input.string()
      const key = input.value
      input.expect(colon)
      const member =
        this.members.get(key) ?? new Guess(this.isKnown || (known !== undefined && Object.hasOwn(known, key)))
      this.members.set(key, member)
      try {
        member.see(input, depth + 1)
      } catch (error) {
        throw within(step(key), error)
      }
    }
  }

  fields(): FieldJson[] {
    return [...this.members].map(([name, guess]) => guess.field(name))
  }

  private seeItems(input: JsonInput, depth: number): void {
    this.item ??= new Guess(this.isKnown)
    input.position += 1
    let index = 0
    for (let more = !input.skips(closeList); more; more = input.more(closeList)) {
      try {
        this.item.see(input, depth + 1)
      } catch (error) {
        throw within(`[${index}]`, error)
      }
      index += 1
    }
  }

  private field(name: string): FieldJson {
    if (this.isKnown) return { name, type: 'null' }
    try {
      if (this.kind === 'list') return { name, type: 'list', children: [this.item!.field('item')] }
      if (this.kind === 'struct') return { name, type: 'struct', children: this.fields() }
      if (this.kind === 'number') return { name, type: this.numberType() }
    } catch (error) {
      throw within(step(name), error)
    }
    if (this.kind === 'bool') return { name, type: 'bool' }
    return { name, type: this.kind === 'string' || this.isSpecial ? 'utf8' : 'null' }
  }

  private is(kind: Kind): void {
    if (this.isKnown) return
    const known = this.kind ?? (this.isSpecial && kind !== 'number' ? 'string' : kind)
    if (known !== kind) throw new FrameProblem(`is ${one[kind]}, but the column holds ${many[known]}`)
    this.kind = kind
  }

  private seeString(input: JsonInput): void {
    const isSpecial = input.end - input.start <= 9 && /^(NaN|-?Infinity)$/.test(input.value)
    if (isSpecial && (this.kind === undefined || this.kind === 'number')) this.isSpecial = true
    else this.is('string')
  }

  private seeNumber(input: JsonInput): void {
    this.is('number')
    const { text, start, end } = input
    this.isNegative ||= text[start] === minus
    let isFraction = false
    for (let i = start; i < end && !isFraction; i++) isFraction = text[i] === 0x2e || (text[i]! | 0x20) === 0x65
    this.isFraction ||= isFraction
    if (end - start <= 15) return
    const literal = input.value
    if (!Number.isFinite(Number(literal))) throw new FrameProblem(`is ${shown(literal)}, past the largest float64`)
    if (isFraction || Number.isSafeInteger(Number(literal))) return
    const integer = BigInt(literal)
    this.wide ??= { least: integer, most: integer, first: literal }
    if (integer < this.wide.least) this.wide.least = integer
    if (integer > this.wide.most) this.wide.most = integer
  }

  /** Integers that a double cannot tell apart make a column of integers. */
  private numberType(): string {
    const { wide, isNegative, isFraction, isSpecial } = this
    if (wide === undefined) return 'float64'
    const isInt64 = wide.least >= -int64Most - 1n && wide.most <= int64Most
    const fits = isInt64 ? 'int64' : !isNegative && wide.most <= uint64Most ? 'uint64' : undefined
    if (fits !== undefined && !isFraction && !isSpecial) return fits
    const why = fits === undefined ? 'is past 64 bits' : 'stands among numbers that are no integers'
    throw new FrameProblem(
      `holds ${wide.first.slice(0, 60)}, which ${why}`,
      "give the column a type: types: { column: 'float64' }",
    )
  }
}
