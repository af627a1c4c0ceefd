// @ts-check
/**
 * Where every worker begins, be it a thread, a process of a pool or a job. It is plain JavaScript, so that it runs whatever curio and the
 * user's modules are written in; loaders that are given on a command line do not reach threads.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

let isPrepared = false

/** Which tool writes the source of functions here (src/identity/source.ts). @param {string} tool */
const writtenBy = (tool) => Object.assign(globalThis, { [Symbol.for('curio.transpiler')]: tool })
writtenBy('node')

/**
 * Makes a TypeScript file importable by the project's own tsx: of the file's package, of the folder that the program runs in, or beside curio.
 *
 * @param {string} file
 */
async function prepare(file) {
  if (isPrepared || !/\.[cm]?tsx?$/.test(file)) return
  for (const from of [file, `${process.cwd()}/package.json`, import.meta.url]) {
    const found = tsxFor(from)
    if (found === undefined) continue
    for (const part of found) (await import(part)).register()
    writtenBy('tsx')
    isPrepared = true
    return
  }
  // Later versions of Node.js take TypeScript as it is, as far as it has no decorators.
  if (/** @type {any} */ (process.features).typescript) return
  throw new Error(
    `${file} is TypeScript, and there is no tsx to import it: npm install --save-dev tsx, or compile it first`,
  )
}

/**
 * The tsx that a file's package has. As `require` finds it, it does not work in every version: its own map says where it is for `import`.
 *
 * @param {string} from
 */
function tsxFor(from) {
  try {
    const manifest = createRequire(from).resolve('tsx/package.json')
    const { exports } = JSON.parse(readFileSync(manifest, 'utf8'))
    return ['./cjs/api', './esm/api'].map((name) => new URL(exports[name].import.default, pathToFileURL(manifest)).href)
  } catch {
    return undefined
  }
}

const source = fileURLToPath(new URL('serve.ts', import.meta.url))
if (existsSync(source)) await prepare(source)
const { serve } = await import('./serve.js')
await serve(prepare)
