/**
 * `npm run demo`: two parameter sets, the same again, and one changed parameter. Results go to ./.curio, or where CURIO_STORE says.
 */
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Experiment, type StageRun, Store } from 'curio'
import { compare, Params, pipeline } from './pipeline.js'

const flights = fileURLToPath(new URL('../../../node_modules/vega-datasets/data/flights-20k.json', import.meta.url))
const folder = process.env.CURIO_STORE ?? '.curio'
const store = await Store.open({ folder, durability: 'artifact' })
const experiment = new Experiment({ name: 'delays', store })

const patient = new Params({ flights, epochs: 300 })
const hasty = new Params({ flights, epochs: 60 })

const say = (line = ''): void => console.error(line)
const readsBefore = (): number => store.events.counts['blob-read'] ?? 0

async function pass(title: string, sets: readonly Params[]): Promise<StageRun[]> {
  say(`\n${title}`)
  const [began, reads] = [performance.now(), readsBefore()]
  const runs: StageRun[] = []
  for (const record of await experiment.run(sets, pipeline)) runs.push(...record.stages)
  const computed = runs.filter((run) => run.how !== 'loaded')
  const loaded = runs.filter((run) => run.how === 'loaded')
  const saved = loaded.reduce((sum, run) => sum + run.savedSeconds, 0)
  const onDisk = loaded.reduce((sum, run) => sum + run.bytes, 0)
  say(
    `  → ${computed.length} computed, ${loaded.length} loaded, in ${((performance.now() - began) / 1000).toFixed(2)} s; ` +
      `saved ${saved.toFixed(2)} s of computing, ${(onDisk / 1024).toFixed(0)} KiB stayed out of memory; ${readsBefore() - reads} files read`,
  )
  return runs
}

await pass('1. Two parameter sets; cleaning and features are shared', [patient, hasty])
await pass('2. The same again: nothing is computed, nothing is read', [patient, hasty])

// No flight of this file is more than 600 minutes late, so cleaning with 700 gives the same table, and the wave stops there.
await pass('3. maxDelay 600 → 700: cleaning runs again, comes out the same, and what is downstream is not touched', [
  new Params({ flights, epochs: 300, maxDelay: 700 }),
])

const quiet = { progress: false }
const records = await experiment.run([patient, hasty], pipeline, quiet)
const summary = await compare(experiment.record(undefined, quiet), records)
say('\nWhat came out')
for (const row of await summary.get('table')) {
  console.log(`${row.epochs} epochs: accuracy ${row.accuracy.toFixed(3)}, log loss ${row.logLoss.toFixed(3)}`)
}
const one = records[0]!
const relative = (file: string): string => path.relative(process.cwd(), file)
say('\nWhere to look')
say(`  picture   ${relative(one.lazy('picture').path)}`)
say(`  flights   ${relative(one.lazy('flights').path)}   (pandas.read_parquet reads it)`)
say(`  features  ${relative(one.lazy('airportFeatures').path)}   (numpy.load reads it)`)
say(`  table     ${relative(summary.lazy('table').path)}   (of all parameter sets)`)
say(`  sidecar   ${relative(one.lazy('metrics').path).replace(/\.json$/, '.meta.json')}`)
say(`  all       npx curio ls --store ${relative(store.folder) || '.'}     (after npm run build)`)
