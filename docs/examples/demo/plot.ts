interface Hour {
  hour: number
  flights: number
  late: number
  expected: number
}

const width = 720
const height = 360
const left = 56
const bottom = 48
const top = 56

/** Share of late flights by hour of departure: bars for what happened, a line for what the model expected. */
export function drawSvg(
  hours: readonly Hour[],
  metrics: { accuracy: number; logLoss: number; flights: number },
): string {
  const shown = hours.filter((bin) => bin.flights >= 10)
  const highest = Math.max(0.1, ...shown.map((bin) => Math.max(bin.late, bin.expected) / bin.flights))
  const step = (width - left - 24) / 24
  const x = (hour: number) => left + hour * step
  const y = (share: number) => height - bottom - (share / highest) * (height - bottom - top)
  const bars = shown.map((bin) => {
    const at = y(bin.late / bin.flights)
    return `<rect x="${x(bin.hour).toFixed(1)}" y="${at.toFixed(1)}" width="${(step - 4).toFixed(1)}" height="${(height - bottom - at).toFixed(1)}" fill="#9db8d9"/>`
  })
  const line = shown.map(
    (bin) => `${(x(bin.hour) + step / 2 - 2).toFixed(1)},${y(bin.expected / bin.flights).toFixed(1)}`,
  )
  const hourTicks = [0, 6, 12, 18, 23].map(
    (hour) =>
      `<text x="${(x(hour) + step / 2 - 2).toFixed(1)}" y="${height - bottom + 18}" text-anchor="middle">${hour}:00</text>`,
  )
  const shareTicks = [0, 0.5, 1].map((part) => {
    const share = part * highest
    return `<text x="${left - 8}" y="${(y(share) + 4).toFixed(1)}" text-anchor="end">${Math.round(share * 100)} %</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#333">
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${left}" y="24" font-size="16">Late departures by hour</text>
<text x="${left}" y="42">bars: what happened in ${metrics.flights} test flights; line: what the model expected (accuracy ${(metrics.accuracy * 100).toFixed(1)} %)</text>
${bars.join('\n')}
<polyline points="${line.join(' ')}" fill="none" stroke="#c0392b" stroke-width="2"/>
<line x1="${left}" y1="${height - bottom}" x2="${width - 24}" y2="${height - bottom}" stroke="#333"/>
${hourTicks.join('\n')}
${shareTicks.join('\n')}
<text x="${(left + width - 24) / 2}" y="${height - 8}" text-anchor="middle">hour of departure</text>
</svg>
`
}
