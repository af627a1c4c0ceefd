/** What tells the program from its modules: a worker imports the module of a class, and must not run the program again. */
import { AsyncLocalStorage } from 'node:async_hooks'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DeclarationError } from '../errors.js'

/** Code that a worker runs only because it imports a module, now or in a timer of its own: for which computation. */
const importing = new AsyncLocalStorage<string>()

/**
 * Whether a module is the program that was started, and not one that a worker imports: `if (isMain(import.meta)) await main()`. What
 * starts work at the top level of a module that exports classes must be behind it.
 */
export function isMain(meta: { readonly url: string }): boolean {
  // That of a worker, process or thread, is curio's own file.
  const [, started] = process.argv
  return started !== undefined && isSameFile(started, meta.url)
}

function isSameFile(file: string, url: string): boolean {
  try {
    return fs.realpathSync(file) === fs.realpathSync(fileURLToPath(url))
  } catch {
    // Evaluated text, or a loader's own scheme: no file was started.
    return false
  }
}

/** Runs the import of a user's module: what it starts, at once or later, may not start work. */
export function whileImporting<T>(what: string, action: () => Promise<T>): Promise<T> {
  return importing.run(what, action)
}

/** Refuses to start work because a worker imports the module that starts it: each worker would start more of them, without end. */
export function refuseWhileImporting(what: string): void {
  const by = importing.getStore()
  if (by === undefined) return
  throw new DeclarationError(`${what} starts work when it is imported, and a worker imports it for ${by}`, {
    hint: 'put what starts it behind if (isMain(import.meta))',
  })
}
