const perLine = 16

/** The classic dump: offset, bytes in hex, printable ASCII. */
export function hexdump(bytes: Uint8Array): string[] {
  const lines: string[] = []
  for (let at = 0; at < bytes.byteLength; at += perLine) {
    const part = Buffer.from(bytes.subarray(at, at + perLine))
    const hex = [...part].map((byte) => byte.toString(16).padStart(2, '0'))
    const left = hex.slice(0, 8).join(' ').padEnd(23)
    const right = hex.slice(8).join(' ').padEnd(23)
    const text = [...part].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${left}  ${right}  |${text}|`)
  }
  return lines
}
