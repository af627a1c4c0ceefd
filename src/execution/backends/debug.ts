/** The way of a job on a cluster, in this process: what travels is packed and unpacked, and the class is imported from its module. */
import { randomBytes } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { isMain } from '../main.js'
import { perform } from '../perform.js'
import { pack } from '../travel.js'
import type { Backend } from './index.js'

export const debug: Backend = async function* (assignments, _options, _store, signal) {
  for (const [index, assignment] of assignments.entries()) {
    signal?.throwIfAborted()
    const job = { id: `debug-${randomBytes(4).toString('hex')}` }
    yield { index, outcome: await perform(await pack(assignment), { job, signal, isHere }) }
  }
}

/** The program itself may still be at its top level, waiting for this: to import it would be to wait for ever. */
function isHere(file: string): boolean {
  return isMain({ url: pathToFileURL(file).href })
}
