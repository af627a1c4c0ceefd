/** CSV and JSON frames seen from pandas, polars, pyarrow and DuckDB. */
import { spawnSync } from 'node:child_process'
import * as arrow from 'apache-arrow'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { CsvCacher } from '../../cachers/csv.js'
import { JsonFrameCacher } from '../../cachers/json-frame.js'
import { type TempDir, tempDir } from '../helpers/temp.js'
import { column, dictionary, tableOf } from './specs/csv.js'

const python = process.env.CURIO_PYTHON ?? 'python3'
const required = process.env.CURIO_REQUIRE_SERVICES === '1'
const libraries = ['pandas', 'polars', 'pyarrow', 'duckdb'] as const
const there = Object.fromEntries(
  libraries.map((name) => [name, required || spawnSync(python, ['-c', `import ${name}`]).status === 0]),
)

/** A test that runs a program in Python in the folder of the files. */
function inPython(name: (typeof libraries)[number], text: string, program: string): void {
  it.skipIf(!there[name])(there[name] ? text : `${text} (skipped: needs Python with ${name})`, () => {
    const done = spawnSync(python, ['-W', 'ignore', '-c', `${expected}\n${program}\nprint('equal')`], {
      encoding: 'utf8',
      cwd: dir.path,
    })
    if (done.status !== 0 || done.stdout.trim() !== 'equal')
      throw new Error(done.stderr || done.stdout || String(done.error))
  })
}

const moments = [1577934245678901n, null, -86400000000n]
const frame = () =>
  tableOf({
    id: column(new arrow.Int64(), [9007199254740993n, -(2n ** 63n), null]),
    u: column(new arrow.Uint64(), [2n ** 64n - 1n, 0n, 1n]),
    small: column(new arrow.Int8(), [-128, 127, 0]),
    x: column(new arrow.Float64(), [0.1, Number.NaN, -0]),
    y: column(new arrow.Float64(), [-Infinity, 2 ** -1022, 2 ** 60]),
    single: column(new arrow.Float32(), [Math.fround(0.1), Math.fround(1e-7), 3.4028234663852886e38]),
    ok: column(new arrow.Bool(), [true, false, true]),
    text: column(new arrow.Utf8(), ['a "b", c\r\n; \t', 'ü漢\u{1f600}', ' x ']),
    empty: column(new arrow.Utf8(), ['', null, 'x']),
    zip: column(new arrow.Utf8(), ['01234', '00000', '99999']),
    kind: dictionary(new arrow.Utf8(), new arrow.Int8(), ['b', 'a'], [0, 1, 0]),
    day: column(new arrow.DateDay(), [18321, null, -1]),
    at: column(new arrow.TimestampMicrosecond(), moments),
    utc: column(new arrow.TimestampMicrosecond('Europe/Berlin'), moments),
    ns: column(new arrow.TimestampNanosecond(), [1577934245678901234n, null, 0n]),
    time: column(new arrow.TimeMicrosecond(), [3723000005n, null, 0n]),
    took: column(new arrow.DurationMicrosecond(), [93784500000n, null, -1000000n]),
    price: column(new arrow.Decimal(2, 10), [110n, null, -205n]),
    none: column(new arrow.Null(), [null, null, null]),
  })

const expected = `
import datetime as dt, math
from decimal import Decimal
utc = dt.timezone.utc
moment = dt.datetime(2020, 1, 2, 3, 4, 5, 678901)
before = dt.datetime(1969, 12, 31)
want = {
    'id': [9007199254740993, -2**63, None], 'u': [2**64 - 1, 0, 1], 'small': [-128, 127, 0],
    'x': [0.1, math.nan, -0.0], 'y': [-math.inf, 2.0**-1022, 2.0**60], 'ok': [True, False, True],
    'text': ['a "b", c\\r\\n; \\t', 'ü漢\\U0001f600', ' x '], 'empty': ['', None, 'x'], 'zip': ['01234', '00000', '99999'],
    'kind': ['b', 'a', 'b'], 'day': [dt.date(2020, 2, 29), None, dt.date(1969, 12, 31)],
    'at': [moment, None, before], 'utc': [moment.replace(tzinfo=utc), None, before.replace(tzinfo=utc)],
    'time': [dt.time(1, 2, 3, 5), None, dt.time(0)], 'took': [dt.timedelta(days=1, seconds=7384.5), None, dt.timedelta(seconds=-1)],
    'price': [Decimal('1.10'), None, Decimal('-2.05')], 'none': [None, None, None],
}
def same(name, got, wanted=None):
    wanted = want[name] if wanted is None else wanted
    plain = lambda v: None if v is None or v is pd_na else v
    assert len(got) == len(wanted), (name, got)
    for g, w in zip(map(plain, got), wanted):
        if isinstance(w, float):
            assert isinstance(g, float) and (g == w or math.isnan(w) and math.isnan(g)) and math.copysign(1, g) == math.copysign(1, w) or math.isnan(w), (name, got)
        elif w is None: assert g is None or g != g, (name, got)
        else: assert g == w and isinstance(g, type(w)), (name, got)
try:
    import pandas; pd_na = pandas.NA
except ImportError: pd_na = None`

