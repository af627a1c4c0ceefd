/** One run of a stage that a worker does: on its way there, and there. */
import { ArtifactHandle } from '../artifact/lazy.js'
import type { Mode } from '../artifact/once.js'
import { cacherByName, isPlain } from '../artifact/registry.js'
import type { Store } from '../artifact/store.js'
import { CurioError, DeclarationError } from '../errors.js'
import { type Assignment, Performer } from '../execution/assignment.js'
import { elsewhere } from '../execution/elsewhere.js'
import { storeIn } from '../execution/folder.js'
import { isStep } from '../execution/marks.js'
import { decoded, encoded, ownClasses, reference, type Travelling, within } from '../execution/travel.js'
import { isConfig } from '../identity/config.js'
import type { Artifact, Entry } from '../store/entry.js'
import { FolderBlobs } from '../store/folder-blobs.js'
import { decide, type Origin, type Plan, type StageSpec } from './decide.js'
import type { Experiment, RunOptions } from './experiment.js'
import { type Placed, type Slot, StageRecord } from './record.js'
import { Reporter, type StageRun } from './report.js'

/** A run of a stage, decided here. */
export interface StageCall {
  readonly record: StageRecord
  readonly spec: StageSpec
  readonly given: Readonly<Record<string, unknown>>
  readonly over: readonly StageRecord[] | undefined
}

interface SentHandle {
  readonly name: string
  readonly artifact: Artifact
  readonly entry: Entry
  /** It was read by a cacher that somebody named, and not by the one that fits. */
  readonly isNamed: boolean
  /** The output of a stage whose cacher that is, where its name alone does not say it. */
  readonly reader: { readonly of: object; readonly member?: string | undefined; readonly output: string } | undefined
  /** Undefined: it was given by hand. */
  readonly how: Placed | undefined
}

interface SentRecord {
  /** The parameters, where they are a configuration. */
  readonly config: object | undefined
  /** Other parameters, and the values that were set by hand. */
  readonly plain: Uint8Array
  readonly handles: readonly SentHandle[]
}

interface SentCall {
  readonly experiment: string
  /** The stage; with `member`, the object or class whose method it is. */
  readonly stage: object
  readonly member: string | undefined
  readonly record: SentRecord
  readonly over: readonly SentRecord[] | undefined
  readonly before: readonly StageRun[]
  readonly durability: Store['durability']
}

/** The call as it is now: later stages may put other values under the names that it reads, and bytes be made again only then. */
export function taken(call: StageCall): StageCall {
  const copyOf = (record: StageRecord): StageRecord => {
    const copy = record.copy()
    copy.stages.push(...record.stages)
    return copy
  }
  return { ...call, record: copyOf(call.record), over: call.over?.map(copyOf) }
}

/** Name of an input that a worker could not get: it is in no store, or in another. */
function notInStore({ record, spec, given, over }: StageCall, { blobs }: Store): string | undefined {
  const all = [
    ...slotsOf(record, spec.inputs, given),
    ...(over ?? []).flatMap((one) => slotsOf(one, spec.over!.inputs)),
  ]
  const far = all.find(([, slot]) => {
    const { packed, digest } = handleIn(slot) ?? {}
    return (
      packed !== undefined &&
      !(packed.blobs instanceof FolderBlobs && packed.blobs.path(digest!) === blobs.path(digest!))
    )
  })
  return far?.[0]
}

/**
 * Has a worker do it, and store it; does nothing, and says so, where no worker could read an input. Bytes of an input that are found gone
 * there are made again here, once.
 */
