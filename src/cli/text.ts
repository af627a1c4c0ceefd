/** Everything that makes text fit for a terminal. */

// What could move the cursor, colour, ring, or turn the direction of the text around it: C0, DEL, C1, line separators, bidi controls.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function visible(character: string): string {
  const code = character.codePointAt(0)!
  return named[character] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`)
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

/** One line of text without control characters: each is written out, as `\n` or `\x1b`, so that nothing a store holds can act on a terminal. */
export function clean(text: string): string {
  return text.replace(unsafe, visible)
}

/** The same for text of many lines: line feeds and tabs stay, CR LF becomes LF. */
export function cleanLines(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(unsafe, (c) => (c === '\n' || c === '\t' ? c : visible(c)))
}

/** JSON text in which what `clean` writes out is escaped; a parser reads the same value from it. */
export function cleanJson(json: string): string {
  return json.replace(unsafe, (c) => (c === '\n' ? c : `\\u${hex(c.charCodeAt(0), 4)}`))
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `512 B`, `1.2 KiB`, `34 MiB`: at most three digits that matter. */
export function size(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `1 entry`, `3 entries`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}

/** A span of time in one unit: `12 s`, `3 min`, `5 h`, `2 d`. */
export function span(ms: number): string {
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 100) return `${Math.round(seconds)} s`
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** Rows as columns two spaces apart; a column whose name is in `right` is aligned right. The last column is not padded. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  return rows.map((row) =>
    row
      .map((cell, i) => {
        if (right.includes(i)) return cell.padStart(widths[i]!)
        return i === row.length - 1 ? cell : cell.padEnd(widths[i]!)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** At most `limit` characters, with a mark where something was cut. */
export function shorten(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, Math.max(0, limit - 1))}…`
}
