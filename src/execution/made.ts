/** Steps from what stands for them: themselves, plain data that names a class, or several of them in sequence. */
import { z } from 'zod'
import { isStep } from './marks.js'
import type { Node } from './node.js'
import { classNamed, discriminators } from './register.js'
import { ownClasses } from './travel.js'

/** What is wrong with what was given, and where. */
interface Issue {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** Classes that the plain data being read may name, besides those that are registered. */
let local: readonly object[] = []

/** Reads plain data that may name these classes, too. */
export function naming<T>(from: readonly object[], read: () => T): T {
  const before = local
  local = [...from, ...before]
  try {
    return read()
  } finally {
    local = before
  }
}

/** The step that something stands for; undefined when `refuse` was told what is wrong. */
export function stepFrom(given: unknown, refuse: (issue: Issue) => void): Node | undefined {
  if (isStep(given)) return given as Node
  if (given === null || typeof given !== 'object') {
    refuse({ path: [], message: 'is no step' })
    return undefined
  }
  const { Class, input } = classFor(given as Record<string, unknown>, refuse) ?? {}
  if (Class === undefined) return undefined
  const result = (Class as { schema(): z.ZodType<Node> }).schema().safeParse(input)
  if (result.success) return result.data
  for (const { path, message } of result.error.issues) {
    // Of steps in a list, or by names, the field that would hold them is not named.
    refuse({ path: (input as { steps?: unknown }).steps === given ? path.slice(1) : path, message })
  }
  return undefined
}

function classFor(
  data: Record<string, unknown> | unknown[],
  refuse: (issue: Issue) => void,
): { readonly Class: object; readonly input: object } | undefined {
  const Chain = ownClasses.get('Chain')!
  if (Array.isArray(data)) return { Class: Chain, input: { steps: data } }
  const field = discriminators(local).find((name) => data[name] === 'Chain')
  if (field !== undefined) {
    const { [field]: _, ...input } = data
    return { Class: Chain, input }
  }
  const named = classNamed(data, local)
  if (typeof named !== 'string') return named
  const members = Object.values(data)
  if (members.length > 0 && members.every((one) => one !== null && typeof one === 'object')) {
    return { Class: Chain, input: { steps: data } }
  }
  refuse({ path: [], message: named })
  return undefined
}

/** Steps in a list, or by names, from what stands for each. */
export const stepsSchema = z.unknown().transform((given, ctx) => {
  if (given === null || typeof given !== 'object' || isStep(given)) {
    ctx.issues.push({ code: 'custom', message: 'is no list of steps, and no object of steps by name', input: given })
    return z.NEVER
  }
  const entries = (given as object) instanceof Map ? [...(given as Map<string, unknown>)] : Object.entries(given)
  const made = entries.map(([name, value]: [string, unknown]) => {
    const refuse = ({ path, message }: Issue): void => {
      ctx.issues.push({ code: 'custom', message, path: [name, ...path], input: undefined } as never)
    }
    return [name, stepFrom(value, refuse)] as const
  })
  if (made.length === 0) ctx.issues.push({ code: 'custom', message: 'there are none', input: given })
  return Array.isArray(given) ? made.map(([, step]) => step) : Object.fromEntries(made)
})

/** One step. */
export const stepSchema = z.unknown().transform((given, ctx) => {
  const step = stepFrom(given, ({ path, message }) => {
    ctx.issues.push({ code: 'custom', message, path: [...path], input: undefined } as never)
  })
  return step ?? z.NEVER
})
