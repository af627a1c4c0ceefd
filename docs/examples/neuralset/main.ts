/** `npx tsx docs/examples/neuralset/main.ts [folder]`: a study, a chain, an extractor and a grid, as someone who knows exca has them. */
import { fileURLToPath } from 'node:url'
import { Chain, isMain } from 'curio'
import { Scores } from './experiment.js'
import { Bigrams } from './extractor.js'
import { runGrid } from './grid.js'
import { Between, Movies } from './study.js'

async function main(folder: string): Promise<void> {
  const path = fileURLToPath(new URL('../../../node_modules/vega-datasets/data/movies.json', import.meta.url))
  // The study keeps its table, and each timeline in the same folder; the transform is cheap and keeps nothing.
  const events = new Chain({
    steps: [new Movies({ path, infra: { backend: 'cached', folder } }), new Between({ from: 80 })],
  })
  const xp = new Scores({ events, extractor: new Bigrams({ infra: { folder } }), infra: { folder } })
  console.table(await runGrid(xp, { lr: [0.1, 0.5], 'extractor.size': [16, 64, 256] }, { dryRun: true }))
  console.table(await runGrid(xp, { lr: [0.1, 0.5], 'extractor.size': [16, 64, 256] }))
  // The same as all combinations: what is there already is not trained again.
  const rows = await runGrid(xp, { lr: [0.1, 0.5], 'extractor.size': [16, 64] }, { cartesian: true })
  console.table(rows)
}

if (isMain(import.meta)) await main(process.argv[2] ?? '.curio')
