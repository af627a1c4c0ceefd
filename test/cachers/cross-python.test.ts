/** Safetensors, notebooks and folders seen from Python; TensorCacher, MsgpackCacher and JsonCacher are in python.test.ts. */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DirectoryCacher } from '../../cachers/directory.js'
import { NotebookCacher } from '../../cachers/notebook.js'
import { SafetensorsCacher, type TensorsLike } from '../../cachers/safetensors.js'
import { Random } from '../helpers/random.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import notebooks, { whole } from './specs/notebook.js'
import { everyDType } from './specs/safetensors.js'

const python = process.env.CURIO_PYTHON ?? 'python3'

/** Runs a program in Python, with `dir` as the folder it works in; the JSON it prints. */
function run(dir: TempDir, program: string): unknown {
  const done = spawnSync(python, ['-W', 'ignore', '-c', program], {
    encoding: 'utf8',
    cwd: dir.path,
    maxBuffer: 1 << 28,
  })
  if (done.status !== 0) throw new Error(done.stderr || String(done.error))
  return JSON.parse(done.stdout)
}

function has(modules: string): boolean {
  return spawnSync(python, ['-c', `import ${modules}`]).status === 0
}

const required = process.env.CURIO_REQUIRE_SERVICES === '1'
const safetensors = required || has('safetensors, numpy')
const nbformat = required || has('nbformat')
const anyPython = required || has('json')
const title = (text: string, modules: string, there: boolean): string =>
  there ? text : `${text} (skipped: needs Python with ${modules})`

let dir: TempDir
beforeAll(() => {
  dir = tempDir()
})
afterAll(() => dir[Symbol.asyncDispose]())

