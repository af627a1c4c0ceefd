import * as fs from 'node:fs'
import * as path from 'node:path'
import { tempDir } from '../experiment/helpers.js'

/** A folder for what fixtures note, and a place for a store in it. */
export function place(): { notes: string; folder: string; computed(): string[] } {
  const notes = tempDir()
  return { notes, folder: path.join(notes, 'store'), computed: () => computedIn(notes) }
}

/** What was computed, each time, in no order. */
export function computedIn(notes: string): string[] {
  const file = path.join(notes, 'computed')
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n').sort() : []
}

/** Whether a process is there, and not only its remains. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Waits until something is so. */
export async function until(what: () => boolean, ms = 10_000): Promise<void> {
  const started = performance.now()
  while (!what()) {
    if (performance.now() - started > ms) throw new Error(`it did not come about in ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
