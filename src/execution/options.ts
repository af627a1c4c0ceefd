/** Where and how the computations of a configuration run, and where their results are kept: the options that every infra has. */
import { z } from 'zod'
import { ConfigError, nearest } from '../errors.js'
import { checkVersion } from '../identity/key.js'
import { type bind, given, markInfra } from '../identity/marks.js'

/** Cache policy. `retry` computes again what failed; `force` what is there, once; `read-only` computes nothing and writes nothing. */
export type ExecMode = 'cached' | 'retry' | 'force' | 'read-only'

/** Where computations run. `inline`: in this process, one after the other. */
export type Cluster = 'inline' | 'threadpool' | 'processpool' | 'local' | 'debug' | 'slurm' | 'auto'

const clusters: Readonly<Record<string, Cluster>> = {
  inline: 'inline',
  cached: 'inline',
  threadpool: 'threadpool',
  processpool: 'processpool',
  local: 'local',
  localprocess: 'local',
  debug: 'debug',
  submititdebug: 'debug',
  slurm: 'slurm',
  auto: 'auto',
}
const clusterNames = ['cached', 'threadpool', 'processpool', 'local', 'debug', 'slurm', 'auto']

/** The name of a cluster or backend, in any case: exca writes `Cached` and `processpool`. */
const cluster = z.union([z.string(), z.null()]).transform((name, ctx): Cluster => {
  const found = name === null ? 'inline' : clusters[name.toLowerCase().replaceAll(/[-_]/g, '')]
  if (found !== undefined) return found
  const near = nearest(name ?? '', clusterNames)
  ctx.issues.push({
    code: 'custom',
    input: name,
    message: `${JSON.stringify(name)} is unknown; ${near === undefined ? `known are ${clusterNames.join(', ')}` : `did you mean ${near}?`}`,
  })
  return z.NEVER
})

const version = z.string().superRefine((text, ctx) => {
  try {
    checkVersion(text)
  } catch (error) {
    ctx.addIssue({ code: 'custom', message: (error as Error).message })
  }
})

/** How much a job gets, and how it is called. */
const place = {
  cluster: cluster.default('inline'),
  /** Most workers at a time, of a pool or in processes of their own. Default: one for each processor. */
  maxWorkers: z.int().positive().optional(),
  jobName: z.string().min(1).optional(),
  /** Folder for the logs of jobs. */
  logs: z.string().min(1).optional(),
  timeoutMin: z.number().positive().optional(),
  nodes: z.int().positive().optional(),
  tasksPerNode: z.int().positive().optional(),
  cpusPerTask: z.int().positive().optional(),
  gpusPerNode: z.int().nonnegative().optional(),
  memGb: z.number().positive().optional(),
} as const

const shared = {
  /** Folder of a store. Default: that of another infra of the same configuration; without one nothing is kept. `null`: keep nothing. */
  folder: z.string().min(1).nullable().optional(),
  mode: z.enum(['cached', 'retry', 'force', 'read-only']).default('cached'),
  /** Change it when the code's meaning changes. */
  version: version.default('1'),
  /** Results in memory too, in front of the folder or without one. `true`: up to 256 MiB; a number: up to so many bytes. */
  keepInRam: z.union([z.boolean(), z.int().positive()]).optional(),
  /** What a changed source does to stored results: say so once, compute again, or nothing. */
  codeChange: z.enum(['warn', 'recompute', 'ignore']).default('warn'),
} as const

const many = {
  /** Most chunks that items are split into. `null`: as many as `minItemsPerJob` gives. */
  maxJobs: z.int().positive().nullable().default(128),
  minItemsPerJob: z.int().positive().default(1),
  /** Refuse to compute one missing item alone: for what should have been prepared in one batch. */
  forbidSingleItemComputation: z.boolean().default(false),
} as const

const { cluster: _, ...placeOfStep } = place

const schemas = {
  place: z.strictObject(place),
  task: z.strictObject({ ...shared, ...place }),
  map: z.strictObject({ ...shared, ...place, ...many }),
  step: z.strictObject({ ...shared, ...placeOfStep, ...many, backend: cluster.optional() }),
}

