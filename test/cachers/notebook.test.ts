import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type CodeCell, NotebookCacher, type NotebookLike } from '../../cachers/notebook.js'
import { CurioError } from '../../src/errors.js'
import { Random } from '../helpers/random.js'
import { whole } from './specs/notebook.js'

const fixtures = fileURLToPath(new URL('../fixtures/notebook', import.meta.url))
const fixture = (name: string): Buffer => fs.readFileSync(path.join(fixtures, `${name}.ipynb`))
const encoded = (value: NotebookLike): string => NotebookCacher().encode(value)
const decoded = (value: unknown) => NotebookCacher().decode(Buffer.from(JSON.stringify(value)))

describe('notebooks that nbformat wrote', () => {
  it.each(['jupyter', 'empty'])('are read, and written byte for byte the same: %s', async (name) => {
    expect(encoded(await NotebookCacher().decode(fixture(name)))).toBe(fixture(name).toString())
  })

  it('have their texts in one piece, of sources, outputs and attachments', async () => {
    const { cells } = await NotebookCacher().decode(fixture('jupyter'))
    expect(cells.map(({ id, cell_type }) => [id, cell_type])).toEqual([
      ['first', 'code'],
      ['second', 'markdown'],
      ['third', 'raw'],
      ['fourth', 'code'],
    ])
    expect(cells[1]!.source).toBe('# Title\r\n\nä 漢 \u{1f600} \f\u2028end')
    const [stream, result, display, error] = (cells[0] as CodeCell).outputs
    expect(stream).toEqual({ output_type: 'stream', name: 'stdout', text: 'a\nb\n' })
    expect(result).toMatchObject({
      data: { 'text/plain': 'array([0, 1, 2])', 'application/json': [1, { a: null }] },
      execution_count: 1,
    })
    expect(display).toMatchObject({ data: { 'image/png': 'iVBORw0KGgo=\n', 'text/html': '<b>\n</b>' } })
    expect(error).toMatchObject({ ename: 'ValueError', traceback: ['one', 'two\nthree'] })
  })

  it('of older minor versions get ids, always the same, and are 4.5 from then on', async () => {
    const bytes = fixture('without-ids')
    const [once, twice] = [await NotebookCacher().decode(bytes), await NotebookCacher().decode(bytes)]
    expect(once).toStrictEqual(twice)
    expect(once.nbformat_minor).toBe(5)
    const ids = once.cells.map(({ id }) => id)
    expect(new Set(ids).size).toBe(4)
    for (const [i, id] of ids.entries()) expect(id).toMatch(new RegExp(`^${i}-[0-9a-f]{8}$`))
  })

  it('of version 3 are refused with what to do', async () => {
    await expect(NotebookCacher().decode(fixture('version-3'))).rejects.toThrow(
      /^notebook cannot load: value: it has (a member "worksheets"|nbformat 3)/,
    )
    await expect(decoded({ cells: [], metadata: {}, nbformat: 4, nbformat_minor: 6 })).rejects.toThrow(
      /nbformat_minor 6; known are 4\.0 to 4\.5[\s\S]*nbconvert/,
    )
  })
})

describe('what is written', () => {
  it('has sources in lines, keys in order and an indent of one, as Jupyter writes them', () => {
    expect(encoded(['a = 1\nb'])).toBe(`{
 "cells": [
  {
   "cell_type": "code",
   "execution_count": null,
   "id": "0-bcad6768",
   "metadata": {},
   "outputs": [],
   "source": [
    "a = 1\\n",
    "b"
   ]
  }
 ],
 "metadata": {
  "kernelspec": {
   "display_name": "Python 3",
   "language": "python",
   "name": "python3"
  },
  "language_info": {
   "name": "python"
  }
 },
 "nbformat": 4,
 "nbformat_minor": 5
}
`)
  })

  it('is the same for lines with and without their ends, and for the notebook that was loaded', async () => {
    const text = encoded([['a', 'b', '', 'c']])
    expect(encoded([['a\n', 'b\n', '\n', 'c']])).toBe(text)
    expect(encoded(['a\nb\n\nc'])).toBe(text)
    expect(encoded(await NotebookCacher().decode(Buffer.from(text)))).toBe(text)
    expect(encoded(JSON.parse(text) as NotebookLike)).toBe(text)
  })

  it('does not depend on the order of keys', () => {
    const cell = { source: 'x', metadata: { b: 1, a: { d: 1, c: 2 } } }
    expect(encoded([cell])).toBe(encoded([{ metadata: { a: { c: 2, d: 1 }, b: 1 }, source: 'x' }]))
  })

  it('has ids that change with the content and the place, and never meet one that was given', () => {
    const ids = (value: NotebookLike) =>
      (JSON.parse(encoded(value)) as { cells: { id: string }[] }).cells.map(({ id }) => id)
    const [x0, x1] = ids(['x', 'x'])
    expect(x0).not.toBe(x1)
    expect(ids(['y'])).not.toEqual([x0])
    expect(ids([{ type: 'markdown', source: 'x' }])).not.toEqual([x0])
    const [made, given] = ids(['x', { source: 'z', id: x0! }])
    expect(given).toBe(x0)
    expect(made).not.toBe(x0)
  })

  it('keeps a member called __proto__ out', () => {
    const metadata = JSON.parse('{"__proto__": {"x": 1}}') as Record<string, never>
    expect(() => encoded({ cells: [], metadata })).toThrow(/has a key __proto__/)
  })
})

