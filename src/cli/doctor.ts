import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { CurioError } from '../errors.js'
import * as io from '../store/io.js'
import { heldLocks, type Probe, probe } from '../store/probe.js'
import type { EntryStore } from '../store/store.js'
import { temporaries as deadTemporaries } from '../store/temporaries.js'
import { version } from '../version.js'
import { type Context, exit } from './context.js'
import { clean, count, size, span } from './text.js'

/** One finding. `warn`: it works, at a cost; `fail`: something is wrong. */
interface Check {
  readonly name: string
  readonly status: 'ok' | 'info' | 'warn' | 'fail'
  readonly detail: string
  /** What to type, or do. */
  readonly hint?: string
}

const leastNode = [20, 12] as const
const lowBytes = 1 << 30
const lowFiles = 10_000
const maxSkewMs = 2000
/** Time stamps of files are as coarse as the kernel's ticks. */
const coarseMs = 50

/** `curio doctor`: whether this machine and this folder can keep a store. */
export async function doctor({ out, open, folder }: Context): Promise<number> {
  const checks: Check[] = [runtime()]
  let opened: EntryStore | undefined
  let at: string | undefined
  try {
    at = folder()
    opened = await open()
  } catch (error) {
    if (!CurioError.is(error)) throw error
    const [message, hint] = error.hint === undefined ? [error.message] : [error.message.split('\n')[0]!, error.hint]
    checks.push({ name: 'store', status: 'fail', detail: message, ...(hint === undefined ? {} : { hint }) })
  }
  if (opened !== undefined) checks.push(identity(opened))
  const place = opened?.folder ?? at
  if (place !== undefined && fs.statSync(place, { throwIfNoEntry: false })?.isDirectory()) {
    const seen = probe(place)
    checks.push(...rights(place, seen), ...fileSystem(seen), ...probed(seen), durability(seen))
  }
  if (opened !== undefined) checks.push(...locks(opened), temporaries(opened))

  const failed = checks.some((check) => check.status === 'fail')
  const code = opened === undefined ? exit.failure : failed ? exit.notFound : exit.ok
  if (out.json) {
    out.document({
      store: opened?.folder ?? null,
      ok: !failed,
      checks: checks.map((one) => ({ ...one, hint: one.hint ?? null })),
    })
    return code
  }
  const width = Math.max(...checks.map((check) => check.name.length))
  const colors = { ok: 'green', info: 'dim', warn: 'yellow', fail: 'red' } as const
  for (const { name, status, detail, hint } of checks) {
    out.line(`${out.paint(colors[status], status.padEnd(4))}  ${name.padEnd(width)}  ${clean(detail)}`)
    if (hint !== undefined) out.line(`${' '.repeat(width + 8)}→ ${clean(hint)}`)
  }
  return code
}

function runtime(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [least, leastMinor] = leastNode
  const fine = major > least || (major === least && minor >= leastMinor)
  return {
    name: 'node',
    status: fine ? 'ok' : 'fail',
    detail: `${process.version} on ${process.platform}-${process.arch} ${os.release()}, curio ${version}`,
    ...(fine ? {} : { hint: `curio needs Node ${leastNode.join('.')} or later` }),
  }
}

function identity(store: EntryStore): Check {
  const text = fs.readFileSync(path.join(store.folder, 'curio.json'), 'utf8')
  const { format, digest } = JSON.parse(text) as { format: unknown; digest: unknown }
  return {
    name: 'store',
    status: 'ok',
    detail: `${store.folder}, format ${String(format)}, ${String(digest)}, id ${store.id}`,
  }
}

/** Folders that must be writable, and by whom else they are. */
function rights(folder: string, { readOnly }: Probe): Check[] {
  const stat = fs.statSync(folder)
  const mode = stat.mode & 0o7777
  const isMine = process.geteuid === undefined || stat.uid === process.geteuid()
  const quoted = shellQuoted(folder)
  const about = `mode ${mode.toString(8).padStart(4, '0')}, uid ${stat.uid}, gid ${stat.gid}`
  const checks: Check[] = []
  if (readOnly !== undefined) {
    checks.push({
      name: 'rights',
      status: 'warn',
      detail: `read-only for this process (uid ${process.geteuid?.() ?? '?'}): ${about}; ${readOnly.split('\n')[0]}. Hits are served, nothing is stored`,
      hint: isMine
        ? `chmod u+rwx ${quoted}`
        : `ask its owner for chmod g+rwxs ${quoted}, and to be in group ${stat.gid}`,
    })
  } else if (process.platform !== 'win32' && (mode & 0o002) !== 0) {
    const sticky = (mode & 0o1000) !== 0
    checks.push({
      name: 'rights',
      status: 'fail',
      detail: `anyone on this machine may write here${sticky ? ' (sticky, so not to what others wrote)' : ''}: ${about}`,
      hint: `chmod o-w ${quoted}`,
    })
  } else if ((mode & 0o020) !== 0 && (mode & 0o2000) === 0) {
    checks.push({
      name: 'rights',
      status: 'info',
      detail: `shared with group ${stat.gid}, but new folders may get another group: ${about}`,
      hint: `chmod g+s ${quoted}`,
    })
  } else checks.push({ name: 'rights', status: 'ok', detail: about })
  if (readOnly === undefined) {
    for (const name of ['artifacts', 'blobs', 'locks', 'quarantine', 'touch']) {
      const below = path.join(folder, name)
      const why = notWritable(below)
      if (why !== undefined) {
        checks.push({
          name: 'rights',
          status: 'fail',
          detail: `${name}/: ${why}`,
          hint: `chmod u+rwx,g+rwx ${shellQuoted(below)}, by its owner`,
        })
      }
    }
  }
  return checks
}

