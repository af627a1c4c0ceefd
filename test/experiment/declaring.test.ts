import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { JsonCacher } from '../../cachers/json.js'
import { Cacheable, Config, Experiment, lazy, type OutputSpec, stage } from '../../src/index.js'
import { child, failure, NumberCacher, program, quiet, root } from './helpers.js'

const body = async () => ({ n: 1 })
class Params extends Config({ a: z.int() }) {}

describe('declaring a stage', () => {
  it('takes its id from package, module and function', async () => {
    const it1 = stage({ outputs: { n: NumberCacher } }, async function named() {
      return { n: 1 }
    })
    const record = await (await quiet()).run(undefined, [it1])
    expect(record.stages[0]!.key).toMatch(/^curio\/test\/experiment\/declaring\.test\.named,1\/default-[a-z2-7]{16}$/)
    expect([it1.stageName, it1.version, it1.outputNames]).toEqual(['named', '1', ['n']])
  })

  it('refuses a function without a name, and says how to give it one', () => {
    expect(() => stage({ outputs: { n: NumberCacher } }, async () => ({ n: 1 }))).toThrow(
      /without a name cannot be cached\n.*pass `name:`/,
    )
  })

  it('refuses a second declaration of one id and version, in a loop and elsewhere, and takes another version', () => {
    const loop = () =>
      stage({ outputs: { n: NumberCacher } }, async function looped() {
        return { n: 1 }
      })
    loop()
    expect(loop).toThrow(/is declared twice at .*\n.*closes over values that no key can see/)
    stage({ outputs: { n: NumberCacher }, name: 'twice' }, body)
    expect(() => stage({ outputs: { n: NumberCacher }, name: 'twice' }, body)).toThrow(
      /twice \(version 1\) is declared at .* and at /,
    )
    expect(stage({ outputs: { n: NumberCacher }, name: 'twice', version: '2' }, body).version).toBe('2')
  })

  it('refuses what cannot work, before anything runs, and names the nearest option', () => {
    const bad: [object, string][] = [
      [{ output: { n: NumberCacher } }, 'did you mean outputs?'],
      [{ outputs: { n: NumberCacher }, code_change: 'warn' }, 'did you mean codeChange?'],
      [{ outputs: { n: NumberCacher }, codeChange: 'always' }, "use 'warn', 'recompute' or 'ignore'"],
      [{ outputs: { n: NumberCacher }, version: 'a b' }, 'is no version'],
      [{ outputs: { n: NumberCacher }, version: 2 }, 'is no version'],
      [{ outputs: { n: JSON } }, 'output n needs a cacher class or instance'],
      [{ outputs: { n: 'json' } }, 'output n needs a cacher class or instance'],
      [{ outputs: { 'a/b': NumberCacher } }, 'cannot name an artifact'],
      [{ outputs: { entry: NumberCacher } }, 'is a reserved name'],
      [{ outputs: { _files: NumberCacher } }, 'is a reserved name'],
      [{ outputs: { nul: NumberCacher } }, 'is a reserved name'],
      [{ outputs: { model: NumberCacher, Model: NumberCacher } }, 'would have one file name'],
      [{ outputs: null }, 'declares no outputs'],
      [{ outputs: { n: NumberCacher }, cachers: [NumberCacher] }, 'cachers go with a list of output names'],
      [{ outputs: { n: NumberCacher }, inputs: [3] }, 'an input is neither a stage nor a name'],
      [{ outputs: { n: NumberCacher }, inputs: 'x' }, 'inputs must be a list'],
      [{ outputs: { n: NumberCacher }, inputs: ['this'] }, 'is a reserved name'],
      [{ outputs: { n: NumberCacher }, params: { a: 1 } }, 'params must be a Config class'],
      [{ outputs: { n: NumberCacher }, params: z.object({}) }, 'params must be a Config class'],
      [{ outputs: { n: NumberCacher }, name: '' }, 'name'],
      [{ outputs: { n: NumberCacher }, name: '../up' }, 'cannot be a key'],
      [{ outputs: { n: NumberCacher }, name: 'a//b' }, 'cannot be a key'],
    ]
    for (const [options, message] of bad) {
      expect(() => stage({ name: 'bad', ...options } as never, body as never), JSON.stringify(options)).toThrow(message)
    }
  })

  it('refuses a cacher on a path of its own: that is for inline use', () => {
    expect(() => stage({ outputs: { n: new NumberCacher('a.num') }, name: 'bad' }, body)).toThrow(
      /path.*\n.*overwritePath/,
    )
    expect(() => stage({ outputs: { n: JsonCacher('a.json') }, name: 'bad' }, body)).toThrow('overwritePath')
  })

  it('refuses an option of lazy that does not exist', () => {
    expect(() => lazy(NumberCacher, { resolves: false } as never)).toThrow('did you mean resolve?')
  })

  it('refuses two cacher classes of one name', () => {
    const a = class Same extends Cacheable<number> {
      save() {}
      load() {
        return 1
      }
    }
    const b = class Same extends Cacheable<number> {
      save() {}
      load() {
        return 2
      }
    }
    stage({ outputs: { n: a }, name: 'same/a' }, body)
    expect(() => stage({ outputs: { n: b }, name: 'same/b' }, body)).toThrow('two cacher classes are called Same')
  })

  it('a stage called inside the body of another is refused with the way out', async () => {
    const inner = stage({ outputs: { n: NumberCacher }, name: 'nest/inner' }, body)
    const outer = stage({ outputs: { m: NumberCacher }, name: 'nest/outer' }, async (record) => {
      await inner(record as never)
      return { m: 1 }
    })
    const error = await failure((await quiet()).run(undefined, [outer]))
    expect(error).toMatchObject({ code: 'ERR_DECLARATION' })
    expect(error.message).toMatch(/inner.*takes a record/)
  })

  it('a run of what is no stage is refused', async () => {
    const experiment = await quiet()
    // @ts-expect-error a function is no stage
    const error = await failure(experiment.run(undefined, [body]))
    expect(error).toMatchObject({ code: 'ERR_DECLARATION' })
    expect(error.message).toContain('element 0 of the stages')
    expect(() => new Experiment({ name: '', store: '.' })).toThrow('an experiment needs a name')
    expect(() => new Experiment({ name: 'x' } as never)).toThrow('an experiment needs a store')
  })

  it('counts outputs, their cachers and their options in the key, and not whether they are lazy', async () => {
    const key = async (outputs: Record<string, OutputSpec>) => {
      const one = stage({ outputs, params: Params.pick(), name: 'kinds' }, async () => ({ n: 1, m: 1 }))
      return (await (await quiet()).run(new Params({ a: 1 }), [one])).stages[0]!.key
    }
    const base = await key({ n: NumberCacher, m: NumberCacher })
    expect(await key({ n: lazy(NumberCacher), m: NumberCacher })).toBe(base)
    expect(await key({ n: new NumberCacher({ subdir: 'x', track: false }), m: NumberCacher })).toBe(base)
    expect(await key({ n: new NumberCacher({ extension: '.txt' }), m: NumberCacher })).not.toBe(base)
    expect(await key({ n: JsonCacher, m: NumberCacher })).not.toBe(base)
    expect(await key({ n: null, m: NumberCacher })).not.toBe(base)
  })
})

