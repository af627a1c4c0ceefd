import * as os from 'node:os'
import type { Entry } from '../store/entry.js'
import { version } from '../version.js'
import type { Json } from './cacheable.js'

// Asked once: a look-up of the user costs as much as writing a small file.
let host: string | undefined
let user: string | undefined

/** Who made an entry, where and when: facts for people, never in a key or a digest. */
export function provenance(more: Readonly<Record<string, Json>> = {}): Entry['provenance'] {
  host ??= os.hostname()
  user ??= userName()
  return {
    created: new Date().toISOString(),
    host,
    pid: process.pid,
    user,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    curio: version,
    ...more,
  } as Entry['provenance']
}

function userName(): string {
  try {
    return os.userInfo().username
  } catch {
    // A container may run as a uid that has no name.
    return String(process.getuid?.() ?? 'unknown')
  }
}
