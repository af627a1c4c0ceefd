import * as fs from 'node:fs'
import { MapInfra, stepInfra, TaskInfra } from 'curio'
import { describe, expect, it } from 'vitest'

const page = new URL('../../docs/execution.md', import.meta.url)

/** The options that an infra says it knows, when it is given one it does not. */
function known(make: (seeds: object) => unknown): string[] {
  try {
    make({ 'no such thing': 1 })
  } catch (error) {
    return /known are (.*?)(;|$)/m.exec((error as Error).message)![1]!.split(', ')
  }
  throw new Error('it took everything')
}

describe('the table of options', () => {
  const [, table] = /^\| option \| default .*?\n((?:\|.*\n)+)/m.exec(fs.readFileSync(page, 'utf8'))!
  const rows = table!.split('\n').map((row) => row.split('|')[1] ?? '')
  const names = (some: string[]) => some.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map((match) => match[1]!))

  it('has each option that there is, and no other', () => {
    const all = new Set([TaskInfra, MapInfra, stepInfra].flatMap((make) => known(make)))
    expect(names(rows).sort()).toEqual([...all].sort())
  })

  it('says which ones a task does not have', () => {
    const notOfTasks = known(MapInfra).filter((name) => !known(TaskInfra).includes(name))
    expect(names(rows.filter((cell) => cell.includes('(maps, steps)'))).sort()).toEqual(notOfTasks.sort())
  })
})
