import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, it } from 'vitest'
import { child, newStore, program, tempDir } from './helpers.js'

describe('two processes that run one stage at once', () => {
  it('compute it once, and both get the value', async () => {
    const dir = tempDir()
    const { folder } = await newStore({ folder: path.join(dir, 'store') })
    const file = program(`
      import * as fs from 'node:fs'
      import * as path from 'node:path'
      import { Experiment, stage } from 'curio'
      import { JsonCacher } from 'curio/cachers'
      const [, , folder, dir, me] = process.argv
      const make = stage({ outputs: { v: JsonCacher }, name: 'make' }, async () => {
        fs.writeFileSync(path.join(dir, 'computed-by-' + me), '')
        // Long enough for the other to come and wait, however slow it starts: until it says that it is there.
        while (fs.readdirSync(dir).filter((name) => name.startsWith('ready-')).length < 2) await new Promise((done) => setTimeout(done, 5))
        await new Promise((done) => setTimeout(done, 100))
        return { v: me }
      })
      fs.writeFileSync(path.join(dir, 'ready-' + me), '')
      const record = await new Experiment({ name: 'x', store: folder, progress: false }).run(undefined, [make])
      console.log(JSON.stringify([record.stages[0].how, await record.get('v')]))
    `)
    const outcomes = await Promise.all(
      ['a', 'b'].map(async (me) => JSON.parse((await child(file, [folder, dir, me])).stdout) as [string, string]),
    )
    const computed = fs.readdirSync(dir).filter((name) => name.startsWith('computed-by-'))
    expect(computed).toHaveLength(1)
    const who = computed[0]!.slice(-1)
    expect(outcomes.map(([, value]) => value)).toEqual([who, who])
    expect(outcomes.map(([how]) => how).sort()).toEqual(['computed', 'loaded'])
    expect(fs.readdirSync(path.join(folder, 'locks'))).toEqual([])
  })
})
