/** `curio cat` of what is kept item by item: how many there are and the first of them, or one. */
import { artifactIn, errorIn, ItemCodec } from '../artifact/item-codec.js'
import { preview } from '../artifact/pack.js'
import { CurioError, type ErrorFacts, NotFoundError } from '../errors.js'
import type { Entry } from '../store/entry.js'
import type { ItemRecord } from '../store/items/record.js'
import type { EntryStore } from '../store/store.js'
import { UsageError } from './args.js'
import { type Context, exit } from './context.js'
import { countItems, hasItems } from './entries.js'
import { refuseTerminal, writeFile } from './raw.js'
import { clean, cleanLines, columns, count, shorten, size } from './text.js'
import { cacherOf, showItem, shownJson, shownLines } from './value.js'

const shownItems = 10
const longestUid = 60

/** An item as a line about it. */
interface Line {
  readonly item: string
  /** Null for an error. */
  readonly cacher: string | null
  readonly bytes: number
  readonly preview: string
}

/** How many items there are, and the first of them. */
export async function catItems({ args, out }: Context, store: EntryStore, entry: Entry): Promise<number> {
  if (args.has('raw'))
    throw new UsageError('--raw writes one item', { hint: `curio cat ${clean(entry.key)} <item> --raw` })
  const { items, errors } = countItems(store, entry)
  const first: Line[] = []
  for (const record of store.itemSpace(entry.key).records()) {
    if (first.push(await lineOf(store, record)) === shownItems) break
  }
  if (out.json) {
    out.document({ key: entry.key, artifacts: [], items: { count: items, errors, first } })
    return exit.ok
  }
  out.line(`${count(items, 'item')}${errors === 0 ? '' : `, ${count(errors, 'error')}`}`)
  out.lines(
    columns(
      first.map((one) => [
        `  ${clean(shorten(one.item, longestUid))}`,
        clean(one.cacher ?? 'error'),
        size(one.bytes),
        clean(one.preview),
      ]),
      [2],
    ),
  )
  const more = items + errors - first.length
  if (more > 0) out.line(`  … and ${more} more`)
  out.note(`curio cat ${clean(entry.key)} <item> prints one`)
  return exit.ok
}

async function lineOf(store: EntryStore, record: ItemRecord): Promise<Line> {
  const { key: item, kind, payload } = record
  if (kind === 'error') {
    const { name, message } = factsIn(record)
    return { item, cacher: null, bytes: payload.byteLength, preview: shorten(`${name}: ${message}`, 120) }
  }
  const cacher = cacherOf(record)
  if (kind === 'blob') {
    const { bytes, preview: seen = '' } = artifactIn(record)
    return { item, cacher, bytes, preview: seen }
  }
  try {
    return {
      item,
      cacher,
      bytes: payload.byteLength,
      preview: preview(await new ItemCodec(store.blobs, undefined).decode(record)),
    }
  } catch (error) {
    // One that cannot be read here does not keep the others from being seen.
    if (!CurioError.is(error)) throw error
    return { item, cacher, bytes: payload.byteLength, preview: error.message.split('\n')[0]! }
  }
}

/** One item: its value, or the error that is kept in its place. */
export async function catItem({ args, out }: Context, store: EntryStore, entry: Entry, item: string): Promise<number> {
  const record = store.itemSpace(entry.key).get(item)
  if (record === undefined) {
    throw new NotFoundError(`item ${clean(item)}`, clean(entry.key), {
      hint: hasItems(entry) ? `curio cat ${clean(entry.key)} shows how the first are called` : 'it keeps no items',
    })
  }
  if (args.has('raw')) {
    if (record.kind === 'blob') return writeFile(store, out, entry, artifactIn(record), args.text('file'))
    refuseTerminal(out)
    await out.bytes(record.payload)
    return exit.ok
  }
  const about = { key: entry.key, item }
  if (record.kind === 'error') {
    const facts = factsIn(record)
    const { name, message, stack = `${name}: ${message}`, where, when } = facts
    if (out.json) out.document({ ...about, kind: 'failed', error: facts })
    else out.lines(cleanLines(`${stack}\n  in ${where}, at ${when}`).split('\n'))
    return exit.ok
  }
  const shown = await showItem(store, entry, record)
  if (out.json) out.document({ ...about, cacher: cacherOf(record), ...shownJson(shown) })
  else out.lines(shownLines(shown))
  return exit.ok
}

function factsIn(record: ItemRecord): ErrorFacts {
  return errorIn(record) as unknown as ErrorFacts
}
