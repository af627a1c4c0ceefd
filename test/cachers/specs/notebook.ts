import { type Notebook, NotebookCacher, type NotebookLike } from '../../../cachers/notebook.js'
import type { CacherCase } from '../../suites/cacher.js'

const python = {
  kernelspec: { display_name: 'Python 3', language: 'python', name: 'python3' },
  language_info: { name: 'python' },
}
const notebook = (cells: Notebook['cells'], metadata: Notebook['metadata'] = python): Notebook => ({
  cells,
  metadata,
  nbformat: 4,
  nbformat_minor: 5,
})
const code = (id: string, source: string): Notebook['cells'][number] => ({
  cell_type: 'code',
  id,
  metadata: {},
  source,
  execution_count: null,
  outputs: [],
})

/** A notebook with everything one can have. */
export const whole = (): Notebook =>
  notebook(
    [
      {
        cell_type: 'code',
        id: 'run',
        metadata: { tags: ['a', 'b'], name: 'x', collapsed: true, scrolled: 'auto', jupyter: { source_hidden: true } },
        source: 'print("ä")\r\n1 + 1',
        execution_count: 3,
        outputs: [
          { output_type: 'stream', name: 'stdout', text: 'ä\n\u2028b' },
          {
            output_type: 'execute_result',
            data: { 'text/plain': '2', 'application/vnd.x+json': [1, { a: null }] },
            metadata: {},
            execution_count: 3,
          },
          {
            output_type: 'display_data',
            data: { 'image/png': 'AAAA\n', 'text/html': '<b>\n</b>' },
            metadata: { isolated: true },
          },
          { output_type: 'error', ename: 'E', evalue: 'no', traceback: ['one', 'two\nthree'] },
        ],
      },
      {
        cell_type: 'markdown',
        id: 'notes',
        metadata: {},
        source: '# Title\n\n![dot](attachment:dot.png)\n',
        attachments: { 'dot.png': { 'image/png': 'AAAA' } },
      },
      { cell_type: 'raw', id: 'raw', metadata: { format: 'text/latex' }, source: '' },
    ],
    {
      title: 'All of it',
      authors: [{ name: 'A' }],
      kernelspec: { name: 'deno', display_name: 'Deno', language: 'typescript' },
    },
  )

export default {
  name: 'NotebookCacher',
  cacher: NotebookCacher,
  module: import.meta.url,
  samples: [
    {
      label: 'a list of code',
      make: () => ['import json', 'json.dumps({})\n'],
      loaded: () => notebook([code('0-8bc78a9a', 'import json'), code('1-b56ceeb7', 'json.dumps({})\n')]),
    },
    {
      label: 'a list of lists of lines',
      make: () => [['a = 1', 'b = 2\n', 'a + b'], [], ['']],
      loaded: () =>
        notebook([code('0-94ce2fc4', 'a = 1\nb = 2\na + b'), code('1-c86b04e7', ''), code('2-335973ad', '')]),
    },
    {
      label: 'cells of all kinds',
      make: () => [
        { type: 'markdown', source: ['# Title', 'and text'] },
        { cell_type: 'raw', source: 'as it is' },
        { source: 'x', metadata: { tags: ['parameters'] }, id: 'mine' },
      ],
      loaded: () =>
        notebook([
          { cell_type: 'markdown', id: '0-a0437ad6', metadata: {}, source: '# Title\nand text' },
          { cell_type: 'raw', id: '1-a358ee7e', metadata: {}, source: 'as it is' },
          { ...code('mine', 'x'), metadata: { tags: ['parameters'] } },
        ]),
    },
    { label: 'no cells', make: () => [], loaded: () => notebook([]) },
    { label: 'a notebook with everything', make: whole },
    {
      label: 'a notebook without metadata',
      make: () => ({ cells: ['1'] }),
      loaded: () => notebook([code('0-8bd38aef', '1')]),
    },
    {
      label: 'an older notebook',
      make: () => ({ cells: [], metadata: {}, nbformat: 4, nbformat_minor: 2 }),
      loaded: () => notebook([], {}),
    },
  ],
  refused: [
    { label: 'undefined', value: undefined, message: /is undefined/ },
    { label: 'a text', value: 'print(1)', message: /it is no list of cells and no notebook/ },
    { label: 'a number as a cell', value: ['a', 3], message: /cells\[1\] is a number, not a text/ },
    {
      label: 'a date in metadata',
      value: [{ source: '', metadata: { when: new Date(0) } }],
      message: /\[0\]\.metadata\.when is a Date/,
    },
    {
      label: 'another type',
      value: [{ type: 'sql', source: '' }],
      message: /cells\[0\] is neither code nor markdown nor raw/,
    },
    {
      label: 'two types',
      value: [{ type: 'raw', cell_type: 'code', source: '' }],
      message: /cells\[0\] has two types, raw and code/,
    },
    { label: 'no source', value: [{ type: 'code' }], message: /cells\[0\]\.source is undefined/ },
    {
      label: 'an unknown member of a cell',
      value: [{ source: '', tags: [] }],
      message: /cells\[0\] has a member "tags"[\s\S]*known are id/,
    },
    {
      label: 'outputs of markdown',
      value: [{ type: 'markdown', source: '', outputs: [] }],
      message: /has a member "outputs"/,
    },
    { label: 'an id with a space', value: [{ source: '', id: 'a b' }], message: /cells\[0\]\.id is not one of/ },
    {
      label: 'an id twice',
      value: [
        { source: '', id: 'a' },
        { source: '', id: 'a' },
      ],
      message: /cells\[1\]\.id is a, which an earlier cell has/,
    },
    {
      label: 'tags that are none',
      value: [{ source: '', metadata: { tags: ['a', 'a'] } }],
      message: /cells\[0\]\.metadata\.tags is not a list of different texts/,
    },
    {
      label: 'a count below zero',
      value: [{ source: '', execution_count: -1 }],
      message: /execution_count is a number, not a whole number or null/,
    },
    {
      label: 'an output of no kind',
      value: [{ source: '', outputs: [{ output_type: 'x' }] }],
      message: /outputs\[0\]\.output_type is not one of stream/,
    },
    {
      label: 'an output that lacks something',
      value: [{ source: '', outputs: [{ output_type: 'stream', name: 'stdout' }] }],
      message: /outputs\[0\] has no text/,
    },
    {
      label: 'an image that is no text',
      value: [{ source: '', outputs: [{ output_type: 'display_data', metadata: {}, data: { 'image/png': 3 } }] }],
      message: /data\["image\/png"\] is a number, not a text/,
    },
    {
      label: 'a kernel without a name',
      value: { cells: [], metadata: { kernelspec: {} } },
      message: /metadata\.kernelspec is not an object with texts/,
    },
    {
      label: 'a notebook of another format',
      value: { cells: [], nbformat: 3 },
      message: /it has nbformat 3[\s\S]*known are 4\.0 to 4\.5/,
    },
    { label: 'an unknown member', value: { cells: [], worksheets: [] }, message: /it has a member "worksheets"/ },
    {
      label: 'more levels than the stack has',
      value: [{ source: '', metadata: { deep: deep(100_000) } }],
      message: /too deep/,
    },
  ],
} satisfies CacherCase<Notebook, NotebookLike>

function deep(levels: number): unknown {
  let value: unknown = null
  for (let i = 0; i < levels; i++) value = [value]
  return value
}
