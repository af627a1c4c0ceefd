import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { JsonCacher, MsgpackCacher, type Tensor, TensorCacher } from 'curio/cachers'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../helpers/temp.js'
import { ofEachDType } from './specs/tensor.js'

const python = process.env.CURIO_PYTHON ?? 'python3'

/** Runs a program in Python; what it prints. */
function run(program: string, ...args: string[]): string {
  const done = spawnSync(python, ['-W', 'ignore', '-c', program, ...args], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(done.stderr || String(done.error))
  return done.stdout.trim()
}

function has(module: string): boolean {
  return spawnSync(python, ['-c', `import ${module}`]).status === 0
}

const required = process.env.CURIO_REQUIRE_SERVICES === '1'
const [numpy, msgpack] = [required || has('numpy'), required || has('msgpack')]
const title = (text: string, module: string, there: boolean): string =>
  there ? text : `${text} (skipped: needs Python with ${module})`

describe('numpy', () => {
  it.skipIf(!numpy)(title('opens every tensor, and writes the same bytes', 'numpy', numpy), async () => {
    await using dir = tempDir()
    const shapes: Record<string, number[]> = { '2x3': [2, 3], '6': [6], '1x2x3x1': [1, 2, 3, 1] }
    for (const [dtype, data] of Object.entries(ofEachDType)) {
      for (const [name, shape] of Object.entries(shapes)) {
        await TensorCacher(dir.join(`${dtype}-${name}.npy`)).save({ data, shape, dtype })
      }
      await TensorCacher(dir.join(`${dtype}-scalar.npy`)).save({ data: data.slice(0, 1), shape: [], dtype })
      await TensorCacher(dir.join(`${dtype}-empty.npy`)).save({ data: data.slice(0, 0), shape: [0, 7], dtype })
    }
    const program = `
import glob, io, json, sys, numpy as np
out = {}
for file in sorted(glob.glob(sys.argv[1] + '/*.npy')):
    raw = open(file, 'rb').read()
    array = np.load(io.BytesIO(raw), allow_pickle=False)
    again = io.BytesIO(); np.save(again, array)
    name = file.split('/')[-1][:-4]
    out[name] = [str(array.dtype), list(array.shape), [str(x) for x in array.ravel().tolist()], again.getvalue() == raw]
print(json.dumps(out))`
    const seen = JSON.parse(run(program, dir.path)) as Record<string, [string, number[], string[], boolean]>
    expect(Object.keys(seen)).toHaveLength(60)
    for (const [name, [dtype, shape, values, same]] of Object.entries(seen)) {
      const [expected, layout] = name.split('-') as [Tensor['dtype'], string]
      expect([name, dtype, same]).toEqual([name, expected, true])
      expect(shape).toEqual(shapes[layout] ?? (layout === 'scalar' ? [] : [0, 7]))
      const data = [...(ofEachDType[expected] as Iterable<number | bigint>)].slice(0, values.length)
      expect(values.map((text) => fromPython(text, expected))).toEqual(
        data.map((x) => (expected === 'bool' ? x === 1 : x)),
      )
    }
  })

  it.skipIf(!numpy)(title('writes what we read, in every order and dtype', 'numpy', numpy), async () => {
    await using dir = tempDir()
    const program = `
import sys, numpy as np
from itertools import product
for dtype, order, swap, shape in product(sys.argv[2].split(','), 'CF', '<>', [(2, 3, 4), (24,), (4, 6)]):
    array = np.arange(24).reshape(shape)
    array = (array % 2 if dtype == 'bool' else array).astype(np.dtype(dtype).newbyteorder(swap), order=order)
    np.save(f'{sys.argv[1]}/{dtype}.{order}.{ord(swap)}.{"x".join(map(str, shape))}.npy', array)`
    run(program, dir.path, Object.keys(ofEachDType).join(','))
    const files = fs.readdirSync(dir.path)
    expect(files).toHaveLength(12 * 2 * 2 * 3)
    for (const file of files) {
      const [dtype, , , shape] = file.split('.') as [string, string, string, string]
      const tensor = await TensorCacher(dir.join(file)).load()
      const values = Array.from({ length: 24 }, (_, i) => (dtype === 'bool' ? i % 2 : i))
      expect([file, tensor.dtype, tensor.shape.join('x'), [...tensor.data].map(Number)]).toEqual([
        file,
        dtype,
        shape,
        values,
      ])
    }
  })

  it.skipIf(!numpy)(title('rounds to half precision as we do', 'numpy', numpy), async () => {
    await using dir = tempDir()
    const data = Float64Array.from({ length: 20_000 }, (_, i) => (Math.sin(i) * 2 ** ((i % 44) - 28)) / 2)
    await TensorCacher(dir.join('wide.npy')).save({ data, shape: [data.length] })
    await TensorCacher(dir.join('half.npy')).save({ data, shape: [data.length], dtype: 'float16' })
    const program = `
import sys, numpy as np
wide, half = (np.load(f'{sys.argv[1]}/{name}.npy') for name in ('wide', 'half'))
print(half.dtype, int((wide.astype('f2').view('u2') != half.view('u2')).sum()))`
    expect(run(program, dir.path)).toBe('float16 0')
  })
})

describe("Python's msgpack", () => {
  it.skipIf(!msgpack)(title('reads plain data as it is', 'msgpack', msgpack), async () => {
    await using dir = tempDir()
    await MsgpackCacher(dir.join('plain.msgpack')).save({
      none: null,
      yes: true,
      ints: [0, 127, 128, 65535, 4294967295, -1, -33, -129, -32769, -2147483648],
      long: [2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n],
      floats: [0.1, -0, Infinity, 2 ** 53],
      text: 'Zürich 漢 \u{1f600}',
      bytes: Uint8Array.of(0, 255),
      dates: [new Date('2020-01-02T03:04:05.678Z'), new Date(0), new Date('1900-01-01T00:00:00Z')],
      __proto_like__: { nested: [[], {}] },
    })
    const program = `
import math, msgpack, sys
from datetime import datetime, timezone
value = msgpack.unpackb(open(sys.argv[1] + '/plain.msgpack', 'rb').read(), timestamp=3)
assert value == {
    'none': None, 'yes': True,
    'ints': [0, 127, 128, 65535, 4294967295, -1, -33, -129, -32769, -2147483648],
    'long': [2**63 - 1, -2**63, 2**64 - 1],
    'floats': [0.1, 0.0, float('inf'), 2.0**53],
    'text': 'Zürich 漢 \\U0001f600', 'bytes': b'\\x00\\xff',
    'dates': [datetime(2020, 1, 2, 3, 4, 5, 678000, timezone.utc), datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(1900, 1, 1, tzinfo=timezone.utc)],
    '__proto_like__': {'nested': [[], {}]},
}, value
assert math.copysign(1, value['floats'][1]) == -1
print('equal')`
    expect(run(program, dir.path)).toBe('equal')
  })

  it.skipIf(!msgpack || !numpy)(
    title('reads the rest by the tag it has', 'msgpack and numpy', msgpack && numpy),
    async () => {
      await using dir = tempDir()
      await MsgpackCacher(dir.join('tagged.msgpack')).save({
        map: new Map<unknown, unknown>([
          ['a', 1],
          [2, 'b'],
        ]),
        set: new Set([1, 2]),
        weights: Float32Array.of(0.5, 1.5),
        big: -(2n ** 70n),
        gone: undefined,
      })
      const program = `
import msgpack, numpy as np, sys
value = msgpack.unpackb(open(sys.argv[1] + '/tagged.msgpack', 'rb').read())
assert dict(value['map']['entries']) == {'a': 1, 2: 'b'}
assert set(value['set']['values']) == {1, 2}
assert np.frombuffer(value['weights']['data'], value['weights']['dtype']).tolist() == [0.5, 1.5]
assert int(value['big']['hex'], 16) == -2**70
assert value['gone'] == {'$curio': 'undefined'}
print('equal')`
      expect(run(program, dir.path)).toBe('equal')
    },
  )

  it.skipIf(!msgpack)(title('writes what we read', 'msgpack', msgpack), async () => {
    await using dir = tempDir()
    const program = `
import datetime, msgpack, sys
value = {'rows': [{'i': i, 'x': i / 7, 'name': 'row %d' % i} for i in range(1000)],
    'dates': [datetime.datetime(y, 2, 3, 4, 5, 6, 7000, datetime.timezone.utc) for y in (1, 1969, 2038, 2600, 9999)]}
open(sys.argv[1] + '/python.msgpack', 'wb').write(msgpack.packb(value, datetime=True))`
    run(program, dir.path)
    const dates = [1, 1969, 2038, 2600, 9999].map((y) => new Date(`${String(y).padStart(4, '0')}-02-03T04:05:06.007Z`))
    expect(await MsgpackCacher(dir.join('python.msgpack')).load()).toEqual({
      rows: Array.from({ length: 1000 }, (_, i) => ({ i, x: i / 7, name: `row ${i}` })),
      dates,
    })
  })
})

const anyPython = required || has('json')

it.skipIf(!anyPython)(
  title('json in Python reads what JsonCacher writes', 'its standard library', anyPython),
  async () => {
    await using dir = tempDir()
    const value = { n: [0.1, 1e21, 2 ** 53, -1], text: '\u0000 \u{1f600} "', nested: { a: null, b: [true] } }
    await JsonCacher(dir.join('v.json')).save(value)
    const program = `
import json, sys
print(json.dumps(json.load(open(sys.argv[1] + '/v.json', encoding='utf8'))))`
    expect(JSON.parse(run(program, dir.path))).toEqual(value)
  },
)

function fromPython(text: string, dtype: string): number | bigint | boolean {
  if (dtype === 'bool') return text === 'True'
  if (dtype.endsWith('int64')) return BigInt(text)
  return text === 'nan' ? Number.NaN : text === '-inf' ? -Infinity : Number(text)
}
