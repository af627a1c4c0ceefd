/**
 * Items split evenly into chunks for jobs: as many as `minItemsPerJob` allows, and no more than `maxJobs`. 13 items, at most 2 jobs:
 * 7 and 6.
 *
 * @param maxJobs null: no bound.
 */
export function chunksOf<T>(items: readonly T[], maxJobs: number | null, minItemsPerJob: number): T[][] {
  const splits = Math.max(1, Math.min(maxJobs ?? items.length, Math.ceil(items.length / minItemsPerJob)))
  const each = Math.ceil(items.length / splits)
  const chunks: T[][] = []
  for (let at = 0; at < items.length; at += each) chunks.push(items.slice(at, at + each))
  return chunks
}

/** The parts of all items that are shared out in each round; the last ones are small, so that the workers end together. */
const rounds = [0.5, 0.33, 0.17]

/**
 * Items split for the workers of a pool, who take one chunk after the other: three for each, the later the smaller.
 *
 * Factoring, after Hummel, Schonberg and Flynn (Communications of the ACM 35/8, 1992).
 */
export function poolChunksOf<T>(
  items: readonly T[],
  workers: number,
  maxJobs: number | null,
  minItemsPerJob: number,
): T[][] {
  const most = rounds.length * workers
  if (most > Math.min(maxJobs ?? most, Math.ceil(items.length / minItemsPerJob))) {
    return chunksOf(items, Math.min(maxJobs ?? most, most), minItemsPerJob)
  }
  const chunks: T[][] = []
  let at = 0
  for (const part of rounds) {
    const each = Math.max(minItemsPerJob, Math.ceil((items.length * part) / workers))
    for (let worker = 0; worker < workers && at < items.length; worker++, at += each)
      chunks.push(items.slice(at, at + each))
  }
  // What rounding left.
  if (at < items.length) chunks.at(-1)!.push(...items.slice(at))
  return chunks
}
