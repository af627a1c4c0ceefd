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

describe('the package', () => {
  it('loads zod and its own files when it is imported, and nothing else', () => {
    const built = path.join(root, 'dist/src/index.js')
    expect(packagesLoadedBy(`await import(${JSON.stringify(built)})`)).toEqual(['zod'])
  })

  it('loads no package for its cachers until one is used', () => {
    const built = path.join(root, 'dist/cachers/index.js')
    expect(packagesLoadedBy(`await import(${JSON.stringify(built)})`)).toEqual([])
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
