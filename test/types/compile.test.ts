import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const maxInstantiations = 1_000_000
const stages = 50
const links = 30
let project = ''

/** Runs the compiler; gives what it prints, also when it finds errors. */
async function tsc(args: readonly string[]): Promise<string> {
  const bin = path.join(root, 'node_modules/typescript/bin/tsc')
  try {
    return (await promisify(execFile)(process.execPath, [bin, ...args], { cwd: project })).stdout
  } catch (error) {
    return (error as { stdout?: string }).stdout ?? String(error)
  }
}

beforeAll(async () => {
  project = fs.mkdtempSync(path.join(os.tmpdir(), 'curio-types-'))
  const write = (name: string, text: string): void => {
    fs.mkdirSync(path.dirname(path.join(project, name)), { recursive: true })
    fs.writeFileSync(path.join(project, name), text)
  }
  const packageJson = fs.readFileSync(path.join(root, 'package.json'), 'utf8')
  write('node_modules/curio/package.json', packageJson)
  for (const name of ['zod', 'apache-arrow', '@types/node', 'undici-types', 'vega-datasets']) {
    fs.mkdirSync(path.dirname(path.join(project, 'node_modules', name)), { recursive: true })
    fs.symlinkSync(path.join(root, 'node_modules', name), path.join(project, 'node_modules', name))
  }
  write('package.json', '{ "name": "consumer", "type": "module" }')
  const { extends: _, ...base } = JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.json'), 'utf8')) as {
    extends?: string
    compilerOptions: object
  }
  const compilerOptions = { ...base.compilerOptions, paths: {}, noEmit: false, declaration: true, rootDir: '.' }
  write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['lib'] }))
  write(
    'scale.json',
    JSON.stringify({ compilerOptions: { ...compilerOptions, noEmit: true, declaration: false }, include: ['scale'] }),
  )
  fs.cpSync(path.join(root, 'docs/examples'), path.join(project, 'lib/examples'), { recursive: true })
  fs.copyFileSync(path.join(root, 'test/types/exported.ts'), path.join(project, 'lib/exported.ts'))
  write('scale/pipeline.ts', pipeline(stages))
  write('links/chain.ts', chain(links))
  write(
    'links.json',
    JSON.stringify({ compilerOptions: { ...compilerOptions, noEmit: true, declaration: false }, include: ['links'] }),
  )
  // The package's own declarations, as they are published.
  const printed = await tsc([
    '-p',
    path.join(root, 'tsconfig.build.json'),
    '--outDir',
    path.join(project, 'node_modules/curio/dist'),
    '--emitDeclarationOnly',
  ])
  expect(printed).toBe('')
})

afterAll(() => fs.rmSync(project, { recursive: true, force: true }))

/** A pipeline in which each stage reads the one before it and the first, half of them lazily. */
function pipeline(count: number): string {
  const lines = [
    "import { Config, Experiment, lazy, stage } from 'curio'",
    "import { JsonCacher, MsgpackCacher } from 'curio/cachers'",
    "import { z } from 'zod'",
    'export class Params extends Config({ seed: z.int(), lr: z.number().default(1) }) {}',
    'export const s0 = stage({ params: Params, outputs: { o0: JsonCacher<number> } }, async function s0(record) { return { o0: record.params.seed } })',
  ]
  for (let i = 1; i < count; i++) {
    const cacher = i % 2 === 0 ? 'JsonCacher<number>' : 'lazy(MsgpackCacher)'
    const read = i === 1 ? [0] : [0, i - 1]
    lines.push(
      `export const s${i} = stage({ params: Params.pick('lr'), inputs: [${read.map((k) => `s${k}`)}], outputs: { o${i}: ${cacher} } },` +
        ` async function s${i}(record, { ${read.map((k) => `o${k}`)} }) { return { o${i}: o0 + o${i - 1} * record.params.lr } })`,
    )
  }
  const all = Array.from({ length: count }, (_, i) => `s${i}`).join(', ')
  lines.push(
    `const record = await new Experiment({ name: 'scale', store: '.' }).run(new Params({ seed: 1 }), [${all}])`,
  )
  lines.push(`export const last: number = await record.get('o${count - 1}')`)
  return `${lines.join('\n')}\n`
}

/** A chain of steps, each of a class of its own. */
function chain(count: number): string {
  const lines = ["import { Chain, Step } from 'curio'", "import { z } from 'zod'"]
  for (let i = 0; i < count; i++) {
    const [takes, gives] = i % 2 === 0 ? ['number', 'string'] : ['string', 'number']
    const body = i % 2 === 0 ? 'String(value + this.by)' : 'value.length + this.by'
    lines.push(
      `export class S${i} extends Step({ by: z.number().default(${i}) }) { compute(value: ${takes}): ${gives} { return ${body} } }`,
    )
  }
  const all = Array.from({ length: count }, (_, i) => `new S${i}()`).join(', ')
  lines.push(`export const chain = new Chain({ steps: [${all}] })`)
  lines.push(`export const last: Promise<${count % 2 === 0 ? 'number' : 'string'}> = chain.run(1)`)
  return `${lines.join('\n')}\n`
}

describe('against the built package', () => {
  it('the examples, and a library that exports everything with inferred types, compile with their declarations', async () => {
    const printed = await tsc(['-p', 'tsconfig.json', '--emitDeclarationOnly', '--outDir', 'out'])
    expect(printed).toBe('')
    const text = fs.readFileSync(path.join(project, 'out/lib/exported.d.ts'), 'utf8')
    expect(text).not.toMatch(/curio\/dist|import\("\.\.|\bany\[\]/)
  })

  it(`${stages} stages in one run compile within ${maxInstantiations.toLocaleString('en')} instantiations`, async () => {
    const begin = performance.now()
    const printed = await tsc(['-p', 'scale.json', '--extendedDiagnostics'])
    const seconds = ((performance.now() - begin) / 1000).toFixed(1)
    expect(printed).not.toContain('error TS')
    const instantiations = Number(/Instantiations:\s+(\d+)/.exec(printed)?.[1])
    const checking = /Check time:\s+([\d.]+s)/.exec(printed)?.[1]
    console.log(
      `scale: ${stages} stages: ${instantiations} instantiations, checked in ${checking}, tsc ${seconds} s in all`,
    )
    expect(instantiations).toBeGreaterThan(1000)
    expect(instantiations).toBeLessThan(maxInstantiations)
  })

  it(`a chain of ${links} steps compiles within ${maxInstantiations.toLocaleString('en')} instantiations`, async () => {
    const printed = await tsc(['-p', 'links.json', '--extendedDiagnostics'])
    expect(printed).not.toContain('error TS')
    const instantiations = Number(/Instantiations:\s+(\d+)/.exec(printed)?.[1])
    console.log(
      `scale: ${links} links: ${instantiations} instantiations, ${/Check time:\s+([\d.]+s)/.exec(printed)?.[1]}`,
    )
    expect(instantiations).toBeGreaterThan(1000)
    expect(instantiations).toBeLessThan(maxInstantiations)
  })
})
