import { execFile } from 'node:child_process'
import fsModule, * as fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { BytesCacher } from '../../cachers/bytes.js'
import { JsonCacher } from '../../cachers/json.js'
import { TextCacher } from '../../cachers/text.js'
import { Config, lazy, stage } from '../../src/index.js'
import { othersReason } from '../helpers/others.js'
import { failure, listing, NumberCacher, newStore, program, quiet, root, tempDir } from './helpers.js'

class Params extends Config({ a: z.int().default(1) }) {}

const load = stage(
  {
    params: Params,
    outputs: { rows: JsonCacher<number[]>, raw: lazy(TextCacher, { resolve: false }) },
    name: 'cannot/load',
  },
  async ({ params }) => ({ rows: [params.a, 2], raw: 'raw text' }),
)
const total = stage(
  { inputs: [load], params: Params.pick(), outputs: { sum: NumberCacher, head: TextCacher }, name: 'cannot/total' },
  async (_r, { rows, raw }) => ({
    sum: rows.reduce((a, b) => a + b, 0),
    head: fs.readFileSync(raw.path, 'utf8').slice(0, 3),
  }),
)

type Open = typeof fs.openSync
const real = { openSync: fs.openSync, open: fs.promises.open }

/** New files below `folder` cannot be made, as on a full disk. `after`: how many still can. */
function fillDisk(folder: string, code: string, after = 0): void {
  let left = after
  const full = (file: unknown, flags: unknown): void => {
    if (typeof flags !== 'string' || !flags.startsWith('w') || !String(file).startsWith(folder)) return
    left -= 1
    if (left < 0)
      throw Object.assign(new Error(`${code}: played by the test, open '${String(file)}'`), { code, syscall: 'open' })
  }
  const patched = fsModule as { openSync: Open; promises: { open: typeof real.open } }
  patched.openSync = ((...args: Parameters<Open>) => {
    full(args[0], args[1])
    return real.openSync(...args)
  }) as Open
  patched.promises.open = async (...args) => {
    full(args[0], args[1])
    return real.open(...args)
  }
  syncBuiltinESMExports()
}

afterEach(() => {
  const patched = fsModule as { openSync: Open; promises: { open: typeof real.open } }
  patched.openSync = real.openSync
  patched.promises.open = real.open
  syncBuiltinESMExports()
})