function notWritable(dir: string): string | undefined {
  try {
    const stat = fs.lstatSync(dir, { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (!stat.isDirectory()) return 'it is no folder: someone redirects this part of the store'
    if ((stat.mode & 0o1002) === 0o002) return 'anyone on this machine may write to it'
    fs.accessSync(dir, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
    return undefined
  } catch (error) {
    return `${io.errnoOf(error) ?? String(error)}: this process cannot write to it`
  }
}

function shellQuoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

function fileSystem({ fileSystem: fsys, skewMs }: Probe): Check[] {
  const checks: Check[] = []
  if (fsys !== undefined) {
    const { name, network, freeBytes, totalBytes, freeFiles } = fsys
    const note = network
      ? ', shared over a network: other machines may see new results some seconds late, which costs a computation and never truth'
      : ''
    checks.push({ name: 'file system', status: 'ok', detail: `${name}${note}` })
    const files = freeFiles === undefined ? '' : `, ${freeFiles} files`
    const low = freeBytes < lowBytes || (freeFiles !== undefined && freeFiles < lowFiles)
    checks.push({
      name: 'free space',
      status: low ? 'warn' : 'ok',
      detail: `${size(freeBytes)} of ${size(totalBytes)}${files}`,
      ...(low
        ? { hint: 'curio du shows what is large; curio rm <prefix>/ --evict frees bytes and keeps the history' }
        : {}),
    })
  }
  if (skewMs !== undefined) {
    const off = Math.abs(skewMs) > maxSkewMs
    checks.push({
      name: 'clock',
      status: off ? 'warn' : 'ok',
      detail:
        Math.abs(skewMs) < coarseMs
          ? 'the file system keeps the time of this machine'
          : `the file system is ${Math.abs(skewMs)} ms ${skewMs < 0 ? 'behind' : 'ahead of'} this machine`,
      ...(off ? { hint: 'ages of locks are misjudged: keep the clocks together (NTP)' } : {}),
    })
  }
  return checks
}

const costly = new Set(['exclusive create', 'replace by rename'])

function probed({ checks }: Probe): Check[] {
  return checks.map(({ name, ok, detail }) => ({
    name,
    status: ok ? 'ok' : costly.has(name) ? 'fail' : 'warn',
    detail,
  }))
}

function durability({ checks, readOnly }: Probe): Check {
  const syncs = checks.find((check) => check.name === 'fsync')?.ok === true
  const hint = syncs || readOnly !== undefined ? {} : { hint: "fsync fails here: only 'cache' is had" }
  return {
    name: 'durability',
    status: 'info',
    detail:
      "'artifact', unless who opens the store says 'cache': results survive loss of power ('cache': the process only)",
    ...hint,
  }
}

function locks(store: EntryStore): Check[] {
  const held = heldLocks(store.folder)
  if (held.length === 0) return [{ name: 'locks', status: 'ok', detail: 'none held' }]
  return held.map(({ hash, holder, state, idleMs }) => ({
    name: 'lock',
    status: 'info',
    detail: `${hash.slice(0, 16)} by ${holder} (${state}), refreshed ${span(idleMs)} ago`,
    ...(state === 'dead' ? { hint: 'nothing to do: the next to compute that key takes it over' } : {}),
  }))
}

function temporaries(store: EntryStore): Check {
  const dead = deadTemporaries(store, false)
  return dead.length === 0
    ? { name: 'temporaries', status: 'ok', detail: 'none left by killed writers' }
    : {
        name: 'temporaries',
        status: 'warn',
        detail: `${count(dead.length, 'file')} left by killed writers`,
        hint: 'curio verify --repair removes them',
      }
}
