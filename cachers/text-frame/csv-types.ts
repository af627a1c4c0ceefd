/** The types of columns of a CSV file that nothing else is known of. */
import { decimalPattern, specialNumber } from './number.js'
import { type Block, blocksOf, type Scanner, withQuotes } from './scan.js'

/** What is looked at of a cell; longer ones are texts. */
const longest = 400

/**
 * `float64` where all cells are numbers, `bool` where all are true or false, else `utf8`. Integers beyond 2^53 and digits behind a leading
 * zero or plus (zip codes, telephone numbers) are texts, for as numbers they would not come back. Nulls say nothing about a type.
 */
export function csvTypes(scanner: Scanner, columns: number, isNull: (block: Block, cell: number) => boolean): string[] {
  const types = new Array<string | undefined>(columns).fill(undefined)
  for (const block of blocksOf(scanner, columns)) {
    for (let column = 0; column < columns; column++) {
      let type = types[column]
      for (let cell = column; type !== 'utf8' && cell < block.rows * columns; cell += columns) {
        if (isNull(block, cell)) continue
        const own = typeOf(scanner, block, cell)
        type = type === undefined || type === own ? own : 'utf8'
      }
      types[column] = type
    }
    if (types.every((type) => type === 'utf8')) break
  }
  return types.map((type) => type ?? 'utf8')
}

function typeOf(scanner: Scanner, { starts, ends, quoting }: Block, cell: number): string {
  const [start, end] = [starts[cell]!, ends[cell]!]
  if (isShortNumber(scanner.bytes, start, end)) return 'float64'
  if (end - start > longest || quoting[cell] === withQuotes) return 'utf8'
  const text = scanner.bytes.toString('latin1', start, end)
  return isNumber(text) ? 'float64' : /^(true|True|TRUE|false|False|FALSE)$/.test(text) ? 'bool' : 'utf8'
}

/** The usual numbers, seen without making a text: up to 15 digits with a point among them, no zero in front. */
function isShortNumber(bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start] === 45 ? start + 1 : start
  if (end === first || end - first > 15 || bytes[first]! < 49 || bytes[first]! > 57) return false
  let points = 0
  for (let i = first; i < end; i++) {
    const byte = bytes[i]!
    if (byte === 46) points += 1
    else if (byte < 48 || byte > 57) return false
  }
  return points < 2
}

function isNumber(text: string): boolean {
  if (!decimalPattern.test(text)) return specialNumber(text) !== undefined
  if (text.startsWith('+') || /^-?0\d/.test(text)) return false
  const number = Number(text)
  return Number.isFinite(number) && (!/^-?\d+$/.test(text) || Number.isSafeInteger(number))
}
