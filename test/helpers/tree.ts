import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'

/** Relative paths of everything below a folder, sorted; folders end in `/`. */
export function namesBelow(root: string): string[] {
  const names: string[] = []
  const visit = (dir: string): void => {
    for (const item of fs.readdirSync(dir, { withFileTypes: true })) {
      const file = path.join(dir, item.name)
      names.push(path.relative(root, file) + (item.isDirectory() ? '/' : ''))
      if (item.isDirectory()) visit(file)
    }
  }
  visit(root)
  return names.sort()
}

/** Everything about everything below a folder that a write could change: kind, mode, inode, times, content or target. */
export function snapshot(root: string): string[] {
  return ['.', ...namesBelow(root)].map((name) => {
    const file = path.join(root, name)
    const stat = fs.lstatSync(file)
    const content = stat.isSymbolicLink()
      ? fs.readlinkSync(file)
      : stat.isFile()
        ? createHash('sha256').update(fs.readFileSync(file)).digest('hex')
        : ''
    return `${name} ${(stat.mode >>> 0).toString(8)} ${stat.ino} ${stat.mtimeMs} ${stat.ctimeMs} ${content}`
  })
}

/** Files that a put or commit may leave while it runs, and must not leave behind. */
export function temporariesBelow(root: string): string[] {
  return namesBelow(root).filter((name) => path.basename(name).startsWith('.tmp-'))
}
