import * as os from 'node:os'
import type { Entry } from '../store/entry.js'
import { version } from '../version.js'
import type { Json } from './cacheable.js'

/** Who made an entry, where and when: facts for people, never in a key or a digest. */
export function provenance(more: Readonly<Record<string, Json>> = {}): Entry['provenance'] {
  return {
    created: new Date().toISOString(),
    host: os.hostname(),
    pid: process.pid,
    user: userName(),
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
