import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { Place, root } from './helpers.js'

/** The page about the command, and the store that its first block makes. */
export async function pageStore(page: string): Promise<Place> {
  const place = new Place()
  const code = /^```ts\n(.*?)^```$/ms.exec(page)?.[1] ?? ''
  fs.writeFileSync(path.join(place.dir, 'example.ts'), code)
  fs.writeFileSync(path.join(place.dir, 'package.json'), '{"type":"module"}')
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(place.dir, 'node_modules'))
  const made = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), 'example.ts'], {
    cwd: place.dir,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', TSX_TSCONFIG_PATH: path.join(root, 'tsconfig.json') },
  })
  if (made.status !== 0) throw new Error(made.stderr)
  return place
}

/** Runs what a `$` line of the page shows; standard error follows standard output, as on a terminal. */
export async function runLine(place: Place, line: string): Promise<string> {
  const argv = line.split(' ').slice(2)
  const { out, err } = await place.curio(...argv)
  return out + err
}
