/** The two cachers of seed 004, as a user of curio writes them. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { JsonCacher } from '../../../cachers/json.js'
import { Cacheable, type CacherOptions } from '../../../src/artifact/cacheable.js'
import type { CacherCase } from '../../suites/cacher.js'

/** Stands for a class that holds a model which should not be saved as a part of it. */
export interface Trained {
  readonly note: string
  readonly model: { readonly stateDict: Float64Array }
}

/** Two files: the model's weights beside everything else. */
export class TorchModelCacher extends Cacheable<Trained> {
  constructor(options: string | CacherOptions = {}) {
    super({ extension: '.model_obj', ...(typeof options === 'string' ? { path: options } : options) })
  }

  override async save({ model, ...rest }: Trained): Promise<void> {
    await writeFile(this.getPath('_model'), new Uint8Array(model.stateDict.buffer))
    await writeFile(this.getPath(), JSON.stringify(rest))
  }

  override async load(): Promise<Trained> {
    const rest = JSON.parse(await readFile(this.getPath(), 'utf8')) as Omit<Trained, 'model'>
    const weights = await readFile(this.getPath('_model'))
    return { ...rest, model: { stateDict: new Float64Array(Uint8Array.from(weights).buffer) } }
  }
}

/** Notes a fact while saving, and finds it again before loading. */
export class UsesExtraMetadataCacher extends Cacheable<number[]> {
  override readonly extension: string = '.json'

  override async save(value: number[]): Promise<void> {
    this.extraMetadata.theBestNumber = 13
    await JsonCacher(this.getPath()).save(value)
  }

  override async load(): Promise<number[]> {
    assert.equal(this.extraMetadata.theBestNumber, 13)
    return JsonCacher<number[]>(this.getPath()).load()
  }
}

/** The same, made to work inline too, where nobody else writes and reads the sidecar. */
export class InlineExtraMetadataCacher extends UsesExtraMetadataCacher {
  override async save(value: number[]): Promise<void> {
    await super.save(value)
    await this.saveMetadata()
  }

  override async load(): Promise<number[]> {
    await this.loadMetadata()
    return super.load()
  }
}

const trained = (): Trained => ({ note: 'epoch 3', model: { stateDict: Float64Array.of(0.5, -1, 2 ** -40) } })

export default {
  name: 'a cacher of two files (seed 004)',
  cacher: (options?: string | CacherOptions) => new TorchModelCacher(options),
  module: import.meta.url,
  refusesOptions: false,
  samples: [{ label: 'a trained model', make: trained }],
  refused: [],
} satisfies CacherCase<Trained>
