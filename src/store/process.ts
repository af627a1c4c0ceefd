import * as fs from 'node:fs'
import * as os from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { sha256 } from '../identity/digest.js'

let token: string | undefined

/**
 * `<host>-<pid>-<boot>`: this process among all that may share a folder. `boot` is 8 hex digits of the boot id and the pid
 * namespace, so that containers on one machine do not take each other's pids for their own.
 */
export function processToken(): string {
  token ??= `${hostName()}-${process.pid}-${bootToken()}`
  return token
}

/** The host's name, cleaned to letters, digits and underscores. */
export function hostName(): string {
  return (
    os
      .hostname()
      .slice(0, 40)
      .replace(/[^A-Za-z0-9_]/g, '_') || 'host'
  )
}

let boot: string | undefined

export function bootToken(): string {
  boot ??= sha256(readOr('/proc/sys/kernel/random/boot_id') + linkOr('/proc/self/ns/pid')).slice(0, 8)
  return boot
}

function readOr(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function linkOr(file: string): string {
  try {
    return fs.readlinkSync(file)
  } catch {
    return ''
  }
}

/**
 * Whether a process is alive, judged from here: `'unknown'` when it runs on another host, boot or pid namespace.
 *
 * @param startTime the process's start in clock ticks since boot, where known; a reused pid has another.
 */
export function aliveness(
  host: string,
  bootOf: string,
  pid: number,
  startTime?: string,
): 'alive' | 'stopped' | 'dead' | 'unknown' {
  if (host !== hostName() || bootOf !== bootToken()) return 'unknown'
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'dead'
  }
  const stat = statOf(pid)
  if (stat === undefined) return 'alive'
  if (stat.state === 'Z' || stat.state === 'X') return 'dead'
  if (startTime !== undefined && stat.startTime !== startTime) return 'dead'
  return stat.state === 'T' || stat.state === 't' ? 'stopped' : 'alive'
}

/** This process's start in clock ticks since boot, or this worker thread's, where the system tells. */
export function ownStartTime(): string | undefined {
  return statOf(ownPid())?.startTime
}

let pid: number | undefined

/**
 * What says whether this thread is alive: the process's id, or in a worker thread the thread's own, which the system takes for one.
 * A thread may be ended while its process goes on, and what it held is then free.
 */
export function ownPid(): number {
  pid ??= isMainThread ? process.pid : Number(/\d+$/.exec(linkOr('/proc/thread-self'))?.[0] ?? process.pid)
  return pid
}

function statOf(pid: number): { state: string; startTime: string } | undefined {
  const text = readOr(`/proc/${pid}/stat`)
  if (text === '') return undefined
  // The command name, in parentheses, may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? '', startTime: fields[19] ?? '' }
}
