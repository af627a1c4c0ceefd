/** What a store needs of a file system, tried in its own folder; and who is at work in it. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { isDigest } from '../identity/digest.js'
import { holderOf, holderText } from './holder.js'
import * as io from './io.js'
import { aliveness } from './process.js'

/** One thing that was tried. */
export interface ProbeCheck {
  readonly name: 'exclusive create' | 'hard links' | 'symbolic links' | 'replace by rename' | 'modes' | 'fsync'
  readonly ok: boolean
  /** What was seen; for a failure, what it costs. */
  readonly detail: string
}

export interface FileSystem {
  /** `ext4`, `nfs`; `unknown (0x…)` for a type that is not in the table. */
  readonly name: string
  /** Shared with other machines: names may take seconds to be seen there. */
  readonly network: boolean
  /** Bytes and files that may still be written; undefined where the system does not count them. */
  readonly freeBytes: number
  readonly totalBytes: number
  readonly freeFiles: number | undefined
}

export interface Probe {
  /** Undefined: the system does not say. */
  readonly fileSystem: FileSystem | undefined
  /** Why nothing could be tried; undefined when the folder can be written. */
  readonly readOnly: string | undefined
  readonly checks: readonly ProbeCheck[]
  /** The file system's clock minus this machine's. Milliseconds; undefined when nothing was written. */
  readonly skewMs: number | undefined
}

/** Types of Linux's statfs(2), from its manual page and the kernel's magic.h. */
const types: Readonly<Record<number, readonly [name: string, network?: true]>> = {
  61267: ['ext2/3/4'],
  1481003842: ['xfs'],
  2435016766: ['btrfs'],
  3393526350: ['bcachefs'],
  801189825: ['zfs'],
  4076150800: ['f2fs'],
  16914836: ['tmpfs'],
  2240043254: ['ramfs'],
  2035054128: ['overlayfs'],
  1702057286: ['fuse'],
  19780: ['vfat'],
  538032816: ['exfat'],
  1397118030: ['ntfs'],
  1936094318: ['ntfs3'],
  38496: ['iso9660'],
  1936814952: ['squashfs'],
  26985: ['nfs', true],
  20859: ['smb', true],
  4283649346: ['cifs', true],
  4266872130: ['smb2', true],
  198183888: ['lustre', true],
  1196443219: ['gpfs', true],
  428016422: ['beegfs', true],
  12805120: ['ceph', true],
  1397113167: ['afs', true],
  16914839: ['9p', true],
  18225520: ['gfs2', true],
  1952539503: ['ocfs2', true],
}

/** Tries, with temporary files in `folder`, what a store relies on. Takes milliseconds, leaves nothing behind, and never throws for what it finds. */
export function probe(folder: string): Probe {
  const fileSystem = fileSystemOf(folder)
  const before = Date.now()
  let temp: string
  try {
    temp = io.writeTemp(folder, 'probe\n', 0o600, false)
  } catch (error) {
    return { fileSystem, readOnly: messageOf(error), checks: [], skewMs: undefined }
  }
  const made = [temp]
  const another = (): string => {
    const name = path.join(folder, io.tempName())
    made.push(name)
    return name
  }
  try {
    const { mtimeMs } = fs.statSync(temp)
    const now = Date.now()
    // Within the time that writing took, nothing can be told.
    const skewMs = mtimeMs < before ? mtimeMs - before : mtimeMs > now ? mtimeMs - now : 0
    return {
      fileSystem,
      readOnly: undefined,
      skewMs: Math.round(skewMs),
      checks: [
        exclusiveCreate(temp),
        hardLinks(temp, another()),
        symbolicLinks(another()),
        replaceByRename(another(), another()),
        modes(temp),
        syncs(temp, folder),
      ],
    }
  } finally {
    for (const file of made) {
      try {
        io.remove(file)
      } catch {
        // A folder that lets us create and not remove is reported by what failed before.
      }
    }
  }
}

function attempt(name: ProbeCheck['name'], cost: string, action: () => string): ProbeCheck {
  try {
    return { name, ok: true, detail: action() }
  } catch (error) {
    return { name, ok: false, detail: `${messageOf(error)}: ${cost}` }
  }
}

function messageOf(error: unknown): string {
  return io.errnoOf(error) ?? (error instanceof Error ? error.message : String(error))
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

function refusal(action: () => void): string | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    return io.errnoOf(error)
  }
}

function exclusiveCreate(temp: string): ProbeCheck {
  return attempt('exclusive create', 'two writers may take each other for none', () => {
    const refused = refusal(() => fs.closeSync(fs.openSync(temp, 'wx')))
    expect(refused === 'EEXIST', `a file that exists was created again (${refused ?? 'no error'})`)
    return 'a name is taken once'
  })
}

