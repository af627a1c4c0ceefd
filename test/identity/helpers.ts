import { type Key, stageKey } from '../../src/identity/key.js'
import { paramsIdentity } from '../../src/identity/params.js'
import type { AnyConfigClass } from '../../src/index.js'

/** The key that a computation of everything in a configuration has. */
export async function keyOf(config: object): Promise<Key> {
  const { shape } = config.constructor as unknown as AnyConfigClass
  const { key, labels } = await paramsIdentity(shape, config as Record<string, unknown>, Object.keys(shape))
  return stageKey({ id: 'pkg/module.Class.method', version: '1', params: key, labels, inputs: {}, outputs: {} })
}

/** The last part of that key: what exca calls the uid. */
export async function uidOf(config: object): Promise<string> {
  return (await keyOf(config)).text.split('/').at(-1)!
}

/** What counts of a configuration, as the key's material has it. */
export async function countedOf(config: object): Promise<string> {
  return (JSON.parse((await keyOf(config)).material.replaceAll('undefined', 'null')) as unknown[])[3] as never
}
