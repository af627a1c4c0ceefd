/** What tests of the store need done in another process: `child.ts <command> <arguments…>`, answers in lines. */
import * as fs from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import 'proper-lockfile'
import { CurioError } from '../../src/errors.js'
import { nameKey } from '../../src/identity/key.js'
import { loadChecksums } from '../../src/store/checksum.js'
import { BareStore, bareBlobs, entryOf, load, save } from '../helpers/stores.js'

const [command, folder, ...args] = process.argv.slice(2) as [string, string, ...string[]]
const say = (text: string) => fs.writeSync(1, `${text}\n`)

/** What a stage does: look, lock, look again, compute, commit. */
async function computeOnce(store: BareStore, name: string, work: () => Promise<void>): Promise<string> {
  const key = nameKey(name)
  return store.once(
    key,
    () => load(store, key),
    async () => {
      say('computing')
      await work()
      await store.commit(key, await entryOf(store, key, `made by ${process.pid}`))
      return (await load(store, key))!
    },
  )
}

const block = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

const commands: Record<string, () => Promise<void>> = {
  /** `once <folder> <name> <ms> <sleep|block> [staleMs]`: says `value …`. */
  async once() {
    const [name, ms, how, staleMs] = args as [string, string, string, string?]
    const store = await BareStore.open({
      folder,
      durability: 'cache',
      ...(staleMs ? { lockStaleMs: Number(staleMs) } : {}),
    })
    say('ready')
    const value = await computeOnce(store, name, async () => {
      if (how === 'block') block(Number(ms))
      else await sleep(Number(ms))
    })
    say(`value ${value}`)
    say(`lost ${store.events.counts['lock-lost'] ?? 0}`)
  },

  /** `open <folder>`: opens when told to by a file, all at once; says the id. */
  async open() {
    await loadChecksums()
    say('ready')
    while (!fs.existsSync(args[0]!)) block(1)
    say(`id ${(await BareStore.open(folder)).id}`)
  },

  /** `write <folder> <writer> <durability> <size> [pauseMs]`: puts and commits for ever; says `acked <name>` after each. */
  async write() {
    const [writer, durability, size, pause] = args as [string, 'artifact' | 'cache', string, string?]
    const store = await BareStore.open({ folder, durability })
    say('ready')
    for (let i = 0; ; i++) {
      const name = i % 5 === 0 ? `shared/${i}` : `w${writer}/${i}`
      await save(store, name, `${name} `.repeat(200 + (i % 7) * Number(size)))
      say(`acked ${name}`)
      if (pause !== undefined) await sleep(Number(pause))
    }
  },

  /** `stream <folder> <MiB>`: puts a stream of that size; says the peak of its memory. */
  async stream() {
    await loadChecksums()
    const { blobs } = bareBlobs(folder)
    const piece = Buffer.alloc(300_000, 'some text')
    const total = Number(args[0]) << 20
    const info = await blobs.put(
      (async function* () {
        for (let at = 0; at < total; at += piece.byteLength) yield piece
      })(),
    )
    say(`put ${info.bytes}`)
    say(`peak ${process.resourceUsage().maxRSS >> 10}`)
  },

  /** `as <uid> <gid> <umask>`: as another user, does what each line asks: `<number> <folder> <action> <name> [content]`. */
  async as() {
    const [gid, umask] = args as [string, string]
    await loadChecksums()
    process.umask(Number.parseInt(umask, 8))
    process.setgroups!([])
    process.setgid!(Number(gid))
    process.setuid!(Number(folder))
    say('ready')
    for await (const line of createInterface(process.stdin)) {
      const [number, at, action, name, content] = line.split(' ') as [string, string, string, string, string?]
      say(`${number}: ${await act(at, action, name, content)}`)
    }
  },
}

async function act(at: string, action: string, name: string, content: string | undefined): Promise<string> {
  try {
    const store = await BareStore.open({ folder: at, durability: 'cache', readOnly: action === 'read-only' })
    const lostBefore = store.events.counts['lock-lost'] ?? 0
    switch (action) {
      case 'save':
        return `saved ${(await save(store, name, content!)).outcome}`
      case 'once': {
        const value = await computeOnce(store, name, async () => {})
        return `value ${value} lost ${(store.events.counts['lock-lost'] ?? 0) - lostBefore}`
      }
      case 'evict':
        return `evicted ${await store.evict(name)}`
      case 'verify': {
        const { problems } = await store.verify({ repair: true })
        return `problems ${JSON.stringify(problems.map((problem) => [problem.kind, problem.repaired]))}`
      }
      default:
        return `loaded ${await load(store, name)}`
    }
  } catch (error) {
    if (!CurioError.is(error)) throw error
    return `refused ${error.code} ${error.message.replaceAll('\n', ' ')}`
  }
}

await commands[command]!()
