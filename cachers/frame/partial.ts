/** Some rows and some columns of an Arrow IPC file, without the rest of it. */
import type { DataType, Dictionary, Field, RecordBatch, Schema, Table, Vector } from 'apache-arrow'
import type { ByteSource } from '../../src/artifact/cacheable.js'
import { Body, type Budget } from './body.js'
import { bounds, checkRange, indicesOf } from './bounds.js'
import { Coalesced } from './coalesce.js'
import { damaged } from './flat.js'
import type { Arrow } from './infer.js'
import {
  addDictionary,
  assembledBatch,
  footerLength,
  isMagic,
  known,
  metadataOf,
  type Read,
  readIpc,
  tailSize,
} from './ipc.js'
import { slotsOf } from './layout.js'
import { load } from './load.js'
import { type Block, type Footer, footerOf, type Message, messageOf } from './message.js'
import { schemaOf } from './schema.js'
import { rowsKey } from './write.js'

/** What is wanted of a table. Rows count as in `Array.prototype.slice`; columns come in the order named. */
export interface Part {
  readonly rows?: readonly [start: number, end: number]
  readonly columns?: readonly string[]
}

/** What is read first, from the end: the footer of a file of some hundred batches. */
const firstRead = 1 << 16
/** How many batches are on their way at once. */
const batchesAtOnce = 16

/**
 * Part of the table of a file, over the bytes that were read for it. A stream has no footer, and is read whole.
 *
 * @param trusted See `readIpc`.
 */
export async function readPart(source: ByteSource, part: Part, trusted = false): Promise<Table> {
  const [start, end] = part.rows ?? [0, Number.POSITIVE_INFINITY]
  checkRange(start, end)
  const arrow = await import('apache-arrow')
  const reader = new Coalesced(source)
  const tail = await reader.read(Math.max(0, source.bytes - firstRead), source.bytes)
  if (!isMagic(tail.subarray(-6))) return cut(arrow, await readIpc(await source.read(0, source.bytes), trusted), part)
  const length = footerLength(tail) + tailSize
  if (length > source.bytes) throw damaged('its footer is longer than the file')
  const whole = length <= tail.byteLength ? tail : await reader.read(source.bytes - length, source.bytes)
  const footer = footerOf(whole.subarray(whole.byteLength - length, whole.byteLength - tailSize))
  const file = new PartialFile(arrow, reader, footer, part.columns, { left: source.bytes }, trusted)
  return file.rows(start, end)
}

/** Part of a table in memory. */
function cut(arrow: Arrow, table: Table, { rows, columns }: Part): Table {
  const [from, to] = bounds(...(rows ?? [0, table.numRows]), table.numRows)
  const indices = indicesOf(table.schema.fields, columns)
  const schema = new arrow.Schema(
    indices.map((i) => table.schema.fields[i]!),
    table.schema.metadata,
  )
  const batches: RecordBatch[] = []
  let first = 0
  for (const { data, numRows, metadata } of table.batches) {
    const [low, high] = [Math.max(from - first, 0), Math.min(to - first, numRows)]
    const children = indices.map((i) => data.children[i]!.slice(low, Math.max(0, high - low)))
    if (low < high) batches.push(assembledBatch(arrow, schema, { metadata }, high - low, children))
    first += numRows
  }
  return new arrow.Table(schema, batches)
}

type BatchMessage = Extract<Message, { kind: 'batch' }>

class PartialFile {
  readonly #whole: Schema
  readonly #columns: readonly number[]
  readonly #schema: Schema
  readonly #messages = new Map<Block, Promise<Message>>()
  #dictionaries: Promise<ReadonlyMap<number, Vector>> | undefined

