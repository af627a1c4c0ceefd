import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  goldenId,
  goldenStore,
  listKey,
  makeGoldenStore,
  metricsKey,
  modelKey,
  trainKey,
} from '../fixtures/make-golden-store.js'
import { BareStore } from '../helpers/stores.js'
import { tempDir } from '../helpers/temp.js'
import { namesBelow, snapshot } from '../helpers/tree.js'

const trainFolder =
  'artifacts/golden/pipeline.train,2/lr=0.1,layers=-8,16-,optim=-name-Adam-,when=Date(86400000)-eugd7mzcrmisyhaf'

/** A copy, with the rights that a checkout cannot promise. */
async function copied<T>(use: (folder: string) => Promise<T>): Promise<T> {
  await using dir = tempDir()
  const folder = dir.join('store')
  fs.cpSync(goldenStore, folder, { recursive: true, verbatimSymlinks: true })
  fs.chmodSync(folder, 0o755)
  return await use(folder)
}

describe('the golden store of format 1', () => {
  test('opens, and has no problems', async () => {
    await copied(async (folder) => {
      const store = await BareStore.open({ folder, readOnly: true })
      expect(store.id).toBe(goldenId)
      const report = await store.verify()
      expect(report).toMatchObject({ entries: 4, blobs: 9, unreferenced: { blobs: 0, bytes: 0 }, problems: [] })
    })
  })

  test('holds its entries under their keys, with what they were given', async () => {
    await copied(async (folder) => {
      const store = await BareStore.open({ folder, readOnly: true })
      const contents: Record<string, Record<string, string>> = {}
      for (const key of [metricsKey, modelKey, listKey, trainKey]) {
        const found = await store.lookup(key)
        if (!found.hit) return expect.fail(`${key.text}: ${found.reason}`)
        expect(await store.lookup(key.text)).toEqual(found)
        const files: Record<string, string> = {}
        for (const artifact of found.entry.artifacts) {
          for (const file of (await store.filesOf(artifact))!) {
            files[file.role] = Buffer.from((await store.blobs.read(file))!).toString('latin1')
          }
        }
        contents[key.text] = files
      }
      expect(contents).toEqual({
        'demo/seed=1/metrics': { 'value.json': '{\n  "accuracy": 0.93,\n  "runs": [1, 2, 3]\n}\n' },
        'demo/Großes Modell': {
          'value.bin': '\u0000\u0001\u0002\u00fd\u00fe\u00ff',
          'value.d/flights.csv': 'origin,delay\nBOS,12\nSFO,-3\n',
          'value.d/empty': '',
          'notes/Ünïcode ☃.txt': 'a name that is not ASCII\n',
        },
        'demo/many': { 'part-0': 'origin,delay\nBOS,12\nSFO,-3\n', 'part-1': 'one\n' },
        [trainKey.text]: {
          'model.json': '[0.25,-1.5e-7]\n',
          'report.txt': Buffer.from('Größe: 3\n').toString('latin1'),
        },
      })
    })
  })

  test('has the digests, hashes and paths of the day it was made', async () => {
    await copied(async (folder) => {
      const store = await BareStore.open({ folder, readOnly: true })
      const seen: string[] = []
      for await (const entry of store.list()) {
        seen.push(`${path.relative(folder, store.dirOf(entry.key))} ${entry.hash.slice(0, 16)}`)
        for (const artifact of entry.artifacts) seen.push(`  ${artifact.name} ${artifact.digest}`)
      }
      expect(seen).toEqual([
        'artifacts/demo/Gro-es-Modell~2bfsm3qjv26oxdpw 7442bdbf46a77ba6',
        '  value ad03cc55b81f18fe572accb9966f3ab9c41f7033ab7543a22492402a6cfcc89d',
        'artifacts/demo/many 9d17c89be908764f',
        '  value 06812c5ce61685326f4c510ef361b524829de2023ea801e223ba836e541b150c',
        'artifacts/demo/seed=1/metrics dfff882211d89125',
        '  value 0722503f6775b040b39944564e46c46d44c5b29d79b339bd582438450b5c6f40',
        `${trainFolder} 250c3fb3228b112c`,
        '  model fbf0dc5d92dec2c3db623340e74cb6085c8f9b5b8102d0e8319dd2785b57906c',
        '  report e69c83648369df6d90b9a41cec22341d82101645e050316b482c724367870e2d',
      ])
    })
  })

  test('is written again byte for byte by today’s code', async () => {
    await using dir = tempDir()
    const made = dir.join('made')
    await makeGoldenStore(made)
    expect(namesBelow(made)).toEqual(namesBelow(goldenStore))
    for (const name of namesBelow(made)) {
      const [mine, theirs] = [path.join(made, name), path.join(goldenStore, name)]
      if (name.endsWith('/')) continue
      if (fs.lstatSync(mine).isSymbolicLink()) expect(fs.readlinkSync(theirs), name).toBe(fs.readlinkSync(mine))
      else expect(fs.readFileSync(mine, 'latin1'), name).toBe(fs.readFileSync(theirs, 'latin1'))
    }
  })

  test('is not changed by being read', async () => {
    await copied(async (folder) => {
      const before = snapshot(folder)
      const store = await BareStore.open({ folder, durability: 'cache' })
      for (const key of [metricsKey, modelKey, listKey, trainKey]) {
        const found = await store.lookup(key)
        if (found.hit) await store.refreshViews(found.entry)
      }
      expect(snapshot(folder)).toEqual(before)
    })
  })

  test('can be read by the page alone: frame, hash, files, blobs, without any code of curio', () => {
    const sha = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')
    const entries = namesBelow(path.join(goldenStore, 'artifacts')).filter(
      (name) => path.basename(name) === 'entry.json',
    )
    expect(entries).toHaveLength(4)
    const blob = (digest: string) => fs.readFileSync(path.join(goldenStore, 'blobs', digest.slice(0, 2), digest))
    for (const name of entries) {
      const text = fs.readFileSync(path.join(goldenStore, 'artifacts', name), 'utf8')
      const [, format, hash, body] =
        /^\{"curio":"entry","format":(\d+),"sha256":"([0-9a-f]{64})","entry":(.*)\}\n$/.exec(text)!
      expect(hash).toBe(sha(`${format}:${body}`))
      const entry = JSON.parse(body!) as {
        material: string
        hash: string
        artifacts: {
          digest: string
          files?: { role: string; bytes: number; sha256: string }[]
          list?: { sha256: string }
        }[]
      }
      expect(entry.hash).toBe(sha(entry.material))
      for (const artifact of entry.artifacts) {
        const files = artifact.files ?? (JSON.parse(String(blob(artifact.list!.sha256))) as typeof artifact.files)!
        for (const file of files) {
          expect(sha(blob(file.sha256))).toBe(file.sha256)
          expect(blob(file.sha256).byteLength).toBe(file.bytes)
        }
      }
    }
  })

  test('shows its artifacts to people and other tools by links', async () => {
    await copied(async (folder) => {
      expect(fs.readFileSync(path.join(folder, trainFolder, 'report.txt'), 'utf8')).toBe('Größe: 3\n')
      expect(
        fs.readFileSync(path.join(folder, 'views/models/Big~62p5ey2gpvd2zf2u/v1_value-orbl3p2gu552m5ls.bin')),
      ).toHaveLength(6)
    })
  })
})
