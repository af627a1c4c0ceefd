/** CURIO_FUZZ sets how many pairs of different values are tried; 1000000 takes about a minute. */
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { canonical } from '../../src/identity/canonical.js'
import { type Digest, sha256 } from '../../src/identity/digest.js'
import { type InputIdentity, type KeyParts, stageKey } from '../../src/identity/key.js'
import { keyPath } from '../../src/identity/path.js'
import { Random } from '../helpers/random.js'
import { anyValue, nearTwin, rebuilt, same } from '../helpers/values.js'

const pairs = Number(process.env.CURIO_FUZZ ?? 40_000)
const firstSeed = Number(process.env.CURIO_SEED ?? Math.floor(Math.random() * 2 ** 31))
const timeout = 600_000

function show(seed: number, ...values: unknown[]): string {
  return `CURIO_SEED=${seed}: ${values.map((value) => inspect(value, { depth: 10 })).join('  and  ')}`
}

test('two values have one text exactly when they are the same', { timeout }, () => {
  let [different, equal, seed] = [0, 0, firstSeed]
  for (; different < pairs; seed++) {
    const random = new Random(seed)
    const a = anyValue(random)
    // Each beside a near twin of itself, and the twin beside a twin of its own.
    let b = a
    for (let i = 0; i < 4; i++) {
      const c = nearTwin(random, b)
      const isSame = same(b, c)
      if ((canonical(b) === canonical(c)) !== isSame) expect.fail(show(seed, b, c))
      if (isSame) equal += 1
      else different += 1
      b = c
    }
  }
  console.log(`fuzz: ${different} pairs of different values, ${equal} of equal ones, seeds ${firstSeed} to ${seed - 1}`)
})

test('no two of many unrelated values share a text', { timeout }, () => {
  const seen = new Map<string, unknown>()
  const values = Math.ceil(pairs / 4)
  let repeated = 0
  for (let seed = firstSeed; seed < firstSeed + values; seed++) {
    const value = anyValue(new Random(seed))
    const text = canonical(value)
    if (seen.has(text)) {
      repeated += 1
      if (!same(value, seen.get(text))) expect.fail(show(seed, value, seen.get(text)))
    } else seen.set(text, value)
  }
  console.log(`fuzz: ${values} values, ${seen.size} texts, ${repeated} values met again`)
})

test('a value built in another way has the same text', { timeout }, () => {
  const values = Math.ceil(pairs / 4)
  for (let seed = firstSeed; seed < firstSeed + values; seed++) {
    const random = new Random(seed)
    const value = anyValue(random, 4)
    const again = rebuilt(random, value)
    if (canonical(value) !== canonical(again)) expect.fail(show(seed, value, again))
  }
  console.log(`fuzz: ${values} values, each built twice`)
})

const words = ['a', 'b', 'ab', 'a.b', 'a,b', '1', '2', '"', '":', '__proto__', 'auto', 'value', 'artifact', '{}', 'é']
const hashes = [sha256('x'), sha256('y')] as const

function anyParts(random: Random): KeyParts {
  const some = <T>(make: () => T): Record<string, T> =>
    Object.fromEntries(Array.from({ length: random.int(3) }, () => [random.pick(words), make()]))
  const code = random.pick([undefined, undefined, hashes[0] as string, 'auto'])
  return {
    id: random.pick(words),
    version: random.pick(['1', '2', '12']),
    params: some(() => canonical(anyValue(random, 1))),
    inputs: some((): InputIdentity => {
      const digest: Digest = random.pick(hashes)
      return random.int(2) === 0 ? { artifact: digest } : { value: digest }
    }),
    outputs: some(() =>
      random.int(2) === 0 ? 'auto' : ([random.pick(words), random.pick([{}, { a: 1 }, 'auto'])] as const),
    ),
    ...(code === undefined ? {} : { code }),
  }
}

/** One part from another computation, or two parts with each other's content. */
function nearParts(random: Random, parts: KeyParts): KeyParts {
  const other = anyParts(random)
  const field = random.pick(['id', 'version', 'params', 'inputs', 'outputs', 'code', 'swap'] as const)
  if (field !== 'swap') return { ...parts, [field]: other[field] }
  return { ...parts, id: parts.version, version: parts.id }
}

test('two computations have one key exactly when all that counts is the same', { timeout }, () => {
  let [different, equal, seed] = [0, 0, firstSeed]
  for (; different < pairs; seed++) {
    const random = new Random(seed)
    const a = anyParts(random)
    const b = nearParts(random, a)
    const isSame = same({ code: undefined, ...a }, { code: undefined, ...b })
    const [x, y] = [stageKey(a), stageKey(b)]
    const agree = [x.material === y.material, x.hash === y.hash, x.text === y.text]
    if (agree.some((is) => is !== isSame)) expect.fail(show(seed, a, b))
    if (isSame) equal += 1
    else different += 1
  }
  console.log(
    `fuzz: ${different} pairs of different computations, ${equal} of equal ones, seeds ${firstSeed} to ${seed - 1}`,
  )
})

test('two names have one folder exactly when they are the same, whatever a file system makes of case and Unicode', {
  timeout,
}, () => {
  const pieces = [
    'a',
    'A',
    'b',
    '/',
    '.',
    '-',
    '~',
    ' ',
    'é',
    'e\u0301',
    'É',
    'con',
    'entry',
    '.json',
    '=',
    ',',
    '\u0000',
    '\\',
    ':',
    '😀',
    'x'.repeat(60),
  ]
  const seen = new Map<string, string>()
  let [names, refused] = [0, 0]
  for (let seed = firstSeed; names < pairs; seed++) {
    const random = new Random(seed)
    const name = Array.from({ length: 1 + random.int(6) }, () => random.pick(pieces)).join('')
    names += 1
    let path: string
    try {
      path = keyPath(name)
    } catch {
      refused += 1
      continue
    }
    if (!/^artifacts(\/[A-Za-z0-9][A-Za-z0-9._=,()~-]*)+$/.test(path) || path.split('/').includes('..'))
      expect.fail(show(seed, name, path))
    const flat = path.normalize('NFC').toLowerCase()
    if (seen.has(flat) && seen.get(flat) !== name) expect.fail(show(seed, name, seen.get(flat)))
    seen.set(flat, name)
  }
  console.log(`fuzz: ${names} names, ${seen.size} folders, ${refused} refused`)
})
