/** Each assignment as a job in a process of its own, with a folder that holds what was submitted and its logs. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Store } from '../../artifact/store.js'
import type { JobFacts } from '../../errors.js'
import * as io from '../../store/io.js'
import type { Assignment, Outcome } from '../assignment.js'
import type { InfraOptions } from '../options.js'
import { pack } from '../travel.js'
import { Gate } from './gate.js'
import { type Backend, workersOf } from './index.js'
import { type JobFolder, linkJob, readState, writeJob } from './job-folder.js'
import { lanes } from './lanes.js'
import { type Death, deathText, lastLines, startProcess } from './port.js'

const gate = new Gate()
const graceMs = 1000
/** A job whose process dies is started once more. */
const tries = 2

export const local: Backend = (assignments, options, store, signal) => {
  const width = workersOf(options)
  const run = (index: number, stop: AbortSignal): Promise<Outcome> =>
    gate.pass(width, () => tried(assignments[index]!, options, store, stop))
  return lanes(assignments.length, width, run, signal)
}

async function tried(
  assignment: Assignment,
  options: InfraOptions,
  store: Store,
  signal: AbortSignal,
): Promise<Outcome> {
  const bytes = await pack(assignment)
  const jobs = path.join(store.folder, 'jobs')
  io.ensureDir(jobs, store.modes.dir, false)
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    const job = writeJob(jobs, assignment.where, bytes, options.logs)
    showIn(store.dirOf(assignment.where), job)
    const { death, isLate } = await ran(job, options.timeoutMin, signal)
    signal.throwIfAborted()
    const outcome = readState(job.dir)?.outcome
    if (outcome?.ok === true) return outcome
    const { id, stdout, stderr } = job
    const facts: JobFacts = { ...death, id, stdout, stderr, lastLines: tailOf(stderr) }
    if (outcome !== undefined) return { ...outcome, job: facts }
    if (attempt < tries && !isLate) continue
    const message = isLate
      ? `ran longer than its ${options.timeoutMin} minutes`
      : `its process ${deathText(death)}, and so did the one that tried again`
    return { ok: false, isStored: false, name: 'JobError', message, job: facts }
  }
}

/** The longest that a timer can be set to, in milliseconds. */
const longest = 2 ** 31 - 1

async function ran(
  { dir, digest, stdout, stderr }: JobFolder,
  timeoutMin: number | undefined,
  signal: AbortSignal,
): Promise<{ readonly death: Death; readonly isLate: boolean }> {
  const [out, err] = [stdout, stderr].map((file) => fs.openSync(file, 'ax', 0o600)) as [number, number]
  let isLate = false
  const timers: NodeJS.Timeout[] = []
  try {
    const port = startProcess(['job', dir, digest], ['ignore', out, err, 'ipc'])
    const stop = (): void => {
      port.send({ curio: 'abort' })
      timers.push(setTimeout(port.kill, graceMs))
    }
    const cause = await port.started
    if (cause !== undefined) throw cause
    const endIn = (ms: number): void => {
      const end = (): void => {
        isLate = true
        port.kill()
      }
      timers.push(setTimeout(ms > longest ? () => endIn(ms - longest) : end, Math.min(ms, longest)))
    }
    if (timeoutMin !== undefined) endIn(timeoutMin * 60_000)
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    const death = await port.ended
    signal.removeEventListener('abort', stop)
    return { death, isLate }
  } finally {
    for (const timer of timers) clearTimeout(timer)
    fs.closeSync(out)
    fs.closeSync(err)
  }
}

function tailOf(file: string): string {
  try {
    return lastLines(fs.readFileSync(file))
  } catch (error) {
    if (io.errnoOf(error) === undefined) throw error
    return ''
  }
}

/** A link to the job beside its results, for people. */
function showIn(dir: string, { dir: job }: JobFolder): void {
  try {
    fs.mkdirSync(dir, { recursive: true })
    linkJob(dir, job)
  } catch (error) {
    // Best effort, as all views are.
    if (io.errnoOf(error) === undefined) throw error
  }
}
