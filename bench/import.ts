/** `import 'curio'` beside `import 'zod'`, each in a process of its own, as built. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Figure, inTurns, ratio, timed } from './measure.js'

const built = fileURLToPath(new URL('../dist/src/index.js', import.meta.url))
const start = (what: string) => () =>
  timed(() =>
    execFileSync(process.execPath, ['--input-type=module', '-e', what], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
    }),
  )

export async function run(): Promise<Figure[]> {
  const times = await inTurns(15, {
    node: start('0'),
    zod: start("import 'zod'"),
    curio: start(`import ${JSON.stringify(built)}`),
  })
  return [
    { what: 'node alone', value: `${times.node!.toFixed(0)} ms` },
    { what: "import 'zod'", value: `${times.zod!.toFixed(0)} ms` },
    { what: "import 'curio'", value: `${times.curio!.toFixed(0)} ms` },
    ratio("import 'curio' / import 'zod'", times.curio! / times.zod!, '<=', 1.3),
  ]
}
