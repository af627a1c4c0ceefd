/** The cells of a CSV file (RFC 4180, lines ending in LF or CRLF), found without copying them. */
import { FrameProblem } from '../frame/problem.js'

const [quote, lf, cr] = [0x22, 0x0a, 0x0d]

/** A cell without quotes around it; one with; one with doubled quotes inside, too. */
export const plain = 0
export const inQuotes = 1
export const withQuotes = 2

/** Goes through a file cell by cell. */
export class Scanner {
  /** First and last byte (exclusive) of the cell found last, without its quotes, and how it is quoted. */
  start = 0
  end = 0
  quoting = plain

  /** @param position where the first row begins. */
  constructor(
    readonly bytes: Buffer,
    private readonly delimiter: number,
    public position: number,
  ) {}

  get atEnd(): boolean {
    return this.position >= this.bytes.length
  }

  /** Finds the next cell; true when another one follows in its row. */
  next(): boolean {
    const { bytes, delimiter } = this
    const { length } = bytes
    let at = this.position
    if (at < length && bytes[at] === quote) at = this.closing(at)
    else {
      this.start = at
      this.quoting = plain
      for (; at < length; at++) {
        const byte = bytes[at]!
        if (byte === delimiter || byte === lf || byte === cr) break
        if (byte === quote) throw this.problem('a quote in a cell that does not begin with one', at)
      }
      this.end = at
    }
    this.position = at
    if (at >= length) return false
    if (bytes[at] === delimiter) {
      this.position = at + 1
      return true
    }
    if (this.endsLine()) return false
    if (bytes[at] !== cr) throw this.problem('text behind a closing quote', at)
    throw this.problem('a carriage return that is neither in quotes nor followed by a line feed', at)
  }

  /** Goes behind a line end, if it is right here. */
  endsLine(): boolean {
    const { bytes, position: at } = this
    if (bytes[at] === lf) this.position = at + 1
    else if (bytes[at] === cr && bytes[at + 1] === lf) this.position = at + 2
    else return false
    return true
  }

  /** The cells of the next row. */
  row(): string[] {
    const cells: string[] = []
    if (this.atEnd || this.endsLine()) return cells
    for (let more = true; more; ) {
      more = this.next()
      cells.push(this.text(this.start, this.end, this.quoting).toString('utf8'))
    }
    return cells
  }

  /** What a cell says. */
  text(start: number, end: number, quoting: number): Buffer {
    const cell = this.bytes.subarray(start, end)
    if (quoting !== withQuotes) return cell
    const text = Buffer.allocUnsafe(cell.length)
    let size = 0
    for (let i = 0; i < cell.length; i++) {
      text[size++] = cell[i]!
      if (cell[i] === quote) i += 1
    }
    return text.subarray(0, size)
  }

  problem(what: string, at: number): FrameProblem {
    return new FrameProblem(`there is ${what}${this.line(at)}`)
  }

  /** The line of the file that a byte is in, for a message. */
  line(at: number): string {
    let count = 1
    for (let i = this.bytes.indexOf(lf); i >= 0 && i < at; i = this.bytes.indexOf(lf, i + 1)) count += 1
    return ` (line ${count})`
  }

  private closing(from: number): number {
    const { bytes } = this
    const { length } = bytes
    this.start = from + 1
    this.quoting = inQuotes
    for (let at = from + 1; at < length; at++) {
      if (bytes[at] !== quote) continue
      if (bytes[at + 1] === quote) {
        this.quoting = withQuotes
        at += 1
      } else {
        this.end = at
        return at + 1
      }
    }
    throw this.problem('a quote that is never closed', from)
  }
}

/** About as many cells are found at once. */
const blockCells = 1 << 16
/** A block ends after as many bytes. */
const blockBytes = 1 << 26

/** Where the cells of some rows lie: row after row. */
export interface Block {
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly quoting: Uint8Array
  /** Rows before this block. */
  first: number
  rows: number
}

/**
 * All rows from where the scanner is, some at a time, always in the same object. Empty lines are no rows; but where a row is one cell they
 * are an empty one.
 */
export function* blocksOf(scanner: Scanner, columns: number): Generator<Block> {
  const most = Math.max(1, Math.floor(blockCells / Math.max(1, columns)))
  const cells = most * columns
  const block: Block = {
    starts: new Uint32Array(cells),
    ends: new Uint32Array(cells),
    quoting: new Uint8Array(cells),
    first: 0,
    rows: 0,
  }
  while (!scanner.atEnd) {
    fill(scanner, columns, most, block)
    if (block.rows > 0) yield block
    block.first += block.rows
  }
}

function fill(scanner: Scanner, columns: number, most: number, block: Block): void {
  const { starts, ends, quoting } = block
  const stop = scanner.position + blockBytes
  block.rows = 0
  for (let cell = 0; block.rows < most && scanner.position < stop && !scanner.atEnd; ) {
    if (columns !== 1 && scanner.endsLine()) continue
    const begin = scanner.position
    for (let more = true, found = 0; more; cell++) {
      more = scanner.next()
      if (++found > columns || (!more && found < columns)) throw ragged(scanner, begin, columns, block)
      starts[cell] = scanner.start
      ends[cell] = scanner.end
      quoting[cell] = scanner.quoting
    }
    block.rows += 1
  }
}

function ragged(scanner: Scanner, begin: number, columns: number, { first, rows }: Block): FrameProblem {
  scanner.position = begin
  const count = scanner.row().length
  const cells = `${count} ${count === 1 ? 'cell' : 'cells'}`
  return new FrameProblem(`rows[${first + rows}] has ${cells}, not ${columns}${scanner.line(begin)}`)
}
