// @ts-check
/**
 * parquet-wasm in a thread of its own: WebAssembly memory only grows, and ends with its thread.
 *
 * @see protocol.ts
 * @typedef {import('./protocol.js').Methods} Methods
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import * as parquet from 'parquet-wasm/esm'

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort)
const { Module, RuntimeError } = /** @type {any} */ (globalThis).WebAssembly
const path = createRequire(import.meta.url).resolve('parquet-wasm/esm/parquet_wasm_bg.wasm')
const module = workerData.module ?? new Module(readFileSync(path))

parquet.initSync({ module })

/** @type {parquet.ParquetFile | undefined} */
let file
/** @type {ReadableStreamDefaultReader<any> | undefined} */
let reader
/** Rejects once rows to be written cannot be had: parquet-wasm takes that for their end, or waits for ever. @type {Promise<never> | undefined} */
let failed

/** How many row groups are asked for at once. */
const concurrency = 4

/** As much of a Blob as parquet-wasm uses. Its bytes are here, or lie with the caller. */
class Bytes {
  /** @param {number} start @param {number} end @param {Uint8Array | undefined} whole */
  constructor(start, end, whole) {
    this.whole = whole
    this.start = start
    this.size = end - start
    this.type = ''
  }
  /** @param {number} start @param {number} end */
  slice(start, end) {
    return new Bytes(this.start + start, this.start + end, this.whole)
  }
  async arrayBuffer() {
    const end = this.start + this.size
    return this.whole === undefined ? call('bytes', [this.start, end]) : this.whole.slice(this.start, end).buffer
  }
}

/** @type {Record<string, (...args: any[]) => unknown>} */
const methods = {
  /** @type {(size: number, whole?: Uint8Array) => Promise<import('./protocol.js').About>} */
  async open(size, whole) {
    file = await parquet.ParquetFile.fromFile(/** @type {any} */ (new Bytes(0, size, whole)))
    const about = file.metadata()
    const groups = about.rowGroups().map((group) => {
      const info = { rows: group.numRows(), bytes: group.totalByteSize() }
      group.free()
      return info
    })
    const facts = about.fileMetadata()
    const isArrow = facts.keyValueMetadata().has('ARROW:schema')
    const found = { schema: file.schema().intoIPCStream(), rows: facts.numRows(), groups, isArrow }
    facts.free()
    about.free()
    return found
  },

  /** @type {(part: import('./protocol.js').Part) => Promise<void>} */
  async read({ columns, batchSize, group, offset, limit }) {
    const stream = await file?.stream({
      batchSize,
      concurrency,
      ...(columns && { columns: columns.flatMap(pathsOf) }),
      ...(group !== undefined && { rowGroups: [group] }),
      ...(offset !== undefined && { offset }),
      ...(limit !== undefined && { limit }),
    })
    reader = stream?.getReader()
  },

  async batch() {
    const { value } = (await reader?.read()) ?? {}
    return value?.intoIPCStream()
  },

  /** @type {(settings: import('./protocol.js').WriteSettings) => Promise<void>} */
  async write(settings) {
    /** @type {parquet.RecordBatch[]} */
    let batches = []
    /** @type {(error: unknown) => void} */
    let fail = () => undefined
    failed = new Promise((_, reject) => {
      fail = reject
    })
    failed.catch(() => undefined)
    const more = async () => {
      const bytes = await call('table', [])
      if (bytes === undefined) return undefined
      const table = parquet.Table.fromIPCStream(bytes)
      const found = table.recordBatches()
      table.free()
      return found
    }
    const source = new ReadableStream(
      {
        async pull(controller) {
          while (batches.length === 0) {
            const found = await more().catch((error) => {
              fail(error)
              throw error
            })
            if (found === undefined) return controller.close()
            batches = found
          }
          controller.enqueue(batches.shift())
        },
      },
      { highWaterMark: 0 },
    )
    const pieces = await Promise.race([failed, parquet.transformParquetStream(source, properties(settings))])
    reader = pieces.getReader()
  },

  /** @type {(schema: Uint8Array, settings: import('./protocol.js').WriteSettings) => Uint8Array} */
  writeEmpty(schema, settings) {
    return parquet.writeParquet(parquet.Table.fromIPCStream(schema), properties(settings))
  },

  async piece() {
    return (await Promise.race([failed, reader?.read()]))?.value
  },

  close() {
    reader?.cancel().catch(() => undefined)
    reader = undefined
    failed = undefined
    file?.free()
    file = undefined
    return /** @type {any} */ (parquet.wasmMemory()).buffer.byteLength
  },
}

/**
 * What to ask for to get a column. By its name, parquet-wasm finds one with others within it only where that is ASCII; by their paths, always.
 * @param {string} name
 */
function pathsOf(name) {
  const { length } = Buffer.from(name)
  if (length === name.length) return [name]
  const about = file?.metadata()
  const group = about?.rowGroup(0)
  const paths = group?.columns().map((column) => column.columnPath()) ?? []
  group?.free()
  about?.free()
  return paths.filter(([first]) => first === name).map((path) => path.join('.'))
}

/** @param {import('./protocol.js').WriteSettings} settings */
function properties({ compression, rowGroupSize, dictionary, statistics }) {
  return new parquet.WriterPropertiesBuilder()
    .setCompression(/** @type {any} */ (parquet.Compression)[compression])
    .setMaxRowGroupSize(rowGroupSize)
    .setDictionaryEnabled(dictionary)
    .setStatisticsEnabled(/** @type {any} */ (parquet.EnabledStatistics)[statistics])
    .build()
}

let calls = 0
/** The calls that are being answered. @type {Set<number>} */
const answering = new Set()
/** @type {Map<number, { resolve(value: any): void, reject(error: Error): void }>} */
const waiting = new Map()

/** Asks the caller. @type {(method: string, args: unknown[]) => Promise<any>} */
function call(method, args) {
  return new Promise((resolve, reject) => {
    waiting.set(++calls, { resolve, reject })
    port.postMessage({ call: calls, method, args })
  })
}

/** @type {(message: import('./protocol.js').Call) => Promise<void>} */
async function answer({ call, method, args }) {
  answering.add(call)
  try {
    const value = await methods[method]?.(...args)
    port.postMessage(
      { reply: call, value },
      value instanceof Uint8Array ? [/** @type {ArrayBuffer} */ (value.buffer)] : [],
    )
  } catch (error) {
    port.postMessage({ reply: call, ...failure(error) })
  } finally {
    answering.delete(call)
  }
}

/** @param {unknown} error */
function failure(error) {
  const message = error instanceof Error ? error.message : String(error)
  const broken = error instanceof RuntimeError || error instanceof RangeError
  return {
    error: broken ? `parquet-wasm came to a stop, as it does for damage and for want of memory (${message})` : message,
    broken,
  }
}

// What goes on inside parquet-wasm between two turns of the event loop has nobody else to tell.
process.on('uncaughtException', (error) => {
  if (answering.size === 0) throw error
  for (const reply of answering) port.postMessage({ reply, ...failure(error), broken: true })
})

port.on('message', (message) => {
  if ('call' in message) return void answer(message)
  const { resolve, reject } = waiting.get(message.reply) ?? {}
  waiting.delete(message.reply)
  if (message.error === undefined) resolve?.(message.value)
  else reject?.(new Error(message.error))
})
port.postMessage({ ready: module })
