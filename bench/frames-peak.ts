/** One work of frames.ts in a process of its own; prints its peak memory in bytes. */
import * as fs from 'node:fs'
import { works } from './frames.js'

const [name, dir] = process.argv.slice(2) as [string, string]
await (await works[name]!(dir)).run()
console.log(peak())

/** What getrusage says is never less than what the process that started this one had. */
function peak(): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
  } catch {
    return process.resourceUsage().maxRSS * 1024
  }
}