describe('without a module', () => {
  it('in an evaluated string a stage needs a name', async () => {
    const text = `
      import { stage, Experiment } from 'curio'
      import { JsonCacher } from 'curio/cachers'
      export const { stage: declare } = { stage }
      const make = (options) => new Function('stage', 'options', 'return stage(options, async function f() { return { n: 1 } })')(stage, options)
      const outcome = (options) => { try { return make(options).stageName } catch (error) { return error.message } }
      import vm from 'node:vm'
      const inVm = (options) => vm.runInNewContext('declare(options, async function f() { return { n: 1 } })', { declare: stage, options })
      const vmOutcome = (options) => { try { return inVm(options).stageName } catch (error) { return error.message } }
      console.log(JSON.stringify([vmOutcome({ outputs: { n: JsonCacher } }), vmOutcome({ outputs: { n: JsonCacher }, name: 'named' })]))
    `
    const { stdout } = await child(program(text))
    const [without, named] = JSON.parse(stdout) as string[]
    expect(without).toMatch(/f is declared in no module\n.*name:/)
    expect(named).toBe('named')
  })

  it('in node --eval it needs one too, and may be declared again under it, as one does in a REPL', async () => {
    const text = `
      import { stage } from '${root}src/index.ts'
      const outcome = (options, body) => { try { return stage(options, body).stageName } catch (error) { return error.message } }
      const outputs = { n: null }
      console.log(JSON.stringify([
        outcome({ outputs }, async function f() { return { n: 1 } }),
        outcome({ outputs, name: 'named' }, async function f() { return { n: 1 } }),
        outcome({ outputs, name: 'named' }, async function g() { return { n: 2 } }),
      ]))
    `
    const { stdout } = await child('--input-type=module', ['--eval', text])
    const [without, named, again] = JSON.parse(stdout) as string[]
    expect(without).toMatch(/f is declared in no module\n.*name:/)
    expect([named, again]).toEqual(['named', 'named'])
  })
})