  constructor(
    private readonly arrow: Arrow,
    private readonly reader: Coalesced,
    private readonly footer: Footer,
    columns: readonly string[] | undefined,
    private readonly budget: Budget,
    private readonly trusted: boolean,
  ) {
    this.#whole = schemaOf(arrow, footer.schema)
    this.#columns = indicesOf(this.#whole.fields, columns)
    this.#schema = new arrow.Schema(
      this.#columns.map((i) => this.#whole.fields[i]!),
      this.#whole.metadata,
    )
  }

  async rows(start: number, end: number): Promise<Table> {
    const lengths = await this.#lengths(start, end)
    const total = lengths.reduce((sum, length) => sum + length, 0)
    const [from, to] = bounds(start, end, total)
    const wanted: (() => Promise<RecordBatch>)[] = []
    let first = 0
    for (const [i, length] of lengths.entries()) {
      const [low, high] = [Math.max(from - first, 0), Math.min(to - first, length)]
      // Batches of no rows are kept where nothing is cut off.
      if (low < high || (length === 0 && from === 0 && to === total))
        wanted.push(() => this.#batch(i, length, low, high))
      first += length
    }
    const batches: RecordBatch[] = []
    for (let i = 0; i < wanted.length; i += batchesAtOnce) {
      batches.push(...(await Promise.all(wanted.slice(i, i + batchesAtOnce).map((batch) => batch()))))
    }
    return new this.arrow.Table(this.#schema, batches)
  }

  /** How many rows each batch has, as far as it matters: as the footer says where curio wrote it, else as each batch does. */
  async #lengths(start: number, end: number): Promise<number[]> {
    const { batches, metadata } = this.footer
    const noted = metadata.get(rowsKey)?.split(',').filter(Boolean).map(Number)
    if (noted?.length === batches.length && noted.every((rows) => Number.isSafeInteger(rows) && rows >= 0)) return noted
    const lengths: number[] = []
    let total = 0
    for (let i = 0; i < batches.length; i += batchesAtOnce) {
      if (start >= 0 && end >= 0 && total >= end) break
      const some = batches.slice(i, i + batchesAtOnce)
      for (const { batch } of await Promise.all(some.map((block) => this.#message(block)))) {
        lengths.push(batch.length)
        total += batch.length
      }
    }
    return lengths
  }

  async #message(block: Block): Promise<BatchMessage> {
    const message = await this.#any(block)
    if (message.kind !== 'batch') throw damaged(`its footer names a ${message.kind} as a batch`)
    return message
  }

  #any(block: Block): Promise<Message> {
    const known = this.#messages.get(block) ?? this.#read(block)
    this.#messages.set(block, known)
    return known
  }

  async #read({ offset, metadataLength, bodyLength }: Block): Promise<Message> {
    const message = messageOf(metadataOf(await this.reader.read(offset, offset + metadataLength)))
    if (message.bodyLength !== bodyLength) throw damaged('a batch is not as long as the footer says')
    return message
  }

  #body({ offset, metadataLength }: Block): Read {
    const at = offset + metadataLength
    return async (start, end) => this.reader.read(at + start, at + end)
  }

  async #batch(index: number, length: number, from: number, to: number): Promise<RecordBatch> {
    const { arrow, trusted, budget } = this
    const block = this.footer.batches[index]!
    const message = await this.#message(block)
    if (message.batch.length !== length) throw damaged(`batch ${index} has ${message.batch.length} rows, not ${length}`)
    const slots = slotsOf(arrow, this.#whole.fields, message.batch, message)
    const body = new Body(arrow, this.#body(block), message.batch.compression, budget)
    const dictionary = async (id: number): Promise<Vector> => known(await this.#known(), id)
    const children = await Promise.all(
      this.#columns.map((i) => load({ arrow, body, trusted, dictionary }, slots[i]!, from, to)),
    )
    return assembledBatch(arrow, this.#schema, message.batch, to - from, children)
  }

  /** The dictionaries of the columns that are read, those within them included. */
  #known(): Promise<ReadonlyMap<number, Vector>> {
    this.#dictionaries ??= this.#readDictionaries()
    return this.#dictionaries
  }

  async #readDictionaries(): Promise<ReadonlyMap<number, Vector>> {
    const { arrow, budget, trusted } = this
    const needed = new Set<number>()
    const visit = (type: DataType): void => {
      if (arrow.DataType.isDictionary(type)) needed.add((type as Dictionary).id)
      for (const child of (type.children ?? []) as readonly Field[]) visit(child.type)
    }
    for (const { type } of this.#schema.fields) visit(type)
    const dictionaries = new Map<number, Vector>()
    const use = { arrow, schema: this.#schema, budget, trusted, dictionaries }
    const blocks = this.footer.dictionaries
    const messages = await Promise.all(blocks.map((block) => this.#any(block)))
    for (const [i, message] of messages.entries()) {
      if (message.kind === 'dictionary' && !needed.has(message.id)) continue
      await addDictionary(use, message, this.#body(blocks[i]!), true)
    }
    return dictionaries
  }
}
