/** Whether decimals have no more digits than their type says. Formats that note the digits cannot give back others. */

/** @param words Little-endian words of two's complement: those of the number begin at `start`, and there are `size`. */
export function fitsDigits(words: Uint32Array, start: number, size: number, precision: number): boolean {
  const flip = (words[start + size - 1]! | 0) < 0 ? -1 : 0
  let about = 0
  for (let i = size - 1; i >= 0; i--) about = about * 2 ** 32 + ((words[start + i]! ^ flip) >>> 0)
  // Exact numbers take ten times as long, and only matter near the limit.
  if (about < 10 ** precision * 0.999_999) return true
  const number = unscaled(words, start, size)
  return (number < 0n ? -number : number) < 10n ** BigInt(precision)
}

/** A decimal as an integer of units of its last digit. */
export function unscaled(words: Uint32Array, start: number, size: number): bigint {
  let number = 0n
  for (let i = start + size - 1; i >= start; i--) number = (number << 32n) | BigInt(words[i]! >>> 0)
  return BigInt.asIntN(size * 32, number)
}
