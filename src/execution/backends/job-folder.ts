/** A job on disk, `<store>/jobs/<id>/`: what was submitted, what it wrote, and how far it is. Nobody but its user may look at it. */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { CurioError } from '../../errors.js'
import { type Digest, sha256 } from '../../identity/digest.js'
import * as io from '../../store/io.js'
import { aliveness, bootToken, hostName, ownPid, ownStartTime } from '../../store/process.js'
import type { Outcome } from '../assignment.js'
import type { JobPaths } from '../job.js'
import { failed, perform, type Worker } from '../perform.js'

const names = { payload: 'payload.msgpack', state: 'state.json', stdout: 'stdout.log', stderr: 'stderr.log' }

/** How far a job is, as it stands in `state.json`. Without an outcome its process still runs, or died. */
export interface JobState {
  readonly version: 1
  readonly id: string
  /** What it computes: a key. */
  readonly where: string
  readonly state: 'submitted' | 'running' | 'completed' | 'failed'
  /** Of whose death it dies: who submitted it, and then its own process. */
  readonly host: string
  readonly boot: string
  readonly pid: number
  readonly start?: string | undefined
  /** ISO 8601. */
  readonly submitted: string
  readonly started?: string
  readonly ended?: string
  readonly stdout: string
  readonly stderr: string
  readonly outcome?: Outcome
}

/** A job that was written down. */
export interface JobFolder {
  readonly id: string
  readonly dir: string
  /** SHA-256 of what was submitted. */
  readonly digest: Digest
  readonly stdout: string
  readonly stderr: string
}

/**
 * Writes down a job.
 *
 * @param logs folder for its logs; default the job's own.
 */
export function writeJob(jobs: string, where: string, bytes: Uint8Array, logs?: string): JobFolder {
  const now = new Date().toISOString()
  const id = `${now.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${randomBytes(4).toString('hex')}`
  const dir = path.join(jobs, id)
  const logDir = logs === undefined ? dir : path.join(path.resolve(logs), id)
  const [stdout, stderr] = [path.join(logDir, names.stdout), path.join(logDir, names.stderr)]
  try {
    fs.mkdirSync(dir, { mode: 0o700 })
    fs.mkdirSync(logDir, { recursive: true, mode: 0o700 })
    fs.writeFileSync(path.join(dir, names.payload), bytes, { mode: 0o600, flag: 'wx' })
    writeState(dir, { version: 1, id, where, state: 'submitted', ...thisProcess(), submitted: now, stdout, stderr })
  } catch (error) {
    fs.rmSync(dir, { recursive: true, force: true })
    throw io.ioError('write a job in', dir, error)
  }
  return { id, dir, digest: sha256(bytes), stdout, stderr }
}

export function readState(dir: string): JobState | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(dir, names.state), 'utf8')) as JobState
  } catch (error) {
    if (io.errnoOf(error) === undefined && !(error instanceof SyntaxError)) throw error
    return undefined
  }
}

const linkName = 'job'

/** A link to a job beside its results. */
export function linkJob(dir: string, job: string): void {
  const temp = path.join(dir, io.tempName())
  fs.symlinkSync(path.relative(dir, job), temp)
  fs.renameSync(temp, path.join(dir, linkName))
}

/** The job that worked last at what is in a key's folder; undefined where there was none. */
export function lastJob(dir: string): JobPaths | undefined {
  const link = path.join(dir, linkName)
  const state = readState(link)
  return state && { folder: fs.realpathSync(link), stdout: state.stdout, stderr: state.stderr }
}

/** How far that one is, for what has no result; undefined where there was none, or nobody can say. */
export function lastStatus(dir: string): 'running' | 'failed' | undefined {
  const state = readState(path.join(dir, linkName))
  if (state === undefined || state.state === 'completed') return undefined
  if (state.state === 'failed') return 'failed'
  const life = aliveness(state.host, state.boot, state.pid, state.start)
  return life === 'unknown' ? undefined : life === 'dead' ? 'failed' : 'running'
}

export function forgetLast(dir: string): void {
  io.remove(path.join(dir, linkName))
}

function thisProcess(): Pick<JobState, 'host' | 'boot' | 'pid' | 'start'> {
  return { host: hostName(), boot: bootToken(), pid: ownPid(), start: ownStartTime() }
}

function writeState(dir: string, state: JobState): void {
  const temp = path.join(dir, io.tempName())
  fs.writeFileSync(temp, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  fs.renameSync(temp, path.join(dir, names.state))
}

/** Does what a folder says, in the process of the job, and writes down how it ended. */
export async function runJob(dir: string, digest: string, worker: Omit<Worker, 'job'>): Promise<Outcome> {
  const before = readState(dir)
  if (before === undefined) throw new CurioError(`there is no job at ${dir}`)
  const { id, stdout, stderr } = before
  const running: JobState = {
    ...before,
    state: 'running',
    ...thisProcess(),
    started: new Date().toISOString(),
  }
  writeState(dir, running)
  const outcome = await performIn(dir, digest, { ...worker, job: { id, stdout, stderr } })
  if (!outcome.ok) console.error(outcome.remote ?? outcome.message)
  const state = outcome.ok ? 'completed' : 'failed'
  writeState(dir, { ...running, state, ended: new Date().toISOString(), outcome })
  return outcome
}

async function performIn(dir: string, digest: string, worker: Worker): Promise<Outcome> {
  const bytes = fs.readFileSync(path.join(dir, names.payload))
  if (sha256(bytes) === digest) return perform(bytes, worker)
  return failed(new CurioError(`what lies in ${dir} is not what was submitted`))
}
