import { spawnSync } from 'node:child_process'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const nobody = 65534

/** Whether this process may become another user who can run this Node on this checkout; why not, otherwise. */
export const othersReason: string | undefined = (() => {
  if (process.getuid?.() !== 0) return 'needs root, to become other users'
  const script = `process.setgid(${nobody}); process.setuid(${nobody}); require('fs').readFileSync(${JSON.stringify(path.join(root, 'package.json'))})`
  const becoming = spawnSync(process.execPath, ['-e', script], { cwd: '/' }).status === 0
  const running = spawnSync(process.execPath, ['-e', ''], { cwd: '/', uid: nobody, gid: nobody }).status === 0
  return becoming && running ? undefined : 'needs a checkout and a Node that other users may read'
})()