export type InfraKind = Exclude<keyof typeof schemas, 'place'>

/** Where a computation is done, and with how much: the infra of a stage. */
export type PlaceInput = z.input<typeof schemas.place>

/** Options of a task's infra. */
export type TaskInput = z.input<typeof schemas.task>
/** Options of a map's infra. */
export type MapInput = z.input<typeof schemas.map>
/** Options of a step's infra; `backend` is what `cluster` is elsewhere. */
export type StepInput = z.input<typeof schemas.step>

/** Options as they are parsed, the same for every kind. */
export type InfraOptions = Readonly<
  z.output<typeof schemas.task> & Partial<Omit<z.output<typeof schemas.map>, keyof z.output<typeof schemas.task>>>
>

/** A value that becomes another one when it is tied to a configuration. */
export interface Unbound {
  [bind](owner: object, field: string): object
}

/** How much `keepInRam` keeps, in bytes; undefined: nothing. */
export function bytesInRam(keep: boolean | number | undefined): number | undefined {
  return keep === true ? 256 << 20 : keep === false ? undefined : keep
}

/**
 * The zod schema of an infra field. What the class gives are seeds for what the user gives, option by option.
 *
 * @param make an unbound infra of parsed options.
 */
export function infraSchema<T, I extends object>(
  kind: InfraKind,
  seeds: I,
  make: (options: InfraOptions) => Unbound,
): z.ZodPrefault<z.ZodType<T, I | T | null>> {
  const parse = (input: unknown, ctx?: z.core.ParsePayload): Unbound => {
    // An infra that is passed on to another configuration is copied.
    const own = input === null ? { folder: null } : ((input as { [given]?: object })[given] ?? (input as object))
    if (typeof own !== 'object' || Array.isArray(own))
      return refuse(ctx, [{ path: [], message: 'is no object of options' }])
    const wanted = Object.fromEntries(Object.entries({ ...seeds, ...own }).filter(([, value]) => value !== undefined))
    const result = schemas[kind].safeParse(wanted)
    if (!result.success) {
      return refuse(ctx, issuesOf(kind, result.error))
    }
    const { backend, ...rest } = result.data as Record<string, unknown>
    const made = make({
      ...rest,
      ...(kind === 'step' ? { cluster: backend ?? 'inline' } : {}),
    } as unknown as InfraOptions)
    Object.defineProperty(made, given, { value: wanted })
    return made
  }
  parse(seeds)
  const schema = z.unknown().transform((input, ctx) => parse(input, ctx))
  return markInfra(schema as unknown as z.ZodType<T, I | T | null>).prefault({} as never) as never
}

/**
 * The options of a stage's infra.
 *
 * @throws {ConfigError} naming the stage.
 */
export function placeOptions(who: string, input: unknown): InfraOptions {
  const result = schemas.place.safeParse(input)
  if (!result.success)
    throw new ConfigError(`the infra of ${who} refuses its options: ${textOf(issuesOf('place', result.error))}`)
  return schemas.task.parse(result.data)
}

interface Issue {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

function issuesOf(kind: keyof typeof schemas, error: z.ZodError): Issue[] {
  const known = Object.keys(schemas[kind].shape)
  return error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [key], message: unknownOption(key, known) }))
      : [{ path: issue.path, message: issue.message }],
  )
}

function textOf(issues: readonly Issue[]): string {
  return issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`).join('; ')
}

function unknownOption(key: string, known: readonly string[]): string {
  const near = nearest(key, known)
  return `no such option${near === undefined ? `; known are ${known.join(', ')}` : `; did you mean ${near}?`}`
}

function refuse(ctx: z.core.ParsePayload | undefined, issues: readonly Issue[]): never {
  if (ctx === undefined) throw new ConfigError(`an infra refuses its options: ${textOf(issues)}`)
  for (const { path, message } of issues)
    ctx.issues.push({ code: 'custom', path: [...path], message, input: undefined } as never)
  return z.NEVER
}
