import * as fs from 'node:fs'
import * as path from 'node:path'
import { StoreOpenError } from '../errors.js'

const marker = 'curio.json'

/** The folder of the store: the one given, else `CURIO_STORE`, else the nearest one upward from `cwd`. */
export function locateStore(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): string {
  const named = given ?? (env.CURIO_STORE || undefined)
  if (named !== undefined) return path.resolve(cwd, named)
  for (let at = path.resolve(cwd); ; at = path.dirname(at)) {
    for (const folder of [at, path.join(at, '.curio')]) {
      if (fs.existsSync(path.join(folder, marker))) return folder
    }
    if (at === path.dirname(at)) break
  }
  throw new StoreOpenError(path.resolve(cwd), 'there is none here, and no .curio folder in the folders above', {
    hint: 'give --store <folder>, or set CURIO_STORE',
  })
}
