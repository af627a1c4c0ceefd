/** What a worker does from its beginning to its end. */
import { isMainThread, parentPort, threadId } from 'node:worker_threads'
import { perform, seal, type Worker } from '../perform.js'
import { runJob } from './job-folder.js'
import { type FromWorker, isOurs, type ToWorker } from './messages.js'

type Prepare = NonNullable<Worker['prepare']>

/** As a job, what its folder says; else what it is told, one thing after the other. */
export async function serve(prepare: Prepare): Promise<void> {
  const [, , kind, folder, digest] = process.argv
  if (isMainThread && kind === 'job') await asJob(prepare, folder!, digest!)
  else inPool(prepare)
}

function inPool(prepare: Prepare): void {
  const id = isMainThread ? `process-${process.pid}` : `thread-${process.pid}-${threadId}`
  let abort: AbortController | undefined
  let isBusy = false
  // A worker whose program is gone has nobody to work for.
  const leave = async (): Promise<never> => {
    if (!isBusy) await seal()
    process.exit()
  }
  const send = (message: FromWorker): void => {
    if (parentPort === null) process.send?.(message)
    else parentPort.postMessage(message)
  }
  const hear = async (message: unknown): Promise<void> => {
    if (!isOurs(message)) return
    const said: ToWorker = message
    if (said.curio === 'end') await leave()
    if (said.curio === 'abort') abort?.abort()
    if (said.curio !== 'do') return
    abort = new AbortController()
    isBusy = true
    const outcome = await perform(said.bytes, { prepare, job: { id }, signal: abort.signal })
    isBusy = false
    send({ curio: 'done', id: said.id, outcome })
  }
  if (parentPort === null) process.once('disconnect', leave).on('message', hear)
  else parentPort.on('message', hear)
  send({ curio: 'ready' })
}

async function asJob(prepare: Prepare, folder: string, digest: string): Promise<void> {
  const abort = new AbortController()
  process.once('disconnect', () => process.exit())
  process.on('message', (message: unknown) => {
    if (isOurs(message) && (message as ToWorker).curio === 'abort') abort.abort()
  })
  const outcome = await runJob(folder, digest, { prepare, signal: abort.signal })
  await seal()
  // What the user's code left open would keep the job alive.
  process.exit(outcome.ok ? 0 : 1)
}
