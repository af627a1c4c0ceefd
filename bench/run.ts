/**
 * `npm run bench [-- filter] [--json]`: measures what the documentation claims, each claim beside its baseline in the same run.
 *
 * Filters: small, large, decide, frames, items, execution, import, pools, faults (full size; takes long and runs only when asked for).
 */
import { cpus, totalmem } from 'node:os'
import type { Figure } from './measure.js'

const benches: Record<string, () => Promise<{ run(): Promise<Figure[]> }>> = {
  small: () => import('./small.js'),
  large: () => import('./large.js'),
  decide: () => import('./decide.js'),
  frames: () => import('./frames.js'),
  items: () => import('./items.js'),
  execution: () => import('./execution.js'),
  import: () => import('./import.js'),
  pools: () => import('./pools.js'),
}

const args = process.argv.slice(2)
const wanted = args.filter((arg) => !arg.startsWith('--'))
if (args.includes('--help')) {
  console.log(`usage: npm run bench -- [${Object.keys(benches).join('|')}|faults] [--json]`)
  process.exit(0)
}
const unknown = wanted.find((name) => !(name in benches) && name !== 'faults')
if (unknown !== undefined) {
  console.error(`no bench called ${unknown}; there are ${Object.keys(benches).join(', ')}, faults`)
  process.exit(2)
}

console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'cpu'}, ${Math.round(totalmem() / 2 ** 30)} GiB; medians, ratios within this run\n`,
)
const figures: Figure[] = []
for (const [name, load] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`${name}`)
  for (const figure of await (await load()).run()) {
    figures.push(figure)
    const verdict =
      figure.target === undefined
        ? ''
        : figure.met
          ? `  (target ${figure.target})`
          : `  MISSED (target ${figure.target})`
    console.log(`  ${figure.what.padEnd(64)} ${figure.value}${verdict}`)
  }
  console.log()
}
if (wanted.includes('faults')) {
  const { runFaults } = await import('./faults/index.js')
  await runFaults({ size: 'full' })
}
if (args.includes('--json')) console.log(JSON.stringify(figures, null, 2))
