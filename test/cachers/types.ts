/** What the compiler must see in the cachers; checked by `npm run typecheck`, never run. */
import {
  BytesCacher,
  FileReferenceCacher,
  JsonCacher,
  MsgpackCacher,
  registerClass,
  type Tensor,
  TensorCacher,
  TextCacher,
} from 'curio/cachers'
import { z } from 'zod'
import type { CacherClass, CacherSpec } from '../../src/artifact/cacheable.js'

/** Fails to compile unless both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>): void => undefined

const schema = z.object({ a: z.number().default(1), b: z.string() })
interface Out {
  a: number
  b: string
}

export async function check(): Promise<void> {
  const plain = await JsonCacher('x.json').load()
  same<typeof plain, unknown>(true)
  const byPath = await JsonCacher('x.json', { schema }).load()
  const byOptions = await new JsonCacher({ path: 'x.json', schema }).load()
  same<typeof byPath, Out>(true)
  same<typeof byOptions, Out>(true)
  await JsonCacher('x.json', { schema }).save({ b: 'a has a default' })
  // @ts-expect-error b is missing
  await JsonCacher('x.json', { schema }).save({ a: 1 })
  // @ts-expect-error no such option
  JsonCacher({ pat: 'x' })

  const model = await MsgpackCacher<Map<string, Date>>('m.msgpack').load()
  same<typeof model, Map<string, Date>>(true)
  const text = await TextCacher('t.txt').load()
  same<typeof text, string>(true)
  const paths = await FileReferenceCacher('f.json').load()
  same<typeof paths, string | string[]>(true)
  await BytesCacher('b.bin').save(new ArrayBuffer(1))
  // @ts-expect-error a text is no bytes
  await BytesCacher('b.bin').save('text')

  const tensor = await TensorCacher('t.npy').load()
  same<typeof tensor, Tensor>(true)
  if (tensor.dtype === 'int64') same<typeof tensor.data, BigInt64Array>(true)
  const floats = await TensorCacher('t.npy', { dtype: 'float32' }).load()
  same<typeof floats.data, Float32Array>(true)
  // @ts-expect-error no such dtype
  TensorCacher({ dtype: 'complex64' })
}

class Point {
  x = 1
}
registerClass(Point)
registerClass(Point, { encode: (point) => point.x, decode: (x: number) => Object.assign(new Point(), { x }) })

/** Cachers can be extended, by class fields, methods and constructors. */
export class Stamped extends JsonCacher {
  override readonly extension = '.stamped'
  override async encode(value: unknown): Promise<string> {
    return super.encode([value, this.label])
  }
  override async load(): Promise<unknown> {
    this.extraMetadata.loaded = true
    return super.load()
  }
}

export class Metrics extends JsonCacher<Out> {
  static override readonly cacherName = 'metrics'
  constructor(path: string) {
    super({ path, schema: schema as unknown as z.ZodType<Out, Out> })
  }
}

export const specs: CacherClass[] = [
  BytesCacher,
  FileReferenceCacher,
  JsonCacher,
  MsgpackCacher,
  TensorCacher,
  TextCacher,
  Stamped,
  Metrics,
]
export const named: CacherSpec<Out, Out> = new Metrics('x')
export const instance: CacherSpec<Tensor<'float32'>, Tensor<'float32'>> = TensorCacher({ dtype: 'float32' })
