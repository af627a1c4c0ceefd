/** Row 4: many processes save the same bytes under the same key, while others read it. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { nameKey } from '../../src/identity/key.js'
import { keyPath } from '../../src/identity/path.js'
import type { ReadCounts, ReadOrder } from './children/reader.js'
import { withFolder } from './harness/folders.js'
import { finishAll, race, startAll } from './harness/race.js'
import { bytesFor, sha256Hex } from './harness/random.js'
import { bySize, type Counts, must, mustEqual, type RunOptions } from './harness/row.js'
import { survey } from './harness/survey.js'

const small = 4096
const large = 1_500_000

export async function run({ size, seed }: RunOptions): Promise<Counts> {
  const processes = bySize(size, { small: 6, full: 64, mutant: 4 })
  const readers = bySize(size, { small: 2, full: 8, mutant: 1 })
  const rounds = bySize(size, { small: 30, full: 200, mutant: 10 })
  const reads = bySize(size, { small: 80, full: 800, mutant: 10 })
  const perBatch = 10
  return withFolder(async (parent) => {
    const folder = path.join(parent, 'store')
    const racers = await startAll('racer', processes, { folder })
    const watchers = await startAll('reader', readers, { folder })
    for (let first = 0; first < rounds; first += perBatch) {
      // Every fifth batch goes through the path of large blobs.
      const bytes = (first / perBatch) % 5 === 4 ? large : small
      const keys = Array.from({ length: perBatch }, (_, i) => `race/${seed}/${first + i}`)
      for (const watcher of watchers)
        watcher.send({ keys, bytes, reads: bytes === large ? 10 : reads } satisfies ReadOrder)
      const saves = keys.map((key) => ({ key, value: key, bytes }))
      const results = await race(racers, () => ({ saves }))
      for (const key of keys) {
        const hash = sha256Hex(bytesFor(key, bytes))
        const all = results.get(key)!
        mustEqual(all.length, processes, `answers for ${key}`)
        mustEqual(all.filter(({ outcome }) => outcome === 'created').length, 1, `who created ${key}`)
        mustEqual(
          all.filter(({ outcome }) => outcome === 'same').length,
          processes - 1,
          `who met the same under ${key}`,
        )
        must(
          all.every(({ stored, loaded }) => stored === hash && loaded === hash),
          `a racer got other bytes for ${key}`,
        )
        mustEqual(fs.statSync(path.join(folder, keyPath(nameKey(key).text), 'entry.json')).nlink, 1, `names of ${key}`)
      }
      for (const watcher of watchers) mustEqual(await watcher.said(), 'done', 'a reader')
    }
    const seen = (await finishAll(watchers)) as unknown as ReadCounts
    await finishAll(racers)
    mustEqual(seen.wrong, 0, 'reads that gave wrong or short bytes')
    mustEqual(seen.vanished, 0, 'reads that gave nothing after the value had been there')
    const { blobs, entries, torn, dangling, temporaries } = survey(folder)
    mustEqual([blobs, entries].join(), [rounds, rounds].join(), 'blobs and entries')
    mustEqual([torn, dangling, temporaries].flat().length, 0, 'files that should not be there')
    return { processes, rounds, saves: processes * rounds, reads: seen.reads, 'before the value': seen.early, wrong: 0 }
  })
}
