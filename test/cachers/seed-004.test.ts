import * as fs from 'node:fs'
import { Experiment, Store, stage } from 'curio'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../helpers/temp.js'
import { cacherSuite } from '../suites/cacher.js'
import seed, { InlineExtraMetadataCacher, TorchModelCacher, UsesExtraMetadataCacher } from './specs/seed.js'

cacherSuite(seed)

describe('the listings of seed 004', () => {
  const model = { note: 'n', model: { stateDict: Float64Array.of(1, 2) } }

  it('a cacher saves a second file by the suffix it gives to getPath, inline', async () => {
    await using dir = tempDir()
    await new TorchModelCacher(dir.join('m.model_obj')).save(model)
    expect(fs.readdirSync(dir.path).sort()).toEqual(['m.model_obj', 'm_model'])
    expect(await new TorchModelCacher(dir.join('m.model_obj')).load()).toEqual(model)
  })

  it('both files are one artifact of a stage, under its name', async () => {
    await using dir = tempDir()
    let computed = 0
    const train = stage({ outputs: { trained: TorchModelCacher } }, async function train() {
      computed += 1
      return { trained: model }
    })
    const experiment = new Experiment({ name: 'seed', store: dir.join('.curio') })
    for (let run = 0; run < 2; run++) {
      const record = await experiment.run(undefined, [train], { progress: false })
      expect(await record.get('trained')).toEqual(model)
      expect(record.lazy('trained').metadata).toMatchObject({
        files: [{ role: 'trained.model_obj' }, { role: 'trained_model' }],
      })
    }
    expect(computed).toBe(1)
  })

  it('extra metadata is there again before load, without the cacher asking for it', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const saved = await store.save('numbers', UsesExtraMetadataCacher, [1, 2])
    expect(saved.metadata).toMatchObject({ extra: { theBestNumber: 13 } })
    expect(await store.load('numbers', UsesExtraMetadataCacher)).toEqual([1, 2])
  })

  it('inline, a cacher that does not load its metadata has none', async () => {
    await using dir = tempDir()
    const file = dir.join('numbers.json')
    await new UsesExtraMetadataCacher(file).save([1])
    expect(fs.readdirSync(dir.path)).toEqual(['numbers.json'])
    await expect(new UsesExtraMetadataCacher(file).load()).rejects.toThrow(/undefined !== 13|strictly equal/)
  })

  it('inline, saveMetadata and loadMetadata bring it', async () => {
    await using dir = tempDir()
    const file = dir.join('numbers.json')
    await new InlineExtraMetadataCacher(file).save([1])
    expect(fs.readdirSync(dir.path).sort()).toEqual(['numbers.json', 'numbers.meta.json'])
    expect(await new InlineExtraMetadataCacher(file).load()).toEqual([1])
  })

  it('those calls change nothing where curio does them', async () => {
    await using dir = tempDir()
    const store = await Store.open(dir.join('store'))
    const saved = await store.save('numbers', InlineExtraMetadataCacher, [3])
    expect(saved.files.map(({ role }) => role)).toEqual(['value.json'])
    expect(await store.load('numbers', InlineExtraMetadataCacher)).toEqual([3])
  })
})
