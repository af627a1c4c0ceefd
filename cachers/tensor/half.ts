/** IEEE 754 half precision (binary16), of which JavaScript before Node 24 knows nothing. */

let widened: Uint32Array | undefined

/** The bits as single precision of every half: 256 KiB, made when first needed. */
function table(): Uint32Array {
  if (widened !== undefined) return widened
  const floats = new Float32Array(0x10000)
  const bits = new Uint32Array(floats.buffer)
  for (let half = 0; half < 0x10000; half++) {
    const sign = (half & 0x8000) << 16
    const exponent = (half >> 10) & 0x1f
    const fraction = half & 0x3ff
    if (exponent === 0) {
      floats[half] = fraction * 2 ** -24
      bits[half]! |= sign
    } else if (exponent === 0x1f) bits[half] = sign | 0x7f800000 | (fraction << 13)
    else bits[half] = sign | ((exponent + 112) << 23) | (fraction << 13)
  }
  widened = bits
  return bits
}

/** Halves as single precision: exact, and every NaN keeps its bits. */
export function widen(halves: Uint16Array): Float32Array {
  const to = new Uint32Array(halves.length)
  const bits = table()
  for (let i = 0; i < halves.length; i++) to[i] = bits[halves[i]!]!
  return new Float32Array(to.buffer)
}

/** Numbers rounded to the nearest half, ties to even. The index of the first finite one that is too large goes to `onTooLarge`. */
export function narrow(numbers: ArrayLike<number>, onTooLarge: (index: number) => never): Uint16Array {
  const halves = new Uint16Array(numbers.length)
  const bits =
    numbers instanceof Float32Array ? new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length) : undefined
  for (let i = 0; i < halves.length; i++) {
    const x = numbers[i]!
    if (Number.isNaN(x)) halves[i] = bits === undefined ? 0x7e00 : narrowNaN(bits[i]!)
    else {
      halves[i] = toHalf(x)
      if ((halves[i]! & 0x7fff) === 0x7c00 && Number.isFinite(x)) onTooLarge(i)
    }
  }
  return halves
}

function narrowNaN(bits: number): number {
  const fraction = (bits >> 13) & 0x3ff
  return ((bits >>> 16) & 0x8000) | 0x7c00 | (fraction === 0 ? 0x200 : fraction)
}

function toHalf(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0
  const size = Math.abs(x)
  if (size >= 65520) return sign | 0x7c00
  if (size < 2 ** -14) return sign | toEven(size * 2 ** 24)
  let exponent = Math.floor(Math.log2(size))
  // log2 may round up to the next whole number.
  if (2 ** exponent > size) exponent -= 1
  return sign | (((exponent + 14) << 10) + toEven(size * 2 ** (10 - exponent)))
}

/** The nearest integer, ties to even. A carry out of the fraction is the next exponent, as it should be. */
function toEven(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}
