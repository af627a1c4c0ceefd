/** Many small results through maps, steps and tasks, beside exca (Python) where that is installed: CURIO_PYTHON names the Python. */
import { spawnSync } from 'node:child_process'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { toArray } from 'curio'
import { MapArrays, MapInts, OneTask, SmallTask, StepInts } from './execution-works.js'
import { discard, type Figure, folder, median, timed } from './measure.js'

const count = 10_000
const tasks = 200
const stepsOfExca = 1000
const rounds = 5

const times = new Map<string, number[]>()

/** Notes microseconds an item. */
async function measure(name: string, items: number, action: () => Promise<unknown>): Promise<void> {
  const us = ((await timed(action)) * 1000) / items
  times.set(name, [...(times.get(name) ?? []), us])
}

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

async function round(): Promise<void> {
  const dir = path.join(folder(), 'store')
  const ints = Array.from({ length: count }, (_, i) => i)
  const disk = { folder: dir, keepInRam: false }
  const ram = { folder: dir, keepInRam: true }
  await measure('map cold', count, () => drain(new MapInts({ infra: disk }).process(ints)))
  const warm = new MapInts({ infra: disk })
  await drain(warm.process(ints))
  await measure('map warm, disk', count, () => drain(warm.process(ints)))
  const kept = new MapInts({ infra: ram })
  await drain(kept.process(ints))
  await measure('map warm, RAM', count, () => drain(kept.process(ints)))
  await measure('map warm, RAM, toArray', count, () => toArray(kept.process(ints)))
  await measure('step cold', count, () => drain(new StepInts({ infra: { ...disk, backend: 'cached' } }).runMany(ints)))
  const step = new StepInts({ infra: { ...disk, backend: 'cached' } })
  await drain(step.runMany(ints))
  await measure('step warm, disk', count, () => drain(step.runMany(ints)))
  const single = new StepInts({ infra: { ...ram, backend: 'cached' } })
  await drain(single.runMany(ints))
  await measure('step single, RAM', count, async () => {
    for (const i of ints) await single.run(i)
  })
  await measure('arrays cold', count, () => drain(new MapArrays({ infra: disk }).process(ints)))
  const tensors = new MapArrays({ infra: disk })
  await drain(tensors.process(ints))
  await measure('arrays warm', count, () => drain(tensors.process(ints)))
  await new SmallTask({ x: 1, infra: { folder: dir } }).run()
  await measure('task, fresh object', tasks, async () => {
    for (let i = 0; i < tasks; i++) await new SmallTask({ x: 1, infra: { folder: dir } }).run()
  })
  const large = new OneTask({ x: 1, infra: { folder: dir } })
  await large.run()
  await measure('status of 64 MiB', 20, async () => {
    for (let i = 0; i < 20; i++) await new OneTask({ x: 1, infra: { folder: dir } }).infra.status()
  })
  discard(path.dirname(dir))
}

/** Cold and warm, by the number of items: what grows faster than they do would show. */
async function growth(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const items of [1000, 10_000, 100_000, 1_000_000]) {
    const dir = path.join(folder(), 'store')
    const ints = Array.from({ length: items }, (_, i) => i)
    const infra = { folder: dir, keepInRam: false, backend: 'cached' }
    const cold = ((await timed(() => drain(new StepInts({ infra }).runMany(ints)))) * 1000) / items
    const warm = ((await timed(() => drain(new StepInts({ infra }).runMany(ints)))) * 1000) / items
    figures.push({
      what: `step, ${items} items: cold, warm`,
      value: `${cold.toFixed(1)}, ${warm.toFixed(2)} us an item`,
    })
    discard(path.dirname(dir))
  }
  return figures
}

function exca(): Record<string, number> | string {
  const python = process.env.CURIO_PYTHON
  if (python === undefined) return 'skipped: CURIO_PYTHON names no Python'
  const script = fileURLToPath(new URL('./execution.py', import.meta.url))
  const ran = spawnSync(python, [script, `${count}`, `${stepsOfExca}`, `${rounds}`, path.dirname(folder())], {
    encoding: 'utf8',
  })
  if (ran.status !== 0) return `skipped: ${ran.stderr.trim().split('\n').at(-1)}`
  return JSON.parse(ran.stdout.trim().split('\n').at(-1)!) as Record<string, number>
}

const targets: Readonly<Record<string, number>> = {
  'map cold': 30,
  'step cold': 30,
  'map warm, disk': 3,
  'step warm, disk': 3,
  'map warm, RAM': 1.5,
  'map warm, RAM, toArray': 1,
  'step single, RAM': 2,
  'arrays cold': 60,
  'arrays warm': 6,
  'task, fresh object': 300,
}

export async function run(): Promise<Figure[]> {
  for (let i = 0; i < rounds; i++) await round()
  const theirs = exca()
  const figures: Figure[] = [...times].map(([name, list]) => {
    const us = median(list)
    const their = typeof theirs === 'string' ? undefined : theirs[name]
    const beside = their === undefined ? '' : `, exca ${their.toFixed(1)} us: ${(their / us).toFixed(1)}x`
    const target = targets[name]
    return {
      what: name,
      value: `${us.toFixed(2)} us${beside}`,
      ...(target === undefined ? {} : { target: `<= ${target} us`, met: us <= target }),
    }
  })
  if (typeof theirs === 'string') figures.push({ what: 'exca', value: theirs })
  else
    figures.push({
      what: `exca's cold steps`,
      value: `${stepsOfExca} items only, for their cost grows with their number`,
    })
  return [...figures, ...(await growth())]
}
