/** The places where work can be done, by the name of the cluster. */
import * as os from 'node:os'
import type { Store } from '../../artifact/store.js'
import { DeclarationError } from '../../errors.js'
import type { Assignment, Outcome } from '../assignment.js'
import { refuseWhileImporting } from '../main.js'
import type { Cluster, InfraOptions } from '../options.js'

/** How one assignment ended. */
export interface Ended {
  readonly index: number
  readonly outcome: Outcome
}

/** Does assignments somewhere, several at a time; each is told of as it ends. Ended early, it stops what runs. */
export type Backend = (
  assignments: readonly Assignment[],
  options: InfraOptions,
  store: Store,
  signal: AbortSignal | undefined,
) => AsyncGenerator<Ended>

/** How many workers there are at a time. */
export function workersOf({ maxWorkers }: InfraOptions): number {
  return maxWorkers ?? os.availableParallelism()
}

/** Whether workers take one assignment after the other, so that small ones cost little. */
export function isPool(cluster: Cluster): boolean {
  return cluster === 'threadpool' || cluster === 'processpool'
}

/** Whether each of its jobs has a folder. */
export function hasFolders(cluster: Cluster): boolean {
  return cluster === 'local' || cluster === 'auto'
}

export async function* runOn(
  cluster: Cluster,
  assignments: readonly Assignment[],
  options: InfraOptions,
  store: Store,
  signal: AbortSignal | undefined,
): AsyncGenerator<Ended> {
  refuseWhileImporting(assignments[0]?.where ?? 'a module')
  yield* (await backendOf(cluster))(assignments, options, store, signal)
}

async function backendOf(cluster: Cluster): Promise<Backend> {
  switch (cluster) {
    case 'threadpool':
      return (await import('./pool.js')).threads
    case 'processpool':
      return (await import('./pool.js')).processes
    case 'local':
    case 'auto':
      return (await import('./local.js')).local
    case 'debug':
      return (await import('./debug.js')).debug
    default:
      throw new DeclarationError(`this version has no backend ${cluster}`, {
        hint: "use cluster: 'local' for a process of its own, or 'processpool'",
      })
  }
}