describe('safetensors in Python', () => {
  const needs = 'safetensors and numpy'

  it.skipIf(!safetensors)(title('opens what we write, and writes the same bytes', needs, safetensors), async () => {
    const cases: Record<string, [TensorsLike, Record<string, string>?]> = {
      every: [everyDType()],
      none: [{}],
      metadata: [{ w: { data: Float32Array.of(1), shape: [1] } }, { 'for "é"': 'x\n' }],
      names: [
        new Map(
          ['', '__proto__', 'a/b.c', 'é漢\u{1f600}', '\uffff', '"\\\n\u0007'].map((name, i) => [
            name,
            { data: [i], shape: [1, 1], dtype: 'int16' },
          ]),
        ),
      ],
      shapes: [
        {
          scalar: { data: [2.5], shape: [] },
          empty: { data: [], shape: [0, 7], dtype: 'float32' },
          large: { data: Float64Array.from({ length: 200_000 }, Math.sqrt), shape: [1000, 200] },
          view: { data: Int32Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2], stride: [1, 3], offset: 0 },
        },
      ],
    }
    for (const [name, [value, metadata]] of Object.entries(cases)) {
      await SafetensorsCacher(dir.join(`ours-${name}.safetensors`), metadata === undefined ? {} : { metadata }).save(
        value,
      )
    }
    const program = `
import glob, json
from safetensors import safe_open
from safetensors.numpy import load_file, save
out = {}
for file in sorted(glob.glob('ours-*.safetensors')):
    with safe_open(file, framework='np') as opened:
        metadata = opened.metadata()
    tensors = load_file(file)
    same = save(tensors, metadata=metadata) == open(file, 'rb').read()
    out[file[5:-12]] = [same, metadata, {k: [str(v.dtype), list(v.shape), [str(x) for x in v.ravel().tolist()[:6]]] for k, v in tensors.items()}]
print(json.dumps(out))`
    const seen = run(dir, program) as Record<string, [boolean, unknown, Record<string, [string, number[], string[]]>]>
    expect(Object.entries(seen).map(([name, [same]]) => [name, same])).toEqual(
      Object.keys(cases)
        .sort()
        .map((name) => [name, true]),
    )
    expect(seen.metadata![1]).toEqual({ 'for "é"': 'x\n' })
    for (const [name, { data, shape, dtype }] of Object.entries(everyDType())) {
      const [theirDType, theirShape, values] = seen.every![2][name]!
      expect([name, theirDType, theirShape]).toEqual([name, dtype, shape])
      expect(values.map((text) => fromPython(text, dtype))).toEqual(
        [...(data as Iterable<number | bigint>)].map((x) => (dtype === 'bool' ? x === 1 : x)),
      )
    }
    expect(Object.keys(seen.names![2])).toHaveLength(6)
    expect(seen.shapes![2].view).toEqual(['int32', [3, 2], ['1', '4', '2', '5', '3', '6']])
    expect(seen.shapes![2].scalar).toEqual(['float64', [], ['2.5']])
  })

  it.skipIf(!safetensors)(title('writes what we read', needs, safetensors), async () => {
    const program = `
import json, numpy as np
from safetensors.numpy import save_file
rng = np.random.default_rng(3)
tensors = {}
for i, dtype in enumerate('bool i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8'.split()):
    for shape in [(), (5,), (2, 3, 4), (0, 3)]:
        values = rng.integers(0, 2, shape) if dtype == 'bool' else rng.integers(0, 100, shape)
        tensors[f'{dtype}.{"x".join(map(str, shape))}'] = np.asarray(values).astype(dtype)
save_file(tensors, 'theirs.safetensors', metadata={'format': 'np'})
print(json.dumps({k: [v.dtype.name, list(v.shape), [int(x) for x in v.ravel()]] for k, v in tensors.items()}))`
    const theirs = run(dir, program) as Record<string, [string, number[], number[]]>
    const cacher = SafetensorsCacher(dir.join('theirs.safetensors'))
    const tensors = await cacher.load()
    expect(cacher.extraMetadata).toEqual({ metadata: { format: 'np' } })
    expect(Object.keys(tensors).sort()).toEqual(Object.keys(theirs).sort())
    for (const [name, { data, shape, dtype }] of Object.entries(tensors)) {
      expect([name, dtype, shape, [...data].map(Number)]).toEqual([name, ...theirs[name]!])
    }
  })

  it.skipIf(!safetensors)(
    title('agrees with us on what is a file, but where ours is stricter', needs, safetensors),
    async () => {
      const random = new Random(9)
      const member = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
      const header = `{${member},"__metadata__":{"k":"v"},"b":{"dtype":"U8","shape":[1,3],"data_offsets":[8,11]}}`
      const tokens = [
        '0',
        '1',
        '8',
        '11',
        '[',
        ']',
        '{',
        '}',
        ',',
        ':',
        '"',
        ' ',
        '"U8"',
        '"F32"',
        '2',
        '4294967296,',
        '\\u0061',
        '-',
        '.0',
      ]
      const files = Array.from({ length: 2000 }, (_, i) => {
        let text = header
        for (let n = i === 0 ? -1 : random.int(8) >> 2; n >= 0; n--) {
          const at = random.int(text.length)
          if (random.int(3) === 0 && '{[,:'.includes(text[at]!))
            text = `${text.slice(0, at + 1)} \n${text.slice(at + 1)}`
          else text = text.slice(0, at) + random.pick(tokens) + text.slice(at + random.int(3))
        }
        const bytes = Buffer.from(text, 'latin1')
        const body = random.int(20) === 0 ? random.int(16) : 11
        const length = random.int(20) === 0 ? random.int(200) : bytes.byteLength
        const file = Buffer.alloc(8 + bytes.byteLength + body)
        file.writeBigUInt64LE(BigInt(length))
        file.set(bytes, 8)
        return file
      })
      fs.writeFileSync(dir.join('fuzz.json'), JSON.stringify(files.map((file) => file.toString('hex'))))
      const program = `
import json, safetensors
def names(file):
    try:
        return sorted([n, t['dtype'], list(t['shape']), t['data'].hex()] for n, t in safetensors.deserialize(file))
    except safetensors.SafetensorError:
        return None
print(json.dumps([names(bytes.fromhex(file)) for file in json.load(open('fuzz.json'))]))`
      const theirs = run(dir, program) as ([string, string, number[], string][] | null)[]
      const kinds: Record<string, string> = { float32: 'F32', uint8: 'U8' }
      let both = 0
      for (const [i, file] of files.entries()) {
        let ours: unknown
        try {
          ours = Object.entries(SafetensorsCacher().decode(file)).map(([name, { data, shape, dtype }]) => [
            name,
            kinds[dtype],
            shape,
            Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
          ])
        } catch (error) {
          const stricter = /two members|two fields|unknown field|character 0:|half of a surrogate/.test(String(error))
          if (!stricter)
            expect([i, file.toString('latin1'), String(error), theirs[i]]).toEqual([
              i,
              file.toString('latin1'),
              String(error),
              null,
            ])
          continue
        }
        both += 1
        expect([i, (ours as string[][]).sort()]).toEqual([i, theirs[i]])
      }
      expect(both).toBeGreaterThan(50)
      expect(both).toBeLessThan(1500)
    },
  )
})

