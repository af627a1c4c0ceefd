import * as fs from 'node:fs'
import * as path from 'node:path'
import { byCodeUnit } from '../identity/canonical.js'
import type { Digest } from '../identity/digest.js'
import { segmentBytes } from '../store/clean.js'
import type { Entry } from '../store/entry.js'
import { blobsOfItems } from '../store/item-blobs.js'
import { type Context, exit } from './context.js'
import { allFiles, listAll, ownFiles, readDir } from './entries.js'
import { clean, columns, count, size } from './text.js'

/** What one stage, or the first part of a name, takes. Each blob counts once. */
interface Group {
  readonly name: string
  entries: number
  readonly blobs: Set<Digest>
  /** Bytes of segments: no two share any. */
  segments: number
}

interface Amount {
  count: number
  bytes: number
}

/** `curio du`: what takes the space. */
export async function du({ args, out, open }: Context): Promise<number> {
  const top = args.number('top') ?? 10
  const store = await open()
  const sizes = new Map<Digest, number>()
  for await (const { sha256, bytes } of store.blobs.list()) sizes.set(sha256, bytes)

  const groups = new Map<string, Group>()
  const users = new Map<Digest, number>()
  const own: Amount = { count: 0, bytes: 0 }
  const artifacts = new Map<string, { key: string; name: string; cacher: string; bytes: number; keys: number }>()
  const use = (group: Group, digest: Digest): void => {
    if (!sizes.has(digest)) return
    if (!group.blobs.has(digest)) users.set(digest, (users.get(digest) ?? 0) + 1)
    group.blobs.add(digest)
  }
  const names = new Map<string, string>()
  for (const { entry, place } of await listAll(store)) {
    const dir = path.join(store.folder, place)
    const files = entry === undefined ? [] : await allFiles(store, entry)
    for (const { bytes } of ownFiles(dir, entry, files)) add(own, bytes)
    if (entry === undefined) continue
    names.set(dir, nameOf(entry))
    const group = groupOf(groups, nameOf(entry))
    group.entries += 1
    for (const digest of await store.blobsOf(entry)) use(group, digest)
    for (const artifact of entry.artifacts) {
      const { name, cacher, digest } = artifact
      const known = artifacts.get(digest)
      if (known !== undefined) known.keys += 1
      else {
        const there = ((await store.filesOf(artifact)) ?? []).filter((file) => sizes.has(file.sha256))
        const bytes = there.reduce((sum, file) => sum + file.bytes, 0)
        if (there.length > 0) artifacts.set(digest, { key: entry.key, name, cacher, bytes, keys: 1 })
      }
    }
  }

  let segments = 0
  for await (const dir of store.itemDirs()) {
    const key = path.dirname(dir)
    // What `store.items(key)` keeps has no entry.
    const [, first] = path.relative(store.folder, key).split(path.sep)
    const group = groupOf(groups, names.get(key) ?? `${first}/`)
    const bytes = segmentBytes(dir)
    group.segments += bytes
    segments += bytes
    for (const digest of blobsOfItems(dir, store)) use(group, digest)
  }

  const total = (digests: Iterable<Digest>): number => {
    let bytes = 0
    for (const digest of digests) bytes += sizes.get(digest)!
    return bytes
  }
  const rows = [...groups.values()]
    .map(({ name, entries, blobs, segments }) => ({
      name,
      entries,
      bytes: total(blobs) + segments,
      shared: total([...blobs].filter((digest) => users.get(digest)! > 1)),
    }))
    .sort((a, b) => b.bytes - a.bytes || byCodeUnit(a.name, b.name))
  const unreferenced = [...sizes.keys()].filter((digest) => !users.has(digest))
  const report = {
    store: store.folder,
    groups: rows,
    total: {
      entries: rows.reduce((sum, row) => sum + row.entries, 0),
      blobs: sizes.size,
      segments,
      bytes: total(sizes.keys()) + segments,
    },
    unreferenced: { blobs: unreferenced.length, bytes: total(unreferenced) },
    quarantine: amountIn(path.join(store.folder, 'quarantine')),
    yours: { files: own.count, bytes: own.bytes },
    largest: [...artifacts.values()].sort((a, b) => b.bytes - a.bytes || byCodeUnit(a.key, b.key)).slice(0, top),
  }
  if (out.json) out.document(report)
  else out.lines(lines(report))
  return exit.ok
}

function nameOf({ id, version, key }: Entry): string {
  if (id !== undefined) return `${id},${version}`
  const slash = key.indexOf('/')
  return slash < 0 ? key : key.slice(0, slash + 1)
}

function groupOf(groups: Map<string, Group>, name: string): Group {
  const group = groups.get(name) ?? { name, entries: 0, blobs: new Set(), segments: 0 }
  groups.set(name, group)
  return group
}

function add(amount: Amount, bytes: number): void {
  amount.count += 1
  amount.bytes += bytes
}

function amountIn(dir: string): { files: number; bytes: number } {
  const amount: Amount = { count: 0, bytes: 0 }
  for (const { name } of readDir(dir))
    add(amount, fs.lstatSync(path.join(dir, name), { throwIfNoEntry: false })?.size ?? 0)
  return { files: amount.count, bytes: amount.bytes }
}

interface Report {
  readonly groups: readonly { name: string; entries: number; bytes: number; shared: number }[]
  readonly total: { entries: number; blobs: number; segments: number; bytes: number }
  readonly unreferenced: { blobs: number; bytes: number }
  readonly quarantine: { files: number; bytes: number }
  readonly yours: { files: number; bytes: number }
  readonly largest: readonly { key: string; name: string; cacher: string; bytes: number; keys: number }[]
}

function lines({ groups, total, unreferenced, quarantine, yours, largest }: Report): string[] {
  const table = [
    ['entries', 'bytes', 'shared', ''],
    ...groups.map(({ name, entries, bytes, shared }) => [
      String(entries),
      size(bytes),
      shared === 0 ? '' : size(shared),
      clean(name),
    ]),
    [
      String(total.entries),
      size(total.bytes),
      '',
      `total, in ${count(total.blobs, 'blob')}${total.segments === 0 ? '' : ` and ${size(total.segments)} of items`}`,
    ],
  ]
  const rest = []
  if (unreferenced.blobs > 0) {
    rest.push([
      `no entry needs`,
      `${size(unreferenced.bytes)} in ${count(unreferenced.blobs, 'blob')}, part of the total`,
    ])
  }
  if (quarantine.files > 0) {
    rest.push([
      'quarantine/',
      `${size(quarantine.bytes)} in ${count(quarantine.files, 'damaged file')} set aside; delete them at will`,
    ])
  }
  if (yours.files > 0) {
    rest.push(['yours', `${size(yours.bytes)} in ${count(yours.files, 'file')} of your own in the folders of keys`])
  }
  return [
    ...columns(table, [0, 1, 2]),
    ...(rest.length > 0 ? ['', ...columns(rest)] : []),
    ...(largest.length > 0 ? ['', `largest ${count(largest.length, 'artifact')}`] : []),
    ...columns(
      largest.map(({ key, name, cacher, bytes, keys }) => [
        `  ${size(bytes)}`.padStart(12),
        clean(cacher),
        `${clean(`${key}#${name}`)}${keys > 1 ? `  and under ${count(keys - 1, 'other key')}` : ''}`,
      ]),
      [0],
    ),
  ]
}
