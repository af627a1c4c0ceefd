/** The records an aggregate is called with, as its one input (design rule 9). */
import { CurioError, DeclarationError, MissingInputError, UndeclaredInputError } from '../errors.js'
import { byCodeUnit, canonical, Verbatim } from '../identity/canonical.js'
import { sha256 } from '../identity/digest.js'
import type { ParamsIdentity } from '../identity/params.js'
import { guarded } from './context.js'
import { type HandleOf, type StageInput, StageRecord } from './record.js'
import { type DeclaredParams, visibleParams } from './visible.js'

/** What an aggregate reads of each of the records it is called with. */
export interface Over {
  /** Undefined: the record's whole set. */
  readonly params: DeclaredParams | undefined
  readonly inputs: readonly string[]
}

/** One record as an aggregate sees it: the declared parameters, the declared inputs, and nothing else. */
export interface AggregateRecord<P = unknown, I extends object = object> {
  readonly params: P
  /** Whether the record has this input. */
  has(name: keyof I & string): boolean
  /**
   * The value of an input, fresh each time; a handle where its stage declared `resolve: false`.
   *
   * @throws {MissingInputError} when the record has none.
   */
  get<K extends keyof I & string>(name: K): Promise<I[K]>
  /** A handle on an input, without loading it. */
  lazy<K extends keyof I & string>(name: K): HandleOf<I[K]>
}

interface Listed {
  /** Canonical text of what counts of it; the records come in the order of these. */
  readonly text: string
  readonly inputs: ReadonlyMap<string, StageInput>
  readonly seen: AggregateRecord<unknown, Record<string, unknown>>
}

/** The input that stands for all records: what counts of each, sorted, so that their order counts for nothing. */
export async function recordsInput(
  stage: string,
  over: Over,
  records: readonly StageRecord[],
): Promise<{ input: StageInput; params: (own: ParamsIdentity) => Partial<ParamsIdentity> }> {
  const identities: ParamsIdentity[] = []
  const listed: Listed[] = []
  for (const [i, record] of records.entries()) {
    if (!(record instanceof StageRecord)) {
      throw new DeclarationError(`aggregate ${stage} takes a list of records, and element ${i} is none`, {
        hint: 'records = await experiment.run([…parameter sets], [ …stages ])',
      })
    }
    const { params, visible, methods } = await visibleParams(record, stage, over.params)
    identities.push(params)
    listed.push(listedOf(stage, over, record, params, guarded(stage, visible, 'params', methods)))
  }
  listed.sort((a, b) => byCodeUnit(a.text, b.text))
  const parts = listed.flatMap(({ inputs }, i) =>
    [...inputs].map(([name, input]) => [`records[${i}].${name}`, input] as const),
  )
  const identity = { value: sha256(canonical(listed.map(({ text }) => new Verbatim(text)))) }
  const confirm = async (): Promise<void> => {
    for (const [, input] of parts) await input.confirm?.(stage)
  }
  const input: StageInput = { identity, parts, confirm, load: async () => listed.map(({ seen }) => seen) }
  const params = ({ defaults, files }: ParamsIdentity): Partial<ParamsIdentity> => ({
    files: [...files, ...identities.flatMap((one) => one.files)],
    defaults: Object.assign({}, ...identities.map((one) => named(one.defaults)), defaults) as Record<string, string>,
  })
  return { input, params }
}

function named(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, text]) => [`records.${name}`, text]))
}

function listedOf(stage: string, over: Over, record: StageRecord, params: ParamsIdentity, visible: unknown): Listed {
  const inputs = new Map<string, StageInput>()
  for (const name of over.inputs) if (record.has(name)) inputs.set(name, record.input(stage, name))
  const counted = [...inputs].map(([name, { identity }]) => [name, identity] as const)
  const texts = Object.entries(params.key).map(([name, text]) => [name, new Verbatim(text)] as const)
  const inputOf = (name: string): StageInput => {
    const input = inputs.get(name)
    if (input !== undefined) return input
    if (over.inputs.includes(name)) throw new MissingInputError(stage, name, [...inputs.keys()])
    throw new UndeclaredInputError(stage, name, over.inputs, 'inputs')
  }
  return {
    text: canonical([Object.fromEntries(texts), Object.fromEntries(counted)]),
    inputs,
    seen: {
      params: visible,
      has: (name) => {
        if (!over.inputs.includes(name)) inputOf(name)
        return inputs.has(name)
      },
      get: async (name) => inputOf(name).load(),
      lazy: (name) => {
        const { handle } = inputOf(name)
        if (handle !== undefined) return handle as never
        throw new CurioError(`${name} was set by hand and is no artifact`, { hint: 'use get' })
      },
    },
  }
}
