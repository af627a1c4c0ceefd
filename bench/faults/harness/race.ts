/** Many processes told to do the same thing at once. */
import type { RaceOrder, RaceResult } from '../children/racer.js'
import { Child } from './child.js'
import { mustEqual } from './row.js'

export async function startAll(role: string, count: number, args: unknown): Promise<Child[]> {
  const children = await Promise.all(Array.from({ length: count }, () => Child.start(role, args)))
  for (const child of children) mustEqual(await child.said(), 'ready', `the first word of a ${role}`)
  return children
}

/** Gives every racer its order and gathers what each says, key by key. */
export async function race(
  racers: readonly Child[],
  orderOf: (racer: number) => RaceOrder,
): Promise<Map<string, RaceResult[]>> {
  racers.forEach((racer, i) => {
    racer.send(orderOf(i))
  })
  const byKey = new Map<string, RaceResult[]>()
  await Promise.all(
    racers.map(async (racer) => {
      for (let line = await racer.said(); line !== 'done'; line = await racer.said()) {
        const result = JSON.parse(line) as RaceResult
        byKey.set(result.key, [...(byKey.get(result.key) ?? []), result])
      }
    }),
  )
  return byKey
}

/** Ends the children and adds up the counts that each says last. */
export async function finishAll(children: readonly Child[]): Promise<Record<string, number>> {
  const total: Record<string, number> = {}
  for (const child of children) {
    const counts = JSON.parse((await child.finish()).at(-1)!) as Record<string, number>
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count
  }
  return total
}
