/** Parquet files seen from Python: what pyarrow, pandas, polars and DuckDB find in ours, and we in theirs. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ParquetCacher } from 'curio/cachers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { ofEachType, rows } from './arrow-types.js'
import { large, ofParquetTypes } from './specs/parquet.js'

const python = process.env.CURIO_PYTHON ?? 'python3'
const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url))

/** Runs a program in Python, with `dir` as the folder it works in; the JSON it prints. */
function run(dir: TempDir, program: string): unknown {
  const prelude = `
import importlib.util, json, sys
import pyarrow as pa, pyarrow.parquet as pq
def load(name):
    spec = importlib.util.spec_from_file_location(name, ${JSON.stringify(fixtures)} + '/' + name + '/make.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
every = load('arrow').every_type()
`
  const done = spawnSync(python, ['-W', 'ignore', '-c', prelude + program], { encoding: 'utf8', cwd: dir.path })
  if (done.status !== 0) throw new Error(done.stderr || String(done.error))
  return JSON.parse(done.stdout)
}

function has(modules: string): boolean {
  return spawnSync(python, ['-c', `import ${modules}`]).status === 0
}

const required = process.env.CURIO_REQUIRE_SERVICES === '1'
const needs = 'pyarrow, pandas, polars, duckdb'
const there = required || has(needs)
const title = (text: string): string => (there ? text : `${text} (skipped: needs Python with ${needs})`)

/** What Python's libraries have no type for. */
const intervals = ['interval_days', 'interval_months']
/** In milliseconds, 64 bits are longer than Python's own durations. */
const endless = ['duration_s', 'duration_ms']
const names = (ofParquetTypes(5).schema.names as string[]).filter((name) => !intervals.includes(name))

