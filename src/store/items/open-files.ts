/** Files that are opened when they are needed, and no more than so many of a process at once. */
import * as fs from 'node:fs'
import { CurioError } from '../../errors.js'
import * as io from '../io.js'

/** Above this the longest unused is closed. */
const maxOpen = 64

/** In the order of their last use. */
const inUse = new Set<OpenFile>()

/** A file that is open as long as there is room. */
export class OpenFile {
  #fd: number | undefined

  /** @param open gives the descriptor, or undefined when there is no such file. */
  constructor(readonly open: () => number | undefined) {}

  /** Its descriptor, to be used before anything else is opened; undefined when there is no such file. */
  get fd(): number | undefined {
    if (this.#fd === undefined) {
      this.#fd = withRoom(this.open)
      if (this.#fd === undefined) return undefined
    } else inUse.delete(this)
    inUse.add(this)
    if (inUse.size > maxOpen) inUse.values().next().value!.close()
    return this.#fd
  }

  close(): void {
    inUse.delete(this)
    const fd = this.#fd
    this.#fd = undefined
    if (fd !== undefined) io.closeQuietly(fd)
    this.onClose()
  }

  /** For those that hold more than a descriptor. */
  protected onClose(): void {}
}

/** Does what opens a file; when the process may open no more, once again with all of these closed. */
export function withRoom<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    const code = io.errnoOf(CurioError.is(error) ? error.cause : error)
    if ((code !== 'EMFILE' && code !== 'ENFILE') || inUse.size === 0) throw error
    for (const file of [...inUse]) file.close()
    return action()
  }
}

/** A file that is read, and what was last read of it. */
export class FileWindow extends OpenFile {
  /** What was read: a view that the next `read` fills anew. */
  bytes: Buffer = Buffer.alloc(0)
  /** Where in the file it begins. */
  start = 0
  #room: Buffer = Buffer.alloc(0)

  constructor(readonly file: string) {
    super(() => {
      const fd = io.openNow(file)
      return fd === 'special' ? undefined : fd
    })
  }

  /** Reads `size` bytes from `start`, or as many as there are; none when the file is gone. */
  read(start: number, size: number): Buffer {
    const fd = this.fd
    if (this.#room.byteLength < size) this.#room = Buffer.allocUnsafeSlow(size)
    this.start = start
    try {
      this.bytes = this.#room.subarray(0, fd === undefined ? 0 : io.readFully(fd, this.#room.subarray(0, size), start))
    } catch (error) {
      if (!io.isAbsent(error)) throw io.ioError('read', this.file, error)
      this.close()
    }
    return this.bytes
  }

  protected override onClose(): void {
    this.bytes = Buffer.alloc(0)
    this.#room = this.bytes
  }
}

/** Opens a file of our own to write on. */
export function reopen(file: string): number | undefined {
  try {
    return fs.openSync(file, fs.constants.O_RDWR | (fs.constants.O_NOFOLLOW ?? 0))
  } catch (error) {
    if (io.isAbsent(error)) return undefined
    throw io.ioError('write', file, error)
  }
}
