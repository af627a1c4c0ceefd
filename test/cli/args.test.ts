import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { JsonCacher } from '../../cachers/json.js'
import { TextCacher } from '../../cachers/text.js'
import { commands } from '../../src/cli/commands.js'
import { commandHelp, programHelp } from '../../src/cli/help.js'
import { version } from '../../src/version.js'
import { Place, root, spawnCurio } from './helpers.js'

const place = new Place()
beforeAll(async () => {
  const store = await place.open()
  await store.save('demo/a', JsonCacher, { a: 1 })
  await store.save('demo/long', TextCacher, 'a line of text\n'.repeat(40_000))
})
afterAll(() => place.remove())

describe('the command line', () => {
  it('without a command it prints the help and says by exit code 2 that nothing was asked', async () => {
    const ran = await place.curio()
    expect(ran).toMatchObject({ code: 2, out: programHelp() })
  })

  it('--help, -h and `help <command>` print the help of the program or of the command', async () => {
    expect(await place.curio('--help')).toMatchObject({ code: 0, out: programHelp() })
    expect(await place.curio('-h')).toMatchObject({ code: 0, out: programHelp() })
    for (const command of commands) {
      const help = commandHelp(command)
      expect(help).toContain('Examples:')
      expect(await place.curio(command.name, '--help')).toMatchObject({ code: 0, out: help })
      expect(await place.curio('help', command.name)).toMatchObject({ code: 0, out: help })
    }
  })

  it('no line of help is wider than 140 characters', () => {
    const lines = [programHelp(), ...commands.map(commandHelp)].join('\n').split('\n')
    expect(lines.filter((line) => line.length > 140)).toEqual([])
  })

  it('--version prints the version of the package', async () => {
    const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      version: string
    }
    expect(await place.curio('--version')).toMatchObject({ code: 0, out: `${manifest.version}\n` })
    expect(version).toBe(manifest.version)
  })

  it.each([
    [['lst'], 'curio has no command "lst"', 'did you mean ls?'],
    [['frobnicate'], 'curio has no command "frobnicate"', 'known: ls, show'],
    [['ls', '--lonk'], 'curio ls has no option --lonk', 'did you mean --long?'],
    [['--jsn', 'ls'], 'curio ls has no option --jsn', 'did you mean --json?'],
    [['ls', '--yes'], 'curio ls has no option --yes', 'it is an option of curio rm'],
    [['ls', '-x'], 'curio ls has no option -x', 'see curio ls --help'],
    [['ls', '--long=1'], '--long takes no value', ''],
    [['ls', '--store'], '--store needs a value', 'write --store=<value>'],
    [['ls', '--store', '--long'], '--store needs a value', 'write --store=<value>'],
    [['why', 'x', '--nearest', 'two'], '--nearest "two" is no whole number', ''],
    [['show'], 'curio show needs an argument', 'curio show <key>'],
    [['du', 'x', 'y'], 'curio du takes no arguments, not "x" "y"', 'curio du'],
    [['ls', 'a', 'b'], 'curio ls takes one argument', 'curio ls [prefix]'],
    [['cat', 'demo/a', '--raw', '--json'], '--raw and --json do not go together', ''],
    [['cat', 'demo/a', '--file', 'x'], '--file needs --raw', ''],
    [['rm', 'demo/a', '--evict', '--all'], '--evict keeps the folders', ''],
  ])('%j is refused with exit code 2, and says how it is meant', async (argv, message, hint) => {
    const ran = await place.curio(...argv)
    expect(ran.code).toBe(2)
    expect(ran.out).toBe('')
    expect(ran.err).toContain(message)
    expect(ran.err).toContain(hint)
  })

  it('errors are JSON on standard error with --json', async () => {
    const ran = await place.curio('show', 'nothing-like-it', '--json')
    expect(ran.code).toBe(1)
    expect(ran.out).toBe('')
    expect(JSON.parse(ran.err)).toMatchObject({
      exitCode: 1,
      error: { code: 'ERR_NOT_FOUND', hint: expect.any(String) },
    })
    expect(JSON.parse((await place.curio('lss', '--json')).err)).toMatchObject({
      exitCode: 2,
      error: { code: 'ERR_USAGE', message: 'curio has no command "lss"', hint: 'did you mean ls?' },
    })
  })

  it('a key that could be none is refused with exit code 2', async () => {
    for (const command of ['show', 'cat', 'why', 'rm']) {
      const ran = await place.curio(command, 'demo/../../etc')
      expect(ran.code).toBe(2)
      expect(ran.err).toContain('has the part ..')
    }
  })
})

