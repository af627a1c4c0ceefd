/** What the thread that runs parquet-wasm and its callers say to each other. Both sides call, and answer. */

/** What a file says about itself. */
export interface About {
  /** Its Arrow schema, as an IPC stream without batches. */
  readonly schema: Uint8Array
  readonly rows: number
  readonly groups: readonly GroupInfo[]
  /** Whether its Arrow schema was written with it. Else it was made of its Parquet types. */
  readonly isArrow: boolean
}

export interface GroupInfo {
  readonly rows: number
  /** Bytes of its columns before compression. */
  readonly bytes: number
}

/** Which rows of a file are wanted. */
export interface Part {
  readonly columns?: readonly string[]
  readonly batchSize: number
  /** One row group, and rows of it. All rows of all of them by default. */
  readonly group?: number
  readonly offset?: number
  readonly limit?: number
}

export interface WriteSettings {
  readonly compression: string
  readonly rowGroupSize: number
  readonly dictionary: boolean
  readonly statistics: string
}

/** What the thread answers. It works for one caller at a time. */
export interface Methods {
  /** Opens a file of that many bytes: these, or ones that it asks its caller for. */
  open(size: number, whole?: Uint8Array): About
  /** Starts to read. */
  read(part: Part): void
  /** The next record batch, as an IPC stream of its own; nothing after the last. */
  batch(): Uint8Array | undefined
  /** Starts to write the tables it asks its caller for. */
  write(settings: WriteSettings): void
  /** The file of a table without rows, given as an IPC stream without batches. */
  writeEmpty(schema: Uint8Array, settings: WriteSettings): Uint8Array
  /** The next bytes of the file; nothing after the last. */
  piece(): Uint8Array | undefined
  /** Lets go of everything. How many bytes of memory it holds now, which it cannot give back. */
  close(): number
}

/** What its caller answers. */
export interface Answers {
  /** Bytes of the file being read, in memory of their own. */
  bytes?(start: number, end: number): Promise<ArrayBuffer>
  /** The next rows to write, as an IPC stream; nothing after the last. */
  table?(): Promise<Uint8Array | undefined>
}

export interface Call {
  readonly call: number
  readonly method: string
  readonly args: readonly unknown[]
}

export interface Reply {
  readonly reply: number
  readonly value?: unknown
  /** What went wrong. */
  readonly error?: string
  /** The thread is of no use any more. */
  readonly broken?: boolean
}

/** Said once, when the thread can be called: the compiled module, for the next thread. */
export interface Ready {
  readonly ready: unknown
}
