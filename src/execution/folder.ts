import * as fs from 'node:fs'
import * as path from 'node:path'
import { Store } from '../artifact/store.js'
import { keyPath } from '../identity/path.js'
import type { StoreOptions } from '../store/store.js'

/** The stores that infras of this process have opened, by folder. */
const opened = new Map<string, { readonly stamp: string | undefined; readonly store: Store }>()

/** The store in a folder, made if need be. Opened again only when the folder was removed and made again: a look at one file tells. */
export async function storeIn(
  folder: string,
  readOnly: boolean,
  more: Pick<StoreOptions, 'durability' | 'trustWorldWritable'> = {},
): Promise<Store> {
  const file = path.join(path.resolve(folder), 'curio.json')
  const name = `${readOnly} ${more.durability} ${more.trustWorldWritable} ${file}`
  const known = opened.get(name)
  if (known?.stamp !== undefined && known.stamp === stampOf(file)) return known.store
  const store = await Store.open({ folder, ...more, ...(readOnly ? { readOnly } : {}) })
  opened.set(name, { stamp: stampOf(file), store })
  return store
}

/** Whether there is a store in a folder. */
export function isStore(folder: string): boolean {
  return fs.existsSync(path.join(folder, 'curio.json'))
}

/** The folder of a key in the store that is, or will be, in `folder`. */
export function dirIn(folder: string, key: string): string {
  return path.join(realPath(path.resolve(folder)), keyPath(key))
}

/** As the store says it, also before there is one. */
function realPath(folder: string): string {
  if (fs.existsSync(folder)) return fs.realpathSync(folder)
  return path.join(realPath(path.dirname(folder)), path.basename(folder))
}

/** Undefined when it is not there. */
function stampOf(file: string): string | undefined {
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  return stat && `${stat.dev}:${stat.ino}:${stat.ctimeMs}`
}
