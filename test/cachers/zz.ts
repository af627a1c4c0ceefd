import { z } from 'zod'
import { BytesCacher } from '../../cachers/bytes.js'
import { JsonCacher } from '../../cachers/json.js'
import { TextCacher } from '../../cachers/text.js'
import type { CacherClass, CacherSpec } from '../../src/artifact/cacheable.js'

const schema = z.object({ a: z.number().default(1), b: z.string() })
export const a = await JsonCacher('x.json').load()
export const b = await JsonCacher('x.json', { schema }).load()
export const c = await new JsonCacher({ path: 'x', schema }).load()
export const d = JsonCacher('x.json', { schema }).save({ b: 'x' })
const n: number = b.a + c.a
// @ts-expect-error unknown
a.foo
export class X extends JsonCacher {
  override readonly extension = '.x'
  override async encode(v: unknown) {
    return super.encode([v, n])
  }
  override async load() {
    this.extraMetadata.x = 1
    return super.load()
  }
  foo() {
    return this.label + this.getPath()
  }
}
export class Y extends JsonCacher<{ q: number }> {
  constructor(x: string) {
    super({ path: x, schema: z.object({ q: z.number() }) })
    this.checkOptions()
  }
}
export const y: number = (await new Y('a').load()).q
export class T extends TextCacher {
  override readonly extension = '.md'
  static override readonly cacherName = 'mine'
}
export const s: CacherClass[] = [JsonCacher, TextCacher, BytesCacher, X, Y, T]
export const t: CacherSpec<string, string> = TextCacher
export const u: CacherSpec<{ q: number }, { q: number }> = new Y('x')
export const spec: CacherSpec<unknown, unknown> = JsonCacher