let dir: TempDir
beforeAll(async () => {
  dir = tempDir()
  await CsvCacher(dir.join('frame.csv')).save(frame())
  await CsvCacher(dir.join('excel.csv'), { writeOptions: { delimiter: ';', bom: true } }).save(frame())
  await CsvCacher(dir.join('one.csv')).save(tableOf({ x: column(new arrow.Int32(), [null, 1, null]) }))
  await CsvCacher(dir.join('none.csv')).save(frame().slice(0, 0))
  await JsonFrameCacher(dir.join('frame.json')).save(frame())
  await JsonFrameCacher(dir.join('nested.json')).save([
    { tags: ['a', null], at: { x: 1 } },
    { tags: [], at: null },
  ])
  await JsonFrameCacher(dir.join('none.json')).save([])
})
afterAll(() => dir[Symbol.asyncDispose]())

describe('pandas', () => {
  inPython(
    'pandas',
    'reads every column of a CSV',
    `
import pandas as pd
for name, sep in (('frame.csv', ','), ('excel.csv', ';')):
    d = pd.read_csv(name, sep=sep, dtype={'id': 'Int64', 'zip': str, 'price': str}, float_precision='round_trip')
    assert list(d.columns) == ['id', 'u', 'small', 'x', 'y', 'single', 'ok', 'text', 'empty', 'zip', 'kind', 'day', 'at', 'utc', 'ns', 'time', 'took', 'price', 'none']
    for name in ('id', 'u', 'small', 'x', 'y', 'ok', 'text', 'zip', 'kind', 'none'): same(name, d[name].tolist())
    assert d['single'].astype('float32').tolist() == [float(pd.Series([v], dtype='float32')[0]) for v in (0.1, 1e-7, 3.4028234663852886e38)]
    same('empty', d['empty'].tolist(), [None, None, 'x'])
    same('price', [None if v != v else Decimal(v) for v in d['price']])
    at = lambda name: pd.to_datetime(d[name], format='ISO8601')
    same('at', [None if v is pd.NaT else v.to_pydatetime() for v in at('at')])
    same('utc', [None if v is pd.NaT else v.to_pydatetime() for v in at('utc')])
    same('day', [None if v is pd.NaT else v.date() for v in at('day')])
    assert at('ns')[0].value == 1577934245678901234
    same('took', [None if v is pd.NaT else v.to_pytimedelta() for v in pd.to_timedelta(d['took'])])
assert len(pd.read_csv('one.csv')) == 3 and list(pd.read_csv('none.csv').columns)[0] == 'id'`,
  )

  inPython(
    'pandas',
    'reads every column of a JSON frame',
    `
import pandas as pd
d = pd.read_json('frame.json', orient='records', dtype=False, convert_dates=False, precise_float=True)
for name in ('u', 'small', 'ok', 'text', 'empty', 'zip', 'kind', 'none'): same(name, d[name].tolist())
same('x', [float(v) for v in d['x']])
same('price', [None if v != v else Decimal(v) for v in d['price']])
same('at', [None if v is pd.NaT else v.to_pydatetime() for v in pd.to_datetime(d['at'], format='ISO8601')])
same('took', [None if v is pd.NaT else v.to_pytimedelta() for v in pd.to_timedelta(d['took'])])
import json
rows = json.load(open('frame.json'))
assert [row['id'] for row in rows] == want['id'] and [row['u'] for row in rows] == want['u']
n = pd.read_json('nested.json', orient='records')
assert n['tags'].tolist() == [['a', None], []] and n['at'].tolist()[0] == {'x': 1}
assert len(pd.read_json('none.json')) == 0`,
  )
})

