const brand = Symbol.for('curio.error')

/** What a `CurioError` is built from: the sentence, the way out, and what caused it. */
export interface ErrorDetails {
  readonly hint?: string
  readonly cause?: unknown
}

/**
 * Base of every error curio throws. `message` says what, which and where; `hint` says what to do; `code` is stable.
 *
 * Test with `CurioError.is(error)` or `error.code`, not `instanceof`: two copies of the package recognise each other's errors.
 */
export class CurioError extends Error {
  readonly code: string = 'ERR_CURIO'
  readonly hint: string | undefined

  constructor(message: string, { hint, cause }: ErrorDetails = {}) {
    super(hint === undefined ? message : `${message}\n  → ${hint}`, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.hint = hint
    Object.defineProperty(this, brand, { value: true })
  }

  /** True for any curio error; with `code`, for that one. */
  static is(error: unknown, code?: string): error is CurioError {
    if (typeof error !== 'object' || error === null || !(brand in error)) return false
    return code === undefined || (error as { code?: unknown }).code === code
  }
}

/** A value has no identity: a function, a cycle, a class instance. `path` is where it sits, e.g. `params.optim.onDone`. */
export class NotEncodableError extends CurioError {
  override readonly code = 'ERR_NOT_ENCODABLE'
  constructor(
    readonly path: string,
    readonly reason: string,
    details: ErrorDetails = {},
  ) {
    super(`${path} ${reason}`, {
      hint: 'pass plain data, or give the object a [Symbol.for("curio.identity")]() method that returns plain data',
      ...details,
    })
  }
}

/** The folder cannot be opened as a store: not one, a newer format, an unknown feature, unsafe permissions. */
export class StoreOpenError extends CurioError {
  override readonly code = 'ERR_STORE_OPEN'
  constructor(
    readonly folder: string,
    reason: string,
    details: ErrorDetails = {},
  ) {
    super(`cannot open a store at ${folder}: ${reason}`, details)
  }
}

/** A key or artifact name that cannot be used. */
export class InvalidNameError extends CurioError {
  override readonly code = 'ERR_INVALID_NAME'
  constructor(
    readonly given: string,
    reason: string,
    details: ErrorDetails = {},
  ) {
    super(`${JSON.stringify(given.length > 200 ? `${given.slice(0, 200)}…` : given)} ${reason}`, details)
  }
}

/** Nothing is stored under that key, its bytes are gone, or a file is missing. */
export class NotFoundError extends CurioError {
  override readonly code = 'ERR_NOT_FOUND'
  constructor(
    readonly what: string,
    readonly location: string,
    details: ErrorDetails = {},
  ) {
    super(`cannot find ${what} at ${location}`, details)
  }
}

/** Bytes on disk are not those that were put. They have been set aside; compute or fetch them again. */
export class IntegrityError extends CurioError {
  override readonly code = 'ERR_INTEGRITY'
  constructor(
    readonly what: string,
    readonly location: string,
    reason: string,
    details: ErrorDetails = {},
  ) {
    super(`${what} at ${location} is damaged: ${reason}`, {
      hint: 'the damaged file was moved to quarantine/; run the stage again, or `curio verify` to look for more',
      ...details,
    })
  }
}

/** Two different computations met under one name. The value was returned, but not stored. */
export class KeyCollisionError extends CurioError {
  override readonly code = 'ERR_KEY_COLLISION'
  constructor(
    readonly key: string,
    readonly location: string,
    readonly stored: string,
  ) {
    super(`another computation is stored under ${key} at ${location}: it is ${stored}`, {
      hint: 'give one of the two another name or version; nothing was overwritten',
    })
  }
}

/** Two commits under one key carried different bytes, and `deterministic: true` was asked for. */
export class NondeterminismError extends CurioError {
  override readonly code = 'ERR_NONDETERMINISM'
  constructor(
    readonly key: string,
    readonly stored: string,
    readonly computed: string,
  ) {
    super(`${key} was computed again and came out different: stored ${stored}, computed ${computed}`, {
      hint: 'fix what varies (time, random seed, order), or drop `deterministic: true`',
    })
  }
}

/** A file operation failed for a reason that is not absence: `operation`, `path` and the system's `errno` code say which. */
export class StoreIOError extends CurioError {
  override readonly code: string = 'ERR_STORE_IO'
  readonly errno: string | undefined
  constructor(
    readonly operation: string,
    readonly path: string,
    cause: unknown,
    hint?: string,
  ) {
    super(`cannot ${operation} ${path}: ${(cause as Error)?.message ?? String(cause)}`, {
      cause,
      ...(hint === undefined ? {} : { hint }),
    })
    this.errno = (cause as NodeJS.ErrnoException)?.code
  }
}

/** The disk, the quota or the inodes are used up. What was stored before is still readable. */
export class NoSpaceError extends StoreIOError {
  override readonly code = 'ERR_NO_SPACE'
}

/** The system refuses access. */
export class PermissionError extends StoreIOError {
  override readonly code = 'ERR_PERMISSION'
}

/** A write was asked of a store that was opened read-only, or of mode `read-only`. */
export class ReadOnlyError extends CurioError {
  override readonly code = 'ERR_READ_ONLY'
  constructor(
    readonly what: string,
    reason: string,
  ) {
    super(`${what}: ${reason}`, { hint: 'use mode "cached", or open the store without readOnly' })
  }
}

/** No cacher of that name is known here. */
export class UnknownCacherError extends CurioError {
  override readonly code = 'ERR_UNKNOWN_CACHER'
  constructor(
    readonly cacher: string,
    readonly known: readonly string[],
  ) {
    super(`no cacher named ${JSON.stringify(cacher)} is registered; known are ${known.join(', ')}`, {
      hint: 'import the module that defines it and call registerCacher(Class), or pass the class to load',
    })
  }
}

/** A cacher refused to save this value, or could not read these bytes. */
export class CacherError extends CurioError {
  override readonly code: 'ERR_CACHER_SAVE' | 'ERR_CACHER_LOAD'
  constructor(
    readonly cacher: string,
    readonly direction: 'save' | 'load',
    reason: string,
    details: ErrorDetails = {},
  ) {
    super(`${cacher} cannot ${direction}: ${reason}`, details)
    this.code = direction === 'save' ? 'ERR_CACHER_SAVE' : 'ERR_CACHER_LOAD'
  }
}

/** A stage, configuration or option was declared in a way that cannot work. Thrown before anything runs. */
export class DeclarationError extends CurioError {
  override readonly code = 'ERR_DECLARATION'
}

/** A configuration does not fit its schema. */
export class ConfigError extends CurioError {
  override readonly code = 'ERR_CONFIG'
}

/** The body of a stage read a parameter or an input it did not declare, so it is not in its key. */
export class UndeclaredInputError extends CurioError {
  override readonly code = 'ERR_UNDECLARED_INPUT'
  constructor(
    readonly stage: string,
    readonly field: string,
    readonly declared: readonly string[],
    kind: 'params' | 'inputs' = 'params',
  ) {
    const what = kind === 'params' ? `params.${field}` : `input ${field}`
    super(`stage ${stage} reads ${what} but declares only ${declared.join(', ') || 'nothing'}`, {
      hint: `add '${field}' to the stage's ${kind}, so that it counts in the key`,
    })
  }
}

/** A stored result was made when a field had another default. */
export class DefaultChangedError extends CurioError {
  override readonly code = 'ERR_DEFAULT_CHANGED'
  constructor(
    readonly key: string,
    readonly field: string,
    readonly was: string,
    readonly is: string,
  ) {
    super(`${key} was stored when the default of ${field} was ${was}; it is ${is} now`, {
      hint: `put the default back to use the stored result; give the stage a new version, or run it with mode 'force', to compute with ${is}`,
    })
  }
}

/** A stage needs an input that no earlier stage, `record.set` or call provided. */
export class MissingInputError extends CurioError {
  override readonly code = 'ERR_MISSING_INPUT'
  constructor(
    readonly stage: string,
    readonly input: string,
    readonly available: readonly string[],
  ) {
    super(`stage ${stage} needs input ${input}; the record has ${available.join(', ') || 'nothing yet'}`, {
      hint: `run the stage that makes ${input} first, pass it at the call, set it by record.set(), or declare defaults: { ${input}: … }`,
    })
  }
}

/** A stage returned too little, too much or the wrong shape. Nothing was stored. */
export class StageOutputError extends CurioError {
  override readonly code = 'ERR_STAGE_OUTPUT'
  constructor(
    readonly stage: string,
    reason: string,
    readonly declared: readonly string[],
  ) {
    super(`stage ${stage} ${reason}; it declares ${declared.join(', ') || 'no outputs'}`, {
      hint: 'return an object with exactly the declared names, or a tuple in their order',
    })
  }
}

/** What the error of a computation was, as it is kept beside its results. */
export interface ErrorFacts {
  readonly name: string
  readonly message: string
  readonly stack?: string
  /** `Class.method,version/uid`, and the item. */
  readonly where: string
  /** ISO 8601. */
  readonly when: string
}

/** The user's code failed when this was computed, here or elsewhere, now or earlier. Its name, message and stack are in `facts` and `cause`. */
export class CachedError extends CurioError {
  override readonly code = 'ERR_CACHED'
  constructor(readonly facts: ErrorFacts) {
    const cause = new Error(facts.message)
    cause.name = facts.name
    if (facts.stack !== undefined) cause.stack = facts.stack
    super(`${facts.name}: ${facts.message}\n  in ${facts.where}, at ${facts.when}`, {
      cause,
      hint: "the error is kept; compute again with mode: 'retry', or clear it",
    })
  }
}

/** A method that computes many items gave back fewer, more, or earlier than it was given. Nothing of that call was kept. */
export class BatchProtocolError extends CurioError {
  override readonly code = 'ERR_BATCH_PROTOCOL'
  constructor(
    readonly where: string,
    reason: string,
  ) {
    super(`${where} ${reason}`, {
      hint: 'yield exactly one result for each item, in their order, and not before taking it',
    })
  }
}

/** Where a job is: what is known of one that came to nothing. */
export interface JobFacts {
  readonly id?: string
  readonly exitCode?: number | undefined
  readonly signal?: string | undefined
  readonly stdout?: string
  readonly stderr?: string
  /** The last lines of what it wrote to stderr. */
  readonly lastLines?: string
}

/** What a worker or job was asked to do came to nothing, for a reason that is not an error of the user's code. */
export class JobError extends CurioError {
  override readonly code = 'ERR_JOB'
  constructor(
    readonly where: string,
    reason: string,
    readonly details: JobFacts & { readonly remoteStack?: string } = {},
    more: ErrorDetails = {},
  ) {
    const { id, stderr, lastLines } = details
    const lines = [`${where}: ${reason}`]
    if (id !== undefined) lines.push(`  job ${id}${stderr === undefined ? '' : `, its stderr is ${stderr}`}`)
    if (lastLines !== undefined && lastLines !== '') lines.push(lastLines.replace(/^/gm, '  | '))
    super(lines.join('\n'), more)
  }
}

/** The nearest of `known` to `given` by edit distance, for "did you mean"; undefined when none is near. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  const flat = (text: string) => text.toLowerCase().replace(/[_-]/g, '')
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, i) => i)
    for (let i = 1; i <= a.length; i++) {
      const next = [i]
      for (let j = 1; j <= b.length; j++) {
        next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
      }
      row = next
    }
    return row[b.length]!
  }
  const scored = known.map((name) => ({ name, d: distance(flat(given), flat(name)) })).sort((a, b) => a.d - b.d)
  const best = scored[0]
  return best !== undefined && best.d <= Math.max(2, given.length / 3) ? best.name : undefined
}

/** Throws for the first key of `options` that is not in `known`, naming the nearest one that is. */
export function refuseUnknown(where: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue
    const near = nearest(key, known)
    throw new DeclarationError(`${where} has no option ${JSON.stringify(key)}`, {
      hint: near === undefined ? `known options: ${known.join(', ')}` : `did you mean ${near}?`,
    })
  }
}
