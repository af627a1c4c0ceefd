import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'

/** A folder that is gone when its scope ends: `await using dir = tempDir()`. */
export interface TempDir extends AsyncDisposable {
  readonly path: string
  join(...parts: string[]): string
  [Symbol.asyncDispose](): Promise<void>
}

/** @param base where to make it; default the system's folder for such things. */
export function tempDir(base = os.tmpdir()): TempDir {
  const made = fs.realpathSync(fs.mkdtempSync(path.join(base, 'curio-test-')))
  return {
    path: made,
    join: (...parts) => path.join(made, ...parts),
    async [Symbol.asyncDispose]() {
      openUp(made)
      fs.rmSync(made, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

/** Tests take rights away; removal needs them back. */
function openUp(dir: string): void {
  fs.chmodSync(dir, 0o700)
  for (const name of fs.readdirSync(dir, { withFileTypes: true })) {
    if (name.isDirectory()) openUp(path.join(dir, name.name))
  }
}