describe('polars', () => {
  inPython(
    'polars',
    'reads every column of a CSV',
    `
import polars as pl
types = {'id': pl.Int64, 'u': pl.UInt64, 'x': pl.Float64, 'y': pl.Float64, 'zip': pl.String, 'single': pl.Float32, 'price': pl.Decimal(10, 2)}
for name, sep in (('frame.csv', ','), ('excel.csv', ';')):
    d = pl.read_csv(name, separator=sep, schema_overrides=types, try_parse_dates=True)
    for name in ('id', 'u', 'small', 'x', 'y', 'ok', 'text', 'empty', 'zip', 'kind', 'day', 'at', 'time', 'price', 'none'): same(name, d[name].to_list())
    same('utc', [v and v.astimezone(utc) for v in d['utc'].to_list()])
    assert d['single'].to_list() == pl.Series([0.1, 1e-7, 3.4028234663852886e38], dtype=pl.Float32).to_list()
    assert d['ns'].cast(pl.String).str.to_datetime(time_unit='ns').dt.timestamp('ns').to_list()[1:] == [None, 0]
assert pl.read_csv('one.csv', schema_overrides={'x': pl.Int32})['x'].to_list() == [None, 1, None]
assert pl.read_csv('none.csv').columns[0] == 'id'`,
  )

  inPython(
    'polars',
    'reads every column of a JSON frame',
    `
import polars as pl
d = pl.read_json('frame.json')
for name in ('id', 'small', 'ok', 'text', 'empty', 'zip', 'kind', 'none'): same(name, d[name].to_list())
assert [int(v) for v in d['u'].to_list()] == want['u']
same('x', [float(v) for v in d['x'].to_list()])
same('at', d['at'].str.to_datetime(time_unit='us').to_list())
same('price', [v and Decimal(v) for v in d['price'].to_list()])
assert pl.read_json('nested.json').to_dicts() == [{'tags': ['a', None], 'at': {'x': 1}}, {'tags': [], 'at': None}]`,
  )
})

describe('pyarrow', () => {
  inPython(
    'pyarrow',
    'reads every column of a CSV, with the types it had',
    `
import pyarrow as pa, pyarrow.csv
types = {'id': pa.int64(), 'u': pa.uint64(), 'small': pa.int8(), 'x': pa.float64(), 'y': pa.float64(), 'single': pa.float32(), 'zip': pa.string(), 'kind': pa.dictionary(pa.int32(), pa.string()),
    'empty': pa.string(), 'day': pa.date32(), 'at': pa.timestamp('us'), 'utc': pa.timestamp('us', 'Europe/Berlin'), 'ns': pa.timestamp('ns'), 'time': pa.time64('us'), 'price': pa.decimal128(10, 2)}
for name, sep in (('frame.csv', ','), ('excel.csv', ';')):
    d = pyarrow.csv.read_csv(name, parse_options=pyarrow.csv.ParseOptions(delimiter=sep, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, null_values=[''], strings_can_be_null=True, quoted_strings_can_be_null=False))
    for name in ('id', 'u', 'small', 'x', 'y', 'ok', 'text', 'empty', 'zip', 'kind', 'day', 'at', 'time', 'price', 'none'): same(name, d[name].to_pylist())
    assert d['utc'].cast(pa.timestamp('us', 'UTC')).cast(pa.int64()).to_pylist() == [1577934245678901, None, -86400000000]
    assert d['ns'].cast(pa.int64()).to_pylist() == [1577934245678901234, None, 0]
    assert d['single'].to_pylist() == pa.array([0.1, 1e-7, 3.4028234663852886e38], pa.float32()).to_pylist()`,
  )
})

describe('DuckDB', () => {
  inPython(
    'duckdb',
    'reads every column of a CSV',
    `
import duckdb
for name in ('frame.csv', 'excel.csv'):
    types = "{'id': 'BIGINT', 'u': 'UBIGINT', 'zip': 'VARCHAR', 'single': 'FLOAT', 'y': 'DOUBLE', 'ns': 'TIMESTAMP_NS', 'price': 'DECIMAL(10, 2)'}"
    d = duckdb.sql(f"select *, epoch_us(utc) as moments, epoch_ns(ns) as nanos from read_csv('{name}', types={types})")
    got = duckdb.sql('select * exclude (utc, ns) from d')
    columns = dict(zip(got.columns, map(list, zip(*got.fetchall()))))
    for name in ('id', 'u', 'small', 'x', 'y', 'ok', 'text', 'zip', 'kind', 'day', 'at', 'time', 'price', 'none'): same(name, columns[name])
    same('empty', columns['empty'], [None, None, 'x'])
    assert columns['moments'] == [1577934245678901, None, -86400000000] and columns['nanos'] == [1577934245678901234, None, 0]
assert duckdb.sql("select * from 'one.csv'").fetchall() == [(None,), (1,), (None,)]`,
  )

  inPython(
    'duckdb',
    'reads every column of a JSON frame',
    `
import duckdb
got = duckdb.sql('''select * exclude (utc) replace ("at"::timestamp as "at") from read_json('frame.json')''')
columns = dict(zip(got.columns, map(list, zip(*got.fetchall()))))
for name in ('id', 'u', 'small', 'ok', 'text', 'empty', 'zip', 'kind', 'day', 'at', 'time', 'none'): same(name, columns[name])
same('x', [float(v.strip('"')) for (v,) in duckdb.sql("select x::varchar from read_json('frame.json')").fetchall()])
assert duckdb.sql("select * from read_json('nested.json')").fetchall() == [(['a', None], {'x': 1}), ([], None)]`,
  )
})