describe('a file that is no notebook', () => {
  const cell = { cell_type: 'code', metadata: {}, source: '', outputs: [], execution_count: null }
  const notebook = (...cells: unknown[]) => ({ cells, metadata: {}, nbformat: 4, nbformat_minor: 4 })
  it.each<[string, unknown, RegExp]>([
    ['a list', [], /it is no list of cells and no notebook/],
    ['nothing', null, /no notebook/],
    ['any other JSON', { a: 1 }, /it has a member "a"/],
    ['no version', { cells: [], metadata: {} }, /it has nbformat undefined/],
    ['no metadata', { cells: [], nbformat: 4, nbformat_minor: 5 }, /metadata is undefined, not an object/],
    ['no cells', { metadata: {}, nbformat: 4, nbformat_minor: 5 }, /cells is undefined, not a list/],
    ['a text as a cell', notebook('print(1)'), /cells\[0\] is a string/],
    ['a cell without a type', notebook({ ...cell, cell_type: undefined }), /cells\[0\] is neither/],
    ['a type by our own name', notebook({ ...cell, type: 'code' }), /cells\[0\] has a member "type"/],
    ['a number as source', notebook(cell, { ...cell, source: 3 }), /cells\[1\]\.source is a number/],
    ['numbers as lines', notebook({ ...cell, source: ['a', 3] }), /cells\[0\]\.source is an Array/],
    ['outputs that are no list', notebook({ ...cell, outputs: {} }), /cells\[0\]\.outputs is an Object, not a list/],
    ['an output that is none', notebook({ ...cell, outputs: [null] }), /outputs\[0\] is null/],
    ['a count that is a text', notebook({ ...cell, execution_count: '1' }), /execution_count is a string/],
    ['metadata that is a list', notebook({ ...cell, metadata: [] }), /cells\[0\]\.metadata is an Array/],
    ['attachments of code', notebook({ ...cell, attachments: {} }), /has a member "attachments"/],
    [
      'attachments that are none',
      notebook({ cell_type: 'raw', metadata: {}, source: '', attachments: { a: 1 } }),
      /attachments\["a"\] is a number/,
    ],
  ])('%s is refused with the place', async (_, value, message) => {
    await expect(decoded(value)).rejects.toThrow(message)
    await expect(decoded(value)).rejects.toMatchObject({ code: 'ERR_CACHER_LOAD', cacher: 'notebook' })
  })

  it.each<[string, string | Uint8Array, RegExp]>([
    ['a cut-off text', '{"cells": [', /it is not JSON/],
    ['what is no UTF-8', Uint8Array.of(0xff), /it is not UTF-8/],
    [
      'a number that JavaScript cannot hold',
      '{"cells":[],"metadata":{"n":12345678901234567890},"nbformat":4,"nbformat_minor":5}',
      /it holds 12345678901234567890, which/,
    ],
  ])('%s is refused', async (_, text, message) => {
    await expect(NotebookCacher().decode(Buffer.from(text as string))).rejects.toThrow(message)
  })

  it('but pieces of a source are joined as they are, and what may be missing may be', async () => {
    const { cells } = await decoded(notebook({ cell_type: 'markdown', metadata: {}, source: ['a', 'b\n', 'c'] }))
    expect(cells[0]).toMatchObject({ source: 'ab\nc' })
  })

  it('changed anywhere, a file is a value or a typed error', async () => {
    const random = new Random(11)
    const text = Buffer.from(encoded(whole()))
    for (let round = 0; round < 1000; round++) {
      const bytes = Buffer.from(text)
      for (let n = random.int(3); n >= 0; n--) {
        bytes.write(
          random.pick(['"', '[', ']', '{', '}', ':', ',', '0', 'null', '\\', '\u0000']),
          random.int(bytes.length),
          'latin1',
        )
      }
      const value = await NotebookCacher()
        .decode(bytes)
        .catch((error: unknown) => {
          if (!CurioError.is(error, 'ERR_CACHER_LOAD')) throw error
        })
      // What is read can be written.
      if (value !== undefined) expect(() => encoded(value)).not.toThrow()
    }
  })
})
