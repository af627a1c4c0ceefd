/** Row 20: names as people, programs and attackers write them. Distinct, given back as they were, and never a path of their own. */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { BytesCacher } from '../../cachers/bytes.js'
import { Store } from '../../src/artifact/store.js'
import { CurioError } from '../../src/errors.js'
import { sha256 } from '../../src/identity/digest.js'
import { nameKey } from '../../src/identity/key.js'
import { withFolder } from './harness/folders.js'
import { bits, refused, taken } from './harness/names.js'
import { Random } from './harness/random.js'
import { bySize, type Counts, must, mustBe, mustEqual, type RunOptions } from './harness/row.js'

export async function run({ size, seed }: RunOptions): Promise<Counts> {
  const fuzz = bySize(size, { small: 1000, full: 100_000, mutant: 0 })
  return withFolder(async (parent) => {
    const store = await Store.open({ folder: path.join(parent, 'store'), durability: 'cache' })
    const keys = new Set(taken)
    for (const random = new Random(seed); keys.size < taken.length + fuzz; ) keys.add(fuzzed(random))
    const places = new Map<string, string>()
    let stored = 0
    let declined = 0
    for (const key of keys) {
      const value = Buffer.from(key, 'utf16le')
      const code = await codeOf(store.save(key, BytesCacher, value))
      if (code !== undefined) {
        mustEqual(code, 'ERR_INVALID_NAME', `a save under ${JSON.stringify(key.slice(0, 80))}`)
        must(!taken.includes(key), `${JSON.stringify(key)} is refused`)
        declined += 1
        continue
      }
      stored += 1
      isAlone(store, key, places)
    }
    for (const key of keys) {
      if (!places.has(flat(placeOf(store, key)))) continue
      mustBe(
        await store.load(key, BytesCacher),
        Buffer.from(key, 'utf16le'),
        `the value of ${JSON.stringify(key.slice(0, 80))}`,
      )
    }
    for (const key of refused) {
      for (const action of [
        store.save(key, BytesCacher, Buffer.of(1)),
        store.load(key),
        store.has(key),
        store.evict(key),
      ]) {
        mustEqual(await codeOf(action), 'ERR_INVALID_NAME', `the use of ${JSON.stringify(key)}`)
      }
    }
    await digestsAreNoPaths(store)
    await othersAreNoHits(store)
    const listed = new Set<string>()
    for await (const entry of store.list()) listed.add(entry.key)
    mustEqual(listed.size, stored, 'keys listed')
    for (const key of listed)
      must(keys.has(key) || key === 'shared', `${JSON.stringify(key)} is listed, but was not saved`)
    mustEqual(fs.readdirSync(parent).join(), 'store', 'what lies beside the store')
    return { keys: stored, refused: declined + refused.length, 'sharing a folder': 0, 'outside the store': 0 }
  })
}

/** Strings of what makes trouble, in every order. */
function fuzzed(random: Random): string {
  const length = 1 + random.int(7)
  return Array.from({ length }, () =>
    random.next() < 0.9 ? random.pick(bits) : String.fromCodePoint(random.int(0x11_0000)),
  ).join('')
}

function placeOf(store: Store, key: string): string {
  try {
    return path.relative(store.folder, store.dirOf(key))
  } catch {
    return ''
  }
}

/** As the pickiest of file systems compares names. */
function flat(place: string): string {
  return place.normalize('NFKD').toLowerCase().toUpperCase()
}

/** The folder is inside, made of harmless names, and nobody else's, whatever case or Unicode form a file system sees. */
function isAlone(store: Store, key: string, places: Map<string, string>): void {
  const place = placeOf(store, key)
  const name = JSON.stringify(key.slice(0, 80))
  must(/^artifacts(\/[A-Za-z0-9][A-Za-z0-9._=,()~-]*)+$/.test(place), `${name} lies at ${JSON.stringify(place)}`)
  must(place.length <= 512 && !place.split('/').some((part) => part.endsWith('.')), `${name} lies at ${place}`)
  must(fs.existsSync(path.join(store.folder, place, 'entry.json')), `${name} has no entry at its place`)
  const other = places.get(flat(place))
  must(other === undefined, () => `${name} and ${JSON.stringify(other)} share the folder ${place}`)
  places.set(flat(place), key)
}

async function digestsAreNoPaths(store: Store): Promise<void> {
  const good = sha256('x')
  for (const digest of [
    '',
    '..',
    '../../curio.json',
    good.toUpperCase(),
    `${good}\n`,
    `${good.slice(2)}..`,
    `../${good}`,
    good.slice(1),
  ]) {
    const bad = digest as typeof good
    for (const action of [() => store.blobs.get(bad), () => store.blobs.size(bad), () => store.blobs.delete(bad)]) {
      const code = await codeOf((async () => action())())
      mustEqual(code, 'ERR_INVALID_NAME', `a blob called ${JSON.stringify(digest)}`)
    }
  }
}

/** Two computations whose names fall together: neither is a hit for the other, and nothing is overwritten. */
async function othersAreNoHits(store: Store): Promise<void> {
  const mine = nameKey('a')
  const material = `${mine.material} `
  for (const other of [
    { ...mine, material, hash: sha256(material) },
    { ...mine, material },
    { ...mine, hash: sha256(material) },
  ]) {
    mustEqual(await codeOf(store.lookup(other)), 'ERR_KEY_COLLISION', 'a look-up by another key of the same text')
    // What does not even agree with itself is refused before it is compared.
    if (sha256(other.material) !== other.hash) continue
    const entry = (await store.entry('a'))!
    const commit = store.commit(other, { ...entry, hash: other.hash, material: other.material })
    mustEqual(await codeOf(commit), 'ERR_KEY_COLLISION', 'a commit by another key of the same text')
  }
  mustBe(await store.load('a', BytesCacher), Buffer.from('a', 'utf16le'), 'what the first one stored')
}

async function codeOf(action: Promise<unknown>): Promise<string | undefined> {
  try {
    await action
    return undefined
  } catch (error) {
    if (CurioError.is(error)) return error.code
    throw error
  }
}
