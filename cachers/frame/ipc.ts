/** Arrow IPC, file and stream, read from one piece of memory without a copy. */
import type { Field, RecordBatch, Schema, Table, Vector } from 'apache-arrow'
import { Body, type Budget } from './body.js'
import { damaged, type FlatTable } from './flat.js'
import type { Arrow } from './infer.js'
import { slotsOf } from './layout.js'
import { load } from './load.js'
import { type BatchHeader, type Block, footerOf, type Message, messageOf } from './message.js'
import { FrameProblem } from './problem.js'
import { schemaOf } from './schema.js'

export const magic = Buffer.from('ARROW1')
/** Length of the footer and the magic number, at the end of a file. */
export const tailSize = 4 + magic.byteLength

/** What batches are read with: the schema, and the dictionaries met so far. */
export interface Reading {
  readonly arrow: Arrow
  readonly schema: Schema
  readonly budget: Budget
  /** See `Loading`. */
  readonly trusted: boolean
  readonly dictionaries: Map<number, Vector>
}

export type Read = (start: number, end: number) => Promise<Uint8Array>

/**
 * The table of Arrow IPC bytes, whose columns lie over these very bytes.
 *
 * @param trusted The bytes are the very ones that were written here: what they hold is not checked again, only how long it is.
 * @throws {FrameProblem} for bytes that are not Arrow IPC, and for those that are damaged: no value of such a table would mean anything.
 */
export async function readIpc(bytes: Uint8Array, trusted = false): Promise<Table> {
  const arrow = await import('apache-arrow')
  const budget = { left: bytes.byteLength }
  // Buffers lie at multiples of 8 of a file. Where it does not lie so in memory, one copy is better than one of each.
  // Plain bytes, for a value cut from a Buffer is a Buffer.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const aligned = plain.byteOffset % 8 === 0 ? plain : plain.slice()
  const start: Start = (schema) => ({
    arrow,
    schema: schemaOf(arrow, schema),
    budget,
    trusted,
    dictionaries: new Map(),
  })
  return isMagic(aligned.subarray(0, magic.byteLength)) ? readFile(start, aligned) : readStream(start, aligned)
}

/** Whether these are the bytes that begin and end a file. */
export function isMagic(bytes: Uint8Array): boolean {
  return magic.equals(bytes)
}

type Start = (schema: FlatTable) => Reading

async function readFile(start: Start, bytes: Uint8Array): Promise<Table> {
  const footer = footerOf(footerBytes(bytes))
  const use = start(footer.schema)
  for (const block of footer.dictionaries) await addDictionary(use, ...messageAt(bytes, block), true)
  const batches: RecordBatch[] = []
  for (const block of footer.batches) {
    const [message, read] = messageAt(bytes, block)
    if (message.kind !== 'batch') throw damaged(`its footer names a ${message.kind} as a batch`)
    batches.push(await batchOf(use, message, read))
  }
  return new use.arrow.Table(use.schema, batches)
}

/** The footer of a file, from its last bytes. */
function footerBytes(bytes: Uint8Array): Uint8Array {
  const length = footerLength(bytes)
  if (length + tailSize > bytes.byteLength) throw damaged('its footer is longer than the file')
  return bytes.subarray(bytes.byteLength - tailSize - length, bytes.byteLength - tailSize)
}

/** Length of the footer of a file that ends with these bytes. */
export function footerLength(end: Uint8Array): number {
  const at = end.byteLength - tailSize
  if (at < 0 || !isMagic(end.subarray(end.byteLength - magic.byteLength))) {
    throw new FrameProblem('it is cut off, or no Arrow file: it does not end as one')
  }
  const length = new DataView(end.buffer, end.byteOffset).getInt32(at, true)
  if (length <= 0) throw damaged('its footer has no length')
  return length
}

function messageAt(bytes: Uint8Array, { offset, metadataLength, bodyLength }: Block): [Message, Read] {
  const body = offset + metadataLength
  if (body + bodyLength > bytes.byteLength) throw damaged('a batch ends outside the file')
  const message = messageOf(metadataOf(bytes.subarray(offset, body)))
  if (message.bodyLength !== bodyLength) throw damaged('a batch is not as long as the footer says')
  return [message, async (start, end) => bytes.subarray(body + start, body + end)]
}

