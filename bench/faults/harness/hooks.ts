/**
 * Stands between curio and `node:fs`: every call that touches a folder is seen before it is made, and may be made to fail or to
 * write less. Only for child processes: it changes the module for everybody.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import * as path from 'node:path'

export type Op =
  | 'open'
  | 'write'
  | 'append'
  | 'fdatasync'
  | 'fsync'
  | 'close'
  | 'chmod'
  | 'link'
  | 'symlink'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'rmdir'

export interface Call {
  readonly op: Op
  readonly path: string
  /** Second path of a link, symlink or rename. */
  readonly to?: string
  /** The bytes of a write, and where they go; no position: at the end. */
  readonly bytes?: Uint8Array
  readonly position?: number
  /** An open that makes the file, or the close of a file that was opened so. */
  readonly creates?: boolean
}

export interface Watcher {
  /** Throws to make the call fail without being made; for a write, a number is how many bytes at most are written. */
  before?(call: Call): number | undefined
  after?(call: Call): void
}

type Fn = (...args: unknown[]) => unknown
const table = fs as unknown as Record<string, Fn>
const promises = fs.promises as unknown as Record<string, Fn>

/** Calls below `folder` go through `watcher` until the returned function is called. */
export function watch(folder: string, watcher: Watcher): () => void {
  const files = new Map<number, Call>()
  const original = new Map<string, Fn>()
  const inside = (file: unknown): file is string =>
    typeof file === 'string' && (file === folder || file.startsWith(folder + path.sep))

  const patch = (name: string, make: (real: Fn) => Fn): void => {
    const real = table[name]!
    original.set(name, real)
    table[name] = make(real)
  }
  const run = (call: Call, real: () => unknown): unknown => {
    watcher.before?.(call)
    const result = real()
    watcher.after?.(call)
    return result
  }
  const onPath = (name: string, op: Op): void =>
    patch(name, (real) => (...args) => {
      const [file, second] = args
      if (op === 'symlink' && inside(second)) return run({ op, path: second, to: String(file) }, () => real(...args))
      if (!inside(file)) return real(...args)
      const to = op === 'link' || op === 'rename' ? { to: String(second) } : {}
      const bytes = op === 'append' ? { bytes: Buffer.from(String(second)) } : {}
      return run({ op, path: file, ...to, ...bytes }, () => real(...args))
    })
  const onHandle = (name: string, op: Op): void =>
    patch(name, (real) => (...args) => {
      const file = files.get(args[0] as number)
      return file === undefined ? real(...args) : run({ ...file, op }, () => real(...args))
    })

  onPath('linkSync', 'link')
  onPath('symlinkSync', 'symlink')
  onPath('renameSync', 'rename')
  onPath('unlinkSync', 'unlink')
  onPath('mkdirSync', 'mkdir')
  onPath('rmdirSync', 'rmdir')
  onPath('chmodSync', 'chmod')
  onPath('appendFileSync', 'append')
  onHandle('fchmodSync', 'chmod')
  onHandle('fdatasyncSync', 'fdatasync')
  onHandle('fsyncSync', 'fsync')
  patch('openSync', (real) => (...args) => {
    const [file, flags] = args
    if (!inside(file)) return real(...args)
    const call = opening(file, flags)
    const fd = run(call, () => real(...args)) as number
    files.set(fd, call)
    return fd
  })
  patch('closeSync', (real) => (...args) => {
    const file = files.get(args[0] as number)
    if (file === undefined) return real(...args)
    files.delete(args[0] as number)
    // Whatever close reports, the descriptor is gone afterwards.
    try {
      watcher.before?.({ ...file, op: 'close' })
    } finally {
      real(...args)
    }
    return undefined
  })
  patch('writeSync', (real) => (fd, data, offset, length, position) => {
    const file = files.get(fd as number)
    if (file === undefined) return real(fd, data, offset, length, position)
    const at = position as number | undefined
    const call = writing(file.path, data as Uint8Array, offset as number, length as number, at)
    const most = watcher.before?.(call) ?? (length as number)
    const written = real(fd, data, offset, Math.min(most, length as number), position) as number
    watcher.after?.(writing(file.path, data as Uint8Array, offset as number, written, at))
    return written
  })

  const open = promises.open!
  promises.open = async (...args) => {
    const [file, flags] = args
    if (!inside(file)) return open.call(fs.promises, ...args)
    const call = opening(file, flags)
    watcher.before?.(call)
    const handle = (await open.call(fs.promises, ...args)) as fs.promises.FileHandle
    watcher.after?.(call)
    return watched(handle, call, watcher)
  }
  syncBuiltinESMExports()

  return () => {
    for (const [name, real] of original) table[name] = real
    promises.open = open
    syncBuiltinESMExports()
  }
}

function opening(file: string, flags: unknown): Call {
  const creates = typeof flags === 'string' ? /[wa]/.test(flags) : ((flags as number) & fs.constants.O_CREAT) !== 0
  return { op: 'open', path: file, creates }
}

function writing(file: string, data: Uint8Array, offset: number, length: number, position: number | undefined): Call {
  const bytes = data.subarray(offset, offset + length)
  return { op: 'write', path: file, bytes, ...(typeof position === 'number' ? { position } : {}) }
}

/** The same handle, its methods watched. */
function watched(handle: fs.promises.FileHandle, file: Call, watcher: Watcher): fs.promises.FileHandle {
  const methods = handle as unknown as Record<string, Fn>
  const wrap = (name: string, op: Op): void => {
    const real = methods[name]!.bind(handle)
    methods[name] = async (...args: unknown[]) => {
      watcher.before?.({ ...file, op })
      const result = await real(...args)
      watcher.after?.({ ...file, op })
      return result
    }
  }
  wrap('datasync', 'fdatasync')
  wrap('chmod', 'chmod')
  const write = methods.write!.bind(handle)
  methods.write = async (data, offset, length, position) => {
    const call = writing(file.path, data as Uint8Array, offset as number, length as number, position as number)
    const most = watcher.before?.(call) ?? (length as number)
    // Copied first: the caller may use its buffer again as soon as this resolves.
    const copy = Buffer.from(call.bytes!)
    const result = (await write(data, offset, Math.min(most, length as number), position)) as { bytesWritten: number }
    watcher.after?.({ ...call, bytes: copy.subarray(0, result.bytesWritten) })
    return result
  }
  const close = methods.close!.bind(handle)
  methods.close = async () => {
    try {
      watcher.before?.({ ...file, op: 'close' })
    } finally {
      await close()
    }
  }
  return handle
}
