import { Store } from 'curio'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Squarer } from '../execution/fixtures/local.js'
import { Arrays } from '../execution/fixtures/maps.js'
import { Place } from './helpers.js'

const place = new Place()
// biome-ignore lint/suspicious/noExplicitAny: documents of all commands
const json = async (...argv: string[]) => JSON.parse((await place.curio(...argv, '--json')).out) as Record<string, any>
const large = 2 << 20

beforeAll(async () => {
  const infra = { folder: place.folder }
  const squarer = new Squarer({ infra })
  for await (const _ of squarer.process([1, 2, 3, -4]));
  for await (const _ of new Squarer({ coeff: 3, infra }).process(Array.from({ length: 12 }, (_, i) => 100 + i)));
  await (async () => {
    for await (const _ of squarer.process([13]));
  })().catch(() => undefined)
  for await (const _ of new Arrays({ size: large / 4, infra }).process([1, 2]));
  for await (const _ of new Arrays({ size: 2, infra }).process([5]));
  const store = await Store.open(place.folder)
  await store.items<number>('loose/ends').set('x', 1)
  await store.close()
})
afterAll(() => place.remove())

/** What `curio` says of an entry, by a part of its key. */
const listed = async (part: string): Promise<{ key: string; bytes: number }> =>
  (await json('ls')).entries.find(({ key }: { key: string }) => key.includes(part))

describe('curio cat of items', () => {
  it('says how many there are, and shows the first, errors too', async () => {
    expect((await place.curio('cat', 'Squarer.process,1/default')).out.split('\n')).toEqual([
      '4 items, 1 error',
      '  1   json     2 B  number 1',
      '  2   json     2 B  number 4',
      '  3   json     2 B  number 9',
      '  -4  json     3 B  number 16',
      expect.stringMatching(/^ {2}13 {2}error +\d+ B {2}RangeError: unlucky$/),
      '',
    ])
    const { out, err } = await place.curioWith({ tty: true }, 'cat', 'coeff=3')
    expect([out, err]).toEqual([
      expect.stringMatching(/^12 items\n(.*\n){10} {2}… and 2 more\n$/),
      expect.stringContaining('<item> prints one'),
    ])
    expect((await json('cat', 'size=524288')).items).toEqual({
      count: 2,
      errors: 0,
      first: ['1', '2'].map((item) => ({
        item,
        cacher: expect.any(String),
        bytes: expect.any(Number),
        preview: expect.stringMatching(/array/i),
      })),
    })
    expect((await place.curio('show', 'Squarer.process,1/default')).out).toMatch(/^items +4, and 1 error$/m)
  })
  it('prints one: a value, a large one, an error, and its bytes as they are', async () => {
    expect((await place.curio('cat', 'coeff=3', '101')).out).toBe(`${3 * 101 ** 2}\n`)
    expect((await place.curio('cat', 'Squarer.process,1/default', '--', '-4')).out).toBe('16\n')
    expect((await place.curio('cat', 'coeff=3', '101', '--raw')).out).toBe(`${3 * 101 ** 2}\n`)
    expect((await place.curio('cat', 'size=524288', '2')).out).toContain('Float32Array')
    expect((await place.curio('cat', 'size=524288', '2', '--raw')).bytes.byteLength).toBeGreaterThan(large)
    expect((await place.curio('cat', 'Squarer.process,1/default', '13')).out).toMatch(
      /^RangeError: unlucky\n(.*\n)* {2}in .*, item 13, at 20/,
    )
    expect(await json('cat', 'coeff=3', '101')).toMatchObject({
      item: '101',
      cacher: 'json',
      kind: 'json',
      value: 3 * 101 ** 2,
    })
    expect(await json('cat', 'Squarer.process,1/default', '13')).toMatchObject({
      kind: 'failed',
      error: { name: 'RangeError', message: 'unlucky' },
    })
  })
  it('says what is not there, and what cannot be', async () => {
    const absent = await place.curio('cat', 'coeff=3', '99')
    expect([absent.code, absent.err]).toEqual([
      1,
      expect.stringMatching(/cannot find item 99 .*\n.*shows how the first are called/),
    ])
    expect((await place.curio('cat', 'coeff=3', '--raw')).code).toBe(2)
    expect((await place.curioWith({ tty: true }, 'cat', 'coeff=3', '101', '--raw')).code).toBe(2)
    expect((await place.curio('cat', 'a', 'b', 'c')).err).toContain('curio cat takes at most 2 arguments')
  })
})

describe('bytes of items', () => {
  it('du counts segments, and the blobs of large items', async () => {
    const [small, many, arrays, pair] = await Promise.all(
      ['process,1/default', 'coeff=3', 'size=524288', 'size=2-'].map(listed),
    )
    const { groups, total, unreferenced } = await json('du')
    const bytes = Object.fromEntries(
      groups.map((group: { name: string; bytes: number }) => [group.name.replace(/.*fixtures\//, ''), group.bytes]),
    )
    expect(bytes['local.Squarer.process,1']).toBe(small!.bytes + many!.bytes)
    expect(bytes['maps.Arrays.process,1']).toBeGreaterThan(2 * large)
    expect(bytes['maps.Arrays.process,1']).toBeLessThan(2 * large + arrays!.bytes + pair!.bytes + 1000)
    expect(bytes['loose/']).toBeGreaterThan(0)
    expect(total.bytes).toBe(Object.values(bytes).reduce((sum: number, n) => sum + (n as number), 0))
    expect(unreferenced).toEqual({ blobs: 0, bytes: 0 })
    expect((await place.curio('du')).out).toMatch(/total, in 2 blobs and \d+.* of items/)
  })
  it('rm says how many it frees, and frees them', async () => {
    const { key, bytes } = await listed('size=524288')
    const evicting = await json('rm', key, '--evict', '--dry-run')
    expect(evicting.bytes).toBe(0)
    const before = (await json('du')).total.bytes
    const plan = await json('rm', key, '--dry-run')
    expect(plan.bytes).toBeGreaterThan(2 * large + bytes - 1)
    expect((await place.curio('rm', key, '--dry-run')).out).toMatch(
      /would remove 1 entry, which frees 4\.\d+ MiB\n +4\.\d+ MiB/,
    )
    expect((await json('rm', key, '--yes')).bytes).toBe(plan.bytes)
    expect((await json('du')).total.bytes).toBe(before - plan.bytes)
  })
})