function hardLinks(temp: string, other: string): ProbeCheck {
  return attempt(
    'hard links',
    'entries are renamed into place after a look, which two writers at once can defeat',
    () => {
      fs.linkSync(temp, other)
      expect(fs.lstatSync(other).ino === fs.lstatSync(temp).ino, 'a link is another file')
      const refused = refusal(() => fs.linkSync(temp, other))
      expect(refused === 'EEXIST', `a link replaced a name that was taken (${refused ?? 'no error'})`)
      return 'commits are atomic'
    },
  )
}

function symbolicLinks(link: string): ProbeCheck {
  return attempt('symbolic links', 'there are no views; curio itself does not need them', () => {
    fs.symlinkSync('nowhere', link)
    expect(fs.readlinkSync(link) === 'nowhere', 'a link reads back different')
    return 'views can be made'
  })
}

function replaceByRename(from: string, to: string): ProbeCheck {
  return attempt('replace by rename', 'damaged blobs cannot be healed, forced results not stored', () => {
    fs.writeFileSync(from, 'new', { flag: 'wx', mode: 0o600 })
    fs.writeFileSync(to, 'old', { flag: 'wx', mode: 0o600 })
    fs.renameSync(from, to)
    expect(fs.readFileSync(to, 'utf8') === 'new', 'the old file is still there')
    return 'a new file takes the place of an old one'
  })
}

function modes(temp: string): ProbeCheck {
  const umask = process.umask().toString(8).padStart(3, '0')
  return attempt('modes', 'rights are whatever the file system gives; a shared folder may not be', () => {
    fs.chmodSync(temp, 0o444)
    const mode = fs.statSync(temp).mode & 0o777
    expect(mode === 0o444, `0444 was set and it has ${mode.toString(8)}`)
    fs.chmodSync(temp, 0o600)
    return `kept as set; the umask here is ${umask}`
  })
}

function syncs(temp: string, folder: string): ProbeCheck {
  return attempt(
    'fsync',
    "durability 'artifact' cannot be kept: results survive the process, not loss of power",
    () => {
      const started = performance.now()
      const fd = fs.openSync(temp, 'r+')
      try {
        fs.writeSync(fd, 'synced')
        fs.fdatasyncSync(fd)
      } finally {
        fs.closeSync(fd)
      }
      const file = performance.now() - started
      io.syncDir(folder)
      const both = performance.now() - started
      return `a file takes ${file.toFixed(1)} ms, its folder ${(both - file).toFixed(1)} ms`
    },
  )
}

function fileSystemOf(folder: string): FileSystem | undefined {
  try {
    const { type, bsize, bavail, blocks, files, ffree } = fs.statfsSync(folder)
    const known = process.platform === 'linux' ? types[type >>> 0] : undefined
    return {
      name: known?.[0] ?? (process.platform === 'linux' ? `unknown (0x${(type >>> 0).toString(16)})` : 'unknown'),
      network: known?.[1] === true,
      freeBytes: bavail * bsize,
      totalBytes: blocks * bsize,
      freeFiles: files > 0 ? ffree : undefined,
    }
  } catch (error) {
    if (io.errnoOf(error) === undefined) throw error
    return undefined
  }
}

/** A lock on the computation of a key. */
export interface LockHeld {
  /** The first 32 hex digits of the key's hash. */
  readonly hash: string
  /** `pid 12 on host since …`, or that nobody knows. */
  readonly holder: string
  /** `dead`: its process is gone, and the next to want the lock takes it. `unknown`: on another machine. */
  readonly state: 'alive' | 'stopped' | 'dead' | 'unknown'
  /** How long ago it was last refreshed. Milliseconds. */
  readonly idleMs: number
}

/** Every lock in a store's folder, by whom it is held. */
export function heldLocks(folder: string): LockHeld[] {
  const dir = path.join(folder, 'locks')
  const held: LockHeld[] = []
  let names: string[]
  try {
    names = fs.readdirSync(dir)
  } catch (error) {
    if (io.isAbsent(error)) return []
    throw io.ioError('list', dir, error)
  }
  for (const name of names) {
    const hash = name.endsWith('.lock') ? name.slice(0, -'.lock'.length) : ''
    // 32 digits are half a digest.
    if (!isDigest(hash + hash)) continue
    const stat = fs.lstatSync(path.join(dir, name), { throwIfNoEntry: false })
    if (stat === undefined) continue
    const holder = holderOf(path.join(dir, hash))
    held.push({
      hash,
      holder: holderText(holder),
      state: holder === undefined ? 'unknown' : aliveness(holder.host, holder.boot, holder.pid, holder.start),
      idleMs: Math.max(0, Date.now() - stat.mtimeMs),
    })
  }
  return held
}
