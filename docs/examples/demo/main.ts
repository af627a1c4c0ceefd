/**
 * `npm run demo`: two parameter sets, the same again, and one changed parameter. Results go to ./.curio, or where CURIO_STORE says.
 */
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Experiment, type StageRun, Store } from 'curio'
import { Params, pipeline } from './pipeline.js'

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
  for (const params of sets) runs.push(...(await experiment.run(params, pipeline)).stages)
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

const [one, two] = [
  await experiment.run(patient, pipeline, { progress: false }),
  await experiment.run(hasty, pipeline, { progress: false }),
]
say('\nWhat came out')
for (const [name, record] of [
  ['300 epochs', one],
  ['60 epochs', two],
] as const) {
  const metrics = await record.get('metrics')
  console.log(`${name}: accuracy ${metrics.accuracy.toFixed(3)}, log loss ${metrics.logLoss.toFixed(3)}`)
}
const relative = (file: string): string => path.relative(process.cwd(), file)
say('\nWhere to look')
say(`  picture   ${relative(one.lazy('picture').path)}`)
say(`  features  ${relative(one.lazy('airportFeatures').path)}   (numpy.load reads it)`)
say(`  sidecar   ${relative(one.lazy('metrics').path).replace(/\.json$/, '.meta.json')}`)
say(`  all       npx curio ls --store ${relative(store.folder) || '.'}     (after npm run build)`)
