import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { type FilePaths, FileReferenceCacher } from '../../../cachers/file-reference.js'
import type { CacherCase } from '../../suites/cacher.js'

// One place for all processes that run these samples: the paths are part of the bytes.
const dir = path.join(
  os.tmpdir(),
  `curio-references-${createHash('sha256')
    .update(import.meta.url)
    .digest('hex')
    .slice(0, 8)}`,
)

/** Removes what the samples made. */
export function removeFiles(): void {
  fs.rmSync(dir, { recursive: true, force: true })
}

/** A file with that content, the same in every process. */
function file(name: string, content: string): string {
  const at = path.join(dir, name)
  fs.mkdirSync(dir, { recursive: true })
  if (!fs.existsSync(at)) fs.writeFileSync(at, content)
  return at
}

export default {
  name: 'FileReferenceCacher',
  cacher: FileReferenceCacher,
  module: import.meta.url,
  samples: [
    { label: 'a path', make: () => file('a.csv', 'x,y\n1,2\n') },
    { label: 'a list of paths', make: () => [file('a.csv', 'x,y\n1,2\n'), file('b', '')] },
    { label: 'a list of one', make: () => [file('a.csv', 'x,y\n1,2\n')] },
    { label: 'no paths', make: () => [] },
    { label: 'a path with spaces and umlauts', make: () => file('ä b.txt', 'z') },
  ],
  refused: [
    { label: 'a path where nothing is', value: path.join(dir, 'no-such'), message: /no-such, which does not exist/ },
    { label: 'a list with one of those', value: [path.join(dir, 'no-such')], message: /value\[0\] is .*no-such/ },
    { label: 'a folder', value: os.tmpdir(), message: /which is no regular file/ },
    { label: 'an empty path', value: '', message: /which is no path/ },
    { label: 'a number', value: 7, message: /is a number, not a path/ },
    { label: 'undefined', value: undefined, message: /is undefined, not a path/ },
  ],
} satisfies CacherCase<string | string[], FilePaths>
