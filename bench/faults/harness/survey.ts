/** Looks at a store's folder with none of the store's own code: what format.md says must hold there. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { sha256Hex } from './random.js'

export interface Survey {
  readonly blobs: number
  readonly entries: number
  /** Blobs whose bytes do not hash to their name, and entries that do not hash to what they say: must be none. */
  readonly torn: readonly string[]
  /** Entries that name a blob that is absent or has another size: must be none unless something was taken away. */
  readonly dangling: readonly string[]
  readonly temporaries: readonly string[]
  readonly quarantined: number
}

interface EntryBody {
  readonly artifacts: { files?: { bytes: number; sha256: string }[]; list?: { bytes: number; sha256: string } }[]
}

export function survey(folder: string): Survey {
  const torn: string[] = []
  const dangling: string[] = []
  const temporaries: string[] = []
  let blobs = 0
  let entries = 0
  for (const item of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(item.parentPath, item.name)
    const place = path.relative(folder, file)
    if (place.startsWith('quarantine')) continue
    if (item.name.startsWith('.tmp-')) temporaries.push(place)
    else if (/^blobs\/..\/[0-9a-f]{64}$/.test(place)) {
      blobs += 1
      if (sha256Hex(fs.readFileSync(file)) !== item.name) torn.push(place)
    } else if (item.name === 'entry.json') {
      entries += 1
      const body = entryBody(fs.readFileSync(file))
      if (body === undefined) torn.push(place)
      else if (!isWhole(folder, body)) dangling.push(place)
    }
  }
  return { blobs, entries, torn, dangling, temporaries, quarantined: namesIn(path.join(folder, 'quarantine')).length }
}

function entryBody(bytes: Buffer): EntryBody | undefined {
  const text = bytes.toString()
  const match = /^\{"curio":"entry","format":1,"sha256":"([0-9a-f]{64})","entry":(.*)\}\n$/s.exec(text)
  if (match === null || sha256Hex(Buffer.from(`1:${match[2]}`)) !== match[1]) return undefined
  return JSON.parse(match[2]!) as EntryBody
}

function isWhole(folder: string, { artifacts }: EntryBody): boolean {
  const needed = artifacts.flatMap(({ files = [], list }) => (list === undefined ? files : [...files, list]))
  return needed.every(({ sha256, bytes }) => {
    const file = path.join(folder, 'blobs', sha256.slice(0, 2), sha256)
    return fs.lstatSync(file, { throwIfNoEntry: false })?.size === bytes
  })
}

function namesIn(dir: string): string[] {
  return fs.existsSync(dir) ? fs.readdirSync(dir) : []
}