describe('a store that cannot be written', () => {
  it.each(['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'EIO'])(
    '%s: the run finishes with its values and says so; nothing half stays',
    async (code) => {
      const store = await newStore()
      const before = listing(store.folder)
      fillDisk(store.folder, code)
      const record = await (await quiet(store)).run(new Params({}), [load, total])
      expect(record.stages.map(({ how }) => how)).toEqual(['uncached', 'uncached'])
      for (const { note } of record.stages) expect(note).toContain(code)
      expect([await record.get('sum'), await record.get('head'), await record.get('rows')]).toEqual([3, 'raw', [1, 2]])
      expect(await (await record.get('raw')).load()).toBe('raw text')
      expect(store.events.counts['put-failed']).toBe(2)
      const left = listing(store.folder).filter((line) => !before.includes(line))
      expect(left.filter((line) => !/^(locks|blobs|artifacts| |$)/.test(line))).toEqual([])
      expect(left.some((line) => line.includes('entry.json') || line.includes('.tmp-'))).toBe(false)
    },
  )

  it.each([1, 2, 3])(
    'from file %i on: what was acknowledged before is whole, and the rest is computed again when there is room',
    async (after) => {
      const store = await newStore()
      const experiment = await quiet(store)
      fillDisk(store.folder, 'ENOSPC', after)
      const record = await experiment.run(new Params({ a: 7 }), [load, total])
      expect([await record.get('sum'), await record.get('head')]).toEqual([9, 'raw'])
      fillDisk(store.folder, 'ENOSPC', 1000)
      const again = await experiment.run(new Params({ a: 7 }), [load, total])
      expect([await again.get('sum'), await again.get('head')]).toEqual([9, 'raw'])
      expect((await experiment.run(new Params({ a: 7 }), [load, total])).stages.map(({ how }) => how)).toEqual([
        'loaded',
        'loaded',
      ])
      expect((await store.verify()).problems).toEqual([])
    },
  )

  it('a stream can be read only once, so its run fails with the reason rather than with a shorter value', async () => {
    async function* chunks() {
      yield new Uint8Array([1, 2])
      yield new Uint8Array([3])
    }
    const flow = stage({ outputs: { bytes: BytesCacher }, name: 'cannot/flow' }, async () => ({ bytes: chunks() }))
    const store = await newStore()
    const experiment = await quiet(store)
    fillDisk(store.folder, 'ENOSPC')
    expect(await failure(experiment.run(undefined, [flow]))).toMatchObject({ code: 'ERR_NO_SPACE' })
    fillDisk(store.folder, 'ENOSPC', 1000)
    expect(await (await experiment.run(undefined, [flow])).get('bytes')).toEqual(new Uint8Array([1, 2, 3]))
    const dry = await newStore({ folder: store.folder, readOnly: true })
    const flowing = await (await quiet(dry)).run(undefined, [flow], { force: ['flow'] })
    expect(await flowing.get('bytes')).toEqual(new Uint8Array([1, 2, 3]))
  })

  it('what a cacher refuses to save fails the run: that is a mistake in the stage, not in the store', async () => {
    const wrong = stage({ outputs: { when: JsonCacher }, name: 'cannot/date' }, async () => ({ when: new Date(0) }))
    const error = await failure((await quiet()).run(undefined, [wrong]))
    expect(error).toMatchObject({ code: 'ERR_CACHER_SAVE' })
    expect(error.message).toContain('when is a Date: use MsgpackCacher')
  })

  it('an overwritePath that cannot be written is an error with its path, and the result is stored all the same', async () => {
    const dir = tempDir()
    const blocked = path.join(dir, 'file')
    fs.writeFileSync(blocked, '')
    let n = 0
    const copy = stage(
      { outputs: { v: new NumberCacher({ overwritePath: path.join(blocked, 'v.num') }) }, name: 'cannot/copy' },
      async () => ({ v: ++n }),
    )
    const experiment = await quiet()
    const error = await failure(experiment.run(undefined, [copy]))
    expect(error.code).toMatch(/^ERR_STORE_IO/)
    expect(error.message).toContain('v.num')
    fs.rmSync(blocked)
    expect([await (await experiment.run(undefined, [copy])).get('v'), n]).toEqual([1, 1])
  })
})

describe('a store of somebody else, as another user', () => {
  const canSwitch = process.getuid?.() === 0
  const reason = process.platform === 'win32' ? 'needs POSIX users' : canSwitch ? othersReason : undefined

  it.skipIf(reason !== undefined)(
    `loads what is there, computes what is not, says so, and leaves no trace${reason === undefined ? '' : ` (skipped: ${reason})`}`,
    async () => {
      const dir = tempDir()
      for (let at = dir; at.startsWith(path.dirname(path.dirname(dir))); at = path.dirname(at)) {
        if ((fs.statSync(at).mode & 0o055) !== 0o055 && at.includes('curio-experiment-')) fs.chmodSync(at, 0o755)
      }
      const folder = path.join(dir, 'store')
      const text = `
      import { Config, Experiment, stage } from 'curio'
      import { JsonCacher } from 'curio/cachers'
      import { z } from 'zod'
      if (process.argv[3] !== '') { process.setgid(65534); process.setuid(65534) }
      class P extends Config({ a: z.int() }) {}
      const make = stage({ params: P, outputs: { v: JsonCacher }, name: 'make' }, async ({ params }) => ({ v: [params.a] }))
      const experiment = new Experiment({ name: 'x', store: process.argv[2], progress: false })
      const out = []
      for (const a of [1, 2]) {
        const record = await experiment.run(new P({ a }), [make])
        out.push([record.stages[0].how, await record.get('v'), record.stages[0].note ?? ''])
      }
      console.log(JSON.stringify(out))
    `
      const file = program(text)
      const run = async (user: string) => {
        const env = { ...process.env, VITEST: undefined, TMPDIR: undefined }
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--import', path.join(root, 'node_modules/tsx/dist/loader.mjs'), file, folder, user],
          { cwd: root, env },
        )
        return JSON.parse(stdout) as [string, number[], string][]
      }
      const store = await newStore({ folder })
      expect((await run('')).map(([how]) => how)).toEqual(['computed', 'computed'])
      for await (const entry of store.list({ prefix: 'make' }))
        if (entry.params!.a === '2') await store.forget(entry.key)
      const modes: [string, number][] = []
      if (!canSwitch) {
        for (const name of ['', ...fs.readdirSync(folder, { recursive: true }).map(String)]) {
          const at = path.join(folder, name)
          if (!fs.lstatSync(at).isDirectory()) continue
          modes.push([at, fs.statSync(at).mode])
          fs.chmodSync(at, 0o555)
        }
      }
      const before = listing(folder)
      const [there, gone] = await run(canSwitch ? 'nobody' : '')
      expect(there).toEqual(['loaded', [1], ''])
      expect(gone!.slice(0, 2)).toEqual(['uncached', [2]])
      expect(gone![2]).toContain('EACCES')
      expect(listing(folder)).toEqual(before)
      for (const [at, mode] of modes) fs.chmodSync(at, mode & 0o7777)
    },
  )
})
