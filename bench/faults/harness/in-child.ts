/** The child's side: its argument, what it says, what it is told. */
import * as fs from 'node:fs'
import { createInterface } from 'node:readline'

/** The JSON argument the child was started with. */
export function argument<T>(): T {
  return JSON.parse(process.argv[2] ?? 'null') as T
}

/** Writes a line at once: when this returns, the parent will get it, whatever happens to this process. */
export function say(line: string): void {
  const bytes = Buffer.from(`${line}\n`)
  for (let at = 0; at < bytes.byteLength; ) at += fs.writeSync(1, bytes, at)
}

/** What the parent sends, until it closes its end. */
export async function* commands<T>(): AsyncGenerator<T> {
  for await (const line of createInterface({ input: process.stdin })) yield JSON.parse(line) as T
}
