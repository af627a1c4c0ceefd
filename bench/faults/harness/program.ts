/**
 * The sources as plain JavaScript in a folder of their own: children start three times faster than through a loader,
 * and a copy can have one guard taken out of it.
 */
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { newFolder, removeFolder } from './folders.js'
import { must } from './row.js'

/** One textual change to one source file. */
export interface Patch {
  readonly file: string
  /** Must occur exactly once; so the harness fails, and does not pass for nothing, when the code moves on. */
  readonly find: string
  readonly replace: string
}

const root = fileURLToPath(new URL('../../../', import.meta.url))
const sources = [
  'src/errors.ts',
  'src/version.ts',
  'src/identity',
  'src/store',
  'src/artifact',
  'src/execution',
  'cachers',
  'bench/faults',
]
const isCompiled = import.meta.url.endsWith('.js')

let base: Promise<string> | undefined

/** The folder of the compiled program: this one if it is, else it is made once per process. */
export function program(): Promise<string> {
  base ??= isCompiled ? Promise.resolve(root) : compile()
  return base
}

/** Removes what `program` made. */
export async function removeProgram(): Promise<void> {
  if (base !== undefined && !isCompiled) removeFolder(await base)
  base = undefined
}

async function compile(): Promise<string> {
  const folder = newFolder('curio-program-')
  process.once('exit', () => removeFolder(folder))
  for (const source of sources) {
    for (const file of typescriptFiles(source)) await emit(folder, file, fs.readFileSync(path.join(root, file), 'utf8'))
  }
  fs.writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}\n')
  const zod = createRequire(import.meta.url).resolve('zod/package.json')
  fs.symlinkSync(path.dirname(path.dirname(zod)), path.join(folder, 'node_modules'))
  return folder
}

function typescriptFiles(source: string): string[] {
  const at = path.join(root, source)
  if (!fs.statSync(at).isDirectory()) return [source]
  const names = fs.readdirSync(at, { recursive: true }) as string[]
  return names.filter((name) => name.endsWith('.ts')).map((name) => path.join(source, name))
}

async function emit(folder: string, file: string, text: string): Promise<void> {
  const { default: ts } = await import('typescript')
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  })
  const to = path.join(folder, file.replace(/\.ts$/, '.js'))
  fs.mkdirSync(path.dirname(to), { recursive: true })
  fs.writeFileSync(to, outputText)
}

/** A copy of the program with patches applied; the caller removes it. */
export async function mutant(patches: readonly Patch[]): Promise<string> {
  must(!isCompiled, 'mutants are made from the sources: run this row by tsx')
  const folder = newFolder('curio-mutant-')
  fs.cpSync(await program(), folder, { recursive: true, verbatimSymlinks: true })
  const texts = new Map<string, string>()
  for (const { file, find, replace } of patches) {
    const text = texts.get(file) ?? fs.readFileSync(path.join(root, file), 'utf8')
    must(text.split(find).length === 2, `the patch of ${file} must match once, at: ${find}`)
    // As a function: `$` in the replacement has no meaning.
    texts.set(
      file,
      text.replace(find, () => replace),
    )
  }
  for (const [file, text] of texts) await emit(folder, file, text)
  return folder
}
