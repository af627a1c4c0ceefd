import { describe, expect, it } from 'vitest'
import { child, newStore, program } from './helpers.js'

/** A program with one stage that adds `plus`: another number is another source of the same stage. */
const source = (plus: number, options: string) => `
  import { Experiment, stage } from 'curio'
  import { JsonCacher } from 'curio/cachers'
  const helper = (n) => n + ${plus}
  const make = stage({ outputs: { v: JsonCacher }, name: 'make'${options} }, async () => ({ v: 1 + ${plus} }))
  const experiment = new Experiment({ name: 'x', store: process.argv[2], progress: process.argv[3] === 'loud' })
  const out = []
  for (let i = 0; i < 2; i++) {
    const record = await experiment.run(undefined, [make])
    out.push([record.stages[0].how, await record.get('v')])
  }
  console.log(JSON.stringify(out))
`

async function run(folder: string, plus: number, options = '', loud = 'loud') {
  const { stdout, stderr } = await child(program(source(plus, options)), [folder, loud])
  return { out: JSON.parse(stdout) as [string, number][], stderr }
}

describe('a stage whose code has changed since its result was stored', () => {
  it("codeChange 'warn', the default: a hit, which says so once in a run; 'ignore' is silent; 'recompute' computes", async () => {
    const { folder } = await newStore()
    const first = await run(folder, 1)
    expect(first.out).toEqual([
      ['computed', 2],
      ['loaded', 2],
    ])
    expect(first.stderr).not.toContain('code has changed')
    const [changed, ignored, recomputed] = await Promise.all([
      run(folder, 2),
      run(folder, 2, ", codeChange: 'ignore'"),
      run(folder, 2, ", codeChange: 'recompute'"),
    ])
    expect(changed.out).toEqual([
      ['loaded', 2],
      ['loaded', 2],
    ])
    expect(
      changed.stderr.match(/make +warning: its code has changed since this result was stored; change its version/g),
    ).toHaveLength(2)
    expect([ignored.out[0], ignored.stderr.includes('code has changed')]).toEqual([['loaded', 2], false])
    expect(recomputed.out).toEqual([
      ['computed', 3],
      ['loaded', 3],
    ])
    const again = await run(folder, 1, ", codeChange: 'recompute'", 'quiet')
    expect(again).toEqual({
      out: [
        ['computed', 2],
        ['loaded', 2],
      ],
      stderr: '',
    })
  })
})