describe('the store', () => {
  it('is found by --store, then CURIO_STORE, then upward from the current folder', async () => {
    const deep = path.join(place.dir, 'a/b')
    fs.mkdirSync(deep, { recursive: true })
    const keys = async (options: Parameters<Place['curioWith']>[0], ...argv: string[]) =>
      (await place.curioWith(options, 'ls', ...argv)).out.split('\n').length - 1
    expect(await keys({ cwd: deep })).toBe(2)
    expect(await keys({ cwd: place.folder })).toBe(2)
    expect(await keys({ cwd: path.join(place.folder, 'artifacts') })).toBe(2)
    expect(await keys({ cwd: '/', env: { CURIO_STORE: place.folder } })).toBe(2)
    expect(await keys({ cwd: '/', env: { CURIO_STORE: '/nowhere' } }, '--store', place.folder)).toBe(2)
    expect(await keys({ cwd: place.dir }, '--store=.curio')).toBe(2)
  })

  it('that is not there is exit code 3, names the way out, and is not created', async () => {
    const empty = path.join(place.dir, 'empty')
    fs.mkdirSync(empty)
    for (const argv of [['ls'], ['verify', '--repair'], ['rm', 'x', '--yes'], ['du']]) {
      const ran = await place.curioWith({ cwd: '/' }, ...argv)
      expect(ran.code).toBe(3)
      expect(ran.err).toContain('--store <folder>')
      expect((await place.curio(...argv, '--store', empty)).code).toBe(3)
      expect((await place.curio(...argv, '--store', path.join(place.dir, 'absent'))).code).toBe(3)
      // A folder of other things.
      expect((await place.curio(...argv, '--store', place.dir)).err).toContain('.curio')
    }
    expect(fs.readdirSync(empty)).toEqual([])
    expect(fs.existsSync(path.join(place.dir, 'absent'))).toBe(false)
  })

  it('that anyone may write to is refused with exit code 3, unless it is trusted', async () => {
    const open = path.join(place.dir, 'open')
    fs.cpSync(place.folder, open, { recursive: true, verbatimSymlinks: true })
    fs.chmodSync(open, 0o777)
    const ran = await place.curio('ls', '--store', open)
    expect(ran).toMatchObject({ code: 3, err: expect.stringContaining(`chmod o-w ${open}`) })
    expect((await place.curio('ls', '--store', open, '--trust-world-writable')).code).toBe(0)
  })

  it('of a newer format is exit code 3 and stays as it is', async () => {
    const newer = path.join(place.dir, 'newer')
    fs.mkdirSync(newer)
    fs.writeFileSync(path.join(newer, 'curio.json'), '{"format":9,"digest":"sha256","id":"x","features":[]}\n')
    const ran = await place.curio('ls', '--store', newer)
    expect(ran).toMatchObject({ code: 3 })
    expect(ran.err).toContain('format 9')
    expect(fs.readdirSync(newer)).toEqual(['curio.json'])
  })
})

describe('colours', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
  const sequence = /\u001b\[/

  it('appear on a terminal, and nowhere else', async () => {
    expect((await place.curioWith({ tty: true }, 'show', 'demo/a')).out).toMatch(sequence)
    expect((await place.curio('show', 'demo/a')).out).not.toMatch(sequence)
  })

  it('are switched off by --no-color, NO_COLOR and a dumb terminal', async () => {
    expect((await place.curioWith({ tty: true }, 'show', 'demo/a', '--no-color')).out).not.toMatch(sequence)
    expect((await place.curioWith({ tty: true, env: { NO_COLOR: '1' } }, 'show', 'demo/a')).out).not.toMatch(sequence)
    expect((await place.curioWith({ tty: true, env: { TERM: 'dumb' } }, 'show', 'demo/a')).out).not.toMatch(sequence)
  })
})

describe('as a process of its own', () => {
  it('prints to standard output and exits with the code', () => {
    const ran = spawnCurio(place.dir, ['cat', 'demo/a'])
    expect(ran).toMatchObject({ status: 0, stdout: '{\n  "a": 1\n}\n', stderr: '' })
    expect(spawnCurio(place.dir, ['nonsense']).status).toBe(2)
  })

  it('ends quietly when the reader goes away', () => {
    const script = '("$NODE" --import "$TSX" "$MAIN" cat demo/long; echo "exit $?" >&2) | head -n 1'
    const env = { NODE: process.execPath, TSX: import.meta.resolve('tsx'), MAIN: path.join(root, 'src/cli/main.ts') }
    const ran = spawnSync('sh', ['-c', script], { cwd: place.dir, encoding: 'utf8', env: { ...process.env, ...env } })
    expect(ran).toMatchObject({ stdout: 'a line of text\n', stderr: 'exit 0\n' })
  })
})
