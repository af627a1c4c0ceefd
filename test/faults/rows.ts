/** Rows of the fault table as tests, at the small size; what they count is printed. */
import { afterAll, expect, it } from 'vitest'
import { endChildren } from '../../bench/faults/harness/child.js'
import { removeProgram } from '../../bench/faults/harness/program.js'
import { rows } from '../../bench/faults/rows.js'

const required = process.env.CURIO_REQUIRE_SERVICES === '1'
const seed = Number(process.env.CURIO_FAULT_SEED ?? Date.now() % 1_000_000)

/** Declares tests for rows, by number and the fact each shows. */
export function testRows(facts: Readonly<Record<string, string>>): void {
  afterAll(async () => {
    endChildren()
    await removeProgram()
  })
  for (const [number, fact] of Object.entries(facts)) {
    const { run, needs } = rows.find(({ row }) => row === number)!
    const reason = needs?.()
    const name = `row ${number}: ${fact} (seed ${seed}${reason === undefined ? '' : `; skipped: ${reason}`})`
    it.skipIf(reason !== undefined && !required)(
      name,
      async () => {
        expect(reason).toBeUndefined()
        const started = performance.now()
        const counts = await run({ size: 'small', seed, print: () => undefined })
        const seconds = ((performance.now() - started) / 1000).toFixed(1)
        const text = Object.entries(counts).map(([what, count]) => `${count} ${what}`)
        // On the real stderr: the runner holds back what passing tests print.
        process.stderr.write(`faults, row ${number}, ${seconds} s: ${text.join(', ')}\n`)
        expect(Object.keys(counts).length).toBeGreaterThan(0)
      },
      180_000,
    )
  }
}