describe('nbformat in Python', () => {
  it.skipIf(!nbformat)(
    title('finds what we write valid, and writes the same bytes', 'nbformat', nbformat),
    async () => {
      for (const [i, { make }] of notebooks.samples.entries())
        await NotebookCacher(dir.join(`ours-${i}.ipynb`)).save(make())
      await NotebookCacher(dir.join('ours-text.ipynb')).save([
        '\u0000 \u{1f600} " \\ \u2028 \u0085\u001c\r\n\r x',
        '',
        '\n',
      ])
      const program = `
import glob, json, nbformat
out = {}
for file in sorted(glob.glob('ours-*.ipynb')):
    notebook = nbformat.read(file, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    with open(file, newline='', encoding='utf8') as opened:
        text = opened.read()
    out[file] = [text == nbformat.writes(notebook) + '\\n', len(notebook.cells)]
print(json.dumps(out))`
      const seen = run(dir, program) as Record<string, [boolean, number]>
      expect(Object.keys(seen)).toHaveLength(notebooks.samples.length + 1)
      for (const [file, [same]] of Object.entries(seen)) expect([file, same]).toEqual([file, true])
    },
  )

  it.skipIf(!nbformat)(title('writes what we read', 'nbformat', nbformat), async () => {
    const program = `
import json, nbformat
from nbformat import v4
cells = [v4.new_code_cell('print(%d)\\n# ä' % i, execution_count=i, outputs=[v4.new_output('stream', name='stdout', text='%d\\n' % i)]) for i in range(50)]
cells += [v4.new_markdown_cell('# é\\n\\ntext'), v4.new_raw_cell('raw')]
notebook = v4.new_notebook(cells=cells, metadata={'kernelspec': {'name': 'deno', 'display_name': 'Deno'}})
nbformat.write(notebook, 'theirs.ipynb')
print(json.dumps(notebook))`
    const theirs = run(dir, program)
    expect(await NotebookCacher(dir.join('theirs.ipynb')).load()).toEqual(theirs)
  })

  it.skipIf(!nbformat)(title('agrees with us on what is valid', 'nbformat', nbformat), async () => {
    const parts: unknown[] = [null, '', 'a', 'a,b', [], ['a'], ['a', 'a'], {}, { a: 'b' }, 1, -1, 1.5, true]
    const cell = {
      cell_type: 'code',
      id: 'x',
      metadata: {},
      source: '',
      outputs: [] as unknown[],
      execution_count: null,
    }
    const display = { output_type: 'display_data', data: {}, metadata: {} }
    const given = parts.flatMap((part): [string, object, object?][] => [
      ['id', { ...cell, id: part }],
      ['source', { ...cell, source: part }],
      ['count', { ...cell, execution_count: part }],
      ['outputs', { ...cell, outputs: part }],
      ['output', { ...cell, outputs: [part] }],
      ['data', { ...cell, outputs: [{ ...display, data: part }] }],
      ['plain', { ...cell, outputs: [{ ...display, data: { 'text/plain': part } }] }],
      ['json', { ...cell, outputs: [{ ...display, data: { 'application/x+json': part } }] }],
      ['traceback', { ...cell, outputs: [{ output_type: 'error', ename: '', evalue: '', traceback: part }] }],
      ['stream', { ...cell, outputs: [{ output_type: 'stream', name: part, text: part }] }],
      ['attachments', { cell_type: 'markdown', id: 'x', metadata: {}, source: '', attachments: part }],
      ...['tags', 'name', 'collapsed', 'scrolled', 'jupyter', 'execution'].map((key): [string, object] => [
        key,
        { ...cell, metadata: { [key]: part } },
      ]),
      ...['kernelspec', 'language_info', 'title', 'authors'].map((key): [string, object, object] => [
        key,
        cell,
        { [key]: part },
      ]),
    ])
    const files = given.map(([, one, metadata = {}]) => ({ cells: [one], metadata, nbformat: 4, nbformat_minor: 5 }))
    fs.writeFileSync(dir.join('valid.json'), JSON.stringify(files))
    const program = `
import json, nbformat
def valid(notebook):
    try:
        nbformat.validate(notebook)
        return True
    except Exception:
        return False
print(json.dumps([valid(nbformat.from_dict(one)) for one in json.load(open('valid.json'))]))`
    const theirs = run(dir, program) as boolean[]
    for (const [i, file] of files.entries()) {
      const ours = await NotebookCacher()
        .decode(Buffer.from(JSON.stringify(file)))
        .then(
          () => true,
          () => false,
        )
      expect([given[i], ours]).toEqual([given[i], theirs[i]])
    }
    expect(theirs.filter(Boolean).length).toBeGreaterThan(20)
  })

  it.skipIf(!nbformat)(title('reads outputs and metadata as we do', 'nbformat', nbformat), async () => {
    await NotebookCacher(dir.join('whole.ipynb')).save(whole())
    const program = `
import json, nbformat
print(json.dumps(nbformat.read('whole.ipynb', as_version=4)))`
    expect(run(dir, program)).toEqual(whole())
  })
})

