import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What each floor of the house may import: itself and what is listed. */
const below: Readonly<Record<string, readonly string[]>> = {
  'src/errors': [],
  'src/version': [],
  'src/identity': ['src/errors'],
  'src/store': ['src/identity', 'src/errors'],
  'src/artifact': ['src/store', 'src/identity', 'src/errors', 'src/version'],
  'src/experiment': ['src/artifact', 'src/store', 'src/identity', 'src/errors'],
  'src/cli': ['src/experiment', 'src/artifact', 'src/store', 'src/identity', 'src/errors', 'src/version'],
  'src/index': ['src/experiment', 'src/artifact', 'src/store', 'src/identity', 'src/errors'],
  // File references count by content: the digests of files come from the floor that says what is the same.
  cachers: ['src/artifact', 'src/identity', 'src/errors'],
}

/** The one arrow that points up, and only by name, when it is first needed. */
const byName = { from: 'src/artifact/registry.ts', to: 'cachers' }

function sources(dir: string): string[] {
  return fs
    .readdirSync(path.join(root, dir), { recursive: true, encoding: 'utf8' })
    .map((name) => `${dir}/${name.split(path.sep).join('/')}`)
    .filter((name) => name.endsWith('.ts'))
}

function floorOf(file: string): string {
  const plain = file.replace(/\.(ts|js)$/, '')
  return Object.keys(below).find((floor) => plain === floor || plain.startsWith(`${floor}/`)) ?? plain
}

interface Arrow {
  readonly from: string
  readonly to: string
  readonly dynamic: boolean
}

function arrows(): Arrow[] {
  return [...sources('src'), ...sources('cachers')].flatMap((file) => {
    const text = fs.readFileSync(path.join(root, file), 'utf8')
    return [...text.matchAll(/(?:from|import|import\()\s*'(\.[^']+)'/g)].map((match) => ({
      from: file,
      to: path.posix.normalize(path.posix.join(path.posix.dirname(file), match[1]!)),
      dynamic: match[0].startsWith('import('),
    }))
  })
}

describe('the house', () => {
  it('has arrows that go down only', () => {
    const all = arrows()
    expect(all.length).toBeGreaterThan(100)
    const up = all.filter(({ from, to, dynamic }) => {
      const [floor, target] = [floorOf(from), floorOf(to)]
      if (floor === target) return false
      if (dynamic && from === byName.from && target === byName.to) return false
      return !below[floor]!.includes(target)
    })
    expect(up.map(({ from, to }) => `${from} → ${to}`)).toEqual([])
  })

  it('gives every source file a floor', () => {
    const homeless = [...sources('src'), ...sources('cachers')].filter((file) => !(floorOf(file) in below))
    expect(homeless).toEqual([])
  })

  it('has the agreed rooms at its top and nothing else', () => {
    const names = fs.readdirSync(root).filter((name) => !name.startsWith('.'))
    const rooms = ['bench', 'cachers', 'docs', 'package.json', 'README.md', 'src', 'test']
    const besides = [
      'CHANGELOG.md',
      'LICENSE',
      'biome.json',
      'package-lock.json',
      'tsconfig.json',
      'tsconfig.build.json',
      'vitest.config.ts',
    ]
    const made = ['dist', 'node_modules']
    expect(names.filter((name) => ![...rooms, ...besides, ...made].includes(name))).toEqual([])
    expect(rooms.filter((name) => !names.includes(name))).toEqual([])
  })

  it('keeps messages and addresses of one machine out of its files', () => {
    const machine = new RegExp(['/(work|root|home)/', 'registry\\.', '\\.internal\\b'].join('|'))
    const bad = [...sources('src'), ...sources('cachers'), ...sources('bench')].filter((file) =>
      machine.test(
        fs.readFileSync(path.join(root, file), 'utf8').replaceAll("'./registry.js'", '').replaceAll('/registry.js', ''),
      ),
    )
    expect(bad).toEqual([])
  })
})
