import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as curio from 'curio'
import * as cachers from 'curio/cachers'
import { describe, expect, it } from 'vitest'
import { version } from '../../src/version.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The packages whose files a fresh process reads when it runs `code`. */
function packagesLoadedBy(code: string): string[] {
  const hooks = `
    import { register } from 'node:module'
    const source = "export async function load(url, context, next) { process._rawDebug('LOADED ' + url); return next(url, context) }"
    register('data:text/javascript,' + encodeURIComponent(source))
  `
  const done = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(hooks)}`, '--input-type=module', '-e', code],
    {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '', NODE_NO_WARNINGS: '1' },
    },
  )
  expect(done.status, done.stderr).toBe(0)
  const urls = [...done.stderr.matchAll(/LOADED (\S+)/g)].map((match) => match[1]!)
  expect(urls.length).toBeGreaterThan(5)
  const names = urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [])
  return [...new Set(names)].sort()
}

/** What a page says, without its code. */
function textOf(page: string): string {
  const text = fs.readFileSync(path.join(root, page), 'utf8')
  return text.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ''))
}

/** Where the links of a page lead, those to the web left out. */
function linksOf(page: string): { readonly file: string; readonly heading: string | undefined }[] {
  return [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => {
      const [file, heading] = target.split('#') as [string, string | undefined]
      return { file: file === '' ? page : path.posix.join(path.posix.dirname(page), file), heading }
    })
}

/** The headings of a page, as links name them. */
function headingsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ (.*)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe('the package', () => {
  it('loads zod and its own files when it is imported, and nothing else', () => {
    const built = path.join(root, 'dist/src/index.js')
    expect(packagesLoadedBy(`await import(${JSON.stringify(built)})`)).toEqual(['zod'])
  })

  it('loads no package for its cachers until one is used', () => {
    const built = path.join(root, 'dist/cachers/index.js')
    expect(packagesLoadedBy(`await import(${JSON.stringify(built)})`)).toEqual([])
  })

  it('has every file that its pages link to, and the headings', () => {
    const packed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(packed.status, packed.stderr).toBe(0)
    const [{ files }] = JSON.parse(packed.stdout) as [{ files: { path: string }[] }]
    const names = files.map((file) => file.path)
    const pages = names.filter((name) => name.endsWith('.md'))
    expect(pages).toContain('docs/execution.md')
    const broken = pages.flatMap((page) =>
      linksOf(page)
        .filter(({ file, heading }) => {
          const isThere = names.some((name) => name === file || name.startsWith(`${file}/`))
          return !isThere || (heading !== undefined && !headingsOf(file).includes(heading))
        })
        .map(({ file, heading }) => `${page}: ${file}${heading === undefined ? '' : `#${heading}`}`),
    )
    expect(broken).toEqual([])
  })

  it('says the version of package.json', () => {
    expect(version).toBe(
      (JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }).version,
    )
  })

  it('exports these names', () => {
    expect(Object.keys(curio).sort()).toMatchInlineSnapshot(`
      [
        "BatchProtocolError",
        "Cacheable",
        "CachedError",
        "CacherError",
        "Chain",
        "Codec",
        "Config",
        "ConfigError",
        "CurioError",
        "DeclarationError",
        "DefaultChangedError",
        "Experiment",
        "IntegrityError",
        "InvalidNameError",
        "JobError",
        "KeyCollisionError",
        "Lazy",
        "MapInfra",
        "MissingInputError",
        "NoSpaceError",
        "NondeterminismError",
        "NotEncodableError",
        "NotFoundError",
        "OrderedMap",
        "PermissionError",
        "ReadOnlyError",
        "StageOutputError",
        "StageRecord",
        "Step",
        "Store",
        "StoreIOError",
        "StoreOpenError",
        "TaskInfra",
        "UndeclaredInputError",
        "UnknownCacherError",
        "aggregate",
        "anyStep",
        "callable",
        "canonical",
        "currentJob",
        "currentSignal",
        "exported",
        "identity",
        "ignored",
        "inputDir",
        "inputFile",
        "isConfig",
        "isLazy",
        "isMain",
        "lazy",
        "map",
        "nearest",
        "oneOf",
        "refuseUnknown",
        "register",
        "registerCacher",
        "secret",
        "sha256",
        "stage",
        "stageOf",
        "stepInfra",
        "task",
        "toArray",
        "toYaml",
        "withInfra",
        "withSignal",
      ]
    `)
    expect(Object.keys(cachers).sort()).toMatchInlineSnapshot(`
      [
        "ArrowCacher",
        "BytesCacher",
        "CsvCacher",
        "DirectoryCacher",
        "FileReferenceCacher",
        "FrameCacher",
        "JsonCacher",
        "JsonFrameCacher",
        "MsgpackCacher",
        "NotebookCacher",
        "ParquetCacher",
        "SafetensorsCacher",
        "TensorCacher",
        "TextCacher",
        "registerClass",
        "rowsOf",
        "tableOf",
      ]
    `)
  })
})
