/** Who holds a compute lock: a note beside proper-lockfile's folder, which itself must stay empty. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import * as io from './io.js'
import { bootToken, hostName, ownPid, ownStartTime } from './process.js'

export interface Holder {
  readonly host: string
  readonly boot: string
  readonly pid: number
  readonly start?: string
  readonly since: string
  /** The very lock folder it is about: a note that outlived its lock must not be taken for the next holder's. */
  readonly lock: string
}

/** Writes down that this process holds the lock at `file`. */
export function signHolder(file: string): void {
  const start = ownStartTime()
  const holder: Holder = {
    host: hostName(),
    boot: bootToken(),
    pid: ownPid(),
    ...(start === undefined ? {} : { start }),
    since: new Date().toISOString(),
    lock: identityOf(file) ?? '',
  }
  const temp = io.writeTemp(path.dirname(file), `${JSON.stringify(holder)}\n`, 0o644, false)
  try {
    fs.renameSync(temp, `${file}.json`)
  } catch (error) {
    io.remove(temp)
    throw error
  }
}

/** The holder of the lock that is there now; undefined when it is free, or nobody can say. */
export function holderOf(file: string): Holder | undefined {
  const holder = read(`${file}.json`)
  return holder !== undefined && holder.lock === identityOf(file) ? holder : undefined
}

/** True for a note of this very process. */
export function isOwn(holder: Holder | undefined): boolean {
  return holder?.pid === ownPid() && holder.host === hostName() && holder.boot === bootToken()
}

/**
 * Removes the lock of a holder that died. Of many waiters one succeeds in taking the note away, and only that one touches the
 * lock; a new holder has a lock of its own, for which the note does not stand.
 */
export function clearDead(file: string, dead: Holder): void {
  const note = path.join(path.dirname(file), io.tempName())
  try {
    fs.renameSync(`${file}.json`, note)
    if (JSON.stringify(read(note)) !== JSON.stringify(dead)) {
      if (!io.publish(note, `${file}.json`)) io.remove(note)
      return
    }
    if (identityOf(file) === dead.lock) {
      fs.renameSync(`${file}.lock`, `${note}.lock`)
      fs.rmdirSync(`${note}.lock`)
    }
    io.remove(note)
  } catch (error) {
    if (!io.isAbsent(error)) throw io.ioError('take over', file, error)
  }
}

function identityOf(file: string): string | undefined {
  const stat = fs.lstatSync(`${file}.lock`, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? undefined : `${stat.ino}:${stat.birthtimeNs}`
}

function read(file: string): Holder | undefined {
  try {
    const holder = JSON.parse(fs.readFileSync(file, 'utf8')) as Holder
    return typeof holder.host === 'string' && Number.isInteger(holder.pid) && holder.pid > 0 ? holder : undefined
  } catch {
    // Advisory: a holder we cannot name is waited for like any other.
    return undefined
  }
}

export function holderText(holder: Holder | undefined): string {
  return holder === undefined ? 'an unknown holder' : `pid ${holder.pid} on ${holder.host} since ${holder.since}`
}
