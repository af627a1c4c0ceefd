/** A stage as a function that can be called, with its spec behind it. */
import { DeclarationError } from '../errors.js'
import { noteDeclared } from '../execution/travel.js'
import { checkId, type DeclaredAt, declareOnce, idOf } from '../identity/declared.js'
import { sourceOf } from '../identity/source.js'
import type { Body, StageSpec } from './decide.js'
import type { Checked } from './declare.js'
import { StageRecord } from './record.js'
import { runStage } from './run.js'
import type { Stage } from './types.js'

/** For `stage` and `aggregate`: what a function with checked options is. */
export function functionStage(
  checked: Omit<Checked, 'source'>,
  body: Body,
  at: DeclaredAt | undefined,
): Stage<unknown, object, object> {
  const id = checkId(idOf(checked.named, at, body.name), checked.version)
  const source = sourceOf(body)
  declareOnce(id, checked.version, at?.place, checked.named !== undefined, source.sha256)
  return asStage({ ...checked, id, source, body, self: undefined }, at?.file)
}

/** A body gets something else as its record: a stage that calls a stage could not say what it reads. */
export function checkRecord(name: string, record: unknown): void {
  if (record instanceof StageRecord) return
  throw new DeclarationError(`stage ${name} takes a record of an experiment`, {
    hint: 'a stage is not called in the body of another: run it before, and name it among the inputs',
  })
}

/** @param more inputs given at the call; to an aggregate, its records. */
export async function start(record: unknown, spec: StageSpec, more: object | undefined): Promise<void> {
  if (spec.over === undefined) {
    checkRecord(spec.name, record)
    await runStage(record as StageRecord, spec, (more ?? {}) as Record<string, unknown>)
    return
  }
  if (!Array.isArray(record)) checkRecord(spec.name, record)
  if (!Array.isArray(more)) {
    throw new DeclarationError(`aggregate ${spec.name} takes a record of its own and a list of records`, {
      hint: `${spec.name}(experiment.record(), await experiment.run([…parameter sets], [ …stages ]))`,
    })
  }
  await runStage(record as StageRecord, spec, {}, more as StageRecord[])
}

/** @param file of a function: the module that exports the stage. */
export function asStage(
  made: Omit<StageSpec, 'origin'> & Partial<Pick<StageSpec, 'origin'>>,
  file?: string,
): Stage<unknown, object, object> {
  const run = async (record: StageRecord, more?: object): Promise<StageRecord> => {
    await start(record, spec, more)
    return record
  }
  const spec: StageSpec = { ...made, origin: made.origin ?? { value: run, name: nameIn(made), file } }
  if (file !== undefined) noteDeclared(file, nameIn(made), run)
  Object.defineProperty(run, 'name', { value: spec.name })
  return Object.assign(run, {
    stageName: spec.name,
    version: spec.version,
    outputNames: [...spec.outputs.keys()],
    inputNames: [...spec.inputs],
    spec,
  }) as unknown as Stage<unknown, object, object>
}

function nameIn({ id, version }: Pick<StageSpec, 'id' | 'version'>): string {
  return `${id},${version}`
}

/** The spec behind a stage, for the experiment that runs it. */
export function specOf(value: unknown): StageSpec | undefined {
  return typeof value === 'function' ? (value as { spec?: StageSpec }).spec : undefined
}
