/** The house of design.md, section 3: arrows go down only. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Floors from the ground up; neighbours on one floor do not know each other. */
const floors: readonly (readonly string[])[] = [
  ['src/errors.ts', 'src/version.ts'],
  ['src/identity'],
  ['src/store'],
  ['src/artifact'],
  ['src/execution'],
  ['src/experiment'],
  ['src/index.ts', 'src/cli'],
]

/** What cachers may use of the house. Anything else is a decision, to be made here. */
const forCachers = ['src/artifact', 'src/errors.ts']
const exceptions: Readonly<Record<string, string>> = {
  // What makes two files the same is said in one place.
  'cachers/file-reference.ts': 'src/identity/files.ts',
  // Which names every system takes is said in one place, too.
  'cachers/directory.ts': 'src/identity/path.ts',
}

interface Import {
  readonly from: string
  /** A file of ours relative to the repository, or a package. */
  readonly to: string
  readonly isDynamic: boolean
  readonly isType: boolean
}

function sourcesIn(folder: string): string[] {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.posix.join(folder, name.split(path.sep).join('/')))
    .sort()
}

/** Imports of a file, comments and documentation left out. */
function importsOf(file: string): Import[] {
  const text = fs
    .readFileSync(path.join(root, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
  const found: Import[] = []
  const add = (specifier: string, isDynamic: boolean, isType: boolean) => {
    const to = specifier.startsWith('.')
      ? path.posix.join(path.posix.dirname(file), specifier).replace(/\.js$/, '.ts')
      : specifier
    found.push({ from: file, to, isDynamic, isType })
  }
  for (const [, kind, specifier] of text.matchAll(/^(import|export)\b[^'"`;]*?\bfrom\s+['"]([^'"]+)['"]/gm)) {
    const statement =
      text
        .slice(0, text.indexOf(`'${specifier}'`))
        .split(/^(?=import|export)/m)
        .pop() ?? ''
    add(specifier!, false, new RegExp(`^${kind} type\\b`).test(statement))
  }
  for (const [, specifier] of text.matchAll(/^import\s+['"]([^'"]+)['"]/gm)) add(specifier!, false, false)
  for (const [, specifier] of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) add(specifier!, true, false)
  return found
}

const sources = [...sourcesIn('src'), ...sourcesIn('cachers')]
const imports = sources.flatMap(importsOf)
const isOurs = ({ to }: Import) => to.startsWith('src/') || to.startsWith('cachers/')
const isIn = (file: string, place: string) => file === place || file.startsWith(`${place}/`)
const floorOf = (file: string) => floors.findIndex((places) => places.some((place) => isIn(file, place)))
const show = ({ from, to, isDynamic }: Import) => `${from} ${isDynamic ? 'loads' : 'imports'} ${to}`

test('every file has its place in the house', () => {
  const misplaced = sources.filter((file) => !file.startsWith('cachers/') && floorOf(file) < 0)
  expect(misplaced).toEqual([])
  expect(sources.length).toBeGreaterThan(40)
})

test('the reader of imports sees them all', () => {
  expect(imports.filter(({ from }) => from === 'src/artifact/registry.ts').map(show)).toEqual(
    expect.arrayContaining([
      'src/artifact/registry.ts imports src/errors.ts',
      'src/artifact/registry.ts imports src/artifact/cacheable.ts',
      'src/artifact/registry.ts loads cachers/json.ts',
    ]),
  )
  for (const one of imports.filter(isOurs)) expect(fs.existsSync(path.join(root, one.to)), show(one)).toBe(true)
})

test('no arrow points up, and neighbours do not know each other', () => {
  const wrong = imports.filter((one) => {
    if (!isOurs(one) || one.from.startsWith('cachers/') || one.to.startsWith('cachers/')) return false
    const [from, to] = [floorOf(one.from), floorOf(one.to)]
    if (to !== from) return to > from
    return !floors[from]!.some((place) => isIn(one.from, place) && isIn(one.to, place))
  })
  expect(wrong.map(show)).toEqual([])
})

test('the house knows cachers in one file only, by name, and when they are needed', () => {
  const known = imports.filter((one) => one.from.startsWith('src/') && one.to.startsWith('cachers/'))
  expect(known.filter((one) => one.from !== 'src/artifact/registry.ts' || !one.isDynamic).map(show)).toEqual([])
})

test('cachers know artifacts and errors, and nothing else of the house', () => {
  const wrong = imports.filter((one) => {
    if (!one.from.startsWith('cachers/') || !one.to.startsWith('src/')) return false
    return !forCachers.some((place) => isIn(one.to, place)) && exceptions[one.from] !== one.to
  })
  expect(wrong.map(show)).toEqual([])
})

test('errors import nothing of ours', () => {
  expect(imports.filter((one) => one.from === 'src/errors.ts').map(show)).toEqual([])
})

test('only zod and the platform are imported at once; packages of weight are loaded when they are needed', () => {
  const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
    peerDependencies: Record<string, string>
  }
  const packages = imports.filter((one) => !isOurs(one) && !one.to.startsWith('node:'))
  const declared = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)]
  expect(packages.filter((one) => !declared.includes(one.to.split('/')[0]!)).map(show)).toEqual([])
  const atOnce = packages.filter((one) => !one.isDynamic && !one.isType && one.from.startsWith('src/'))
  expect([...new Set(atOnce.map((one) => one.to))]).toEqual(['zod'])
})

test('nothing imports in a circle, but for types', () => {
  const arrows = new Map<string, string[]>()
  for (const one of imports) {
    if (isOurs(one) && !one.isType && !one.isDynamic) arrows.set(one.from, [...(arrows.get(one.from) ?? []), one.to])
  }
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, above: string[]): void => {
    if (above.includes(file)) circles.push([...above.slice(above.indexOf(file)), file].join(' → '))
    if (done.has(file) || above.includes(file)) return
    for (const next of arrows.get(file) ?? []) visit(next, [...above, file])
    done.add(file)
  }
  for (const file of sources) visit(file, [])
  expect(circles).toEqual([])
})

test('the top of the repository has the agreed rooms and nothing else', () => {
  const names = fs.readdirSync(root).filter((name) => !name.startsWith('.'))
  const rooms = ['bench', 'cachers', 'docs', 'package.json', 'README.md', 'src', 'test']
  const configuration = ['biome.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'vitest.config.ts']
  const made = ['dist', 'node_modules']
  const known = [...rooms, 'CHANGELOG.md', 'LICENSE', ...configuration, ...made]
  expect(names.filter((name) => !known.includes(name))).toEqual([])
  expect(rooms.filter((name) => !names.includes(name))).toEqual([])
})

test('no file says where one machine keeps things, or which registry it asks', () => {
  const machine = new RegExp(['/(work|root|home)/', 'registry\\.', '\\.internal\\b'].join('|'))
  const bad = [...sources, ...sourcesIn('bench')].filter((file) =>
    machine.test(fs.readFileSync(path.join(root, file), 'utf8').replaceAll(/[./'a-z-]*registry\.(js|ts)/g, '')),
  )
  expect(bad).toEqual([])
})
