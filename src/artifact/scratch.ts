/** Private folders for files on their way into or out of a store. */
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { aliveness, processToken } from '../store/process.js'

let root: string | undefined

/** A new private folder, gone at the latest when the process ends; what killed processes left is swept by the next. */
export function scratch(): string {
  if (root === undefined || !fs.existsSync(root)) {
    if (root === undefined) {
      process.once('exit', () => {
        if (root !== undefined) fs.rmSync(root, { recursive: true, force: true })
      })
      sweep()
    }
    root = fs.mkdtempSync(path.join(os.tmpdir(), `curio-${processToken()}-`))
  }
  return fs.mkdtempSync(path.join(root, 'a'))
}

function sweep(): void {
  for (const name of fs.readdirSync(os.tmpdir())) {
    const match = /^curio-(\w+)-(\d+)-([0-9a-f]{8})-\w{6}$/.exec(name)
    if (match === null || aliveness(match[1]!, match[3]!, Number(match[2])) !== 'dead') continue
    try {
      fs.rmSync(path.join(os.tmpdir(), name), { recursive: true, force: true })
    } catch {
      // Another user's: theirs to sweep.
    }
  }
}
