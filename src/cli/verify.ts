import * as path from 'node:path'
import { byCodeUnit } from '../identity/canonical.js'
import type { Problem } from '../store/verify.js'
import { type Context, exit } from './context.js'
import { clean, count, size } from './text.js'

const shownPerKind = 10
const progressMs = 100

/** What each kind of problem is called, and what helps; without `--repair`. */
const kinds: Readonly<Record<Problem['kind'], readonly [one: string, many: string, help: string]>> = {
  'entry-damaged': ['damaged entry', 'damaged entries', 'curio verify --repair sets it aside; run the stage again'],
  'entry-misplaced': [
    'entry in the wrong folder',
    'entries in the wrong folder',
    'somebody copied or moved the folder: move it back, or delete it',
  ],
  'entry-newer': ['entry of a newer format', 'entries of a newer format', 'left alone; use a newer version of curio'],
  'blob-damaged': ['damaged blob', 'damaged blobs', 'curio verify --repair sets it aside; run the stage again'],
  'blob-missing': [
    'missing blob',
    'missing blobs',
    'run the stage again, or curio rm the entry; --allow-missing passes over what was evicted',
  ],
  'digest-wrong': [
    'artifact that is not what its entry says',
    'artifacts that are not what their entries say',
    'curio rm the entry',
  ],
  'item-damaged': [
    'folder with damaged items',
    'folders with damaged items',
    'their items are computed again when they are asked for',
  ],
  temporary: ['file left by a killed writer', 'files left by killed writers', 'curio verify --repair removes it'],
}

/** `curio verify`: reads everything, groups what is wrong. */
export async function verify({ args, out, open }: Context): Promise<number> {
  const repair = args.has('repair')
  const allowMissing = args.has('allow-missing')
  const store = await open({ write: repair })
  let last = 0
  const report = await store.verify({
    repair,
    onProgress: ({ entries, blobs, bytes }) => {
      const now = performance.now()
      if (now - last < progressMs) return
      last = now
      out.progress(`verify: ${count(entries, 'entry', 'entries')}, ${count(blobs, 'blob')}, ${size(bytes)}`)
    },
  })
  out.clearProgress()
  const remains = ({ kind, repaired }: Problem): boolean =>
    !repaired && kind !== 'entry-newer' && !(allowMissing && kind === 'blob-missing')
  const remaining = report.problems.filter(remains).length
  if (out.json) out.document({ store: store.folder, ...report, remaining })
  else {
    const { entries, blobs, bytes, unreferenced } = report
    out.line(`read ${count(entries, 'entry', 'entries')} and ${count(blobs, 'blob')}, ${size(bytes)}`)
    if (unreferenced.blobs > 0) {
      out.line(`${count(unreferenced.blobs, 'blob')} (${size(unreferenced.bytes)}) no entry needs, which is no problem`)
    }
    for (const [kind, group] of grouped(report.problems)) {
      const [one, many, help] = kinds[kind]
      const repaired = group.filter((problem) => problem.repaired).length
      const done = repaired === 0 ? '' : repaired === group.length ? ', repaired' : `, ${repaired} repaired`
      out.line()
      out.line(out.paint(group.some(remains) ? 'red' : 'yellow', `${count(group.length, one, many)}${done}`))
      for (const { where, detail } of group.slice(0, shownPerKind)) {
        out.line(`  ${clean(path.isAbsolute(where) ? path.relative(store.folder, where) : where)}: ${clean(detail)}`)
      }
      if (group.length > shownPerKind) out.line(`  … and ${group.length - shownPerKind} more (--json lists all)`)
      if (repaired < group.length) out.line(`  → ${help}`)
    }
    out.line()
    out.line(
      remaining === 0
        ? out.paint('green', report.problems.length === 0 ? 'all is well' : 'no problem remains')
        : out.paint('red', count(remaining, 'problem remains', 'problems remain')),
    )
  }
  return remaining === 0 ? exit.ok : exit.notFound
}

function grouped(problems: readonly Problem[]): Map<Problem['kind'], Problem[]> {
  const groups = new Map<Problem['kind'], Problem[]>()
  for (const problem of problems) groups.set(problem.kind, [...(groups.get(problem.kind) ?? []), problem])
  for (const group of groups.values()) group.sort((a, b) => byCodeUnit(a.where, b.where))
  return groups
}
