import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'

/** Runs with a new empty folder, which is removed afterwards. Other users may pass through it. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = newFolder('curio-fault-')
  let result: T
  try {
    result = await use(folder)
  } catch (error) {
    try {
      removeFolder(folder)
    } catch {
      // Children that outlive the failure may still write there; the failure is what counts.
    }
    throw error
  }
  removeFolder(folder)
  return result
}

export function newFolder(prefix: string): string {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), prefix)))
  fs.chmodSync(folder, 0o755)
  return folder
}

/** Removes a folder with all in it, whatever modes a scenario left there. */
export function removeFolder(folder: string): void {
  try {
    fs.rmSync(folder, { recursive: true, force: true })
  } catch {
    for (const name of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (name.isDirectory()) fs.chmodSync(path.join(name.parentPath, name.name), 0o700)
    }
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** Writes a file's bytes in place, as damage would, whatever its mode; makes it when it is absent. */
export function overwrite(file: string, data: Uint8Array | string): void {
  if (fs.existsSync(file)) fs.chmodSync(file, 0o644)
  fs.writeFileSync(file, data)
}

/** Every path below a folder, relative, links not followed. */
export function everything(folder: string): string[] {
  return (fs.readdirSync(folder, { recursive: true }) as string[]).sort()
}
