/** What one process says of what it holds, line by line, and what it reads of others. */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import * as io from './io.js'
import { bootToken, hostName, ownPid, ownStartTime } from './process.js'

/** One call's claim, in the file of its process. */
export interface Session {
  readonly file: ClaimFile
  readonly id: number
}

/** What a file says of one session; without a ticket it is choosing one. */
export interface Said {
  readonly id: number
  readonly ticket: number | undefined
  readonly hashes: ReadonlySet<string>
}

const hashDigits = 16
const named = /^(.*)-(\d+)-([0-9a-f]{8})-(\d+)-[0-9a-f]{16}$/

/** Whose file it is, by its name; undefined for what is none of ours. */
export function writerOf(
  name: string,
): { host: string; boot: string; pid: number; start: string | undefined } | undefined {
  const match = named.exec(name)
  if (match === null) return undefined
  const [, host = '', pid, boot = '', start] = match
  return { host, boot, pid: Number(pid), start: start === '0' ? undefined : start }
}

/** A file that this process alone appends to. */
export class ClaimFile {
  readonly name: string
  readonly #fd: number
  #sessions = 0
  #active = 0
  #bytes = 0

  constructor(
    readonly dir: string,
    modes: io.Modes,
  ) {
    const start = ownStartTime() ?? '0'
    this.name = `${hostName()}-${ownPid()}-${bootToken()}-${start}-${randomBytes(8).toString('hex')}`
    this.#fd = opened(this.path, dir, modes)
  }

  get path(): string {
    return path.join(this.dir, this.name)
  }

  get isIdle(): boolean {
    return this.#active === 0
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Says that a number is about to be drawn. */
  begin(): Session {
    const id = ++this.#sessions
    this.say(`C ${id}`)
    this.#active += 1
    return { file: this, id }
  }

  draw({ id }: Session, ticket: number, hashes: ReadonlySet<string>): void {
    this.say(`T ${id} ${ticket} ${[...hashes].join('')}`)
  }

  end({ id }: Session): void {
    this.#active -= 1
    if (this.#active > 0) {
      this.say(`R ${id}`)
      return
    }
    fs.ftruncateSync(this.#fd, 0)
    this.#bytes = 0
  }

  /** @throws when not all of the line could be written; what was is taken back. */
  say(line: string): void {
    const bytes = Buffer.from(`${line}\n`)
    const written = fs.writeSync(this.#fd, bytes)
    if (written < bytes.byteLength) {
      fs.ftruncateSync(this.#fd, this.#bytes)
      throw Object.assign(new Error(`ENOSPC: ${written} of ${bytes.byteLength} bytes written`), { code: 'ENOSPC' })
    }
    this.#bytes += written
  }

  remove(): void {
    io.closeQuietly(this.#fd)
    io.remove(this.path)
  }
}

function opened(file: string, dir: string, modes: io.Modes): number {
  const mode = modes.file | 0o200
  for (let tries = 0; ; tries++) {
    io.ensureDir(dir, modes.dir, false)
    try {
      const fd = fs.openSync(file, 'ax', mode)
      io.setMode(() => fs.fchmodSync(fd, mode))
      return fd
    } catch (error) {
      // Another process found the folder empty, and removed it.
      if (!io.isAbsent(error) || tries === 3) throw error
    }
  }
}

/** The sessions of a file that have not ended. */
export function sessionsIn(text: string): Said[] {
  const sessions = new Map<number, Said>()
  // Behind the last end of line a writer may be at work.
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    const [kind, id, ticket, hashes = ''] = line.split(' ')
    const session = Number(id)
    if (kind === 'R') sessions.delete(session)
    else if (kind === 'C') sessions.set(session, { id: session, ticket: undefined, hashes: new Set() })
    else if (kind === 'T') {
      const all: Set<string> = new Set()
      for (let at = 0; at + hashDigits <= hashes.length; at += hashDigits) all.add(hashes.slice(at, at + hashDigits))
      sessions.set(session, { id: session, ticket: Number(ticket), hashes: all })
    }
  }
  return [...sessions.values()]
}
