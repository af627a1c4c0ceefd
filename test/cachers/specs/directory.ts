import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { type Directory, DirectoryCacher, type DirectoryLike } from '../../../cachers/directory.js'
import type { CacherCase, Sample } from '../../suites/cacher.js'

type Files = Readonly<Record<string, string>>

// One place for all processes that run these samples.
const folders = path.join(
  os.tmpdir(),
  `curio-directories-${createHash('sha256')
    .update(import.meta.url)
    .digest('hex')
    .slice(0, 8)}`,
)

/** Removes what the samples made. */
export function removeFolders(): void {
  fs.rmSync(folders, { recursive: true, force: true })
}

/** A folder with these files. */
function folder(name: string, files: Files): string {
  const at = path.join(folders, name)
  fs.mkdirSync(at, { recursive: true })
  for (const [file, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(at, file)), { recursive: true })
    if (!fs.existsSync(path.join(at, file))) fs.writeFileSync(path.join(at, file), content)
  }
  return at
}

/** What a loaded folder holds, by its own list. */
function contents({ path: at, files }: Directory): Files {
  const all = fs.readdirSync(at, { recursive: true, encoding: 'utf8' })
  assert.deepEqual(
    all.filter((name) => fs.statSync(path.join(at, name)).isFile()).sort(),
    files.map((name) => path.join(...name.split('/'))).sort(),
  )
  return Object.fromEntries(files.map((name) => [name, fs.readFileSync(path.join(at, name), 'utf8')]))
}

const sample = (label: string, make: () => DirectoryLike, files: Files): Sample<Directory, DirectoryLike> => ({
  label,
  make,
  // Which folder it is does not matter, nor where the files of the expected one are.
  loaded: () => ({ path: '', files: Object.keys(files).sort() }),
  same: (loaded, expected) => {
    assert.deepEqual(loaded.files, expected.files)
    assert.deepEqual(contents(loaded), files)
  },
})

const tree: Files = { 'a.txt': 'a'.repeat(50), 'b/c.bin': '\u0001\u0000', 'b/d/e': '', 'Ünïcode ☃/x y.txt': 'ü' }

export default {
  name: 'DirectoryCacher',
  cacher: DirectoryCacher,
  module: import.meta.url,
  damage: 'unnoticed',
  samples: [
    sample('the path of a folder', () => folder('tree', tree), tree),
    sample('one file', () => ({ files: { 'a.txt': 'a'.repeat(40) } }), { 'a.txt': 'a'.repeat(40) }),
    sample('an object with a path', () => ({ path: folder('tree', tree) }), tree),
    sample('files as they were listed', () => ({ path: folder('tree', tree), files: ['b/c.bin', 'a.txt'] }), {
      'a.txt': tree['a.txt']!,
      'b/c.bin': tree['b/c.bin']!,
    }),
    sample('bytes and texts by their names', () => ({ files: { 'x/y.txt': 'é', 'x/z': Uint8Array.of(65), w: '' } }), {
      'x/y.txt': 'é',
      'x/z': 'A',
      w: '',
    }),
    sample(
      'a folder with an empty one in it',
      () => {
        const at = folder('hollow', { 'a.txt': '1' })
        fs.mkdirSync(path.join(at, 'empty/deeper'), { recursive: true })
        return at
      },
      { 'a.txt': '1' },
    ),
  ],
  refused: [
    { label: 'undefined', value: undefined, message: /is undefined, not a folder/ },
    { label: 'a Map of files', value: { files: new Map([['a', 'b']]) }, message: /not a folder/ },
    { label: 'both files and a path', value: { path: '.', files: { a: 'b' } }, message: /not a folder/ },
    {
      label: 'a path where nothing is',
      value: path.join(folders, 'no-such'),
      message: /no-such, which does not exist[\s\S]*write the folder/,
    },
    { label: 'a file', value: path.join(folder('one', { f: '1' }), 'f'), message: /one\/f, which is no folder/ },
    { label: 'an empty path', value: '', message: /which is no path/ },
    { label: 'an empty folder', value: folder('empty', {}), message: /holds no file/ },
    { label: 'no files', value: { files: {} }, message: /holds no file/ },
    { label: 'a link', value: withLink(), message: /holds b\/link, which is a link or special file/ },
    {
      label: 'a path out of the folder',
      value: { files: { '../x': '' } },
      message: /"[^"]*\.\.\/x" cannot be a file of an artifact/,
    },
    {
      label: 'a name that Windows refuses',
      value: { files: { 'a/aux.txt': '' } },
      message: /aux\.txt" cannot be a file/,
    },
    {
      label: 'names that differ only by case',
      value: { files: { 'a.txt': '', 'A.txt': '' } },
      message: /occurs twice among the files/,
    },
    { label: 'a file below a file', value: { files: { a: '', 'a/b': '' } }, message: /lies below a file/ },
    {
      label: 'a number as content',
      value: { files: { 'a.txt': 3 } },
      message: /holds a\.txt, which is a number, not bytes or text/,
    },
    {
      label: 'half a surrogate pair',
      value: { files: { 'a.txt': '\ud800' } },
      message: /holds a\.txt, whose text has half/,
    },
    {
      label: 'a list of what is not there',
      value: { path: folder('one', { f: '1' }), files: ['g'] },
      message: /lists g, which is no file in/,
    },
  ],
} satisfies CacherCase<Directory, DirectoryLike>

function withLink(): string {
  const at = folder('linked', { 'a.txt': '1', 'b/c.txt': '2' })
  fs.rmSync(path.join(at, 'b/link'), { force: true })
  fs.symlinkSync('c.txt', path.join(at, 'b/link'))
  return at
}