export async function runElsewhere(
  call: StageCall,
  { key, inputs }: Plan,
  store: Store,
  { mode, token, signal }: Pick<Assignment, 'mode' | 'token'> & { readonly signal: AbortSignal | undefined },
): Promise<void> {
  const { record, spec } = call
  const far = notInStore(call, store)
  if (far !== undefined) {
    record.reporter.warn(spec.name, `input ${far} is not in the store, so that no worker could read it: computed here`)
    return
  }
  const assignment: Assignment = {
    where: key.text,
    config: await travelling(call, store),
    field: 'infra',
    isStep: false,
    folder: store.folder,
    mode,
    key: key.hash,
    token,
  }
  const all = [...inputs.values()].flatMap((input) => [input, ...(input.parts ?? []).map(([, part]) => part)])
  for (let isAgain = false; ; isAgain = true) {
    try {
      return await elsewhere(spec.infra!, assignment, key, store, signal)
    } catch (error) {
      const gone: typeof all = []
      for (const input of all) if (await isGone(input.handle)) gone.push(input)
      if (isAgain || gone.length === 0 || !CurioError.is(error, 'ERR_JOB')) throw error
      for (const input of gone) {
        await (input.handle as ArtifactHandle<unknown>).ready()
        await input.confirm?.(spec.name)
      }
    }
  }
}

async function isGone(handle: unknown): Promise<boolean> {
  if (!(handle instanceof ArtifactHandle)) return false
  try {
    for (const { sha256 } of await handle.files())
      if ((await handle.packed.blobs.size(sha256)) === undefined) return true
    return false
  } catch (error) {
    if (CurioError.is(error, 'ERR_NOT_FOUND')) return true
    throw error
  }
}

async function travelling({ record, spec, given, over }: StageCall, { durability }: Store): Promise<Travelling> {
  const { member } = spec.origin
  const sent: SentCall = {
    experiment: record.experiment.name,
    stage: spec.self === undefined ? originOf(spec.name, spec.origin) : sentSelf(spec, spec.self.object),
    member,
    record: await sentRecord(spec.name, record, spec.inputs, given),
    over: over && (await Promise.all(over.map((one) => sentRecord(spec.name, one, spec.over!.inputs)))),
    before: record.stages,
    durability,
  }
  return { module: '', exported: 'StageCall', input: sent }
}

function originOf(stage: string, { value, name, file }: Origin): object {
  if (file !== undefined) return reference(value, file, name)
  throw new DeclarationError(`stage ${stage} is in no module: a worker could not import it`)
}

function sentSelf(spec: StageSpec, object: object): object {
  if (typeof object === 'function') return originOf(spec.name, { ...spec.origin, value: object, name: object.name })
  if (isConfig(object)) return within(object, isStep)
  throw new DeclarationError(`stage ${spec.name} is a method of an object that cannot be sent to a worker`, {
    hint: 'make its class a configuration: class X extends Config({ … })',
  })
}

async function plainOf(stage: string, plain: object): Promise<Uint8Array> {
  try {
    return await encoded(plain)
  } catch (error) {
    if (!CurioError.is(error, 'ERR_CACHER_SAVE')) throw error
    throw new DeclarationError(`stage ${stage} cannot be sent to a worker: ${error.message}`, {
      cause: error,
      hint: 'parameters, and values that are set by hand, travel as data: make others the output of a stage',
    })
  }
}

async function sentRecord(
  stage: string,
  record: StageRecord,
  names: readonly string[],
  given: StageCall['given'] = {},
): Promise<SentRecord> {
  const values: [string, unknown][] = []
  const handles: SentHandle[] = []
  for (const [name, slot] of slotsOf(record, names, given)) {
    const handle = handleIn(slot)
    if (handle !== undefined) handles.push(await sentHandle(name, handle, slot.kind === 'value' ? undefined : slot.how))
    else if (slot.kind === 'value') values.push([name, slot.value])
  }
  const { params } = record
  const isOne = isConfig(params as object)
  return {
    config: isOne ? within(params as object, isStep) : undefined,
    plain: await plainOf(stage, { params: isOne ? undefined : params, values }),
    handles,
  }
}