describe('Parquet in Python', () => {
  let dir: TempDir
  beforeAll(async () => {
    dir = tempDir()
    if (!there) return
    const every = ofParquetTypes(5)
    // A file for each type, for one that a program cannot read would keep it from all.
    for (const name of names) await ParquetCacher(dir.join(`${name}.parquet`)).save(every.select([name] as never))
    await ParquetCacher(dir.join('every.parquet')).save(every)
    await ParquetCacher(dir.join('large.parquet')).save(large())
  })
  afterAll(() => dir[Symbol.asyncDispose]())

  it.skipIf(!there)(title('pyarrow finds the types and values that we wrote'), () => {
    const program = `
def numbers(column):
    plain = pa.types.is_duration(column.type) or pa.types.is_time64(column.type)
    return column.cast(pa.int64()) if plain else column
out = {}
for name in ${JSON.stringify(names)}:
    ours, theirs = pq.read_table(name + '.parquet').column(0), every.column(name)
    if name == 'date64': theirs = theirs.cast(pa.timestamp('ms'))
    same = repr(numbers(ours).to_pylist()) == repr(numbers(theirs).to_pylist())
    out[name] = [same, str(ours.type), str(theirs.type)]
out['all'] = [pq.read_table('every.parquet').num_rows == 5, pq.read_schema('every.parquet').names]
print(json.dumps(out))`
    const seen = run(dir, program) as Record<string, [boolean, string, string]>
    expect(seen.all).toEqual([true, ofParquetTypes(5).schema.names])
    delete seen.all
    expect(Object.keys(seen)).toEqual(names)
    expect(Object.entries(seen).filter(([, [same]]) => !same)).toEqual([])
    const others = Object.entries(seen).filter(([, [, ours, theirs]]) => !ours.startsWith(theirs.replace(/>$/, '')))
    // Seconds are milliseconds in Parquet, and pyarrow makes dictionaries of nothing but texts.
    expect(Object.fromEntries(others.map(([name, [, ours]]) => [name, ours]))).toEqual({
      time32_s: 'time32[ms]',
      timestamp_s: 'timestamp[ms]',
      dictionary_int: 'int64',
    })
  })

  it.skipIf(!there)(title('pandas, polars and DuckDB find the values that we wrote'), () => {
    const program = `
import datetime as dt, duckdb, pandas as pd, polars as pl
out = {}
# What the libraries give in types of their own, or as numbers: that they read it is enough, for pyarrow has seen the values.
skip = {'duration_us', 'duration_ns', 'time64_ns', 'timestamp_ns', 'map', 'date64'}
def plain(value):
    if isinstance(value, dict): return {key: plain(own) for key, own in value.items()}
    if isinstance(value, (list, tuple)): return [plain(own) for own in value]
    if isinstance(value, dt.datetime) and value.tzinfo: return value.astimezone(dt.timezone.utc)
    if hasattr(value, 'tolist'): return plain(value.tolist())
    return value
def duck(name, file):
    rows = duckdb.sql(f"select {'epoch_ms(#1::timestamptz)' if name in zoned else '*'} from '{file}'").fetchall()
    return [zoned[name](row[0]) if name in zoned else row[0] for row in rows]
# Without pytz it has no zoned times for Python.
zoned = dict.fromkeys(['timestamp_us', 'timestamp_ns'], lambda ms: None if ms is None else dt.datetime.fromtimestamp(ms / 1000, dt.timezone.utc))
def text(values): return repr([plain(value) for value in values])
for name in ${JSON.stringify(names.filter((name) => !endless.includes(name)))}:
    file, theirs = name + '.parquet', every.column(name)
    expected = text(theirs.to_pylist()) if name not in skip else None
    out[name] = {}
    for who, read in {
        'pandas': lambda: pd.read_parquet(file, dtype_backend='pyarrow').iloc[:, 0].array.__arrow_array__().to_pylist(),
        'polars': lambda: pl.read_parquet(file).to_series().to_list(),
        'duckdb': lambda: duck(name, file),
    }.items():
        try:
            got = read()
            out[name][who] = expected is None or text(got) == expected or text(got)
        except BaseException as error:
            out[name][who] = str(error)
big = pl.read_parquet('large.parquet')
out['large'] = [big.height, pd.read_parquet('large.parquet')['word'].iloc[-1], duckdb.sql("select count(distinct word) from 'large.parquet'").fetchall()[0][0]]
print(json.dumps(out))`
    const { large: whole, ...seen } = run(dir, program) as Record<string, Record<string, boolean | string>>
    expect(whole).toEqual([540_000, large().getChild('word')!.get(539_999), 80])
    const wrong = Object.entries(seen).filter(([, who]) => Object.values(who).some((right) => right !== true))
    expect(wrong).toEqual([])
  })

  it.skipIf(!there)(title('we find what pyarrow writes, whichever way it writes it'), async () => {
    const program = `
table = every.drop_columns(['interval_nanos', 'sparse_union', 'dense_union'])
from itertools import product
files = []
for codec, version, page, dictionary in product(['snappy', 'gzip', 'zstd', 'brotli', 'lz4', 'none'], ['1.0', '2.6'], ['1.0', '2.0'], [True, False]):
    file = f'by-{codec}-{version}-{page}-{dictionary}.parquet'
    keep = table if version == '2.6' else table.drop_columns(['timestamp_ns', 'uint32'])
    pq.write_table(keep, file, compression=codec, version=version, data_page_version=page, use_dictionary=dictionary, row_group_size=3)
    files.append(file)
print(json.dumps(files))`
    const files = run(dir, program) as string[]
    expect(files).toHaveLength(48)
    for (const file of files) {
      const table = await ParquetCacher(dir.join(file)).load()
      const same = (table.schema.names as string[]).filter((name) => name !== 'time32_s')
      const expected = ofParquetTypes(5)
      const views = { utf8_view: ofEachType().utf8!, binary_view: ofEachType().binary! }
      const found = rows(table.select(same as never)) as Record<string, unknown>[]
      const wanted = rows(expected) as Record<string, unknown>[]
      for (const [i, row] of found.entries()) {
        const kept = { ...wanted[i], utf8_view: views.utf8_view.get(i), binary_view: views.binary_view.get(i) }
        expect([file, row]).toEqual([file, Object.fromEntries(same.map((name) => [name, kept[name as 'utf8_view']]))])
      }
    }
  })
})
