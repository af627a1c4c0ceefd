import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const tsx = path.join(root, 'node_modules/tsx/dist/loader.mjs')

interface Block {
  readonly page: string
  readonly line: number
  readonly code: string
  /** The `text` block right behind it: what it prints. */
  readonly prints: string | undefined
}

/** Every `ts` block of the README and the docs. */
function blocks(): Block[] {
  const pages = [
    'README.md',
    ...fs.readdirSync(path.join(root, 'docs'), { recursive: true }).map((name) => `docs/${String(name)}`),
  ]
  return pages
    .filter((page) => page.endsWith('.md'))
    .sort()
    .flatMap((page) => {
      const text = fs.readFileSync(path.join(root, page), 'utf8')
      return [...text.matchAll(/^```ts\n(.*?)^```\n(?:\s*^```text\n(.*?)^```)?/gms)].map((match) => ({
        page,
        line: text.slice(0, match.index).split('\n').length,
        code: match[1]!,
        prints: match[2],
      }))
    })
}

let project: string

beforeAll(() => {
  project = fs.mkdtempSync(path.join(os.tmpdir(), 'curio-docs-'))
  fs.writeFileSync(path.join(project, 'package.json'), JSON.stringify({ name: 'example', type: 'module' }))
  fs.mkdirSync(path.join(project, 'node_modules/@types'), { recursive: true })
  // The package as it is built and published, not its sources.
  fs.symlinkSync(root, path.join(project, 'node_modules/curio'))
  for (const name of ['zod', 'apache-arrow', '@types/node', 'typescript']) {
    fs.symlinkSync(path.join(root, 'node_modules', name), path.join(project, 'node_modules', name))
  }
})

afterAll(() => {
  fs.rmSync(project, { recursive: true, force: true })
})

describe('every code block of the documentation', () => {
  const all = blocks()

  it('there are some', () => {
    expect(all.length).toBeGreaterThan(10)
  })

  it.each(all)('$page:$line runs and prints what the page says', ({ page, line, code, prints }) => {
    const dir = path.join(project, `${page.replace(/\W+/g, '-')}-${line}`)
    fs.mkdirSync(dir)
    fs.writeFileSync(path.join(dir, 'example.ts'), code)
    const done = spawnSync(process.execPath, ['--import', tsx, 'example.ts'], {
      cwd: dir,
      encoding: 'utf8',
      env: { ...process.env, CURIO_PROGRESS: '0', VITEST: undefined, NODE_OPTIONS: '' },
    })
    expect(done.stderr.replace(/^.*ExperimentalWarning.*\n|^\(Use `node --trace.*\n/gm, '')).toBe('')
    expect(done.status).toBe(0)
    if (prints !== undefined) expect(done.stdout.trimEnd()).toBe(prints.trimEnd())
  })

  it('compiles, with declarations, against the published types', () => {
    const options = {
      compilerOptions: {
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable'],
        module: 'nodenext',
        strict: true,
        declaration: true,
        emitDeclarationOnly: true,
        outDir: 'out',
        types: ['node'],
        skipLibCheck: true,
      },
      include: ['*/example.ts'],
    }
    fs.writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify(options))
    const result = spawnSync(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], {
      cwd: project,
      encoding: 'utf8',
    })
    expect(result.stdout).toBe('')
  })
})

describe('the demo', () => {
  it('computes once, loads from then on, and stops where nothing changed', () => {
    const store = path.join(project, 'demo-store')
    const run = (): string => {
      const done = spawnSync(process.execPath, ['--import', tsx, path.join(root, 'docs/examples/demo/main.ts')], {
        cwd: root,
        encoding: 'utf8',
        env: { ...process.env, CURIO_STORE: store, VITEST: undefined },
      })
      expect(done.status).toBe(0)
      return done.stderr
    }
    const first = run()
    expect(first).toMatch(/Two parameter sets[\s\S]*?→ 8 computed, 2 loaded/)
    expect(first).toMatch(/The same again[\s\S]*?→ 0 computed, 10 loaded[^\n]*; 0 files read/)
    expect(first).toMatch(/maxDelay 600 → 700[\s\S]*?→ 1 computed, 4 loaded/)
    expect(run()).toMatch(/Two parameter sets[\s\S]*?→ 0 computed, 10 loaded/)
    const svg = execFileSync('find', [store, '-name', 'picture.svg'], { encoding: 'utf8' }).trim().split('\n')
    expect(svg).toHaveLength(2)
    expect(fs.readFileSync(svg[0]!, 'utf8')).toContain('</svg>')
  })
})