/** @param placed undefined: it was given by hand. */
async function sentHandle(
  name: string,
  handle: ArtifactHandle<unknown>,
  placed: Placed | undefined,
): Promise<SentHandle> {
  const { artifact, entry, cacher } = handle.parts
  const { origin, ...how } = placed ?? {}
  const sent = { name, artifact, entry, isNamed: cacher !== undefined, how: placed && (how as Placed) }
  if (cacher === undefined || (await isPlain(cacher))) return { ...sent, reader: undefined }
  if (placed === undefined || origin === undefined) {
    throw new DeclarationError(`${name} is read by a cacher of its own, which cannot be sent to a worker`, {
      hint: 'name the stage that makes it among the inputs, and do not set it by hand',
    })
  }
  const reader = { of: originOf(placed.stage, origin), member: origin.member, output: handle.name }
  return { ...sent, reader }
}

function handleIn(slot: Slot): ArtifactHandle<unknown> | undefined {
  if (slot.kind === 'artifact') return slot.handle
  return slot.value instanceof ArtifactHandle ? slot.value : undefined
}

/** What stands under the names that a stage reads; what is missing has a default. */
function slotsOf(record: StageRecord, names: readonly string[], given: StageCall['given'] = {}): [string, Slot][] {
  return names.flatMap((name): [string, Slot][] => {
    if (Object.hasOwn(given, name)) return [[name, { kind: 'value', value: given[name] }]]
    const slot = record.slot(name)
    return slot === undefined ? [] : [[name, slot]]
  })
}

/** What a worker makes of a call: `perform` does it. */
class ReceivedCall {
  readonly infra: Performer

  constructor({ infra, ...call }: SentCall & { readonly infra: { readonly folder: string } }) {
    this.infra = new StagePerformer(call, infra.folder)
  }
}

ownClasses.set('StageCall', ReceivedCall)

class StagePerformer extends Performer {
  readonly #call: SentCall
  readonly #folder: string

  constructor(call: SentCall, folder: string) {
    super()
    this.#call = call
    this.#folder = folder
  }

  store(): Promise<Store> {
    // Who sent it has accepted the folder.
    return storeIn(this.#folder, false, { trustWorldWritable: true, durability: this.#call.durability })
  }

  async perform(assignment: Assignment, signal?: AbortSignal): Promise<void> {
    const { Experiment } = await import('./experiment.js')
    const { runStage } = await import('./run.js')
    const { specOf } = await import('./callable.js')
    const { stageOf } = await import('./method.js')
    const { experiment: name, stage, member, before, over: sentOver } = this.#call
    const { mode, token } = assignment as Assignment & { readonly mode: Mode }
    const experiment = new Experiment({ name, store: await this.store(), progress: false })
    const recordOf = (sent: SentRecord): Promise<StageRecord> => received(sent, experiment, { mode, token, signal })
    const record = await recordOf(this.#call.record)
    record.stages.push(...before)
    const over = sentOver && (await Promise.all(sentOver.map(recordOf)))
    const spec = specOf(member === undefined ? stage : stageOf(stage as never, member as never))
    if (spec === undefined) throw new DeclarationError(`${assignment.where}: what its module exports there is no stage`)
    this.checkKey(assignment, (await decide(record, spec, {}, over)).key)
    await runStage(record, { ...spec, infra: undefined }, {}, over)
  }
}

async function received(sent: SentRecord, experiment: Experiment, options: RunOptions): Promise<StageRecord> {
  const { outputsOf } = await import('./method.js')
  const { params, values } = (await decoded(sent.plain)) as { params: unknown; values: readonly [string, unknown][] }
  const record = new StageRecord<unknown>(experiment, sent.config ?? params, options, new Reporter(false))
  for (const [name, value] of values) record.set(name, value)
  const store = await experiment.store()
  for (const { name, artifact, entry, isNamed, reader, how } of sent.handles) {
    const declared = reader && outputsOf(reader.of, reader.member)?.get(reader.output)?.cacher
    if (reader !== undefined && typeof declared !== 'object') {
      throw new DeclarationError(`input ${name} has another cacher in the worker: the code has changed since`)
    }
    const cacher = typeof declared === 'object' ? declared : isNamed ? await cacherByName(artifact.cacher) : undefined
    const about = { store, cacher }
    const handle = new ArtifactHandle({ artifact, blobs: store.blobs }, entry, about)
    if (how === undefined) record.set(name, handle)
    else record.place(name, handle, how)
  }
  return record
}
