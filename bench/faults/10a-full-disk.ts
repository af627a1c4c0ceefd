/** Row 10, first half: a real file system without space or inodes, at every step. */
import { execFileSync } from 'node:child_process'
import type { FullDiskArgument } from './children/full-disk.js'
import type { FullItemsArgument } from './children/full-items.js'
import { countsOf } from './harness/child.js'
import { withFolder } from './harness/folders.js'
import { bySize, type Counts, type RunOptions } from './harness/row.js'

const privateMount = process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-rm']

/** A tmpfs that only one process tree sees; it is gone when that ends. */
function onTmpfs(dir: string, options: string): string[] {
  const script = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"'
  return [...privateMount, 'sh', '-c', script, 'sh', options, dir]
}

export function needs(): string | undefined {
  try {
    const [command, ...args] = [...onTmpfs('/mnt', 'size=1m'), 'true']
    execFileSync(command!, args, { stdio: 'ignore' })
    return undefined
  } catch {
    return 'needs Linux with unshare and tmpfs'
  }
}

export async function run({ size }: RunOptions): Promise<Counts> {
  const pages = bySize(size, { small: range(0, 24, 2), full: range(0, 40, 1), mutant: [0, 1, 3, 8, 16] })
  const large = bySize(size, { small: range(0, 340, 34), full: range(0, 340, 1), mutant: [100] })
  const inodes = bySize(size, { small: range(0, 12, 2), full: range(0, 20, 1), mutant: [0, 2, 4] })
  const total: Counts = { steps: 0 }
  const cases: [options: string, Omit<FullDiskArgument, 'folder'>][] = [
    ['size=2m', { what: 'pages', steps: pages, bytes: 65_536, streamed: false }],
    ['size=2m', { what: 'pages', steps: large, bytes: 1_200_000, streamed: false }],
    ['size=2m', { what: 'pages', steps: large, bytes: 1_200_000, streamed: true }],
    ['size=4m,nr_inodes=120', { what: 'inodes', steps: inodes, bytes: 10_000, streamed: false }],
    ['size=4m,nr_inodes=120', { what: 'inodes', steps: inodes, bytes: 1_200_000, streamed: true }],
  ]
  const some = bySize(size, { small: range(0, 24, 4), full: range(0, 60, 1), mutant: [0, 2, 8] })
  const items: [options: string, Omit<FullItemsArgument, 'folder'>][] = [
    ['size=2m', { what: 'pages', steps: some, count: 1, bytes: 3000 }],
    ['size=2m', { what: 'pages', steps: some, count: 50, bytes: 1000 }],
    ['size=2m', { what: 'pages', steps: some, count: 2, bytes: 60_000 }],
    ['size=2m,nr_inodes=120', { what: 'inodes', steps: inodes, count: 20, bytes: 500 }],
  ]
  await withFolder(async (folder) => {
    const run = async (role: string, options: string, args: FullDiskArgument | FullItemsArgument): Promise<void> => {
      const counts = await countsOf(role, args, { wrapper: onTmpfs(folder, `${options},mode=755`) })
      total.steps! += args.steps.length
      for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count
    }
    for (const [options, rest] of cases) await run('full-disk', options, { folder, ...rest })
    for (const [options, rest] of items) await run('full-items', options, { folder, ...rest })
  })
  return { ...total, 'wrong values': 0, 'left behind': 0 }
}

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step)
}