/** The flatbuffer of a message, behind its length. Before Arrow 0.15 there was no mark before the length. */
export function metadataOf(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength < 8) throw damaged('a message is too short')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const isMarked = view.getInt32(0, true) === -1
  const [start, length] = isMarked ? [8, view.getInt32(4, true)] : [4, view.getInt32(0, true)]
  if (length <= 0 || start + length > bytes.byteLength) throw damaged('a message is longer than its place')
  return bytes.subarray(start, start + length)
}

async function readStream(begin: Start, bytes: Uint8Array): Promise<Table> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const batches: RecordBatch[] = []
  let use: Reading | undefined
  for (let at = 0; ; ) {
    if (at + 4 > bytes.byteLength) throw notIpc(use)
    const marked = view.getInt32(at, true) === -1
    if (marked && at + 8 > bytes.byteLength) throw notIpc(use)
    const start = marked ? at + 8 : at + 4
    const length = view.getInt32(start - 4, true)
    if (length === 0 && use !== undefined) return new use.arrow.Table(use.schema, batches)
    if (length <= 0 || start + length > bytes.byteLength) throw notIpc(use)
    const message = messageOf(bytes.subarray(start, start + length))
    const body = start + length
    const end = body + message.bodyLength
    if (end > bytes.byteLength) throw notIpc(use)
    const read: Read = async (from, to) => bytes.subarray(body + from, body + to)
    if (message.kind === 'schema') {
      if (use !== undefined) throw damaged('it has two schemas')
      use = begin(message.schema)
    } else if (use === undefined) throw damaged('it begins without a schema')
    else if (message.kind === 'batch') batches.push(await batchOf(use, message, read))
    else await addDictionary(use, message, read, false)
    at = end
  }
}

function notIpc(use: Reading | undefined): FrameProblem {
  if (use === undefined) return new FrameProblem('it is not Arrow IPC, or it is cut off')
  return new FrameProblem(
    'it is cut off: its stream has no end',
    'a stream ends with its end-of-stream mark; close its writer',
  )
}

type BatchMessage = Extract<Message, { kind: 'batch' }>

/** A whole batch. */
async function batchOf(use: Reading, message: BatchMessage, read: Read): Promise<RecordBatch> {
  const { arrow, schema } = use
  const children = await columnsOf(use, schema.fields, message, read)
  return assembledBatch(arrow, schema, message.batch, message.batch.length, children)
}

export function assembledBatch(
  arrow: Arrow,
  schema: Schema,
  { metadata }: Pick<BatchHeader, 'metadata'>,
  length: number,
  children: Awaited<ReturnType<typeof load>>[],
): RecordBatch {
  const data = new arrow.Data(new arrow.Struct(schema.fields), 0, length, 0, undefined, children)
  return new arrow.RecordBatch(schema, data, new Map(metadata))
}

async function columnsOf(
  { arrow, budget, trusted, dictionaries }: Reading,
  fields: readonly Field[],
  message: Exclude<Message, { kind: 'schema' }>,
  read: Read,
): Promise<Awaited<ReturnType<typeof load>>[]> {
  const body = new Body(arrow, read, message.batch.compression, budget)
  const dictionary = async (id: number): Promise<Vector> => known(dictionaries, id)
  const slots = slotsOf(arrow, fields, message.batch, message)
  return Promise.all(slots.map((slot) => load({ arrow, body, trusted, dictionary }, slot)))
}

export function known(dictionaries: ReadonlyMap<number, Vector>, id: number): Vector {
  const vector = dictionaries.get(id)
  if (vector === undefined) throw damaged(`it has no dictionary ${id}`)
  return vector
}

/** Reads a dictionary batch. In a file, one that is there already can only be added to. */
export async function addDictionary(use: Reading, message: Message, read: Read, isFile: boolean): Promise<void> {
  if (message.kind !== 'dictionary') throw damaged(`its footer names a ${message.kind} as a dictionary`)
  const { arrow, dictionaries, schema } = use
  const { id, isDelta } = message
  const type = schema.dictionaries.get(id)
  // One that no column has is of no use to anyone.
  if (type === undefined) return
  const [data] = await columnsOf(use, [new arrow.Field(`dictionary ${id}`, type, true)], message, read)
  const before = dictionaries.get(id)
  if (isDelta && before === undefined) throw damaged(`it adds to dictionary ${id}, which it does not have`)
  if (!isDelta && before !== undefined && isFile) throw damaged(`it has dictionary ${id} twice`)
  dictionaries.set(id, new arrow.Vector(isDelta ? [...before!.data, data!] : [data!]))
}
