import * as fs from 'node:fs'
import { z } from 'zod'
import { Codec, Config, Experiment, lazy, Lazy, stage, stageOf, type StageContext, Store } from '../src/index.js'
class J<T = unknown> extends Codec<T> { override readonly extension = '.json'; encode(v: T) { return JSON.stringify(v) } decode(b: Uint8Array) { return JSON.parse(Buffer.from(b).toString()) as T } }
class Num extends Codec<number> { override readonly extension = '.txt'; encode(v: number) { return String(v) } decode(b: Uint8Array) { return Number(Buffer.from(b).toString()) } }
class Params extends Config({ seed: z.int().default(0), lr: z.number().default(0.1) }) {}
let n = 0
const draw = stage({ params: Params.pick('seed'), outputs: { numbers: J, one: Num } }, async function draw(record) {
  n++
  const seed: number = record.params.seed
  // @ts-expect-error not declared
  if (seed === 99) record.params.lr
  fs.writeFileSync(record.getPath('note.txt'), 'hello')
  return { numbers: [seed, seed + 1], one: 1 }
})
const sum = stage({ params: Params, inputs: [draw], outputs: { total: lazy(Num), raw: lazy(J, { resolve: false }) } }, async function sum(record, { numbers, one }) {
  n++
  const x: number[] = numbers
  return { total: x.reduce((a, b) => a + b, 0) * record.params.lr + one, raw: { a: 1 } }
})
const pos = stage({ inputs: ['total'], outputs: ['a', Lazy('b')], cachers: [Num, J] }, async function pos(_record, { total }: { total: number }) {
  n++
  return [total, 'x'] as const
})
class M { constructor(readonly k: number) {}
  @stage({ inputs: ['a'], outputs: { fit: Num } }) async fit(record: StageContext<unknown>, { a }: { a: number }) { n++; return { fit: a * this.k } }
}
fs.rmSync('/tmp/smoke/st', { recursive: true, force: true })
const ex = new Experiment({ name: 'demo', store: '/tmp/smoke/st' })
for (let i = 0; i < 2; i++) {
  const r = await ex.run(new Params({ seed: 3 }), [draw, sum, pos, stageOf(new M(2), 'fit')])
  const t: number = await r.get('total'); const raw = await r.get('raw'); const b: string = await r.get('b'); const f: number = await r.get('fit')
  console.log(t, raw.digest.slice(0, 8), await raw.load(), b, f, r.lazy('total').path, n)
}
// @ts-expect-error order
await ex.run(new Params({ seed: 3 }), [sum, draw]).catch((e) => console.log(e.message))
const st = await Store.open('/tmp/smoke/st'); console.log(st.events.counts, await st.verify())
