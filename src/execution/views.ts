/** `config.yaml`, `full-uid.yaml` and `uid.yaml` beside an entry: for people. curio never reads them. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Store } from '../artifact/store.js'
import { CurioError } from '../errors.js'
import type { PlainData } from '../identity/plain.js'
import { yamlOf } from '../identity/text.js'
import * as io from '../store/io.js'

/** Which fields of a configuration: all, those that count, or those that count and differ from their defaults. */
export interface ConfigForm {
  readonly uid?: boolean
  readonly excludeDefaults?: boolean
}

const files: Readonly<Record<string, ConfigForm>> = {
  'config.yaml': {},
  'full-uid.yaml': { uid: true },
  'uid.yaml': { uid: true, excludeDefaults: true },
}

/** Writes what is missing or different. Best effort: a result does not fail for it. */
export async function writeConfigs(
  store: Store,
  key: string,
  form: (form: ConfigForm) => Promise<PlainData>,
): Promise<void> {
  const dir = store.dirOf(key)
  for (const [name, options] of Object.entries(files)) {
    try {
      const text = await yamlOf(await form(options))
      const file = path.join(dir, name)
      const there = io.readSmall(file)
      if (there instanceof Uint8Array && Buffer.from(there).toString() === text) continue
      io.replace(io.writeTemp(dir, text, store.modes.file, false), file)
    } catch (error) {
      if (!CurioError.is(error) && io.errnoOf(error) === undefined) throw error
    }
  }
}

/** Whether somebody has removed them. */
export function lacksConfigs(store: Store, key: string): boolean {
  return !store.readOnly && !fs.existsSync(path.join(store.dirOf(key), 'uid.yaml'))
}

/** What an entry says of the configuration it is of, so that it can be made again: as text, for each look-up reads the entry. */
export async function configIn({
  config,
}: {
  config?(form: ConfigForm): Promise<PlainData>
}): Promise<{ readonly config?: string }> {
  try {
    return config === undefined ? {} : { config: JSON.stringify(await config({})) }
  } catch (error) {
    // Nested too deeply to be written: its result is no worse for that.
    if (!CurioError.is(error)) throw error
    return {}
  }
}