it.skipIf(!anyPython)(
  title('Python and DirectoryCacher see the same folder', 'its standard library', anyPython),
  async () => {
    const program = `
import json, os, pathlib
for i, name in enumerate(['a.txt', 'Ünïcode ☃/x y.txt', 'deep/er/z', 'deep/empty', 'A b/c']):
    path = pathlib.Path('folder') / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes([i, 255]))
print('null')`
    run(dir, program)
    await DirectoryCacher(dir.join('copy')).save(dir.join('folder'))
    const back = `
import json, pathlib
print(json.dumps({str(p.relative_to('copy')): p.read_bytes().hex() for p in pathlib.Path('copy').rglob('*') if p.is_file()}))`
    const seen = run(dir, back) as Record<string, string>
    expect(seen).toEqual({
      'a.txt': '00ff',
      'Ünïcode ☃/x y.txt': '01ff',
      'deep/er/z': '02ff',
      'deep/empty': '03ff',
      'A b/c': '04ff',
    })
    expect((await DirectoryCacher(dir.join('copy')).load()).files).toEqual(Object.keys(seen).sort())
  },
)

function fromPython(text: string, dtype: string): number | bigint | boolean {
  if (dtype === 'bool') return text === 'True'
  if (dtype.endsWith('int64')) return BigInt(text)
  return text === 'nan' ? Number.NaN : text === '-inf' ? -Infinity : Number(text)
}
