/** Faults of the file system, made by replacing functions of `node:fs` for everybody in this process. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

type Changes = { [Name in keyof typeof fs]?: (typeof fs)[Name] }

/** Replaces functions of `node:fs` until its scope ends: `using _ = patchFs({ linkSync() { … } })`. */
export function patchFs(changes: Changes): Disposable {
  const before: Changes = {}
  for (const name of Object.keys(changes) as (keyof typeof fs)[]) Object.assign(before, { [name]: fs[name] })
  Object.assign(fs, changes)
  syncBuiltinESMExports()
  return {
    [Symbol.dispose]() {
      Object.assign(fs, before)
      syncBuiltinESMExports()
    },
  }
}

/** An error as the system makes it. */
export function systemError(code: string, call = 'test'): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made by a test, ${call}`), { code, errno: -1, syscall: call })
}

/** Nothing can be written to files under a folder until the scope ends. */
export function full(folder: string): Disposable {
  const real = fs.writeSync as (...args: unknown[]) => number
  return patchFs({
    writeSync: (...args: unknown[]) => {
      if (fs.readlinkSync(`/proc/self/fd/${args[0]}`).startsWith(folder)) throw systemError('ENOSPC', 'write')
      return real(...args)
    },
  })
}

/** Makes the `nth` call (from 0) of one function fail; `nth` undefined: every call. Counts the calls. */
export function failing(
  name:
    | 'openSync'
    | 'writeSync'
    | 'fchmodSync'
    | 'fdatasyncSync'
    | 'fsyncSync'
    | 'closeSync'
    | 'linkSync'
    | 'renameSync'
    | 'unlinkSync'
    | 'mkdirSync'
    | 'symlinkSync'
    | 'readSync',
  code: string,
  nth?: number,
): Disposable & { readonly calls: () => number } {
  let calls = 0
  const real = fs[name] as (...args: unknown[]) => unknown
  const patch = patchFs({
    [name]: (...args: unknown[]) => {
      const call = calls++
      // A close that fails has closed all the same.
      if (name === 'closeSync') real(...args)
      if (nth === undefined || call === nth) throw systemError(code, name)
      return name === 'closeSync' ? undefined : real(...args)
    },
  })
  return Object.assign(patch, { calls: () => calls })
}

/** Makes operations on files opened through `fs.promises` fail or wait: `fault` may throw or delay before any of them is done. */
export function patchHandles(fault: (operation: string, call: number) => void | Promise<void>): Disposable {
  const { open } = fs.promises
  const calls = new Map<string, number>()
  fs.promises.open = async (...args) => {
    const handle = await open(...args)
    return new Proxy(handle, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function') return value
        return async (...given: unknown[]) => {
          const name = String(property)
          const call = calls.get(name) ?? 0
          calls.set(name, call + 1)
          if (name === 'close') await value.apply(target, given)
          await fault(name, call)
          return name === 'close' ? undefined : value.apply(target, given)
        }
      },
    })
  }
  return {
    [Symbol.dispose]() {
      fs.promises.open = open
    },
  }
}
