/** One work of frames.ts in a process of its own. Each line of input runs it twice, as what was used just before: prints the milliseconds of the second time, and its peak memory in bytes so far. */
import * as fs from 'node:fs'
import { createInterface } from 'node:readline'
import { timed } from './measure.js'

const [name, dir] = process.argv.slice(2) as [string, string]
const { works } = await import('./frames-works.js')
const work = await works[name]!(dir)
console.log('ready')
for await (const _ of createInterface(process.stdin)) {
  await (work.before ?? work.run)()
  globalThis.gc?.()
  console.log(await timed(() => work.run()), peak())
}

/** What getrusage says is never less than what the process that started this one had. */
function peak(): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
  } catch {
    return process.resourceUsage().maxRSS * 1024
  }
}
