/** Workers of this machine, threads or processes, that take one assignment after the other. */
import type { Assignment, Outcome } from '../assignment.js'
import type { InfraOptions } from '../options.js'
import { warner } from '../recipe.js'
import { pack } from '../travel.js'
import { Crew } from './crew.js'
import { type Backend, workersOf } from './index.js'
import { lanes } from './lanes.js'
import { CannotStart, type Death, deathText, startProcess, startThread } from './port.js'

const crews = { process: new Crew(startProcess), thread: new Crew(startThread) }

/** A worker that dies takes nothing with it: what it had is tried once more. */
const tries = 2

export const threads: Backend = (assignments, options, _store, signal) =>
  inPool(assignments, options, signal, (assignment, stop) => tried(crews.thread, assignment, options, stop))

/** Threads in their place where processes cannot be started. */
export const processes: Backend = (assignments, options, _store, signal) =>
  inPool(assignments, options, signal, async (assignment, stop) => {
    try {
      return await tried(crews.process, assignment, options, stop)
    } catch (error) {
      if (!(error instanceof CannotStart)) throw error
      warner('processpool')(`${error.message}; threads do the work`)
      return tried(crews.thread, assignment, options, stop)
    }
  })

function inPool(
  assignments: readonly Assignment[],
  options: InfraOptions,
  signal: AbortSignal | undefined,
  run: (assignment: Assignment, stop: AbortSignal) => Promise<Outcome>,
): ReturnType<Backend> {
  return lanes(assignments.length, workersOf(options), (index, stop) => run(assignments[index]!, stop), signal)
}

async function tried(crew: Crew, assignment: Assignment, options: InfraOptions, signal: AbortSignal): Promise<Outcome> {
  const bytes = await pack(assignment)
  for (let attempt = 1; ; attempt++) {
    const came = await crew.do(bytes, workersOf(options), signal, attempt > 1)
    if ('outcome' in came) return came.outcome
    signal.throwIfAborted()
    if (attempt === tries) return dead(came.death)
  }
}

function dead(death: Death): Outcome {
  const message = `its worker ${deathText(death)}, and so did the one that tried again`
  return { ok: false, isStored: false, name: 'JobError', message, job: death }
}
